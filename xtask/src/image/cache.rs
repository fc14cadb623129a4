//! Results that take long to make, kept under the hash of what they were made from. A build after a change to the binary alone
//! then takes seconds, and can't differ from a slow one: a result is used only for the very same input and settings.

use super::verity::hex;
use anyhow::Context;
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// How many results of one kind are kept. A developer goes back and forth between a few builds; more is only disk space.
const KEPT: usize = 8;

/// A folder of results.
pub struct Cache {
    /// None: nothing is kept and nothing found.
    folder: Option<PathBuf>,
}

/// What a result is made from: the maker's name and settings (change them when its output changes), and the input.
pub struct Recipe<'a> {
    /// A file name's beginning, such as `kernel-gz`.
    pub kind: &'a str,
    /// Levels, versions, times.
    pub settings: &'a str,
    /// The input's SHA-256.
    pub input: [u8; 32],
}

/// A result.
#[derive(Debug, PartialEq, Eq)]
pub struct Made {
    /// What the maker gave.
    pub bytes: Vec<u8>,
    /// Whether an earlier build had made it already.
    pub kept: bool,
}

impl Made {
    /// A few words for the line that ends the step.
    pub fn words(&self) -> String {
        let how = if self.kept { "kept from an earlier build" } else { "made" };
        format!("{how}, {} bytes", self.bytes.len())
    }
}

impl Cache {
    /// `$XDG_CACHE_HOME/gatepost/made`, or the same under `~/.cache`.
    pub fn of_user() -> anyhow::Result<Self> {
        let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
        let base =
            std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute()).or_else(home);
        Ok(Self::at(&base.context("neither XDG_CACHE_HOME nor HOME is set")?.join("gatepost/made")))
    }

    /// A cache in this folder, which need not exist yet.
    pub fn at(folder: &Path) -> Self {
        Self { folder: Some(folder.into()) }
    }

    /// A cache that forgets at once: everything is made anew.
    pub fn none() -> Self {
        Self { folder: None }
    }

    /// The kept result, or a new one, which is then kept. The flag says whether it was kept.
    pub fn get(&self, recipe: &Recipe<'_>, make: impl FnOnce() -> anyhow::Result<Vec<u8>>) -> anyhow::Result<Made> {
        let key = Sha256::new()
            .chain_update((recipe.settings.len() as u64).to_le_bytes())
            .chain_update(recipe.settings)
            .chain_update(recipe.input)
            .finalize();
        let Some(folder) = &self.folder else { return Ok(Made { bytes: make()?, kept: false }) };
        let path = folder.join(format!("{}-{}", recipe.kind, hex(&key)));
        if let Some(bytes) = read(&path) {
            return Ok(Made { bytes, kept: true });
        }
        let bytes = make()?;
        keep(folder, &path, &bytes).with_context(|| format!("can't write {}", path.display()))?;
        forget_oldest(folder, recipe.kind);
        Ok(Made { bytes, kept: false })
    }
}

/// Written beside and renamed, so that an interrupted build leaves no half result.
fn keep(folder: &Path, path: &Path, made: &[u8]) -> std::io::Result<()> {
    fs::create_dir_all(folder)?;
    let unfinished = path.with_extension(format!("{}.tmp", std::process::id()));
    fs::write(&unfinished, [&Sha256::digest(made)[..], made].concat())?;
    fs::rename(&unfinished, path)
}

fn forget_oldest(folder: &Path, kind: &str) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut found: Vec<(SystemTime, PathBuf)> = entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(&format!("{kind}-")))
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    found.sort();
    for (_, path) in found.iter().rev().skip(KEPT) {
        // Only disk space is lost if this fails.
        let _ = fs::remove_file(path);
    }
}

/// A kept result: 32 bytes of SHA-256, then the bytes it is of. `None` also if it was damaged: it is then made anew.
fn read(path: &Path) -> Option<Vec<u8>> {
    let bytes = fs::read(path).ok()?;
    let (hash, content) = bytes.split_at_checked(32)?;
    (Sha256::digest(content)[..] == *hash).then(|| content.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(input: u8) -> Recipe<'static> {
        Recipe { kind: "test", settings: "level=9", input: [input; 32] }
    }

    #[test]
    fn made_once_and_again_when_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(&folder.path().join("new"));
        let made = |value: u8| move || Ok(vec![value; 100]);
        let result = |value: u8, kept| Made { bytes: vec![value; 100], kept };
        assert_eq!(cache.get(&recipe(1), made(1)).unwrap(), result(1, false));
        assert_eq!(cache.get(&recipe(1), made(2)).unwrap(), result(1, true));
        let other = Recipe { settings: "level=1", ..recipe(1) };
        assert_eq!(cache.get(&other, made(3)).unwrap(), result(3, false));
        for entry in fs::read_dir(folder.path().join("new")).unwrap() {
            let path = entry.unwrap().path();
            let mut bytes = fs::read(&path).unwrap();
            bytes[50] ^= 1;
            fs::write(&path, bytes).unwrap();
        }
        assert_eq!(cache.get(&recipe(1), made(4)).unwrap(), result(4, false));
    }

    #[test]
    fn a_build_without_a_cache_makes_everything() {
        let made = |value: u8| Cache::none().get(&recipe(1), || Ok(vec![value])).unwrap();
        assert_eq!((made(1).bytes, made(2).bytes), (vec![1], vec![2]));
    }

    #[test]
    fn old_results_go() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path());
        for input in 0..20 {
            cache.get(&recipe(input), || Ok(vec![input])).unwrap();
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), KEPT);
    }
}
