//! Three network namespaces in a row, and tools to send and see packets in them.
//!
//! ```text
//!  lan 10.0.0.2 ─── 10.0.0.1 eth0 [gateway] eth1 192.168.0.51 ─── 192.168.0.1 uplink, 203.0.113.1
//! ```
//! A namespace has no name: it lives as long as our file descriptor, so nothing is left behind.

use gatepost_core::ruleset::{Batch, Inputs, build, encode};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, SockaddrIn, bind, connect, getsockopt,
    recv, send, sendto, setsockopt, socket, sockopt,
};
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::ops::RangeInclusive;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::process::Command;
use std::time::Duration;

/// Whether namespaces can be made; says so if not.
pub fn root() -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        eprintln!("skipped: network namespaces need root");
    }
    root
}

/// A network namespace.
pub struct Namespace(File);

impl Namespace {
    /// A new one, with `lo` up.
    pub fn new() -> Self {
        let file = std::thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).unwrap();
            File::open("/proc/thread-self/ns/net").unwrap()
        });
        let namespace = Namespace(file.join().unwrap());
        namespace.ip("link set lo up");
        namespace
    }

    /// Runs `work` inside. Sockets that it returns stay inside.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let inside = scope.spawn(|| {
                setns(&self.0, CloneFlags::CLONE_NEWNET).unwrap();
                work()
            });
            inside.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Runs `ip` with these words inside and returns what it says.
    pub fn ip(&self, words: &str) -> String {
        self.run(|| command("ip", words))
    }

    fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd())
    }
}

/// Runs `nft` with these words in the namespace of this thread and returns what it says.
pub fn nft(words: &str) -> String {
    command("nft", words)
}

