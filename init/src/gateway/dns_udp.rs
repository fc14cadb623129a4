//! Port 53 over UDP, many packets a system call.

use super::bound_udp::bound_udp;
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrIn, recvmmsg, sendmmsg};
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd;
use tokio::io::unix::AsyncFd;

/// Packets read or sent by one system call. Past 32 the cost of the call itself no longer shows.
const BATCH: usize = 32;

/// Largest query that is read (RFC 5625 section 4.4.2 wants 4096 bytes to pass).
const MAX_QUERY: usize = 4096;

/// The DNS server's UDP socket on the LAN.
pub struct DnsUdp {
    socket: AsyncFd<UdpSocket>,
    headers: MultiHeaders<SockaddrIn>,
    queries: Vec<[u8; MAX_QUERY]>,
    /// One buffer a query of the batch, kept so that answers allocate nothing, and whom it goes to.
    answers: Vec<(Option<SocketAddrV4>, Vec<u8>)>,
    address: Ipv4Addr,
}

impl DnsUdp {
    /// Opens port 53 of `address` on `interface`.
    pub fn open(interface: &str, address: Ipv4Addr) -> io::Result<Self> {
        let socket = bound_udp(interface, SocketAddrV4::new(address, 53))?;
        Ok(Self {
            socket: AsyncFd::new(socket)?,
            headers: MultiHeaders::preallocate(BATCH, None),
            queries: vec![[0; MAX_QUERY]; BATCH],
            answers: vec![(None, Vec::new()); BATCH],
            address,
        })
    }

    /// Waits for queries, hands each to `answer` and sends what it wrote. `answer` gets the peer, the query and an
    /// empty buffer; it returns whether the buffer is to be sent now.
    pub async fn serve(&mut self, mut answer: impl FnMut(SocketAddrV4, &[u8], &mut Vec<u8>) -> bool) -> io::Result<()> {
        let mut ready = self.socket.readable().await?;
        let fd = ready.get_inner().as_raw_fd();
        let mut slices: Vec<_> = self.queries.iter_mut().map(|buffer| [IoSliceMut::new(buffer)]).collect();
        let received = match recvmmsg(fd, &mut self.headers, slices.iter_mut(), MsgFlags::MSG_DONTWAIT, None) {
            Ok(received) => received.map(|message| (message.address, message.bytes)).collect::<Vec<_>>(),
            Err(nix::Error::EAGAIN) => {
                ready.clear_ready();
                return Ok(());
            }
            // An ICMP error of an earlier answer; the client's loss, not ours.
            Err(nix::Error::ECONNREFUSED | nix::Error::EHOSTUNREACH | nix::Error::ENETUNREACH) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        drop(slices);
        for (((peer, length), query), slot) in received.iter().zip(&self.queries).zip(&mut self.answers) {
            slot.0 = None;
            let (Some(peer), Some(query)) = (peer, query.get(..*length)) else { continue };
            let peer = SocketAddrV4::new(peer.ip(), peer.port());
            slot.1.clear();
            if answer(peer, query, &mut slot.1) {
                slot.0 = Some(peer);
            }
        }
        if received.len() < BATCH {
            ready.clear_ready();
        }
        drop(ready);
        self.flush(received.len());
        Ok(())
    }

    /// Our address, which the queries were sent to.
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// Sends one answer that was not ready at once.
    pub fn send(&self, peer: SocketAddrV4, payload: &[u8]) {
        // A full queue or a client that left: the client asks again.
        let _ = self.socket.get_ref().send_to(payload, peer);
    }

    fn flush(&self, received: usize) {
        let ready: Vec<_> = self.answers.iter().take(received).filter_map(|(to, answer)| Some(((*to)?, answer))).collect();
        if let [(peer, payload)] = ready.as_slice() {
            self.send(*peer, payload);
            return;
        }
        if ready.is_empty() {
            return;
        }
        let slices: Vec<_> = ready.iter().map(|(_, payload)| [IoSlice::new(payload)]).collect();
        let peers: Vec<_> = ready.iter().map(|(peer, _)| Some(SockaddrIn::from(*peer))).collect();
        let mut headers = MultiHeaders::preallocate(ready.len(), None);
        let fd = self.socket.get_ref().as_raw_fd();
        let sent = match sendmmsg(fd, &mut headers, &slices, &peers, [], MsgFlags::MSG_DONTWAIT) {
            Ok(results) => results.count(),
            Err(_) => 0,
        };
        // The kernel stops at the first answer it can't send. The rest go one by one, so that one client's
        // unreachable address costs no other client its answer.
        for (peer, payload) in ready.iter().skip(sent) {
            self.send(*peer, payload);
        }
    }
}
