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
//! asked upstream. A reply counts only from the server, for the identifier and with the question that were sent, the
//! case of each letter included. The cache never answers after the TTL and never exceeds its bounds.
//!
//! Left out until their milestones: DNSSEC validation, DoT, serving stale answers, prefetch, block lists, IPv6 servers
//! and addresses.

mod answer;
mod api;
mod block;
mod block_list;
mod cache;
mod chain;
mod data;
mod flight;
mod forwarder;
mod local;
mod name;
mod query;
mod rebind;
mod records;
mod reply;
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

use crate::config::{Forward, Upstream};
use crate::entropy::Entropy;
use crate::time::{Duration, Instant};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use answer::Answer;
use block::Block;
use cache::Cache;
use chain::Chain;
use core::net::SocketAddrV4;
use flight::{Flight, Landed};
use forwarder::{Accepted, Forwarder, Surroundings};
use local::{Local, Said};
use name::Name;
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

/// Names of hosts: more than the largest pool of a home has addresses.
pub const MAX_NAMES: usize = 4096;

/// Seconds for which a failure is repeated without asking again (RFC 9520 section 3.2: at least 1, at most 300).
pub const FAILURE_TTL: u32 = 5;

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
    forwarder: Forwarder,
    actions: VecDeque<Action>,
    stats: Stats,
}

impl Dns {
    /// A forwarder that knows only the gateway itself and no server. `entropy` keys the cache's hash.
    pub fn new(settings: Settings, entropy: &mut dyn Entropy) -> Dns {
        Dns {
            cache: Cache::new(settings.cache_entries, settings.cache_bytes, entropy),
            local: Local::new(&settings),
            rebind: Rebind::new(&settings.rebind, settings.lan),
            block: Block::new(&settings.block),
            kept_back: None,
            upstreams: Upstreams::default(),
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
        self.cache.reset(settings.cache_entries, settings.cache_bytes);
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
        self.cache.forget_failures();
    }

    /// Takes the domains that are asked of servers of their own, never of those of [`Dns::set_upstreams`], nor the other
    /// way round; each list as there. The cache starts anew: the same name may now have another answer.
    pub fn set_forwards(&mut self, forwards: &[Forward]) {
        self.upstreams.set_forwards(forwards, self.settings.lan.address());
        self.local.set_forwards(forwards);
        self.cache.reset(self.settings.cache_entries, self.settings.cache_bytes);
    }

    /// Takes the names that nobody wants, in the place of earlier ones. The cache starts anew: some may be in it.
    pub fn set_block_list(&mut self, list: BlockList) {
        self.block.set_list(list);
        self.cache.reset(self.settings.cache_entries, self.settings.cache_bytes);
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
        if let Some(code) = self.try_cache(&key, &asked, now, out) {
            self.stats.queries += 1;
            self.stats.cache_hits += 1;
            self.note(&client, &asked, How::Cache, code);
            return Outcome::Answered;
        }
        self.handle_miss(client, &key, &asked, now, entropy, out)
    }

    /// The hot path: nothing but octets is touched.
    fn try_cache(&mut self, key: &Key, asked: &Asked<'_>, now: Instant, out: &mut Vec<u8>) -> Option<u16> {
        let (answer, age) = self.cache.get(key.for_cache(), now)?;
        answer.write(asked, age, out);
        Some(answer.rcode)
    }

    fn handle_miss(
        &mut self,
        client: Client,
        key: &Key,
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
        self.ask_servers(client, key, asked, None, now, entropy, out)
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
        if let Some((answer, age)) = self.cache.get(key.for_cache(), now) {
            let code = answer.rcode;
            chain.write(answer, asked, age, out);
            self.stats.queries += 1;
            self.stats.cache_hits += 1;
            self.note(&client, asked, How::Cache, code);
            return Outcome::Answered;
        }
        self.ask_servers(client, &key, asked, Some(chain), now, entropy, out)
    }

    #[expect(clippy::too_many_arguments, reason = "what a query is made of; it passes through here once")]
    fn ask_servers(
        &mut self,
        client: Client,
        key: &Key,
        asked: &Asked<'_>,
        chain: Option<Box<Chain>>,
        now: Instant,
        entropy: &mut dyn Entropy,
        out: &mut Vec<u8>,
    ) -> Outcome {
        let (accepted, _) = self.with_forwarder(now, entropy, |forwarder, around| {
            (forwarder.accept(key, asked, client, chain, around), None::<Landed>)
        });
        match accepted {
            Accepted::Waiting => {
                self.stats.queries += 1;
                Outcome::Pending
            }
            Accepted::Repeated => Outcome::Dropped,
            Accepted::No => self.refuse(&client, asked, rcode::SERVFAIL, out),
        }
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
        let reply =
            |forwarder: &mut Forwarder, around: &mut Surroundings| ((), forwarder.reply(key, from, bytes, around));
        let ((), landed) = self.with_forwarder(now, entropy, reply);
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
        let failed =
            |forwarder: &mut Forwarder, around: &mut Surroundings| ((), forwarder.failed(key, failure, around));
        let ((), landed) = self.with_forwarder(now, entropy, failed);
        self.deliver(landed, now);
    }

    /// Time has passed: to be called when [`Dns::poll_timeout`] is reached; harmless at any other time.
    pub fn handle_timeout(&mut self, now: Instant, entropy: &mut dyn Entropy) {
        loop {
            let due = |forwarder: &mut Forwarder, around: &mut Surroundings| ((), forwarder.due(around));
            let ((), landed) = self.with_forwarder(now, entropy, due);
            if landed.is_none() {
                return;
            }
            self.deliver(landed, now);
        }
    }

    /// The next thing to do; `None` when there is nothing.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`Dns::handle_timeout`] has something to do; `None` while no question is in flight.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.forwarder.poll_timeout()
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
        event: impl FnOnce(&mut Forwarder, &mut Surroundings) -> (T, Option<Landed>),
    ) -> (T, Option<Landed>) {
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
        let Some(Landed { flight, result }) = landed else { return };
        let (answer, how) = match result {
            Ok((answer, server)) => (self.police(answer, flight.key.question()), How::Upstream(server)),
            Err(code) => (Answer::failure(flight.key.question(), code, FAILURE_TTL), How::Failed),
        };
        for waiter in &flight.waiters {
            let mut payload = Vec::new();
            waiter.write(&answer, 0, &mut payload);
            self.actions.push_back(Action::Answer { client: waiter.client, payload });
            self.note(&waiter.client, &waiter.asked(), how, answer.rcode);
            if how == How::Failed {
                self.stats.failed += 1;
            }
        }
        self.keep(&flight, answer, how == How::Failed, now);
    }

