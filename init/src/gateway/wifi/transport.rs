//! The way to the kernel's Wi-Fi: a generic netlink socket, and a packet socket for EAPOL where the driver has no
//! control port. Behind a trait, so that a conversation with a radio that nobody has here can be replayed.

use gatepost_core::net::MacAddr;
use netlink_sys::protocols::NETLINK_GENERIC;
use netlink_sys::{Socket, SocketAddr};
use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::EventFd;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::Arc;
use std::time::Instant;

/// The largest datagram: the kernel fills at most this much of a list into one.
const MAX_DATAGRAM: usize = 32 * 1024;

/// The largest EAPOL frame: one Ethernet frame.
const MAX_EAPOL: usize = 2048;

/// What came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// A datagram of generic netlink.
    Netlink,
    /// An EAPOL frame from the packet socket, and its sender.
    Eapol(MacAddr),
    /// Somebody has work for us.
    Woken,
    /// Time is over.
    Nothing,
}

/// A way to nl80211.
pub trait Transport {
    /// Hands a message to the kernel, which carries the command out before this returns: seconds, with some drivers.
    fn send(&mut self, message: &[u8]) -> io::Result<()>;
    /// Waits until `until` for what comes first and puts its bytes into `buffer`.
    fn receive(&mut self, until: Instant, buffer: &mut Vec<u8>) -> io::Result<Received>;
    /// Joins a multicast group.
    fn join(&mut self, group: u32) -> io::Result<()>;
    /// From now on EAPOL goes over a packet socket on this interface.
    fn open_eapol(&mut self, index: u32) -> io::Result<()>;
    /// Sends an EAPOL frame over that socket.
    fn send_eapol(&mut self, to: MacAddr, frame: &[u8]) -> io::Result<()>;
}

/// The kernel itself.
pub struct Kernel {
    netlink: Socket,
    eapol: Option<Eapol>,
    wake: Arc<EventFd>,
}

struct Eapol {
    fd: OwnedFd,
    index: i32,
}

impl Kernel {
    /// Opens the netlink socket; a write to `wake` ends a wait.
    pub fn open(wake: Arc<EventFd>) -> io::Result<Self> {
        let mut netlink = Socket::new(NETLINK_GENERIC)?;
        netlink.bind_auto()?;
        netlink.set_non_blocking(true)?;
        // An error without a copy of the message that it is about: there may be a key in that. Old kernels send it.
        let _ = netlink.set_cap_ack(true);
        Ok(Self { netlink, eapol: None, wake })
    }

