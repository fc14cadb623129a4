//! The host's apt with a state folder of its own: it fetches and verifies packages for another suite and another
//! architecture, as any user, and changes nothing on the host. apt checks the chain InRelease signature → package
//! index → package, with Debian's keyring from the host.
//!
//! Of the host's own configuration only the way to the network is taken over (proxies, certificates, retries): its
//! hooks must not run and its sources and pins must not matter.

use super::deb822;
use crate::progress::{self, Step};
use anyhow::{Context, Result, bail, ensure};
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// One suite of an archive.
#[derive(Clone, Debug)]
pub struct Archive {
    /// The folder that holds `dists` and `pool`.
    pub uri: String,
    /// Such as `trixie`.
    pub suite: String,
    /// Such as `main`.
    pub components: Vec<String>,
    /// Goes without where the mirror has no such suite.
    pub optional: bool,
}

/// What the index says about one version of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Binary package.
    pub name: String,
    /// Debian version.
    pub version: String,
    /// `all` or an architecture.
    pub architecture: String,
    /// The suite in which it was found.
    pub suite: String,
    /// Of the .deb, in hexadecimal.
    pub sha256: String,
    /// Of the .deb, in bytes.
    pub size: u64,
    /// Path below the archive's top.
    pub pool: String,
    /// Names of the packages that it needs; of alternatives the first.
    pub depends: Vec<String>,
}

/// apt, set up for some archives and architectures.
pub struct Apt {
    folder: PathBuf,
    archives: Vec<Archive>,
    architectures: Vec<String>,
}

impl Apt {
    /// Sets apt up in `folder`; the first architecture is the native one. Fetches nothing yet.
    pub fn new(folder: PathBuf, archives: Vec<Archive>, architectures: &[&str]) -> Result<Self> {
        for path in ["etc/apt.conf.d", "etc/preferences.d", "state/lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(folder.join(path)).with_context(|| format!("creating {}", folder.display()))?;
        }
        fs::write(folder.join("state/status"), "")?;
        let apt = Self { folder, archives, architectures: architectures.iter().map(|a| (*a).to_owned()).collect() };
        fs::write(apt.folder.join("apt.conf"), apt.configuration()?)?;
        apt.write_sources(true)?;
        Ok(apt)
    }

    /// Fetches and verifies the package indices.
    pub fn update(&self) -> Result<()> {
        let step = progress::step("Reading the mirror's package lists");
        self.write_sources(true)?;
        let Err(error) = self.run("apt-get", &["-q", "update"]) else {
            step.done("verified");
            return Ok(());
        };
        if !self.archives.iter().any(|archive| archive.optional) {
            return Err(error);
        }
        self.write_sources(false)?;
        self.run("apt-get", &["-q", "update"])?;
        step.done("verified; the mirror has no security or updates suite");
        Ok(())
    }

    /// All versions that the index has of a package, the newest first. `name` may end in `:architecture`.
    pub fn versions(&self, name: &str) -> Result<Vec<Record>> {
        let plain = name.split(':').next().unwrap_or(name);
        let mut found: Vec<Record> = Vec::new();
        for line in self.run("apt-cache", &["madison", name])?.lines() {
            let mut columns = line.split('|').map(str::trim);
            let (Some(_), Some(version), Some(source)) = (columns.next(), columns.next(), columns.next()) else {
                continue;
            };
            // "URI suite/component architecture Packages"
            let mut words = source.split_whitespace().rev();
            let (Some("Packages"), Some(_), Some(place)) = (words.next(), words.next(), words.next()) else { continue };
            let suite = place.rsplit_once('/').map_or(place, |(suite, _)| suite);
            if found.iter().any(|record| record.version == version && record.suite == suite) {
                continue;
            }
            let text = self.run("apt-cache", &["show", &format!("{name}={version}")])?;
            if let Some(record) = record(&text, plain, version, suite)? {
                found.push(record);
            }
        }
        Ok(found)
    }

