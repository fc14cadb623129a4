//! A key pressed at a console becomes a question to the gateway, over the same socket that `gatepost status` uses.

use super::text;
use gatepost_core::time::{Duration, Instant};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::net::UnixStream;

const SOCKET: &str = "/run/gatepost/control.sock";
/// The longest answer shown.
const MAX_ANSWER_BYTES: usize = 64 * 1024;
/// The gateway answers from memory; whoever waits at a screen will not wait longer.
const LIMIT: Duration = Duration::from_secs(2);

/// What the keys do.
pub const HELP: &str = "Keys: s status, l leases, n names, w Wi-Fi, g log, f firewall, h this help. There is nothing else here: settings \
are in gateway.toml on the card.\n";

/// The question that a key stands for.
pub fn question(key: u8) -> Option<&'static str> {
    match key.to_ascii_lowercase() {
        b's' => Some("status"),
        b'l' => Some("leases"),
        b'n' => Some("names"),
        b'w' => Some("wifi"),
        b'g' => Some("log"),
        b'f' => Some("firewall"),
        _ => None,
    }
}

/// A question on its way.
pub struct Query {
    /// The screen that asked.
    pub screen: usize,
    stream: UnixStream,
    answer: Vec<u8>,
    deadline: Instant,
}

impl Query {
    /// Asks. `None` if the gateway takes no question now.
    pub fn ask(screen: usize, question: &str, now: Instant) -> Option<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let fd = socket(AddressFamily::Unix, SockType::Stream, flags, None).ok()?;
        connect(fd.as_raw_fd(), &UnixAddr::new(SOCKET).ok()?).ok()?;
        let mut stream = UnixStream::from(fd);
        stream.write_all(format!("{question}\n").as_bytes()).ok()?;
        Some(Self { screen, stream, answer: Vec::new(), deadline: now + LIMIT })
    }

    /// Reads on. Returns the text to show once the answer is complete, or as complete as it will get.
    pub fn advance(&mut self, now: Instant) -> Option<String> {
        let mut buffer = [0; 4096];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return Some(self.shown("")),
                Ok(len) => self.answer.extend_from_slice(buffer.get(..len).unwrap_or_default()),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => return Some(self.shown("(the answer broke off)\n")),
            }
            if self.answer.len() >= MAX_ANSWER_BYTES {
                self.answer.truncate(MAX_ANSWER_BYTES);
                return Some(self.shown("(cut here: the answer is longer)\n"));
            }
        }
        (now >= self.deadline).then(|| self.shown("(the gateway did not finish its answer)\n"))
    }

    /// When to give up.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    fn shown(&self, note: &str) -> String {
        let mut text = text::printable(&self.answer, true);
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text + note
    }
}

impl AsFd for Query {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(answer: &[u8]) -> (Query, UnixStream) {
        let (stream, mut peer) = UnixStream::pair().unwrap();
        stream.set_nonblocking(true).unwrap();
        peer.write_all(answer).unwrap();
        (Query { screen: 0, stream, answer: Vec::new(), deadline: Instant::from_secs(2) }, peer)
    }

    #[test]
    fn an_answer_is_shown_when_it_ends() {
        let (mut query, peer) = query(b"all \x1b[5m well");
        assert_eq!(query.advance(Instant::from_secs(1)), None);
        drop(peer);
        assert_eq!(query.advance(Instant::from_secs(1)).unwrap(), "all \\u{1b}[5m well\n");
    }

    #[test]
    fn a_slow_or_endless_answer_ends_too() {
        let (mut slow, _peer) = query(b"");
        assert!(slow.advance(Instant::from_secs(2)).unwrap().contains("did not finish"));
        let (mut long, _peer) = query(&vec![b'x'; MAX_ANSWER_BYTES + 5000]);
        assert!(long.advance(Instant::from_secs(1)).unwrap().len() < MAX_ANSWER_BYTES + 100);
    }
}
