//! Brings the locked packages into the cache: from the cache itself, from the mirror's index, or, when the index has
//! moved on, from the mirror's pool, which keeps superseded files for a while. The SHA-256 of the lock decides.

use super::apt::{Apt, Record};
use super::cache::Cache;
use super::sources::Mirror;
use super::wanted::{self, Wanted};
use crate::lock::{Lock, Locked, Pair};
use crate::progress;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::Path;

/// Sees to it that the cache holds every package of the lock.
pub fn all(cache: &Cache, pair: Pair, list: &[Wanted], lock: &Lock, mirror: Option<&str>) -> Result<()> {
    agree(pair, list, lock)?;
    if missing(cache, lock)?.is_empty() {
        progress::line("Packages: offline: everything from the cache.");
        return Ok(());
    }
    let _guard = cache.lock()?;
    // Another build may have fetched them while we waited.
    let missing = missing(cache, lock)?;
    if missing.is_empty() {
        return Ok(());
    }
    let apt = target_apt(cache, pair, list, &Mirror::find(mirror)?)?;
    let names: Vec<_> = missing.iter().map(|locked| format!("{} {}", locked.name, locked.version)).collect();
    apt.update()
        .with_context(|| format!("the cache lacks {}, and the mirror gives no package list", names.join(", ")))?;
    from_mirror(cache, pair, &apt, &missing)
}

fn missing<'a>(cache: &Cache, lock: &'a Lock) -> Result<Vec<&'a Locked>> {
    let mut missing = Vec::new();
    for locked in &lock.packages {
        if !cache.holds(&locked.sha256)? {
            missing.push(locked);
        }
    }
    Ok(missing)
}

/// apt for the target: arm64, whatever the host is. Each list has its own, since it may want other archives.
pub fn target_apt(cache: &Cache, pair: Pair, list: &[Wanted], mirror: &Mirror) -> Result<Apt> {
    let folder = if pair == crate::lock::CARD { "apt-target" } else { "apt-lab" };
    Apt::new(cache.folder(folder), wanted::archives(list, mirror), &["arm64"])
}

/// The lock speaks of the packages of the list, of all and of no others.
fn agree(pair: Pair, list: &[Wanted], lock: &Lock) -> Result<()> {
    let listed: Vec<_> = list.iter().map(|wanted| wanted.name.as_str()).collect();
    let locked: Vec<_> = lock.packages.iter().map(Locked::listed_as).collect();
    if listed != locked {
        bail!("{} names {locked:?} but {} {listed:?}: run `cargo xtask lock`", pair.lock, pair.list);
    }
    Ok(())
}

fn from_mirror(cache: &Cache, pair: Pair, apt: &Apt, missing: &[&Locked]) -> Result<()> {
    let into = cache.folder("download");
    if into.exists() {
        fs::remove_dir_all(&into).with_context(|| format!("clearing {}", into.display()))?;
    }
    fs::create_dir_all(&into)?;
    let mut listed = Vec::new();
    for locked in missing {
        let versions = apt.versions(&locked.name)?;
        match versions.iter().find(|record| record.version == locked.version) {
            Some(record) => {
                differs(pair, locked, record)?;
                listed.push((format!("{}={}", locked.name, locked.version), locked.size));
            }
            None => unlisted(pair, apt, locked, &versions, &into)?,
        }
    }
    if !listed.is_empty() {
        apt.download(&listed, &into)?;
    }
    take(cache, pair, missing, &into)?;
    fs::remove_dir_all(&into).with_context(|| format!("clearing {}", into.display()))
}

/// The same version with other content: not ours to decide.
fn differs(pair: Pair, locked: &Locked, record: &Record) -> Result<()> {
    if record.sha256 == locked.sha256 {
        return Ok(());
    }
    bail!(
        "the mirror's {} {} is another file than the locked one (SHA-256 {} there, {} in {}). If you trust the mirror, \
         `cargo xtask lock` takes it over",
        locked.name,
        locked.version,
        record.sha256,
        locked.sha256,
        pair.lock
    )
}

/// The index has moved on; the pool may still have the file.
fn unlisted(pair: Pair, apt: &Apt, locked: &Locked, versions: &[Record], into: &Path) -> Result<()> {
    let record = Record {
        name: locked.name.clone(),
        version: locked.version.clone(),
        architecture: String::new(),
        suite: locked.suite.clone(),
        sha256: locked.sha256.clone(),
        size: locked.size,
        pool: locked.pool.clone(),
        depends: Vec::new(),
    };
    let step = progress::step(format!("Looking for {} {} in the mirror's pool", locked.name, locked.version));
    if apt.download_unlisted(&record, into).is_ok() {
        step.done("found; the mirror's index has a newer one: `cargo xtask lock` takes it over");
        return Ok(());
    }
    let now: Vec<_> = versions.iter().map(|record| record.version.as_str()).collect();
    bail!(
        "{} {} is locked in {}, but the mirror no longer has it (it has: {}). `cargo xtask lock` writes the mirror's \
         present versions into the lock; then build again",
        locked.name,
        locked.version,
        pair.lock,
        if now.is_empty() { "no version of it".to_owned() } else { now.join(", ") }
    )
}

/// Tells the downloaded files apart by the lock's SHA-256, whatever apt called them.
fn take(cache: &Cache, pair: Pair, missing: &[&Locked], into: &Path) -> Result<()> {
    for entry in fs::read_dir(into)? {
        let path = entry?.path();
        let found = super::cache::sha256_of(&path)?;
        if missing.iter().any(|locked| locked.sha256 == found) {
            cache.take(&path, "package", &found)?;
        }
    }
    for locked in missing {
        if !cache.package(&locked.sha256).exists() {
            bail!(
                "what came for {} {} has not the SHA-256 of {} ({}): the mirror or the way to it is broken, or the \
                 lock is old (`cargo xtask lock`)",
                locked.name,
                locked.version,
                pair.lock,
                locked.sha256
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_grew_asks_for_a_new_lock() {
        let list: Vec<Wanted> = vec![Wanted {
            name: "linux-image-arm64".to_owned(),
            suite: "trixie".to_owned(),
            component: "main".to_owned(),
            real: None,
            copyright: vec![],
        }];
        let error = agree(crate::lock::CARD, &list, &Lock::default()).unwrap_err().to_string();
        assert!(error.contains("cargo xtask lock"), "{error}");
    }
}
