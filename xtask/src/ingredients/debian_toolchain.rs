//! Debian's Rust compiler and GNU cross compiler, unpacked into the cache without root. The tools run on the host, so
//! they come from the host's own Debian suite; the standard library for arm64 comes from there as well, and it must be
//! of the same version as the compiler.

use super::apt::{Apt, Archive, Record};
use super::cache::{Cache, hex};
use super::sources::Mirror;
use super::toolchain::{Toolchain, output};
use super::{cache, deb};
use crate::progress;
use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const TARGET: &str = "aarch64-unknown-linux-gnu";

/// Compiler and standard library, the most recent first: Debian keeps one compiler for the browsers up to date in
/// stable; the plain one is recent only in backports and in a fresh release.
const COMPILERS: [(&str, &str); 2] = [("rustc-web", "libstd-rust-web-dev"), ("rustc", "libstd-rust-dev")];

/// The oldest compiler that our sources are written for; Cargo.toml says the same.
const OLDEST: (u32, u32) = (1, 95);

/// Packages that are unpacked when something needed depends on them. The rest (libc, zlib, …) is the host's.
const FOLLOWED: [&str; 10] = [
    "rustc",
    "libstd-rust-",
    "libllvm",
    "gcc-",
    "cpp-",
    "binutils-aarch64",
    "libc6-",
    "libgcc-",
    "linux-libc-dev-",
    "libstd-rust-web-",
];

/// Fetches and unpacks the toolchain, or finds it unpacked.
pub fn find(cache: &Cache, mirror: Option<&str>) -> Result<Toolchain> {
    fetched(cache, mirror, "toolchain-debian", Host::packages, describe)
}

