//! The uplink's address: a DHCP client (RFC 2131, options of RFC 2132, RFC 3442 and RFC 3396) as a machine without
//! sockets or clock.
//!
//! [`Client`] is told what happens through `handle_*` methods; after each of them call [`Client::poll_action`] until it
//! returns `None`, do what the actions say, and wait until [`Client::poll_timeout`] or the next event. The shell owns a
//! packet socket on the uplink (UDP port 68), since an answer can come before there is an address, and makes the ARP
//! probes (RFC 5227).
//!
//! What the gateway needs beyond the RFC's pictures:
//! - An address in use stays in use while the link flaps or the process restarts, and is verified behind its back:
//!   connections through the gateway survive both. It is dropped on a NAK, a conflict, or when its time is over.
//! - A remembered lease that no server confirms is used for the rest of its time (section 3.2 step 4), and the search
//!   for a server goes on beside it: after a power cut the household's router may boot slower than the gateway, or the
//!   gateway may have moved to a network whose server keeps silent about foreign addresses.
//!
//! Deviations, all for a single gateway's sake: the first message is delayed by up to one second instead of ten; the
//! first usable offer is taken; nothing is released at shutdown, so that the same address comes back.
//! Left out: INFORM, RELEASE, FORCERENEW (RFC 3203), rapid commit (RFC 4039), IPv6-only (RFC 8925).

use crate::entropy::Entropy;
use crate::net::{Ipv4Addr, Ipv4Net};
use crate::time::{Duration, Instant, WallTime};
use alloc::collections::VecDeque;
use alloc::vec::Vec;

mod lease;
mod message;
mod options;
mod record;
mod state;
mod steps;
#[cfg(test)]
mod tests;
mod timers;

pub use lease::{Lease, Route, Terms};
pub use message::Identity;
pub use record::remembered_network;
use state::State;

/// What the shell shall do. In the order given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send a UDP datagram from `source` port 68 to 255.255.255.255 port 67, to the link's broadcast address.
    Broadcast {
        /// The IP source address: 0.0.0.0 while there is no address.
        source: Ipv4Addr,
        /// The DHCP message.
        payload: Vec<u8>,
    },
    /// Send a UDP datagram from `source` port 68 to `server` port 67, by the ordinary routes.
    Unicast {
        /// The IP source address: the one in use.
        source: Ipv4Addr,
        /// Where to.
        server: Ipv4Addr,
        /// The DHCP message.
        payload: Vec<u8>,
    },
    /// Ask by ARP whether somebody has this address (RFC 5227 section 2.1), then call [`Client::handle_conflict`] or
    /// [`Client::handle_probe_done`]. Without a word for ten seconds the address is used.
    Probe(Ipv4Addr),
    /// Use this lease from now on, in place of any earlier one. Comes again when it is renewed.
    Bound(Lease),
    /// The lease that was bound may not be used any longer: remove its address.
    Lost {
        /// The lease's address.
        address: Ipv4Addr,
        /// Why.
        reason: Lost,
    },
    /// Keep this record, in place of any earlier one, and give it to [`Client::new`] after a restart. Comes at most once
    /// a minute; for a lease that is renewed unchanged at most once a quarter of its time and once an hour.
    Remember(Vec<u8>),
    /// The record may be deleted: it will not be of use.
    Forget,
}

/// Why a lease was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// Its time is over and no server extended it.
    Expired,
    /// A server says that the address may not be used on this network (NAK).
    Refused {
        /// The server that said so.
        server: Ipv4Addr,
    },
}

/// A DHCP client for one interface.
///
/// Time may stand still between calls but never runs backwards. All inputs are safe at any time and in any state.
#[derive(Clone, Debug)]
pub struct Client {
    identity: Identity,
    state: State,
    /// The lease in use, or the remembered one that may come into use.
    held: Option<Held>,
    /// The address that was used last: asked for again when looking for a server (RFC 2131 section 3.1 step 1).
    hint: Option<Ipv4Addr>,
    /// How often in a row the client was refused after it had been granted or promised an address.
    failures: u8,
    /// What the card holds.
    recorded: Option<Lease>,
    /// When it was last told to hold something.
    written: Option<Instant>,
    /// The wall clock, and when it was read.
    wall: (WallTime, Instant),
    actions: VecDeque<Action>,
}

/// A lease that the client has.
#[derive(Clone, Debug)]
struct Held {
    lease: Lease,
    /// When it ends; `None` for never.
    expires: Option<Instant>,
    /// Whether the shell was told to use it.
    in_use: bool,
}

impl Client {
    /// A client on a link that is down. `record` is the last [`Action::Remember`], if there is one; damaged, expired
    /// and foreign records are ignored. `wall` is what the machine believes the time to be.
    pub fn new(identity: Identity, record: Option<&[u8]>, wall: WallTime, now: Instant) -> Self {
        let remembered = record.and_then(|record| record::unpack(record, identity.mac, wall));
        let held = remembered.map(|(lease, left)| Held { lease, expires: left.map(|left| now + left), in_use: false });
        let hint = held.as_ref().map(|held| held.lease.address.address());
        let recorded = held.as_ref().map(|held| held.lease.clone());
        let written = recorded.as_ref().map(|_| now);
        let (state, actions) = (State::Down, VecDeque::new());
        Self { identity, state, held, hint, failures: 0, recorded, written, wall: (wall, now), actions }
    }

