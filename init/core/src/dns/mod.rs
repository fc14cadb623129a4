//! Names for the LAN: a caching DNS forwarder (RFC 5625) that knows the local hosts.
//!
//! ```text
//!  query ─► query ─► cache ─► local ─► forwarder ─► (servers)
//!            │ bad     │ hit    │ ours     │ ▲ reply, time-out
//!            ▼         ▼        ▼          ▼ │
//!          answer, at once                reply ─► cache, and an answer to each who waits
//! ```
//!
//! [`Dns`] composes the parts; each lives in a file of its own, the way of a query in `asking`, that of a reply in
//! `landing` and `police`. Give it what clients and servers send through the `handle_*` methods; after each call, and
//! before waiting, take what is to be done from [`Dns::poll_action`] until that is `None`, then wait until
//! [`Dns::poll_timeout`] or the next message.
//!
//! Promises: each query that is not [`Outcome::Dropped`] gets exactly one answer, SERVFAIL if there is nothing better,
//! within [`TOTAL`]. Names of the local domain, addresses of the LAN, single labels and special-use names are never
//! asked upstream; only whether the domain itself is signed (DS) is for the zone above it to say. A reply counts only
//! from the server, for the identifier and with the question that were sent, the case of each letter included. The cache
//! never exceeds its bounds, and answers after the TTL only when the servers do not, marked as such (RFC 8767).
//!
//! Left out: DNSSEC validation, IPv6 servers and addresses of hosts.

mod answer;
mod api;
mod asking;
mod block;
mod block_list;
mod cache;
mod chain;
mod data;
mod flight;
mod forwarder;
mod inward;
mod landing;
mod local;
mod name;
mod outage;
mod own;
mod pipeline;
mod police;
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
use alloc::collections::VecDeque;
use alloc::string::{String, ToString};
use block::Block;
use cache::{Bounds, Cache};
use forwarder::{Forwarder, Surroundings};
use local::Local;
use name::Name;
use outage::Outage;
use portal::Portal;
use query::{Asked, Question};
use rebind::Rebind;
use upstreams::Upstreams;

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

    fn note(&mut self, client: &Client, asked: &Asked<'_>, how: How, rcode: u16) {
        if self.settings.log_queries
            && let Some(question) = Question::read(asked.question)
        {
            let (name, qtype) = (question.name.to_string(), question.qtype);
            self.actions.push_back(Action::Note(Note { peer: client.peer, name, qtype, how, rcode }));
        }
    }
}

/// What the cache may hold.
fn bounds(settings: &Settings) -> Bounds {
    let Settings { cache_entries, cache_bytes, stale, prefetch, .. } = *settings;
    Bounds { entries: cache_entries.min(u32::MAX as usize - 1), bytes: cache_bytes, stale, prefetch }
}
