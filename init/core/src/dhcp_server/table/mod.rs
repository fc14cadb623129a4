//! The lease table: which address is whose, until when, under what name.
//!
//! Every address of interest has one [`Entry`]; the indices beside it make each question cost the logarithm of the
//! table's size. The table knows nothing of packets or of the journal: [`Entry::disk`] is kept for whoever writes it.
//!
//! A client keeps its address: the choice for a new one starts at a place that only depends on the client, and an
//! address whose lease has ended stays remembered for its client until it is needed for another.
//!
//! The table holds at most [`MAX_DYNAMIC`] addresses of the pool. A new client gets, in this order: the address it
//! asks for if that is free, a free one, the one whose last lease ended first, the one that was offered first to
//! someone who did not answer. Reserved addresses are outside all this, so a host of the configuration gets its own
//! address however full the pool is.

mod index;

use super::client::{Client, ClientKey};
use super::free::FreeRanges;
use super::lease::{Expiry, Lease, LeaseState};
use super::settings::Settings;
use crate::config::{Host, MAX_POOL};
use crate::net::{Ipv4Addr, MacAddr};
use crate::time::{Duration, Instant};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;

/// Addresses of the pool that the table remembers: as many as the largest pool of a configuration has. A full one takes
/// some 30 MB, if each client had the longest identifier and name; the default pool has 119.
pub const MAX_DYNAMIC: usize = MAX_POOL as usize;

/// Addresses of the pool that one hardware address gets, by whatever client identifiers: virtual machines behind one
/// port have some, a program that eats up the pool wants all.
pub const MAX_PER_HARDWARE: u16 = 16;

/// How long an offered address is held for the client: RFC 2131 section 4.1 has clients repeat a request after 4, 8
/// and 16 seconds.
pub const OFFER_HOLD: Duration = Duration::from_secs(30);

/// An offer younger than this is not taken away for another client, even when nothing else is left.
pub const OFFER_MIN_HOLD: Duration = Duration::from_secs(2);

/// How long a declined address is left alone. At most a quarter of the pool is left alone at a time, so that one
/// confused client can't decline the pool away.
pub const DECLINE_HOLD: Duration = Duration::from_secs(600);

/// What the journal says of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OnDisk {
    /// The number of the write that holds it.
    pub(super) sequence: u64,
    /// When a restart would let the lease expire, grace not counted.
    pub(super) expiry: Instant,
    /// What a restart would add.
    pub(super) grace: Duration,
}

/// One address of the table.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) lease: Lease,
    /// Who has or had it; nobody has a declined address, or one whose host has not asked yet.
    pub(super) key: Option<ClientKey>,
    /// When the state ends; for [`LeaseState::Past`], when it began.
    pub(super) due: Instant,
    /// How long the last lease was granted for.
    pub(super) granted: Duration,
    /// How much of `due` is grace after a restart, and not promised.
    pub(super) grace: Duration,
    pub(super) disk: Option<OnDisk>,
}

impl Entry {
    /// Who has or had the address.
    pub(super) fn client(&self) -> Option<Client> {
        Some(Client { key: self.key?, hardware: self.lease.hardware?, id: self.lease.client_id.clone() })
    }
}

/// Why there is no address for a new client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoAddress {
    /// Every address is taken.
    Exhausted,
    /// This hardware has [`MAX_PER_HARDWARE`] already.
    TooMany,
}

/// Everything known about the addresses of the LAN.
#[derive(Clone, Debug)]
pub(super) struct LeaseTable {
    entries: BTreeMap<Ipv4Addr, Entry>,
    /// Clients of pool addresses. A host's reserved address is found by its hardware address instead.
    by_client: BTreeMap<ClientKey, Ipv4Addr>,
    by_name: BTreeMap<String, Ipv4Addr>,
    /// Entries by state and by [`Entry::due`]; those waiting are not in it.
    queue: BTreeSet<(LeaseState, Instant, Ipv4Addr)>,
    free: FreeRanges,
    pool: (Ipv4Addr, Ipv4Addr),
    hosts: Vec<Host>,
    /// Hosts by their places in the list. The first of two that claim the same counts.
    reserved: BTreeMap<Ipv4Addr, usize>,
    by_mac: BTreeMap<MacAddr, usize>,
    by_id: BTreeMap<Box<[u8]>, usize>,
    /// How many addresses of the pool a station has, if any.
    by_hardware: BTreeMap<MacAddr, u16>,
    host_names: BTreeSet<String>,
    dynamic: usize,
    declined: usize,
    names_changed: bool,
}

