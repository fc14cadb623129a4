//! The one place that reads clocks.

use gatepost_core::time::{Instant, Reading, UnixNanos, WallTime};
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

/// Both clocks, to the nanosecond.
pub fn reading() -> Reading {
    Reading { boot: nanos(ClockId::CLOCK_BOOTTIME), wall: UnixNanos(nanos(ClockId::CLOCK_REALTIME)) }
}

fn nanos(clock: ClockId) -> u64 {
    let time = clock_gettime(clock).unwrap_or_else(|_| nix::sys::time::TimeSpec::new(0, 0));
    let seconds = u64::try_from(time.tv_sec()).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(time.tv_nsec()).unwrap_or(0))
}
