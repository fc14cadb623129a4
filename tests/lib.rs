//! The rings that need a kernel: network namespaces, QEMU, fuzzing. What they share.

pub mod kernel;
pub mod mutate;
pub mod transfer;

use std::io::Write;

/// Whether this process is root; network namespaces need it.
pub fn is_root() -> bool {
    nix::unistd::Uid::effective().is_root()
}

/// Says aloud that a test could not run here and why. The test command counts such lines; the harness swallows what
/// `println!` prints, so it is written past it.
pub fn skip(test: &str, reason: &str) {
    let _ = writeln!(std::io::stdout(), "SKIPPED: {test}: {reason}");
}
