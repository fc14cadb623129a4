//! The image under test: where it is, and parts of it as files for a program that wants one.

use crate::strangers;
use gatepost_core::card::Slot;
use gatepost_core::card::cmdline::BootWords;
use qemu::Card;
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The image, whose download and manifest lie beside it.
pub fn path() -> PathBuf {
    let path = std::env::var_os("GATEPOST_IMAGE")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/image/gatepost.img"), PathBuf::from);
    assert!(path.exists(), "there is no image at {}; build it with: cargo xtask image", path.display());
    path
}

/// A file that the build left beside the image.
pub fn beside(name: &str) -> PathBuf {
    path().with_file_name(name)
}

/// The image and its partitions.
pub fn card() -> Card {
    Card::open(path()).unwrap_or_else(|error| panic!("{error:#}"))
}

/// The bytes of a partition.
pub fn partition(number: u32) -> Vec<u8> {
    let card = card();
    let partition = card.partition(number as u8).unwrap_or_else(|error| panic!("{error:#}"));
    card.read_sectors(partition.first, partition.sectors).unwrap()
}

/// A partition as a file in `folder`.
pub fn carve(folder: &TempDir, number: u32) -> String {
    let path = folder.path().join(format!("p{number}"));
    fs::write(&path, partition(number)).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A file of a FAT partition.
pub fn file(number: u32, name: &str) -> Vec<u8> {
    card().read_file(number as u8, name).unwrap_or_else(|error| panic!("{error:#}"))
}

/// What a slot's cmdline.txt tells PID 1, read as PID 1 reads it.
pub fn boot_words(slot: Slot) -> BootWords {
    let line = String::from_utf8(file(slot.boot_partition(), "cmdline.txt")).unwrap();
    BootWords::parse(&line).unwrap_or_else(|error| panic!("slot {}: {error}: {line}", slot.name()))
}

/// Unpacks a slot's root file system below `folder`.
pub fn unpack_root(folder: &TempDir, slot: Slot) -> PathBuf {
    let root = folder.path().join("root");
    let image = carve(folder, slot.root_partition());
    strangers::run("unsquashfs", &["-quiet", "-no-progress", "-no-xattrs", "-d", root.to_str().unwrap(), &image]);
    root
}

/// Unpacks a slot's initramfs below `folder`, as the kernel would.
pub fn unpack_initramfs(folder: &TempDir, slot: Slot) -> PathBuf {
    let packed = folder.path().join("initramfs.zst");
    fs::write(&packed, file(slot.boot_partition(), "initramfs.zst")).unwrap();
    let archive = folder.path().join("initramfs");
    fs::write(&archive, strangers::through("zstd", &["-dc"], &packed)).unwrap();
    let root = folder.path().join("first-stage");
    fs::create_dir(&root).unwrap();
    let input = fs::File::open(&archive).unwrap();
    let output =
        strangers::command("busybox").args(["cpio", "-i", "-d"]).current_dir(&root).stdin(input).output().unwrap();
    assert!(output.status.success(), "cpio: {}", String::from_utf8_lossy(&output.stderr));
    root
}

/// Every regular file and symbolic link below a folder, by its path from there, sorted.
pub fn files_below(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let entry = entry.unwrap();
            match entry.file_type().unwrap().is_dir() {
                true => folders.push(entry.path()),
                false => found.push(entry.path().strip_prefix(folder).unwrap().to_str().unwrap().to_owned()),
            }
        }
    }
    found.sort();
    found
}

/// The SHA-256 of some bytes, in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// The SHA-256 of a file, in hexadecimal.
pub fn sha256_of(path: &Path) -> String {
    let mut hash = Sha256::new();
    strangers::stream("busybox", &["cat", path.to_str().unwrap()], |bytes| hash.update(bytes));
    hex(&hash.finalize())
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
