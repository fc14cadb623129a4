//! ICMPv6 as RFC 4890 wants it, and IPv6 that passes through, if a kernel did forward it.

use crate::lab::{Lab, Namespace, root};
use crate::{DEADLINE, SILENCE, inputs, wait_for};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn6, recv, sendto, setsockopt, socket, sockopt,
};
use std::io::ErrorKind;
use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};

/// A host of the LAN, and one beyond the uplink.
pub const INSIDE: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 2, 0, 0, 0, 0, 2);
pub const OUTSIDE: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 1);

/// Gives both sides global addresses, and has the gateway's kernel forward between them.
pub fn routed(lab: &Lab) {
    let put = |namespace: &Namespace, words: &str| drop(namespace.ip(words));
    put(&lab.lan, "addr add 2001:db8:2::2/64 dev lan nodad");
    put(&lab.gateway, "addr add 2001:db8:2::1/64 dev eth0 nodad");
    // Without a link-local address a kernel asks for no neighbour on behalf of others.
    put(&lab.gateway, "addr add fe80::50/64 dev eth0 nodad");
    put(&lab.gateway, "addr add 2001:db8:1::51/64 dev eth1 nodad");
    put(&lab.uplink, "addr add 2001:db8:1::1/64 dev uplink nodad");
    put(&lab.lan, "route add default via 2001:db8:2::1");
    put(&lab.uplink, "route add 2001:db8:2::/64 via 2001:db8:1::51");
    lab.gateway.run(|| std::fs::write("/proc/sys/net/ipv6/conf/all/forwarding", "1").unwrap());
}

/// RFC 4890 §4.4.1: what neighbours and listeners say is taken on any link, a redirect and the rest on none.
#[test]
fn rfc4890_4_4_what_the_gateway_takes_on_the_uplink() {
    if !root() {
        return;
    }
    let lab = Lab::new(inputs());
    let to = SocketAddrV6::new("fe80::51".parse().unwrap(), 0, 0, lab.uplink_index);
    let taken = [128, 130, 131, 132, 133, 134, 135, 136, 141, 142, 143, 148, 149, 151, 152, 153];
    let refused = || lab.counter("uplink_refused") + lab.counter("invalid");
    let raw = lab.uplink.run(icmpv6);
    for kind in [128, 1, 2, 3, 4, 129, 130, 131, 132, 133, 134, 135, 136, 137, 138, 139, 140, 141, 142, 143, 144, 145]
        .into_iter()
        .chain([146, 147, 148, 149, 150, 151, 152, 153, 154, 200, 255])
    {
        let before = refused();
        send(&raw, kind, to);
        if taken.contains(&kind) {
            // One that is refused, after it: when that has been counted, this one has passed.
            send(&raw, 137, to);
        }
        wait_for(|| refused() > before);
        assert_eq!(refused(), before + 1, "type {kind}");
    }
    // A listener's report comes from a link-local address.
    lab.uplink.ip("addr add 2001:db8:1::1/64 dev uplink nodad");
    lab.gateway.ip("addr add 2001:db8:1::51/64 dev eth1 nodad");
    let before = lab.counter("uplink_refused");
    send(&raw, 131, SocketAddrV6::new("2001:db8:1::51".parse().unwrap(), 0, 0, 0));
    wait_for(|| lab.counter("uplink_refused") == before + 1);
}

