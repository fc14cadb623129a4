//! Sockets that send as fast as they can, many packets a system call.

use super::gauge::Pace;
use super::streams::{Kind, packets};
use nix::libc;
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrIn, sendmmsg, setsockopt, sockopt};
use std::io::{IoSlice, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddrV4, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use tests::mutate::Mutator;

/// Packets a system call.
const BATCH: u64 = 24;

/// Connections whose client falls silent in the middle of a message, at a time.
const HALF_OPEN: usize = 24;

/// A UDP socket and whom it floods.
pub struct Udp(UdpSocket);

impl Udp {
    /// To a port of everyone on the LAN.
    pub fn broadcast(port: u16) -> Self {
        let socket = UdpSocket::bind(("0.0.0.0", 0)).expect("a port is free");
        socket.set_broadcast(true).expect("allowed");
        setsockopt(&socket, sockopt::BindToDevice, &"lan0".into()).expect("root may");
        socket.connect(("255.255.255.255", port)).expect("the LAN is there");
        Self(socket)
    }

    /// To one port of one host.
    pub fn to(address: [u8; 4], port: u16) -> Self {
        let socket = UdpSocket::bind(("0.0.0.0", 0)).expect("a port is free");
        socket.connect(SocketAddrV4::new(address.into(), port)).expect("there is a route");
        Self(socket)
    }

    /// Sends so many packets.
    pub fn send(&self, stream: Mutator, share: (u64, Pace)) -> u64 {
        send(self.0.as_raw_fd(), stream, share, 0)
    }
}

/// A raw socket on an interface.
pub struct Raw(OwnedFd);

impl Raw {
    /// Opens it.
    pub fn on(interface: &str) -> Self {
        let index = nix::net::if_::if_nametoindex(interface).expect("the interface is there");
        // SAFETY: no pointers are passed.
        let fd = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
        assert!(fd >= 0, "root may open raw sockets");
        // SAFETY: the descriptor was just opened and is nobody else's.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        // SAFETY: sockaddr_ll is plain integers; all zeroes is a valid value.
        let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_ifindex = index as i32;
        let length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
        // SAFETY: `address` is a sockaddr_ll of `length` bytes and outlives the call.
        let bound = unsafe { libc::bind(fd.as_raw_fd(), (&raw const address).cast(), length) };
        assert_eq!(bound, 0, "bind to {interface}");
        Self(fd)
    }

    /// Sends so many frames.
    pub fn send(&self, stream: Mutator, share: (u64, Pace)) -> u64 {
        // The kernel takes no frame without a whole Ethernet header.
        send(self.0.as_raw_fd(), stream, share, 14)
    }
}

/// Sends `count` packets of at least `shortest` bytes; those that the kernel refuses are skipped and not counted.
fn send(fd: RawFd, mut stream: Mutator, (count, mut pace): (u64, Pace), shortest: usize) -> u64 {
    let (mut done, mut sent) = (0, 0);
    while done < count {
        pace.wait();
        let batch: Vec<Vec<u8>> = (0..BATCH.min(count - done))
            .map(|_| {
                let packet = stream.next_packet();
                packet.resize(packet.len().max(shortest), 0);
                packet.clone()
            })
            .collect();
        done += batch.len() as u64;
        let slices: Vec<_> = batch.iter().map(|packet| [IoSlice::new(packet)]).collect();
        let mut rest = slices.as_slice();
        while !rest.is_empty() {
            let mut headers = MultiHeaders::<SockaddrIn>::preallocate(rest.len(), None);
            let nobody = vec![None; rest.len()];
            let went = match sendmmsg(fd, &mut headers, rest, &nobody, [], MsgFlags::empty()) {
                Ok(results) => results.count(),
                // An ICMP error of an earlier packet, or a full queue.
                Err(_) => 0,
            };
            sent += went as u64;
            rest = rest.get(went.max(1)..).unwrap_or_default();
        }
    }
    sent
}

/// `count` messages over TCP to the gateway's port 53: whole, with a length that lies, cut off in the middle. Some of
/// the connections stay open in silence until the next ones push them out.
pub fn tcp(mut stream: Mutator, count: u64) -> u64 {
    let gateway = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 1), 53).into();
    let mut silent = Vec::new();
    let mut sent = 0;
    while sent < count {
        let Ok(mut connection) = TcpStream::connect_timeout(&gateway, Duration::from_secs(1)) else {
            sent += 1;
            continue;
        };
        let _ = connection.set_write_timeout(Some(Duration::from_millis(100)));
        let _ = connection.set_read_timeout(Some(Duration::from_millis(5)));
        for _ in 0..=stream.below(20) {
            let lie = stream.pick(&[None, None, None, Some(0), Some(1), Some(u16::MAX)]);
            let message = stream.next_packet().clone();
            let length = lie.unwrap_or(message.len() as u16);
            sent += 1;
            if connection.write_all(&[&length.to_be_bytes(), message.as_slice()].concat()).is_err() {
                break;
            }
        }
        match stream.below(3) {
            0 => drop(connection.read(&mut [0; 4096])),
            1 => drop(connection.shutdown(Shutdown::Write)),
            _ => silent.push(connection),
        }
        if silent.len() > HALF_OPEN {
            silent.clear();
        }
    }
    sent
}

/// An upstream DNS server that answers each question with something bent behind the right identifier and question,
/// until nobody has asked for a while.
pub fn answer_badly(ready: &mpsc::Sender<()>) {
    let socket = UdpSocket::bind(("192.168.77.1", 5353)).expect("the port is free");
    socket.set_read_timeout(Some(Duration::from_millis(500))).expect("a time");
    let _ = ready.send(());
    let mut stream = packets(Kind::DnsReply, 5);
    let mut question = [0; 2048];
    let mut last = Instant::now();
    while last.elapsed() < Duration::from_secs(5) {
        let Ok((length, peer)) = socket.recv_from(&mut question) else { continue };
        last = Instant::now();
        let mut reply = question[..length].to_vec();
        if reply.len() >= 12 {
            // A response with one answer and no OPT, or something like it.
            reply[2..4].copy_from_slice(&[0x81, 0x80]);
            reply[7] = 1;
            let end = reply.len() - if reply[11] == 1 { 11 } else { 0 };
            reply[11] = 0;
            reply.truncate(end);
        }
        reply.extend_from_slice(stream.next_packet());
        let _ = socket.send_to(&reply, peer);
    }
}
