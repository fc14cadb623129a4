//! Kept answers, within a fixed number of entries and octets.
//!
//! The key is the question's own octets (see [`Key`]); the hash that finds it is keyed with the kernel's randomness, so
//! that nobody can choose names that collide, and the whole question is compared (CVE-2020-25685). How long an answer may
//! be kept is decided where it is checked, in `reply`. When its time is over it stays for [`STALE_FOR`], if room allows,
//! for the case that no server answers (RFC 8767).
//!
//! Who goes when room is needed is for [`Queue`] to say. A failure never takes the place of an answer that may still be
//! given; it only puts the next attempt off (RFC 9520).

use super::answer::Answer;
use super::query::Key;
use super::queue::{Links, Queue};
use super::{FAILURE_TTL, MAX_FAILURE_TTL, STALE_FOR, STALE_RETRY};
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

/// Times an answer must have been asked for in its life before it is fetched anew ahead of its end.
const HOT: u8 = 3;

/// The last part of an answer's life in which it is fetched anew: one in this many.
const LAST_PART: u64 = 10;

/// Labels above a name that are looked at for one that does not exist (RFC 8020).
const MAX_ABOVE: usize = 16;

/// Slots looked at for an entry of no more use before a living one has to go.
const SWEEP: usize = 4;

pub(super) struct Entry {
    hash: u64,
    came: Instant,
    expires: Instant,
    /// Until when nobody is asked again after a failure, if `generation` is still that of the cache.
    retry: Instant,
    answer: Answer,
    links: Links,
    generation: u32,
    variant: u8,
    failure: bool,
    /// Failures in a row.
    strikes: u8,
    /// Times asked for, as far as it matters.
    hits: u8,
    /// It was fetched anew, or tried to, ahead of its end.
    refreshed: bool,
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

    /// Whether its last tenth has begun and it is asked for often enough to be worth a question of our own.
    fn is_to_be_refreshed(&self, now: Instant) -> bool {
        let (left, life) = (self.expires.as_millis() - now.as_millis().min(self.expires.as_millis()), self.life());
        !self.failure && !self.refreshed && self.hits >= HOT && left * LAST_PART <= life
    }

    fn life(&self) -> u64 {
        u64::from(self.answer.lifetime) * 1000
    }
}

/// An answer that was found.
pub(super) enum Found<'a> {
    /// Its time is not over.
    Fresh {
        /// What to say.
        answer: &'a Answer,
        /// Whole seconds since it came, rounded up so that nobody down the line keeps it longer than its TTL allows.
        age: u32,
        /// It should be fetched anew: it is wanted often and will soon be over. Said once.
        refresh: bool,
    },
    /// Its time is over. It may be given if nobody says anything better.
    Stale {
        /// What to say.
        answer: &'a Answer,
        /// Asking for it failed just now: nobody is to be asked again yet.
        at_once: bool,
    },
}

/// The cache.
pub(super) struct Cache {
    hash_key: [u64; 2],
    table: HashTable<u32>,
    slots: Vec<Option<Entry>>,
    free: Vec<u32>,
    queue: Queue,
    /// Where the search for entries of no more use goes on.
    sweep: usize,
    bytes: usize,
    bounds: Bounds,
    generation: u32,
    /// Failures from before are over after [`FAILURE_TTL`], however many there were.
    relented: Instant,
}

/// What the cache may hold, and for how long.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    pub(super) entries: usize,
    pub(super) bytes: usize,
    /// Answers whose time is over are kept for [`STALE_FOR`] more.
    pub(super) stale: bool,
    /// Answers wanted often are said to need a refresh.
    pub(super) prefetch: bool,
}

impl Cache {
    pub(super) fn new(bounds: Bounds, entropy: &mut dyn Entropy) -> Cache {
        let mut word = || u64::from(entropy.next_u32()) << 32 | u64::from(entropy.next_u32());
        Cache {
            hash_key: [word(), word()],
            table: HashTable::new(),
            slots: Vec::new(),
            free: Vec::new(),
            queue: Queue::default(),
            sweep: 0,
            bytes: 0,
            bounds,
            generation: 0,
            relented: Instant::default(),
        }
    }

    /// Entries held, those whose time is over included.
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    /// Octets held.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Forgets everything, and takes new bounds.
    pub(super) fn reset(&mut self, bounds: Bounds) {
        self.table = HashTable::new();
        self.slots = Vec::new();
        self.free = Vec::new();
        self.queue = Queue::default();
        (self.sweep, self.bytes, self.bounds) = (0, 0, bounds);
    }

    /// Forgets the failures: the way to the servers has changed.
    pub(super) fn forget_failures(&mut self) {
        self.generation = self.generation.wrapping_add(1);
    }

