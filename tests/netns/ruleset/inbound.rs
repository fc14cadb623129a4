//! What a configuration opens and closes: `[[forward]]`, `[[firewall.allow]]`, `[[firewall.block]]`.

use crate::lab::{Lab, root};
use crate::{DEADLINE, SILENCE, UPLINK_ADDRESS, arrives, bound, inputs, wait_for};
use gatepost_core::config::{Allow, BlockedHost, PortForward, Ports, Transport};
use gatepost_core::net::{Ipv4Net, MacAddr};
use gatepost_core::ruleset::Inputs;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};

const UPLINK_NET: Ipv4Net = Ipv4Net::new(Ipv4Addr::new(192, 168, 0, 0), 24).unwrap();
const HOST: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

static NEAR: [Ipv4Net; 1] = [UPLINK_NET];
static ALLOWS: [Allow; 2] = [
    Allow { transport: Transport::Tcp, ports: ports(22, 22), source: Some(UPLINK_NET) },
    Allow { transport: Transport::Udp, ports: ports(8000, 8010), source: None },
];
static FORWARDS: [PortForward; 2] = [
    PortForward { transport: Transport::Tcp, ports: ports(8080, 8080), to: HOST, to_port: Some(80) },
    PortForward { transport: Transport::Both, ports: ports(9000, 9010), to: HOST, to_port: None },
];
static BLOCKS: [BlockedHost; 1] =
    [BlockedHost { address: Ipv4Addr::new(10, 0, 0, 7), mac: Some(MacAddr([2, 0, 0, 0, 0, 7])) }];

const fn ports(first: u16, last: u16) -> Ports {
    Ports { first, last }
}

/// With one of everything that a configuration can open and close; the golden `ruleset_open.nft`.
pub fn opened() -> Inputs<'static> {
    Inputs { near: &NEAR, allows: &ALLOWS, forwards: &FORWARDS, blocks: &BLOCKS, lan_udp: &[123], ..inputs() }
}

fn connect(to: impl Into<SocketAddr>) -> std::io::Result<TcpStream> {
    TcpStream::connect_timeout(&to.into(), DEADLINE)
}

#[test]
fn port_forwards_reach_their_host_whatever_the_uplinks_address() {
    if !root() {
        return;
    }
    let lab = Lab::new(opened());
    let web = lab.lan.run(|| TcpListener::bind((HOST, 80)).unwrap());
    let game = lab.lan.run(|| bound("10.0.0.2:9005"));
    let outside = lab.uplink.run(|| bound("203.0.113.1:0"));
    for address in [UPLINK_ADDRESS, Ipv4Addr::new(192, 168, 0, 77)] {
        if address != UPLINK_ADDRESS {
            lab.gateway.ip("addr del 192.168.0.51/24 dev eth1");
            lab.gateway.ip("addr add 192.168.0.77/24 dev eth1");
            lab.gateway.ip("route add default via 192.168.0.1");
        }
        let client = lab.uplink.run(|| connect((address, 8080)).unwrap());
        let (_, seen) = web.accept().unwrap();
        assert_eq!(seen.ip(), IpAddr::from([192, 168, 0, 1]), "the host sees who it is");
        assert_eq!(client.peer_addr().unwrap().port(), 8080);
        outside.send_to(b"?", (address, 9005)).unwrap();
        let from = arrives(&game).unwrap();
        assert_eq!(from.ip(), IpAddr::from([203, 0, 113, 1]));
        game.send_to(b"!", from).unwrap();
        assert_eq!(arrives(&outside), Some((address, 9005).into()));
    }
    assert_eq!((lab.counter("forward_1"), lab.counter("forward_2")), (2, 2));
    // A port beside them stays silent, and so does the host's own address.
    for to in [(Ipv4Addr::new(192, 168, 0, 77), 8081), (HOST, 80)] {
        let answer = lab.uplink.run(|| TcpStream::connect_timeout(&to.into(), SILENCE));
        assert_eq!(answer.unwrap_err().kind(), ErrorKind::TimedOut);
    }
}