    /// The kernel has this address on the uplink already: the process was restarted. If it is the remembered one it
    /// counts as in use and is bound at once; it will be verified when the link is up. Call it after [`Client::new`];
    /// an address that is not taken up by an action here belongs to nobody and may be removed.
    pub fn handle_configured(&mut self, address: Ipv4Net, now: Instant) {
        let Some(held) = self.held.as_mut() else { return };
        if held.lease.address == address && !held.in_use && held.expires.is_none_or(|end| end > now) {
            held.in_use = true;
            self.actions.push_back(Action::Bound(held.lease.clone()));
        }
    }

    /// The wall clock was set. Only the record for the card depends on it.
    pub fn handle_wall_time(&mut self, wall: WallTime, now: Instant) {
        self.wall = (wall, now);
    }

    /// The link went up or down. Saying so twice does nothing. Going up begins an exchange with a server; a lease that
    /// is in use stays so while the link is down, until its time is over (RFC 2131 section 3.7).
    pub fn handle_link(&mut self, up: bool, now: Instant, entropy: &mut dyn Entropy) {
        self.expire(now, entropy);
        match (up, &self.state) {
            (true, State::Down) => self.state = self.start(timers::soon(now, entropy)),
            (true, _) => {}
            (false, _) => self.state = State::Down,
        }
    }

    /// A datagram came in on UDP port 68. `payload` is the DHCP message, any bytes. What is not an answer to this
    /// client's last question is dropped.
    pub fn handle_packet(&mut self, payload: &[u8], now: Instant, entropy: &mut dyn Entropy) {
        self.expire(now, entropy);
        if let Some((xid, answer)) = message::read(payload, self.identity.mac) {
            let state = core::mem::replace(&mut self.state, State::Down);
            self.state = self.on_answer(state, xid, answer, payload, now, entropy);
        }
    }

    /// Somebody on the link has the address of the last [`Action::Probe`]. The server is told (DECLINE), and the client
    /// begins anew after ten seconds (RFC 2131 section 3.1 step 5).
    pub fn handle_conflict(&mut self, now: Instant, entropy: &mut dyn Entropy) {
        self.expire(now, entropy);
        let state = core::mem::replace(&mut self.state, State::Down);
        self.state = self.on_conflict(state, now, entropy);
    }

    /// Nobody has the address of the last [`Action::Probe`].
    pub fn handle_probe_done(&mut self, now: Instant, entropy: &mut dyn Entropy) {
        self.expire(now, entropy);
        let state = core::mem::replace(&mut self.state, State::Down);
        self.state = self.on_probed(state, now, entropy);
    }

    /// The moment of [`Client::poll_timeout`] has come. Harmless at any other time.
    pub fn handle_timeout(&mut self, now: Instant, entropy: &mut dyn Entropy) {
        self.expire(now, entropy);
        if self.state.timeout().is_some_and(|at| at <= now) {
            let state = core::mem::replace(&mut self.state, State::Down);
            self.state = self.on_timer(state, now, entropy);
        }
    }

    /// What is to be done next. Empty it after every input.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`Client::handle_timeout`] is due; `None` while the link is down with no lease that could end, and for a
    /// lease without end. It may lie in the past.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let expires = self.held.as_ref().and_then(|held| held.expires);
        [self.state.timeout(), expires].into_iter().flatten().min()
    }

    /// The lease that is in use.
    pub fn lease(&self) -> Option<&Lease> {
        self.held.as_ref().filter(|held| held.in_use).map(|held| &held.lease)
    }

    /// When the lease in use ends; `None` without a lease and for one without end.
    pub fn expires(&self) -> Option<Instant> {
        self.held.as_ref().filter(|held| held.in_use).and_then(|held| held.expires)
    }

    /// What the client is doing, in a few plain words for a person.
    pub fn doing(&self) -> &'static str {
        self.state.name()
    }

    /// The wall time at a moment.
    fn wall_time(&self, now: Instant) -> WallTime {
        let (wall, read) = self.wall;
        WallTime(wall.0.saturating_add(now.since(read).as_secs()))
    }
}

/// Whole seconds since a moment, as the `secs` field of a message holds them.
fn seconds_since(began: Instant, now: Instant) -> u16 {
    u16::try_from(now.since(began).as_secs()).unwrap_or(u16::MAX)
}

/// A lease is not recorded sooner than this after the last one: each record costs an erase of the card, and a server
/// that changes its mind all the time must not wear it out. A record that is out of date costs one question at boot.
const RECORD_FLOOR: Duration = Duration::from_secs(60);

/// An unchanged lease is recorded again after a quarter of its time, but not more often than this.
const RECORD_AGAIN: Duration = Duration::from_secs(3600);
