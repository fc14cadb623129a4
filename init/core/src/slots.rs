//! The boot counter: which of the two systems on the card to start, and when to give one up.
//!
//! The initramfs counts each start before it touches the root file system; the running system confirms itself once it
//! has proved to work. A system that was started [`MAX_STARTS`] times without confirming is given up and the other one
//! selected. Kernel, device tree and firmware that die before the initramfs runs are out of its reach.
//!
//! On the card stand two copies, one 512-byte sector each ([`crate::card::COUNTER_LBAS`]); a write goes to the older
//! or broken one, so a power cut leaves the other. All integers little-endian:
//!
//! ```text
//!   0  8  magic "GPSLOTS\0"        16  4  slot A: starts, confirmed, given up, reason
//!   8  2  version (1)              20  4  slot B: the same
//!  10  2  zero                     24 456 zero
//!  12  4  generation              480 32  SHA-256 of bytes 0..480
//! ```

use crate::card::Slot;
use sha2::{Digest, Sha256};

/// Starts without a confirmation after which a system is given up.
pub const MAX_STARTS: u8 = 3;

/// Bytes of one copy of the counter: one sector, the unit that a card writes whole.
pub const SECTOR: usize = 512;

const MAGIC: [u8; 8] = *b"GPSLOTS\0";
/// 1: first version.
const VERSION: u16 = 1;
const SUM_AT: usize = 480;

/// Why the last unconfirmed start of a system failed, as far as it could still say so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reason {
    /// It fell silent: a crash, a power cut, or the kernel stopped it (also on a damaged block met while running).
    #[default]
    Unknown,
    /// The root file system could not be found or opened.
    NoRoot,
    /// A block of the root file system does not match its checksum.
    Damaged,
    /// The gateway process did not stay alive.
    GatewayDead,
}

impl Reason {
    const fn code(self) -> u8 {
        match self {
            Reason::Unknown => 0,
            Reason::NoRoot => 1,
            Reason::Damaged => 2,
            Reason::GatewayDead => 3,
        }
    }

    const fn from_code(code: u8) -> Self {
        match code {
            1 => Reason::NoRoot,
            2 => Reason::Damaged,
            3 => Reason::GatewayDead,
            _ => Reason::Unknown,
        }
    }

    /// A plain clause for the console.
    pub const fn text(self) -> &'static str {
        match self {
            Reason::Unknown => "it stopped before it had proved to work",
            Reason::NoRoot => "its root file system could not be opened",
            Reason::Damaged => "its root file system is damaged",
            Reason::GatewayDead => "its gateway program did not stay alive",
        }
    }
}

/// What is known about one system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SlotRecord {
    /// Starts since the last confirmation; stays at 255 if it gets there.
    pub starts: u8,
    /// It has worked at least once.
    pub confirmed: bool,
    /// It failed [`MAX_STARTS`] times in a row and has not worked since.
    pub given_up: bool,
    /// What went wrong last.
    pub reason: Reason,
}

/// The counter as a value. The default is a card fresh from the factory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counter {
    generation: u32,
    slots: [SlotRecord; 2],
}

/// What stage one does with this start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Start the running slot's system.
    GoOn,
    /// Give the running slot up: select the other and restart.
    SwitchTo(Slot),
}

impl Counter {
    /// What is known about `slot`.
    pub const fn slot(&self, slot: Slot) -> SlotRecord {
        let [a, b] = self.slots;
        match slot {
            Slot::A => a,
            Slot::B => b,
        }
    }

    /// Whether neither system is known to start.
    pub const fn hopeless(&self) -> bool {
        self.slot(Slot::A).given_up && self.slot(Slot::B).given_up
    }

    /// Counts a start of the `running` slot and says what to do. Write the counter before acting on the verdict.
    ///
    /// On `SwitchTo` the running slot keeps its count, so that a power cut before the selector is rewritten leads here
    /// again; the other slot starts with a clean count even if it was given up before: with two bad systems the card
    /// keeps trying both, since a fault may pass (heat, a weak supply).
    pub fn start(&mut self, running: Slot) -> Verdict {
        if self.slot(running).starts < MAX_STARTS {
            let record = self.slot_mut(running);
            record.starts = record.starts.saturating_add(1);
            return Verdict::GoOn;
        }
        self.slot_mut(running).given_up = true;
        self.slot_mut(running.other()).starts = 0;
        Verdict::SwitchTo(running.other())
    }

