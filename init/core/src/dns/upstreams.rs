//! The servers that are asked, in the order of the configuration, and which of them seem to be well.
//!
//! A server that leaves [`TIMEOUTS_TO_DOWN`] attempts in a row unanswered is asked last for a while, a longer one each
//! time. When all are down, all are asked: a wrong guess about health never costs an answer. What one reply claims about
//! a server (that it does not know EDNS, does not keep the letters' case) is believed only after several, and only for a
//! while (CVE-2026-52690). Left out: preferring the fastest server.

use crate::net::Ipv4Addr;
use crate::time::{Duration, Instant};
use alloc::vec::Vec;
use core::net::SocketAddrV4;

/// Servers kept; a lease may name many. Each query asks at most three.
pub(super) const MAX_UPSTREAMS: usize = 8;

/// Attempts in a row without a reply after which a server is asked last.
const TIMEOUTS_TO_DOWN: u32 = 3;

/// How long a server is asked last the first time, and the longest.
const DOWN_FOR: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(60));

/// Claims after which one is believed, and for how long.
const CLAIMS_TO_BELIEVE: u8 = 3;
const BELIEVED_FOR: Duration = Duration::from_secs(600);

/// Something that replies claim about a server.
#[derive(Clone, Copy, Debug, Default)]
struct Claim {
    times: u8,
    until: Instant,
}

impl Claim {
    fn heard(&mut self, now: Instant) {
        self.times = if now < self.until { self.times.saturating_add(1) } else { 1 };
        self.until = now + BELIEVED_FOR;
    }

    fn believed(&self, now: Instant) -> bool {
        self.times >= CLAIMS_TO_BELIEVE && now < self.until
    }
}

#[derive(Clone, Debug)]
struct Server {
    address: SocketAddrV4,
    timeouts: u32,
    down_until: Instant,
    no_edns: Claim,
    changes_case: Claim,
}

/// The servers.
#[derive(Clone, Debug, Default)]
pub(super) struct Upstreams {
    servers: Vec<Server>,
}

impl Upstreams {
    /// Takes a new list. Addresses that cannot be a server, our own on the LAN, repetitions and what is over
    /// [`MAX_UPSTREAMS`] are left out. All start as healthy: the way to them may have changed.
    pub(super) fn set(&mut self, addresses: &[SocketAddrV4], own: Ipv4Addr) {
        self.servers.clear();
        for &address in addresses {
            let ip = *address.ip();
            let usable = !ip.is_unspecified() && !ip.is_multicast() && !ip.is_broadcast() && ip != own;
            let known = self.servers.iter().any(|server| server.address == address);
            if usable && address.port() != 0 && !known && self.servers.len() < MAX_UPSTREAMS {
                let (no_edns, changes_case) = (Claim::default(), Claim::default());
                let down_until = Instant::default();
                self.servers.push(Server { address, timeouts: 0, down_until, no_edns, changes_case });
            }
        }
    }

    /// Leaves one address out: it has become our own.
    pub(super) fn leave_out(&mut self, own: Ipv4Addr) {
        self.servers.retain(|server| *server.address.ip() != own);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.servers.is_empty()
    }

    /// Whether there is a server that is not among `tried`.
    pub(super) fn has_other_than(&self, tried: &[SocketAddrV4]) -> bool {
        self.servers.iter().any(|server| !tried.contains(&server.address))
    }

    /// The next server to ask: the least often tried ones first, of these the healthy ones, of these the first of the
    /// list. `None` only if there is no server.
    pub(super) fn pick(&self, tried: &[SocketAddrV4], now: Instant) -> Option<SocketAddrV4> {
        let times = |server: &&Server| tried.iter().filter(|address| **address == server.address).count();
        self.servers.iter().min_by_key(|server| (times(server), server.down_until > now)).map(|server| server.address)
    }

    /// A reply that fits came.
    pub(super) fn replied(&mut self, address: SocketAddrV4) {
        if let Some(server) = self.find(address) {
            server.timeouts = 0;
            server.down_until = Instant::default();
        }
    }

