//! What has been written to the journal, what of it is known to be on disk, and the answers that wait for it.
//!
//! An acknowledgement promises an address; if the promise were lost in a power cut, the address could be promised
//! again. So the answer is held back until its record is on disk. Records are not waited for one by one: the shell
//! syncs as many as it has and reports the last, which is a group commit.

use super::client::ClientKey;
use super::{Action, Destination, record};
use crate::net::Ipv4Addr;
use crate::store::journal::Writer;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

/// Answers that wait for the disk, at most one a lease. Some 700 KB; a card that needs 50 ms for a sync still lets
/// 40,000 leases a second through. Past it, requests go unanswered and clients repeat them.
pub const MAX_HELD: usize = 2048;

/// Writes that the disk has not confirmed. Past it nothing more is written, so nothing more is leased.
pub const MAX_UNSTORED: usize = 4096;

/// The journal is replaced when it is larger than this and twice its size after the last replacement, in bytes.
pub const COMPACT_SLACK: usize = 64 * 1024;

/// The longest journal, in bytes: no need to read more of a file. The largest table of the longest records has 26 MB,
/// and the journal never has three times that and [`COMPACT_SLACK`]; an ordinary one stays below 100 KB.
pub const MAX_JOURNAL: usize = 96 * 1024 * 1024;

/// An answer that waits for the disk.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) sequence: u64,
    pub(super) address: Ipv4Addr,
    pub(super) key: ClientKey,
    pub(super) destination: Destination,
    pub(super) payload: Vec<u8>,
}

/// The journal as seen from here.
#[derive(Clone, Debug)]
pub(super) struct Ledger {
    writer: Writer,
    stored: u64,
    unstored: VecDeque<u64>,
    held: BTreeMap<Ipv4Addr, Held>,
    length: usize,
    compact_length: usize,
    /// The file on disk is absent or damaged, and nothing may be appended to it.
    broken: bool,
}

impl Ledger {
    /// For a journal that does not exist yet. Number 0 is never used, so that nothing counts as stored.
    pub(super) fn new() -> Self {
        let writer = Writer::resume(1);
        let (unstored, held) = (VecDeque::new(), BTreeMap::new());
        Self { writer, stored: 0, unstored, held, length: 0, compact_length: 0, broken: true }
    }

    /// For a journal of `length` bytes that was read to its end; `next` is the number of its next record. How long it
    /// was when it was last replaced is not known, so a long one is replaced at once.
    pub(super) fn resume(next: u64, length: usize) -> Self {
        let stored = next.saturating_sub(1);
        Self { writer: Writer::resume(next), stored, length, broken: false, ..Self::new() }
    }

    /// Starts over with a new file, with numbers that follow those of a damaged one.
    pub(super) fn replace_after(next: u64) -> Self {
        Self { writer: Writer::resume(next.max(1)), stored: next.saturating_sub(1), ..Self::new() }
    }

    /// Whether nothing more may be written for now.
    pub(super) fn is_full(&self) -> bool {
        self.unstored.len() >= MAX_UNSTORED
    }

    /// Whether the next write must be, or had better be, a whole journal.
    pub(super) fn wants_whole(&self) -> bool {
        self.broken || self.length > COMPACT_SLACK.saturating_add(self.compact_length.saturating_mul(2))
    }

    /// The write failed: whatever is in the file now, it is not to be appended to.
    pub(super) fn fail(&mut self) {
        self.broken = true;
        self.unstored.clear();
    }

    /// Whether the write with this number is on disk.
    pub(super) fn is_stored(&self, sequence: u64) -> bool {
        sequence <= self.stored
    }

    /// One more record.
    pub(super) fn append(&mut self, kind: u8, payload: &[u8]) -> (u64, Action) {
        let mut bytes = Vec::new();
        // Our longest record has some 400 bytes, so it is never too long; if it were, it would be missing on disk and
        // its number would never be confirmed.
        let sequence = self.writer.append(kind, payload, &mut bytes).unwrap_or(u64::MAX);
        self.length = self.length.saturating_add(bytes.len());
        self.unstored.push_back(sequence);
        (sequence, Action::Append { sequence, bytes })
    }

    /// A whole new journal with the records that `fill` gives.
    pub(super) fn replace(&mut self, records: impl Iterator<Item = (u8, Vec<u8>)>) -> (u64, Action) {
        let mut bytes = Vec::new();
        self.writer = Writer::start(self.writer.next_sequence(), &mut bytes);
        let mut sequence = self.writer.append(record::kind::MARK, &[], &mut bytes).unwrap_or(u64::MAX);
        for (kind, payload) in records {
            sequence = self.writer.append(kind, &payload, &mut bytes).unwrap_or(sequence);
        }
        (self.length, self.compact_length, self.broken) = (bytes.len(), bytes.len(), false);
        self.unstored.push_back(sequence);
        (sequence, Action::Replace { sequence, bytes })
    }

    /// Whether an answer about `address` can be held.
    pub(super) fn can_hold(&self, address: Ipv4Addr) -> bool {
        self.held.len() < MAX_HELD || self.held.contains_key(&address)
    }

    /// Holds an answer, in place of an earlier one about the same address.
    pub(super) fn hold(&mut self, held: Held) {
        self.held.insert(held.address, held);
    }

    /// Drops every held answer; the clients will ask again.
    pub(super) fn drop_held(&mut self) {
        self.held.clear();
    }

    /// Everything up to `sequence` is on disk: gives the answers that waited for it, the longest waiting first.
    pub(super) fn confirm(&mut self, sequence: u64) -> Vec<Held> {
        let issued = self.writer.next_sequence().saturating_sub(1);
        self.stored = self.stored.max(sequence.min(issued));
        let stored = self.stored;
        while self.unstored.front().is_some_and(|sequence| *sequence <= stored) {
            self.unstored.pop_front();
        }
        let mut ready: Vec<Held> =
            self.held.extract_if(.., |_, held| held.sequence <= stored).map(|(_, h)| h).collect();
        ready.sort_by_key(|held| held.sequence);
        ready
    }
}
