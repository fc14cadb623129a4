//! The files that people download.

use crate::strangers::{command, run, stream};
use crate::under_test::{beside, hex, path, sha256_of};
use sha2::{Digest, Sha256};
use std::fs;

/// image/image.toml: `compressed_limit_mib`.
const LIMIT: u64 = 40 << 20;

#[test]
fn it_is_small_and_unpacks_to_the_image() {
    let packed = beside("gatepost.img.zst");
    let size = fs::metadata(&packed).unwrap().len();
    assert!(size <= LIMIT, "{size} bytes");
    run("zstd", &["-q", "-t", packed.to_str().unwrap()]);
    // No flag for the window: what a newcomer types must do.
    let mut hash = Sha256::new();
    stream("zstd", &["-q", "-dc", packed.to_str().unwrap()], |bytes| hash.update(bytes));
    assert_eq!(hex(&hash.finalize()), sha256_of(&path()));
}

#[test]
fn the_checksums_beside_the_files_are_right() {
    for name in ["gatepost.img.sha256", "gatepost.img.zst.sha256"] {
        let sums = beside(name);
        let output = command("sha256sum").args(["-c", name]).current_dir(sums.parent().unwrap()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}
