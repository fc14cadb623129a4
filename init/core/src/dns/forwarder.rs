//! The questions in flight: coalescing, attempts, time-outs, fail-over.
//!
//! A question is asked once however many clients wait for it (CVE-2020-25686). The best server is asked by UDP; if it
//! stays silent for a while the next one is asked too, the earlier socket staying open, up to [`MAX_TRIES`] times and
//! [`TOTAL`] in all. A truncated answer is fetched by TCP. An error from a server leads to the next server at once. Each
//! query's identifier is new from the kernel, the letters of its name have random case, and the shell gives it a socket
//! and port of its own (RFC 5452 section 9.2). What a bad reply may do is at most to have one more question sent.

use super::api::{Action, Client, Failure, UpstreamKey};
use super::chain::Chain;
use super::flight::{Attempt, Flight, Landed, State, Waiter};
use super::query::{Asked, Key, variant};
use super::reply::{self, Sent, Verdict};
use super::upstreams::Upstreams;
use super::wire::{flag, rcode};
use super::{MAX_FLIGHTS, MAX_PER_CLIENT, MAX_WAITERS, TOTAL, answer};
use crate::config::{Protocol, Upstream};
use crate::entropy::Entropy;
use crate::time::{Duration, Instant};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddrV4};

/// UDP tries of one question, over all servers.
const MAX_TRIES: usize = 3;

/// Attempts of one question, TCP and repetitions in other manners included.
const MAX_ATTEMPTS: usize = 8;

/// Flights at one time, all counted, up to which what is still known is asked for anew.
const MAX_REFRESHING: usize = MAX_FLIGHTS / 4;

/// How long after each try the next one follows if nothing came; the third has what is left of [`TOTAL`].
const PATIENCE: [Duration; 2] = [Duration::from_millis(800), Duration::from_millis(1200)];

/// How long a TCP attempt keeps the next UDP try back.
const TCP_PATIENCE: Duration = Duration::from_millis(2000);

/// How long a reply is still waited for when every server was reported unreachable.
const GRACE: Duration = Duration::from_millis(500);

/// What an event needs beside the flights themselves.
pub(super) struct Surroundings<'a> {
    pub(super) now: Instant,
    pub(super) entropy: &'a mut dyn Entropy,
    pub(super) upstreams: &'a mut Upstreams,
    pub(super) actions: &'a mut VecDeque<Action>,
    pub(super) ignored_replies: &'a mut u64,
    pub(super) asked_upstream: &'a mut u64,
}

/// What time has brought.
pub(super) enum Due {
    /// A flight has ended.
    Landed(Landed),
    /// Those who wait for this flight should have an old answer now, if there is one.
    OldAnswer(u64, Key),
}

/// What became of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Accepted {
    /// Its answer will come.
    Waiting,
    /// It is being answered already.
    Repeated,
    /// There is no room, or no server to ask.
    No,
}

/// The questions in flight.
#[derive(Default)]
pub(super) struct Forwarder {
    flights: BTreeMap<u64, Flight>,
    by_question: BTreeMap<Box<[u8]>, u64>,
    by_attempt: BTreeMap<UpstreamKey, u64>,
    timers: BTreeSet<(Instant, u64)>,
    per_client: BTreeMap<IpAddr, usize>,
    waiters: usize,
    last_number: u64,
}

