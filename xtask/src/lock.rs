//! `cargo xtask lock`: writes down the newest version of each package of image/packages.toml, with its SHA-256. The
//! build takes exactly what the lock names, so the same sources give the same card. The packages of the Wi-Fi lab and of
//! `bench nat` are locked in the same manner.

use crate::ingredients::{self, Record};
use crate::progress;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::Path;

/// A list of packages and its lock, relative to the top of the source tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// What is wanted.
    pub list: &'static str,
    /// What is taken.
    pub lock: &'static str,
}

/// What the card is made of.
pub const CARD: Pair = Pair { list: "image/packages.toml", lock: "image/packages.lock" };

/// What the Wi-Fi lab's helper is made of.
pub const WIFI_LAB: Pair = Pair { list: "tests/wifi/packages.toml", lock: "tests/wifi/packages.lock" };

/// What the helper of `bench nat` is made of.
pub const NAT_BENCH: Pair = Pair { list: "tests/nat/packages.toml", lock: "tests/nat/packages.lock" };

const HEAD: &str = "# Written by `cargo xtask lock` from packages.toml; do not edit. The build takes exactly these packages.\n\
                    # `toolchain` is only a note: which compiler this was last built with. Another one gives another binary.\n\n";

/// What the command line may say.
#[derive(clap::Args)]
pub struct Args {
    /// Debian mirror to use instead of the one in the host's apt sources (also: GATEPOST_MIRROR)
    #[arg(long, value_name = "URL")]
    mirror: Option<String>,
}

/// The packages that the card is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// The compiler and standard library at the time of locking, for the reader.
    pub toolchain: String,
    /// Sorted as in packages.toml.
    #[serde(rename = "package")]
    pub packages: Vec<Locked>,
}

/// One locked package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Locked {
    /// Binary package.
    pub name: String,
    /// Its name in packages.toml, where a meta package stands there.
    #[serde(rename = "for", default, skip_serializing_if = "Option::is_none")]
    pub meta: Option<String>,
    /// Debian version.
    pub version: String,
    /// Suite in which it was found.
    pub suite: String,
    /// Of the .deb, in hexadecimal.
    pub sha256: String,
    /// Of the .deb, in bytes.
    pub size: u64,
    /// Path below the archive's top.
    pub pool: String,
}

impl Locked {
    /// The lock's line about a package that was found in the index.
    pub fn new(wanted: &str, record: Record) -> Self {
        Self {
            meta: (wanted != record.name).then(|| wanted.to_owned()),
            name: record.name,
            version: record.version,
            suite: record.suite,
            sha256: record.sha256,
            size: record.size,
            pool: record.pool,
        }
    }

    /// The name by which packages.toml and firmware.toml speak of it.
    pub fn listed_as(&self) -> &str {
        self.meta.as_deref().unwrap_or(&self.name)
    }
}

impl Lock {
    /// Reads a lock of this source tree.
    pub fn read(pair: Pair) -> Result<Self> {
        let path = pair.lock;
        let text = fs::read_to_string(path).with_context(|| format!("reading {path}; `cargo xtask lock` writes it"))?;
        Self::parse(&text).with_context(|| format!("understanding {path}; `cargo xtask lock` renews it"))
    }

    fn parse(text: &str) -> Result<Self> {
        Ok(toml::from_str(text)?)
    }

    fn text(&self) -> Result<String> {
        Ok(format!("{HEAD}{}", toml::to_string(self)?))
    }

    /// Writes the lock; a reader never sees half of it.
    pub fn write(&self, path: &Path) -> Result<()> {
        let fresh = path.with_extension("lock.new");
        fs::write(&fresh, self.text()?).with_context(|| format!("writing {}", fresh.display()))?;
        fs::rename(&fresh, path).with_context(|| format!("writing {}", path.display()))
    }
}

/// Runs the verb.
pub fn run(args: Args) -> Result<()> {
    let options = ingredients::Options { mirror: args.mirror };
    renew(&options, CARD)?;
    renew(&options, WIFI_LAB)?;
    renew(&options, NAT_BENCH)?;
    progress::line("`cargo xtask image` builds from the new lock.");
    Ok(())
}

fn renew(options: &ingredients::Options, pair: Pair) -> Result<()> {
    let old = Lock::read(pair).unwrap_or_default();
    let new = ingredients::newest(options, pair)?;
    for package in &new.packages {
        let before = old.packages.iter().find(|locked| locked.listed_as() == package.listed_as());
        match before.map(|locked| locked.version.as_str()) {
            Some(version) if version == package.version => println!("{} {version}: unchanged", package.name),
            Some(version) => println!("{} {version} -> {}", package.name, package.version),
            None => println!("{} {}: new", package.name, package.version),
        }
    }
    new.write(Path::new(pair.lock))?;
    progress::line(format!("{} is written.", pair.lock));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let record = Record {
            name: "linux-image-6.12.0-arm64".to_owned(),
            version: "6.12.0-1".to_owned(),
            architecture: "arm64".to_owned(),
            suite: "trixie-security".to_owned(),
            sha256: "ab".repeat(32),
            size: 93_443_312,
            pool: "pool/main/l/linux.deb".to_owned(),
            depends: vec![],
        };
        let mut plain = Locked::new("linux-image-6.12.0-arm64", record.clone());
        plain.name = "wireless-regdb".to_owned();
        let lock = Lock {
            toolchain: "rustc 1.95.0".to_owned(),
            packages: vec![Locked::new("linux-image-arm64", record), plain],
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("packages.lock");
        lock.write(&path).unwrap();
        let read = Lock::parse(&fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(read, lock);
        assert_eq!(read.packages[0].listed_as(), "linux-image-arm64");
        assert_eq!(read.packages[1].meta, None);
    }

    #[test]
    fn an_unknown_key_is_refused() {
        assert!(Lock::parse("toolchain = \"\"\ncolour = 1\npackage = []\n").is_err());
    }

    /// CVE-2021-20322, CVE-2020-25705: errors of ICMP told which port waits for an answer. Only the kernel can cure that;
    /// Linux 5.15 has both cures.
    #[test]
    fn cve_2021_20322_the_cards_kernel_has_the_cure() {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../image/packages.lock")).unwrap();
        let lock = Lock::parse(&text).unwrap();
        let kernel = lock.packages.iter().find(|package| package.listed_as() == "linux-image-arm64").unwrap();
        let mut numbers = kernel.version.split(['.', '-', '+']).map(|number| number.parse::<u32>().unwrap());
        let version = (numbers.next().unwrap(), numbers.next().unwrap());
        assert!(version >= (5, 15), "{}", kernel.version);
    }
}
