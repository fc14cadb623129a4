//! The states of RFC 2131 figure 5, each with what is known in it and nothing else.
//!
//! ```text
//!            ┌───────────────────────── NAK, conflict, expiry, no answer ◄──────────────────────┐
//!            ▼                                                                                  │
//! Down ──► Init ──DISCOVER──► Selecting ──OFFER──► Requesting ──ACK──► Probing ──free──► Bound ─┤
//!   │                                                                   ▲    ▲             │T1  │
//!   └────► InitReboot ──REQUEST──► Rebooting ──ACK──────────────────────┘    └─new address─┤    │
//!                                     └─ no answer: the lease is used, and Init goes on    ▼    │
//!                                                                        Bound ◄─ACK─ Renewing ─┤
//!                                                                        Bound ◄─ACK─ Rebinding ┘
//! ```

use super::lease::Lease;
use crate::net::Ipv4Addr;
use crate::time::{Duration, Instant};
use alloc::boxed::Box;
use alloc::vec::Vec;

/// Where the client stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// The link is down: nothing is sent.
    Down,
    /// INIT: about to look for servers.
    Init(Init),
    /// INIT-REBOOT: about to ask for the lease that is remembered.
    InitReboot(InitReboot),
    /// SELECTING: a DISCOVER is out.
    Selecting(Selecting),
    /// REQUESTING: an offer was taken.
    Requesting(Requesting),
    /// REBOOTING: the remembered lease was asked for.
    Rebooting(Rebooting),
    /// An address was granted, or is used unconfirmed, and is looked for on the link first (RFC 2131 section 3.1 step 5).
    Probing(Probing),
    /// BOUND: all is well.
    Bound(Bound),
    /// RENEWING: the server was asked to extend the lease.
    Renewing(Renewing),
    /// REBINDING: every server was asked.
    Rebinding(Rebinding),
}

/// See [`State::Init`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Init {
    /// The moment to send the first DISCOVER.
    pub at: Instant,
}

/// See [`State::InitReboot`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct InitReboot {
    /// The moment to send the first REQUEST.
    pub at: Instant,
    /// The address that is remembered.
    pub address: Ipv4Addr,
}

/// A message that is repeated until it is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Exchange {
    /// Transaction identifier; an answer with another one is not for us.
    pub xid: u32,
    /// When the client began to look for an address; the `secs` field counts from here.
    pub began: Instant,
    /// How often the message was sent.
    pub sends: u8,
    /// When it is sent again or given up.
    pub again: Instant,
}

/// See [`State::Selecting`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Selecting {
    /// The DISCOVER.
    pub exchange: Exchange,
    /// Its `secs` field: the REQUEST must have the same (RFC 2131 section 4.1).
    pub secs: u16,
}

/// See [`State::Requesting`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Requesting {
    /// The REQUEST.
    pub exchange: Exchange,
    /// The `secs` field of the DISCOVER.
    pub secs: u16,
    /// When it was first sent: the lease counts from here (RFC 2131 section 4.4.1).
    pub asked: Instant,
    /// The address that was offered.
    pub address: Ipv4Addr,
    /// The server that offered it.
    pub server: Ipv4Addr,
}

/// See [`State::Rebooting`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rebooting {
    /// The REQUEST.
    pub exchange: Exchange,
    /// When it was first sent.
    pub asked: Instant,
    /// The address that is remembered.
    pub address: Ipv4Addr,
}

/// See [`State::Probing`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Probing {
    /// What is used if nobody has the address.
    pub subject: Subject,
    /// The address is used at this moment if nothing was heard.
    pub until: Instant,
}

/// What a probe is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// A lease that was just granted.
    Granted(Box<Grant>),
    /// The remembered lease, which no server confirmed (RFC 2131 section 3.2 step 4).
    Remembered,
}

/// An ACK.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Grant {
    /// What it grants.
    pub lease: Lease,
    /// The message itself, for the card.
    pub ack: Vec<u8>,
    /// When the lease was asked for.
    pub asked: Instant,
    /// How much before T1 it is renewed.
    pub early: Duration,
}

/// See [`State::Bound`]. The end of the lease stands with the lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bound {
    /// Whom to ask for more time.
    pub contact: Contact,
    /// T1 and T2; `None` for a lease without end.
    pub timers: Option<(Instant, Instant)>,
}

/// See [`State::Renewing`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Renewing {
    /// Whom to ask.
    pub contact: Contact,
    /// The last REQUEST.
    pub request: Extension,
    /// T2.
    pub rebind: Instant,
}

/// See [`State::Rebinding`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rebinding {
    /// The address in use.
    pub contact: Contact,
    /// The last REQUEST.
    pub request: Extension,
}

/// The address in use and the server that granted it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Contact {
    pub address: Ipv4Addr,
    pub server: Ipv4Addr,
}

/// A request for more time. Each repetition has an identifier of its own, so that an answer tells which was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extension {
    pub xid: u32,
    /// When the client began to ask for more time.
    pub began: Instant,
    /// When this request was sent: the new lease counts from here (RFC 2131 section 4.4.5).
    pub asked: Instant,
    /// When the next one is sent.
    pub again: Instant,
}

impl State {
    /// The next moment at which this state wants to act.
    pub fn timeout(&self) -> Option<Instant> {
        match self {
            State::Down => None,
            State::Init(state) => Some(state.at),
            State::InitReboot(state) => Some(state.at),
            State::Selecting(state) => Some(state.exchange.again),
            State::Requesting(state) => Some(state.exchange.again),
            State::Rebooting(state) => Some(state.exchange.again),
            State::Probing(state) => Some(state.until),
            State::Bound(state) => state.timers.map(|(renew, _)| renew),
            State::Renewing(state) => Some(state.request.again.min(state.rebind)),
            State::Rebinding(state) => Some(state.request.again),
        }
    }

    /// A word for people.
    pub fn name(&self) -> &'static str {
        match self {
            State::Down => "waiting for the link",
            State::Init(_) | State::Selecting(_) => "looking for a DHCP server",
            State::InitReboot(_) | State::Rebooting(_) => "asking for the last address again",
            State::Requesting(_) => "asking for the address that was offered",
            State::Probing(_) => "checking that nobody else has the address",
            State::Bound(_) => "has an address",
            State::Renewing(_) => "renewing the address",
            State::Rebinding(_) => "asking every server to renew the address",
        }
    }
}