fn command(program: &str, words: &str) -> String {
    let output = Command::new(program).args(words.split(' ')).output().unwrap();
    assert!(output.status.success(), "{program} {words}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A LAN, the gateway and its uplink's side. The filter is in force, and forwarding is on.
pub struct Lab {
    pub lan: Namespace,
    pub gateway: Namespace,
    pub uplink: Namespace,
    /// The number of the uplink side's interface, there.
    pub uplink_index: u32,
    /// Its hardware address.
    pub uplink_mac: [u8; 6],
}

impl Lab {
    pub fn new(inputs: Inputs<'static>) -> Self {
        let (lan, gateway, uplink) = (Namespace::new(), Namespace::new(), Namespace::new());
        for (ours, other, theirs) in [("eth0", "lan", &lan), ("eth1", "uplink", &uplink)] {
            gateway.ip(&format!("link add {ours} type veth peer name {other} netns {}", theirs.path()));
            gateway.ip(&format!("link set {ours} addrgenmode none"));
            gateway.ip(&format!("link set {ours} up"));
            theirs.ip(&format!("link set {other} addrgenmode none"));
            theirs.ip(&format!("link set {other} up"));
        }
        lan.ip("addr add 10.0.0.2/24 dev lan");
        lan.ip("route add default via 10.0.0.1");
        gateway.ip("addr add 10.0.0.1/24 dev eth0");
        gateway.ip("addr add 192.168.0.51/24 dev eth1");
        gateway.ip("addr add fe80::51/64 dev eth1 nodad");
        gateway.ip("route add default via 192.168.0.1");
        gateway.ip("route add 10.99.0.0/24 via 10.0.0.2");
        uplink.ip("addr add 192.168.0.1/24 dev uplink");
        uplink.ip("addr add fe80::1/64 dev uplink nodad");
        uplink.ip("addr add 203.0.113.1/32 dev lo");
        uplink.ip("route add 10.0.0.0/8 via 192.168.0.51");
        gateway.run(move || {
            apply(&encode(&build(&inputs), 1)).unwrap();
            std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap();
        });
        let (uplink_index, uplink_mac) = uplink.run(|| {
            let index = nix::net::if_::if_nametoindex("uplink").unwrap();
            // /sys shows the namespace that it was mounted in, `ip` shows ours.
            let link = command("ip", "-o link show dev uplink");
            let mac = link.split("link/ether ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
            (index, mac.parse::<gatepost_core::net::MacAddr>().unwrap().0)
        });
        Lab { lan, gateway, uplink, uplink_index, uplink_mac }
    }

    /// Packets that a named counter has seen.
    pub fn counter(&self, name: &str) -> u64 {
        let text = self.gateway.run(|| nft(&format!("list counter inet gatepost {name}")));
        let packets = text.split("packets ").nth(1).and_then(|rest| rest.split(' ').next());
        packets.and_then(|number| number.parse().ok()).unwrap()
    }
}

/// Sends a batch to the kernel. On refusal: what was refused, and the error number.
pub fn apply(batch: &Batch) -> Result<(), (String, i32)> {
    let netlink =
        socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkNetFilter).unwrap();
    bind(netlink.as_raw_fd(), &NetlinkAddr::new(0, 0)).unwrap();
    let timeout = nix::sys::time::TimeVal::new(5, 0);
    setsockopt(&netlink, sockopt::ReceiveTimeout, &timeout).unwrap();
    sendto(netlink.as_raw_fd(), &batch.bytes, &NetlinkAddr::new(0, 0), MsgFlags::empty()).unwrap();
    loop {
        let mut answer = [0; 8192];
        recv(netlink.as_raw_fd(), &mut answer, MsgFlags::empty()).expect("the kernel's verdict");
        let word = |at: usize| u32::from_ne_bytes(answer[at..at + 4].try_into().unwrap());
        let (seq, errno) = (word(8), word(16).cast_signed());
        match errno {
            0 if seq == batch.acknowledged_seq() => return Ok(()),
            0 => (),
            _ => return Err((batch.describe(seq).unwrap().to_string(), -errno)),
        }
    }
}

/// A socket that sees every frame of this namespace's interfaces.
pub fn capture() -> OwnedFd {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    socket(AddressFamily::Packet, SockType::Raw, flags, SockProtocol::EthAll).unwrap()
}

/// The IPv4 sources of the frames captured so far that came to `mac`.
pub fn sources(capture: &OwnedFd, mac: [u8; 6]) -> Vec<Ipv4Addr> {
    let mut found = Vec::new();
    let mut frame = [0; 2048];
    while let Ok(length) = recv(capture.as_raw_fd(), &mut frame, MsgFlags::empty()) {
        if length >= 34 && frame[..6] == mac && frame[12..14] == [8, 0] {
            found.push(Ipv4Addr::new(frame[26], frame[27], frame[28], frame[29]));
        }
    }
    found
}

/// Sends a UDP datagram with any source address.
pub fn send_raw(source: Ipv4Addr, destination: Ipv4Addr, from: u16, to: u16) {
    let raw = socket(AddressFamily::Inet, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::Raw).unwrap();
    // Identification and header checksum are filled in by the kernel; a UDP checksum of 0 means none.
    let mut packet = vec![0x45, 0, 0, 29, 0, 0, 0, 0, 64, 17, 0, 0];
    packet.extend(source.octets());
    packet.extend(destination.octets());
    packet.extend([from.to_be_bytes(), to.to_be_bytes(), [0, 9], [0, 0]].concat());
    packet.push(b'x');
    let address = SockaddrIn::from(SocketAddrV4::new(destination, 0));
    sendto(raw.as_raw_fd(), &packet, &address, MsgFlags::empty()).unwrap();
}

/// Which ports of `host` say anything, yes or no, to TCP or UDP within `wait`.
pub fn scan(host: Ipv4Addr, ports: RangeInclusive<u16>, wait: Duration) -> Vec<(SockType, u16)> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let mut sockets = Vec::new();
    for kind in [SockType::Stream, SockType::Datagram] {
        for port in ports.clone() {
            let probe = socket(AddressFamily::Inet, kind, flags, None).unwrap();
            let _ = connect(probe.as_raw_fd(), &SockaddrIn::from(SocketAddrV4::new(host, port)));
            if kind == SockType::Datagram {
                send(probe.as_raw_fd(), b"?", MsgFlags::empty()).unwrap();
            }
            sockets.push((kind, port, probe));
        }
    }
    std::thread::sleep(wait);
    let events = PollFlags::POLLIN;
    let mut polled: Vec<PollFd> = sockets.iter().map(|(_, _, fd)| PollFd::new(fd.as_fd(), events)).collect();
    poll(&mut polled, PollTimeout::ZERO).unwrap();
    let said = polled.iter().map(|fd| fd.any().unwrap_or(true));
    sockets.iter().zip(said).filter(|(_, said)| *said).map(|((kind, port, _), _)| (*kind, *port)).collect()
}

/// The largest segment, in bytes, that this end will send.
pub fn segment_size(stream: &TcpStream) -> u32 {
    getsockopt(stream, sockopt::TcpMaxSeg).unwrap()
}

/// TCP's flag for a reset.
pub const RST: u8 = 0x04;

/// Sends a TCP segment without data.
pub fn tcp_segment(source: (Ipv4Addr, u16), destination: (Ipv4Addr, u16), flags: u8) -> nix::Result<()> {
    let mut segment = [source.1.to_be_bytes(), destination.1.to_be_bytes()].concat();
    segment.extend([0, 0, 0, 1, 0, 0, 0, 0, 0x50, flags, 0, 9, 0, 0, 0, 0]);
    let length = segment.len() as u16;
    let pseudo = [&source.0.octets()[..], &destination.0.octets(), &[0, 6], &length.to_be_bytes(), &segment].concat();
    segment[16..18].copy_from_slice(&checksum(&pseudo).to_be_bytes());
    let mut packet = vec![0x45, 0, 0, 20 + length as u8, 0, 0, 0, 0, 64, 6, 0, 0];
    packet.extend([source.0.octets(), destination.0.octets()].concat());
    packet.extend(segment);
    let raw = socket(AddressFamily::Inet, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::Raw).unwrap();
    sendto(raw.as_raw_fd(), &packet, &SockaddrIn::from(SocketAddrV4::new(destination.0, 0)), MsgFlags::empty())
        .map(drop)
}

/// Sends so many echo requests at once; returns how many answers came within `wait`.
pub fn echo(host: Ipv4Addr, count: u16, wait: Duration) -> u16 {
    let raw = socket(AddressFamily::Inet, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::Icmp).unwrap();
    for number in 0..count {
        let mut message = [&[8, 0, 0, 0, 0, 7][..], &number.to_be_bytes()].concat();
        let sum = checksum(&message);
        message[2..4].copy_from_slice(&sum.to_be_bytes());
        sendto(raw.as_raw_fd(), &message, &SockaddrIn::from(SocketAddrV4::new(host, 0)), MsgFlags::empty()).unwrap();
    }
    let until = std::time::Instant::now() + wait;
    let mut answers = 0;
    loop {
        let left = until.saturating_duration_since(std::time::Instant::now());
        let mut ready = [PollFd::new(raw.as_fd(), PollFlags::POLLIN)];
        let Ok(1..) = poll(&mut ready, PollTimeout::try_from(left).unwrap()) else { return answers };
        let mut packet = [0; 128];
        let length = recv(raw.as_raw_fd(), &mut packet, MsgFlags::empty()).unwrap();
        answers += u16::from(length >= 28 && packet[20] == 0);
    }
}

/// RFC 1071.
fn checksum(bytes: &[u8]) -> u16 {
    let pairs = bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0)));
    let sum = pairs.sum::<u32>();
    let sum = (sum & 0xffff) + (sum >> 16);
    !((sum & 0xffff) + (sum >> 16)) as u16
}
