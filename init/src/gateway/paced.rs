//! Datagrams of the DHCP server on their way to relays and to clients that have an address, at a pace that they can hear.
//!
//! A card that takes its time for one fdatasync lets go hundreds of acknowledgements at once. A relay, or a program that
//! plays many clients, has one socket with room for some two hundred of them. So what has piled up leaves over some
//! milliseconds; what did not pile up leaves at once.

use super::trains::{Ready, Trains};
use nix::sys::socket::SockaddrIn;
use std::collections::VecDeque;
use std::net::SocketAddrV4;
use std::os::fd::RawFd;
use tokio::time::{Duration, Instant};

/// So many leave in one slot in any case: nobody's socket is too small for that.
const LEAST: usize = 32;

/// From one slot to the next. The event loop's timers are no finer.
const SLOT: Duration = Duration::from_millis(1);

/// The part of what waits that leaves in one slot: the more has piled up, the faster it goes, so that it can't grow far.
const SPREAD: usize = 16;

/// Most that wait, in datagrams of some 300 octets; the oldest beyond it leave at once.
const MOST: usize = 4096;

/// Most that one system call sends.
const BATCH: usize = 64;

/// What waits to be sent.
pub struct Paced {
    waiting: VecDeque<(SockaddrIn, Vec<u8>)>,
    trains: Trains<BATCH>,
    /// When the next slot begins.
    next: Instant,
}

impl Paced {
    /// For an IPv4 socket of UDP.
    pub fn new(socket: RawFd) -> Self {
        Self { waiting: VecDeque::new(), trains: Trains::new(socket), next: Instant::now() }
    }

    /// Takes a datagram; it leaves with one of the next calls of [`Self::send`].
    pub fn push(&mut self, to: SocketAddrV4, payload: &[u8]) {
        self.waiting.push_back((to.into(), payload.to_vec()));
    }

    /// When to call [`Self::send`] again, if anything waits.
    pub fn poll_timeout(&self) -> Option<Instant> {
        (!self.waiting.is_empty()).then_some(self.next)
    }

    /// Sends what may leave now. A full queue loses it: the client asks again.
    pub fn send(&mut self, socket: RawFd, now: Instant) {
        let mut count = self.waiting.len().saturating_sub(MOST);
        if now >= self.next {
            count = count.max(share(self.waiting.len()));
            self.next = now + SLOT;
        }
        let leaving: Vec<_> = self.waiting.drain(..count.min(self.waiting.len())).collect();
        for batch in leaving.chunks(BATCH) {
            let mut ready: Vec<_> =
                batch.iter().map(|(peer, payload)| Ready { peer: peer.as_ref(), payload }).collect();
            self.trains.send(socket, &mut ready);
        }
    }
}

/// How many of those that wait leave in one slot.
fn share(waiting: usize) -> usize {
    (waiting / SPREAD).max(LEAST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{SocketAddr, UdpSocket};
    use std::os::fd::AsRawFd;

    fn bed() -> (UdpSocket, UdpSocket, SocketAddrV4, Paced) {
        let (server, relay) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        relay.set_nonblocking(true).unwrap();
        let SocketAddr::V4(to) = relay.local_addr().unwrap() else { unreachable!() };
        let paced = Paced::new(server.as_raw_fd());
        (server, relay, to, paced)
    }

    fn heard(relay: &UdpSocket) -> Vec<u16> {
        let mut buffer = [0; 512];
        let mut all = Vec::new();
        while let Ok(length) = relay.recv(&mut buffer) {
            assert_eq!(length, 300);
            all.push(u16::from_be_bytes([buffer[0], buffer[1]]));
        }
        all
    }

    fn push(paced: &mut Paced, to: SocketAddrV4, number: u16) {
        let mut payload = vec![0; 300];
        payload[..2].copy_from_slice(&number.to_be_bytes());
        paced.push(to, &payload);
    }

    #[test]
    fn few_leave_at_once() {
        let (server, relay, to, mut paced) = bed();
        (0..LEAST as u16).for_each(|number| push(&mut paced, to, number));
        paced.send(server.as_raw_fd(), Instant::now());
        assert_eq!(heard(&relay), (0..LEAST as u16).collect::<Vec<_>>());
        assert_eq!(paced.poll_timeout(), None);
    }

    #[test]
    fn what_has_piled_up_leaves_in_its_order_over_some_slots() {
        let (server, relay, to, mut paced) = bed();
        (0..1000).for_each(|number| push(&mut paced, to, number));
        let mut now = Instant::now();
        let (mut all, mut slots) = (Vec::new(), 0);
        while let Some(next) = paced.poll_timeout() {
            paced.send(server.as_raw_fd(), now);
            let part = heard(&relay);
            assert!(part.len() <= 1000 / SPREAD && slots < 40, "{} in slot {slots}", part.len());
            paced.send(server.as_raw_fd(), now);
            assert_eq!(heard(&relay), [], "one share a slot");
            all.extend(part);
            slots += 1;
            now = next.max(now) + SLOT;
        }
        assert_eq!(all, (0..1000).collect::<Vec<_>>());
        assert!(slots > 16, "{slots} slots");
    }

    #[test]
    fn it_is_bounded() {
        let (server, _relay, to, mut paced) = bed();
        let now = Instant::now();
        for number in 0..3 * MOST as u16 {
            push(&mut paced, to, number);
            paced.send(server.as_raw_fd(), now);
            assert!(paced.waiting.len() <= MOST);
        }
        assert_eq!(paced.waiting.front().map(|(_, payload)| payload.len()), Some(300));
    }
}
