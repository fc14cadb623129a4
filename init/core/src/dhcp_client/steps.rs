//! The arrows between the states: what each state does with a timer, an answer and the outcome of a probe. Every
//! function takes the old state and returns the new one.

use super::lease::{Lease, Terms};
use super::message::{self, Answer, Kind};
use super::state::{
    Bound, Contact, Exchange, Extension, Grant, Init, InitReboot, Probing, Rebinding, Rebooting, Renewing, Requesting,
    Selecting, State, Subject,
};
use super::{Action, Client, Held, Lost, RECORD_AGAIN, RECORD_FLOOR, record, seconds_since, timers};
use crate::entropy::Entropy;
use crate::net::Ipv4Addr;
use crate::time::{Duration, Instant};
use alloc::boxed::Box;

impl Client {
    /// The first state of an exchange: the remembered lease is asked for if there is one (RFC 2131 section 3.2).
    pub(super) fn start(&self, at: Instant) -> State {
        match &self.held {
            Some(held) => State::InitReboot(InitReboot { at, address: held.lease.address.address() }),
            None => State::Init(Init { at }),
        }
    }

    /// Lets go of a lease whose time is over, whatever else is going on.
    pub(super) fn expire(&mut self, now: Instant, entropy: &mut dyn Entropy) {
        if self.held.as_ref().is_none_or(|held| held.expires.is_none_or(|end| end > now)) {
            return;
        }
        self.drop_lease(Lost::Expired);
        let needs_lease = match &self.state {
            State::InitReboot(_) | State::Rebooting(_) | State::Bound(_) | State::Renewing(_) | State::Rebinding(_) => {
                true
            }
            State::Probing(state) => state.subject == Subject::Remembered,
            State::Down | State::Init(_) | State::Selecting(_) | State::Requesting(_) => false,
        };
        if needs_lease {
            self.state = State::Init(Init { at: timers::soon(now, entropy) });
        }
    }

    /// The state's timer has run out.
    pub(super) fn on_timer(&mut self, state: State, now: Instant, entropy: &mut dyn Entropy) -> State {
        match state {
            State::Down => State::Down,
            State::Init(_) => {
                let exchange = Exchange { xid: entropy.next_u32(), began: now, sends: 0, again: now };
                self.discover(exchange, now, entropy)
            }
            State::Selecting(Selecting { exchange, .. }) => self.discover(exchange, now, entropy),
            State::InitReboot(InitReboot { address, .. }) => {
                let exchange = Exchange { xid: entropy.next_u32(), began: now, sends: 0, again: now };
                self.reboot(Rebooting { exchange, asked: now, address }, now, entropy)
            }
            State::Rebooting(state) if state.exchange.sends < timers::REBOOT_SENDS => self.reboot(state, now, entropy),
            State::Rebooting(state) => self.use_unconfirmed(state.address, now),
            State::Requesting(state) if state.exchange.sends < timers::REQUEST_SENDS => {
                self.select(state, now, entropy)
            }
            State::Requesting(_) => State::Init(Init { at: timers::soon(now, entropy) }),
            State::Probing(state) => self.on_probed(State::Probing(state), now, entropy),
            State::Bound(Bound { contact, timers: Some((_, rebind)) }) if now < rebind => {
                self.renew(contact, now, rebind, now, entropy)
            }
            State::Bound(Bound { contact, timers: Some(_) }) => self.rebind(contact, now, now, entropy),
            State::Bound(state) => State::Bound(state),
            State::Renewing(state) if now < state.rebind => {
                self.renew(state.contact, state.request.began, state.rebind, now, entropy)
            }
            State::Renewing(Renewing { contact, request, .. }) => self.rebind(contact, request.began, now, entropy),
            State::Rebinding(Rebinding { contact, request }) => self.rebind(contact, request.began, now, entropy),
        }
    }

    /// A well-formed answer for this machine came in.
    pub(super) fn on_answer(
        &mut self,
        state: State,
        xid: u32,
        answer: Answer,
        payload: &[u8],
        now: Instant,
        entropy: &mut dyn Entropy,
    ) -> State {
        match (state, answer) {
            (State::Selecting(state), Answer::Offer(lease)) if state.exchange.xid == xid => {
                let exchange = Exchange { sends: 0, ..state.exchange };
                let (address, server) = (lease.address.address(), lease.server);
                self.select(Requesting { exchange, secs: state.secs, asked: now, address, server }, now, entropy)
            }
            (State::Requesting(state), Answer::Ack(lease))
                if state.exchange.xid == xid && state.server == lease.server =>
            {
                self.granted(lease, payload, state.asked, now, entropy)
            }
            (State::Requesting(state), Answer::Nak(server)) if state.exchange.xid == xid && state.server == server => {
                self.refused(server, now, entropy)
            }
            (State::Rebooting(state), Answer::Ack(lease)) if state.exchange.xid == xid => {
                self.granted(lease, payload, state.asked, now, entropy)
            }
            (State::Rebooting(state), Answer::Nak(server)) if state.exchange.xid == xid => {
                self.refused(server, now, entropy)
            }
            (State::Renewing(state), Answer::Ack(lease))
                if state.request.xid == xid && state.contact.server == lease.server =>
            {
                self.granted(lease, payload, state.request.asked, now, entropy)
            }
            (State::Renewing(state), Answer::Nak(server))
                if state.request.xid == xid && state.contact.server == server =>
            {
                self.refused(server, now, entropy)
            }
            (State::Rebinding(state), Answer::Ack(lease)) if state.request.xid == xid => {
                self.granted(lease, payload, state.request.asked, now, entropy)
            }
            (State::Rebinding(state), Answer::Nak(server)) if state.request.xid == xid => {
                self.refused(server, now, entropy)
            }
            (state, _) => state,
        }
    }

