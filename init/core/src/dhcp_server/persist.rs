//! The server and its journal: what is read back at the start, what is written when.

use super::ledger::Ledger;
use super::record::{self, Record, Saved};
use super::table::{Entry, OnDisk, new_entry};
use super::{DhcpServer, LeaseState, MIN_CHECKPOINT, Note};
use crate::net::Ipv4Addr;
use crate::store::journal;
use crate::time::{Duration, Instant, WallTime};
use alloc::string::String;
use alloc::vec::Vec;

impl DhcpServer {
    /// Takes over the leases of a journal: the bytes of its file, at most [`MAX_JOURNAL`](super::MAX_JOURNAL), empty if
    /// there is none. To be called once, before
    /// any packet. What does not fit the settings any more is dropped; so is everything behind the first damage. A
    /// journal that is new or damaged is replaced.
    pub fn restore(&mut self, journal: &[u8], now: Instant, wall: WallTime) {
        self.wall = (now, wall);
        match journal::replay(journal) {
            Ok(mut replay) => {
                for record in replay.by_ref() {
                    if let Some(saved) = Record::decode(record.kind, record.payload) {
                        self.adopt(saved, record.sequence, now, wall);
                    }
                }
                if replay.at_end() {
                    self.ledger = Ledger::resume(replay.next_sequence(), journal.len());
                } else {
                    self.note(Note::JournalDamaged { good: replay.good() }, now);
                    self.ledger = Ledger::replace_after(replay.next_sequence());
                }
            }
            Err(_) if journal.is_empty() => {}
            Err(_) => self.note(Note::JournalDamaged { good: 0 }, now),
        }
        if self.ledger.wants_whole() {
            self.write_whole(now);
        }
        self.arm_checkpoint(now);
        self.collect_names();
    }

    /// Takes over one record of the journal.
    fn adopt(&mut self, record: Record, sequence: u64, now: Instant, wall: WallTime) {
        let (saved, past) = match record {
            Record::Gone(address) => return self.table.forget(address),
            Record::Lease(saved) => (saved, false),
            Record::Past(saved) => (saved, true),
        };
        let (address, client) = (saved.address, &saved.client);
        let left = saved.left(now, wall);
        let grace = grace(saved.granted);
        if !self.table.may_have(address, client) {
            if !past {
                let entry = new_entry(address, client, LeaseState::Bound, now + left + grace);
                self.leave_behind(Entry { granted: saved.granted, grace, ..entry });
            }
            return;
        }
        // Whoever has the name by an earlier record loses it: the later one was written knowing more.
        let allowed = |name: &String| self.is_allowed(name) && !self.table.is_host_name(name);
        let name = match self.table.reserved_for(client) {
            Some(own) if own == address => self.table.name_for(address, client, None),
            _ => saved.name.clone().filter(allowed),
        };
        // What an earlier record says of the address does not count any more, nor does its grace.
        self.table.forget(address);
        self.table.bind(address, client, name, now, left);
        self.table.add_grace(address, saved.granted, grace);
        // The wall clock may be set before the next restart, which then finds less left than this one.
        self.table.set_disk(address, OnDisk { sequence, expiry: now + saved.surely_left(now), grace });
        if past {
            self.table.end(address, now);
        }
    }

    /// Does what is due, and writes down which leases ended: else each restart would bring them back for a while.
    pub(super) fn expire(&mut self, now: Instant) {
        self.left_behind.take_if(|entry| entry.due <= now);
        for address in self.table.expire(now) {
            if !self.ledger.is_full() {
                self.write(address, now);
            }
        }
    }

    /// Writes what the table says of the address; gives the number of the write.
    pub(super) fn write(&mut self, address: Ipv4Addr, now: Instant) -> u64 {
        if self.ledger.wants_whole() {
            return self.write_whole(now);
        }
        let wall = self.wall_at(now);
        let record = self.table.get(address).and_then(|entry| saved(entry, now, wall));
        let (kind, payload) = record.unwrap_or((record::kind::GONE, address.octets().to_vec()));
        let (sequence, action) = self.ledger.append(kind, &payload);
        self.actions.push_back(action);
        self.set_disk(address, sequence);
        sequence
    }

    /// Writes the whole table; gives the number of the write.
    pub(super) fn write_whole(&mut self, now: Instant) -> u64 {
        let wall = self.wall_at(now);
        let entries = self.table.entries().chain(&self.left_behind);
        let records = entries.filter_map(|entry| saved(entry, now, wall));
        let (sequence, action) = self.ledger.replace(records);
        self.actions.push_back(action);
        let addresses: Vec<Ipv4Addr> = self.table.entries().map(|entry| entry.lease.address).collect();
        addresses.into_iter().for_each(|address| self.set_disk(address, sequence));
        self.arm_checkpoint(now);
        sequence
    }

    fn set_disk(&mut self, address: Ipv4Addr, sequence: u64) {
        let Some(entry) = self.table.get(address) else { return };
        let disk = OnDisk { sequence, expiry: entry.due - entry.grace, grace: grace(entry.granted) };
        // What stands in the old journal stands in the new one: an answer need not wait for it again.
        let stands = |old: OnDisk| self.ledger.is_stored(old.sequence) && OnDisk { sequence, ..old } == disk;
        if !entry.disk.is_some_and(stands) {
            self.table.set_disk(address, disk);
        }
    }

    pub(super) fn arm_checkpoint(&mut self, now: Instant) {
        self.checkpoint = now + MIN_CHECKPOINT.max(self.settings.lease / 2);
    }

    /// The wall time at `now`, from the last time that it was heard.
    fn wall_at(&self, now: Instant) -> WallTime {
        let (heard, wall) = self.wall;
        WallTime(wall.0.saturating_add(now.since(heard).as_secs()))
    }
}

/// What a restart adds to a lease: as long as a renewal may go unwritten.
fn grace(granted: Duration) -> Duration {
    granted / 4
}

/// The record of an entry; `None` if there is nothing to remember.
fn saved(entry: &Entry, now: Instant, wall: WallTime) -> Option<(u8, Vec<u8>)> {
    let kind = match entry.lease.state {
        LeaseState::Bound => record::kind::LEASE,
        LeaseState::Past | LeaseState::Offered if entry.granted > Duration::ZERO => record::kind::PAST,
        _ => return None,
    };
    let running = kind == record::kind::LEASE;
    let remaining = if running { entry.due.since(now).saturating_sub(entry.grace) } else { Duration::ZERO };
    let name = entry.lease.host_name.clone();
    let (address, client, granted) = (entry.lease.address, entry.client()?, entry.granted);
    let mut payload = Vec::new();
    Saved { address, client, name, remaining, granted, boot: now, wall }.encode(&mut payload);
    Some((kind, payload))
}
