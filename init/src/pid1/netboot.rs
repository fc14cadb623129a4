//! The user's files for machines that boot from the network, one of the folders that are handed over: copied with the folders
//! in it.
//!
//! They lie in memory afterwards. p1 has room for little more than 40 MiB, the config partition has less, and p1 itself is
//! mounted only for moments.

use super::handover::Folder;
use super::mounts::Mount;
use gatepost_core::card::{self, MAX_NETBOOT_BYTES};
use nix::mount::MsFlags;
use std::fs::{self, DirEntry, File};
use std::io::{self, Read};
use std::path::Path;

/// The folder, with room for [`MAX_NETBOOT_BYTES`] and a little more, of which only what is used is taken.
pub const FOLDER: Folder = Folder {
    what: "files for booting",
    name: card::NETBOOT_FOLDER,
    copies: Mount {
        target: "/run/netboot",
        kind: "tmpfs",
        flags: MsFlags::MS_NODEV.union(MsFlags::MS_NOEXEC),
        data: "mode=0755,size=50m,nr_inodes=1k",
    },
    copy: |from, to| copy(from, to, MAX_DEPTH, &mut Left { bytes: MAX_NETBOOT_BYTES, entries: MAX_ENTRIES }),
};
/// Files and folders that are copied at most.
const MAX_ENTRIES: usize = 900;
/// Folders in folders; the gateway finds no file that lies deeper.
const MAX_DEPTH: usize = 8;

/// What may still be copied.
struct Left {
    bytes: u64,
    entries: usize,
}

/// Copies a folder's regular files and folders, but for hidden ones. A file is there as a whole or not at all: a machine
/// must not start half a kernel.
fn copy(from: &Path, to: &Path, depth: usize, left: &mut Left) -> io::Result<()> {
    let mut entries: Vec<DirEntry> = fs::read_dir(from)?.take(MAX_ENTRIES + 1).collect::<io::Result<_>>()?;
    entries.sort_by_key(DirEntry::file_name);
    for entry in entries.iter().filter(|entry| !entry.file_name().as_encoded_bytes().starts_with(b".")) {
        let kind = entry.file_type()?;
        if !kind.is_file() && (!kind.is_dir() || depth <= 1) {
            continue;
        }
        let over = || too_much(&format!("there are more than {MAX_ENTRIES} files"));
        left.entries = left.entries.checked_sub(1).ok_or_else(over)?;
        let target = to.join(entry.file_name());
        if kind.is_dir() {
            fs::create_dir(&target)?;
            copy(&entry.path(), &target, depth - 1, left)?;
        } else {
            copy_file(&entry.path(), &target, left)?;
        }
    }
    Ok(())
}

fn copy_file(from: &Path, to: &Path, left: &mut Left) -> io::Result<()> {
    let file = File::open(from)?;
    let length = file.metadata()?.len();
    let over = || too_much(&format!("the files take more than {} MiB together", MAX_NETBOOT_BYTES >> 20));
    left.bytes = left.bytes.checked_sub(length).ok_or_else(over)?;
    let copied = File::create(to).and_then(|mut copy| io::copy(&mut file.take(length), &mut copy));
    if copied.as_ref().ok() != Some(&length) {
        let _ = fs::remove_file(to);
    }
    copied.map(drop)
}

fn too_much(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_copied_and_bounded_and_no_file_is_cut() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir_all(from.path().join("0a1b2c3d/overlays")).unwrap();
        fs::write(from.path().join("0a1b2c3d/overlays/x.dtbo"), b"\xff\0").unwrap();
        fs::write(from.path().join("._config.txt"), "what a Mac leaves behind").unwrap();
        fs::write(from.path().join("z"), "0123456789").unwrap();
        std::os::unix::fs::symlink("/etc/passwd", from.path().join("link")).unwrap();
        let mut left = Left { bytes: 12, entries: 4 };
        copy(from.path(), to.path(), MAX_DEPTH, &mut left).unwrap();
        assert_eq!((left.bytes, left.entries), (0, 0));
        assert_eq!(fs::read(to.path().join("0a1b2c3d/overlays/x.dtbo")).unwrap(), b"\xff\0");
        assert_eq!(fs::read_dir(to.path()).unwrap().count(), 2);
        for mut left in [Left { bytes: 11, entries: 9 }, Left { bytes: 99, entries: 3 }] {
            let to = tempfile::tempdir().unwrap();
            assert!(copy(from.path(), to.path(), MAX_DEPTH, &mut left).is_err());
            assert!(!to.path().join("z").exists(), "the file that does not fit");
        }
    }
}
