//! Machines of the LAN boot from the gateway: a Pi's own sequence, and other people's TFTP clients.

use crate::world::{CONFIG, DEADLINE, World};
use std::fs;
use std::net::UdpSocket;
use std::process::Output;

const ON: &str = "\n[netboot]\nserve = true\n";

/// Not a multiple of any block's length.
const KERNEL: usize = 1_200_001;

/// A gateway with files for booting, and a client at 10.0.0.2.
fn world(test: &str) -> Option<World> {
    let mut world = World::without_gateway(test)?;
    let folder = world.path("netboot");
    fs::create_dir_all(folder.join("0a1b2c3d")).unwrap();
    fs::write(folder.join("0a1b2c3d/start4.elf"), vec![7; 1024]).unwrap();
    fs::write(folder.join("0a1b2c3d/config.txt"), "arm_64bit=1\n").unwrap();
    let kernel: Vec<u8> = (0..KERNEL).map(|n| (n % 251) as u8).collect();
    fs::write(folder.join("kernel8.img"), kernel).unwrap();
    fs::write(folder.join("empty"), "").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", folder.join("link")).unwrap();
    fs::write(folder.join(".complete"), "").unwrap();
    world.write_config(format!("{CONFIG}{ON}").as_bytes());
    world.start_gateway();
    world.wait_for("the LAN services", |world| world.ask("status").ok().filter(|text| text.contains(", serving")));
    world.plug_in_client();
    Some(world)
}

/// Runs a client in the folder where its files arrive.
fn client(world: &World, words: &str) -> Output {
    let mut words = words.split(' ');
    let program = words.next().unwrap();
    let mut command = world.lan.command("timeout");
    // A client of the list wants a blank within a word.
    command.args(["20", program]).args(words.map(|word| word.replace('=', " "))).current_dir(world.path("run"));
    command.output().expect("the client runs")
}

/// What has arrived under a name; gone afterwards.
fn arrived(world: &World, name: &str) -> Vec<u8> {
    let path = world.path("run").join(name);
    let bytes = fs::read(&path).unwrap_or_default();
    let _ = fs::remove_file(path);
    bytes
}

#[test]
fn strangers_fetch_files_with_all_options() {
    let Some(world) = world("strangers_fetch_files_with_all_options") else { return };
    let kernel = fs::read(world.path("netboot/kernel8.img")).unwrap();
    for fetch in [
        "tftp -m binary 10.0.0.1 -c get kernel8.img k",
        "curl -sS --tftp-no-options -o k tftp://10.0.0.1/kernel8.img",
        "curl -sS --tftp-blksize 512 -o k tftp://10.0.0.1/kernel8.img",
        "curl -sS --tftp-blksize 65464 -o k tftp://10.0.0.1/kernel8.img",
        "busybox tftp -g -b 1468 -l k -r kernel8.img 10.0.0.1",
        "busybox tftp -g -l k -r /kernel8.img 10.0.0.1",
        "atftp --option blksize=1428 --option windowsize=16 -g -r kernel8.img -l k 10.0.0.1",
    ] {
        let output = client(&world, fetch);
        assert!(arrived(&world, "k") == kernel, "{fetch}: {output:?}\n{}", world.known());
    }
    client(&world, "tftp -m binary 10.0.0.1 -c get empty e");
    assert!(world.ask("log").unwrap().contains("has empty (0 bytes)"), "{}", world.known());
}

