//! The folder that makes a second build work offline: `$XDG_CACHE_HOME/gatepost`. Packages lie in it by SHA-256, so
//! what is found there is what the lock names, whoever put it there.

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

/// The cache folder. Packages in it never change, so reading needs no lock.
pub struct Cache {
    root: PathBuf,
}

/// The right to change the cache; dropping it lets the next process in.
pub struct Guard(#[allow(dead_code)] File);

impl Cache {
    /// Opens the user's cache.
    pub fn open() -> Result<Self> {
        Self::at(&default_folder()?)
    }

    /// Opens a cache in a folder of one's own.
    pub fn at(root: &Path) -> Result<Self> {
        fs::create_dir_all(root.join("packages")).with_context(|| format!("creating the cache {}", root.display()))?;
        Ok(Self { root: root.to_owned() })
    }

    /// Waits for the right to change the cache.
    pub fn lock(&self) -> Result<Guard> {
        let lock = File::create(self.root.join("lock"))?;
        if lock.try_lock().is_err() {
            crate::progress::line("Another build is fetching packages; waiting for it.");
            lock.lock()?;
        }
        Ok(Guard(lock))
    }

    /// A folder inside the cache.
    pub fn folder(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Where a package of that SHA-256 belongs, whether it is there or not.
    pub fn package(&self, sha256: &str) -> PathBuf {
        self.root.join("packages").join(format!("{sha256}.deb"))
    }

    /// Whether a package is there and whole. A damaged one is removed.
    pub fn holds(&self, sha256: &str) -> Result<bool> {
        let path = self.package(sha256);
        if !path.exists() {
            return Ok(false);
        }
        if sha256_of(&path)? == sha256 {
            return Ok(true);
        }
        crate::progress::line(format!("{} is damaged; fetching it again.", path.display()));
        fs::remove_file(&path)?;
        Ok(false)
    }

    /// Takes a downloaded package in, if it is the one that the lock names.
    pub fn take(&self, file: &Path, name: &str, sha256: &str) -> Result<()> {
        let found = sha256_of(file)?;
        ensure!(
            found == sha256,
            "the mirror's {name} is not the locked one: its SHA-256 is {found}, the lock says {sha256}; \
             if you trust the mirror, `cargo xtask lock` renews image/packages.lock"
        );
        fs::rename(file, self.package(sha256)).with_context(|| format!("moving {} into the cache", file.display()))
    }
}

/// SHA-256 of a file, in lower-case hexadecimal.
pub fn sha256_of(path: &Path) -> Result<String> {
    let mut file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer).with_context(|| format!("reading {}", path.display()))? {
            0 => return Ok(hex(&digest.finalize())),
            n => digest.update(&buffer[..n]),
        }
    }
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn default_folder() -> Result<PathBuf> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    match (absolute("XDG_CACHE_HOME"), absolute("HOME")) {
        (Some(cache), _) => Ok(cache.join("gatepost")),
        (None, Some(home)) => Ok(home.join(".cache/gatepost")),
        (None, None) => bail!("neither XDG_CACHE_HOME nor HOME names a folder to keep the packages in"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_locked_bytes_are_taken() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path()).unwrap();
        let download = folder.path().join("download");
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"; // FIPS 180-2, "abc"

        fs::write(&download, "abd").unwrap();
        let error = cache.take(&download, "tool", sha256).unwrap_err().to_string();
        assert!(error.contains("tool") && error.contains("cargo xtask lock"), "{error}");

        fs::write(&download, "abc").unwrap();
        cache.take(&download, "tool", sha256).unwrap();
        assert!(cache.holds(sha256).unwrap());
    }

    #[test]
    fn a_damaged_package_is_thrown_out() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path()).unwrap();
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        fs::write(cache.package(sha256), "ab").unwrap();
        assert!(!cache.holds(sha256).unwrap());
        assert!(!cache.package(sha256).exists());
    }
}
