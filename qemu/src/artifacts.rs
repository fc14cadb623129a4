//! What a failed test leaves behind: the console, a packet capture for each side, the programs' logs.
//!
//! A test opens a folder under `target/test-artifacts/`, everybody writes into it, and [`Artifacts::passed`] removes it.
//! A folder that is dropped without that call stays, and its files are named on stderr.

use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// The folder of one test.
#[derive(Debug)]
pub struct Artifacts {
    folder: PathBuf,
    keep: bool,
}

impl Artifacts {
    /// Opens an empty folder `target/test-artifacts/<name>`.
    ///
    /// # Errors
    /// It can't be emptied or made.
    pub fn new(name: &str) -> Result<Self> {
        Self::open(Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/test-artifacts").join(name))
    }

    /// Opens and empties this very folder.
    ///
    /// # Errors
    /// It can't be emptied or made.
    pub fn open(folder: PathBuf) -> Result<Self> {
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| format!("emptying {}", folder.display()))?;
        }
        fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        Ok(Self { folder: folder.canonicalize()?, keep: true })
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A file in the folder.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The test passed: nothing is kept.
    pub fn passed(mut self) {
        self.keep = false;
    }
}

impl Drop for Artifacts {
    fn drop(&mut self) {
        if !self.keep {
            let _ = fs::remove_dir_all(&self.folder);
            return;
        }
        eprintln!("What happened is kept in {}:", self.folder.display());
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let length = entry.metadata().map(|metadata| metadata.len()).unwrap_or_default();
            eprintln!("  {} ({length} bytes)", entry.path().display());
        }
    }
}
