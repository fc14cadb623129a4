//! The DHCP server's sockets. Requests come through the kernel's stack on port 67, so the packet filter applies to
//! them; answers to clients that have no address yet go out as raw frames (RFC 2131 section 4.1). Many messages go in
//! and out with one system call. After the LAN has moved, a raw socket hears those whom the packet filter drops for their
//! old address.

use super::bound_udp::bound_udp;
use super::event::{Event, EventSender};
use super::paced::Paced;
use super::raw::{Listen, RawSocket};
use super::told_once::ToldOnce;
use super::uplink_dhcp::listen;
use gatepost_core::dhcp_server::{Cast, Destination};
use gatepost_core::frame::{Arp, Datagram};
use gatepost_core::net::{Ipv4Addr, Ipv4Net, MacAddr};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, MultiHeaders, recvmmsg, setsockopt, sockopt};
use std::io::{self, IoSliceMut};
use std::net::SocketAddrV4;
use std::os::fd::AsRawFd;
use std::rc::Rc;
use tokio::task::AbortHandle;
use tokio::time::{Duration, Instant, sleep_until};

const SERVER_PORT: u16 = 67;
const CLIENT_PORT: u16 = 68;

/// Largest message that is read: an Ethernet frame's worth.
const MAX_MESSAGE: usize = 1500;

/// Messages read by one system call.
const BATCH: usize = 64;

/// Where messages come thicker than this, those of so long are read and answered together; one that comes alone is read
/// at once. A whole building that gets its power back then costs half the processor time, and nobody notices a millisecond.
const GATHER: Duration = Duration::from_millis(1);

/// Frames that wait to be sent together; one more sends them.
const MAX_OUTBOX: usize = 64;

/// What the kernel keeps for us while we are busy, in bytes: a thousand messages or so, where the usual size holds
/// some hundred and fifty. Used only when they come.
const RECEIVE_BUFFER: usize = 1 << 20;

/// The server's sockets on the LAN.
pub struct LanDhcp {
    socket: ToldOnce,
    raw: Rc<RawSocket>,
    index: u32,
    address: Ipv4Addr,
    /// What one system call reads.
    headers: MultiHeaders<()>,
    messages: Vec<[u8; MAX_MESSAGE]>,
    /// How long each message is, and how it was addressed.
    received: Vec<(usize, Cast)>,
    /// Not to be read before: more may come.
    again: Instant,
    /// Frames that are built and not sent.
    outbox: Vec<Vec<u8>>,
    /// Datagrams to relays and to clients that have their address, not sent.
    routed: Paced,
    probing: Option<AbortHandle>,
    /// Listens to clients from outside the LAN's network.
    left_behind: Option<AbortHandle>,
    events: EventSender,
}