    /// Downloads `name=version` pairs into the folder `into`; the index must know them. Returns nothing but the
    /// files: they are told apart by their SHA-256.
    pub fn download(&self, wanted: &[(String, u64)], into: &Path) -> Result<()> {
        let total = wanted.iter().map(|(_, size)| size).sum();
        let step = progress::bytes(format!("Downloading {} packages", wanted.len()), total);
        let mut command = self.command("apt-get");
        command.args(["-qq", "-o", "APT::Status-Fd=1", "download"]).args(wanted.iter().map(|(name, _)| name));
        let mut child = command
            .current_dir(into)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("starting apt-get")?;
        if let Some(output) = child.stdout.take() {
            follow(output, total, &step);
        }
        let mut complaint = String::new();
        if let Some(mut errors) = child.stderr.take() {
            errors.read_to_string(&mut complaint)?;
        }
        ensure!(child.wait()?.success(), "apt-get download failed: {}", tail(&complaint));
        step.done("done");
        Ok(())
    }

    /// Fetches a file that the index no longer lists but the archive may still hold; apt checks the SHA-256.
    pub fn download_unlisted(&self, record: &Record, into: &Path) -> Result<()> {
        const HELPER: &str = "/usr/lib/apt/apt-helper";
        let same = self.archives.iter().find(|archive| archive.suite == record.suite);
        let archive = same.with_context(|| format!("the mirror has no suite {}", record.suite))?;
        let uri = format!("{}/{}", archive.uri, record.pool);
        let target = into.join(format!("{}.deb", record.sha256));
        let target = target.to_str().context("the cache's path is not UTF-8")?;
        self.run(HELPER, &["download-file", &uri, target, &format!("SHA256:{}", record.sha256)]).map(drop)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("APT_CONFIG", self.folder.join("apt.conf")).env("LC_ALL", "C");
        command
    }

