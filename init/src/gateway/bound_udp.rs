//! UDP sockets tied to one interface: what listens on the LAN can't be reached from anywhere else, whatever the
//! packet filter says.

use nix::sys::socket::{AddressFamily, SockFlag, SockType, bind, setsockopt, socket, sockopt};
use std::ffi::OsString;
use std::io;
use std::net::{SocketAddrV4, UdpSocket};

/// A non-blocking UDP socket on `interface` only. The address may be one that the interface gets later.
pub fn bound_udp(interface: &str, address: SocketAddrV4) -> io::Result<UdpSocket> {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let fd = socket(AddressFamily::Inet, SockType::Datagram, flags, None)?;
    setsockopt(&fd, sockopt::BindToDevice, &OsString::from(interface))?;
    setsockopt(&fd, sockopt::ReuseAddr, &true)?;
    setsockopt(&fd, sockopt::Broadcast, &true)?;
    setsockopt(&fd, sockopt::IpFreebind, &true)?;
    bind(std::os::fd::AsRawFd::as_raw_fd(&fd), &nix::sys::socket::SockaddrIn::from(address))?;
    Ok(UdpSocket::from(fd))
}
