//! The two boot slots, and the first stage in them.

use crate::strangers::run;
use crate::under_test::{boot_words, carve, file, files_below, partition, unpack_initramfs};
use gatepost_core::card::{MODULES_INDEX, SECTOR_BYTES, Slot};
use gatepost_core::modules::Index;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// The files of a FAT partition as fsck.fat sees them, without the label.
pub fn names(number: u32) -> BTreeSet<String> {
    let folder = tempfile::tempdir().unwrap();
    let said = run("fsck.fat", &["-n", "-l", &carve(&folder, number)]);
    // "Checking file /cmdline.txt (CMDLINE.TXT)"; a label has no short name behind it.
    let files = said.lines().filter_map(|line| line.strip_prefix("Checking file /")?.strip_suffix(')'));
    files.filter_map(|line| Some(line.rsplit_once(" (")?.0.to_owned())).collect()
}

#[test]
fn the_slots_differ_in_one_letter() {
    let [a, b] = Slot::ALL.map(Slot::boot_partition);
    assert_eq!(names(a), names(b));
    assert!(names(a).contains("cmdline.txt"));
    for name in names(a).iter().filter(|name| *name != "cmdline.txt") {
        assert!(file(a, name) == file(b, name), "{name}");
    }
    let line = |number| String::from_utf8(file(number, "cmdline.txt")).unwrap();
    assert_eq!(line(a).replace("gatepost.slot=a", "gatepost.slot=b"), line(b));
    for slot in Slot::ALL {
        assert_eq!(boot_words(slot).slot, slot);
    }
}

/// Boot sector and its copy (serial number, label, place), the root folder's label, cmdline.txt: four sectors, and not a bit
/// that could tell more of the builder.
#[test]
fn nothing_else_differs_between_them_byte_for_byte() {
    let [a, b] = Slot::ALL.map(|slot| partition(slot.boot_partition()));
    let sector = SECTOR_BYTES as usize;
    let differing: Vec<usize> =
        a.chunks(sector).zip(b.chunks(sector)).enumerate().filter(|(_, (a, b))| a != b).map(|(at, _)| at).collect();
    assert_eq!(differing.len(), 4, "{differing:?}");
    assert_eq!(differing[..2], [0, 6]);
}

#[test]
fn the_first_stage_unpacks_and_starts_with_the_watchdog() {
    for slot in Slot::ALL {
        let folder = tempfile::tempdir().unwrap();
        let root = unpack_initramfs(&folder, slot);
        let mode = fs::metadata(root.join("init")).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o755, "/init");
        let programs = files_below(&root).into_iter().filter(|path| {
            let metadata = fs::symlink_metadata(root.join(path)).unwrap();
            assert!(metadata.is_file(), "{path} is no plain file");
            metadata.permissions().mode() & 0o111 != 0
        });
        assert_eq!(programs.collect::<Vec<_>>(), ["init"]);
        let text = fs::read_to_string(root.join(MODULES_INDEX.trim_start_matches('/'))).unwrap();
        let index = Index::parse(&text);
        // Until a watchdog runs, a start that hangs hangs for ever.
        assert_eq!(index.load().first(), Some(&"bcm2835_wdt"));
        for module in ["dm_verity", "squashfs", "virtio_blk", "sdhci_iproc", "bcm2835"] {
            assert!(index.has(module), "no {module}:\n{text}");
        }
    }
}
