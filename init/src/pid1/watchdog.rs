//! The hardware watchdog: restarts the machine when PID 1 stops feeding it.
//!
//! When it may be armed: QEMU's models of the Pi take the first write to the watchdog for an immediate reset. A real
//! Pi's firmware adds nodes to the device tree that it hands over (`/system/linux,revision`, the board's revision code,
//! and on newer firmware `/chosen/bootloader`); QEMU, which has no firmware, hands the tree on as it got it. So: a
//! device tree that calls itself a Raspberry Pi without one of these nodes is an emulated one, and its watchdog is left
//! alone. Any other machine's watchdog (QEMU's `virt` with `i6300esb`) is used.

use super::files;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, RawFd};
use std::path::Path;

const DEVICE: &str = "/dev/watchdog0";
const TREE: &str = "/proc/device-tree";
/// Seconds from the last feeding to the reset. The Pi's timer cannot count further than 16.
const TIMEOUT_SECS: libc::c_int = 15;
/// Three feedings fit into the timeout: one may come late.
pub const FEED_EVERY: gatepost_core::time::Duration = gatepost_core::time::Duration::from_secs(4);

nix::ioctl_readwrite!(set_timeout, b'W', 6, libc::c_int);

/// An armed watchdog. Dropping it does not disarm it.
pub struct Watchdog(File);

impl Watchdog {
    /// Arms the machine's watchdog, if there is one by now and it is safe to.
    pub fn open() -> Option<Self> {
        let compatible = files::read_bounded(&Path::new(TREE).join("compatible"), 1024).unwrap_or_default();
        let firmware = ["system/linux,revision", "chosen/bootloader"];
        if !may_arm(&compatible, firmware.iter().any(|node| Path::new(TREE).join(node).exists())) {
            return None;
        }
        let file = OpenOptions::new().write(true).open(DEVICE).ok()?;
        let mut secs = TIMEOUT_SECS;
        // SAFETY: the ioctl reads and writes one int at the address given. A driver that refuses keeps its default.
        let _ = unsafe { set_timeout(file.as_raw_fd(), &mut secs) };
        Some(Self(file))
    }

    /// From a descriptor that stage one left open for us.
    pub fn adopt(fd: RawFd) -> Option<Self> {
        let path = std::fs::read_link(format!("/proc/self/fd/{fd}")).ok()?;
        if path != Path::new(DEVICE) {
            return None;
        }
        // SAFETY: the link proves that the descriptor is open; nothing else in this fresh process owns it.
        let file = unsafe { File::from_raw_fd(fd) };
        let _ = nix::fcntl::fcntl(&file, nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::FD_CLOEXEC));
        Some(Self(file))
    }

    /// Leaves the descriptor open across exec.
    pub fn hand_over(self) -> RawFd {
        let _ = nix::fcntl::fcntl(&self.0, nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::empty()));
        self.0.into_raw_fd()
    }

    /// Not now.
    pub fn feed(&mut self) {
        let _ = self.0.write_all(b".");
    }

    /// Disarms it: the magic letter, then close.
    pub fn disarm(mut self) {
        let _ = self.0.write_all(b"V");
    }
}

fn may_arm(compatible: &[u8], firmware_nodes: bool) -> bool {
    let pi = compatible.split(|&byte| byte == 0).any(|name| name.starts_with(b"raspberrypi,"));
    firmware_nodes || !pi
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_emulated_pi_is_left_alone() {
        let pi = b"raspberrypi,3-model-b\0brcm,bcm2837\0";
        assert!(!may_arm(pi, false));
        assert!(may_arm(pi, true));
        assert!(may_arm(b"linux,dummy-virt\0", false));
        assert!(may_arm(b"", false));
    }
}
