//! DNS under the hands of many, of the hasty and of the rude.

use crate::world::{CONFIG, DEADLINE, FAR_ADDRESS, FAR_NAME, WAN_HOST, World};
use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// A query for an address record.
pub fn query(id: u16, name: &str) -> Vec<u8> {
    let mut bytes = vec![0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    bytes[..2].copy_from_slice(&id.to_be_bytes());
    for label in name.split('.') {
        bytes.push(label.len() as u8);
        bytes.extend(label.bytes());
    }
    bytes.extend([0, 0, 1, 0, 1]);
    bytes
}

fn with_length(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u16).to_be_bytes(), message].concat()
}

fn id(message: &[u8]) -> u16 {
    u16::from_be_bytes([message[0], message[1]])
}

fn is_answered(message: &[u8]) -> bool {
    // A response, no error, one answer.
    message[2] & 0x80 != 0 && message[3] & 0x0f == 0 && message[6..8] == [0, 1]
}

fn receive(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut message)?;
    Ok(message)
}

/// A name server that thinks for a while; counts what it was asked.
fn start_slow_server(world: &World, pause: Duration) -> Arc<AtomicUsize> {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let (ready, is_ready) = std::sync::mpsc::channel();
    world.wan.inside(move || {
        let socket = UdpSocket::bind((WAN_HOST, 5300)).expect("the port is free");
        let _ = ready.send(());
        let mut buffer = [0; 2048];
        while let Ok((length, peer)) = socket.recv_from(&mut buffer) {
            count.fetch_add(1, Ordering::Relaxed);
            std::thread::sleep(pause);
            let end = 12 + buffer[12..length].iter().position(|byte| *byte == 0).expect("a name") + 5;
            let mut answer = buffer[..end].to_vec();
            answer[2..12].copy_from_slice(&[0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
            answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 0, 0, 4, 198, 51, 100, 7]);
            let _ = socket.send_to(&answer, peer);
        }
    });
    is_ready.recv_timeout(DEADLINE).expect("the server started");
    asked
}

#[test]
fn cve_2020_25686_many_equal_questions_are_one_upstream() {
    let config = CONFIG.replace("[dns]", &format!("[dns]\nupstream = [\"{WAN_HOST}:5300\"]"));
    let Some(world) = World::start("coalescing", &config) else { return };
    world.plug_in_client();
    for last in 3..6 {
        world.lan.ip(&format!("addr add 10.0.0.{last}/24 dev lan0")).unwrap();
    }
    world.wait_for_uplink();
    let asked = start_slow_server(&world, Duration::from_millis(400));
    let clients = world.lan.inside(|| {
        // One address may have no more than a hundred questions waiting.
        let open = |n: u16| UdpSocket::bind(format!("10.0.0.{}:0", 2 + n % 4)).unwrap();
        let sockets: Vec<_> = (0..200).map(open).collect();
        for (socket, n) in sockets.iter().zip(0..) {
            socket.set_read_timeout(Some(DEADLINE)).unwrap();
            socket.send_to(&query(n, FAR_NAME), "10.0.0.1:53").unwrap();
        }
        let mut answered = 0;
        for (socket, n) in sockets.iter().zip(0..) {
            let mut buffer = [0; 512];
            let length = socket.recv(&mut buffer).unwrap();
            answered += usize::from(id(&buffer) == n && is_answered(&buffer[..length]));
        }
        answered
    });
    assert_eq!(clients.join().unwrap(), 200, "{}", world.known());
    assert_eq!(asked.load(Ordering::Relaxed), 1, "{}", world.known());
}

#[test]
fn rfc7766_queries_on_one_connection_may_be_pipelined() {
    let Some(world) = World::start("pipelining", CONFIG) else { return };
    world.plug_in_client();
    world.wait_for_uplink();
    world.wait_for("a name", |world| (world.dig(&[FAR_NAME]) == FAR_ADDRESS).then_some(()));
    let talk = world.lan.inside(|| {
        let mut stream = TcpStream::connect("10.0.0.1:53").unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        // More than may wait at once; local, cached and far names; each sent in two pieces across its length.
        let names = ["rpi1.mydomain.net", FAR_NAME, "rpi2.mydomain.net"];
        let all: Vec<u8> = (0..100).flat_map(|n| with_length(&query(n, names[usize::from(n) % 3]))).collect();
        for piece in all.chunks(1001) {
            stream.write_all(piece).unwrap();
            std::thread::sleep(Duration::from_millis(1));
        }
        let mut ids: Vec<u16> = (0..100)
            .map(|_| {
                let answer = receive(&mut stream).unwrap();
                assert!(is_answered(&answer), "{answer:?}");
                id(&answer)
            })
            .collect();
        ids.sort_unstable();
        assert_eq!(ids, (0..100).collect::<Vec<_>>());

        // What is no query gets nothing at all, and those behind it get their answers.
        for n in 0..50 {
            let mut response = query(n, "rpi1.mydomain.net");
            response[2] |= 0x80;
            stream.write_all(&with_length(&response)).unwrap();
        }
        stream.write_all(&with_length(&query(777, "rpi1.mydomain.net"))).unwrap();
        assert_eq!(id(&receive(&mut stream).unwrap()), 777);

        // Whoever has said everything may close his half and still hears the answers.
        stream.write_all(&with_length(&query(778, FAR_NAME))).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(id(&receive(&mut stream).unwrap()), 778);
        assert_eq!(stream.read(&mut [0; 8]).unwrap(), 0);
    });
    talk.join().unwrap();
}

