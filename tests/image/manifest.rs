//! `manifest.json` against what is really on the card.

use crate::slots::names;
use crate::under_test::{beside, boot_words, card, file, files_below, sha256, unpack_initramfs, unpack_root};
use gatepost_core::card::{SELECTOR_PARTITION, Slot};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Path, size and SHA-256.
type Files = BTreeMap<String, (u64, String)>;

fn manifest() -> Value {
    serde_json::from_slice(&fs::read(beside("manifest.json")).unwrap()).unwrap()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

/// The files that the manifest lists for a place.
fn listed(place: &str) -> Files {
    let manifest = manifest();
    let files = manifest["files"].as_array().unwrap().iter().filter(|file| file["place"] == place);
    files.map(|file| (text(&file["path"]), (file["size"].as_u64().unwrap(), text(&file["sha256"])))).collect()
}

fn found(bytes: &[u8]) -> (u64, String) {
    (bytes.len() as u64, sha256(bytes))
}

/// The files of a FAT partition.
fn on_fat(number: u32) -> Files {
    names(number).into_iter().map(|name| (name.clone(), found(&file(number, &name)))).collect()
}

/// The regular files of a folder.
fn in_folder(folder: &Path) -> Files {
    let files = files_below(folder).into_iter().filter(|path| !folder.join(path).is_symlink());
    files.map(|path| (path.clone(), found(&fs::read(folder.join(path)).unwrap()))).collect()
}

#[test]
fn every_file_is_in_it_and_it_lists_no_other() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(listed("selector"), on_fat(SELECTOR_PARTITION));
    assert_eq!(listed("boot-a"), on_fat(Slot::A.boot_partition()));
    assert_eq!(listed("boot-b"), on_fat(Slot::B.boot_partition()));
    assert_eq!(listed("initramfs"), in_folder(&unpack_initramfs(&folder, Slot::A)));
    assert_eq!(listed("root"), in_folder(&unpack_root(&folder, Slot::A)));
    let places = ["selector", "boot-a", "boot-b", "initramfs", "root"];
    assert!(
        manifest()["files"].as_array().unwrap().iter().all(|file| places.iter().any(|place| file["place"] == *place))
    );
}

#[test]
fn its_ids_and_partitions_are_those_of_the_card() {
    let (manifest, card, words) = (manifest(), card(), boot_words(Slot::A));
    assert_eq!(text(&manifest["root_hash"]), words.verity.root_hash);
    assert_eq!(text(&manifest["disk_signature"]), format!("{:08x}", words.disk));
    assert_eq!(text(&manifest["version"]), env!("CARGO_PKG_VERSION"));
    let listed = manifest["partitions"].as_array().unwrap();
    assert_eq!(listed.len(), 7);
    for entry in listed.iter().filter(|entry| entry["content"] != "extended") {
        let partition = card.partition(entry["number"].as_u64().unwrap() as u8).unwrap();
        assert_eq!(entry["start_mib"].as_u64().unwrap() << 11, partition.first, "{entry}");
        assert_eq!(entry["size_mib"].as_u64().unwrap() << 11, partition.sectors, "{entry}");
    }
}

#[test]
fn its_packages_are_those_of_the_lock_with_their_licences() {
    let lock = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../image/packages.lock")).unwrap();
    let lock: toml::Table = toml::from_str(&lock).unwrap();
    let locked = lock["package"].as_array().unwrap();
    let manifest = manifest();
    let packages = manifest["packages"].as_array().unwrap();
    assert_eq!(packages.len(), locked.len());
    for (package, locked) in packages.iter().zip(locked) {
        for key in ["name", "version", "sha256"] {
            assert_eq!(package[key].as_str(), locked[key].as_str(), "{package}");
        }
        assert_eq!(package["size"].as_i64(), locked["size"].as_integer(), "{package}");
        let licences = package["licences"].as_array().unwrap();
        assert!(!licences.is_empty() && licences.iter().all(|licence| !text(licence).trim().is_empty()), "{package}");
    }
}