impl LeaseTable {
    pub(super) fn new(settings: &Settings) -> Self {
        let first = settings.pool.0.max(settings.lan.network());
        let last = settings.pool.1.min(settings.lan.broadcast());
        let mut table = Self {
            entries: BTreeMap::new(),
            by_client: BTreeMap::new(),
            by_name: BTreeMap::new(),
            queue: BTreeSet::new(),
            free: FreeRanges::new(first, last),
            pool: (first, last),
            hosts: settings.hosts.clone(),
            reserved: BTreeMap::new(),
            by_mac: BTreeMap::new(),
            by_id: BTreeMap::new(),
            by_hardware: BTreeMap::new(),
            host_names: settings.hosts.iter().map(|host| host.name.clone()).collect(),
            dynamic: 0,
            declined: 0,
            names_changed: true,
        };
        for address in [settings.lan.address(), settings.lan.network(), settings.lan.broadcast()] {
            if !settings.is_client_address(address) {
                table.free.take(address);
            }
        }
        for (index, host) in settings.hosts.iter().enumerate() {
            for mac in &host.macs {
                table.by_mac.entry(*mac).or_insert(index);
            }
            if let Some(id) = &host.client_id {
                table.by_id.entry(id[..].into()).or_insert(index);
            }
            if let Some(address) = host.address.filter(|address| settings.is_client_address(*address)) {
                table.free.take(address);
                table.reserved.entry(address).or_insert(index);
            }
        }
        let addresses: Vec<Ipv4Addr> = table.reserved.keys().copied().collect();
        addresses.into_iter().for_each(|address| table.await_host(address));
        table
    }

    pub(super) fn get(&self, address: Ipv4Addr) -> Option<&Entry> {
        self.entries.get(&address)
    }