    fn take_netlink(&self, buffer: &mut Vec<u8>) -> io::Result<bool> {
        buffer.clear();
        buffer.reserve(MAX_DATAGRAM);
        match self.netlink.recv_from(buffer, 0) {
            // Other processes can't send here, but it costs nothing to be sure.
            Ok((_, sender)) => Ok(sender.port_number() == 0),
            Err(error) if is_nothing(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn is_nothing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

impl Transport for Kernel {
    fn send(&mut self, message: &[u8]) -> io::Result<()> {
        self.netlink.send_to(message, &SocketAddr::new(0, 0), 0).map(drop)
    }

    fn receive(&mut self, until: Instant, buffer: &mut Vec<u8>) -> io::Result<Received> {
        loop {
            let left = until.saturating_duration_since(Instant::now());
            // Rounded up, or the last millisecond would be spent in circles.
            let left = u16::try_from(left.as_millis() + 1).map_or(PollTimeout::MAX, PollTimeout::from);
            // SAFETY: the socket owns the descriptor and outlives the call.
            let netlink = unsafe { BorrowedFd::borrow_raw(self.netlink.as_raw_fd()) };
            let eapol = self.eapol.as_ref().map(|eapol| eapol.fd.as_fd());
            let mut fds =
                vec![PollFd::new(netlink, PollFlags::POLLIN), PollFd::new(self.wake.as_fd(), PollFlags::POLLIN)];
            fds.extend(eapol.map(|fd| PollFd::new(fd, PollFlags::POLLIN)));
            match poll(&mut fds, left) {
                Ok(0) => return Ok(Received::Nothing),
                Ok(_) | Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
            let ready: Vec<bool> = fds.iter().map(|fd| fd.any() == Some(true)).collect();
            let is_ready = |at| ready.get(at) == Some(&true);
            if is_ready(0) && self.take_netlink(buffer)? {
                return Ok(Received::Netlink);
            }
            if is_ready(2)
                && let Some(from) = self.eapol.as_ref().and_then(|eapol| eapol.take(buffer))
            {
                return Ok(Received::Eapol(from));
            }
            if is_ready(1) {
                // Only the news counts.
                let _ = self.wake.read();
                return Ok(Received::Woken);
            }
            if Instant::now() >= until {
                return Ok(Received::Nothing);
            }
        }
    }

    fn join(&mut self, group: u32) -> io::Result<()> {
        self.netlink.add_membership(group)
    }

    fn open_eapol(&mut self, index: u32) -> io::Result<()> {
        self.eapol = Some(Eapol::open(index)?);
        Ok(())
    }

    fn send_eapol(&mut self, to: MacAddr, frame: &[u8]) -> io::Result<()> {
        self.eapol.as_ref().map_or(Err(io::ErrorKind::NotConnected.into()), |eapol| eapol.send(to, frame))
    }
}

impl Eapol {
    /// A socket for frames without their Ethernet header (packet(7), `SOCK_DGRAM`). Needs CAP_NET_RAW.
    fn open(index: u32) -> io::Result<Self> {
        let kind = libc::SOCK_DGRAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        // SAFETY: no pointers; the result is checked. Protocol 0: nothing arrives before the socket is bound.
        let fd = unsafe { libc::socket(libc::AF_PACKET, kind, 0) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor is new and nobody else's.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        let index = i32::try_from(index).map_err(|_| io::ErrorKind::InvalidInput)?;
        let eapol = Self { fd, index };
        let address = eapol.address(None);
        // SAFETY: `address` is a sockaddr_ll of that length and outlives the call.
        let bound = unsafe { libc::bind(eapol.fd.as_raw_fd(), (&raw const address).cast(), ADDRESS_LENGTH) };
        if bound == 0 { Ok(eapol) } else { Err(io::Error::last_os_error()) }
    }

    fn address(&self, to: Option<MacAddr>) -> libc::sockaddr_ll {
        // SAFETY: sockaddr_ll is plain integers; all zeroes is a valid value.
        let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_protocol = super::numbers::value::ETH_P_PAE.to_be();
        address.sll_ifindex = self.index;
        if let (Some(MacAddr(to)), Some(place)) = (to, address.sll_addr.get_mut(..6)) {
            place.copy_from_slice(&to);
            address.sll_halen = 6;
        }
        address
    }

    fn send(&self, to: MacAddr, frame: &[u8]) -> io::Result<()> {
        let address = self.address(Some(to));
        // SAFETY: frame and address are what the lengths say and outlive the call.
        let sent = unsafe {
            libc::sendto(
                self.fd.as_raw_fd(),
                frame.as_ptr().cast(),
                frame.len(),
                libc::MSG_DONTWAIT,
                (&raw const address).cast(),
                ADDRESS_LENGTH,
            )
        };
        if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// The next frame and its sender. Errors are not told: an interface that has gone is told by netlink.
    fn take(&self, buffer: &mut Vec<u8>) -> Option<MacAddr> {
        buffer.clear();
        buffer.resize(MAX_EAPOL, 0);
        let mut address = self.address(None);
        let mut length = ADDRESS_LENGTH;
        // SAFETY: buffer and address are what the lengths say; the kernel writes no more than that.
        let received = unsafe {
            libc::recvfrom(
                self.fd.as_raw_fd(),
                buffer.as_mut_ptr().cast(),
                buffer.len(),
                libc::MSG_DONTWAIT,
                (&raw mut address).cast(),
                &raw mut length,
            )
        };
        buffer.truncate(usize::try_from(received).ok()?);
        address.sll_addr.first_chunk().copied().map(MacAddr)
    }
}

const ADDRESS_LENGTH: libc::socklen_t = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
