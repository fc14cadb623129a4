//! The partition table, and what lies outside every partition.

use crate::strangers::run;
use crate::under_test::{boot_words, card, file, path};
use gatepost_core::card::{
    AUTOBOOT_FILE, CONFIG_PARTITION, COUNTER_LBAS, EXTENDED_PARTITION, FIRST_PARTITION_LBA, MBR_SIGNATURE_OFFSET,
    SECTOR_BYTES, SELECTOR_PARTITION, Slot, autoboot, mbr_signature,
};
use std::os::unix::fs::MetadataExt;

/// As image/README.md draws it: number, start and size in MiB, MBR type.
const MAP: [(u32, u64, u64, &str); 7] = [
    (1, 4, 48, "c"),
    (2, 52, 64, "c"),
    (3, 116, 64, "c"),
    (4, 180, 131, "f"),
    (5, 181, 48, "83"),
    (6, 230, 48, "83"),
    (7, 279, 32, "83"),
];

/// Sectors in a MiB.
const MIB: u64 = (1 << 20) / SECTOR_BYTES;

#[test]
fn sfdisk_reads_the_table_of_the_readme() {
    let path = path();
    let path = path.to_str().unwrap();
    let verdict = run("sfdisk", &["-V", path]);
    assert!(verdict.contains("No errors detected"), "{verdict}");
    let dump = run("sfdisk", &["-d", path]);
    let found: Vec<String> =
        dump.lines().filter_map(|line| line.strip_prefix(path)).map(|l| l.replace(' ', "")).collect();
    let map = MAP
        .map(|(number, start, size, kind)| format!("{number}:start={},size={},type={kind}", start * MIB, size * MIB));
    assert_eq!(found, map, "{dump}");
    assert!(dump.contains("label: dos"), "{dump}");
    assert!(dump.contains(&format!("label-id: 0x{:08x}", boot_words(Slot::A).disk)), "{dump}");
    let last = MAP.map(|(_, start, size, _)| start + size).into_iter().max().unwrap();
    assert_eq!(std::fs::metadata(path).unwrap().len(), last << 20);
}

#[test]
fn every_partition_lies_where_pid_1_looks() {
    let kind = |number: u32| MAP.iter().find(|entry| entry.0 == number).map(|entry| entry.3);
    assert_eq!(kind(SELECTOR_PARTITION), Some("c"));
    assert_eq!(kind(EXTENDED_PARTITION), Some("f"));
    assert_eq!(kind(CONFIG_PARTITION), Some("83"));
    for slot in Slot::ALL {
        assert_eq!(kind(slot.boot_partition()), Some("c"));
        assert_eq!(kind(slot.root_partition()), Some("83"));
    }
    let card = card();
    assert_eq!(card.partition(SELECTOR_PARTITION as u8).unwrap().first, FIRST_PARTITION_LBA);
    let mbr = card.read_sectors(0, 1).unwrap();
    assert_eq!(mbr_signature(&mbr), Some(boot_words(Slot::A).disk));
    assert_eq!(boot_words(Slot::A).disk, boot_words(Slot::B).disk);
    assert!(mbr[..MBR_SIGNATURE_OFFSET].iter().all(|byte| *byte == 0), "no boot code: the Pi's ROM runs none");
}

#[test]
fn the_boot_counter_is_blank() {
    let gap = card().read_sectors(1, FIRST_PARTITION_LBA - 1).unwrap();
    let used = gap.iter().position(|byte| *byte != 0).map(|at| 1 + at as u64 / SECTOR_BYTES);
    assert_eq!(used, None, "the sector before p1 that is not blank; the counter's are {COUNTER_LBAS:?}");
    assert!(COUNTER_LBAS.iter().all(|lba| (1..FIRST_PARTITION_LBA).contains(lba)));
}

#[test]
fn the_firmware_is_sent_to_slot_a() {
    assert_eq!(String::from_utf8(file(SELECTOR_PARTITION, AUTOBOOT_FILE)).unwrap(), autoboot::text(Slot::A));
}

#[test]
fn the_image_is_a_sparse_file() {
    let metadata = std::fs::metadata(path()).unwrap();
    let used = metadata.blocks() * 512;
    assert!(used < metadata.len() / 2, "{used} of {} bytes are taken on disk", metadata.len());
}