/// RFC 4787 REQ-9: from inside, a forwarded port answers at the uplink's address as it does from outside.
#[test]
fn port_forwards_work_from_inside_by_hairpin() {
    if !root() {
        return;
    }
    let lab = Lab::new(opened());
    let web = lab.lan.run(|| TcpListener::bind((HOST, 80)).unwrap());
    lab.lan.ip("addr add 10.0.0.3/24 dev lan");
    let _client = lab.lan.run(|| connect((UPLINK_ADDRESS, 8080)).unwrap());
    let (_, seen) = web.accept().unwrap();
    assert_eq!(seen.ip(), IpAddr::from([10, 0, 0, 1]), "the answer must come back through the gateway");
    let game = lab.lan.run(|| bound("10.0.0.2:9000"));
    let asking = lab.lan.run(|| bound("10.0.0.3:0"));
    asking.send_to(b"?", (UPLINK_ADDRESS, 9000)).unwrap();
    let from = arrives(&game).unwrap();
    game.send_to(b"!", from).unwrap();
    assert_eq!(arrives(&asking), Some((UPLINK_ADDRESS, 9000).into()));
    // The gateway's LAN address is the gateway itself.
    let own = lab.lan.run(|| connect(([10, 0, 0, 1], 8080)));
    assert_eq!(own.unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn allowed_ports_are_open_to_the_allowed_network_only() {
    if !root() {
        return;
    }
    let lab = Lab::new(opened());
    let _shell = lab.gateway.run(|| TcpListener::bind("0.0.0.0:22").unwrap());
    let service = lab.gateway.run(|| bound("0.0.0.0:8003"));
    lab.uplink.run(|| connect((UPLINK_ADDRESS, 22)).unwrap());
    let far = lab.uplink.run(|| bound("203.0.113.1:0"));
    far.send_to(b"?", (UPLINK_ADDRESS, 8003)).unwrap();
    assert!(arrives(&service).is_some());
    far.send_to(b"?", (UPLINK_ADDRESS, 8011)).unwrap();
    wait_for(|| lab.counter("uplink_refused") == 1);
    lab.uplink.ip("route add 192.168.0.51/32 dev uplink src 203.0.113.1");
    let refused = lab.uplink.run(|| TcpStream::connect_timeout(&(UPLINK_ADDRESS, 22).into(), SILENCE));
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!((lab.counter("allow_1"), lab.counter("allow_2")), (1, 1));
}

#[test]
fn a_blocked_host_keeps_the_lan_and_loses_the_internet() {
    if !root() {
        return;
    }
    let lab = Lab::new(opened());
    let _web = lab.uplink.run(|| TcpListener::bind("203.0.113.1:80").unwrap());
    let _names = lab.gateway.run(|| TcpListener::bind("0.0.0.0:53").unwrap());
    let out = || lab.lan.run(|| connect(([203, 0, 113, 1], 80)));
    out().unwrap();
    let refused = |count| {
        lab.gateway.ip("neigh flush dev eth0");
        assert_eq!(out().unwrap_err().kind(), ErrorKind::HostUnreachable, "at once, not by a time-out");
        assert_eq!(lab.counter("blocked"), count);
        lab.lan.run(|| connect(([10, 0, 0, 1], 53)).unwrap());
    };
    // By its hardware address, whatever address it takes.
    let own = lab.lan.ip("-br link show dev lan").split_whitespace().nth(2).unwrap().to_string();
    lab.lan.ip("link set lan address 02:00:00:00:00:07");
    refused(1);
    // By its address, whatever hardware address it makes up.
    lab.lan.ip(&format!("link set lan address {own}"));
    lab.lan.ip("addr add 10.0.0.7/24 dev lan");
    lab.lan.ip("route replace default via 10.0.0.1 src 10.0.0.7");
    refused(2);
}