#[test]
fn clients_that_leave_early_cost_nothing() {
    let config = CONFIG.replace("[dns]", &format!("[dns]\nupstream = [\"{WAN_HOST}:5300\"]"));
    let Some(world) = World::start("early leavers", &config) else { return };
    world.plug_in_client();
    world.wait_for_uplink();
    start_slow_server(&world, Duration::from_millis(100));
    let talk = world.lan.inside(|| {
        for n in 0..300u16 {
            let Ok(mut stream) = TcpStream::connect("10.0.0.1:53") else { continue };
            // Closed with an answer on its way, with half a query sent, with nothing said.
            let message = with_length(&query(n, &format!("n{}.example", n % 10)));
            let piece = match n % 3 {
                0 => &message[..],
                1 => &message[..9],
                _ => &[],
            };
            let _ = stream.write_all(piece);
        }
    });
    talk.join().unwrap();
    // The connections are free again: sixteen at a time for one client.
    let talk = world.lan.inside(|| {
        let end = std::time::Instant::now() + DEADLINE;
        loop {
            let mut streams: Vec<_> = (0..16).map(|_| TcpStream::connect("10.0.0.1:53").unwrap()).collect();
            let answered = streams.iter_mut().all(|stream| {
                stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
                stream.write_all(&with_length(&query(1, "rpi1.mydomain.net"))).is_ok() && receive(stream).is_ok()
            });
            if answered || std::time::Instant::now() > end {
                return answered;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    assert!(talk.join().unwrap(), "{}", world.known());
    let resident = world.resident_kib();
    assert!(resident < 64 * 1024, "{resident} KiB, debug build or not");
}

#[test]
fn a_flood_of_questions_does_not_hide_a_cable_or_hold_up_dhcp() {
    let Some(world) = World::start("flood", CONFIG) else { return };
    world.plug_in_client();
    world.wait_for_uplink();
    let stop = Arc::new(AtomicBool::new(false));
    // Nobody reads the answers, so that the questions come faster than they can be answered: the server's socket is
    // never empty.
    let stopped = stop.clone();
    let flood = world.lan.inside(move || {
        let socket = UdpSocket::bind("10.0.0.2:0").unwrap();
        socket.connect("10.0.0.1:53").unwrap();
        let message = query(9, "rpi1.mydomain.net");
        while !stopped.load(Ordering::Relaxed) {
            let _ = socket.send(&message);
        }
    });
    std::thread::sleep(Duration::from_millis(300));
    // Whoever asks for the status is served beside it, each time.
    for _ in 0..20 {
        let before = std::time::Instant::now();
        assert!(world.ask("status").is_ok_and(|text| text.contains("LAN")), "{}", world.known());
        assert!(before.elapsed() < Duration::from_secs(1), "{:?}", before.elapsed());
    }
    world.wan.ip("link set wan0 down").unwrap();
    let status = |words: &'static str| move |world: &World| world.ask("status").ok().filter(|t| t.contains(words));
    world.wait_for("the pulled cable", status("eth1: no cable"));
    world.wan.ip("link set wan0 up").unwrap();
    world.wait_for("the cable", status("by DHCP from"));
    world.lan.ip("link set lan0 address 02:00:00:00:00:99").unwrap();
    let arguments = ["-i", "lan0", "-f", "-q", "-n", "-t", "5", "-T", "2", "-s", "/bin/true"];
    let said = world.lan.output("udhcpc", &arguments).unwrap();
    stop.store(true, Ordering::Relaxed);
    flood.join().unwrap();
    assert!(said.contains("obtained"), "{said}\n{}", world.known());
}

/// At the caps: sixteen connections a client, sixty-four in all; whoever is silent for ten seconds makes room.
#[test]
fn cve_2025_30193_tcp_connections_are_capped_and_the_idle_are_closed() {
    let Some(world) = World::start("tcp caps", CONFIG) else { return };
    for last in 2..7 {
        world.lan.ip(&format!("addr add 10.0.0.{last}/24 dev lan0")).unwrap();
    }
    let talk = world.lan.inside(|| {
        use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn, bind, connect, socket};
        use std::os::fd::AsRawFd;
        let served = |stream: &mut TcpStream| {
            stream.write_all(&with_length(&query(1, "rpi1.mydomain.net"))).is_ok() && receive(stream).is_ok()
        };
        let mut served_of = Vec::new();
        let mut open = Vec::new();
        for last in 2..7 {
            let mut count = 0;
            for _ in 0..20 {
                let socket = socket(AddressFamily::Inet, SockType::Stream, SockFlag::empty(), None).unwrap();
                let from = SockaddrIn::new(10, 0, 0, last, 0);
                let to = SockaddrIn::new(10, 0, 0, 1, 53);
                bind(socket.as_raw_fd(), &from).unwrap();
                connect(socket.as_raw_fd(), &to).unwrap();
                let mut stream = TcpStream::from(socket);
                stream.set_read_timeout(Some(DEADLINE)).unwrap();
                if served(&mut stream) {
                    count += 1;
                    open.push(stream);
                }
            }
            served_of.push(count);
        }
        let all_closed = open.iter_mut().all(|stream| matches!(stream.read(&mut [0; 8]), Ok(0)));
        let again = TcpStream::connect("10.0.0.1:53").is_ok_and(|mut stream| served(&mut stream));
        (served_of, all_closed, again)
    });
    assert_eq!(talk.join().unwrap(), (vec![16, 16, 16, 16, 0], true, true), "{}", world.known());
}
