//! What PID 1 may do to the machine as a whole.

use gatepost_core::time::Instant;
use nix::sys::reboot::{RebootMode, reboot};
use nix::time::{ClockId, clock_gettime};

/// How a shutdown ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Start again.
    Restart,
    /// No power, or as near to it as the board can go.
    PowerOff,
}

/// The boot clock.
pub fn now() -> Instant {
    let time = clock_gettime(ClockId::CLOCK_BOOTTIME).map(std::time::Duration::from).unwrap_or_default();
    Instant::from_millis(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

/// Ends this run of the machine at once. Returns only if the kernel refuses; where no driver can restart the board
/// (see `bcm2835_wdt`) it never returns and the watchdog has the last word.
pub fn end(how: End) {
    nix::unistd::sync();
    let mode = match how {
        End::Restart => RebootMode::RB_AUTOBOOT,
        End::PowerOff => RebootMode::RB_POWER_OFF,
    };
    let _ = reboot(mode);
}

/// Lets every other process go first.
pub fn step_back() {
    // SAFETY: changes this process's own priority; no memory is involved.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 19) };
}

/// Leaves a line in the kernel's log, which gives it the time: how long the steps of a start take is seen there with
/// `loglevel=7` on the command line.
pub fn mark(step: &str) {
    // The log is for whoever measures; a start does not depend on it.
    let _ = std::fs::write("/dev/kmsg", format!("<6>gatepost: {step}\n"));
}
