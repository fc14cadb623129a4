//! The words that pass between the DNS forwarder and its shell.

use crate::config;
use crate::net::{Ipv4Addr, Ipv4Net};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::{SocketAddr, SocketAddrV4};

/// What the forwarder is told once and at each change of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The gateway's own name: one label. It is answered with the address in `lan`.
    pub hostname: String,
    /// The local domain, such as `home.arpa`. Never asked upstream. What is not a domain name counts as
    /// [`Settings::DOMAIN`]; a checked configuration never holds such a thing.
    pub domain: String,
    /// The gateway's address on the LAN and the LAN's prefix, whose reverse names never go upstream.
    pub lan: Ipv4Net,
    /// Whether an [`Action::Note`] tells of each answer.
    pub log_queries: bool,
    /// Answers kept at most; see [`Settings::CACHE_ENTRIES`].
    pub cache_entries: usize,
    /// Octets that the kept answers may take together; see [`Settings::CACHE_BYTES`].
    pub cache_bytes: usize,
    /// What keeps names of the internet from meaning machines of the house.
    pub rebind: config::Rebind,
    /// Names that nobody in the house wants.
    pub block: config::Block,
    /// Records beside the hosts.
    pub records: Vec<config::Record>,
    /// Whether an answer past its time may be given when no server answers (RFC 8767).
    pub stale: bool,
    /// Whether names that are asked for often are fetched anew shortly before their time is over.
    pub prefetch: bool,
}

impl Settings {
    /// The domain of a home that has none (RFC 8375).
    pub const DOMAIN: &'static str = "home.arpa";
    /// Answers kept by default: a household asks for a few hundred names in an hour, a large office for ten thousand.
    pub const CACHE_ENTRIES: usize = Self::CACHE_BYTES / Self::BYTES_AN_ENTRY;
    /// Octets for kept answers by default: 4 MiB. An answer with one address takes some 230.
    pub const CACHE_BYTES: usize = 4 << 20;
    /// As many octets must be there for each answer that may be kept: no answer takes less.
    pub const BYTES_AN_ENTRY: usize = 160;

    /// Settings with the default cache and no query log.
    pub fn new(hostname: &str, domain: &str, lan: Ipv4Net) -> Settings {
        Settings {
            hostname: hostname.into(),
            domain: domain.into(),
            lan,
            log_queries: false,
            cache_entries: Self::CACHE_ENTRIES,
            cache_bytes: Self::CACHE_BYTES,
            rebind: config::Rebind::default(),
            block: config::Block::default(),
            records: Vec::new(),
            stale: true,
            prefetch: true,
        }
    }
}

/// How a query came in, and so how long its answer may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Transport {
    /// A datagram.
    Udp,
    /// A message of the TCP connection that the shell knows by this number, without its two length octets
    /// (RFC 1035 section 4.2.2). Numbers must not be used again for as long as an answer may be on its way (5 s).
    Tcp(u64),
}

/// Who asked, and on which of our addresses: the answer goes back from `local` to `peer`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// How the query came in.
    pub transport: Transport,
    /// Where it came from.
    pub peer: SocketAddr,
    /// Our address that it was sent to.
    pub local: Ipv4Addr,
}

/// What became of a client's message at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The answer is in the output buffer: send it.
    Answered,
    /// Exactly one [`Action::Answer`] will follow, within [`super::TOTAL`].
    Pending,
    /// No answer, now or later: not a query, or a repetition of one that is pending.
    Dropped,
}

/// One attempt to ask one server. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UpstreamKey(pub(super) u64);

/// Why an attempt brought no reply, as far as the shell can see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Nothing was sent: no route, no socket. The server is not blamed.
    NotSent,
    /// The connected UDP socket reported an ICMP error. Such a message can be forged, so the socket stays open and
    /// a reply that still comes is taken; another server is asked meanwhile.
    Unreachable,
    /// The TCP connection was refused, broken or closed before the reply.
    Broken,
}

