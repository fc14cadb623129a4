//! A tap device: the far end of the guest's network cable.

use anyhow::{Context, Result, bail};
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;

/// `TUNSETIFF` of linux/if_tun.h: _IOW('T', 202, int).
const TUNSETIFF: libc::c_ulong = 0x4004_54ca;

/// A tap device in the namespace of the thread that opened it. It exists as long as this descriptor.
#[derive(Debug)]
pub struct Tap {
    file: File,
}

impl Tap {
    /// Makes the device `name` (at most 15 bytes) in the calling thread's namespace.
    ///
    /// # Errors
    /// /dev/net/tun is missing, or the caller may not.
    pub fn open(name: &str) -> Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK)
            .open("/dev/net/tun")
            .context("can't open /dev/net/tun (modprobe tun?)")?;
        if name.len() >= libc::IFNAMSIZ {
            bail!("{name} is too long for an interface");
        }
        // SAFETY: all-zero bytes are a valid ifreq.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
            *to = from.cast_signed();
        }
        request.ifr_ifru.ifru_flags = (libc::IFF_TAP | libc::IFF_NO_PI) as libc::c_short;
        // SAFETY: the descriptor is open and the request lives through the call.
        if unsafe { libc::ioctl(file.as_raw_fd(), TUNSETIFF, &raw mut request) } < 0 {
            return Err(io::Error::last_os_error()).with_context(|| format!("can't make the tap device {name}"));
        }
        Ok(Self { file })
    }

    /// The descriptor for QEMU.
    #[must_use]
    pub fn descriptor(&self) -> RawFd {
        self.file.as_raw_fd()
    }

    /// Throws away frames that no guest took, so that the next one does not hear the past.
    pub fn drain(&self) {
        let mut frame = [0; 2048];
        while (&self.file).read(&mut frame).is_ok_and(|n| n > 0) {}
    }
}
