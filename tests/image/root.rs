//! The read-only root: what dm-verity's own tool says about it, and what is in it.

use crate::strangers::{ask, run};
use crate::under_test::{boot_words, carve, files_below, partition, unpack_initramfs, unpack_root};
use gatepost_core::card::cmdline::Verity;
use gatepost_core::card::{AHEAD_INDEX, MODULES_DIR, MODULES_INDEX, PROGRAM, RELEASE_FILE, Slot, VERITY_BLOCK_BYTES};
use gatepost_core::modules::Index;
use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

fn verify(volume: &str, verity: &Verity) -> (bool, String) {
    let offset = format!("--hash-offset={}", verity.data_blocks * VERITY_BLOCK_BYTES);
    ask("veritysetup", &["verify", volume, volume, &verity.root_hash, &offset])
}

#[test]
fn both_roots_match_the_hash_on_their_command_line() {
    let folder = tempfile::tempdir().unwrap();
    for slot in Slot::ALL {
        let verity = boot_words(slot).verity;
        let volume = carve(&folder, slot.root_partition());
        let (fine, said) = verify(&volume, &verity);
        assert!(fine, "root {}: {said}", slot.name());
        // veritysetup takes salt and size from the superblock, PID 1 from the command line.
        let offset = format!("--hash-offset={}", verity.data_blocks * VERITY_BLOCK_BYTES);
        let dump = run("veritysetup", &["dump", &volume, &offset]);
        let value =
            |key: &str| dump.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default().trim().to_owned();
        assert_eq!(value("Salt:"), verity.salt);
        assert_eq!(value("Data blocks:"), verity.data_blocks.to_string());
        assert_eq!((value("Hash algorithm:"), value("Hash type:")), ("sha256".into(), "1".into()));
        for key in ["Data block size:", "Hash block size:"] {
            assert_eq!(value(key).trim_end_matches(" [bytes]"), VERITY_BLOCK_BYTES.to_string());
        }
    }
}

#[test]
fn one_flipped_bit_is_refused_wherever_it_is() {
    let folder = tempfile::tempdir().unwrap();
    for slot in Slot::ALL {
        let verity = boot_words(slot).verity;
        let volume = carve(&folder, slot.root_partition());
        let file = OpenOptions::new().read(true).write(true).open(&volume).unwrap();
        let data = verity.data_blocks * VERITY_BLOCK_BYTES;
        // The first, a middle and the last byte of the data; the tree's topmost block.
        for at in [0, data / 2, data - 1, data + VERITY_BLOCK_BYTES] {
            let mut byte = [0];
            file.read_exact_at(&mut byte, at).unwrap();
            file.write_all_at(&[byte[0] ^ 0x10], at).unwrap();
            let (fine, said) = verify(&volume, &verity);
            assert!(!fine && said.contains("Verification"), "root {}, byte {at}: {said}", slot.name());
            file.write_all_at(&byte, at).unwrap();
        }
        assert!(verify(&volume, &verity).0, "root {}: restored, it is whole again", slot.name());
    }
}

#[test]
fn the_roots_are_the_same() {
    assert!(partition(Slot::A.root_partition()) == partition(Slot::B.root_partition()));
}

#[test]
fn all_is_roots_nothing_is_set_uid_and_one_file_runs() {
    let folder = tempfile::tempdir().unwrap();
    let listing = run("unsquashfs", &["-lln", &carve(&folder, Slot::A.root_partition())]);
    let mut programs = Vec::new();
    for line in listing.lines().filter(|line| line.contains("squashfs-root")) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [mode, owner, .., path] = words[..] else { panic!("{line}") };
        let path = if mode.starts_with('l') { words[5] } else { path };
        assert_eq!(owner, "0/0", "{line}");
        let wanted: &[&str] = match mode.as_bytes()[0] {
            b'd' => &["drwxr-xr-x"],
            b'l' => &["lrwxrwxrwx"],
            _ => &["-rw-r--r--", "-rwxr-xr-x"],
        };
        assert!(wanted.contains(&mode), "neither device nor set-uid nor writable: {line}");
        if mode == "-rwxr-xr-x" {
            programs.push(path.trim_start_matches("squashfs-root"));
        }
    }
    assert_eq!(programs, [PROGRAM]);
}

#[test]
fn the_mount_points_are_there_and_empty() {
    let folder = tempfile::tempdir().unwrap();
    let root = unpack_root(&folder, Slot::A);
    for name in ["proc", "sys", "dev", "run", "tmp", "config", "boot"] {
        assert_eq!(fs::read_dir(root.join(name)).unwrap().count(), 0, "/{name}");
    }
    let release = fs::read_to_string(inside(&root, RELEASE_FILE)).unwrap();
    let value = |key: &str| release.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default().to_owned();
    assert_eq!(value("version="), env!("CARGO_PKG_VERSION"));
    assert!(value("built=").parse::<u64>().is_ok_and(|built| built > 1_790_000_000), "{release}");
}

#[test]
fn no_link_leads_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let root = unpack_root(&folder, Slot::A);
    let links = files_below(&root).into_iter().filter(|path| root.join(path).is_symlink());
    for link in links {
        let target = fs::canonicalize(root.join(&link)).unwrap_or_else(|error| panic!("{link}: {error}"));
        assert!(target.starts_with(fs::canonicalize(&root).unwrap()), "{link} leads out of the root");
    }
}

#[test]
fn every_module_of_each_index_can_be_loaded() {
    let folder = tempfile::tempdir().unwrap();
    check_modules(&unpack_root(&folder, Slot::A), &[MODULES_INDEX]);
    check_modules(&unpack_initramfs(&folder, Slot::A), &[MODULES_INDEX, AHEAD_INDEX]);
}

/// The indexes as PID 1 reads them, against the files that are there.
fn check_modules(root: &Path, indexes: &[&str]) {
    let folder = inside(root, MODULES_DIR);
    let mut named = BTreeSet::new();
    for index in indexes {
        let text = fs::read_to_string(inside(root, index)).unwrap();
        named.extend(modules_of(&text));
        assert!(text.lines().any(|line| line.starts_with("module ")), "{index} is empty");
    }
    let there: BTreeSet<String> = files_below(&folder).into_iter().filter(|path| path.ends_with(".ko")).collect();
    assert_eq!(there, named, "what is there and what the indexes name is the same");
    for path in there {
        let module = folder.join(path);
        let said = run("file", &["-b", module.to_str().unwrap()]);
        assert!(said.starts_with("ELF 64-bit LSB relocatable, ARM aarch64"), "{}: {said}", module.display());
    }
}

/// The files that an index names. Everything else that it names must be a module of its own.
fn modules_of(text: &str) -> Vec<String> {
    let index = Index::parse(text);
    assert_eq!(index.bad_lines(), 0, "{text}");
    let mut files = Vec::new();
    for line in text.lines() {
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["module", _, path, ref needs @ ..] => {
                assert!(needs.iter().all(|needed| index.has(needed)), "{line}");
                files.push(path.to_owned());
            }
            ["alias", _, name] | ["load", name] => assert!(index.has(name), "{line}"),
            _ => assert!(line.is_empty() || line.starts_with('#'), "{line}"),
        }
    }
    files
}

/// A path of PID 1's below a folder.
fn inside(root: &Path, path: &str) -> std::path::PathBuf {
    root.join(path.trim_start_matches('/'))
}
