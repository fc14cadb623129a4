//! The user's block lists on their way from p1 to the gateway: copied as they are, none of their bytes looked at.
//!
//! They go to a file system in memory that only root can write: the gateway could otherwise put a link in their place. That
//! is done once, in a child, after the gateway has come up, and only if p1 has the folder: it costs as much memory as the
//! files are long.

use super::disk::Disk;
use super::mounts::Mount;
use super::selector::{self, Access};
use gatepost_core::card::{self, MAX_BLOCK_BYTES};
use gatepost_core::modules::Index;
use nix::mount::MsFlags;
use std::fs::{self, DirEntry, File};
use std::io::{self, Read};
use std::path::Path;

/// Mount point of p1 in the root.
const POINT: &str = "/boot";
/// Where the gateway reads them: room for [`MAX_BLOCK_BYTES`] and a little more, of which only what is used is taken.
const COPY: Mount = Mount {
    target: "/run/blocklists",
    kind: "tmpfs",
    flags: MsFlags::MS_NODEV.union(MsFlags::MS_NOEXEC),
    data: "mode=0755,size=42m,nr_inodes=64",
};
/// Files that are copied at most.
const MAX_FILES: usize = 16;

/// Makes the empty folder, before the gateway starts, which else would not be let in.
///
/// # Errors
/// That of mount(2).
pub fn prepare() -> nix::Result<()> {
    COPY.mount()
}

/// Copies the files, and says that there are no more to come, whatever happens.
///
/// # Errors
/// If p1 cannot be mounted or a file not be copied.
pub fn fetch(disk: &Disk, index: &Index) -> anyhow::Result<()> {
    let copied = selector::with(disk, index, POINT, Access::Read, |folder| {
        Ok(copy(&folder.join(card::BLOCK_LISTS_FOLDER), Path::new(COPY.target), MAX_BLOCK_BYTES as u64)?)
    });
    File::create(Path::new(COPY.target).join(card::BLOCK_LISTS_DONE))?;
    copied
}

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
