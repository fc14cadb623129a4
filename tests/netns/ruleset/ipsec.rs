//! IPsec through the gateway: outward over IPv4 by translation, inward over IPv6 (RFC 6092).

use crate::ipv6::{INSIDE, OUTSIDE, routed, udp};
use crate::lab::{self, Lab, root};
use crate::{UPLINK_ADDRESS, arrives, bound, inputs, wait_for};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, SockaddrIn6, recv, sendto, socket,
};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, OwnedFd};

const ESP: u8 = 50;
const AH: u8 = 51;
/// Some other protocol, which nobody may send in unasked.
const OTHER: u8 = 99;

/// Sends a packet of any protocol; the kernel adds nothing to it but a checksum.
fn send4(source: Ipv4Addr, destination: Ipv4Addr, protocol: u8) {
    let raw = socket(AddressFamily::Inet, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::Raw).unwrap();
    let mut packet = vec![0x45, 0, 0, 36, 0, 0, 0, 0, 64, protocol, 0, 0];
    packet.extend([source.octets(), destination.octets()].concat());
    packet.extend([1; 16]);
    let to = SockaddrIn::from(SocketAddrV4::new(destination, 0));
    sendto(raw.as_raw_fd(), &packet, &to, MsgFlags::empty()).unwrap();
}

fn send6(source: Ipv6Addr, destination: Ipv6Addr, protocol: u8) {
    let raw = socket(AddressFamily::Inet6, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::Raw).unwrap();
    let mut packet = vec![0x60, 0, 0, 0, 0, 16, protocol, 64];
    packet.extend([source.octets(), destination.octets()].concat());
    // In AH (RFC 4302 section 2.2) the first octet names what lies behind it, the second its length of three words.
    packet.extend([OTHER, 1]);
    packet.extend([1; 14]);
    let to = SockaddrIn6::from(SocketAddrV6::new(destination, 0, 0, 0));
    sendto(raw.as_raw_fd(), &packet, &to, MsgFlags::empty()).unwrap();
}

/// The sources of the IPv4 packets of a protocol that a capture has seen since it was last asked.
fn seen4(capture: &OwnedFd, protocol: u8) -> Vec<Ipv4Addr> {
    frames(capture, |frame| {
        let source = frame.get(26..30)?.first_chunk::<4>()?;
        (frame[12..14] == [8, 0] && frame[23] == protocol).then(|| Ipv4Addr::from(*source))
    })
}

fn seen6(capture: &OwnedFd, protocol: u8) -> bool {
    !frames(capture, |frame| (frame.get(12..14)? == [0x86, 0xdd] && frame.get(20)? == &protocol).then_some(()))
        .is_empty()
}

fn frames<T>(capture: &OwnedFd, mut pick: impl FnMut(&[u8]) -> Option<T>) -> Vec<T> {
    let (mut found, mut frame) = (Vec::new(), [0; 2048]);
    while let Ok(length) = recv(capture.as_raw_fd(), &mut frame, MsgFlags::empty()) {
        found.extend(pick(&frame[..length]));
    }
    found
}

#[test]
fn ipsec_goes_out_under_the_uplinks_address_and_its_answers_come_back() {
    if !root() {
        return;
    }
    let lab = Lab::new(inputs());
    let (host, far) = (Ipv4Addr::new(10, 0, 0, 2), Ipv4Addr::new(203, 0, 113, 1));
    // Unasked, it stays out.
    lab.uplink.run(|| send4(far, UPLINK_ADDRESS, ESP));
    wait_for(|| lab.counter("uplink_refused") == 1);
    let (outside, inside) = (lab.uplink.run(lab::capture), lab.lan.run(lab::capture));
    lab.lan.run(|| send4(host, far, ESP));
    wait_for(|| seen4(&outside, ESP).contains(&UPLINK_ADDRESS));
    lab.uplink.run(|| send4(far, UPLINK_ADDRESS, ESP));
    wait_for(|| seen4(&inside, ESP).contains(&far));
    // IKE (RFC 7296 section 2.23): its ports are kept, as old servers want it.
    for port in [500, 4500] {
        let server = lab.uplink.run(|| bound(&format!("203.0.113.1:{port}")));
        let client = lab.lan.run(|| bound(&format!("10.0.0.2:{port}")));
        client.send_to(b"x", SocketAddr::from((far, port))).unwrap();
        let from = arrives(&server).unwrap();
        assert_eq!(from, SocketAddr::from((UPLINK_ADDRESS, port)));
        server.send_to(b"x", from).unwrap();
        assert_eq!(arrives(&client), Some((far, port).into()));
    }
}

#[test]
fn rfc6092_ipsec_and_ike_come_in_over_ipv6_and_nothing_beside_them() {
    if !root() {
        return;
    }
    let lab = Lab::new(inputs());
    routed(&lab);
    let inside = lab.lan.run(lab::capture);
    for protocol in [ESP, AH] {
        lab.uplink.run(|| send6(OUTSIDE, INSIDE, protocol));
        wait_for(|| seen6(&inside, protocol));
    }
    for port in [500, 4500] {
        let ike = lab.lan.run(|| udp((INSIDE, port)));
        lab.uplink.run(|| udp((OUTSIDE, 0))).send_to(b"x", (INSIDE, port)).unwrap();
        assert!(arrives(&ike).is_some(), "{port}");
    }
    let before = lab.counter("forward_refused");
    lab.uplink.run(|| send6(OUTSIDE, INSIDE, OTHER));
    for port in [499, 501, 4499, 4501] {
        lab.uplink.run(|| udp((OUTSIDE, 0))).send_to(b"x", (INSIDE, port)).unwrap();
    }
    wait_for(|| lab.counter("forward_refused") >= before + 5);
    assert_eq!(lab.counter("forward_refused"), before + 5);
    assert!(!seen6(&inside, OTHER));
}
