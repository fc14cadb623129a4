//! One file on its way to one client: which block is sent when.
//!
//! Blocks are counted from 1 without end; on the wire stand the lower 16 bits. The last block is the first that is not
//! full, and may be empty.

use super::packet::Options;
use super::{MAX_TIME, UNPROVEN_SENDS};
use crate::time::{Duration, Instant};
use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddrV4;
use core::ops::Range;

/// The first wait for an answer; it doubles each time unless the client has set it (RFC 2349).
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// The longest wait between two tries.
const MAX_WAIT: Duration = Duration::from_secs(8);

/// Tries without an answer before a client that has answered once is given up.
const MAX_SENDS: u8 = 6;

pub(super) struct Transfer {
    pub(super) client: SocketAddrV4,
    /// As it may be logged.
    pub(super) name: String,
    /// The client has answered: its address is true.
    pub(super) proven: bool,
    options: Options,
    state: State,
    sends: u8,
    due: Instant,
    end: Instant,
    /// The gap at the present place was filled once.
    mended: bool,
}

enum State {
    /// The file is being opened.
    Opening,
    /// The options are sent, and block 0 is to be acknowledged.
    Offering { size: u64 },
    /// All blocks before `base` are acknowledged, those before `next` are sent.
    Sending { size: u64, base: u64, next: u64 },
}

/// What is to be sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    Nothing,
    Offer,
    Blocks(Range<u64>),
    Done,
    GiveUp,
}

impl Transfer {
    pub(super) fn new(client: SocketAddrV4, name: String, options: Options, now: Instant) -> Self {
        let (due, end) = (now + MAX_WAIT, now + MAX_TIME);
        Self { client, name, proven: false, options, state: State::Opening, sends: 0, due, end, mended: false }
    }

    pub(super) fn due(&self) -> Instant {
        self.due.min(self.end)
    }

    pub(super) fn size(&self) -> u64 {
        match self.state {
            State::Opening => 0,
            State::Offering { size } | State::Sending { size, .. } => size,
        }
    }

    /// The packet that agrees to the options.
    pub(super) fn offer(&self) -> Vec<u8> {
        self.options.acknowledge(self.size())
    }

    /// Where in the file a block is, and its length.
    pub(super) fn place(&self, block: u64) -> (u64, u16) {
        let full = self.options.block();
        let offset = block.saturating_sub(1).saturating_mul(u64::from(full));
        let left = self.size().saturating_sub(offset);
        (offset, u16::try_from(left).map_or(full, |left| left.min(full)))
    }

    /// The number of the last block.
    fn last(&self) -> u64 {
        // A block has eight bytes at least.
        (self.size() / u64::from(self.options.block().max(1))).saturating_add(1)
    }

    /// The file is open.
    pub(super) fn start(&mut self, size: u64, now: Instant) -> Step {
        if !matches!(self.state, State::Opening) {
            return Step::Nothing;
        }
        if self.options.is_empty() {
            self.state = State::Sending { size, base: 1, next: 1 };
            return self.send_on(now);
        }
        self.state = State::Offering { size };
        self.wait(now);
        Step::Offer
    }

    /// An acknowledgement.
    pub(super) fn acknowledged(&mut self, block: u16, now: Instant) -> Step {
        match self.state {
            State::Opening => Step::Nothing,
            State::Offering { size } if block == 0 => {
                self.state = State::Sending { size, base: 1, next: 1 };
                self.progress();
                self.send_on(now)
            }
            State::Offering { .. } => Step::Nothing,
            State::Sending { size, base, next } => {
                // How many blocks more than before: none, if the acknowledgement came twice.
                let before = (base.saturating_sub(1) & 0xffff) as u16;
                let more = u64::from(block.wrapping_sub(before));
                if more > next.saturating_sub(base) {
                    // Older than that, or of what was never sent.
                    return Step::Nothing;
                }
                if more == 0 {
                    return self.mend(size, base, now);
                }
                let base = base.saturating_add(more);
                self.progress();
                // What was sent behind a gap was thrown away by the client (RFC 7440 section 4).
                self.state = State::Sending { size, base, next: base };
                if base > self.last() { Step::Done } else { self.send_on(now) }
            }
        }
    }

    /// The acknowledgement of the block before the window, once more: with windows the client may have missed the first
    /// of them, but then it says so once. Without, it is a copy and answered by nothing.
    fn mend(&mut self, size: u64, base: u64, now: Instant) -> Step {
        if self.options.window() == 1 || self.mended || base == 1 {
            return Step::Nothing;
        }
        self.mended = true;
        self.state = State::Sending { size, base, next: base };
        self.send_on(now)
    }

    fn progress(&mut self) {
        (self.proven, self.sends, self.mended) = (true, 0, false);
    }

    /// The blocks up to the end of the window.
    fn send_on(&mut self, now: Instant) -> Step {
        let State::Sending { size, base, next } = self.state else { return Step::Nothing };
        let end = base.saturating_add(self.options.window().into()).min(self.last().saturating_add(1));
        self.state = State::Sending { size, base, next: end };
        self.wait(now);
        Step::Blocks(next..end)
    }

    fn wait(&mut self, now: Instant) {
        let doubled = FIRST_WAIT.saturating_mul(1 << self.sends.min(3)).min(MAX_WAIT);
        self.due = now + self.options.timeout().unwrap_or(doubled);
        self.sends = self.sends.saturating_add(1);
    }

    /// Nobody has answered in time.
    pub(super) fn timed_out(&mut self, now: Instant) -> Step {
        let most = if self.proven { MAX_SENDS } else { UNPROVEN_SENDS };
        if now >= self.end || self.sends >= most {
            return Step::GiveUp;
        }
        match self.state {
            State::Opening => Step::GiveUp,
            State::Offering { .. } => {
                self.wait(now);
                Step::Offer
            }
            State::Sending { size, base, .. } => {
                self.state = State::Sending { size, base, next: base };
                self.send_on(now)
            }
        }
    }
}
