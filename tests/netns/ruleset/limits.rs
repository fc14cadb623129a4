//! What one host or one flood may take, and where the LAN may not go.

use crate::inbound::opened;
use crate::lab::{self, Lab, root};
use crate::{DEADLINE, UPLINK_ADDRESS, arrives, bound, inputs, wait_for};
use gatepost_core::ruleset::Inputs;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

/// BCP 38: private networks are reached on the uplink's own, and nowhere by the default route.
#[test]
fn private_networks_behind_the_default_route_are_refused_at_once() {
    if !root() {
        return;
    }
    let lab = Lab::new(opened());
    lab.uplink.ip("addr add 172.16.9.9/32 dev lo");
    let _servers = lab.uplink.run(|| ["172.16.9.9:80", "192.168.0.1:80"].map(|to| TcpListener::bind(to).unwrap()));
    let connect = |to: &str| {
        let to: SocketAddr = to.parse().unwrap();
        lab.lan.run(move || TcpStream::connect_timeout(&to, DEADLINE))
    };
    connect("192.168.0.1:80").unwrap();
    for far in ["172.16.9.9:80", "10.200.0.1:80", "192.168.9.1:80", "169.254.7.7:80"] {
        assert_eq!(connect(far).unwrap_err().kind(), ErrorKind::NetworkUnreachable, "{far}");
    }
    assert_eq!(lab.counter("private_refused"), 4);
    // Where the configuration says so.
    crate::install(&lab.gateway, Inputs { far_private: true, ..opened() }).unwrap();
    connect("172.16.9.9:80").unwrap();
}

/// The connection table is shared: one host's flood must leave room for the others.
#[test]
fn one_host_cannot_take_all_connections() {
    if !root() {
        return;
    }
    let lab = Lab::new(Inputs { connections_per_host: 20, ..inputs() });
    lab.lan.ip("addr add 10.0.0.3/24 dev lan");
    let outside = lab.uplink.run(|| bound("203.0.113.1:9"));
    let greedy: Vec<_> = (0..30).map(|_| lab.lan.run(|| bound("10.0.0.2:0"))).collect();
    for socket in &greedy {
        socket.send_to(b"x", "203.0.113.1:9").unwrap();
    }
    wait_for(|| lab.counter("host_limit") == 10);
    for _ in 0..20 {
        assert!(arrives(&outside).is_some());
    }
    // Those that it has go on, and others are not hindered.
    greedy[0].send_to(b"x", "203.0.113.1:9").unwrap();
    assert!(arrives(&outside).is_some());
    lab.lan.run(|| bound("10.0.0.3:0")).send_to(b"x", "203.0.113.1:9").unwrap();
    assert!(arrives(&outside).is_some());
}

/// What a host asks of the gateway itself does not count: one that has used up its share still gets names and keeps its
/// lease, and a resolver of the LAN that asks much does not fill the table. A name server is asked by a made-up source all
/// the same only if that is of the LAN.
#[test]
fn questions_to_the_gateway_are_no_connections() {
    if !root() {
        return;
    }
    let lab = Lab::new(Inputs { connections_per_host: 5, lan_udp: &[123], ..inputs() });
    let outside = lab.uplink.run(|| bound("203.0.113.1:9"));
    let greedy: Vec<_> = (0..8).map(|_| lab.lan.run(|| bound("10.0.0.2:0"))).collect();
    for socket in &greedy {
        socket.send_to(b"x", "203.0.113.1:9").unwrap();
    }
    wait_for(|| lab.counter("host_limit") == 3);
    for _ in 0..5 {
        assert!(arrives(&outside).is_some());
    }
    let tracked = || {
        let count = lab.gateway.run(|| std::fs::read_to_string("/proc/sys/net/netfilter/nf_conntrack_count").unwrap());
        count.trim().parse::<usize>().unwrap()
    };
    let before = tracked();
    for port in [53, 67, 123] {
        let service = lab.gateway.run(|| bound(&format!("10.0.0.1:{port}")));
        for _ in 0..20 {
            let socket = lab.lan.run(|| bound("10.0.0.2:0"));
            socket.send_to(b"question", ("10.0.0.1", port)).unwrap();
            let asker = arrives(&service).unwrap_or_else(|| panic!("port {port}"));
            service.send_to(b"answer", asker).unwrap();
            assert!(arrives(&socket).is_some(), "port {port}");
        }
        // Not from elsewhere.
        lab.lan.run(|| lab::send_raw([192, 168, 9, 9].into(), [10, 0, 0, 1].into(), 1053, port));
        lab.lan.run(|| lab::send_raw([10, 0, 0, 1].into(), [10, 0, 0, 1].into(), 1053, port));
        service.set_nonblocking(true).unwrap();
        assert_eq!(service.recv_from(&mut [0; 9]).unwrap_err().kind(), ErrorKind::WouldBlock, "port {port}");
    }
    assert!(tracked() <= before, "{before} connections before, {} now", tracked());
    assert_eq!(lab.counter("host_limit"), 3);
    assert!(lab.counter("spoofed") >= 3);
}

/// The same for connections to the gateway: a host that begins too many in a second is slowed down, another is not.
#[test]
fn a_flood_of_syns_from_one_host_is_thinned_out() {
    if !root() {
        return;
    }
    let lab = Lab::new(inputs());
    lab.lan.ip("addr add 10.0.0.3/24 dev lan");
    let _names = lab.gateway.run(|| TcpListener::bind("0.0.0.0:53").unwrap());
    let syn = |source: [u8; 4], port| {
        lab.lan.run(|| lab::tcp_segment((source.into(), port), ([10, 0, 0, 1].into(), 53), 0x02).unwrap());
    };
    (0..200).for_each(|port| syn([10, 0, 0, 2], 20000 + port));
    // Fifty at once and twenty-five a second; however slow this machine is, the loop takes less than four seconds.
    let dropped = lab.counter("syn_flood");
    assert!((50..=150).contains(&dropped), "{dropped}");
    syn([10, 0, 0, 3], 20000);
    assert_eq!(lab.counter("syn_flood"), dropped);
}

#[test]
fn a_flood_of_pings_on_the_uplink_gets_few_answers() {
    if !root() {
        return;
    }
    let lab = Lab::new(inputs());
    let wait = Duration::from_millis(300);
    let answers = lab.uplink.run(|| lab::echo(UPLINK_ADDRESS, 100, wait));
    assert!((5..=15).contains(&answers), "{answers}");
    assert!(lab.lan.run(|| lab::echo(Ipv4Addr::new(10, 0, 0, 1), 5, wait)) == 5);
}
