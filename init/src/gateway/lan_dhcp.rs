//! The DHCP server's sockets. Requests come through the kernel's stack on port 67, so the packet filter applies to
//! them; answers to clients that have no address yet go out as raw frames (RFC 2131 section 4.1).

use super::bound_udp::bound_udp;
use super::raw::{Listen, RawSocket};
use gatepost_core::dhcp_server::{Cast, Destination};
use gatepost_core::frame::Datagram;
use gatepost_core::net::{Ipv4Addr, MacAddr};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt};
use std::io::{self, IoSliceMut};
use std::net::SocketAddrV4;
use std::os::fd::AsRawFd;
use tokio::io::Interest;
use tokio::net::UdpSocket;

const SERVER_PORT: u16 = 67;
const CLIENT_PORT: u16 = 68;

/// Largest message that is read: an Ethernet frame's worth.
const MAX_MESSAGE: usize = 1500;

/// The server's sockets on the LAN.
pub struct LanDhcp {
    socket: UdpSocket,
    raw: RawSocket,
    address: Ipv4Addr,
}

impl LanDhcp {
    /// Opens port 67 on `interface`.
    pub fn open(interface: &str, index: u32, mac: MacAddr, address: Ipv4Addr) -> io::Result<Self> {
        let socket = bound_udp(interface, SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, SERVER_PORT))?;
        setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?;
        let raw = RawSocket::open(index, mac, Listen::Nothing)?;
        Ok(Self { socket: UdpSocket::from_std(socket)?, raw, address })
    }

    /// The next message from a client or relay, and how it was addressed.
    pub async fn receive(&self) -> io::Result<(Vec<u8>, Cast)> {
        loop {
            self.socket.readable().await?;
            match self.socket.try_io(Interest::READABLE, || self.receive_now()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return done,
            }
        }
    }

    fn receive_now(&self) -> io::Result<(Vec<u8>, Cast)> {
        let mut message = vec![0; MAX_MESSAGE];
        let mut slices = [IoSliceMut::new(&mut message)];
        let mut control = nix::cmsg_space!(nix::libc::in_pktinfo);
        let received = recvmsg::<()>(self.socket.as_raw_fd(), &mut slices, Some(&mut control), MsgFlags::MSG_DONTWAIT)?;
        let length = received.bytes;
        let to_us = received.cmsgs()?.any(|part| match part {
            ControlMessageOwned::Ipv4PacketInfo(info) => Ipv4Addr::from(u32::from_be(info.ipi_addr.s_addr)) == self.address,
            _ => false,
        });
        message.truncate(length);
        Ok((message, if to_us { Cast::Unicast } else { Cast::Broadcast }))
    }

    /// Sends a reply where the core wants it. A full queue loses it: the client asks again.
    pub fn send(&self, destination: Destination, payload: &[u8]) -> io::Result<()> {
        let (mac, address) = match destination {
            Destination::Relay(relay) => return self.send_routed(SocketAddrV4::new(relay, SERVER_PORT), payload),
            Destination::Unicast(client) => return self.send_routed(SocketAddrV4::new(client, CLIENT_PORT), payload),
            Destination::Broadcast => (MacAddr::BROADCAST, Ipv4Addr::BROADCAST),
            Destination::Hardware { mac, address } => (mac, address),
        };
        let frame = Datagram {
            source_mac: self.raw.mac,
            destination_mac: mac,
            source: self.address,
            destination: address,
            source_port: SERVER_PORT,
            destination_port: CLIENT_PORT,
            payload,
        }
        .build();
        frame.map_or(Ok(()), |frame| self.raw.send(&frame))
    }

    fn send_routed(&self, to: SocketAddrV4, payload: &[u8]) -> io::Result<()> {
        match self.socket.try_send_to(payload, to.into()) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(()),
        }
    }
}
