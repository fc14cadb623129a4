//! What the checkers of FAT and ext4 say about p1, p2, p3 and p7.

use crate::strangers::run;
use crate::under_test::carve;
use gatepost_core::card::{CONFIG_LABEL, CONFIG_PARTITION, SELECTOR_LABEL, SELECTOR_PARTITION, Slot};

/// Words with which fsck.fat complains without failing.
const COMPLAINTS: [&str; 6] = ["differ", "wrong", "uninitialized", "incorrect", "Dirty bit", "auto-"];

#[test]
fn fsck_finds_nothing_on_the_fat_partitions() {
    let folder = tempfile::tempdir().unwrap();
    let labels = [
        (SELECTOR_PARTITION, SELECTOR_LABEL),
        (Slot::A.boot_partition(), Slot::A.boot_label()),
        (Slot::B.boot_partition(), Slot::B.boot_label()),
    ];
    for (number, label) in labels {
        let volume = carve(&folder, number);
        let said = run("fsck.fat", &["-n", "-v", "-l", &volume]);
        assert!(!COMPLAINTS.iter().any(|bad| said.contains(bad)), "p{number}: {said}");
        for word in ["32 bit entries", "512 bytes per cluster", &format!("Checking file /{label}\n")] {
            assert!(said.contains(word), "p{number}: no “{word}” in {said}");
        }
    }
}

#[test]
fn e2fsck_finds_nothing_on_the_config_partition() {
    let folder = tempfile::tempdir().unwrap();
    let config = carve(&folder, CONFIG_PARTITION);
    let said = run("e2fsck", &["-f", "-n", &config]);
    assert!(said.contains("11/") && said.contains(" files ("), "nothing but lost+found is in a new one: {said}");
    let header = run("dumpe2fs", &["-h", &config]);
    let lines: Vec<String> = header.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    let value = |key: &str| {
        let found =
            lines.iter().find_map(|line| line.strip_prefix(key)).unwrap_or_else(|| panic!("no {key} in {header}"));
        found.trim_start_matches(':').trim().to_owned()
    };
    assert_eq!(value("Filesystem volume name"), CONFIG_LABEL);
    assert_eq!(value("Filesystem state"), "clean");
    // A card that rots is not written any further.
    assert_eq!(value("Errors behavior"), "Remount read-only");
    let features = value("Filesystem features");
    for feature in ["has_journal", "extent", "metadata_csum"] {
        assert!(features.split(' ').any(|has| has == feature), "no {feature}: {features}");
    }
    assert!(!features.contains("needs_recovery"), "{features}");
    assert_eq!(value("Total journal size"), "4096k");
}
