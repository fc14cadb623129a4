//! One round: every server is asked a few times, and of its answers the one that was on its way for the shortest time is
//! kept (RFC 5905 section 10).

use super::packet::{Packet, UNSYNCHRONISED, mode};
use super::timestamp::{Timestamp, from_short};
use super::{DRIFT_PPM, MAX_DISTANCE, PATIENCE};
use crate::entropy::Entropy;
use crate::net::Ipv4Addr;
use crate::time::{Duration, Instant, Reading, UnixNanos};
use alloc::vec::Vec;

/// Between two questions to one server (RFC 8633 section 3.5 and RFC 5905 section 14: never closer).
const SPACING: Duration = Duration::from_secs(2);

/// Two honest clocks may differ by this much without any of them knowing why: our own loop's haste. In nanoseconds.
const MIN_DISTANCE: u64 = 5_000_000;

/// A server's moment that is this long after our build is a lie or damage: forty years, in nanoseconds.
const PLAUSIBLE: i64 = 40 * 365 * 86_400 * 1_000_000_000;

/// What one answer told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sample {
    /// How far the server's clock is ahead of ours, in nanoseconds.
    pub offset: i64,
    /// How long question and answer were under way together, in nanoseconds.
    pub delay: u64,
    /// The server's own delay and dispersion, in nanoseconds.
    pub root: (u64, u64),
    pub stratum: u8,
    /// When it came.
    pub at: Reading,
}

impl Sample {
    /// How far off it may be either way, in nanoseconds.
    pub fn distance(&self) -> u64 {
        let (delay, dispersion) = self.root;
        (delay / 2).saturating_add(dispersion).saturating_add(self.delay / 2).saturating_add(MIN_DISTANCE)
    }
}

/// What an answer meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Not an answer to our question: as if nothing had come.
    Nothing,
    /// The time.
    Sample(Sample),
    /// It is an answer, but the server does not know the time, or says what can't be true.
    Useless,
    /// Ask less often (RATE).
    Slower,
    /// Never ask again (DENY, RSTR).
    Never,
}

/// One server in the round.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub server: Ipv4Addr,
    /// The number in the question that waits for its answer.
    nonce: Option<u64>,
    /// When the next question is due, or the answer to this one late.
    due: Instant,
    /// Questions still to be sent.
    left: u8,
    pub best: Option<Sample>,
}

/// The round.
#[derive(Clone, Debug)]
pub(super) struct Round {
    pub asked: Vec<Asked>,
}

impl Round {
    /// Each server is to be asked `times`, beginning now.
    pub fn new(servers: &[Ipv4Addr], times: u8, now: Instant) -> Self {
        let fresh = |server: &Ipv4Addr| Asked { server: *server, nonce: None, due: now, left: times, best: None };
        Self { asked: servers.iter().map(fresh).collect() }
    }

    /// The questions that are due, with whom they go to.
    pub fn due(&mut self, now: Instant, entropy: &mut dyn Entropy) -> Vec<(Ipv4Addr, Packet)> {
        let mut questions = Vec::new();
        for asked in self.asked.iter_mut().filter(|asked| asked.due <= now) {
            asked.nonce = None;
            if asked.left == 0 {
                asked.due = Instant::from_millis(u64::MAX);
                continue;
            }
            asked.left -= 1;
            let nonce = u64::from(entropy.next_u32()) << 32 | u64::from(entropy.next_u32());
            (asked.nonce, asked.due) = (Some(nonce), now + PATIENCE);
            questions.push((asked.server, Packet::question(nonce)));
        }
        questions
    }

    /// When [`Self::due`] has something to do.
    pub fn next(&self) -> Option<Instant> {
        self.asked.iter().map(|asked| asked.due).min()
    }

    /// Whether all that will come has come.
    pub fn is_over(&self) -> bool {
        self.asked.iter().all(|asked| asked.nonce.is_none() && asked.left == 0)
    }

    /// A packet from a server. `sent` is the boot clock when the question left.
    pub fn hear(
        &mut self,
        from: Ipv4Addr,
        packet: &Packet,
        sent: u64,
        at: Reading,
        pivot: UnixNanos,
        now: Instant,
    ) -> Heard {
        let Some(asked) = self.asked.iter_mut().find(|asked| asked.server == from) else { return Heard::Nothing };
        // The number is as good as a signature against whoever can't read along.
        if asked.nonce != Some(packet.origin.0) || packet.mode != mode::SERVER || !(3..=4).contains(&packet.version) {
            return Heard::Nothing;
        }
        asked.nonce = None;
        asked.due = now + SPACING;
        let heard = judge(packet, sent, at, pivot);
        match heard {
            Heard::Sample(sample) if asked.best.is_none_or(|best| sample.delay < best.delay) => {
                asked.best = Some(sample);
            }
            Heard::Slower | Heard::Never | Heard::Useless => asked.left = 0,
            _ => {}
        }
        heard
    }
}

/// What an answer to our own question says (RFC 5905 sections 7.4 and 8, RFC 4330 section 5).
fn judge(packet: &Packet, sent: u64, at: Reading, pivot: UnixNanos) -> Heard {
    if packet.stratum == 0 {
        return match &packet.reference_id {
            b"RATE" => Heard::Slower,
            b"DENY" | b"RSTR" => Heard::Never,
            _ => Heard::Useless,
        };
    }
    let root = (from_short(packet.root_delay), from_short(packet.root_dispersion));
    let unset = packet.transmit == Timestamp(0) || packet.receive == Timestamp(0);
    if packet.leap == UNSYNCHRONISED || packet.stratum > 15 || unset {
        return Heard::Useless;
    }
    let (came, left) = (packet.receive.to_unix(pivot), packet.transmit.to_unix(pivot));
    let held = came.until(left);
    let under_way = at.boot.saturating_sub(sent);
    if pivot.until(left) > PLAUSIBLE || held < 0 || held.unsigned_abs() > under_way.saturating_add(MIN_DISTANCE) {
        return Heard::Useless;
    }
    // Ours at sending, by the boot clock: a step meanwhile changes nothing.
    let asked = UnixNanos(at.wall.0.saturating_sub(under_way));
    let offset = ((i128::from(asked.until(came)) + i128::from(at.wall.until(left))) / 2) as i64;
    let sample =
        Sample { offset, delay: under_way.saturating_sub(held.unsigned_abs()), root, stratum: packet.stratum, at };
    if sample.distance() > MAX_DISTANCE { Heard::Useless } else { Heard::Sample(sample) }
}

/// By how much a clock may have gone wrong in a time, both in nanoseconds.
pub(super) fn drift(nanos: u64) -> u64 {
    nanos / 1_000_000 * DRIFT_PPM
}
