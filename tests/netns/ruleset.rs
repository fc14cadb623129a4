//! The packet filter on the host's kernel: our bytes go in, nft(8) says what the kernel understood, and packets show
//! what it does with it. Each test has network namespaces of its own; needs root, `ip` and `nft`.

#[path = "ruleset/inbound.rs"]
mod inbound;
#[path = "ruleset/ipsec.rs"]
mod ipsec;
#[path = "ruleset/ipv6.rs"]
mod ipv6;
#[path = "ruleset/lab.rs"]
mod lab;
#[path = "ruleset/limits.rs"]
mod limits;

use gatepost_core::ruleset::{Inputs, build, encode};
use inbound::opened;
use lab::{Lab, Namespace, apply, nft, root};
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV6, TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

const GOLDEN: &str = include_str!("../golden/ruleset.nft");
const OPEN_GOLDEN: &str = include_str!("../golden/ruleset_open.nft");

/// The gateway, as the uplink sees it.
const UPLINK_ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 168, 0, 51);

/// How long we wait for what must not come.
const SILENCE: Duration = Duration::from_millis(300);
/// How long we wait for what must come.
const DEADLINE: Duration = Duration::from_secs(5);

fn inputs() -> Inputs<'static> {
    Inputs {
        lan_interface: "eth0",
        lan: "10.0.0.1/24".parse().unwrap(),
        uplink_interface: Some("eth1"),
        flowtable: false,
        near: &[],
        far_private: false,
        connections_per_host: 8192,
        lan_udp: &[],
        allows: &[],
        forwards: &[],
        blocks: &[],
    }
}

fn install(namespace: &Namespace, inputs: Inputs<'static>) -> Result<(), (String, i32)> {
    namespace.run(move || apply(&encode(&build(&inputs), 1)))
}

fn listing(namespace: &Namespace) -> String {
    namespace.run(|| nft("-s list table inet gatepost"))
}

#[test]
fn the_kernel_understood_the_golden() {
    if !root() {
        return;
    }
    let gateway = Namespace::new();
    install(&gateway, inputs()).unwrap();
    assert_eq!(listing(&gateway), GOLDEN);
    install(&gateway, opened()).unwrap();
    assert_eq!(listing(&gateway), OPEN_GOLDEN);
    // A stranger reads the golden and comes to the same.
    for (file, golden) in [("ruleset", GOLDEN), ("ruleset_open", OPEN_GOLDEN)] {
        let stranger = Namespace::new();
        stranger.run(|| nft(&format!("-f {}/golden/{file}.nft", env!("CARGO_MANIFEST_DIR"))));
        assert_eq!(listing(&stranger), golden);
    }
}

#[test]
fn applying_twice_is_applying_once_and_other_tables_stay() {
    if !root() {
        return;
    }
    let gateway = Namespace::new();
    gateway.run(|| {
        nft("add table ip other { chain c { type filter hook input priority 7 ; ip ttl 1 counter drop ; } ; }")
    });
    let foreign = gateway.run(|| nft("-s list ruleset"));
    install(&gateway, inputs()).unwrap();
    let once = gateway.run(|| nft("-s list ruleset"));
    install(&gateway, inputs()).unwrap();
    assert_eq!(gateway.run(|| nft("-s list ruleset")), once);
    assert!(once.contains(&foreign) && once.contains(GOLDEN));
}

/// All variants are ones that a kernel takes.
#[test]
fn every_prefix_and_a_missing_uplink_are_understood() {
    if !root() {
        return;
    }
    let gateway = Namespace::new();
    for prefix in [8, 13, 16, 23, 24, 27, 30] {
        for uplink_interface in [None, Some("wlan0"), Some("a234567890.2345")] {
            let lan = format!("172.31.0.1/{prefix}").parse().unwrap();
            let variant = Inputs { lan, uplink_interface, ..inputs() };
            install(&gateway, variant).unwrap();
            assert_eq!(listing(&gateway), build(&variant).to_string());
        }
    }
}

/// Both of its devices are missing, so no kernel can make this flowtable.
#[test]
fn a_refused_batch_changes_nothing() {
    if !root() {
        return;
    }
    let gateway = Namespace::new();
    install(&gateway, inputs()).unwrap();
    let (what, errno) = install(&gateway, Inputs { flowtable: true, ..inputs() }).unwrap_err();
    assert_eq!(what, "add flowtable inet gatepost fast");
    assert!([libc::ENOENT, libc::EOPNOTSUPP, libc::ENODEV].contains(&errno), "{errno}");
    assert_eq!(listing(&gateway), GOLDEN);
}

