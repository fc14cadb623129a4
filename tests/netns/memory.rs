//! What the gateway holds in memory when a large house has filled its tables: a thousand leases with names, and ten
//! thousand names in the cache.
//!
//! Left out: what a flood of garbage fills, which `flood` measures.

use crate::dns_load::query;
use crate::world::{CONFIG, DEADLINE, WAN_HOST, World};
use dhcproto::v4::{DhcpOption, Flags, Message, MessageType, Opcode, OptionCode};
use dhcproto::{Decodable, Encodable};
use nix::sys::socket::{setsockopt, sockopt};
use std::collections::BTreeSet;
use std::io::Write;
use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

const LEASES: u16 = 1000;
const NAMES: u16 = 10_000;

/// What the process may have, in KiB.
const MAX_KIB: u64 = 16 * 1024;

/// What of that is left to the code, which is counted in full: the card's binary, measured in another build, has less.
/// The unoptimised one that is usually under test has several times as much.
const CODE_KIB: u64 = 6 * 1024;

/// Questions under way at once; the gateway takes a hundred of one client.
const WINDOW: u16 = 64;

#[test]
fn a_thousand_leases_and_ten_thousand_names_take_16_mib() {
    let config = CONFIG
        .replace("10.0.0.1/24", "10.0.0.1/21")
        .replace("10.0.0.10-10.0.0.128", "10.0.1.0-10.0.5.255")
        .replace("log_queries = true", &format!("upstream = [\"{WAN_HOST}:5300\"]"));
    let Some(world) = World::start("memory", &config) else { return };
    world.lan.ip("addr add 10.0.0.2/21 dev lan0").unwrap();
    world.wait_for_uplink();
    let asked = start_authority(&world);
    let (start, empty) = (Instant::now(), world.own_memory_kib());

    let given = world.lan.inside(lease_all).join().unwrap();
    assert_eq!(given, usize::from(LEASES), "different addresses\n{}", world.known());
    let status = world.ask("status").unwrap();
    assert!(status.contains(&format!(", serving, {LEASES} leases")), "{status}");
    let names = world.ask("names").unwrap().lines().filter(|line| line.contains(" node")).count();
    assert_eq!(names, usize::from(LEASES), "each lease has its name");

    world.lan.inside(ask_all).join().unwrap();
    // Once more: every answer comes out of the cache.
    let (hits, upstream) = (cache_hits(&world), asked.load(Ordering::Relaxed));
    world.lan.inside(ask_all).join().unwrap();
    assert_eq!(cache_hits(&world) - hits, u64::from(NAMES), "{}", world.known());
    assert_eq!(asked.load(Ordering::Relaxed), upstream, "nobody was asked again");

    let (own, resident) = (world.own_memory_kib(), world.resident_kib());
    let seconds = start.elapsed().as_secs_f32();
    let _ = writeln!(
        std::io::stdout(),
        "memory: {LEASES} leases and {NAMES} names, {seconds:.1} s: {own} KiB of its own ({empty} KiB before), \
         {resident} KiB resident"
    );
    assert!(own <= MAX_KIB - CODE_KIB, "{own} KiB");
    // Another build than the unoptimised one is measured whole.
    assert!(std::env::var_os("GATEPOST_BINARY").is_none() || resident <= MAX_KIB, "{resident} KiB resident");
}

/// An authoritative server that knows every name: an alias with two addresses. Counts what it is asked.
fn start_authority(world: &World) -> Arc<AtomicUsize> {
    let asked = Arc::new(AtomicUsize::new(0));
    let (count, (ready, is_ready)) = (asked.clone(), std::sync::mpsc::channel());
    world.wan.inside(move || {
        let socket = UdpSocket::bind((WAN_HOST, 5300)).expect("the port is free");
        let _ = ready.send(());
        let mut buffer = [0; 2048];
        while let Ok((length, peer)) = socket.recv_from(&mut buffer) {
            count.fetch_add(1, Ordering::Relaxed);
            let end = 12 + buffer[12..length].iter().position(|byte| *byte == 0).expect("a name") + 5;
            let mut answer = buffer[..end].to_vec();
            answer[2..12].copy_from_slice(&[0x81, 0x80, 0, 1, 0, 3, 0, 0, 0, 0]);
            // The name's canonical name is `edge` below it, which stands where the first record's data begin.
            answer.extend(*b"\xc0\x0c\0\x05\0\x01\0\0\x0e\x10\0\x07\x04edge\xc0\x0c");
            for last in [7, 8] {
                answer.extend([0xc0, end as u8 + 12, 0, 1, 0, 1, 0, 0, 14, 16, 0, 4, 198, 51, 100, last]);
            }
            let _ = socket.send_to(&answer, peer);
        }
    });
    is_ready.recv_timeout(DEADLINE).expect("the server started");
    asked
}