#[test]
fn nothing_is_written_and_nothing_else_is_read() {
    let Some(world) = world("nothing_is_written_and_nothing_else_is_read") else { return };
    // curl tells by its exit code: 68 no such file, 69 no permission.
    for (name, code) in [("none", 68), ("0a1b2c3d", 68), (".complete", 69), ("..%2f..%2fetc%2fpasswd", 69)] {
        let output = client(&world, &format!("curl -sS --path-as-is --max-time 5 tftp://10.0.0.1/{name}"));
        assert_eq!(output.status.code(), Some(code), "{name}: {output:?}");
    }
    let output = client(&world, "curl -sS --max-time 5 tftp://10.0.0.1/link");
    assert!(!output.status.success() && output.stdout.is_empty(), "a link leads nowhere: {output:?}");
    let output = client(&world, "curl -sS --max-time 5 -T /etc/hostname tftp://10.0.0.1/new");
    assert_eq!(output.status.code(), Some(69), "{output:?}");
    assert!(!world.path("netboot/new").exists());
    let text = client(&world, "tftp -m ascii 10.0.0.1 -c get kernel8.img k");
    assert!(String::from_utf8_lossy(&text.stdout).contains("only mode octet"), "{text:?}");
    // From outside there is no answer at all.
    world.wait_for_uplink();
    let address = world.addresses("eth1").pop().unwrap();
    let address = address.split('/').next().unwrap();
    let url = format!("tftp://{address}/kernel8.img");
    let outside = world.wan.command("curl").args(["-sS", "--max-time", "2", &url]).output().unwrap();
    assert_eq!(outside.status.code(), Some(28), "{outside:?}");
}

#[test]
fn nothing_is_open_when_it_is_off() {
    let Some(world) = World::start("nothing_is_open_when_it_is_off", CONFIG) else { return };
    // Ports 67 and 69 in the kernel's own list.
    let sockets = world.gate.output("cat", &["/proc/net/udp"]).unwrap();
    assert!(sockets.contains(":0043 ") && !sockets.contains(":0045 "), "{sockets}");
    // The rules come a moment after the ports.
    let rules = world.wait_for("the packet filter", |world| {
        let rules = world.gate.output("nft", &["list", "ruleset"]).ok()?;
        rules.contains("udp dport 53 accept").then_some(rules)
    });
    assert!(!rules.contains("dport 69"), "{rules}");
}

/// A DHCP message as a Pi's boot ROM sends it.
fn pi(kind: u8, more: &[u8]) -> Vec<u8> {
    let mut message = vec![0; 240];
    message[..4].copy_from_slice(&[1, 1, 6, 0]);
    message[4..8].copy_from_slice(&[0x26, 0xf3, 0x03, 0x39]);
    message[10] = 0x80;
    message[28..34].copy_from_slice(&[2, 0, 0, 0, 0, 0x22]);
    message[236..].copy_from_slice(&[99, 130, 83, 99]);
    message.extend([53, 1, kind, 55, 8, 1, 3, 43, 60, 66, 67, 128, 129]);
    message.extend([93, 2, 0, 0, 94, 3, 1, 2, 1, 97, 17, 0]);
    message.extend([0x52, 0x50, 0x69, 0x34, 0x14, 0x31, 0xd0, 0, 0x01, 0x02, 0x03, 0x04, 0x0a, 0x1b, 0x2c, 0x3d]);
    message.extend([60, 32]);
    message.extend(b"PXEClient:Arch:00000:UNDI:002001");
    message.extend(more);
    message.push(255);
    message
}

fn option(message: &[u8], code: u8) -> Option<&[u8]> {
    let mut rest = message.get(240..)?;
    while let [at, length, more @ ..] = rest {
        match *at {
            255 => return None,
            _ if *at == code => return more.get(..usize::from(*length)),
            _ => rest = more.get(usize::from(*length)..)?,
        }
    }
    None
}

