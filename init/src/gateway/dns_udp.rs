//! Port 53 over UDP, many packets a system call.

use super::bound_udp::bound_udp;
use super::many::{BATCH, Many};
use nix::sys::socket::{setsockopt, sockopt};
use std::io;
use std::io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable, WouldBlock};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::AsRawFd;
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// Largest query that is read (RFC 5625 section 4.4.2 wants 4096 bytes to pass).
const MAX_QUERY: usize = 4096;

/// Batches in a row before others have their turn: at most a few milliseconds' work even on the slowest Pi.
const TURN: usize = 8;

/// What the kernel may hold for us while we do something else, in bytes as it counts them: some thousand queries.
const WAITING: usize = 1 << 20;

/// What became of a query.
pub struct Reply {
    /// What was written is to be sent.
    pub send: bool,
    /// The core wants something done.
    pub more: bool,
}

/// The DNS server's UDP socket on the LAN.
pub struct DnsUdp {
    socket: UdpSocket,
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
        Ok(Self { socket: UdpSocket::from_std(socket)?, many, address })
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
            self.socket.readable().await?;
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
        let Self { socket, many, .. } = self;
        let fd = socket.as_raw_fd();
        let mut received = 0;
        let result = socket.try_io(Interest::READABLE, || {
            received = many.receive(fd)?;
            // A batch that is not full has emptied the socket. Saying so spares a system call that would find nothing;
            // a packet that comes after it wakes us.
            if received < BATCH { Err(WouldBlock.into()) } else { Ok(()) }
        });
        match result {
            Err(error) if received == 0 => Err(error),
            _ => Ok(received),
        }
    }

    /// Our address, which the queries were sent to.
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// Sends one answer that was not ready at once.
    pub fn send(&self, peer: SocketAddrV4, payload: &[u8]) {
        // A full queue or a client that left: the client asks again.
        let _ = self.socket.try_send_to(payload, peer.into());
    }
}