    pub(super) fn into_entries(self) -> impl Iterator<Item = Entry> {
        self.entries.into_values()
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// The address that is reserved for the client and may be used.
    pub(super) fn reserved_for(&self, client: &Client) -> Option<Ipv4Addr> {
        let address = self.own_address(self.host_index(client)?)?;
        let declined = self.entries.get(&address).is_some_and(|e| e.lease.state == LeaseState::Declined);
        (!declined).then_some(address)
    }

    /// The host of the configuration that the client is: by its client identifier, else by its hardware address.
    pub(super) fn host_of(&self, client: &Client) -> Option<&Host> {
        self.hosts.get(self.host_index(client)?)
    }

    fn host_index(&self, client: &Client) -> Option<usize> {
        if self.hosts.is_empty() {
            return None;
        }
        let by_id = client.id.as_deref().and_then(|id| {
            // RFC 2132 section 9.14: text is marked by a first byte of zero, which people don't write.
            let text = id.strip_prefix(&[0]).and_then(|text| self.by_id.get(text));
            self.by_id.get(id).or(text)
        });
        by_id.copied().or_else(|| self.by_mac.get(&client.hardware.mac()?).copied())
    }

    /// The address that the configuration gives to a host and to nobody before it.
    fn own_address(&self, host: usize) -> Option<Ipv4Addr> {
        self.hosts.get(host)?.address.filter(|address| self.reserved.get(address) == Some(&host))
    }

    /// The address that the client has, had, or is offered; what is reserved for it comes first.
    pub(super) fn address_of(&self, client: &Client) -> Option<Ipv4Addr> {
        self.reserved_for(client).or_else(|| self.by_client.get(&client.key).copied())
    }

    /// Whether the client may have `address` for the asking: it is its own, and not merely free.
    pub(super) fn belongs_to(&self, address: Ipv4Addr, client: &Client) -> bool {
        self.address_of(client) == Some(address)
    }

    /// Whether `address` is surely not for this client: another's lease, or nothing that it could ever get.
    pub(super) fn is_wrong_for(&self, address: Ipv4Addr, client: &Client) -> bool {
        let holder = self.entries.get(&address).filter(|entry| entry.lease.state == LeaseState::Bound);
        !self.may_have(address, client) || holder.is_some_and(|entry| entry.key != Some(client.key))
    }

    /// Finds an address for a client that has none.
    pub(super) fn choose(
        &mut self,
        client: &Client,
        wish: Option<Ipv4Addr>,
        now: Instant,
    ) -> Result<Ipv4Addr, NoAddress> {
        let held = client.hardware.mac().and_then(|mac| self.by_hardware.get(&mac));
        if held.is_some_and(|held| *held >= MAX_PER_HARDWARE) {
            return Err(NoAddress::TooMany);
        }
        let may_grow = self.dynamic < MAX_DYNAMIC;
        if let Some(wish) = wish.filter(|wish| may_grow && self.free.contains(*wish)) {
            return Ok(wish);
        }
        let length = self.pool.1.to_bits().saturating_sub(self.pool.0.to_bits()).saturating_add(1);
        let start = Ipv4Addr::from_bits(self.pool.0.to_bits().saturating_add(client.key.spread(length)));
        if let Some(free) = self.free.next_from(start).filter(|_| may_grow) {
            return Ok(free);
        }
        let past = self.first_due(LeaseState::Past).map(|(_, address)| address);
        let unanswered = || {
            let (due, address) = self.first_due(LeaseState::Offered)?;
            (due + OFFER_MIN_HOLD <= now + OFFER_HOLD).then_some(address)
        };
        let address = past.or_else(unanswered).ok_or(NoAddress::Exhausted)?;
        self.remove(address);
        Ok(address)
    }

    /// Marks `address`, which is free or the client's own, as offered. A lease that runs is left as it is.
    pub(super) fn offer(&mut self, address: Ipv4Addr, client: &Client, now: Instant) {
        match self.entries.get(&address) {
            Some(entry) if matches!(entry.lease.state, LeaseState::Bound | LeaseState::Waiting) => {}
            Some(_) => self.set_state(address, LeaseState::Offered, now + OFFER_HOLD),
            None => {
                self.insert(new_entry(address, client, LeaseState::Offered, now + OFFER_HOLD));
                self.by_client.insert(client.key, address);
            }
        }
    }

    /// Leases `address` to the client until `now + granted`, whoever had it before, under `name`, which
    /// [`Self::name_for`] allowed. Whatever else the client has from the pool is free at once. A lease that runs longer
    /// already is not shortened: the client may not hear of it.
    pub(super) fn bind(
        &mut self,
        address: Ipv4Addr,
        client: &Client,
        name: Option<String>,
        now: Instant,
        granted: Duration,
    ) {
        let reserved = self.reserved.contains_key(&address);
        let entry = self.entries.get(&address);
        let holder = entry.and_then(|entry| entry.key);
        let running = entry.filter(|entry| entry.lease.state == LeaseState::Bound && holder == Some(client.key));
        let due = running.map_or(now + granted, |entry| entry.due.max(now + granted));
        if !reserved && holder != Some(client.key) {
            self.remove(address);
        }
        if let Some(old) = self.by_client.get(&client.key).copied().filter(|old| *old != address) {
            self.remove(old);
        }
        if !reserved {
            self.by_client.insert(client.key, address);
        }
        if !self.entries.contains_key(&address) {
            self.insert(new_entry(address, client, LeaseState::Bound, due));
        }
        self.set_hardware(address, client.hardware);
        let Some(entry) = self.entries.get_mut(&address) else { return };
        entry.key = Some(client.key);
        entry.lease.client_id = client.id.clone();
        entry.lease.expiry = if reserved { Expiry::Reserved } else { Expiry::At(due) };
        entry.granted = granted;
        entry.grace = Duration::ZERO;
        self.set_state(address, LeaseState::Bound, due);
        self.set_name(address, name);
    }

    /// Adds `grace` to a lease that was read back from the journal.
    pub(super) fn add_grace(&mut self, address: Ipv4Addr, granted: Duration, grace: Duration) {
        let Some(entry) = self.entries.get_mut(&address) else { return };
        entry.granted = granted;
        entry.grace = grace;
        let due = entry.due + grace;
        if entry.lease.expiry != Expiry::Reserved {
            entry.lease.expiry = Expiry::At(due);
        }
        self.set_state(address, LeaseState::Bound, due);
    }

    /// Notes what the journal says of the lease.
    pub(super) fn set_disk(&mut self, address: Ipv4Addr, disk: OnDisk) {
        if let Some(entry) = self.entries.get_mut(&address) {
            entry.disk = Some(disk);
        }
    }

    /// Ends the lease. The address stays remembered for the client; that of a configured host waits for it.
    pub(super) fn end(&mut self, address: Ipv4Addr, now: Instant) {
        if self.reserved.contains_key(&address) {
            self.await_host(address);
        } else {
            self.set_name(address, None);
            self.set_state(address, LeaseState::Past, now);
        }
    }

    /// Forgets who had the address.
    pub(super) fn forget(&mut self, address: Ipv4Addr) {
        if self.reserved.contains_key(&address) {
            self.await_host(address);
        } else {
            self.remove(address);
        }
    }

    /// Takes the address out of use until `until`. Past a quarter of the pool the oldest such address is let go.
    pub(super) fn decline(&mut self, address: Ipv4Addr, until: Instant) {
        let Some(mut entry) = self.remove(address) else { return };
        entry.lease.state = LeaseState::Declined;
        (entry.lease.hardware, entry.lease.client_id, entry.lease.host_name) = (None, None, None);
        entry.lease.expiry = Expiry::At(until);
        (entry.key, entry.disk, entry.due) = (None, None, until);
        self.insert(entry);
        let length = self.pool.1.to_bits().saturating_sub(self.pool.0.to_bits());
        if self.declined > (length / 4).max(1) as usize
            && let Some((_, oldest)) = self.first_due(LeaseState::Declined)
        {
            self.forget(oldest);
        }
    }

    /// Does what is due at `now`; gives the addresses whose leases ended.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<Ipv4Addr> {
        let mut ended = Vec::new();
        while let Some((_, address)) = self.first_due(LeaseState::Bound).filter(|(due, _)| *due <= now) {
            self.end(address, now);
            ended.push(address);
        }
        while let Some((_, address)) = self.first_due(LeaseState::Offered).filter(|(due, _)| *due <= now) {
            self.withdraw(address, now);
        }
        while let Some((_, address)) = self.first_due(LeaseState::Declined).filter(|(due, _)| *due <= now) {
            self.forget(address);
        }
        ended
    }

