//! Our own binary on the card.

use crate::strangers::run;
use crate::under_test::{unpack_initramfs, unpack_root};
use gatepost_core::card::Slot;
use std::fs;

/// What would tell where the image was built; besides the folders of whoever runs this test.
const PLACES: [&str; 6] = ["/root/", "/home/", "/work/", "/Users/", ".cargo/registry", "registry/src/"];

#[test]
fn one_static_program_that_does_not_tell_where_it_was_built() {
    let folder = tempfile::tempdir().unwrap();
    let program = unpack_root(&folder, Slot::A).join("bin/gatepost");
    let said = run("file", &["-b", program.to_str().unwrap()]);
    assert!(said.starts_with("ELF 64-bit LSB") && said.contains("ARM aarch64"), "{said}");
    assert!(said.contains("statically linked") || said.contains("static-pie linked"), "{said}");
    assert!(said.contains(", stripped") && !said.contains("interpreter"), "{said}");

    let bytes = fs::read(&program).unwrap();
    let own =
        [env!("CARGO_MANIFEST_DIR").trim_end_matches("/tests").to_owned(), std::env::var("HOME").unwrap_or_default()];
    let own = own.iter().filter(|place| place.len() > 5).map(|place| format!("{place}/"));
    for place in PLACES.iter().map(|place| (*place).to_owned()).chain(own) {
        let at = bytes.windows(place.len()).position(|window| window == place.as_bytes());
        let context = at.map(|at| String::from_utf8_lossy(&bytes[at..bytes.len().min(at + 80)]).into_owned());
        assert_eq!(context, None, "the program knows {place}");
    }
    let first_stage = unpack_initramfs(&folder, Slot::A).join("init");
    assert!(fs::read(first_stage).unwrap() == bytes, "/init is the same program");
}
