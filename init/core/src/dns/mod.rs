//! Names for the LAN: a caching DNS forwarder (RFC 5625) that knows the local hosts.
//!
//! ```text
//!  query ─► query ─► cache ─► local ─► forwarder ─► (servers)
//!            │ bad     │ hit    │ ours     │ ▲ reply, time-out
//!            ▼         ▼        ▼          ▼ │
//!          answer, at once                reply ─► cache, and an answer to each who waits
//! ```
//!
//! [`Dns`] composes the parts; each lives in a file of its own. Give it what clients and servers send through the
//! `handle_*` methods; after each call, and before waiting, take what is to be done from [`Dns::poll_action`] until that
//! is `None`, then wait until [`Dns::poll_timeout`] or the next message.
//!
//! Promises: each query that is not [`Outcome::Dropped`] gets exactly one answer, SERVFAIL if there is nothing better,
//! within [`TOTAL`]. Names of the local domain, addresses of the LAN, single labels and special-use names are never
//! asked upstream; only whether the domain itself is signed (DS) is for the zone above it to say. A reply counts only from the server, for the identifier and with the question that were sent, the
//! case of each letter included. The cache never exceeds its bounds, and answers after the TTL only when the servers do
//! not, marked as such (RFC 8767).
//!
//! Left out: DNSSEC validation, IPv6 servers and addresses of hosts.

mod answer;
mod api;
mod block;
mod block_list;
mod cache;
mod chain;
mod data;
mod flight;
mod forwarder;
mod inward;
mod local;
mod name;
mod outage;
mod own;
mod pipeline;
mod portal;
mod query;
mod queue;
mod rebind;
mod records;
mod reply;
mod stream;
mod upstreams;
mod wire;
mod write;
mod zones;

#[cfg(test)]
mod tests;

pub use api::{
    Action, Client, Failure, How, NameRecord, NameRefused, Note, Outcome, Settings, Stats, Transport, UpstreamKey,
};
pub use block_list::{BlockCounts, BlockList, BlockListBuilder, MAX_BLOCKED};
pub use pipeline::{Lost, MAX_PIPELINED, Piped, Pipeline};
pub use stream::{Frames, TooLong, framed};

pub use own::{OWN, ask_addresses, read_addresses};

use crate::config::{Forward, Upstream};
use crate::entropy::Entropy;
use crate::time::{Duration, Instant};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use answer::{Age, Answer};
use block::Block;
use cache::{Bounds, Cache, Found};
use chain::Chain;
use core::net::SocketAddrV4;
use flight::{Flight, Landed, Waiter};
use forwarder::{Accepted, Due, Forwarder, Surroundings};
use local::{Local, Said};
use name::Name;
use outage::Outage;
use portal::Portal;
use query::{Asked, Key, Question, Reading};
use rebind::Rebind;
use upstreams::Upstreams;
use wire::{class, rcode, rtype};

/// The longest a client waits for an answer. Stub resolvers give up after five seconds.
pub const TOTAL: Duration = Duration::from_secs(5);

/// Questions that servers work on at one time. Each has one to three sockets open, eight at the very worst; a shell that
/// can open no more reports [`Failure::NotSent`].
pub const MAX_FLIGHTS: usize = 256;

/// Queries that wait at one time, several of which may wait for one question.
pub const MAX_WAITERS: usize = 1024;

/// Queries of one client address that wait at one time, so that no single host can fill the table.
pub const MAX_PER_CLIENT: usize = 100;

/// Names of hosts. Four times as many as the configuration has; leases have the rest, and a large pool may have more. Those
/// that come last are refused.
pub const MAX_NAMES: usize = 4096;

/// Seconds for which a first failure is repeated without asking again, and the most after further ones (RFC 9520 section
/// 3.2: at least 1, at most 300).
pub const FAILURE_TTL: u32 = 5;
/// See [`FAILURE_TTL`].
pub const MAX_FAILURE_TTL: u32 = 300;

/// How long past its time an answer may still be given when no server answers (RFC 8767 section 4: one to three days).
pub const STALE_FOR: Duration = Duration::from_secs(86_400);

/// How long nobody is asked again after a failure for which there is an answer past its time (RFC 8767 section 5).
pub const STALE_RETRY: Duration = Duration::from_secs(30);

/// How long a client waits for the servers before it gets an answer past its time (RFC 8767 section 5).
pub const STALE_AFTER: Duration = Duration::from_millis(1800);