    fn run(&self, program: &str, args: &[&str]) -> Result<String> {
        let output =
            self.command(program).args(args).stdin(Stdio::null()).output().with_context(|| {
                format!("starting {program}: this build fetches Debian packages with the host's apt")
            })?;
        if !output.status.success() {
            let words = args.iter().find(|word| !word.starts_with('-')).copied().unwrap_or_default();
            bail!("{program} {words} failed: {}", tail(&String::from_utf8_lossy(&output.stderr)));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn configuration(&self) -> Result<String> {
        let folder = self.folder.to_str().context("the cache's path is not UTF-8")?;
        ensure!(!folder.contains(['"', '\n']), "apt cannot take a folder with such a name: {folder}");
        let mut text = format!(
            "Dir \"{folder}\";\n\
             Dir::Etc \"{folder}/etc\";\nDir::Etc::sourcelist \"{folder}/etc/sources.list\";\nDir::Etc::sourceparts \"-\";\n\
             Dir::Etc::netrc \"/etc/apt/auth.conf\";\nDir::Etc::netrcparts \"/etc/apt/auth.conf.d\";\n\
             Dir::State \"{folder}/state\";\nDir::State::status \"{folder}/state/status\";\nDir::Cache \"{folder}/cache\";\n\
             Acquire::Languages \"none\";\nAcquire::GzipIndexes \"true\";\nAPT::Update::Error-Mode \"any\";\n\
             // The folders belong to the user; apt's own uid has no way into them.\n\
             APT::Sandbox::User \"root\";\n"
        );
        writeln!(text, "APT::Architecture \"{}\";", self.architectures.first().map_or("arm64", String::as_str))?;
        writeln!(text, "APT::Architectures {{ {} }};", quoted(&self.architectures))?;
        text.push_str(&host_network_settings());
        Ok(text)
    }

    fn write_sources(&self, with_optional: bool) -> Result<()> {
        let keyring = keyring()?;
        let mut text = String::new();
        for archive in self.archives.iter().filter(|archive| with_optional || !archive.optional) {
            let (architectures, components) = (self.architectures.join(","), archive.components.join(" "));
            writeln!(
                text,
                "deb [arch={architectures} signed-by={keyring}] {} {} {components}",
                archive.uri, archive.suite
            )?;
        }
        fs::write(self.folder.join("etc/sources.list"), text).context("writing apt's sources")
    }
}

fn quoted(words: &[String]) -> String {
    words.iter().map(|word| format!("\"{word}\";")).collect::<Vec<_>>().join(" ")
}

/// The keyring that signs Debian's archives; Debian and its derivatives ship it.
fn keyring() -> Result<&'static str> {
    const PLACES: [&str; 2] =
        ["/usr/share/keyrings/debian-archive-keyring.gpg", "/usr/share/keyrings/debian-archive-keyring.pgp"];
    PLACES.into_iter().find(|path| Path::new(path).exists()).with_context(|| {
        format!(
            "Debian's archive keys are not on this machine ({}): install the package debian-archive-keyring",
            PLACES[0]
        )
    })
}

/// How the host's apt reaches the network, as configuration lines.
fn host_network_settings() -> String {
    let Ok(output) = Command::new("apt-config").arg("dump").env_remove("APT_CONFIG").output() else {
        return String::new();
    };
    network_settings(&String::from_utf8_lossy(&output.stdout))
}

/// Check-Valid-Until and Check-Date belong to it: a host on an archived mirror has to switch them off.
fn network_settings(dump: &str) -> String {
    const KEPT: [&str; 8] =
        ["proxy", "retries", "timeout", "cainfo", "capath", "check-valid-until", "check-date", "forceipv4"];
    let kept = |line: &&str| {
        let key = line.split_whitespace().next().unwrap_or_default().to_ascii_lowercase();
        key.starts_with("acquire::") && key.split("::").any(|part| KEPT.iter().any(|kept| part.contains(kept)))
    };
    dump.lines().filter(kept).flat_map(|line| [line, "\n"]).collect()
}

/// The paragraph of one version out of `apt-cache show`.
fn record(text: &str, name: &str, version: &str, suite: &str) -> Result<Option<Record>> {
    for paragraph in deb822::paragraphs(text) {
        let field = |field: &str| paragraph.get(field).unwrap_or_default();
        if field("Package") != name || field("Version") != version || field("SHA256").is_empty() {
            continue;
        }
        return Ok(Some(Record {
            name: name.to_owned(),
            version: version.to_owned(),
            architecture: field("Architecture").to_owned(),
            suite: suite.to_owned(),
            sha256: field("SHA256").to_owned(),
            size: field("Size").parse().with_context(|| format!("the size of {name} in the package index"))?,
            pool: field("Filename").to_owned(),
            depends: names(field("Depends")),
        }));
    }
    Ok(None)
}

/// `a (>= 1), b:any | c` gives a, b.
fn names(depends: &str) -> Vec<String> {
    let first = |word: &str| word.trim_start().split([' ', '(', ':', '|', '[']).next().unwrap_or_default().to_owned();
    depends.split(',').map(first).filter(|name| !name.is_empty()).collect()
}

/// Moves the bar by apt's own account: `dlstatus:NUMBER:PERCENT:TEXT`.
fn follow(output: impl Read, total: u64, step: &Step) {
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        let mut fields = line.split(':');
        if fields.next() != Some("dlstatus") {
            continue;
        }
        if let Some(percent) = fields.nth(1).and_then(|percent| percent.parse::<f64>().ok()) {
            step.set((total as f64 * percent / 100.0) as u64);
        }
    }
}

/// The last lines of a program's complaint: the first ones are mostly warnings.
fn tail(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(6)..].join("\n  ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_found_among_versions() {
        let text = "Package: k\nVersion: 2\nSHA256: bb\nSize: 7\nFilename: pool/k_2.deb\nArchitecture: arm64\n\n\
                    Package: k\nVersion: 1\nDepends: k-6.1 (= 1), libc6:any | musl,\n x\nSHA256: aa\nSize: 5\n\
                    Filename: pool/k_1.deb\nArchitecture: arm64\n";
        let found = record(text, "k", "1", "trixie").unwrap().unwrap();
        assert_eq!((found.sha256.as_str(), found.size), ("aa", 5));
        assert_eq!(found.depends, ["k-6.1", "libc6", "x"]);
        assert_eq!(record(text, "k", "3", "trixie").unwrap(), None);
    }

    #[test]
    fn only_the_way_to_the_network_is_taken_over() {
        let dump = "Acquire::http::Proxy \"http://127.0.0.1:1\";\nAcquire::AllowInsecureRepositories \"1\";\n\
                    APT::Update::Post-Invoke:: \"rm -rf /\";\nAcquire::Retries \"9\";\nAcquire::Check-Date \"false\";\n";
        assert_eq!(
            network_settings(dump),
            "Acquire::http::Proxy \"http://127.0.0.1:1\";\nAcquire::Retries \"9\";\nAcquire::Check-Date \"false\";\n"
        );
    }
}
