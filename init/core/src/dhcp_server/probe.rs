//! Whether somebody has an address already, asked by ARP before it is leased to somebody new (RFC 2131 section 2.2:
//! "the allocating server SHOULD probe the reused address").
//!
//! **Nobody waits for the offer.** The question goes out before the offer, and the offer goes out at once: it promises
//! nothing, and the client takes a moment to come back. What waits is the answer to its REQUEST (or to a DISCOVER with
//! rapid commit), until [`WAIT`] after the question. If somebody answered by then, the address is put aside and the
//! client is refused and begins again. So the first offer after a start costs nothing, and a lease is still never
//! given out unasked.
//!
//! **Not asked**: an address that the client has, had or was offered before, since it is its own; a host's own address,
//! which the configuration vouches for; and, while [`MAX_PROBES`] questions are out, any further one: then new clients
//! come faster than any LAN has them, and leases matter more. A client that finds the conflict itself declines.

use super::{Action, Cast, DhcpServer, Note};
use crate::frame::Arp;
use crate::net::Ipv4Addr;
use crate::time::{Duration, Instant};
use alloc::vec::Vec;

/// How long an answer is waited for. A wired neighbour takes a millisecond, a sleeping one on a Wi-Fi access point two
/// beacon intervals or so.
pub const WAIT: Duration = Duration::from_millis(250);

/// Questions that are out at a time.
pub const MAX_PROBES: usize = 32;

/// One question.
#[derive(Clone, Debug)]
pub(super) struct Probe {
    address: Ipv4Addr,
    until: Instant,
    /// The message that is answered when the wait is over, the latest if there are several.
    waiting: Option<(Vec<u8>, Cast)>,
}

impl DhcpServer {
    /// Asks who has an address that was just chosen for a new client.
    pub(super) fn start_probe(&mut self, address: Ipv4Addr, now: Instant) {
        if self.settings.probe && self.probes.len() < MAX_PROBES {
            self.probes.retain(|probe| probe.address != address);
            self.probes.push(Probe { address, until: now + WAIT, waiting: None });
            self.actions.push_back(Action::Probe(address));
        }
    }

    /// Whether an address is being asked for; then the message is kept until that is over.
    pub(super) fn waits_for_probe(&mut self, address: Ipv4Addr, payload: &[u8], cast: Cast) -> bool {
        let probe = self.probes.iter_mut().find(|probe| probe.address == address);
        probe.map(|probe| probe.waiting = Some((payload.into(), cast))).is_some()
    }

    /// An ARP packet came from the LAN while [`Action::Probe`] was under way.
    pub fn handle_arp(&mut self, arp: &Arp, now: Instant) {
        let asked = self.probes.iter().position(|probe| arp.sender == probe.address);
        let Some(index) = asked else { return };
        let Some(address) = self.probes.get(index).map(|probe| probe.address) else { return };
        // The client itself may have the address still: from another server, or from us before the journal was lost.
        let client = self.table.get(address).and_then(|entry| entry.lease.mac());
        if client == Some(arp.sender_mac) {
            return;
        }
        let probe = self.probes.swap_remove(index);
        self.table.decline(address, now + super::DECLINE_HOLD);
        self.actions.push_back(Action::Note(Note::InUse { address, mac: arp.sender_mac }));
        self.end_probe(probe, now);
        self.collect_names();
    }

    /// Goes on with what waited long enough.
    pub(super) fn step_probes(&mut self, now: Instant) {
        while let Some(index) = self.probes.iter().position(|probe| probe.until <= now) {
            let probe = self.probes.swap_remove(index);
            self.end_probe(probe, now);
        }
    }

    fn end_probe(&mut self, probe: Probe, now: Instant) {
        if self.probes.is_empty() {
            self.actions.push_back(Action::StopProbing);
        }
        if let Some((payload, cast)) = probe.waiting {
            self.take_message(&payload, cast, now);
        }
    }

    /// When [`Self::step_probes`] has something to do.
    pub(super) fn next_probe(&self) -> Option<Instant> {
        self.probes.iter().map(|probe| probe.until).min()
    }
}