#[test]
fn the_lan_goes_out_under_the_uplinks_address() {
    if !root() {
        return;
    }
    let lab = Lab::new(inputs());
    let capture = lab.uplink.run(lab::capture);
    let listener = lab.uplink.run(|| TcpListener::bind("203.0.113.1:8080").unwrap());
    let mut client =
        lab.lan.run(|| TcpStream::connect_timeout(&"203.0.113.1:8080".parse().unwrap(), DEADLINE)).unwrap();
    let (mut server, seen) = listener.accept().unwrap();
    assert_eq!(seen.ip(), UPLINK_ADDRESS);
    server.write_all(b"hello").unwrap();
    let mut got = [0; 5];
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    client.read_exact(&mut got).unwrap();
    drop((client, server));

    let echo = lab.uplink.run(|| bound("203.0.113.1:5353"));
    let asking = lab.lan.run(|| bound("10.0.0.2:0"));
    let port = asking.local_addr().unwrap().port();
    asking.send_to(b"?", "203.0.113.1:5353").unwrap();
    let from = arrives(&echo).unwrap();
    assert_eq!(from, SocketAddr::from(([192, 168, 0, 51], port)), "the port is kept where it is free");
    echo.send_to(b"!", from).unwrap();
    assert!(arrives(&asking).is_some());

    let sources = lab::sources(&capture, lab.uplink_mac);
    assert!(sources.len() >= 5 && sources.iter().all(|source| *source == UPLINK_ADDRESS), "{sources:?}");
    assert_eq!(lab.counter("leaks"), 0);
}

#[test]
fn nothing_is_forwarded_in() {
    if !root() {
        return;
    }
    let lab = Lab::new(inputs());
    let _listener = lab.lan.run(|| TcpListener::bind("10.0.0.2:80").unwrap());
    let inside = lab.lan.run(|| bound("10.0.0.2:9"));
    // The uplink side has a route to the LAN by the gateway.
    let knock = |to: &'static str| lab.uplink.run(move || TcpStream::connect_timeout(&to.parse().unwrap(), SILENCE));
    assert_eq!(knock("10.0.0.2:80").unwrap_err().kind(), ErrorKind::TimedOut);
    let outside = lab.uplink.run(|| bound("192.168.0.1:9"));
    outside.send_to(b"x", "10.0.0.2:9").unwrap();
    assert_eq!(arrives_not(&inside), None);
    assert!(lab.counter("spoofed") >= 2);
    // Nor to a third network behind the gateway.
    outside.send_to(b"x", "10.99.0.2:9").unwrap();
    wait_for(|| lab.counter("forward_refused") >= 1);
}

#[test]
fn sources_that_cannot_be_true_are_dropped() {
    if !root() {
        return;
    }
    let lab = Lab::new(inputs());
    // From the LAN: an address that is not of the LAN (BCP 38).
    let outside = lab.uplink.run(|| bound("203.0.113.1:9"));
    lab.lan.ip("addr add 172.16.9.9/32 dev lan");
    let liar = lab.lan.run(|| bound("172.16.9.9:9"));
    liar.send_to(b"x", "203.0.113.1:9").unwrap();
    assert_eq!(arrives_not(&outside), None);
    assert_eq!(lab.counter("spoofed"), 1);
    // From the uplink: port 68 is open for a DHCP server, so the source alone decides. The last one's way back leads
    // into the LAN, by a route (BCP 84).
    let client = lab.gateway.run(|| bound("0.0.0.0:68"));
    for (count, source) in ["10.0.0.77", "127.0.0.5", "240.0.0.9", "0.1.2.3", "10.99.0.5"].into_iter().enumerate() {
        lab.uplink.run(|| lab::send_raw(source.parse().unwrap(), UPLINK_ADDRESS, 67, 68));
        wait_for(|| lab.counter("spoofed") == 2 + count as u64);
    }
    lab.uplink.run(|| lab::send_raw(UPLINK_ADDRESS, UPLINK_ADDRESS, 67, 68));
    wait_for(|| lab.counter("spoofed") == 7);
    assert_eq!(arrives_not(&client), None);
    let honest = lab.uplink.run(|| bound("192.168.0.1:67"));
    honest.send_to(b"x", "192.168.0.51:68").unwrap();
    assert!(arrives(&client).is_some());
}