    /// Cuts the pauses short that failures have grown to: the servers answer again. Each keeps what a first failure has,
    /// since nobody is to be asked again at once (RFC 9520 section 3.2).
    pub(super) fn relent(&mut self, now: Instant) {
        self.relented = now;
    }

    /// Whether a failure still counts.
    fn is_in_force(&self, entry: &Entry, now: Instant) -> bool {
        let first = Duration::from_secs(u64::from(FAILURE_TTL));
        entry.generation == self.generation && (entry.came >= self.relented || now < entry.came + first)
    }

    /// The answer to a question: kept for its very type, or for every type of its name; a fresh one before a stale one.
    pub(super) fn get(&mut self, mut key: Key, now: Instant) -> Option<Found<'_>> {
        let exact = self.find(&key);
        if let Some(at) = exact.filter(|at| self.is_fresh(*at, now)) {
            return self.hit(at, now);
        }
        key.make_every_type();
        let every = self.find(&key);
        let fresh = every.filter(|at| self.is_fresh(*at, now));
        let at = fresh.or_else(|| self.stale(exact, every, now))?;
        self.hit(at, now)
    }

    /// Of an answer for the very type and one for every type, the later one that may be given past its time.
    fn stale(&self, exact: Option<u32>, every: Option<u32>, now: Instant) -> Option<u32> {
        let both = exact.into_iter().chain(every).filter(|at| self.is_stale(*at, now));
        both.max_by_key(|at| self.slot(*at).map(|entry| entry.came))
    }

    fn hit(&mut self, at: u32, now: Instant) -> Option<Found<'_>> {
        let entry = self.slots.get_mut(at as usize)?.as_mut()?;
        entry.links.used = true;
        if entry.expires <= now {
            let at_once = entry.generation == self.generation && entry.retry > now;
            return Some(Found::Stale { answer: &entry.answer, at_once });
        }
        entry.hits = entry.hits.saturating_add(1);
        let refresh = self.bounds.prefetch && entry.is_to_be_refreshed(now);
        entry.refreshed |= refresh;
        let age = now.since(entry.came).as_millis().div_ceil(1000);
        Some(Found::Fresh { answer: &entry.answer, age: u32::try_from(age).unwrap_or(u32::MAX), refresh })
    }

    /// A fresh "no such name" for a name above that of the question, at least `labels` long: then there is nothing below
    /// it either (RFC 8020 section 2). With its age as in [`Found::Fresh`].
    pub(super) fn cut(&mut self, key: &Key, labels: usize, now: Instant) -> Option<(&Answer, u32)> {
        let mut above = key.clone();
        above.make_every_type();
        for _ in 0..MAX_ABOVE {
            above = above.parent().filter(|above| above.labels() >= labels)?;
            if let Some(at) = self.find(&above).filter(|at| self.is_fresh(*at, now)) {
                return match self.hit(at, now)? {
                    Found::Fresh { answer, age, .. } => Some((answer, age)),
                    Found::Stale { .. } => None,
                };
            }
        }
        None
    }

    fn find(&self, key: &Key) -> Option<u32> {
        let is = |at: &u32| self.slot(*at).is_some_and(|entry| entry.is(key));
        self.table.find(self.hash(key), is).copied()
    }

    fn is_fresh(&self, at: u32, now: Instant) -> bool {
        let valid = |entry: &Entry| !entry.failure || self.is_in_force(entry, now);
        self.slot(at).is_some_and(|entry| entry.expires > now && valid(entry))
    }

    fn is_stale(&self, at: u32, now: Instant) -> bool {
        let within = |entry: &Entry| entry.expires <= now && now < entry.expires + STALE_FOR;
        self.bounds.stale && self.slot(at).is_some_and(|entry| !entry.failure && within(entry))
    }

    fn slot(&self, at: u32) -> Option<&Entry> {
        slot(&self.slots, at)
    }

    /// Keeps an answer for as long as it allows. The key must be that of the question in the answer's body.
    pub(super) fn insert(&mut self, key: &Key, answer: Answer, now: Instant) {
        let expires = now + Duration::from_secs(u64::from(answer.lifetime));
        let hash = self.hash(key);
        let used = self.remove(hash, key);
        self.put(Entry {
            hash,
            came: now,
            expires,
            retry: now,
            answer,
            links: Links::new(used),
            generation: self.generation,
            variant: key.variant(),
            failure: false,
            strikes: 0,
            hits: 0,
            refreshed: false,
        });
    }

    /// Takes down that nobody could answer: for [`FAILURE_TTL`] seconds nobody is asked again, twice as long after each
    /// further failure, at most [`MAX_FAILURE_TTL`] (RFC 9520 section 3.2).
    pub(super) fn insert_failure(&mut self, key: &Key, rcode: u16, now: Instant) {
        if self.put_off(key, now) {
            return;
        }
        let (hash, generation) = (self.hash(key), self.generation);
        let old = self.find(key).and_then(|at| self.slot(at));
        let recently = Duration::from_secs(u64::from(MAX_FAILURE_TTL));
        let counts = |entry: &Entry| entry.generation == generation && entry.came >= self.relented;
        let again = |entry: &&Entry| entry.failure && counts(entry) && now < entry.expires + recently;
        let strikes = old.filter(again).map_or(0, |entry| entry.strikes);
        let seconds = (FAILURE_TTL << strikes.min(16)).min(MAX_FAILURE_TTL);
        let links = Links::new(self.remove(hash, key));
        self.put(Entry {
            hash,
            came: now,
            expires: now + Duration::from_secs(u64::from(seconds)),
            retry: now,
            answer: Answer::failure(key.question(), rcode, seconds),
            links,
            generation,
            variant: key.variant(),
            failure: true,
            strikes: strikes.saturating_add(1),
            hits: 0,
            refreshed: false,
        });
    }

    /// Whether there is an answer that a failure must not take the place of: one that is still good, or one past its time,
    /// for which nobody is asked again for [`STALE_RETRY`].
    fn put_off(&mut self, key: &Key, now: Instant) -> bool {
        let mut every = key.clone();
        every.make_every_type();
        let (exact, every) = (self.find(key), self.find(&every));
        let good = |at: &u32| self.is_fresh(*at, now) && self.slot(*at).is_some_and(|entry| !entry.failure);
        if exact.as_ref().is_some_and(good) || every.as_ref().is_some_and(good) {
            return true;
        }
        let generation = self.generation;
        let old = self.stale(exact, every, now).and_then(|at| self.slots.get_mut(at as usize)?.as_mut());
        let Some(entry) = old else { return false };
        (entry.retry, entry.generation) = (now + STALE_RETRY, generation);
        true
    }

    fn put(&mut self, entry: Entry) {
        let (hash, size, now) = (entry.hash, entry.size(), entry.came);
        let Bounds { entries, bytes, .. } = self.bounds;
        if entry.answer.lifetime == 0 || size > MAX_ANSWER || size > bytes || entries == 0 {
            return;
        }
        while self.len() >= entries || self.bytes + size > bytes {
            if !self.evict(now) {
                return;
            }
        }
        let at = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            // At most as many slots exist as entries are allowed, and those are counted in 32 bits.
            (self.slots.len() - 1) as u32
        });
        if let Some(place) = self.slots.get_mut(at as usize) {
            *place = Some(entry);
            self.bytes += size;
            self.queue.push(&mut self.slots, at);
            let slots = &self.slots;
            self.table.insert_unique(hash, at, |at| slot(slots, *at).map_or(0, |entry| entry.hash));
        }
    }

    /// Makes room by one entry; `false` if there is none.
    fn evict(&mut self, now: Instant) -> bool {
        let Some(at) = self.next_useless(now).or_else(|| self.queue.victim(&mut self.slots)) else { return false };
        let hash = self.slot(at).map_or(0, |entry| entry.hash);
        if let Ok(found) = self.table.find_entry(hash, |other| *other == at) {
            found.remove();
        }
        self.vacate(at);
        true
    }

    /// An entry that is of no more use, if one is among the next few.
    fn next_useless(&mut self, now: Instant) -> Option<u32> {
        for _ in 0..SWEEP {
            self.sweep = if self.sweep + 1 < self.slots.len() { self.sweep + 1 } else { 0 };
            let at = self.sweep as u32;
            if self.slot(at).is_some_and(|entry| entry.expires <= now) && !self.is_stale(at, now) {
                return Some(at);
            }
        }
        None
    }

    /// Whether what was removed had been asked for.
    fn remove(&mut self, hash: u64, key: &Key) -> bool {
        let slots = &self.slots;
        let found = self.table.find_entry(hash, |at| slot(slots, *at).is_some_and(|entry| entry.is(key)));
        let Ok(found) = found else { return false };
        let (at, _) = found.remove();
        self.vacate(at)
    }

    fn vacate(&mut self, at: u32) -> bool {
        self.queue.unlink(&mut self.slots, at);
        let Some(entry) = self.slots.get_mut(at as usize).and_then(Option::take) else { return false };
        self.bytes = self.bytes.saturating_sub(entry.size());
        self.free.push(at);
        entry.links.used
    }

    fn hash(&self, key: &Key) -> u64 {
        let [first, second] = self.hash_key;
        let mut hasher = SipHasher13::new_with_keys(first, second);
        hasher.write(key.as_bytes());
        hasher.finish()
    }
}

impl AsMut<Links> for Entry {
    fn as_mut(&mut self) -> &mut Links {
        &mut self.links
    }
}

fn slot(slots: &[Option<Entry>], at: u32) -> Option<&Entry> {
    slots.get(at as usize)?.as_ref()
}
