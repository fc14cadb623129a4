//! Addresses for the LAN: a DHCP server (RFC 2131) and its lease table.
//!
//! ```text
//! payload ─► request ─► answer (RFC 2131 section 4.3) ─► reply ─► Send
//!                          │  ▲                           │
//!                          ▼  │                           ▼ held until its record is on disk
//!                     table (leases) ─► record ─► ledger ─► Append, Replace ─► handle_stored
//! ```
//!
//! **Order of use.** [`DhcpServer::new`], then [`DhcpServer::restore`] with the journal's bytes (none on a new card),
//! then packets. After every `handle_*` call [`DhcpServer::poll_action`] until it gives `None`; then wait for the next
//! packet or until [`DhcpServer::poll_timeout`]. The clock never runs backwards between calls.
//!
//! **What the shell owes.** Actions are done in order. The bytes of an [`Action::Append`] go to the end of the journal,
//! those of an [`Action::Replace`] become the whole journal (new file, sync, rename, sync of the folder). When
//! everything up to a number is on disk, [`DhcpServer::handle_stored`] says so; many appends may share one sync. If a
//! write fails, [`DhcpServer::handle_store_failed`]. A disk that never answers stops new leases, and nothing grows.
//!
//! **The promise.** Two live leases never share an address, and an acknowledgement that was sent is in the journal. To
//! spare the card, a renewal that comes before a quarter of the lease has passed is not written; a restart gives
//! every lease a quarter of its length as grace instead, which is exactly what the disk may not know about. What ran
//! before a power cut is not shortened by it: see `record.rs` on time across a restart.
//!
//! **Who gets what.** A host of the configuration is known by its client identifier or one of its hardware addresses
//! and gets its own address, whoever holds it. Another client is known by its client identifier, or by its hardware address if it sends none, and keeps
//! its address as long as possible: see `table.rs`. The server is the only one on the LAN and says so: it refuses
//! what it knows nothing of, except a rebinding client's address that might be right (RFC 2131 section 4.3.2).
//!
//! **Left out**: BOOTP, relay agents outside the LAN's own subnet, lease queries, forced renewal.

mod answer;
mod client;
mod foreign;
mod free;
mod hostname;
mod lease;
mod ledger;
mod left_behind;
mod limits;
mod log;
mod netboot;
mod persist;
mod probe;
mod record;
mod reply;
mod request;
mod rules;
mod settings;
mod table;
#[cfg(test)]
mod tests;
mod timers;

pub use client::Hardware;
pub use foreign::FOREIGN_HOLD;
pub use lease::{Expiry, Lease, LeaseState};
pub use ledger::{COMPACT_SLACK, MAX_HELD, MAX_JOURNAL, MAX_UNSTORED};
pub use probe::{MAX_PROBES, WAIT as PROBE_WAIT};
pub use settings::{DEFAULT_PER_MAC, Settings};
pub use table::{DECLINE_HOLD, MAX_DYNAMIC, MAX_PER_HARDWARE, OFFER_HOLD, OFFER_MIN_HOLD};

use crate::net::{Ipv4Addr, MacAddr};
use crate::time::{Duration, Instant, WallTime};
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;
use ledger::Ledger;
use limits::Limits;
use probe::Probe;
use request::Request;
use rules::Rules;
use table::{Entry, LeaseTable};

/// The shortest lease, in whatever units of it a client asks for less: renewing costs a write to the card.
pub const MIN_LEASE: Duration = Duration::from_secs(120);

/// How often the journal is rewritten at least, so that repeated restarts don't give a lease its full time again and
/// again: half the longest lease, but no more than once in this time.
pub const MIN_CHECKPOINT: Duration = Duration::from_secs(3600);

/// Notes of one kind are given at most once in this time.
pub const NOTE_INTERVAL: Duration = Duration::from_secs(60);

/// Actions that wait to be polled. Past it packets are dropped unread.
pub const MAX_ACTIONS: usize = 4096;

/// How a packet was addressed. It tells a client that renews from one that rebinds (RFC 2131 section 4.3.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cast {
    /// To the server's own address.
    Unicast,
    /// To a broadcast address.
    Broadcast,
}

/// Where a message goes, from port 67 of the server's own address, with an IP time to live of 64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// To port 67 of a relay agent.
    Relay(Ipv4Addr),
    /// To port 68 of a client that has this address already; the kernel finds its hardware address.
    Unicast(Ipv4Addr),
    /// To port 68 of this address, in a frame to this hardware address: the client does not answer ARP yet.
    Hardware {
        /// The destination of the IP packet.
        address: Ipv4Addr,
        /// The destination of the Ethernet frame.
        mac: MacAddr,
    },
    /// To port 68 of 255.255.255.255 on the LAN.
    Broadcast,
}