impl LanDhcp {
    /// Opens port 67 on `interface`.
    pub fn open(interface: &str, index: u32, mac: MacAddr, address: Ipv4Addr, events: EventSender) -> io::Result<Self> {
        let socket = bound_udp(interface, SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, SERVER_PORT))?;
        setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?;
        // Beyond the system's limit only with CAP_NET_ADMIN; without it, it stays as it is.
        let _ = setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER);
        let routed = Paced::new(socket.as_raw_fd());
        Ok(Self {
            socket: ToldOnce::new(socket.into())?,
            raw: Rc::new(RawSocket::open(index, mac, Listen::Nothing)?),
            index,
            address,
            headers: MultiHeaders::preallocate(BATCH, Some(nix::cmsg_space!(nix::libc::in_pktinfo))),
            messages: vec![[0; MAX_MESSAGE]; BATCH],
            received: Vec::with_capacity(BATCH),
            again: Instant::now(),
            outbox: Vec::new(),
            routed,
            probing: None,
            left_behind: None,
            events,
        })
    }

    /// Waits for messages of clients and relays; then [`Self::received`] gives them. May be given up and called anew.
    pub async fn receive(&mut self) -> io::Result<()> {
        while let Some(next) = self.routed.poll_timeout() {
            tokio::select! {
                told = self.socket.wait() => {
                    told?;
                    break;
                }
                () = sleep_until(next) => self.routed.send(self.socket.as_raw_fd(), Instant::now()),
            }
        }
        self.socket.wait().await?;
        if Instant::now() < self.again {
            sleep_until(self.again).await;
        }
        match self.receive_now() {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
            _ => self.socket.take()?,
        }
        // A full batch leaves more behind.
        if self.received.len() < BATCH {
            self.again = Instant::now() + GATHER;
        }
        Ok(())
    }

    /// The messages that were received last, and how each was addressed.
    pub fn received(&self) -> impl Iterator<Item = (&[u8], Cast)> {
        let messages = self.received.iter().zip(&self.messages);
        messages.map(|((length, cast), message)| (message.get(..*length).unwrap_or_default(), *cast))
    }

    fn receive_now(&mut self) -> io::Result<()> {
        let Self { socket, headers, messages, received, address, .. } = self;
        received.clear();
        let fd = socket.as_raw_fd();
        let mut slices: Vec<_> = messages.iter_mut().map(|buffer| [IoSliceMut::new(buffer)]).collect();
        for message in recvmmsg(fd, headers, slices.iter_mut(), MsgFlags::MSG_DONTWAIT, None)? {
            let to_us = message.cmsgs()?.any(|part| match part {
                ControlMessageOwned::Ipv4PacketInfo(info) => {
                    Ipv4Addr::from(u32::from_be(info.ipi_addr.s_addr)) == *address
                }
                _ => false,
            });
            received.push((message.bytes, if to_us { Cast::Unicast } else { Cast::Broadcast }));
        }
        Ok(())
    }

    /// Sends a reply where the core wants it: with the next [`Self::flush`], or soon after it where much waits. A full queue
    /// loses it: the client asks again.
    pub fn send(&mut self, destination: Destination, payload: &[u8]) {
        let (mac, address) = match destination {
            Destination::Relay(relay) => return self.routed.push(SocketAddrV4::new(relay, SERVER_PORT), payload),
            Destination::Unicast(client) => return self.routed.push(SocketAddrV4::new(client, CLIENT_PORT), payload),
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
        self.outbox.extend(frame);
        if self.outbox.len() >= MAX_OUTBOX {
            self.flush();
        }
    }

    /// Sends what waits. A client that can't be reached asks again; a LAN that is gone shows in the next snapshot.
    pub fn flush(&mut self) {
        self.raw.send_all(&self.outbox);
        self.outbox.clear();
        self.routed.send(self.socket.as_raw_fd(), Instant::now());
    }

    /// Asks the LAN who has `address`; answers come as events until [`Self::stop_probing`].
    pub fn probe(&mut self, address: Ipv4Addr) -> io::Result<()> {
        if self.probing.is_none() {
            let socket = Rc::new(RawSocket::open(self.index, self.raw.mac, Listen::Arp)?);
            self.probing = Some(listen(socket, self.events.clone(), |frame| Event::LanArp { frame }));
        }
        self.raw.send(&Arp::probe(self.raw.mac, address).build())
    }

    /// No address is being asked for any more.
    pub fn stop_probing(&mut self) {
        if let Some(task) = self.probing.take() {
            task.abort();
        }
    }

    /// Whether messages from outside the LAN's network `lan` come as events.
    pub fn hear_left_behind(&mut self, hear: bool, lan: Ipv4Net) -> io::Result<()> {
        match (hear, self.left_behind.take()) {
            (true, None) => {
                let socket = Rc::new(RawSocket::open(self.index, self.raw.mac, Listen::DhcpServer { except: lan })?);
                self.left_behind = Some(listen(socket, self.events.clone(), |frame| Event::LeftBehind { frame }));
            }
            (true, open) => self.left_behind = open,
            (false, open) => open.iter().for_each(AbortHandle::abort),
        }
        Ok(())
    }
}

impl Drop for LanDhcp {
    fn drop(&mut self) {
        self.stop_probing();
        self.left_behind.iter().for_each(AbortHandle::abort);
    }
}