/// The forwarder. See the module for the order of calls.
pub struct Dns {
    settings: Settings,
    cache: Cache,
    local: Local,
    rebind: Rebind,
    block: Block,
    /// The name whose answer was kept back last.
    kept_back: Option<Name>,
    upstreams: Upstreams,
    portal: Portal,
    outage: Outage,
    forwarder: Forwarder,
    actions: VecDeque<Action>,
    stats: Stats,
}

impl Dns {
    /// A forwarder that knows only the gateway itself and no server. `entropy` keys the cache's hash.
    pub fn new(settings: Settings, entropy: &mut dyn Entropy) -> Dns {
        Dns {
            cache: Cache::new(bounds(&settings), entropy),
            local: Local::new(&settings),
            rebind: Rebind::new(&settings.rebind, settings.lan),
            block: Block::new(&settings.block),
            kept_back: None,
            upstreams: Upstreams::default(),
            portal: Portal::default(),
            outage: Outage::default(),
            forwarder: Forwarder::default(),
            actions: VecDeque::new(),
            stats: Stats::default(),
            settings,
        }
    }

    /// Takes changed settings. Hosts stay; the cache starts anew, for other names may be local now.
    pub fn set_settings(&mut self, settings: Settings) {
        self.local.configure(&settings);
        self.rebind = Rebind::new(&settings.rebind, settings.lan);
        self.block.configure(&settings.block);
        self.cache.reset(bounds(&settings));
        self.upstreams.leave_out(settings.lan.address());
        self.settings = settings;
    }

    /// Whether an [`Action::Note`] tells of each answer from now on.
    pub fn set_logging(&mut self, on: bool) {
        self.settings.log_queries = on;
    }

    /// Replaces all hosts; the gateway's own name stays. Returns how many were refused; [`Dns::set_name`] says why.
    pub fn set_names(&mut self, records: &[NameRecord]) -> usize {
        self.local.set_names(records)
    }

    /// Adds a host, or gives it another address. When several names have one address, the first is its PTR.
    ///
    /// # Errors
    /// See [`NameRefused`]; the table is unchanged then.
    pub fn set_name(&mut self, record: &NameRecord) -> Result<(), NameRefused> {
        self.local.set_name(record)
    }

    /// Forgets a host.
    pub fn remove_name(&mut self, name: &str) {
        self.local.remove_name(name);
    }