    /// Nobody has the address, or nothing was heard for too long.
    pub(super) fn on_probed(&mut self, state: State, now: Instant, entropy: &mut dyn Entropy) -> State {
        match state {
            State::Probing(Probing { subject: Subject::Granted(grant), .. }) => self.bind(*grant, now, entropy),
            State::Probing(Probing { subject: Subject::Remembered, .. }) => {
                if let Some(held) = self.held.as_mut() {
                    held.in_use = true;
                    self.actions.push_back(Action::Bound(held.lease.clone()));
                }
                State::Init(Init { at: now })
            }
            other => other,
        }
    }

    /// Somebody has the address.
    pub(super) fn on_conflict(&mut self, state: State, now: Instant, entropy: &mut dyn Entropy) -> State {
        let State::Probing(Probing { subject, .. }) = state else { return state };
        let disputed = match &subject {
            Subject::Granted(grant) => Some(&grant.lease),
            Subject::Remembered => self.held.as_ref().map(|held| &held.lease),
        };
        if let Some(lease) = disputed {
            let kind = Kind::Decline { address: lease.address.address(), server: lease.server };
            self.broadcast(kind, entropy.next_u32(), 0, Ipv4Addr::UNSPECIFIED);
        }
        // A lease in use has another address: the disputed one was not used yet.
        self.held = self.held.take().filter(|held| held.in_use);
        self.forget();
        State::Init(Init { at: timers::soon(now + timers::QUIET, entropy) })
    }

    /// SELECTING: sends a DISCOVER.
    fn discover(&mut self, mut exchange: Exchange, now: Instant, entropy: &mut dyn Entropy) -> State {
        let secs = seconds_since(exchange.began, now);
        self.broadcast(Kind::Discover { hint: self.hint }, exchange.xid, secs, Ipv4Addr::UNSPECIFIED);
        exchange.sends = exchange.sends.saturating_add(1);
        exchange.again = timers::again(now, exchange.sends, entropy);
        State::Selecting(Selecting { exchange, secs })
    }

    /// REQUESTING: sends a REQUEST for an offer.
    fn select(&mut self, mut state: Requesting, now: Instant, entropy: &mut dyn Entropy) -> State {
        let kind = Kind::Select { address: state.address, server: state.server };
        self.broadcast(kind, state.exchange.xid, state.secs, Ipv4Addr::UNSPECIFIED);
        state.exchange.sends = state.exchange.sends.saturating_add(1);
        state.exchange.again = timers::again(now, state.exchange.sends, entropy);
        State::Requesting(state)
    }

    /// REBOOTING: sends a REQUEST for the remembered address.
    fn reboot(&mut self, mut state: Rebooting, now: Instant, entropy: &mut dyn Entropy) -> State {
        let secs = seconds_since(state.exchange.began, now);
        self.broadcast(Kind::Reboot { address: state.address }, state.exchange.xid, secs, Ipv4Addr::UNSPECIFIED);
        state.exchange.sends = state.exchange.sends.saturating_add(1);
        state.exchange.again = timers::again(now, state.exchange.sends, entropy);
        State::Rebooting(state)
    }

    /// No server spoke about the remembered lease: it is used, unless somebody else has the address, and a server is
    /// looked for meanwhile.
    fn use_unconfirmed(&mut self, address: Ipv4Addr, now: Instant) -> State {
        if self.held.as_ref().is_none_or(|held| held.in_use) {
            return State::Init(Init { at: now });
        }
        self.actions.push_back(Action::Probe(address));
        State::Probing(Probing { subject: Subject::Remembered, until: now + timers::PROBE_LIMIT })
    }

    /// RENEWING: asks the server for more time.
    fn renew(
        &mut self,
        contact: Contact,
        began: Instant,
        rebind: Instant,
        now: Instant,
        entropy: &mut dyn Entropy,
    ) -> State {
        let xid = entropy.next_u32();
        let payload =
            message::build(&self.identity, Kind::Extend { address: contact.address }, xid, seconds_since(began, now));
        self.actions.push_back(Action::Unicast { source: contact.address, server: contact.server, payload });
        let request = Extension { xid, began, asked: now, again: timers::extend_again(now, rebind) };
        State::Renewing(Renewing { contact, request, rebind })
    }