/// What the forwarder wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Open a new UDP socket on a port that the kernel draws at random, connect it to `server`, send `payload`, and
    /// hand every datagram that it receives to `handle_reply`, until [`Action::Close`] (RFC 5452 section 9.2).
    AskUdp {
        /// Names the attempt.
        key: UpstreamKey,
        /// Whom to ask.
        server: SocketAddrV4,
        /// The message.
        payload: Vec<u8>,
    },
    /// Connect to `server` by TCP, send `payload` behind its two length octets, and hand each message that comes back
    /// to `handle_reply` without them, until [`Action::Close`].
    AskTcp {
        /// Names the attempt.
        key: UpstreamKey,
        /// Whom to ask.
        server: SocketAddrV4,
        /// The message, without length octets.
        payload: Vec<u8>,
    },
    /// Send `payload` to `server` through TLS, behind its two length octets, over a connection that may be shared with
    /// other attempts, once the server has shown a certificate for `name` (RFC 7858, RFC 8310 section 5); hand the message
    /// that answers it to `handle_reply` without the octets. After [`Action::Close`] nobody waits for it any more.
    AskTls {
        /// Names the attempt.
        key: UpstreamKey,
        /// Whom to ask.
        server: SocketAddrV4,
        /// The name that the certificate must hold.
        name: String,
        /// The message, without length octets.
        payload: Vec<u8>,
    },
    /// Close the attempt's socket. Comes exactly once for each attempt.
    Close {
        /// Names the attempt.
        key: UpstreamKey,
    },
    /// Send the answer of a query that was [`Outcome::Pending`].
    Answer {
        /// To whom, and from which address.
        client: Client,
        /// The message, without length octets.
        payload: Vec<u8>,
    },
    /// A line for the query log; only with [`Settings::log_queries`].
    Note(Note),
}

/// A query and what it got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Who asked.
    pub peer: SocketAddr,
    /// The name, escaped so that it is harmless in a log.
    pub name: String,
    /// The question's type.
    pub qtype: u16,
    /// Where the answer came from.
    pub how: How,
    /// The response code that the client got.
    pub rcode: u16,
}

/// Where an answer came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Our own names and the special zones.
    Local,
    /// An earlier answer.
    Cache,
    /// The name is on a block list.
    Blocked,
    /// An earlier answer whose time is over.
    Stale,
    /// This server, just now.
    Upstream(SocketAddrV4),
    /// Nobody gave one, or the query was refused.
    Failed,
}

/// Types that are asked for on home networks; others are shown as RFC 3597 section 5 says.
const TYPES: &[(u16, &str)] = &[
    (1, "A"),
    (2, "NS"),
    (5, "CNAME"),
    (6, "SOA"),
    (12, "PTR"),
    (15, "MX"),
    (16, "TXT"),
    (28, "AAAA"),
    (33, "SRV"),
    (35, "NAPTR"),
    (43, "DS"),
    (48, "DNSKEY"),
    (64, "SVCB"),
    (65, "HTTPS"),
    (255, "ANY"),
    (257, "CAA"),
];

impl fmt::Display for Note {
    /// One sentence.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} asked for {} ", self.peer.ip(), self.name)?;
        match TYPES.iter().find(|(number, _)| *number == self.qtype) {
            Some((_, name)) => f.write_str(name)?,
            None => write!(f, "TYPE{}", self.qtype)?,
        }
        match self.how {
            How::Local => f.write_str(": answered from the local names")?,
            How::Cache => f.write_str(": answered from the cache")?,
            How::Blocked => f.write_str(": blocked by a list")?,
            How::Stale => f.write_str(": answered from the cache although its time is over")?,
            How::Upstream(server) => write!(f, ": answered by {}", server.ip())?,
            How::Failed => f.write_str(": no answer could be given")?,
        }
        match self.rcode {
            0 => f.write_str("."),
            2 => f.write_str(" (server failure)."),
            3 => f.write_str(" (no such name)."),
            5 => f.write_str(" (refused)."),
            other => write!(f, " (response code {other})."),
        }
    }
}

/// A host's name and address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NameRecord {
    /// One label: letters, digits, `-` and `_`, 1 to 63 octets. Case does not matter.
    pub name: String,
    /// Its address.
    pub address: Ipv4Addr,
}

/// Why a name was not taken into the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameRefused {
    /// Not one label of letters, digits, `-` and `_`, or `-` at an end.
    NotALabel,
    /// The gateway's own name, or one that means something else to everybody: `localhost`, `wpad`, `isatap`, `gateway`.
    Reserved,
    /// [`super::MAX_NAMES`] names are in the table.
    Full,
}

/// What the forwarder did since it was made, and what it holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Queries that were answered or will be.
    pub queries: u64,
    /// Of these, answered from the local names and zones.
    pub local: u64,
    /// Of these, answered from the cache.
    pub cache_hits: u64,
    /// Of these, answered from the cache although the answer's time was over (RFC 8767).
    pub stale: u64,
    /// Answers fetched anew before their time was over.
    pub prefetched: u64,
    /// Questions sent to servers, repetitions included.
    pub asked_upstream: u64,
    /// Answers that were only SERVFAIL or another error because no server gave a better one.
    pub failed: u64,
    /// Queries for names on a block list.
    pub blocked: u64,
    /// Answers that were kept back because they point into the house.
    pub kept_back: u64,
    /// Replies that did not match what was asked, or were malformed.
    pub ignored_replies: u64,
    /// Names on the block lists.
    pub block_names: usize,
    /// Answers in the cache.
    pub cache_entries: usize,
    /// Octets they take.
    pub cache_bytes: usize,
    /// Questions that servers are working on.
    pub in_flight: usize,
}