/// RFC 4890 §4.3.1 and RFC 6092: a ping passes, connections pass outward only, IPsec comes in (REC-21, REC-24).
#[test]
fn rfc6092_ipv6_is_closed_to_the_inside() {
    if !root() {
        return;
    }
    let lab = Lab::new(inputs());
    routed(&lab);
    let (inside, outside) = (INSIDE, OUTSIDE);
    let _far = lab.uplink.run(|| TcpListener::bind((outside, 80)).unwrap());
    lab.lan.run(|| TcpStream::connect_timeout(&(outside, 80).into(), DEADLINE)).unwrap();
    let _near = lab.lan.run(|| TcpListener::bind((inside, 80)).unwrap());
    let inward = lab.uplink.run(|| TcpStream::connect_timeout(&(inside, 80).into(), SILENCE));
    assert_eq!(inward.unwrap_err().kind(), ErrorKind::TimedOut);

    let ike = lab.lan.run(|| udp((inside, 500)));
    lab.uplink.run(|| udp((outside, 0))).send_to(b"x", (inside, 500)).unwrap();
    ike.recv(&mut [0; 9]).unwrap();
    let heard = lab.lan.run(icmpv6);
    let asking = lab.uplink.run(icmpv6);
    send(&asking, 128, SocketAddrV6::new(inside, 0, 0, 0));
    let mut message = [0; 64];
    while recv(heard.as_raw_fd(), &mut message, MsgFlags::empty()).expect("the ping arrives") == 0 || message[0] != 128
    {
    }
    // A neighbour's word is for neighbours.
    let before = lab.counter("forward_refused") + lab.counter("invalid");
    send(&asking, 136, SocketAddrV6::new(inside, 0, 0, 0));
    wait_for(|| lab.counter("forward_refused") + lab.counter("invalid") > before);
}

/// RFC 4890 §4.3: errors about what a host has sent come in, one by one; so does a ping. What neighbours, listeners,
/// routers and experiments say does not, nor an answer that nobody asked for.
#[test]
fn rfc4890_4_3_which_types_pass_through() {
    if !root() {
        return;
    }
    let lab = Lab::new(inputs());
    routed(&lab);
    let (heard, raw) = (lab.lan.run(icmpv6), lab.uplink.run(icmpv6));
    let to = SocketAddrV6::new(INSIDE, 0, 0, 0);
    let next = |kind: u8| {
        let mut message = [0; 256];
        while message[0] != kind {
            recv(heard.as_raw_fd(), &mut message, MsgFlags::empty()).unwrap_or_else(|e| panic!("type {kind}: {e}"));
        }
    };
    // What the errors are about.
    let asking = lab.lan.run(|| udp((INSIDE, 5000)));
    let answering = lab.uplink.run(|| udp((OUTSIDE, 5001)));
    asking.send_to(b"x", (OUTSIDE, 5001)).unwrap();
    answering.recv(&mut [0; 9]).unwrap();
    let mut about = vec![0x60, 0, 0, 0, 0, 9, 17, 63];
    about.extend([INSIDE.octets(), OUTSIDE.octets()].concat());
    about.extend([5000u16.to_be_bytes(), 5001u16.to_be_bytes(), [0, 9], [1, 1]].concat());
    about.push(b'x');
    for kind in 1..=4 {
        // In the second word a path's MTU, where the type has one.
        let message = [&[kind, 0, 0, 0, 0, 0, 5, 0][..], &about].concat();
        sendto(raw.as_raw_fd(), &message, &SockaddrIn6::from(to), MsgFlags::empty()).unwrap();
        next(kind);
    }
    send(&raw, 128, to);
    next(128);
    let refused = || lab.counter("forward_refused") + lab.counter("invalid");
    for kind in [1, 2, 3, 4, 100, 129, 130, 131, 132, 133, 134, 135, 136, 137, 138, 139, 140, 141, 142, 143, 144, 145]
        .into_iter()
        .chain([146, 147, 148, 149, 150, 151, 152, 153, 154, 200, 255])
    {
        let before = refused();
        send(&raw, kind, to);
        wait_for(|| refused() > before);
        assert_eq!(refused(), before + 1, "type {kind}");
    }
}

pub fn udp(at: impl Into<SocketAddr>) -> UdpSocket {
    let socket = UdpSocket::bind(at.into()).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    socket
}

/// A socket for ICMPv6; the kernel fills in the checksum.
fn icmpv6() -> OwnedFd {
    let raw = socket(AddressFamily::Inet6, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::IcmpV6).unwrap();
    setsockopt(&raw, sockopt::ReceiveTimeout, &nix::sys::time::TimeVal::new(5, 0)).unwrap();
    raw
}

fn send(raw: &OwnedFd, kind: u8, to: SocketAddrV6) {
    let message = [&[kind, 0, 0, 0, 0, 7, 0, 1][..], &[0; 16]].concat();
    sendto(raw.as_raw_fd(), &message, &SockaddrIn6::from(to), MsgFlags::empty()).unwrap();
}
