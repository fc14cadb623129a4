//! What the internet sees of the gateway: nothing.

use crate::bed::{Bed, Plan, SOON, test};
use crate::names::question;
use anyhow::{Result, ensure};
use qemu::Machine;
use qemu::dhcp::{Answer, Question};
use qemu::frames::{FrameIo, PacketSocket};
use qemu::lab::{Client, uplink};
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

/// How long a closed port is given to answer.
const SILENCE: Duration = Duration::from_millis(700);

/// A port on the LAN client that is open to its neighbours.
const OPEN: u16 = 7777;

/// UDP ports of servers that a router might run.
const UDP: [u16; 9] = [53, 67, 68, 123, 161, 500, 1900, 5351, 5353];

#[test]
fn nothing_gets_in_from_the_uplink() {
    test("nothing_gets_in_from_the_uplink", Plan::new(Machine::Virt), knock_everywhere);
}

fn knock_everywhere(bed: &mut Bed) -> Result<()> {
    let (alice, lease, _runs) = bed.leased("alice")?;
    let target = bed.uplink_address()?;
    bed.eventually(&alice, &["dig", "+short", "+time=3", "+tries=1", uplink::NAME])?;
    let lan = alice.namespace().run(|| Ok(tcp(Ipv4Addr::new(10, 0, 0, 1), &[53])))?;
    ensure!(lan == BTreeSet::from([53]), "the probe itself is blind: DNS on the LAN side does not answer it");

    let outside = bed.lab.uplink().namespace();
    let ports: Vec<u16> =
        (1..=1024).chain([3000, 3128, 5000, 5353, 8000, 8080, 8443, 8888, 9090, 10000, 32768]).collect();
    let answered = outside.run(|| Ok(tcp(target, &ports)))?;
    ensure!(answered.is_empty(), "TCP ports {answered:?} of {target} answered from the uplink");
    for port in UDP {
        let silent = outside.run(|| udp_is_silent(target, port))?;
        ensure!(silent, "UDP port {port} of {target} answered from the uplink");
    }
    no_lease_outside(bed)?;
    nothing_is_forwarded(bed, &alice, lease.address, target)?;
    bed.vm.poll()
}

/// The ports that answered at all: an open one, or a refusal, which tells a stranger that somebody is there.
fn tcp(target: Ipv4Addr, ports: &[u16]) -> BTreeSet<u16> {
    /// Ports that one thread knocks at, one after the other.
    const EACH: usize = 16;
    let knock = |port: &&u16| match TcpStream::connect_timeout(&SocketAddr::from((target, **port)), SILENCE) {
        Ok(_) => true,
        Err(error) => error.kind() == ErrorKind::ConnectionRefused || error.kind() == ErrorKind::ConnectionReset,
    };
    thread::scope(|scope| {
        let threads: Vec<_> = ports
            .chunks(EACH)
            .map(|ports| scope.spawn(move || ports.iter().filter(knock).copied().collect::<Vec<_>>()))
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("no thread panics")).collect()
    })
}

fn udp_is_silent(target: Ipv4Addr, port: u16) -> Result<bool> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.connect((target, port))?;
    socket.set_read_timeout(Some(SILENCE))?;
    socket.send(&question("rpi1.mydomain.net", 1))?;
    let mut answer = [0; 512];
    match socket.recv(&mut answer) {
        Ok(_) => Ok(false),
        Err(error) => Ok(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)),
    }
}

/// A DISCOVER on the uplink must find no server behind the gateway's interface.
fn no_lease_outside(bed: &Bed) -> Result<()> {
    let mut socket = bed.lab.uplink().namespace().run(|| PacketSocket::open("up0"))?;
    let gateway = Machine::Virt.mac(1);
    for xid in 1..=3 {
        socket.send(&Question::discover([2, 0, 0, 0, 0, 0x55], xid).frame())?;
        let deadline = Instant::now() + SILENCE;
        while let Some(frame) = socket.receive(deadline)? {
            let offered = frame.get(6..12) == Some(&gateway) && Answer::read(&frame).is_some();
            ensure!(!offered, "the gateway leases addresses on its uplink");
        }
    }
    Ok(())
}

/// A neighbour on the uplink that knows the LAN's addresses and takes the gateway as router reaches nobody.
fn nothing_is_forwarded(bed: &Bed, client: &Client, inside: Ipv4Addr, gateway: Ipv4Addr) -> Result<()> {
    let listener = client.namespace().run(|| Ok(TcpListener::bind((inside, OPEN))?))?;
    let near = client.namespace().run(|| Ok(TcpStream::connect_timeout(&(inside, OPEN).into(), SOON).is_ok()))?;
    ensure!(near, "the client's own port is not open, so nothing would be shown");
    let mut heard = client.packet_socket()?;
    let outside = bed.lab.uplink().namespace();
    outside.ip(&format!("route add 10.0.0.0/24 via {gateway}"))?;
    let reached = outside.run(|| Ok(TcpStream::connect_timeout(&(inside, OPEN).into(), 2 * SILENCE).is_ok()))?;
    ensure!(!reached, "a stranger on the uplink reached {inside}:{OPEN}");
    outside.run(|| Ok(UdpSocket::bind((uplink::ROUTER, 0))?.send_to(b"knock", (inside, OPEN)).map(drop)?))?;
    let deadline = Instant::now() + SILENCE;
    while let Some(frame) = heard.receive(deadline)? {
        let from_outside = frame.get(12..14) == Some(&[0x08, 0]) && frame.get(26..30) == Some(&uplink::ROUTER.octets());
        ensure!(!from_outside, "a frame from {} arrived on the LAN", uplink::ROUTER);
    }
    drop(listener);
    Ok(())
}
