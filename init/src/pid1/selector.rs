//! The selector partition (p1): mounted only for the moment that something is read or written there, since the power
//! may go at any time and FAT has no journal.

use super::disk::Disk;
use super::{loader, mounts};
use anyhow::Context;
use gatepost_core::card::{self, Slot, autoboot};
use gatepost_core::modules::Index;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Mount point of p1 in the root.
pub const POINT: &str = "/boot";

/// How the partition is mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nothing is written, not even a time of access.
    Read,
    /// Written and synced before the partition is unmounted.
    Write,
}

/// Mounts p1 at `point`, runs `work` on it, unmounts.
///
/// # Errors
/// Those of mounting and of `work`.
pub fn with<T>(
    disk: &Disk,
    index: &Index,
    point: &str,
    access: Access,
    work: impl FnOnce(&Path) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    loader::load(index, mounts::FAT_MODULES);
    let partition = disk.partition(card::SELECTOR_PARTITION).context("the card has no first partition")?;
    mounts::fat(&partition.node, point, access == Access::Read).context("the first partition cannot be mounted")?;
    let result = work(Path::new(point));
    if access == Access::Write
        && let Ok(folder) = File::open(point)
    {
        // SAFETY: syncfs takes an open descriptor and touches no memory of ours.
        unsafe { libc::syncfs(std::os::fd::AsRawFd::as_raw_fd(&folder)) };
    }
    mounts::unmount(point);
    result
}

/// Makes the firmware start `slot` from now on.
///
/// # Errors
/// If the file cannot be written, or does not read back as written.
pub fn select(folder: &Path, slot: Slot) -> anyhow::Result<()> {
    let path = folder.join(card::AUTOBOOT_FILE);
    let old = super::files::read_bounded(&path, autoboot::MAX_BYTES + 1).unwrap_or_default();
    let new = autoboot::select(&old, slot);
    if old.len() == new.len() {
        overwrite(&path, new.as_bytes())?;
    } else {
        super::files::replace(&path, new.as_bytes())?;
    }
    let written = fs::read(&path)?;
    anyhow::ensure!(written == new.as_bytes(), "autoboot.txt does not read back as written");
    Ok(())
}

/// In place, without touching length or clusters: at most 512 bytes lie in one sector, which the card writes whole.
fn overwrite(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(path)?;
    file.write_all_at(bytes, 0)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selects_in_place_or_afresh() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(card::AUTOBOOT_FILE);
        select(dir.path(), Slot::B).unwrap();
        let inode = || std::os::unix::fs::MetadataExt::ino(&fs::metadata(&path).unwrap());
        let before = inode();
        select(dir.path(), Slot::A).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), autoboot::text(Slot::A));
        assert_eq!(inode(), before, "same length: overwritten in place");
        fs::write(&path, "garbage").unwrap();
        select(dir.path(), Slot::B).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), autoboot::text(Slot::B));
    }
}
