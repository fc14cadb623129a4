//! The one place that reads clocks.

use gatepost_core::time::{Instant, WallTime};
use nix::time::{ClockId, clock_gettime};

/// Now on the boot clock.
pub fn now() -> Instant {
    let time = clock_gettime(ClockId::CLOCK_BOOTTIME).unwrap_or_else(|_| nix::sys::time::TimeSpec::new(0, 0));
    let seconds = u64::try_from(time.tv_sec()).unwrap_or(0);
    let millis = u64::try_from(time.tv_nsec()).unwrap_or(0) / 1_000_000;
    Instant::from_millis(seconds.saturating_mul(1000).saturating_add(millis))
}

/// Now as the machine believes it.
pub fn wall() -> WallTime {
    let time = clock_gettime(ClockId::CLOCK_REALTIME).unwrap_or_else(|_| nix::sys::time::TimeSpec::new(0, 0));
    WallTime(u64::try_from(time.tv_sec()).unwrap_or(0))
}
