//! The user's block lists, one of the folders that are handed over: files side by side, copied as they are.

use super::handover::Folder;
use super::mounts::Mount;
use gatepost_core::card::{self, MAX_BLOCK_BYTES};
use nix::mount::MsFlags;
use std::fs::{self, DirEntry, File};
use std::io::{self, Read};
use std::path::Path;

/// The folder, with room for [`MAX_BLOCK_BYTES`] and a little more, of which only what is used is taken.
pub const FOLDER: Folder = Folder {
    what: "block lists",
    name: card::BLOCK_LISTS_FOLDER,
    copies: Mount {
        target: "/run/blocklists",
        kind: "tmpfs",
        flags: MsFlags::MS_NODEV.union(MsFlags::MS_NOEXEC),
        data: "mode=0755,size=42m,nr_inodes=64",
    },
    copy: |from, to| copy(from, to, MAX_BLOCK_BYTES as u64),
};
/// Files that are copied at most.
const MAX_FILES: usize = 16;

/// Copies the regular files of a folder, at most `left` bytes in all. A file that does not fit is cut, so that the gateway can
/// say so.
fn copy(from: &Path, to: &Path, mut left: u64) -> io::Result<()> {
    // One byte more than allowed tells the gateway.
    left += 1;
    let mut entries: Vec<DirEntry> = fs::read_dir(from)?.take(256).collect::<io::Result<_>>()?;
    entries.sort_by_key(DirEntry::file_name);
    let is_list = |entry: &DirEntry| {
        let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        !hidden && entry.file_type().is_ok_and(|kind| kind.is_file())
    };
    for entry in entries.iter().filter(|entry| is_list(entry)).take(MAX_FILES) {
        let aside = to.join(".new");
        let mut file = File::open(entry.path())?.take(left);
        let copied = io::copy(&mut file, &mut File::create(&aside)?)?;
        fs::rename(&aside, to.join(entry.file_name()))?;
        left -= copied;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_copied_as_they_are_and_bounded() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(from.path().join("a.txt"), b"\xff\0binary").unwrap();
        fs::write(from.path().join("b.txt"), "0123456789").unwrap();
        fs::write(from.path().join("._a.txt"), "what a Mac leaves behind").unwrap();
        fs::create_dir(from.path().join("sub")).unwrap();
        copy(from.path(), to.path(), 12).unwrap();
        let read = |name| fs::read(to.path().join(name)).unwrap();
        assert_eq!((read("a.txt"), read("b.txt")), (b"\xff\0binary".to_vec(), b"01234".to_vec()));
        assert_eq!(fs::read_dir(to.path()).unwrap().count(), 2);
        assert!(copy(&from.path().join("none"), to.path(), 12).is_err());
    }
}