/// Asks for every name and waits for every answer.
fn ask_all() {
    let socket = UdpSocket::bind("10.0.0.2:0").unwrap();
    socket.connect("10.0.0.1:53").unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    let ask = |number: u16| {
        socket.send(&query(number, &format!("host{number}.some-domain.example"))).unwrap();
    };
    (0..WINDOW).for_each(ask);
    let (mut next, mut buffer) = (WINDOW, [0; 1500]);
    for _ in 0..NAMES {
        let length = socket.recv(&mut buffer).expect("an answer to each");
        assert_eq!((buffer[3] & 15, &buffer[6..8]), (0, &[0, 3][..]), "{:?}", &buffer[..length]);
        if next < NAMES {
            ask(next);
            next += 1;
        }
    }
}

fn cache_hits(world: &World) -> u64 {
    let status = world.ask("status").unwrap();
    let hits = status.split(", ").find_map(|part| part.strip_suffix(" from the cache"));
    hits.and_then(|hits| hits.parse().ok()).unwrap_or_else(|| panic!("{status}"))
}

/// So many clients, each with a name, get a lease; returns the number of different addresses.
fn lease_all() -> usize {
    let socket = UdpSocket::bind("0.0.0.0:68").unwrap();
    socket.set_broadcast(true).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    setsockopt(&socket, sockopt::BindToDevice, &"lan0".into()).unwrap();
    setsockopt(&socket, sockopt::RcvBufForce, &(1 << 20)).unwrap();
    let say = |message: &Message| {
        socket.send_to(&message.to_vec().unwrap(), "255.255.255.255:67").unwrap();
    };
    (0..WINDOW).for_each(|number| say(&message(number, MessageType::Discover)));
    let (mut next, mut given, mut buffer) = (WINDOW, BTreeSet::new(), [0; 1500]);
    while given.len() < usize::from(LEASES) {
        let length = socket.recv(&mut buffer).unwrap_or_else(|error| panic!("{error}; {} leases", given.len()));
        let heard = Message::from_bytes(&buffer[..length]).expect("a DHCP message");
        let number = heard.xid() as u16;
        match heard.opts().msg_type() {
            Some(MessageType::Offer) => {
                let mut request = message(number, MessageType::Request);
                request.opts_mut().insert(DhcpOption::RequestedIpAddress(heard.yiaddr()));
                request.opts_mut().insert(DhcpOption::ServerIdentifier(Ipv4Addr::new(10, 0, 0, 1)));
                say(&request);
            }
            Some(MessageType::Ack) => {
                assert!(given.insert(heard.yiaddr()), "{} was given twice", heard.yiaddr());
                assert!(heard.opts().get(OptionCode::AddressLeaseTime).is_some());
                if next < LEASES {
                    say(&message(next, MessageType::Discover));
                    next += 1;
                }
            }
            other => panic!("client {number} was told {other:?}"),
        }
    }
    given.len()
}

fn message(number: u16, kind: MessageType) -> Message {
    let ([high, low], none) = (number.to_be_bytes(), Ipv4Addr::UNSPECIFIED);
    let mut message = Message::new_with_id(number.into(), none, none, none, none, &[2, 0, 0, 3, high, low]);
    message.set_opcode(Opcode::BootRequest).set_flags(Flags::default().set_broadcast());
    let options = message.opts_mut();
    options.insert(DhcpOption::MessageType(kind));
    options.insert(DhcpOption::Hostname(format!("node{number}")));
    options.insert(DhcpOption::ParameterRequestList(vec![OptionCode::SubnetMask, OptionCode::Router]));
    message
}
