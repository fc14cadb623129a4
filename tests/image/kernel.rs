//! The kernel as the Pi's firmware takes it: gzip around a raw arm64 `Image`.

use crate::strangers::{run, through};
use crate::under_test::{file, unpack_root};
use gatepost_core::card::Slot;
use std::fs;

#[test]
fn the_kernel_is_a_gzipped_arm64_image() {
    let folder = tempfile::tempdir().unwrap();
    for slot in Slot::ALL {
        let packed = folder.path().join("kernel8.img");
        fs::write(&packed, file(slot.boot_partition(), "kernel8.img")).unwrap();
        let said = run("file", &["-b", packed.to_str().unwrap()]);
        assert!(said.starts_with("gzip compressed data"), "{said}");
        let kernel = through("gzip", &["-dc"], &packed);
        // Linux Documentation/arch/arm64/booting.rst §4: the magic number, and flags that say "little-endian, 4 KiB pages".
        assert_eq!(kernel[56..60], *b"ARM\x64");
        assert_eq!(kernel[24] & 0b111, 0b010, "flags {:#x}", kernel[24]);
        let image = folder.path().join("Image");
        fs::write(&image, &kernel).unwrap();
        let said = run("file", &["-b", image.to_str().unwrap()]);
        assert!(said.contains("ARM64") || said.contains("Aarch64"), "{said}");
    }
}

#[test]
fn the_modules_are_those_of_this_kernel() {
    let folder = tempfile::tempdir().unwrap();
    let packed = folder.path().join("kernel8.img");
    fs::write(&packed, file(Slot::A.boot_partition(), "kernel8.img")).unwrap();
    let kernel = through("gzip", &["-dc"], &packed);
    let banner = find(&kernel, b"Linux version ").expect("the kernel says its version");
    let release: String =
        kernel[banner + 14..].iter().map_while(|byte| byte.is_ascii_graphic().then_some(*byte as char)).collect();
    let wanted = format!("vermagic={release} ");
    let modules = unpack_root(&folder, Slot::A).join("lib/modules");
    let mut count = 0;
    for entry in fs::read_dir(modules).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.extension().is_some_and(|extension| extension == "ko") {
            let module = fs::read(&entry).unwrap();
            assert!(find(&module, wanted.as_bytes()).is_some(), "{} is not for {release}", entry.display());
            count += 1;
        }
    }
    assert!(count > 50, "{count} modules");
}

/// What opens ports by reading what passes: an attack surface that nobody asked for.
#[test]
fn no_helper_of_connection_tracking_is_on_the_card() {
    let folder = tempfile::tempdir().unwrap();
    let modules = fs::read_dir(unpack_root(&folder, Slot::A).join("lib/modules")).unwrap();
    let names: Vec<_> = modules.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(names.iter().any(|name| name.starts_with("nf_conntrack")), "{names:?}");
    let helpers = ["ftp", "sip", "tftp", "irc", "h323", "pptp", "amanda", "sane", "snmp", "netbios_ns", "broadcast"];
    for helper in helpers {
        let is_it = |name: &&String| name.starts_with("nf_") && name.ends_with(&format!("_{helper}.ko"));
        assert_eq!(names.iter().find(is_it), None);
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
