//! What PID 1 lets the gateway process do to the clock. That process speaks with strangers; whoever takes it over shall not
//! be able to bring back certificates that had run out when the image was built, to make the clock jump to and fro, or to
//! set a time that never was.

use crate::time::{Correction, Duration, Instant, UnixNanos, WallTime};
use core::fmt;

/// How far after the build of the image a time is believed: thirty years.
const PLAUSIBLE: Duration = Duration::from_secs(30 * 365 * 86_400);

/// Between two steps. The gateway wants one, and very rarely a second.
const STEP_EVERY: Duration = Duration::from_secs(30);

/// A step is carried out this long after it was measured, at the latest: the pipe is never that full.
const FRESH: u64 = 10_000_000_000;

/// The largest slew, in nanoseconds: what the kernel's loop takes (`MAXPHASE` in linux/timex.h).
const MAX_SLEW: i64 = 500_000_000;

/// Paces that the gateway may ask the kernel's loop for: those between its own rounds.
const POLL: core::ops::RangeInclusive<u8> = 6..=10;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Set the clock to this.
    Set {
        /// The time now.
        to: UnixNanos,
        /// By how much that is ahead of what the clock says, in nanoseconds.
        by: i64,
    },
    /// Give this to the kernel's loop.
    Slew {
        /// What the clock is to gain, in nanoseconds.
        offset: i64,
        /// The loop's time constant, as the kernel counts it: a power of two of sixteen seconds.
        constant: u8,
    },
}

/// Why a correction is not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Before the image was built.
    BeforeBuild,
    /// Too far in the future.
    Implausible,
    /// The last step was a moment ago.
    TooSoon,
    /// Measured too long ago, or in the future of the boot clock.
    Stale,
    /// Out of bounds.
    TooMuch,
}

impl fmt::Display for Refused {
    /// The end of a sentence.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refused::BeforeBuild => "that is before this system was built",
            Refused::Implausible => "that is thirty years after this system was built",
            Refused::TooSoon => "it was set a moment ago",
            Refused::Stale => "the message is too old",
            Refused::TooMuch => "that is out of bounds",
        })
    }
}

/// Judges corrections.
#[derive(Debug)]
pub struct Keeper {
    built: UnixNanos,
    stepped: Option<Instant>,
}

impl Keeper {
    /// No time before `built` is believed.
    pub fn new(built: WallTime) -> Self {
        Self { built: built.into(), stepped: None }
    }

    /// What to do about a correction. `boot` and `wall` are what the clocks say now.
    ///
    /// # Errors
    /// Why nothing is to be done.
    pub fn judge(&mut self, correction: Correction, boot: u64, wall: UnixNanos) -> Result<Order, Refused> {
        match correction {
            Correction::Step(measured) => {
                let age = boot.checked_sub(measured.boot).filter(|age| *age <= FRESH).ok_or(Refused::Stale)?;
                let to = UnixNanos(measured.wall.0.saturating_add(age));
                self.admit(to, Instant::from_millis(boot / 1_000_000))?;
                Ok(Order::Set { to, by: wall.until(to) })
            }
            Correction::Slew { offset, poll } if offset.unsigned_abs() <= MAX_SLEW.unsigned_abs() => {
                let poll = poll.clamp(*POLL.start(), *POLL.end());
                Ok(Order::Slew { offset, constant: poll - 4 })
            }
            Correction::Slew { .. } => Err(Refused::TooMuch),
        }
    }

    fn admit(&mut self, to: UnixNanos, now: Instant) -> Result<(), Refused> {
        if to < self.built {
            return Err(Refused::BeforeBuild);
        }
        if to.wall().since(self.built.wall()) > PLAUSIBLE {
            return Err(Refused::Implausible);
        }
        if self.stepped.is_some_and(|at| now.since(at) < STEP_EVERY) {
            return Err(Refused::TooSoon);
        }
        self.stepped = Some(now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Reading;
    use proptest::prelude::*;

    const SECOND: u64 = 1_000_000_000;
    const BUILT: u64 = 1_780_000_000;

    fn step(boot: u64, wall: u64) -> Correction {
        Correction::Step(Reading { boot: boot * SECOND, wall: UnixNanos(wall * SECOND) })
    }

    #[test]
    fn a_step_counts_from_when_it_was_measured() {
        let mut keeper = Keeper::new(WallTime(BUILT));
        let order = keeper.judge(step(100, BUILT + 500), 103 * SECOND, UnixNanos((BUILT + 3) * SECOND));
        assert_eq!(order, Ok(Order::Set { to: UnixNanos((BUILT + 503) * SECOND), by: 500 * SECOND as i64 }));
    }

    #[test]
    fn times_that_cannot_be_and_steps_in_a_row_are_refused() {
        let mut keeper = Keeper::new(WallTime(BUILT));
        let mut judge = |correction, boot: u64| keeper.judge(correction, boot * SECOND, UnixNanos(BUILT * SECOND));
        assert_eq!(judge(step(100, BUILT - 1), 100), Err(Refused::BeforeBuild));
        assert_eq!(judge(step(100, BUILT + 31 * 365 * 86_400), 100), Err(Refused::Implausible));
        assert_eq!(judge(step(100, BUILT + 9), 111), Err(Refused::Stale));
        assert_eq!(judge(step(101, BUILT + 9), 100), Err(Refused::Stale));
        assert!(judge(step(100, BUILT + 9), 100).is_ok(), "what was refused does not count as a step");
        assert_eq!(judge(step(101, BUILT + 9), 101), Err(Refused::TooSoon));
        assert!(judge(step(131, BUILT + 9), 131).is_ok());
    }

    #[test]
    fn slews_have_bounds() {
        let mut keeper = Keeper::new(WallTime(BUILT));
        let mut judge = |offset, poll| keeper.judge(Correction::Slew { offset, poll }, 5, UnixNanos(9));
        assert_eq!(judge(-7, 200), Ok(Order::Slew { offset: -7, constant: 6 }));
        assert_eq!(judge(MAX_SLEW, 0), Ok(Order::Slew { offset: MAX_SLEW, constant: 2 }));
        for much in [MAX_SLEW + 1, i64::MIN, i64::MAX] {
            assert_eq!(judge(much, 6), Err(Refused::TooMuch));
        }
    }

    proptest! {
        #[test]
        fn nothing_sets_a_time_before_the_build(boot: u64, measured: u64, time: u64, wall: u64) {
            let mut keeper = Keeper::new(WallTime(BUILT));
            let correction = Correction::Step(Reading { boot: measured, wall: UnixNanos(time) });
            if let Ok(Order::Set { to, .. }) = keeper.judge(correction, boot, UnixNanos(wall)) {
                prop_assert!(to.wall() >= WallTime(BUILT));
                prop_assert!(to.wall().since(WallTime(BUILT)) <= PLAUSIBLE);
            }
        }
    }
}
