//! The user's terminal in raw mode, with one prefix key, Ctrl-A. It is put back as it was however the run ends.

use anyhow::Result;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};
use std::cell::Cell;
use std::io::{IsTerminal, Read, Stdin, Write, stdin, stdout};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Ctrl-A.
const PREFIX: u8 = 1;

/// Set when the program is asked to end from outside.
static STOP: AtomicBool = AtomicBool::new(false);

/// What the user wants.
#[derive(Debug, PartialEq, Eq)]
pub enum Key {
    /// Nothing was typed.
    None,
    /// For the guest.
    Bytes(Vec<u8>),
    /// Ctrl-A x: the end.
    Leave,
    /// Ctrl-A b: BREAK on the serial line.
    Break,
    /// Ctrl-A r: power off and on.
    PowerCut,
}

/// The terminal; if stdin is none, nothing is ever typed and the guest is only watched.
pub struct Terminal {
    stdin: Stdin,
    before: Option<Termios>,
    prefixed: Cell<bool>,
}

impl Terminal {
    /// Switches to raw mode.
    pub fn raw() -> Result<Self> {
        let stdin = stdin();
        let before = if stdin.is_terminal() { Some(tcgetattr(&stdin)?) } else { None };
        if let Some(before) = &before {
            let mut raw = before.clone();
            cfmakeraw(&mut raw);
            tcsetattr(&stdin, SetArg::TCSANOW, &raw)?;
        }
        let terminal = Self { stdin, before, prefixed: Cell::new(false) };
        let action = SigAction::new(SigHandler::Handler(stop), SaFlags::empty(), SigSet::empty());
        for signal in [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT] {
            // SAFETY: the handler only stores to an atomic.
            unsafe { sigaction(signal, &action) }?;
        }
        Ok(terminal)
    }

    /// Shows as much as the terminal takes without waiting, so that a stopped terminal (Ctrl-S) stops nothing else; tells
    /// how many bytes that were.
    pub fn show(&self, bytes: &[u8]) -> Result<usize> {
        /// A terminal that is ready takes so many bytes at once.
        const CHUNK: usize = 256;
        let mut out = stdout();
        let mut shown = 0;
        for chunk in bytes.chunks(CHUNK) {
            let mut set = [PollFd::new(out.as_fd(), PollFlags::POLLOUT)];
            if !matches!(poll(&mut set, PollTimeout::ZERO), Ok(1..)) {
                break;
            }
            out.write_all(chunk)?;
            out.flush()?;
            shown += chunk.len();
        }
        Ok(shown)
    }

    /// What was typed within `timeout`.
    pub fn key(&self, timeout: Duration) -> Result<Key> {
        if STOP.load(Ordering::Relaxed) {
            return Ok(Key::Leave);
        }
        if self.before.is_none() {
            std::thread::sleep(timeout);
            return Ok(Key::None);
        }
        let timeout = PollTimeout::try_from(timeout).unwrap_or(PollTimeout::ZERO);
        let mut set = [PollFd::new(self.stdin.as_fd(), PollFlags::POLLIN)];
        match poll(&mut set, timeout) {
            Ok(0) | Err(nix::Error::EINTR) => return Ok(Key::None),
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        let mut typed = [0; 256];
        let n = self.stdin.lock().read(&mut typed)?;
        if n == 0 {
            return Ok(Key::Leave);
        }
        let (key, prefixed) = sort(&typed[..n], self.prefixed.get());
        self.prefixed.set(prefixed);
        Ok(key)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            let _ = tcsetattr(&self.stdin, SetArg::TCSANOW, before);
        }
    }
}

extern "C" fn stop(_: libc::c_int) {
    STOP.store(true, Ordering::Relaxed);
}

/// Sorts typed bytes: the first command wins, everything before it is dropped with the rest of the chunk only if it is the
/// end; otherwise bytes go to the guest. Also tells whether the chunk ended in the prefix key.
fn sort(typed: &[u8], mut prefixed: bool) -> (Key, bool) {
    let mut bytes = Vec::new();
    for byte in typed {
        match (prefixed, byte) {
            (false, &PREFIX) => prefixed = true,
            (false, byte) => bytes.push(*byte),
            (true, b'x') => return (Key::Leave, false),
            (true, b'b') => return (Key::Break, false),
            (true, b'r') => return (Key::PowerCut, false),
            (true, byte) => {
                // Ctrl-A Ctrl-A is one Ctrl-A for the guest; any other letter was a slip and goes nowhere.
                bytes.extend((*byte == PREFIX).then_some(PREFIX));
                prefixed = false;
            }
        }
    }
    (if bytes.is_empty() { Key::None } else { Key::Bytes(bytes) }, prefixed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_key_works_across_reads() {
        assert_eq!(sort(b"abc\x03", false), (Key::Bytes(b"abc\x03".into()), false));
        assert_eq!(sort(b"\x01", false), (Key::None, true));
        assert_eq!(sort(b"x", true), (Key::Leave, false));
        assert_eq!(sort(b"ab\x01x", false), (Key::Leave, false));
        assert_eq!(sort(b"\x01b", false), (Key::Break, false));
        assert_eq!(sort(b"\x01\x01", false), (Key::Bytes(vec![1]), false));
        assert_eq!(sort(b"\x01q", false), (Key::None, false));
    }
}