/// What the shell is asked to do, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send a message.
    Send {
        /// Where to.
        destination: Destination,
        /// The UDP payload, 300 bytes or more.
        payload: Vec<u8>,
    },
    /// Put bytes at the end of the journal.
    Append {
        /// What [`DhcpServer::handle_stored`] gets when they are on disk.
        sequence: u64,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// Replace the journal at once.
    Replace {
        /// What [`DhcpServer::handle_stored`] gets when the new journal is on disk.
        sequence: u64,
        /// The whole new journal.
        bytes: Vec<u8>,
    },
    /// Ask the LAN who has this address, and hand every ARP packet to [`DhcpServer::handle_arp`] from now on.
    Probe(Ipv4Addr),
    /// ARP packets are of no interest any more.
    StopProbing,
    /// A line about a message, for whoever wants to see them all.
    Log(String),
    /// The names in [`DhcpServer::leases`] are not what they were.
    NamesChanged,
    /// Something that a person may want to know.
    Note(Note),
}

/// Something that a person may want to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// A new client got nothing because every address is taken.
    PoolExhausted,
    /// New clients come faster than [`Settings::offers_per_second`]; some got no answer.
    TooManyClients,
    /// A client found someone else using the address; nobody gets it for [`DECLINE_HOLD`].
    Declined(Ipv4Addr),
    /// Somebody answered for an address that was about to be leased; nobody gets it for [`DECLINE_HOLD`].
    InUse {
        /// The address.
        address: Ipv4Addr,
        /// Who answered.
        mac: MacAddr,
    },
    /// One hardware address has [`MAX_PER_HARDWARE`] addresses and got no more.
    OneMachine(MacAddr),
    /// Another DHCP server answers on the LAN.
    ForeignServer(Ipv4Addr),
    /// The disk does not confirm what was written; some requests got no answer.
    StoreStalled,
    /// The journal was damaged; what came before the damage was kept.
    JournalDamaged {
        /// Good bytes from the start of the file.
        good: usize,
    },
}

/// The DHCP server. See the module's documentation for the order of calls.
#[derive(Clone, Debug)]
pub struct DhcpServer {
    settings: Settings,
    table: LeaseTable,
    ledger: Ledger,
    actions: VecDeque<Action>,
    /// The last wall time heard, and when.
    wall: (Instant, WallTime),
    checkpoint: Instant,
    rules: Rules,
    limits: Limits,
    probes: Vec<Probe>,
    /// Another server of the LAN, and when it was last heard of.
    foreign: Option<(Ipv4Addr, Instant)>,
    logging: bool,
    /// See [`DhcpServer::cap_leases`].
    lease_cap: Option<Duration>,
    /// The lease that runs longest of a network that was served before.
    left_behind: Option<Entry>,
    /// When each of the repeating notes was last given.
    noted: [Option<Instant>; 5],
}

impl DhcpServer {
    /// A server without leases and without a journal.
    pub fn new(settings: Settings, now: Instant) -> Self {
        Self {
            table: LeaseTable::new(&settings),
            rules: Rules::new(&settings),
            logging: settings.log,
            lease_cap: None,
            left_behind: None,
            settings,
            ledger: Ledger::new(),
            actions: VecDeque::new(),
            wall: (now, WallTime::default()),
            checkpoint: now + MIN_CHECKPOINT,
            limits: Limits::default(),
            probes: Vec::new(),
            foreign: None,
            noted: [None; 5],
        }
    }

    /// Serves other settings from now on. Leases that fit them are kept; answers that wait for the disk are dropped,
    /// and their clients ask again.
    pub fn reconfigure(&mut self, settings: Settings, now: Instant) {
        self.expire(now);
        let old = core::mem::replace(&mut self.table, LeaseTable::new(&settings));
        self.rules = Rules::new(&settings);
        self.settings = settings;
        self.ledger.drop_held();
        if !self.probes.is_empty() {
            self.probes.clear();
            self.actions.push_back(Action::StopProbing);
        }
        let lan = self.settings.lan;
        self.left_behind = self.left_behind.take().filter(|entry| !lan.contains(entry.lease.address));
        for mut entry in old.into_entries() {
            if !lan.contains(entry.lease.address) {
                self.leave_behind(entry);
                continue;
            }
            entry.lease.host_name = entry.lease.host_name.filter(|name| self.is_allowed(name));
            self.table.carry(entry, now);
        }
        if !self.ledger.is_full() {
            self.write_whole(now);
        }
        self.collect_names();
    }

