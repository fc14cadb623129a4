//! Twice the same: the image is packed a second time, without what earlier builds kept, and has the same SHA-256.

use crate::under_test::{beside, path, sha256_of};
use std::path::Path;
use std::process::{Command, Stdio};

/// The compiled program is not compiled again (that takes minutes); what the sources are packed into is.
#[test]
fn a_second_build_gives_the_same_bytes() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    // Not in /tmp: an image is 311 MiB, sparse or not.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let mut build = Command::new(env!("CARGO"));
    build.args(["xtask", "image", "--anew", "--out"]).arg(folder.path());
    build.current_dir(workspace).stdin(Stdio::null());
    // What cargo tells a test is not what it tells a user.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CARGO_") && name != "CARGO_HOME" && name != "CARGO_TARGET_DIR" {
            build.env_remove(name);
        }
    }
    let output = build.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!String::from_utf8_lossy(&output.stderr).contains("kept from an earlier build"));
    let text = |path: &Path| std::fs::read_to_string(path).unwrap();
    assert_eq!(
        text(&folder.path().join("manifest.json")),
        text(&beside("manifest.json")),
        "the first difference tells which file is to blame"
    );
    assert_eq!(sha256_of(&folder.path().join("gatepost.img")), sha256_of(&path()));
    assert_eq!(sha256_of(&folder.path().join("gatepost.img.zst")), sha256_of(&beside("gatepost.img.zst")));
}
