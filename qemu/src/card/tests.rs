//! Cards made by hand, small enough to read.

use super::*;
use fatfs::{FatType, FormatVolumeOptions, FsOptions};
use std::io::Cursor;

/// Sectors of each FAT partition of a synthetic card: 8 MiB, FAT16, as small as two kernels of nothing need.
const FAT_SECTORS: u64 = 16 * 1024;

/// Writes a card with FAT partitions p1 to p3, an extended p4 and a logical p5 of type 0x83.
pub fn synthetic(path: &Path, files: &[(u8, &str, &[u8])]) -> Card {
    let total = 2048 + 3 * FAT_SECTORS + 4096;
    let image = File::create(path).unwrap();
    image.set_len(total * SECTOR).unwrap();
    let extended = 2048 + 3 * FAT_SECTORS;
    let mut mbr = [0; 512];
    mbr[440..444].copy_from_slice(&0x1234_5678_u32.to_le_bytes());
    for slot in 0..3 {
        put(&mut mbr, slot, 0x0c, 2048 + slot as u64 * FAT_SECTORS, FAT_SECTORS);
    }
    put(&mut mbr, 3, 0x0f, extended, 4096);
    image.write_all_at(&mbr, 0).unwrap();
    let mut ebr = [0; 512];
    put(&mut ebr, 0, 0x83, 64, 1000);
    image.write_all_at(&ebr, extended * SECTOR).unwrap();
    for number in 1..=3 {
        let contents = fat(files.iter().filter(|file| file.0 == number).map(|file| (file.1, file.2)));
        image.write_all_at(&contents, (2048 + u64::from(number - 1) * FAT_SECTORS) * SECTOR).unwrap();
    }
    Card::open(path).unwrap()
}

fn put(sector: &mut [u8; 512], slot: usize, kind: u8, first: u64, sectors: u64) {
    let at = 446 + 16 * slot;
    sector[at + 4] = kind;
    sector[at + 8..at + 12].copy_from_slice(&u32::try_from(first).unwrap().to_le_bytes());
    sector[at + 12..at + 16].copy_from_slice(&u32::try_from(sectors).unwrap().to_le_bytes());
    sector[510] = 0x55;
    sector[511] = 0xaa;
}

fn fat<'a>(files: impl Iterator<Item = (&'a str, &'a [u8])>) -> Vec<u8> {
    let mut disk = Cursor::new(vec![0; usize::try_from(FAT_SECTORS * SECTOR).unwrap()]);
    fatfs::format_volume(&mut disk, FormatVolumeOptions::new().fat_type(FatType::Fat16)).unwrap();
    let fs = fatfs::FileSystem::new(&mut disk, FsOptions::new()).unwrap();
    for (name, contents) in files {
        if let Some((folder, _)) = name.rsplit_once('/') {
            fs.root_dir().create_dir(folder).unwrap();
        }
        fs.root_dir().create_file(name).unwrap().write_all(contents).unwrap();
    }
    fs.unmount().unwrap();
    disk.into_inner()
}

#[test]
fn partitions_and_files_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let card = synthetic(&folder.path().join("card.img"), &[(1, "autoboot.txt", b"x"), (2, "boot/a.txt", b"hello")]);
    let seen: Vec<_> = card.partitions().iter().map(|p| (p.number, p.kind)).collect();
    assert_eq!(seen, [(1, 0x0c), (2, 0x0c), (3, 0x0c), (4, 0x0f), (5, 0x83)]);
    assert_eq!(card.signature(), 0x1234_5678);
    assert_eq!(card.partition(5).unwrap().first, 2048 + 3 * FAT_SECTORS + 64);
    assert_eq!(card.read_file(2, "BOOT/A.TXT").unwrap(), b"hello");
    assert_eq!(card.find_file(2, "none").unwrap(), None);
    assert!(card.read_file(1, "none").unwrap_err().to_string().contains("there is no none on partition 1"));
    assert!(card.partition(9).unwrap_err().to_string().contains("no partition 9, only 1, 2, 3, 4, 5"));
    assert!(card.read_file(5, "x").unwrap_err().root_cause().to_string().contains("0x83, not FAT"));
}

#[test]
fn a_copy_is_changed_and_the_image_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let card = synthetic(&folder.path().join("card.img"), &[(1, "gateway.toml", b"a longer text than the next")]);
    let copy = card.copy_to(&folder.path().join("copy.img")).unwrap();
    assert!(std::fs::metadata(copy.path()).unwrap().len().is_power_of_two());
    copy.write_file(1, "gateway.toml", b"short").unwrap();
    copy.flip_bit(5, 0, 3).unwrap();
    assert_eq!(copy.read_file(1, "gateway.toml").unwrap(), b"short");
    assert_eq!(copy.read_sectors(copy.partition(5).unwrap().first, 1).unwrap()[0], 8);
    assert_eq!(card.read_file(1, "gateway.toml").unwrap(), b"a longer text than the next");
    copy.remove_file(1, "gateway.toml").unwrap();
    assert!(!copy.has_file(1, "gateway.toml").unwrap());
}

#[test]
fn a_chain_that_leads_backwards_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let card = synthetic(&folder.path().join("card.img"), &[]);
    let extended = card.partition(4).unwrap().first;
    let mut ebr: [u8; 512] = card.read_sectors(extended, 1).unwrap().try_into().unwrap();
    put(&mut ebr, 1, 0x05, 0, 100);
    card.write_sectors(extended, &ebr).unwrap();
    let error = format!("{:#}", Card::open(card.path()).unwrap_err());
    assert!(error.contains("leads backwards"), "{error}");
}

#[test]
fn a_partition_beyond_the_end_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let card = synthetic(&folder.path().join("card.img"), &[]);
    File::options().write(true).open(card.path()).unwrap().set_len(4096 * SECTOR).unwrap();
    let error = format!("{:#}", Card::open(card.path()).unwrap_err());
    assert!(error.contains("partition"), "{error}");
}