    /// From now on no lease is longer than this, whatever the configuration says; with `None` all are as it says. For
    /// the time in which the LAN may have to move: its clients ask again soon. What was granted before stands.
    pub fn cap_leases(&mut self, longest: Option<Duration>) {
        self.lease_cap = longest;
    }

    /// A datagram came to port 67 of the LAN.
    pub fn handle_packet(&mut self, payload: &[u8], cast: Cast, now: Instant, wall: WallTime) {
        self.wall = (now, wall);
        self.expire(now);
        self.take_message(payload, cast, now);
        self.collect_names();
    }

    fn take_message(&mut self, payload: &[u8], cast: Cast, now: Instant) {
        if self.actions.len() >= MAX_ACTIONS {
            return;
        }
        let domain = core::mem::take(&mut self.settings.domain);
        let request = Request::decode(payload, &domain);
        self.settings.domain = domain;
        let Some(mut request) = request else { return };
        let limit = self.settings.messages_per_mac;
        let mac = request.client.hardware.mac();
        if mac.is_some_and(|mac| !self.limits.admit_message(mac, limit, now)) {
            return;
        }
        self.log_message(&request);
        let host = self.table.host_of(&request.client);
        // A stranger that has a lease from before keeps the address for the rest of it.
        if host.map_or(!self.settings.unknown, |host| host.ignore) {
            return;
        }
        request.tags = self.rules.tags(&request, host, &self.settings);
        self.answer(&request, cast, now);
    }

    /// Everything up to this number is on disk.
    pub fn handle_stored(&mut self, sequence: u64) {
        for held in self.ledger.confirm(sequence) {
            // Between then and now the client may have lost the address: it gave it back, or found it in use.
            let entry = self.table.get(held.address).filter(|entry| entry.lease.state == LeaseState::Bound);
            if entry.is_some_and(|entry| entry.key == Some(held.key)) {
                self.push_send(held.destination, held.payload);
            }
        }
    }

    /// A write failed, or it is not known how much of it was done: the journal is replaced. Writes that are not
    /// confirmed yet need not be done. The shell decides when to try again.
    pub fn handle_store_failed(&mut self, now: Instant) {
        self.ledger.fail();
        self.write_whole(now);
    }

    /// The time of [`Self::poll_timeout`] has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.expire(now);
        self.step_probes(now);
        if now >= self.checkpoint {
            let running = self.table.next_due().is_some();
            if running && !self.ledger.is_full() {
                self.write_whole(now);
            }
            self.arm_checkpoint(now);
        }
        self.collect_names();
    }

    /// What to do next.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When to call [`Self::handle_timeout`], if no packet comes before.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let leases = self.table.next_due().map(|due| due.min(self.checkpoint));
        let left_behind = self.left_behind.as_ref().map(|entry| entry.due);
        leases.into_iter().chain(self.next_probe()).chain(left_behind).min()
    }

    /// Leases that run, and hosts of the configuration whether they have asked or not, by address.
    pub fn leases(&self) -> impl Iterator<Item = &Lease> {
        self.table.entries().map(|entry| &entry.lease).filter(|lease| lease.is_live())
    }

    /// The settings in force.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Whether a client may have the name, if nobody has it.
    fn is_allowed(&self, name: &str) -> bool {
        !hostname::is_reserved(name) && name != self.settings.hostname && !self.settings.taken.contains(name)
    }

    fn push_send(&mut self, destination: Destination, payload: Vec<u8>) {
        self.log_answer(destination, &payload);
        self.actions.push_back(Action::Send { destination, payload });
    }

    fn collect_names(&mut self) {
        if self.table.take_names_changed() {
            self.actions.push_back(Action::NamesChanged);
        }
    }

    fn note(&mut self, note: Note, now: Instant) {
        let repeating = match note {
            Note::PoolExhausted => Some(0),
            Note::TooManyClients => Some(1),
            Note::StoreStalled => Some(2),
            Note::OneMachine(_) => Some(3),
            Note::ForeignServer(_) => Some(4),
            Note::Declined(_) | Note::InUse { .. } | Note::JournalDamaged { .. } => None,
        };
        if let Some(last) = repeating.and_then(|index: usize| self.noted.get_mut(index)) {
            if last.is_some_and(|last| now.since(last) < NOTE_INTERVAL) {
                return;
            }
            *last = Some(now);
        }
        self.actions.push_back(Action::Note(note));
    }
}
