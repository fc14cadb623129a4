//! Everything that goes onto the card, gathered and checked, before anything is assembled: Debian's packages, the
//! kernel and its modules, the boards' firmware, and our own binary.

use crate::tree::Tree;
use std::path::PathBuf;
use std::sync::Arc;

/// Where packages come from.
pub struct Options {
    /// A Debian mirror to use instead of the host's own.
    pub mirror: Option<String>,
}

/// The parts of a card.
pub struct Ingredients {
    /// The kernel's release, such as `6.12.107+deb13-arm64`.
    pub kernel_release: String,
    /// The kernel as a raw arm64 `Image`.
    pub kernel: Arc<[u8]>,
    /// The Raspberry Pi boards' device trees, by plain file name.
    pub device_trees: Tree,
    /// The Pi's own boot firmware (start4.elf, fixup4.dat, bootcode.bin, …), by plain file name.
    pub boot_firmware: Tree,
    /// `lib/modules/…` with its modules.index, for the initramfs.
    pub initramfs_modules: Tree,
    /// `lib/modules/…` with its modules.index, for the root file system.
    pub root_modules: Tree,
    /// `lib/firmware/…` for the root file system.
    pub root_firmware: Tree,
    /// The static arm64 binary.
    pub binary: Arc<[u8]>,
    /// What was taken from where, for the manifest.
    pub packages: Vec<Package>,
}

/// One Debian package that the card contains parts of.
pub struct Package {
    /// Binary package name.
    pub name: String,
    /// Debian version.
    pub version: String,
    /// SHA-256 of the .deb, in hexadecimal.
    pub sha256: String,
    /// Licences, as its copyright file names them.
    pub licences: Vec<String>,
    /// Where the .deb lies in the cache.
    pub path: PathBuf,
}

/// Fetches, verifies, unpacks and builds everything. Works offline when the cache holds what the lock names.
pub fn gather(_options: &Options) -> anyhow::Result<Ingredients> {
    anyhow::bail!("not built yet")
}