    /// Takes back an offer. An address that the client had before stays remembered for it.
    pub(super) fn withdraw(&mut self, address: Ipv4Addr, now: Instant) {
        match self.entries.get(&address) {
            Some(entry) if entry.lease.state != LeaseState::Offered => {}
            Some(entry) if entry.granted > Duration::ZERO => self.set_state(address, LeaseState::Past, now),
            _ => drop(self.remove(address)),
        }
    }

    /// When [`Self::expire`] has something to do.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let states = [LeaseState::Bound, LeaseState::Offered, LeaseState::Declined];
        states.into_iter().filter_map(|state| self.first_due(state)).map(|(due, _)| due).min()
    }

    /// Whether a name was given or taken since the last call.
    pub(super) fn take_names_changed(&mut self) -> bool {
        core::mem::take(&mut self.names_changed)
    }

    /// Whether the pool has the address, for anyone.
    fn in_pool(&self, address: Ipv4Addr) -> bool {
        self.free.contains(address) || self.entries.contains_key(&address) && !self.reserved.contains_key(&address)
    }

    /// Whether the table can take one more address of the pool, or has this one already.
    fn has_room_for(&self, address: Ipv4Addr) -> bool {
        self.dynamic < MAX_DYNAMIC || self.entries.contains_key(&address)
    }

    /// The name for the client's lease of `address`: the configured one for a host of the configuration, else `wish`
    /// unless it is a configured host's or another live lease has it.
    pub(super) fn name_for(&self, address: Ipv4Addr, client: &Client, wish: Option<String>) -> Option<String> {
        // A host that has to make do with an address of the pool is known there under its name, for that long only.
        let kept_out = self.reserved_for(client).is_none();
        if let Some(host) = self.host_of(client).filter(|host| kept_out || host.address == Some(address)) {
            return Some(host.name.clone());
        }
        wish.filter(|name| !self.is_host_name(name)).filter(|name| match self.by_name.get(name) {
            // The same machine after a change of its client identifier takes its name along.
            Some(holder) if *holder != address => {
                self.entries.get(holder).is_some_and(|entry| entry.lease.hardware == Some(client.hardware))
            }
            _ => true,
        })
    }

    /// Whether a host of the configuration has the name.
    pub(super) fn is_host_name(&self, name: &str) -> bool {
        self.host_names.contains(name)
    }

    /// Takes over an entry of the table before the configuration changed, if it fits into this one.
    pub(super) fn carry(&mut self, entry: Entry, now: Instant) {
        let address = entry.lease.address;
        match (entry.lease.state, entry.client()) {
            (LeaseState::Declined, _) if self.free.contains(address) => self.insert(entry),
            (LeaseState::Bound | LeaseState::Past, Some(client)) if self.may_have(address, &client) => {
                let name = self.name_for(address, &client, entry.lease.host_name.clone());
                self.bind(address, &client, name, now, entry.due.since(now).saturating_sub(entry.grace));
                self.add_grace(address, entry.granted, entry.grace);
                if let Some(disk) = entry.disk {
                    self.set_disk(address, disk);
                }
                if entry.lease.state == LeaseState::Past {
                    self.end(address, now);
                }
            }
            _ => {}
        }
    }

    /// Whether the settings allow the client this address, whoever has it now.
    pub(super) fn may_have(&self, address: Ipv4Addr, client: &Client) -> bool {
        match self.reserved.get(&address) {
            Some(host) => self.host_index(client) == Some(*host),
            None => self.in_pool(address) && self.has_room_for(address),
        }
    }
}

/// An entry that no journal holds.
pub(super) fn new_entry(address: Ipv4Addr, client: &Client, state: LeaseState, due: Instant) -> Entry {
    let lease = Lease {
        address,
        hardware: Some(client.hardware),
        client_id: client.id.clone(),
        host_name: None,
        expiry: Expiry::At(due),
        state,
    };
    Entry { lease, key: Some(client.key), due, granted: Duration::ZERO, grace: Duration::ZERO, disk: None }
}