    /// All names with their addresses, the gateway's own included, in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = NameRecord> {
        self.local.names()
    }

    /// Takes the servers to ask, the preferred one first; those after the eighth, repetitions, and what cannot be a
    /// server (our own address, port 0, multicast) are left out. Call it again when the uplink has changed, even with
    /// the same list: failures are forgotten and all servers count as healthy.
    pub fn set_upstreams(&mut self, servers: &[Upstream]) {
        self.upstreams.set(servers, self.settings.lan.address());
        self.outage = Outage::default();
        self.cache.forget_failures();
    }

    /// Takes the domains that are asked of servers of their own, never of those of [`Dns::set_upstreams`], nor the other
    /// way round; each list as there. The cache starts anew: the same name may now have another answer.
    pub fn set_forwards(&mut self, forwards: &[Forward]) {
        self.upstreams.set_forwards(forwards, self.settings.lan.address());
        self.local.set_forwards(forwards);
        self.outage = Outage::default();
        self.cache.reset(bounds(&self.settings));
    }

    /// Takes the names that nobody wants, in the place of earlier ones. The cache starts anew: some may be in it.
    pub fn set_block_list(&mut self, list: BlockList) {
        self.block.set_list(list);
        self.cache.reset(bounds(&self.settings));
    }

    /// A client's message. If the outcome is [`Outcome::Answered`], `out` holds the answer; else its contents mean
    /// nothing. Keep `out` between calls: an answer from the cache then allocates nothing.
    pub fn handle_query(
        &mut self,
        client: Client,
        bytes: &[u8],
        now: Instant,
        entropy: &mut dyn Entropy,
        out: &mut Vec<u8>,
    ) -> Outcome {
        let own = client.peer.ip() == client.local && client.peer.port() == 53;
        if client.peer.port() == 0 || own {
            return Outcome::Dropped;
        }
        let (asked, code) = match query::read(bytes, client.transport != Transport::Udp) {
            Reading::Silence => return Outcome::Dropped,
            Reading::Ask(asked) => (asked, None),
            Reading::Reject(asked, code) => (asked, Some(code)),
        };
        let key = match (code, Key::new(&asked)) {
            (None, Some(key)) => key,
            (code, _) => return self.refuse(&client, &asked, code.unwrap_or(rcode::FORMERR), out),
        };
        match self.try_cache(&client, &key, &asked, None, (now, entropy), out) {
            Ok(outcome) => outcome,
            Err(stale) => self.handle_miss(client, (&key, stale), &asked, now, entropy, out),
        }
    }

    /// The hot path: nothing but octets is touched. Without an answer: whether there is one past its time that may be given
    /// if the servers give none.
    fn try_cache(
        &mut self,
        client: &Client,
        key: &Key,
        asked: &Asked<'_>,
        chain: Option<&Chain>,
        (now, entropy): (Instant, &mut dyn Entropy),
        out: &mut Vec<u8>,
    ) -> Result<Outcome, bool> {
        match self.cache.get(key.for_cache(), now) {
            Some(Found::Fresh { answer, age, refresh }) => {
                write(answer, chain, asked, Age::Seconds(age), out);
                let code = answer.rcode;
                if refresh {
                    self.refresh(&key.for_cache(), now, entropy);
                }
                Ok(self.answered_from_cache(client, asked, How::Cache, code))
            }
            Some(Found::Stale { answer, at_once: true }) if key.is_recursive() => {
                write(answer, chain, asked, Age::Stale, out);
                let code = answer.rcode;
                Ok(self.answered_from_cache(client, asked, How::Stale, code))
            }
            Some(Found::Stale { .. }) => Err(key.is_recursive()),
            None => Err(false),
        }
    }

    fn answered_from_cache(&mut self, client: &Client, asked: &Asked<'_>, how: How, code: u16) -> Outcome {
        self.stats.queries += 1;
        match how {
            How::Stale => self.stats.stale += 1,
            _ => self.stats.cache_hits += 1,
        }
        self.note(client, asked, how, code);
        Outcome::Answered
    }

    /// Fetches an answer anew that is still good.
    fn refresh(&mut self, key: &Key, now: Instant, entropy: &mut dyn Entropy) {
        self.stats.prefetched += 1;
        self.with_forwarder(now, entropy, |forwarder, around| forwarder.refresh(key, around));
    }

    fn handle_miss(
        &mut self,
        client: Client,
        (key, stale): (&Key, bool),
        asked: &Asked<'_>,
        now: Instant,
        entropy: &mut dyn Entropy,
        out: &mut Vec<u8>,
    ) -> Outcome {
        let Some(question) = Question::read(asked.question) else {
            return self.refuse(&client, asked, rcode::FORMERR, out);
        };
        if let Some(code) = refused(&question) {
            return self.refuse(&client, asked, code, out);
        }
        match self.local.respond(&question, asked, out) {
            Some(Said::Answer(code)) => return self.answered_locally(&client, asked, code),
            Some(Said::Leads(chain)) => return self.follow(client, chain, asked, now, entropy, out),
            None => {}
        }
        if let Some(outcome) = self.try_block(&client, &question.name, &question, asked, out) {
            return outcome;
        }
        if question.qtype == rtype::ANY {
            answer::any_refused(asked, out);
            return self.answered_locally(&client, asked, rcode::NOERROR);
        }
        self.ask_servers(client, (key, stale), asked, None, now, entropy, out)
    }

    /// If `name`, which the question comes to, is on a list, the answer says so.
    fn try_block(
        &mut self,
        client: &Client,
        name: &Name,
        question: &Question,
        asked: &Asked<'_>,
        out: &mut Vec<u8>,
    ) -> Option<Outcome> {
        let domain = self.block.domain_of(name).filter(|_| !self.upstreams.has_own(name))?;
        let code = self.block.respond(&domain, &self.local.own_name(), question, asked, out);
        self.stats.queries += 1;
        self.stats.blocked += 1;
        self.note(client, asked, How::Blocked, code);
        Some(Outcome::Answered)
    }

    /// An alias of ours leads to a name that servers know.
    fn follow(
        &mut self,
        client: Client,
        chain: Box<Chain>,
        asked: &Asked<'_>,
        now: Instant,
        entropy: &mut dyn Entropy,
        out: &mut Vec<u8>,
    ) -> Outcome {
        let question = chain.question(asked);
        let Some(key) = Key::new(&Asked { question: &question, ..*asked }) else {
            return self.refuse(&client, asked, rcode::FORMERR, out);
        };
        if let Some(target) = Question::read(asked.question)
            && let Some(outcome) = self.try_block(&client, &chain.target, &target, asked, out)
        {
            return outcome;
        }
        match self.try_cache(&client, &key, asked, Some(&chain), (now, entropy), out) {
            Ok(outcome) => outcome,
            Err(stale) => self.ask_servers(client, (&key, stale), asked, Some(chain), now, entropy, out),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "what a query is made of; it passes through here once")]
    fn ask_servers(
        &mut self,
        client: Client,
        (key, stale): (&Key, bool),
        asked: &Asked<'_>,
        chain: Option<Box<Chain>>,
        now: Instant,
        entropy: &mut dyn Entropy,
        out: &mut Vec<u8>,
    ) -> Outcome {
        if let Some(code) = self.cut(key, asked, chain.as_deref(), now, out) {
            return self.answered_from_cache(&client, asked, How::Cache, code);
        }
        let stale_at = stale.then(|| now + STALE_AFTER);
        let spare = if stale { chain.clone() } else { None };
        let accepted = self.with_forwarder(now, entropy, |forwarder, around| {
            forwarder.accept(key, asked, client, (chain, stale_at), around)
        });
        match accepted {
            Accepted::Waiting => {
                self.stats.queries += 1;
                Outcome::Pending
            }
            Accepted::Repeated => Outcome::Dropped,
            Accepted::No => {
                if let (true, Some(Found::Stale { answer, .. })) = (stale, self.cache.get(key.for_cache(), now)) {
                    write(answer, spare.as_deref(), asked, Age::Stale, out);
                    let code = answer.rcode;
                    return self.answered_from_cache(&client, asked, How::Stale, code);
                }
                self.refuse(&client, asked, rcode::SERVFAIL, out)
            }
        }
    }

    /// RFC 8020: below a name that does not exist there is nothing. What a domain's own servers are asked is not for
    /// others to deny (CVE-2026-44687).
    fn cut(
        &mut self,
        key: &Key,
        asked: &Asked<'_>,
        chain: Option<&Chain>,
        now: Instant,
        out: &mut Vec<u8>,
    ) -> Option<u16> {
        let question = Question::read(key.question())?;
        let labels = self.upstreams.forward_of(&question.name).map_or(0, |domain| domain.labels().count());
        let (above, age) = self.cache.cut(&key.for_cache(), labels, now)?;
        let denial = reply::denial_below(above, &question)?;
        write(&denial, chain, asked, Age::Seconds(age), out);
        Some(denial.rcode)
    }

    fn answered_locally(&mut self, client: &Client, asked: &Asked<'_>, code: u16) -> Outcome {
        self.stats.queries += 1;
        self.stats.local += 1;
        self.note(client, asked, How::Local, code);
        Outcome::Answered
    }

    /// Answers with a response code and nothing else.
    fn refuse(&mut self, client: &Client, asked: &Asked<'_>, code: u16, out: &mut Vec<u8>) -> Outcome {
        answer::empty(asked, code, out);
        self.stats.queries += 1;
        self.stats.failed += 1;
        self.note(client, asked, How::Failed, code);
        Outcome::Answered
    }

    /// A message that the socket of `key` received from `from`. Whatever it is, it can only help.
    pub fn handle_reply(
        &mut self,
        key: UpstreamKey,
        from: SocketAddrV4,
        bytes: &[u8],
        now: Instant,
        entropy: &mut dyn Entropy,
    ) {
        let landed = self.with_forwarder(now, entropy, |forwarder, around| forwarder.reply(key, from, bytes, around));
        self.deliver(landed, now);
    }

    /// The socket of `key` could not do its work. The attempt may still be closed later by [`Action::Close`].
    pub fn handle_upstream_failed(
        &mut self,
        key: UpstreamKey,
        failure: Failure,
        now: Instant,
        entropy: &mut dyn Entropy,
    ) {
        let landed = self.with_forwarder(now, entropy, |forwarder, around| forwarder.failed(key, failure, around));
        self.deliver(landed, now);
    }

    /// Time has passed: to be called when [`Dns::poll_timeout`] is reached; harmless at any other time.
    pub fn handle_timeout(&mut self, now: Instant, entropy: &mut dyn Entropy) {
        self.step_portal(now, entropy);
        loop {
            match self.with_forwarder(now, entropy, |forwarder, around| forwarder.due(around)) {
                Some(Due::Landed(landed)) => self.deliver(Some(landed), now),
                Some(Due::OldAnswer(number, key)) => self.deliver_stale(number, &key, now),
                None => return,
            }
        }
    }

    /// Whether [`Dns::poll_action`] has something.
    pub fn has_actions(&self) -> bool {
        !self.actions.is_empty()
    }

    /// The next thing to do; `None` when there is nothing.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`Dns::handle_timeout`] has something to do; `None` while no question is in flight or will be of our own.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.forwarder.poll_timeout().into_iter().chain(self.portal.poll_timeout()).min()
    }

    /// The name whose answer was kept back last because it points into the house, escaped; see [`crate::config::Rebind`].
    pub fn kept_back(&self) -> Option<String> {
        self.kept_back.map(|name| name.to_string())
    }

    /// What was done so far, and what is held.
    pub fn stats(&self) -> Stats {
        let (cache_entries, cache_bytes) = (self.cache.len(), self.cache.bytes());
        Stats {
            cache_entries,
            cache_bytes,
            in_flight: self.forwarder.len(),
            block_names: self.block.len(),
            ..self.stats
        }
    }

    fn with_forwarder<T>(
        &mut self,
        now: Instant,
        entropy: &mut dyn Entropy,
        event: impl FnOnce(&mut Forwarder, &mut Surroundings) -> T,
    ) -> T {
        let mut around = Surroundings {
            now,
            entropy,
            upstreams: &mut self.upstreams,
            actions: &mut self.actions,
            ignored_replies: &mut self.stats.ignored_replies,
            asked_upstream: &mut self.stats.asked_upstream,
        };
        event(&mut self.forwarder, &mut around)
    }

    /// Answers everybody who waited, and keeps the answer.
    fn deliver(&mut self, landed: Option<Landed>, now: Instant) {
        let Some(landed) = landed else { return };
        if self.hear_probe(&landed, now) {
            return;
        }
        let Landed { flight, result } = landed;
        self.watch_line(&flight, result.is_ok(), now);
        let (answer, how) = match result {
            Ok((answer, server)) => (self.police(answer, flight.key.question()), How::Upstream(server)),
            Err(code) => (Answer::failure(flight.key.question(), code, FAILURE_TTL), How::Failed),
        };
        let waiters = match how {
            How::Failed => self.give_stale(&flight.key, &flight.waiters, now),
            _ => &flight.waiters,
        };
        for waiter in waiters {
            let mut payload = Vec::new();
            waiter.write(&answer, Age::Seconds(0), &mut payload);
            self.actions.push_back(Action::Answer { client: waiter.client, payload });
            self.note(&waiter.client, &waiter.asked(), how, answer.rcode);
            if how == How::Failed {
                self.stats.failed += 1;
            }
        }
        self.keep(&flight, answer, how == How::Failed, now);
    }

    /// When the servers answer again after an outage, the names that failed meanwhile are soon asked for again.
    fn watch_line(&mut self, flight: &Flight, answered: bool, now: Instant) {
        let Some(question) = Question::read(flight.key.question()) else { return };
        let line = self.upstreams.forward_of(&question.name);
        if answered && self.outage.answered(line) {
            self.cache.relent(now);
        } else if !answered && !flight.nothing_was_sent() {
            self.outage.failed(line, &question.name);
        }
    }

    /// The answer as it may be passed on.
    fn police(&mut self, answer: Answer, question: &[u8]) -> Answer {
        let Some(asked) = Question::read(question) else { return answer };
        let trusted = self.upstreams.has_own(&asked.name);
        let answer = if trusted { answer } else { self.portal.temper(answer) };
        let home = inward::way_home(&self.local, &asked, &answer);
        let answer = match &home {
            Some(chain) => inward::answer_at_home(&self.local, chain, question)
                .unwrap_or_else(|| Answer::nothing(question, answer::ede::BLOCKED, rebind::TTL)),
            None => answer,
        };
        if trusted || home.as_ref().is_some_and(|chain| chain.aliases.is_empty()) {
            return answer;
        }
        // The lists may have come while the question was in flight.
        if self.block.domain_of(&asked.name).is_some() || self.block.is_behind(&asked, &answer) {
            self.stats.blocked += 1;
            let blocked = Answer::nothing(question, answer::ede::BLOCKED, rebind::TTL);
            return Answer { rcode: rcode::NXDOMAIN, ..blocked };
        }
        let way_in = |chain| inward::leads_inside(&self.local, &self.rebind, chain, &asked, question);
        let inside = self.rebind.forbids(&asked, &answer.body, answer.counts[0]) || home.as_ref().is_some_and(way_in);
        if !inside || self.portal.is_page(&answer, self.settings.lan) {
            return answer;
        }
        self.stats.kept_back += 1;
        self.kept_back = Some(asked.name);
        Answer::nothing(question, answer::ede::BLOCKED, rebind::TTL)
    }

    /// The servers take their time: those who wait get an answer past its time, and whoever asks next gets it at once
    /// until they have spoken or another failure is due.
    fn deliver_stale(&mut self, number: u64, key: &Key, now: Instant) {
        if matches!(self.cache.get(key.for_cache(), now), Some(Found::Stale { .. })) {
            let waiters = self.forwarder.release(number);
            self.give_stale(key, &waiters, now);
            self.cache.insert_failure(&key.for_cache(), rcode::SERVFAIL, now);
        }
    }

    /// Gives all who wait an answer past its time, and returns those who still wait: all, if there is no such answer.
    fn give_stale<'a>(&mut self, key: &Key, waiters: &'a [Waiter], now: Instant) -> &'a [Waiter] {
        let old = if key.is_recursive() { self.cache.get(key.for_cache(), now) } else { None };
        let Some(Found::Stale { answer, .. }) = old else { return waiters };
        let code = answer.rcode;
        for waiter in waiters {
            let mut payload = Vec::new();
            waiter.write(answer, Age::Stale, &mut payload);
            self.actions.push_back(Action::Answer { client: waiter.client, payload });
        }
        for waiter in waiters {
            self.stats.stale += 1;
            self.note(&waiter.client, &waiter.asked(), How::Stale, code);
        }
        &[]
    }

    fn keep(&mut self, flight: &Flight, answer: Answer, failure: bool, now: Instant) {
        // The settings may have changed while the question was in flight.
        let ours = Question::read(flight.key.question()).is_none_or(|question| self.local.claims(&question));
        if !flight.key.is_recursive() || ours {
            return;
        }
        let mut key = flight.key.for_cache();
        if failure {
            if !flight.nothing_was_sent() {
                self.cache.insert_failure(&key, answer.rcode, now);
            }
            return;
        }
        if answer.every_type {
            key.make_every_type();
        }
        self.cache.insert(&key, answer, now);
    }

    fn note(&mut self, client: &Client, asked: &Asked<'_>, how: How, rcode: u16) {
        if self.settings.log_queries
            && let Some(question) = Question::read(asked.question)
        {
            let (name, qtype) = (question.name.to_string(), question.qtype);
            self.actions.push_back(Action::Note(Note { peer: client.peer, name, qtype, how, rcode }));
        }
    }
}

/// Writes what a client gets: an answer, behind the aliases that lead to it if there are any.
#[inline]
fn write(answer: &Answer, chain: Option<&Chain>, asked: &Asked<'_>, age: Age, out: &mut Vec<u8>) {
    match chain {
        None => answer.write(asked, age, out),
        Some(chain) => chain.write(answer, asked, age, out),
    }
}

/// What the cache may hold.
fn bounds(settings: &Settings) -> Bounds {
    let Settings { cache_entries, cache_bytes, stale, prefetch, .. } = *settings;
    Bounds { entries: cache_entries.min(u32::MAX as usize - 1), bytes: cache_bytes, stale, prefetch }
}

/// Questions that are never answered: zone transfers and other meta types (RFC 5625 section 4.5 leaves transfers to
/// servers), and classes that mean something only here.
fn refused(question: &Question) -> Option<u16> {
    match (question.qtype, question.class) {
        (rtype::OPT, _) => Some(rcode::FORMERR),
        (rtype::TKEY..rtype::ANY, _) => Some(rcode::REFUSED),
        (_, class::CHAOS | class::ANY) => Some(rcode::REFUSED),
        _ => None,
    }
}