    /// REBINDING: asks every server for more time.
    fn rebind(&mut self, contact: Contact, began: Instant, now: Instant, entropy: &mut dyn Entropy) -> State {
        let xid = entropy.next_u32();
        self.broadcast(Kind::Extend { address: contact.address }, xid, seconds_since(began, now), contact.address);
        let end = self.held.as_ref().and_then(|held| held.expires).unwrap_or(now + timers::QUIET);
        let request = Extension { xid, began, asked: now, again: timers::extend_again(now, end) };
        State::Rebinding(Rebinding { contact, request })
    }

    /// An ACK: a new address is probed first, one that is in use is simply extended.
    fn granted(
        &mut self,
        lease: Lease,
        payload: &[u8],
        asked: Instant,
        now: Instant,
        entropy: &mut dyn Entropy,
    ) -> State {
        let address = lease.address.address();
        let early = match lease.terms {
            Terms::Limited { renew, .. } => timers::early(renew, entropy),
            Terms::Infinite => Duration::ZERO,
        };
        let grant = Grant { lease, ack: payload.to_vec(), asked, early };
        if self.held.as_ref().is_some_and(|held| held.in_use && held.lease.address.address() == address) {
            return self.bind(grant, now, entropy);
        }
        self.actions.push_back(Action::Probe(address));
        State::Probing(Probing { subject: Subject::Granted(Box::new(grant)), until: now + timers::PROBE_LIMIT })
    }

    /// BOUND: the lease is used from now on.
    fn bind(&mut self, grant: Grant, now: Instant, entropy: &mut dyn Entropy) -> State {
        let Grant { lease, ack, asked, early } = grant;
        let contact = Contact { address: lease.address.address(), server: lease.server };
        let (expires, times) = match lease.terms {
            Terms::Infinite => (None, None),
            Terms::Limited { lasts, renew, rebind } => {
                (Some(asked + lasts), Some((asked + renew - early, asked + rebind)))
            }
        };
        if expires.is_some_and(|end| end <= now) {
            // The lease was shorter than the probe. A lease in use is let go of by its own timer.
            return State::Init(Init { at: timers::soon(now, entropy) });
        }
        self.failures = 0;
        self.hint = Some(contact.address);
        self.actions.push_back(Action::Bound(lease.clone()));
        self.remember(&lease, &ack, expires, now);
        self.held = Some(Held { lease, expires, in_use: true });
        State::Bound(Bound { contact, timers: times })
    }

    /// A NAK: back to INIT without the address (RFC 2131 section 3.2 step 3). Refused again and again, the client slows
    /// down: a server that offers what it then refuses must not be asked a hundred times a second.
    fn refused(&mut self, server: Ipv4Addr, now: Instant, entropy: &mut dyn Entropy) -> State {
        self.drop_lease(Lost::Refused { server });
        self.forget();
        self.failures = self.failures.saturating_add(1);
        let pause = if self.failures > 1 { now + timers::QUIET } else { now };
        State::Init(Init { at: timers::soon(pause, entropy) })
    }

    /// Gives up the lease and says so if it was in use.
    fn drop_lease(&mut self, reason: Lost) {
        if let Some(held) = self.held.take().filter(|held| held.in_use) {
            self.actions.push_back(Action::Lost { address: held.lease.address.address(), reason });
        }
    }

    /// Puts the lease on record, unless the card has it already or was written a moment ago.
    fn remember(&mut self, lease: &Lease, ack: &[u8], expires: Option<Instant>, now: Instant) {
        let known = self.recorded.as_ref() == Some(lease);
        let interval = match lease.terms {
            _ if !known => RECORD_FLOOR,
            Terms::Infinite => Duration::MAX,
            Terms::Limited { lasts, .. } => (lasts / 4).max(RECORD_AGAIN),
        };
        if self.written.is_some_and(|at| now.since(at) < interval) {
            return;
        }
        let left = expires.map(|end| end.since(now));
        if let Some(record) = record::pack(ack, left, self.wall_time(now)) {
            self.recorded = Some(lease.clone());
            self.written = Some(now);
            self.actions.push_back(Action::Remember(record));
        }
    }

    /// The address is not to be asked for again.
    fn forget(&mut self) {
        self.hint = None;
        if self.recorded.take().is_some() {
            self.actions.push_back(Action::Forget);
        }
    }

    fn broadcast(&mut self, kind: Kind, xid: u32, secs: u16, source: Ipv4Addr) {
        let payload = message::build(&self.identity, kind, xid, secs);
        self.actions.push_back(Action::Broadcast { source, payload });
    }
}