    /// The answer as it may be passed on.
    fn police(&mut self, answer: Answer, question: &[u8]) -> Answer {
        let Some(asked) = Question::read(question) else { return answer };
        if self.upstreams.has_own(&asked.name) {
            return answer;
        }
        // The lists may have come while the question was in flight.
        if self.block.domain_of(&asked.name).is_some() || self.block.is_behind(&asked, &answer) {
            self.stats.blocked += 1;
            let blocked = Answer::nothing(question, answer::ede::BLOCKED, rebind::TTL);
            return Answer { rcode: rcode::NXDOMAIN, ..blocked };
        }
        if !self.rebind.forbids(&asked, &answer.body, answer.counts[0]) {
            return answer;
        }
        self.stats.kept_back += 1;
        self.kept_back = Some(asked.name);
        Answer::nothing(question, answer::ede::BLOCKED, rebind::TTL)
    }

    fn keep(&mut self, flight: &Flight, answer: Answer, failure: bool, now: Instant) {
        let recursive = flight.key.variant() & query::variant::NO_RECURSION == 0;
        // The settings may have changed while the question was in flight.
        let ours = Question::read(flight.key.question()).is_none_or(|question| self.local.claims(&question));
        if recursive && !ours && !(failure && flight.nothing_was_sent()) {
            let mut key = flight.key.for_cache();
            if answer.every_type {
                key.make_every_type();
            }
            self.cache.insert(&key, answer, failure, now);
        }
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