#[test]
fn a_pi_boots_as_its_rom_does() {
    let Some(world) = world("a_pi_boots_as_its_rom_does") else { return };
    let asked = world.lan.inside(|| {
        let socket = UdpSocket::bind("0.0.0.0:68").unwrap();
        socket.set_broadcast(true).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        let ask = |message: &[u8]| {
            socket.send_to(message, "255.255.255.255:67").unwrap();
            let mut answer = vec![0; 1500];
            let length = socket.recv(&mut answer).expect("an answer");
            answer.truncate(length);
            answer
        };
        let offer = ask(&pi(1, &[]));
        let address = offer[16..20].to_vec();
        let wish = [&[50, 4][..], &address, &[54, 4, 10, 0, 0, 1]].concat();
        let ack = ask(&pi(3, &wish));
        // Power off and on: it remembers nothing, and begins anew.
        (offer, ack, ask(&pi(1, &[])), ask(&pi(3, &wish)))
    });
    let (offer, ack, again, back) = asked.join().expect("offers and acknowledgements");
    for (answer, kind) in [(&offer, 2), (&ack, 5), (&again, 2), (&back, 5)] {
        assert_eq!(option(answer, 53), Some(&[kind][..]));
        assert_eq!(answer[16..24], [10, 0, 0, 2, 10, 0, 0, 1], "its address, and whom to ask for files");
        assert_eq!(option(answer, 60), Some(&b"PXEClient"[..]));
        assert_eq!(option(answer, 66), Some(&b"10.0.0.1"[..]));
        let menu = option(answer, 43).expect("the vendor's options");
        assert_eq!(menu, b"\x06\x01\x03\x0a\x04\x00PXE\x09\x14\x00\x00\x11Raspberry Pi Boot\xff");
        assert_eq!(option(answer, 97).map(|id| (id.len(), &id[13..])), Some((17, &[0x0a, 0x1b, 0x2c, 0x3d][..])));
    }
    // The folder of its serial number first; what is not there is asked for without.
    for (name, length) in [
        ("0a1b2c3d/start4.elf", Some(1024)),
        ("0a1b2c3d/config.txt", Some(12)),
        ("0a1b2c3d/pieeprom.sig", None),
        ("0a1b2c3d/kernel8.img", None),
        ("kernel8.img", Some(KERNEL)),
    ] {
        let output = client(&world, &format!("curl -sS --max-time 15 --tftp-blksize 1024 tftp://10.0.0.1/{name}"));
        let expected = if length.is_some() { 0 } else { 68 };
        assert_eq!((output.status.code(), output.stdout.len()), (Some(expected), length.unwrap_or(0)), "{name}");
    }
    let log = world.ask("log").unwrap();
    assert!(log.contains("10.0.0.2 asked for 0a1b2c3d/pieeprom.sig: there is no such file"), "{log}");
}

/// The ROM itself only ever obtains; the rest of a lease's life is played here with the identity that it showed.
#[test]
fn a_lease_of_a_pis_rom_is_renewed_rebound_and_released() {
    let Some(world) = world("a_lease_of_a_pis_rom_is_renewed_rebound_and_released") else { return };
    let leases = |world: &World| world.ask("leases").unwrap();
    assert!(leases(&world).contains("not seen yet"), "{}", world.known());
    let play = |message: Vec<u8>, to: &'static str, answered: bool| {
        let play = world.lan.inside(move || {
            let socket = UdpSocket::bind("0.0.0.0:68").unwrap();
            socket.set_broadcast(true).unwrap();
            socket.set_read_timeout(Some(DEADLINE)).unwrap();
            socket.send_to(&message, to).unwrap();
            let mut answer = vec![0; 1500];
            answered.then(|| socket.recv(&mut answer).map(|length| answer[..length].to_vec()).expect("an answer"))
        });
        play.join().expect("it is answered")
    };
    // RFC 2131 section 4.3.2: with its address in ciaddr, to the server alone (renewing) or to all (rebinding).
    let with_address = |kind, more: &[u8]| {
        let mut message = pi(kind, more);
        message[10] = 0;
        message[12..16].copy_from_slice(&[10, 0, 0, 2]);
        message
    };
    play(pi(3, &[50, 4, 10, 0, 0, 2]), "255.255.255.255:67", true);
    for to in ["10.0.0.1:67", "255.255.255.255:67"] {
        let ack = play(with_address(3, &[]), to, true).unwrap();
        assert_eq!((option(&ack, 53), &ack[16..20]), (Some(&[5][..]), &[10, 0, 0, 2][..]), "{to}");
        assert!(!leases(&world).contains("not seen yet"), "{}", world.known());
    }
    play(with_address(7, &[54, 4, 10, 0, 0, 1]), "10.0.0.1:67", false);
    world.wait_for("the lease to go", |world| leases(world).contains("not seen yet").then_some(()));
}
