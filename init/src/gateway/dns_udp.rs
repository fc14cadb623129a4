//! Port 53 over UDP, many packets a system call.

use super::bound_udp::bound_udp;
use super::many::{BATCH, Many};
use super::told_once::ToldOnce;
use nix::sys::socket::{MsgFlags, SockaddrIn, sendto, setsockopt, sockopt};
use std::io;
use std::io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable, WouldBlock};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::AsRawFd;
use tokio::time::{Duration, Instant, sleep_until};

/// Largest query that is read (RFC 5625 section 4.4.2 wants 4096 bytes to pass).
const MAX_QUERY: usize = 4096;

/// Batches in a row before others have their turn: at most a few milliseconds' work even on the slowest Pi.
const TURN: usize = 8;

/// What the kernel may hold for us while we do something else, in bytes as it counts them: some thousand queries.
const WAITING: usize = 1 << 20;

/// Where more than [`MANY`] come in so long a time, those of the next are read and answered together: each waits a little,
/// and all cost a fraction of the processor time. A house, even one that opens a browser full of tabs, stays far below it.
const GATHER: Duration = Duration::from_millis(1);

/// See [`GATHER`].
const MANY: usize = 16;

/// What became of a query.
pub struct Reply {
    /// What was written is to be sent.
    pub send: bool,
    /// The core wants something done.
    pub more: bool,
}

/// The DNS server's UDP socket on the LAN.
pub struct DnsUdp {
    socket: ToldOnce,
    rate: Rate,
    /// Not to be read before: more may come.
    again: Instant,
    many: Many<MAX_QUERY>,
    address: Ipv4Addr,
}

impl DnsUdp {
    /// Opens port 53 of `address` on `interface`.
    pub fn open(interface: &str, address: Ipv4Addr) -> io::Result<Self> {
        let socket = bound_udp(interface, SocketAddrV4::new(address, 53))?;
        // Less room is no reason not to serve.
        let _ = setsockopt(&socket, sockopt::RcvBuf, &WAITING);
        let many = Many::new(socket.as_raw_fd());
        let now = Instant::now();
        let rate = Rate { since: now, count: 0 };
        Ok(Self { socket: ToldOnce::new(socket.into())?, rate, again: now, many, address })
    }

    /// Waits for queries, hands each to `answer` and sends what it wrote. Goes on by itself until the core wants
    /// something done, or others are to have their turn. `begin` is called
    /// before each batch. Safe to abandon while it waits.
    pub async fn serve<T>(
        &mut self,
        mut begin: impl FnMut() -> T,
        mut answer: impl FnMut(&T, SocketAddrV4, &[u8], &mut Vec<u8>) -> Reply,
    ) -> io::Result<()> {
        let mut turn = 0;
        loop {
            self.socket.wait().await?;
            if Instant::now() < self.again {
                sleep_until(self.again).await;
            }
            let received = match self.receive() {
                Ok(received) => received,
                Err(error) if error.kind() == WouldBlock => continue,
                // An ICMP error of an earlier answer; the client's loss, not ours.
                Err(error) if matches!(error.kind(), ConnectionRefused | HostUnreachable | NetworkUnreachable) => {
                    return Ok(());
                }
                Err(error) => return Err(error),
            };
            let (batch, mut more) = (begin(), false);
            self.many.answer(received, |peer, query, out| {
                let reply = answer(&batch, peer, query, out);
                more |= reply.more;
                reply.send
            });
            self.many.flush(self.socket.as_raw_fd());
            // A socket that was found empty begins a new turn.
            turn = if received < BATCH { 0 } else { turn + 1 };
            if more || turn >= TURN {
                return Ok(());
            }
        }
    }

    fn receive(&mut self) -> io::Result<usize> {
        let result = self.many.receive(self.socket.as_raw_fd());
        // A full batch leaves more behind, which is not told anew.
        if !matches!(result, Ok(BATCH)) {
            self.socket.take()?;
        }
        let received = result?;
        let now = Instant::now();
        if self.rate.is_high(received, now) && received < BATCH {
            self.again = now + GATHER;
        }
        Ok(received)
    }

    /// Our address, which the queries were sent to.
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// Sends one answer that was not ready at once.
    pub fn send(&self, peer: SocketAddrV4, payload: &[u8]) {
        // A full queue or a client that left: the client asks again.
        let _ = sendto(self.socket.as_raw_fd(), payload, &SockaddrIn::from(peer), MsgFlags::MSG_DONTWAIT);
    }
}

/// How many queries have come since when.
struct Rate {
    since: Instant,
    count: usize,
}

impl Rate {
    /// Counts some more. Whether they come thickly.
    fn is_high(&mut self, received: usize, now: Instant) -> bool {
        if now >= self.since + GATHER {
            (self.since, self.count) = (now, 0);
        }
        self.count += received;
        self.count > MANY
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_many_in_one_millisecond_are_gathered() {
        let start = Instant::now();
        let mut rate = Rate { since: start, count: 0 };
        let at = |micros| start + Duration::from_micros(micros);
        assert!((0..16).all(|number| !rate.is_high(1, at(number))));
        assert!(rate.is_high(1, at(999)));
        assert!(!rate.is_high(1, at(1000)), "another millisecond");
        assert!(rate.is_high(BATCH, at(5000)));
    }
}