    /// The running system has proved to work. Returns whether that changed anything worth a write.
    pub fn confirm(&mut self, running: Slot) -> bool {
        let proved = SlotRecord { starts: 0, confirmed: true, given_up: false, reason: Reason::Unknown };
        let record = self.slot_mut(running);
        let changed = *record != proved;
        *record = proved;
        changed
    }

    /// Notes why this start of `running` fails. Returns whether that changed anything worth a write.
    pub fn note(&mut self, running: Slot, reason: Reason) -> bool {
        let record = self.slot_mut(running);
        let changed = record.reason != reason;
        record.reason = reason;
        changed
    }

    fn slot_mut(&mut self, slot: Slot) -> &mut SlotRecord {
        let [a, b] = &mut self.slots;
        match slot {
            Slot::A => a,
            Slot::B => b,
        }
    }

    /// The sector to write now: the same state under the next generation.
    pub fn encode_next(&mut self) -> [u8; SECTOR] {
        self.generation = self.generation.wrapping_add(1);
        let [a, b] =
            self.slots.map(|slot| [slot.starts, u8::from(slot.confirmed), u8::from(slot.given_up), slot.reason.code()]);
        let mut sector = [0; SECTOR];
        let head = MAGIC.into_iter().chain(VERSION.to_le_bytes()).chain([0; 2]);
        let fields = head.chain(self.generation.to_le_bytes()).chain(a).chain(b);
        sector.iter_mut().zip(fields).for_each(|(byte, value)| *byte = value);
        let (body, sum) = sector.split_at_mut(SUM_AT);
        sum.copy_from_slice(&Sha256::digest(body));
        sector
    }

    /// Reads one copy; `None` unless every byte of it is as this version writes it.
    fn decode(sector: &[u8]) -> Option<Self> {
        let (body, sum) = sector.get(..SECTOR)?.split_at_checked(SUM_AT)?;
        let known = body.starts_with(&MAGIC) && body.get(8..10)? == VERSION.to_le_bytes();
        if !known || Sha256::digest(body)[..] != *sum {
            return None;
        }
        let record = |at: usize| match body.get(at..at + 4)? {
            &[starts, confirmed, given_up, reason] => Some(SlotRecord {
                starts,
                confirmed: confirmed == 1,
                given_up: given_up == 1,
                reason: Reason::from_code(reason),
            }),
            _ => None,
        };
        let generation = u32::from_le_bytes(body.get(12..16)?.try_into().ok()?);
        Some(Self { generation, slots: [record(16)?, record(20)?] })
    }
}

/// What was found in the two sectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// The newest valid state; the factory's if there is none.
    pub counter: Counter,
    /// Which copy (0 or 1) the next write goes to.
    pub write_to: usize,
    /// Neither copy is valid, and not because the card is new.
    pub lost: bool,
}

/// Picks the newest valid one of the two copies.
pub fn read(sectors: [&[u8]; 2]) -> Found {
    let [first, second] = sectors.map(Counter::decode);
    let blank = |sector: &[u8]| sector.iter().all(|&byte| byte == 0);
    match (first, second) {
        (Some(a), Some(b)) if newer(b.generation, a.generation) => Found { counter: b, write_to: 0, lost: false },
        (Some(a), _) => Found { counter: a, write_to: 1, lost: false },
        (None, Some(b)) => Found { counter: b, write_to: 0, lost: false },
        (None, None) => Found { counter: Counter::default(), write_to: 0, lost: !sectors.into_iter().all(blank) },
    }
}

/// Serial-number comparison (RFC 1982): right across the wrap at 2^32.
const fn newer(a: u32, b: u32) -> bool {
    a != b && a.wrapping_sub(b) < 1 << 31
}

#[cfg(test)]
mod tests;
