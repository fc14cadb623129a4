//! Other people's programs. One that is missing is a failure: an image that nobody looked at is not tested.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// What we call, and the Debian package it comes in.
const PACKAGES: [(&str, &str); 11] = [
    ("busybox", "busybox"),
    ("dumpe2fs", "e2fsprogs"),
    ("e2fsck", "e2fsprogs"),
    ("file", "file"),
    ("fsck.fat", "dosfstools"),
    ("gzip", "gzip"),
    ("sfdisk", "fdisk"),
    ("sha256sum", "coreutils"),
    ("unsquashfs", "squashfs-tools"),
    ("veritysetup", "cryptsetup-bin"),
    ("zstd", "zstd"),
];

/// Finds a program, also in the folders that a plain user's PATH leaves out.
pub fn command(program: &str) -> Command {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"].map(PathBuf::from);
    let found =
        std::env::split_paths(&path).chain(system).map(|folder| folder.join(program)).find(|path| path.exists());
    let package = PACKAGES.iter().find(|(known, _)| *known == program).map_or(program, |(_, package)| package);
    let found = found.unwrap_or_else(|| panic!("{program} is missing; type: sudo apt-get install {package}"));
    let mut command = Command::new(found);
    command.env("LC_ALL", "C").env("TZ", "UTC").stdin(Stdio::null());
    command
}

/// What a program says, on both outputs, and whether it succeeded.
pub fn ask(program: &str, arguments: &[&str]) -> (bool, String) {
    let Output { status, stdout, stderr } = command(program).args(arguments).output().unwrap();
    (status.success(), (String::from_utf8_lossy(&stdout) + String::from_utf8_lossy(&stderr)).into_owned())
}

/// What a program says that must succeed.
pub fn run(program: &str, arguments: &[&str]) -> String {
    let (success, text) = ask(program, arguments);
    assert!(success, "{program} {} failed:\n{text}", arguments.join(" "));
    text
}

/// Sends a file through a program: its output, unharmed by any reading as text.
pub fn through(program: &str, arguments: &[&str], input: &Path) -> Vec<u8> {
    let input = std::fs::File::open(input).unwrap();
    let output = command(program).args(arguments).stdin(input).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {} failed:\n{text}", arguments.join(" "));
    output.stdout
}

/// Hands the output of a program on as it comes, for what is too large to keep.
pub fn stream(program: &str, arguments: &[&str], mut take: impl FnMut(&[u8])) {
    let mut child = command(program).args(arguments).stdout(Stdio::piped()).spawn().unwrap();
    let mut output = child.stdout.take().unwrap();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match output.read(&mut buffer).unwrap() {
            0 => break,
            count => take(&buffer[..count]),
        }
    }
    let status = child.wait().unwrap();
    assert!(status.success(), "{program} {} failed: {status}", arguments.join(" "));
}