impl Forwarder {
    pub(super) fn len(&self) -> usize {
        self.flights.len()
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Asks anew for what is still known but will soon be over. Nobody waits for it, so it has only a part of the room.
    pub(super) fn refresh(&mut self, key: &Key, around: &mut Surroundings) {
        let known = self.by_question.contains_key(key.as_bytes());
        if !known && self.flights.len() < MAX_REFRESHING && !around.upstreams.is_empty(key.question()) {
            self.take_off(key, None, None, around);
        }
    }

    /// Takes a query that neither the local names nor the cache could answer. `key` is the question for the servers; that of
    /// the client leads to it by `chain`, if it is another.
    pub(super) fn accept(
        &mut self,
        key: &Key,
        asked: &Asked<'_>,
        client: Client,
        (chain, stale_at): (Option<Box<Chain>>, Option<Instant>),
        around: &mut Surroundings,
    ) -> Accepted {
        let number = self.by_question.get(key.as_bytes()).copied();
        let flight = number.and_then(|number| self.flights.get_mut(&number));
        let repeated = flight.as_ref().is_some_and(|f| f.waiters.iter().any(|w| w.is_repeated_by(&client, asked)));
        if repeated {
            return Accepted::Repeated;
        }
        let of_client = self.per_client.get(&client.peer.ip()).copied().unwrap_or(0);
        if of_client >= MAX_PER_CLIENT || self.waiters >= MAX_WAITERS {
            return Accepted::No;
        }
        if let Some(flight) = flight {
            flight.waiters.push(Waiter::new(client, asked, chain));
        } else if self.flights.len() >= MAX_FLIGHTS || around.upstreams.is_empty(key.question()) {
            return Accepted::No;
        } else {
            self.take_off(key, Some(Waiter::new(client, asked, chain)), stale_at, around);
        }
        self.waiters += 1;
        self.per_client.insert(client.peer.ip(), of_client + 1);
        Accepted::Waiting
    }

    fn take_off(&mut self, key: &Key, waiter: Option<Waiter>, stale_at: Option<Instant>, around: &mut Surroundings) {
        let number = self.new_number();
        let deadline = around.now + TOTAL;
        let mut flight = Flight {
            key: key.clone(),
            waiters: waiter.into_iter().collect(),
            attempts: Vec::new(),
            tries: 0,
            next_try: deadline,
            stale_at,
            deadline,
            rcode: None,
            plain_case: false,
            no_edns: false,
            timer: deadline,
        };
        self.try_next(number, &mut flight, around);
        self.by_question.insert(key.as_bytes().into(), number);
        self.put_back(number, flight);
    }

    fn new_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    /// A message from a server's socket.
    pub(super) fn reply(
        &mut self,
        key: UpstreamKey,
        from: SocketAddrV4,
        msg: &[u8],
        around: &mut Surroundings,
    ) -> Option<Landed> {
        let number = *self.by_attempt.get(&key)?;
        let mut flight = self.take(number)?;
        let judged = flight.attempt(key).filter(|a| a.state != State::Over && a.server.address == from);
        let judged = judged.map(|a| (reply::judge(msg, &a.sent), a.server.clone(), a.sent_at));
        let Some((verdict, server, sent_at)) = judged else {
            *around.ignored_replies += 1;
            self.put_back(number, flight);
            return None;
        };
        if matches!(verdict, Verdict::Truncated | Verdict::Error(_) | Verdict::Good(_)) {
            around.upstreams.replied(&server, sent_at, around.now);
            self.end_attempt(&mut flight, key, around);
        }
        match verdict {
            Verdict::Good(answer) => return Some(self.land(flight, Ok((answer, from)), around)),
            Verdict::Ignore => *around.ignored_replies += 1,
            Verdict::Truncated => self.ask_by_tcp(number, &mut flight, server, around),
            Verdict::Error(code) => flight.rcode = Some(code),
            Verdict::CaseChanged => {
                *around.ignored_replies += 1;
                if !flight.plain_case {
                    flight.plain_case = true;
                    around.upstreams.claims_case_change(&server, around.now);
                    self.ask_by_tcp(number, &mut flight, server, around);
                }
            }
            Verdict::NoEdns => {
                around.upstreams.claims_no_edns(&server, around.now);
                self.doubt(&mut flight, key);
                if !flight.no_edns {
                    flight.no_edns = true;
                    self.ask(number, &mut flight, server, false, around);
                }
            }
        }
        self.advance(number, flight, around)
    }

    /// A socket could not do its work.
    pub(super) fn failed(&mut self, key: UpstreamKey, failure: Failure, around: &mut Surroundings) -> Option<Landed> {
        let number = *self.by_attempt.get(&key)?;
        let mut flight = self.take(number)?;
        match failure {
            Failure::Unreachable => self.doubt(&mut flight, key),
            Failure::NotSent => {
                flight.attempt(key).into_iter().for_each(|attempt| attempt.sent_out = false);
                self.end_attempt(&mut flight, key, around);
            }
            Failure::Broken => {
                // A server that is only spoken to through TLS has no other way to be well.
                let tls = flight.attempt(key).filter(|attempt| attempt.server.protocol != Protocol::Plain);
                if let Some(attempt) = tls {
                    attempt.blamed = true;
                    around.upstreams.timed_out(&attempt.server, around.now);
                }
                self.end_attempt(&mut flight, key, around);
                flight.next_try = around.now;
            }
        }
        self.advance(number, flight, around)
    }

    /// Goes on with flights whose time has come, until there is something to tell or none is due.
    pub(super) fn due(&mut self, around: &mut Surroundings) -> Option<Due> {
        while let Some((_, number)) = self.timers.first().copied().filter(|(at, _)| *at <= around.now) {
            let mut flight = self.take(number)?;
            if flight.stale_at.is_some_and(|at| at <= around.now) {
                flight.stale_at = None;
                let key = flight.key.clone();
                self.put_back(number, flight);
                return Some(Due::OldAnswer(number, key));
            }
            if let Some(landed) = self.advance(number, flight, around) {
                return Some(Due::Landed(landed));
            }
        }
        None
    }

    /// Those who wait for a flight's answer: they have got one. The flight goes on.
    pub(super) fn release(&mut self, number: u64) -> Vec<Waiter> {
        let waiters = self.flights.get_mut(&number).map(|flight| core::mem::take(&mut flight.waiters));
        let waiters = waiters.unwrap_or_default();
        self.forget(&waiters);
        waiters
    }

    fn forget(&mut self, waiters: &[Waiter]) {
        self.waiters = self.waiters.saturating_sub(waiters.len());
        for waiter in waiters {
            let ip = waiter.client.peer.ip();
            match self.per_client.get_mut(&ip) {
                Some(count) if *count > 1 => *count -= 1,
                _ => drop(self.per_client.remove(&ip)),
            }
        }
    }

    /// Decides what a flight does next: land, try another server, or wait.
    fn advance(&mut self, number: u64, mut flight: Flight, around: &mut Surroundings) -> Option<Landed> {
        if around.now >= flight.deadline {
            self.blame(&mut flight, around);
            let code = flight.rcode.unwrap_or(rcode::SERVFAIL);
            return Some(self.land(flight, Err(code), around));
        }
        let (hope, undoubted) = flight.hope();
        let may_try = flight.tries < MAX_TRIES && flight.attempts.len() < MAX_ATTEMPTS;
        let other = may_try && around.upstreams.has_other_than(&flight.tried(), flight.key.question());
        let late = around.now >= flight.next_try;
        if other && !undoubted || may_try && late && hope {
            if late {
                self.blame(&mut flight, around);
            }
            self.try_next(number, &mut flight, around);
        } else if !hope {
            let code = flight.rcode.unwrap_or(rcode::SERVFAIL);
            return Some(self.land(flight, Err(code), around));
        } else if !may_try && !undoubted {
            flight.deadline = flight.deadline.min(around.now + GRACE);
        }
        self.put_back(number, flight);
        None
    }

    /// Counts silence against the servers that are still waited for.
    fn blame(&mut self, flight: &mut Flight, around: &mut Surroundings) {
        for attempt in flight.attempts.iter_mut().filter(|a| a.state != State::Over && !a.blamed) {
            attempt.blamed = true;
            around.upstreams.timed_out(&attempt.server, around.now);
        }
    }

    fn try_next(&mut self, number: u64, flight: &mut Flight, around: &mut Surroundings) {
        let patience = PATIENCE.get(flight.tries).copied();
        flight.next_try = patience.map_or(flight.deadline, |patience| around.now + patience);
        let Some(server) = around.upstreams.pick(&flight.tried(), flight.key.question(), around.now).cloned() else {
            // The list was emptied meanwhile: nothing is left but to wait for those already asked.
            flight.next_try = flight.deadline;
            return;
        };
        let is_asked = |attempt: &Attempt| attempt.server == server && attempt.state != State::Over;
        if server.protocol != Protocol::Plain && flight.attempts.iter().any(is_asked) {
            // TLS loses nothing on the way: asking the same again would only make a slow server slower.
            flight.next_try = flight.deadline;
            return;
        }
        flight.tries += 1;
        self.ask(number, flight, server, false, around);
    }

    fn ask_by_tcp(&mut self, number: u64, flight: &mut Flight, server: Upstream, around: &mut Surroundings) {
        let asked = flight.attempts.iter().any(|attempt| attempt.server == server && attempt.sent.tcp);
        if !asked {
            flight.next_try = flight.next_try.max(around.now + TCP_PATIENCE);
            self.ask(number, flight, server, true, around);
        }
    }

    fn ask(&mut self, number: u64, flight: &mut Flight, server: Upstream, tcp: bool, around: &mut Surroundings) {
        if flight.attempts.len() >= MAX_ATTEMPTS {
            return;
        }
        let variant = flight.key.variant();
        let (knows_edns, keeps_case) = around.upstreams.manners(&server, around.now);
        let edns = knows_edns && !flight.no_edns;
        let mut question: Box<[u8]> = flight.key.question().into();
        if keeps_case && !flight.plain_case {
            mix_case(&mut question, around.entropy);
        }
        let dnssec_ok = edns && variant & variant::DNSSEC_OK != 0;
        // The upper half: generators are at their best there.
        let id = (around.entropy.next_u32() >> 16) as u16;
        let recursion = if variant & variant::NO_RECURSION == 0 { flag::RD } else { 0 };
        let checking = if variant & variant::CHECKING_DISABLED != 0 { flag::CD } else { 0 };
        let tls = server.protocol != Protocol::Plain;
        let payload = answer::ask(id, recursion | checking, &question, edns.then_some(dnssec_ok), tls);
        let key = UpstreamKey(self.new_number());
        // In a TCP or TLS connection nobody off the path can speak, and nothing is cut short.
        let stream = tcp || tls;
        let sent = Sent { id, question, tcp: stream, edns, dnssec_ok };
        let (address, protocol) = (server.address, server.protocol.clone());
        flight.attempts.push(Attempt {
            key,
            server,
            sent,
            sent_at: around.now,
            state: State::Waiting,
            sent_out: true,
            blamed: false,
        });
        self.by_attempt.insert(key, number);
        *around.asked_upstream += 1;
        around.actions.push_back(match (protocol, tcp) {
            (Protocol::Plain, false) => Action::AskUdp { key, server: address, payload },
            (Protocol::Plain, true) => Action::AskTcp { key, server: address, payload },
            (Protocol::Tls { name }, _) => Action::AskTls { key, server: address, name, payload },
        });
    }

    fn doubt(&mut self, flight: &mut Flight, key: UpstreamKey) {
        if let Some(attempt) = flight.attempt(key).filter(|attempt| attempt.state == State::Waiting) {
            attempt.state = State::Doubted;
        }
    }

    fn end_attempt(&mut self, flight: &mut Flight, key: UpstreamKey, around: &mut Surroundings) {
        if let Some(attempt) = flight.attempt(key).filter(|attempt| attempt.state != State::Over) {
            attempt.state = State::Over;
            self.by_attempt.remove(&key);
            around.actions.push_back(Action::Close { key });
        }
    }

    /// Ends a flight that was taken out.
    fn land(
        &mut self,
        mut flight: Flight,
        result: Result<(answer::Answer, SocketAddrV4), u16>,
        around: &mut Surroundings,
    ) -> Landed {
        let keys: Vec<UpstreamKey> = flight.attempts.iter().map(|attempt| attempt.key).collect();
        for key in keys {
            self.end_attempt(&mut flight, key, around);
        }
        self.by_question.remove(flight.key.as_bytes());
        self.forget(&flight.waiters);
        Landed { flight, result }
    }

    /// Takes a flight out to change it; [`Self::put_back`] or [`Self::land`] must follow.
    fn take(&mut self, number: u64) -> Option<Flight> {
        let flight = self.flights.remove(&number)?;
        self.timers.remove(&(flight.timer, number));
        Some(flight)
    }

    fn put_back(&mut self, number: u64, mut flight: Flight) {
        let may_try = flight.tries < MAX_TRIES && flight.attempts.len() < MAX_ATTEMPTS;
        flight.timer = if may_try { flight.next_try.min(flight.deadline) } else { flight.deadline };
        flight.timer = flight.stale_at.map_or(flight.timer, |at| flight.timer.min(at));
        self.timers.insert((flight.timer, number));
        self.flights.insert(number, flight);
    }
}

/// Gives each letter of the name a random case, which a forger would have to guess too (draft-vixie-dnsext-dns0x20).
fn mix_case(question: &mut [u8], entropy: &mut dyn Entropy) {
    let (mut bits, mut left) = (0, 0);
    let named = question.len().saturating_sub(4);
    for byte in question.iter_mut().take(named).filter(|byte| byte.is_ascii_alphabetic()) {
        if left == 0 {
            (bits, left) = (entropy.next_u32(), 32);
        }
        if bits & 1 == 1 {
            *byte ^= 0x20;
        }
        (bits, left) = (bits >> 1, left - 1);
    }
}
