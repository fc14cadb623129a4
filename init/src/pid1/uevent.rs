//! The kernel's messages about hardware that comes and goes (netlink, NETLINK_KOBJECT_UEVENT).

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recvfrom, setsockopt, socket, sockopt,
};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// The kernel's group; group 2 is udev's.
const KERNEL_GROUP: u32 = 1;
/// Room for a burst while we are busy: coldplug of a Pi sends some hundred messages of 300 bytes.
const RECEIVE_BYTES: usize = 512 * 1024;
/// The kernel builds a message in 2048 bytes of environment plus a path.
const MAX_MESSAGE: usize = 8192;

/// What we look at in a message.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Uevent {
    /// `add`, `remove`, `change`, `bind` …
    pub action: String,
    /// `block`, `net`, `usb` …
    pub subsystem: String,
    /// What module aliases match against; empty if the device has none.
    pub modalias: String,
}

/// What a read gave.
#[derive(Debug, PartialEq, Eq)]
pub enum Received {
    /// One message.
    Event(Uevent),
    /// Messages were lost: look at everything again.
    Overrun,
    /// Nothing (more) to read.
    Empty,
}

/// A socket that hears the kernel's messages from now on.
pub struct Uevents(OwnedFd);

impl Uevents {
    /// Opens the socket, non-blocking.
    ///
    /// # Errors
    /// Those of the socket calls.
    pub fn open() -> nix::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let fd = socket(AddressFamily::Netlink, SockType::Datagram, flags, SockProtocol::NetlinkKObjectUEvent)?;
        let _ = setsockopt(&fd, sockopt::RcvBufForce, &RECEIVE_BYTES);
        bind(fd.as_raw_fd(), &NetlinkAddr::new(0, KERNEL_GROUP))?;
        Ok(Self(fd))
    }

    /// The next message, without waiting.
    pub fn receive(&self) -> Received {
        let mut buffer = [0; MAX_MESSAGE];
        loop {
            match recvfrom::<NetlinkAddr>(self.0.as_raw_fd(), &mut buffer) {
                // Port 0 is the kernel: whoever has CAP_NET_ADMIN, as the gateway has, could send us messages too.
                Ok((len, Some(from))) if from.pid() == 0 => {
                    return Received::Event(parse(buffer.get(..len).unwrap_or_default()));
                }
                Ok(_) | Err(Errno::EINTR) => {}
                Err(Errno::ENOBUFS) => return Received::Overrun,
                Err(_) => return Received::Empty,
            }
        }
    }
}

impl AsFd for Uevents {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// `action@path`, then `KEY=value` strings, each ended by a zero byte.
fn parse(message: &[u8]) -> Uevent {
    let mut event = Uevent::default();
    for field in message.split(|&byte| byte == 0).filter_map(|field| std::str::from_utf8(field).ok()) {
        match field.split_once('=') {
            Some(("ACTION", value)) => event.action = value.to_owned(),
            Some(("SUBSYSTEM", value)) => event.subsystem = value.to_owned(),
            Some(("MODALIAS", value)) => event.modalias = value.to_owned(),
            _ => {}
        }
    }
    event
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found() {
        let message =
            b"add@/devices/x\0ACTION=add\0DEVPATH=/devices/x\0SUBSYSTEM=virtio\0MODALIAS=virtio:d1v2\0SEQNUM=9\0";
        let event = parse(message);
        assert_eq!((event.action.as_str(), event.subsystem.as_str()), ("add", "virtio"));
        assert_eq!(event.modalias, "virtio:d1v2");
        assert_eq!(parse(b"\0\0=\xff\0ACTION"), Uevent::default());
    }
}
