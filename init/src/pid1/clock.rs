//! The wall clock of a board without a battery: the later of the image's build time and the time last saved, so that
//! it is never far off by much more than the board was without power, and never runs backwards over a restart.

use super::files;
use gatepost_core::card;
use gatepost_core::clock::{Keeper, Order};
use gatepost_core::time::{Correction, Duration, UnixNanos, WallTime};
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime, clock_settime};
use std::path::Path;

/// Where the time is saved, as decimal Unix seconds.
const FILE: &str = "/config/init/clock";
/// Once an hour: with a clean shutdown rare, the loss after a power cut; 9000 small writes a year, little for a card.
pub const SAVE_EVERY: Duration = Duration::from_secs(3600);
/// A saved time further past the build than this is taken for damage: thirty years.
const PLAUSIBLE_SECS: u64 = 30 * 365 * 86400;

/// Sets the clock if it would go forward. A board with a real clock keeps its own.
pub fn set() {
    let built = card::built(&files::read_text(card::RELEASE_FILE, 4096).unwrap_or_default());
    let saved = parse(&files::read_text(FILE, 32).unwrap_or_default());
    let best = best(now(), built, saved);
    if best > now() {
        let secs = i64::try_from(best.0).unwrap_or(0);
        let _ = clock_settime(ClockId::CLOCK_REALTIME, TimeSpec::new(secs, 0));
    }
}

/// Saves the time, surviving a power cut.
///
/// # Errors
/// Those of writing.
pub fn save() -> std::io::Result<()> {
    files::replace(Path::new(FILE), format!("{}\n", now().0).as_bytes())
}

/// What the clock says.
pub fn now() -> WallTime {
    let secs = clock_gettime(ClockId::CLOCK_REALTIME).map_or(0, |time| time.tv_sec());
    WallTime(u64::try_from(secs).unwrap_or(0))
}

/// Makes the corrections that the gateway process asks for, if [`Keeper`] lets it.
pub struct Adjuster {
    keeper: Keeper,
    /// The clock was corrected once: it is right, or about to be.
    corrected: bool,
    /// A refusal or failure was shown; the gateway could repeat its cause for ever.
    complained: bool,
}

/// What came of a correction.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// A sentence for the console.
    pub say: Option<String>,
    /// The time should be saved soon: it is better than what stands on the card.
    pub save: bool,
}

impl Adjuster {
    /// Nothing was corrected yet.
    pub fn new() -> Self {
        let built = card::built(&files::read_text(card::RELEASE_FILE, 4096).unwrap_or_default());
        Self { keeper: Keeper::new(built), corrected: false, complained: false }
    }

    /// Makes a correction, or says why not.
    pub fn correct(&mut self, correction: Correction) -> Outcome {
        let (boot, wall) = (nanos(ClockId::CLOCK_BOOTTIME), UnixNanos(nanos(ClockId::CLOCK_REALTIME)));
        let order = match self.keeper.judge(correction, boot, wall) {
            Ok(order) => order,
            Err(why) => return self.complain(format!("The clock is not set: {why}.")),
        };
        let (done, stepped) = match order {
            Order::Set { to, .. } => (step(to), true),
            Order::Slew { offset, constant } => (slew(offset, constant), false),
        };
        if let Err(error) = done {
            return self.complain(format!("The clock can't be set: {error}."));
        }
        let first = !std::mem::replace(&mut self.corrected, true);
        let say = stepped.then(|| format!("The clock is set: it is {}.", now()));
        Outcome { say, save: first || stepped }
    }

    fn complain(&mut self, sentence: String) -> Outcome {
        let again = std::mem::replace(&mut self.complained, true);
        Outcome { say: (!again).then_some(sentence), save: false }
    }
}

fn nanos(clock: ClockId) -> u64 {
    let time = clock_gettime(clock).unwrap_or_else(|_| TimeSpec::new(0, 0));
    let seconds = u64::try_from(time.tv_sec()).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(time.tv_nsec()).unwrap_or(0))
}

fn step(to: UnixNanos) -> std::io::Result<()> {
    let part = |nanos: u64| i64::try_from(nanos).unwrap_or(0);
    let time = TimeSpec::new(part(to.0 / 1_000_000_000), part(to.0 % 1_000_000_000));
    Ok(clock_settime(ClockId::CLOCK_REALTIME, time)?)
}

/// Gives an offset to the kernel's phase-locked loop, which also learns from it how fast our oscillator runs. Where there
/// is a real-time clock the kernel writes the time to it from then on.
fn slew(offset: i64, constant: u8) -> std::io::Result<()> {
    // SAFETY: a plain structure of numbers, for which zero is a value.
    let mut timex: libc::timex = unsafe { std::mem::zeroed() };
    timex.modes = libc::ADJ_STATUS
        | libc::ADJ_NANO
        | libc::ADJ_OFFSET
        | libc::ADJ_TIMECONST
        | libc::ADJ_MAXERROR
        | libc::ADJ_ESTERROR;
    timex.status = libc::STA_PLL;
    timex.offset = offset;
    timex.constant = i64::from(constant);
    // SAFETY: the structure lives through the call.
    if unsafe { libc::adjtimex(&raw mut timex) } < 0 { Err(std::io::Error::last_os_error()) } else { Ok(()) }
}

fn best(now: WallTime, built: WallTime, saved: Option<WallTime>) -> WallTime {
    let saved = saved.filter(|saved| saved.since(built).as_secs() <= PLAUSIBLE_SECS);
    now.max(built).max(saved.unwrap_or_default())
}

fn parse(text: &str) -> Option<WallTime> {
    text.trim().parse().ok().map(WallTime)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_plausible_time_wins() {
        let (old, build, later) = (WallTime(0), card::built("version=1\nbuilt=1700000000\n"), WallTime(1_700_000_500));
        assert_eq!(build, WallTime(1_700_000_000));
        assert_eq!(best(old, build, None), build);
        assert_eq!(best(old, build, Some(WallTime(5))), build);
        assert_eq!(best(old, build, Some(later)), later);
        assert_eq!(best(later, build, None), later);
        assert_eq!(best(old, build, Some(WallTime(u64::MAX))), build, "damaged");
        assert_eq!((parse("-1"), parse("1\n")), (None, Some(WallTime(1))));
        assert!(card::built("x") > build, "a system that does not say when it was built is from 2026 at least");
    }
}
