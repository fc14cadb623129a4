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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates() {
        let end = Instant::from_millis(u64::MAX);
        assert_eq!(end + Duration::from_secs(1), end);
        assert_eq!(Instant::from_millis(5) - Duration::from_secs(1), Instant::from_millis(0));
        assert_eq!(Instant::from_millis(5).since(Instant::from_millis(9)), Duration::ZERO);
        assert_eq!(WallTime(5).since(WallTime(9)), Duration::ZERO);
    }
}