/// Only the C compiler, for use beside another toolchain: what build scripts must be told, and its version.
pub fn c_compiler(cache: &Cache, mirror: Option<&str>) -> Result<(Vec<(&'static str, OsString)>, String)> {
    fetched(cache, mirror, "cross-debian", Host::c_packages, |root| {
        ensure!(root.join("complete").exists(), "the compiler in {} is not complete", root.display());
        let gcc = linker(root)?;
        let version = output(Command::new(&gcc).arg("--version")).context("the C compiler does not run here")?;
        let version = version.lines().next().unwrap_or_default();
        Ok((c_environment(root, &gcc)?, version.strip_prefix("aarch64-linux-gnu-").unwrap_or(version).to_owned()))
    })
}

/// What a build script needs to compile C for either target.
fn c_environment(root: &Path, gcc: &Path) -> Result<Vec<(&'static str, OsString)>> {
    let show = |path: &Path| path.to_str().map(str::to_owned).context("the cache's path is not UTF-8");
    let flags = format!("--sysroot={} -isystem {}", show(root)?, show(&root.join("usr/aarch64-linux-gnu/include"))?);
    let archiver = root.join("usr/bin/aarch64-linux-gnu-ar");
    Ok(vec![
        ("CC_aarch64_unknown_linux_musl", gcc.into()),
        ("CC_aarch64_unknown_linux_gnu", gcc.into()),
        ("AR_aarch64_unknown_linux_musl", archiver.clone().into()),
        ("AR_aarch64_unknown_linux_gnu", archiver.into()),
        ("CFLAGS_aarch64_unknown_linux_musl", flags.clone().into()),
        ("CFLAGS_aarch64_unknown_linux_gnu", flags.into()),
        ("LD_LIBRARY_PATH", root.join("usr/lib/x86_64-linux-gnu").into()),
    ])
}

/// Packages of the host's suite, unpacked into the cache under `folder`; `look` sees whether they are whole and run.
fn fetched<T>(
    cache: &Cache,
    mirror: Option<&str>,
    folder: &str,
    choose: fn(&Host, &Apt) -> Result<Vec<Record>>,
    look: impl Fn(&Path) -> Result<T>,
) -> Result<T> {
    let current = cache.folder(folder);
    let unpacked = || {
        let name = fs::read_to_string(current.join("current")).ok()?;
        look(&current.join(name.trim())).ok()
    };
    if let Some(found) = unpacked() {
        return Ok(found);
    }
    let _guard = cache.lock()?;
    // Another build may have fetched it while we waited.
    if let Some(found) = unpacked() {
        return Ok(found);
    }
    let host = Host::find()?;
    let apt = host.apt(cache, &Mirror::find(mirror)?)?;
    apt.update().context("the compiler for the card is not in the cache, and the mirror gives no package list")?;
    let packages = choose(&host, &apt)?;
    let name = fingerprint(&packages);
    let root = current.join(&name);
    if !root.join("complete").exists() {
        fetch(cache, &apt, &packages)?;
        unpack(cache, &packages, &root)?;
    }
    fs::write(current.join("current"), &name)?;
    look(&root)
}

struct Host {
    suite: String,
    architecture: String,
}

impl Host {
    fn find() -> Result<Self> {
        let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
        let suite = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
        let suite = suite.map(|name| name.trim_matches('"').to_owned());
        let architecture = output(Command::new("dpkg").arg("--print-architecture"));
        let host = Self { suite: suite.unwrap_or_default(), architecture: architecture.unwrap_or_default() };
        ensure!(
            !host.suite.is_empty() && host.architecture == "amd64",
            "no compiler for the card: `rustup target add aarch64-unknown-linux-musl` does not work here, and Debian's \
             cross compiler needs a Debian host on amd64 (this is {:?} on {:?})",
            host.suite,
            host.architecture
        );
        Ok(host)
    }

    fn apt(&self, cache: &Cache, mirror: &Mirror) -> Result<Apt> {
        let archive = |uri: &str, ending: &str| Archive {
            uri: uri.to_owned(),
            suite: format!("{}{ending}", self.suite),
            components: vec!["main".to_owned()],
            optional: !ending.is_empty(),
        };
        let mut archives = vec![archive(&mirror.main, ""), archive(&mirror.main, "-updates")];
        archives.push(archive(&mirror.main, "-backports"));
        archives.extend(mirror.security.as_ref().map(|uri| archive(uri, "-security")));
        Apt::new(cache.folder("apt-host"), archives, &[&self.architecture, "arm64"])
    }

    /// All packages of the toolchain.
    fn packages(&self, apt: &Apt) -> Result<Vec<Record>> {
        let mut tried = Vec::new();
        for (compiler, library) in COMPILERS {
            for record in apt.versions(&format!("{compiler}:{}", self.architecture))? {
                if version(&record.version).is_some_and(|version| version >= OLDEST) {
                    return self.collect(apt, record, library);
                }
                tried.push(format!("{compiler} {}", record.version));
            }
        }
        bail!(
            "no compiler for the card: `rustup target add aarch64-unknown-linux-musl` does not work here, and Debian \
             {} has no Rust {}.{} or newer (it has: {})",
            self.suite,
            OLDEST.0,
            OLDEST.1,
            if tried.is_empty() { "none".to_owned() } else { tried.join(", ") }
        )
    }

    /// The compiler, the library for both architectures in the compiler's version, the linker, and what they need.
    fn collect(&self, apt: &Apt, compiler: Record, library: &str) -> Result<Vec<Record>> {
        let mut open = self.c_names();
        open.extend([
            (library.to_owned(), self.architecture.clone(), Some(compiler.version.clone())),
            (library.to_owned(), "arm64".to_owned(), Some(compiler.version.clone())),
            (compiler.name.clone(), self.architecture.clone(), Some(compiler.version.clone())),
        ]);
        with_needed(apt, open)
    }

    /// The C compiler and what it needs.
    fn c_packages(&self, apt: &Apt) -> Result<Vec<Record>> {
        with_needed(apt, self.c_names())
    }

    /// Compiler, linker and headers of C.
    fn c_names(&self) -> Vec<Named> {
        let names = ["gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross"];
        names.map(|name| (name.to_owned(), self.architecture.clone(), None)).to_vec()
    }
}

/// A package's name and architecture, and its version if only one will do.
type Named = (String, String, Option<String>);

/// The packages and all that they need.
fn with_needed(apt: &Apt, mut open: Vec<Named>) -> Result<Vec<Record>> {
    let (mut seen, mut packages) = (BTreeSet::new(), Vec::new());
    while let Some((name, architecture, wanted)) = open.pop() {
        if !seen.insert((name.clone(), architecture.clone())) {
            continue;
        }
        let versions = apt.versions(&format!("{name}:{architecture}"))?;
        let matching = |record: &&Record| wanted.as_ref().is_none_or(|wanted| *wanted == record.version);
        let Some(record) = versions.iter().find(matching).cloned() else {
            ensure!(wanted.is_none(), "the mirror has no {name} {} for {architecture}", wanted.unwrap_or_default());
            continue;
        };
        for needed in record.depends.iter().filter(|needed| followed(needed)) {
            let exact = needed.starts_with("libstd-rust-").then(|| record.version.clone());
            open.push((needed.clone(), architecture.clone(), exact));
        }
        packages.push(record);
    }
    packages.sort_by(|a, b| (&a.name, &a.sha256).cmp(&(&b.name, &b.sha256)));
    packages.dedup();
    Ok(packages)
}

fn followed(name: &str) -> bool {
    FOLLOWED.iter().any(|start| name.starts_with(start)) && !name.ends_with("-base")
}

/// `1.96.0+dfsg1-1~deb12u1` gives (1, 96).
fn version(debian: &str) -> Option<(u32, u32)> {
    let mut numbers = debian.split(['.', '+', '-', '~']).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// One folder for each set of packages.
fn fingerprint(packages: &[Record]) -> String {
    let mut digest = Sha256::new();
    for record in packages {
        digest.update(record.sha256.as_bytes());
    }
    hex(&digest.finalize()[..8])
}

fn fetch(cache: &Cache, apt: &Apt, packages: &[Record]) -> Result<()> {
    let into = cache.folder("download-toolchain");
    if into.exists() {
        fs::remove_dir_all(&into)?;
    }
    fs::create_dir_all(&into)?;
    let mut wanted = Vec::new();
    for record in packages {
        if !cache.holds(&record.sha256)? {
            wanted.push((format!("{}:{}={}", record.name, ask_for(record), record.version), record.size));
        }
    }
    if wanted.is_empty() {
        return Ok(());
    }
    apt.download(&wanted, &into)?;
    for entry in fs::read_dir(&into)? {
        let path = entry?.path();
        let found = cache::sha256_of(&path)?;
        let record = packages.iter().find(|record| record.sha256 == found);
        let record = record.with_context(|| format!("{} is no package of the toolchain", path.display()))?;
        cache.take(&path, &record.name, &record.sha256)?;
    }
    fs::remove_dir_all(&into).context("clearing the download folder")
}

/// apt asks for a package of all architectures under the native one.
fn ask_for(record: &Record) -> &str {
    if record.architecture == "all" { "amd64" } else { &record.architecture }
}

fn unpack(cache: &Cache, packages: &[Record], root: &Path) -> Result<()> {
    let step = progress::step(format!("Unpacking the compiler ({} packages)", packages.len()));
    if root.exists() {
        fs::remove_dir_all(root)?;
    }
    fs::create_dir_all(root)?;
    for record in packages {
        deb::unpack_to(&cache.package(&record.sha256), root)?;
    }
    fs::write(root.join("complete"), "")?;
    step.done("done");
    Ok(())
}

/// An unpacked toolchain, once it is seen to run.
fn describe(root: &Path) -> Result<Toolchain> {
    ensure!(root.join("complete").exists(), "the toolchain in {} is not complete", root.display());
    let (libraries, rustc) = (root.join("usr/lib/x86_64-linux-gnu"), root.join("usr/bin/rustc"));
    let version = output(Command::new(&rustc).arg("--version").env("LD_LIBRARY_PATH", &libraries));
    let version = version.with_context(|| format!("{} does not run on this machine", rustc.display()))?;
    let (linker, sysroot) = (linker(root)?, root.join("usr"));
    let show = |path: &Path| path.to_str().map(str::to_owned).context("the cache's path is not UTF-8");
    Ok(Toolchain {
        target: TARGET,
        description: format!("{version}, static glibc, both from Debian"),
        flags: vec![
            format!("-Clinker={}", show(&linker)?),
            format!("-Clink-arg=--sysroot={}", show(root)?),
            "-Ctarget-feature=+crt-static".to_owned(),
        ],
        environment: [vec![("RUSTC", rustc.into())], c_environment(root, &linker)?].concat(),
        sysroot,
    })
}

/// The cross compiler under its versioned name.
fn linker(root: &Path) -> Result<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(root.join("usr/bin"))?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            name.strip_prefix("aarch64-linux-gnu-gcc-").is_some_and(|rest| rest.parse::<u32>().is_ok())
        })
        .collect();
    found.sort();
    found.pop().context("the unpacked cross compiler has no aarch64-linux-gnu-gcc-N")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_debian() {
        assert_eq!(version("1.96.0+dfsg1-1~deb12u1"), Some((1, 96)));
        assert_eq!(version("1.85.0+dfsg3-1"), Some((1, 85)));
        assert_eq!(version("nonsense"), None);
    }

    #[test]
    fn the_hosts_own_libraries_are_left_alone() {
        assert!(followed("libllvm22") && followed("libstd-rust-web-1.96") && followed("gcc-12-aarch64-linux-gnu"));
        assert!(!followed("libc6") && !followed("zlib1g") && !followed("gcc-12-base"));
    }
}
