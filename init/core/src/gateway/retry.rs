//! When to try again what was refused. Whoever refuses (the kernel, the disk, a port) is asked again after a wait that
//! doubles; nothing is ever tried in a circle without one.

use crate::plan::Change;
use crate::time::{Duration, Instant};
use alloc::vec::Vec;

/// A wait that doubles with each failure until something goes well.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
    due: Option<Instant>,
}

impl Backoff {
    /// Nothing has failed yet.
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, next: first, due: None }
    }

    /// It failed: it is to be tried again later. Says nothing new while a try is due already.
    pub fn fail(&mut self, now: Instant) {
        if self.due.is_none() {
            self.due = Some(now + self.next);
            self.next = (self.next * 2).min(self.longest);
        }
    }

    /// When to try again.
    pub fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Whether the moment to try again has come; true once.
    pub fn fire(&mut self, now: Instant) -> bool {
        self.due.take_if(|due| *due <= now).is_some()
    }

    /// All is well.
    pub fn clear(&mut self) {
        *self = Self::new(self.first, self.longest);
    }
}

/// Changes remembered as tried. A plan has some forty at most; past this everything counts as tried.
const TRIED_MAX: usize = 256;

/// The changes that were asked of the kernel since its state was last as wanted. What was asked for once and is still
/// missing, refused or not, waits; what is new goes at once.
#[derive(Debug)]
pub(super) struct Attempts {
    tried: Vec<Change>,
    /// The wait is over: the next try of what was tried before is allowed.
    ripe: bool,
    backoff: Backoff,
}

impl Attempts {
    /// Nothing was asked yet.
    pub const fn new(backoff: Backoff) -> Self {
        Self { tried: Vec::new(), ripe: false, backoff }
    }

    /// Whether to ask for these changes now. If not, [`Self::due`] says when to look again.
    pub fn admit(&mut self, changes: &[Change], now: Instant) -> bool {
        let is_new = self.tried.len() < TRIED_MAX && changes.iter().any(|change| !self.tried.contains(change));
        if !is_new && !core::mem::take(&mut self.ripe) {
            self.backoff.fail(now);
            return false;
        }
        for change in changes {
            if self.tried.len() < TRIED_MAX && !self.tried.contains(change) {
                self.tried.push(change.clone());
            }
        }
        true
    }

    /// The kernel's state could not even be read.
    pub fn unknown(&mut self, now: Instant) {
        self.backoff.fail(now);
    }

    /// The kernel's state is as wanted.
    pub fn done(&mut self) {
        (self.tried, self.ripe) = (Vec::new(), false);
        self.backoff.clear();
    }

    /// When to look again.
    pub fn due(&self) -> Option<Instant> {
        self.backoff.due()
    }

    /// Whether it is time to look again.
    pub fn fire(&mut self, now: Instant) -> bool {
        let fired = self.backoff.fire(now);
        self.ripe |= fired;
        fired
    }
}
