//! Time as a value: the core is told what time it is and never asks.

use core::fmt;
use core::ops::{Add, Sub};
pub use core::time::Duration;

/// A moment on the boot clock (`CLOCK_BOOTTIME`): milliseconds since the kernel started, suspended time included.
/// It never jumps, so every timer runs on it. Wall time is only for people and for the disk: see [`WallTime`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(u64);

impl Instant {
    /// The moment `millis` milliseconds after boot.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// The moment `secs` seconds after boot.
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1000))
    }

    /// Milliseconds since boot.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// How long after `earlier` this moment is; zero if it is not after it.
    pub const fn since(self, earlier: Instant) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;

    /// Saturates: a moment past the end of the clock is the end of the clock ("never").
    fn add(self, duration: Duration) -> Instant {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Instant(self.0.saturating_add(millis))
    }
}

impl Sub<Duration> for Instant {
    type Output = Instant;

    /// Saturates at boot.
    fn sub(self, duration: Duration) -> Instant {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Instant(self.0.saturating_sub(millis))
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1000, self.0 % 1000)
    }
}

/// Seconds since 1970-01-01 UTC as the machine believes them. A Pi has no battery-backed clock, so this may be the
/// build date of the image until something better is known; nothing but saved state and people's eyes depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct WallTime(pub u64);

impl WallTime {
    /// Whole seconds since `earlier`; zero if the clock went back.
    pub const fn since(self, earlier: WallTime) -> Duration {
        Duration::from_secs(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for WallTime {
    /// For people, as `2026-11-25 19:31:07 UTC`: days are counted in the Gregorian calendar, leap seconds are not.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Days since 0000-03-01, so that the leap day is the last of its year; 400 years have 146097 days.
        let days = self.0 / 86_400 + 719_468;
        let (era, of_era) = (days / 146_097, days % 146_097);
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * of_year + 2) / 153;
        let day = of_year - (153 * from_march + 2) / 5 + 1;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        let year = era * 400 + year_of_era + u64::from(month <= 2);
        let (hour, minute, second) = (self.0 / 3600 % 24, self.0 / 60 % 60, self.0 % 60);
        write!(f, "{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
    }
}

/// Nanoseconds since 1970-01-01 UTC; holds until the year 2554.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct UnixNanos(pub u64);

impl UnixNanos {
    /// Whole seconds.
    pub const fn wall(self) -> WallTime {
        WallTime(self.0 / 1_000_000_000)
    }

    /// How far `other` is ahead of this moment, in nanoseconds; held at 292 years either way.
    pub const fn until(self, other: UnixNanos) -> i64 {
        let difference = other.0 as i128 - self.0 as i128;
        if difference > i64::MAX as i128 {
            i64::MAX
        } else if difference < i64::MIN as i128 {
            i64::MIN
        } else {
            difference as i64
        }
    }

    /// This moment moved by so many nanoseconds; saturates.
    pub const fn moved(self, nanos: i64) -> UnixNanos {
        UnixNanos(self.0.saturating_add_signed(nanos))
    }
}

impl From<WallTime> for UnixNanos {
    fn from(wall: WallTime) -> Self {
        Self(wall.0.saturating_mul(1_000_000_000))
    }
}

/// Both clocks, read together: how they stand to each other is all that a step of the wall clock changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Reading {
    /// The boot clock in nanoseconds.
    pub boot: u64,
    /// The wall clock.
    pub wall: UnixNanos,
}

/// What is to be done to the wall clock. Only PID 1 can do it, and it looks at it first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Correction {
    /// Set it so that it reads, or would have read, as given.
    Step(Reading),
    /// Let it run a little faster or slower until it has gained so much.
    Slew {
        /// What it is to gain, in nanoseconds; negative: to lose.
        offset: i64,
        /// The time until the next correction, as a power of two of seconds: how fast to follow.
        poll: u8,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn wall_time_is_shown_as_a_date() {
        for (secs, text) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (1_772_323_199, "2026-02-28 23:59:59 UTC"),
            (1_772_323_200, "2026-03-01 00:00:00 UTC"),
            (4_102_444_799, "2099-12-31 23:59:59 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
        ] {
            assert_eq!(WallTime(secs).to_string(), text);
        }
        let _ = WallTime(u64::MAX).to_string();
    }

    #[test]
    fn differences_of_moments_are_held() {
        let (early, late) = (UnixNanos(5), UnixNanos(u64::MAX));
        assert_eq!((early.until(UnixNanos(9)), UnixNanos(9).until(early)), (4, -4));
        assert_eq!((early.until(late), late.until(early)), (i64::MAX, i64::MIN));
        assert_eq!((early.moved(-9), late.moved(9)), (UnixNanos(0), late));
    }

    #[test]
    fn arithmetic_saturates() {
        let end = Instant::from_millis(u64::MAX);
        assert_eq!(end + Duration::from_secs(1), end);
        assert_eq!(Instant::from_millis(5) - Duration::from_secs(1), Instant::from_millis(0));
        assert_eq!(Instant::from_millis(5).since(Instant::from_millis(9)), Duration::ZERO);
        assert_eq!(WallTime(5).since(WallTime(9)), Duration::ZERO);
    }
}