/// Every well-known port, TCP and UDP (256 at a time: a shell may allow 1024 descriptors), with services listening on all of the gateway's addresses.
/// CVE-2020-25705 (SAD DNS): no error tells which ports are closed, so none tells which one waits for an answer.
#[test]
fn no_port_answers_on_the_uplink() {
    if !root() {
        return;
    }
    let lab = Lab::new(inputs());
    let _services = lab.gateway.run(|| (TcpListener::bind("[::]:53").unwrap(), TcpListener::bind("[::]:80").unwrap()));
    let names = lab.gateway.run(|| bound("0.0.0.0:53"));
    let chunks = (1..=1024).step_by(256);
    let answers: Vec<_> =
        chunks.flat_map(|first| lab.uplink.run(|| lab::scan(UPLINK_ADDRESS, first..=first + 255, SILENCE))).collect();
    assert_eq!(answers, []);
    assert_eq!(arrives_not(&names), None);
    let link_local = SocketAddrV6::new("fe80::51".parse().unwrap(), 80, 0, lab.uplink_index);
    let answer = lab.uplink.run(move || TcpStream::connect_timeout(&link_local.into(), SILENCE));
    assert_eq!(answer.unwrap_err().kind(), ErrorKind::TimedOut);
    assert!(lab.counter("uplink_refused") >= 2048);
    // The DHCP client's port lets a server's words in; while nobody listens there, nothing betrays that.
    let server = lab.uplink.run(|| bound("192.168.0.1:67"));
    server.connect((UPLINK_ADDRESS, 68)).unwrap();
    server.set_read_timeout(Some(SILENCE)).unwrap();
    server.send(b"x").unwrap();
    assert_eq!(server.recv(&mut [0; 9]).unwrap_err().kind(), ErrorKind::WouldBlock);

    // The LAN gets names at once, and a refusal at once from what is closed.
    let from_lan = |to: &'static str| lab.lan.run(move || TcpStream::connect_timeout(&to.parse().unwrap(), DEADLINE));
    from_lan("10.0.0.1:53").unwrap();
    assert_eq!(from_lan("10.0.0.1:80").unwrap_err().kind(), ErrorKind::ConnectionRefused);
    let asking = lab.lan.run(|| bound("10.0.0.2:0"));
    asking.send_to(b"?", "10.0.0.1:53").unwrap();
    assert!(arrives(&names).is_some());
    asking.connect("10.0.0.1:9").unwrap();
    asking.send(b"?").unwrap();
    assert_eq!(asking.recv(&mut [0; 9]).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    assert!(lab.counter("lan_refused") >= 2);
}

/// What conntrack can't make sense of passes translation by and would leave with a LAN address.
#[test]
fn nothing_leaves_untranslated() {
    if !root() {
        return;
    }
    let lab = Lab::new(inputs());
    let capture = lab.uplink.run(lab::capture);
    // A reset without a connection: conntrack calls it invalid.
    let reset = || lab::tcp_segment(([10, 0, 0, 2].into(), 4000), ([203, 0, 113, 1].into(), 80), lab::RST);
    lab.lan.run(reset).unwrap();
    wait_for(|| lab.counter("invalid") == 1);
    // The gateway's own, as its kernel sends one to whoever talked to its LAN address.
    let own = || lab::tcp_segment(([10, 0, 0, 1].into(), 4000), ([203, 0, 113, 1].into(), 80), lab::RST);
    assert_eq!(lab.gateway.run(own), Err(nix::errno::Errno::EPERM));
    assert_eq!(lab.counter("leaks"), 1);
    let sources = lab::sources(&capture, lab.uplink_mac);
    assert!(sources.iter().all(|source| *source == UPLINK_ADDRESS), "{sources:?}");
}

/// An uplink that carries 1400 bytes: neither end may send larger segments than 1360, though both links have 1500.
#[test]
fn segments_fit_a_narrow_uplink() {
    if !root() {
        return;
    }
    let lab = Lab::new(inputs());
    lab.gateway.ip("link set eth1 mtu 1400");
    let listener = lab.uplink.run(|| TcpListener::bind("203.0.113.1:8080").unwrap());
    let client = lab.lan.run(|| TcpStream::connect_timeout(&"203.0.113.1:8080".parse().unwrap(), DEADLINE)).unwrap();
    let (server, _) = listener.accept().unwrap();
    for end in [&client, &server] {
        let size = lab::segment_size(end);
        assert!((1300..=1360).contains(&size), "{size}");
    }
}

fn bound(to: &str) -> UdpSocket {
    let socket = UdpSocket::bind(to).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    socket
}

/// Who sent the next datagram; it must come.
fn arrives(socket: &UdpSocket) -> Option<SocketAddr> {
    socket.recv_from(&mut [0; 2048]).ok().map(|(_, from)| from)
}

/// Who sent the next datagram; none must come.
fn arrives_not(socket: &UdpSocket) -> Option<SocketAddr> {
    socket.set_read_timeout(Some(SILENCE)).unwrap();
    let from = arrives(socket);
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    from
}

#[track_caller]
fn wait_for(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !condition() {
        assert!(Instant::now() < deadline, "it did not come true");
        std::thread::sleep(Duration::from_millis(5));
    }
}