    /// An attempt was not answered in time.
    pub(super) fn timed_out(&mut self, address: SocketAddrV4, now: Instant) {
        if let Some(server) = self.find(address) {
            server.timeouts = server.timeouts.saturating_add(1);
            if let Some(again) = server.timeouts.checked_sub(TIMEOUTS_TO_DOWN) {
                let (first, longest) = DOWN_FOR;
                server.down_until = now + longest.min(first * 2_u32.saturating_pow(again.min(8)));
            }
        }
    }

    /// A reply said that the server does not know EDNS.
    pub(super) fn claims_no_edns(&mut self, address: SocketAddrV4, now: Instant) {
        if let Some(server) = self.find(address) {
            server.no_edns.heard(now);
        }
    }

    /// A reply did not keep the case of the name.
    pub(super) fn claims_case_change(&mut self, address: SocketAddrV4, now: Instant) {
        if let Some(server) = self.find(address) {
            server.changes_case.heard(now);
        }
    }

    /// Whether to ask the server with OPT, and with letters of random case.
    pub(super) fn manners(&self, address: SocketAddrV4, now: Instant) -> (bool, bool) {
        let server = self.servers.iter().find(|server| server.address == address);
        server.map_or((true, true), |server| (!server.no_edns.believed(now), !server.changes_case.believed(now)))
    }

    fn find(&mut self, address: SocketAddrV4) -> Option<&mut Server> {
        self.servers.iter_mut().find(|server| server.address == address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

    fn server(last: u8) -> SocketAddrV4 {
        SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, last), 53)
    }

    #[test]
    fn rfc5625_a_dead_server_is_asked_last_and_tried_again() {
        let mut upstreams = Upstreams::default();
        upstreams.set(&[server(1), server(2)], OWN);
        let now = Instant::from_secs(100);
        assert_eq!(upstreams.pick(&[], now), Some(server(1)));
        assert_eq!(upstreams.pick(&[server(1)], now), Some(server(2)));
        assert_eq!(upstreams.pick(&[server(1), server(2)], now), Some(server(1)));
        for _ in 0..TIMEOUTS_TO_DOWN {
            upstreams.timed_out(server(1), now);
        }
        assert_eq!(upstreams.pick(&[], now), Some(server(2)));
        assert_eq!(upstreams.pick(&[server(2)], now), Some(server(1)));
        assert_eq!(upstreams.pick(&[], now + DOWN_FOR.0), Some(server(1)));
        upstreams.timed_out(server(1), now);
        assert_eq!(upstreams.pick(&[], now + DOWN_FOR.0), Some(server(2)), "the second time it takes longer");
        upstreams.replied(server(1));
        assert_eq!(upstreams.pick(&[], now), Some(server(1)));
    }

    #[test]
    fn cve_2026_52690_one_claim_changes_nothing_and_belief_decays() {
        let mut upstreams = Upstreams::default();
        upstreams.set(&[server(1)], OWN);
        let now = Instant::from_secs(100);
        for times in 1..=CLAIMS_TO_BELIEVE {
            upstreams.claims_no_edns(server(1), now);
            assert_eq!(upstreams.manners(server(1), now).0, times < CLAIMS_TO_BELIEVE);
        }
        assert_eq!(upstreams.manners(server(1), now), (false, true));
        assert_eq!(upstreams.manners(server(1), now + BELIEVED_FOR), (true, true));
    }

    #[test]
    fn what_cannot_be_a_server_is_left_out_and_the_list_has_an_end() {
        let mut upstreams = Upstreams::default();
        let zero = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 53);
        let no_port = SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 1), 0);
        upstreams.set(&[zero, no_port, SocketAddrV4::new(OWN, 53), SocketAddrV4::new(Ipv4Addr::BROADCAST, 53)], OWN);
        assert!(upstreams.is_empty());
        let many: Vec<_> = (0..=255).map(server).collect();
        upstreams.set(&many, OWN);
        assert_eq!(upstreams.servers.len(), MAX_UPSTREAMS);
        upstreams.leave_out(*server(0).ip());
        assert_eq!(upstreams.pick(&[], Instant::default()), Some(server(1)));
    }
}
