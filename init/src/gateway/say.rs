//! Lines for the console, down the pipe to PID 1.

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::stat::{SFlag, fstat};
use std::io::stderr;

/// Makes sure that a reader who is slow never holds up the network: what does not fit into the pipe is dropped. Only a
/// pipe is changed; a terminal or a file may be shared with others.
pub fn never_wait() {
    let error = stderr();
    let is_pipe =
        fstat(&error).is_ok_and(|stat| SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFIFO);
    if is_pipe && let Ok(flags) = fcntl(&error, FcntlArg::F_GETFL) {
        let _ = fcntl(&error, FcntlArg::F_SETFL(OFlag::from_bits_retain(flags) | OFlag::O_NONBLOCK));
    }
}

/// Shows a line, if it can be done at once. In one piece, so that it arrives whole or not at all; `eprintln!` would
/// panic where this gives up.
pub fn say(line: &str) {
    let _ = nix::unistd::write(stderr(), format!("{line}\n").as_bytes());
}
