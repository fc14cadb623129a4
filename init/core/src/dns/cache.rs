//! Kept answers, within a fixed number of entries and octets.
//!
//! The key is the question's own octets (see [`Key`]); the hash that finds it is keyed with the kernel's randomness, so
//! that nobody can choose names that collide, and the whole question is compared (CVE-2020-25685). When room is needed,
//! an answer that nobody asked for since the clock's hand last passed goes first ("second chance"). How long an answer
//! may be kept is decided where it is checked, in `reply`. Left out until their milestone: serving stale (RFC 8767),
//! prefetch, and the cut below a name that does not exist (RFC 8020), which some broken servers do not survive.

use super::answer::Answer;
use super::query::Key;
use crate::entropy::Entropy;
use crate::time::{Duration, Instant};
use alloc::vec::Vec;
use core::hash::Hasher;
use hashbrown::HashTable;
use siphasher::sip::SipHasher13;

/// Octets of one answer above which it is not kept, so that one name cannot sweep the cache.
const MAX_ANSWER: usize = 16 * 1024;

/// What an entry takes besides the answer's own octets: its slot, its place in the table, the heap's bookkeeping.
const OVERHEAD: usize = size_of::<Option<Entry>>() + 48;

struct Entry {
    hash: u64,
    variant: u8,
    /// Asked for since the hand last passed.
    used: bool,
    /// Of the failures that are forgotten when the uplink changes, the generation.
    failure: Option<u32>,
    came: Instant,
    expires: Instant,
    answer: Answer,
}

impl Entry {
    fn is(&self, key: &Key) -> bool {
        let question = key.question();
        self.variant == key.variant() && self.question(question.len()) == Some(question)
    }

    fn question(&self, length: usize) -> Option<&[u8]> {
        self.answer.body.get(..length)
    }

    fn size(&self) -> usize {
        OVERHEAD + self.answer.size()
    }
}

/// The cache.
pub(super) struct Cache {
    hash_key: [u64; 2],
    table: HashTable<u32>,
    slots: Vec<Option<Entry>>,
    free: Vec<u32>,
    hand: usize,
    bytes: usize,
    max_entries: usize,
    max_bytes: usize,
    generation: u32,
}

impl Cache {
    pub(super) fn new(max_entries: usize, max_bytes: usize, entropy: &mut dyn Entropy) -> Cache {
        let mut word = || u64::from(entropy.next_u32()) << 32 | u64::from(entropy.next_u32());
        Cache {
            hash_key: [word(), word()],
            table: HashTable::new(),
            slots: Vec::new(),
            free: Vec::new(),
            hand: 0,
            bytes: 0,
            max_entries: max_entries.min(u32::MAX as usize),
            max_bytes,
            generation: 0,
        }
    }

    /// Entries held, stale ones that have not made room yet included.
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    /// Octets held.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Forgets everything, and takes new bounds.
    pub(super) fn reset(&mut self, max_entries: usize, max_bytes: usize) {
        self.table.clear();
        self.slots = Vec::new();
        self.free = Vec::new();
        self.hand = 0;
        self.bytes = 0;
        self.max_entries = max_entries.min(u32::MAX as usize);
        self.max_bytes = max_bytes;
    }

    /// Forgets the failures: the way to the servers has changed.
    pub(super) fn forget_failures(&mut self) {
        self.generation = self.generation.wrapping_add(1);
    }

    /// The answer to a question: kept for its very type, or for every type of its name. With its age in whole seconds,
    /// rounded up so that nobody down the line keeps it longer than its TTL allows. Never one whose time is over.
    pub(super) fn get(&mut self, mut key: Key, now: Instant) -> Option<(&Answer, u32)> {
        let at = self.find(&key, now).or_else(|| {
            key.make_every_type();
            self.find(&key, now)
        })?;
        let entry = self.slots.get_mut(at as usize)?.as_mut()?;
        entry.used = true;
        let age = now.since(entry.came).as_millis().div_ceil(1000);
        Some((&entry.answer, u32::try_from(age).unwrap_or(u32::MAX)))
    }

    fn find(&self, key: &Key, now: Instant) -> Option<u32> {
        let is = |at: &u32| self.slot(*at).is_some_and(|entry| entry.is(key));
        let at = *self.table.find(self.hash(key), is)?;
        let entry = self.slot(at)?;
        let fresh = entry.expires > now && entry.failure.is_none_or(|failure| failure == self.generation);
        fresh.then_some(at)
    }

    fn slot(&self, at: u32) -> Option<&Entry> {
        slot(&self.slots, at)
    }

    /// Keeps an answer for as long as it allows. The key must be that of the question in the answer's body.
    pub(super) fn insert(&mut self, key: &Key, answer: Answer, failure: bool, now: Instant) {
        let hash = self.hash(key);
        self.remove(hash, key);
        let expires = now + Duration::from_secs(u64::from(answer.lifetime));
        let failure = failure.then_some(self.generation);
        let entry = Entry { hash, variant: key.variant(), used: false, failure, came: now, expires, answer };
        let size = entry.size();
        if entry.answer.lifetime == 0 || size > MAX_ANSWER || size > self.max_bytes || self.max_entries == 0 {
            return;
        }
        while self.len() >= self.max_entries || self.bytes + size > self.max_bytes {
            if !self.evict(now) {
                return;
            }
        }
        let at = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            // At most max_entries slots exist, and those are counted in 32 bits.
            (self.slots.len() - 1) as u32
        });
        if let Some(place) = self.slots.get_mut(at as usize) {
            *place = Some(entry);
            self.bytes += size;
            let slots = &self.slots;
            self.table.insert_unique(hash, at, |at| slot(slots, *at).map_or(0, |entry| entry.hash));
        }
    }

    /// Makes room by one entry; `false` if there is none. The hand passes each slot at most twice.
    fn evict(&mut self, now: Instant) -> bool {
        for _ in 0..2 * self.slots.len() {
            self.hand = if self.hand + 1 < self.slots.len() { self.hand + 1 } else { 0 };
            let Some(entry) = self.slots.get_mut(self.hand).and_then(Option::as_mut) else { continue };
            if entry.used && entry.expires > now {
                entry.used = false;
            } else {
                let (hash, at) = (entry.hash, self.hand as u32);
                if let Ok(found) = self.table.find_entry(hash, |other| *other == at) {
                    found.remove();
                }
                self.vacate(at);
                return true;
            }
        }
        false
    }

    fn remove(&mut self, hash: u64, key: &Key) {
        let slots = &self.slots;
        let found = self.table.find_entry(hash, |at| slot(slots, *at).is_some_and(|entry| entry.is(key)));
        if let Ok(found) = found {
            let (at, _) = found.remove();
            self.vacate(at);
        }
    }

    fn vacate(&mut self, at: u32) {
        if let Some(entry) = self.slots.get_mut(at as usize).and_then(Option::take) {
            self.bytes = self.bytes.saturating_sub(entry.size());
            self.free.push(at);
        }
    }

    fn hash(&self, key: &Key) -> u64 {
        let [first, second] = self.hash_key;
        let mut hasher = SipHasher13::new_with_keys(first, second);
        hasher.write(key.as_bytes());
        hasher.finish()
    }
}

fn slot(slots: &[Option<Entry>], at: u32) -> Option<&Entry> {
    slots.get(at as usize)?.as_ref()
}
