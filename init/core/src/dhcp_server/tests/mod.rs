//! Tests of the server as a whole, against bytes written and read by hand: the codec is not asked to confirm itself.

mod hostile;
mod left_behind;
mod names;
mod options;
mod probe;
mod restart;
mod rfc2131;
mod statics;
mod storm;

use super::*;
use crate::config::{DEFAULT_OFFERS, Host};
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

pub(super) const DISCOVER: u8 = 1;
pub(super) const OFFER: u8 = 2;
pub(super) const REQUEST: u8 = 3;
pub(super) const DECLINE: u8 = 4;
pub(super) const ACK: u8 = 5;
pub(super) const NAK: u8 = 6;
pub(super) const RELEASE: u8 = 7;
pub(super) const INFORM: u8 = 8;

pub(super) const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
pub(super) const LEASE: u64 = 12 * 3600;

pub(super) fn ip(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, last)
}

pub(super) fn mac(last: u8) -> MacAddr {
    MacAddr([2, 0, 0, 0, 0, last])
}

/// The network of the tests: 10.0.0.1/24, a pool of .10 to .128, rpi2 reserved outside the pool, nas inside it, and
/// printer, which sets its address itself.
pub(super) fn settings() -> Settings {
    Settings {
        lan: "10.0.0.1/24".parse().unwrap(),
        elsewhere: None,
        pool: (ip(10), ip(128)),
        lease: Duration::from_secs(LEASE),
        router: SERVER,
        dns: vec![SERVER],
        ntp: vec![],
        domain: "mydomain.net".into(),
        hostname: "rpi1".into(),
        taken: ["www".into()].into(),
        hosts: vec![
            host("rpi2", Some(mac(2)), ip(2)),
            host("nas", Some(mac(3)), ip(20)),
            host("printer", None, ip(30)),
        ],
        offers_per_second: DEFAULT_OFFERS,
        messages_per_mac: u32::MAX,
        probe: false,
        rapid_commit: true,
        unknown: true,
        log: false,
        options: vec![],
        matches: vec![],
        boot: vec![],
    }
}

pub(super) fn host(name: &str, mac: Option<MacAddr>, address: Ipv4Addr) -> Host {
    Host { name: name.into(), macs: mac.into_iter().collect(), address: Some(address), ..Host::default() }
}

/// A message under construction.
#[derive(Clone)]
pub(super) struct Packet {
    pub(super) fixed: [u8; 240],
    pub(super) options: Vec<u8>,
}

impl Packet {
    /// From the Ethernet station `mac(last)`.
    pub(super) fn new(kind: u8, last: u8) -> Self {
        Self::from(kind, mac(last))
    }

    pub(super) fn from(kind: u8, mac: MacAddr) -> Self {
        let mut fixed = [0; 240];
        fixed[..8].copy_from_slice(&[1, 1, 6, 0, 0xde, 0xad, 0xbe, mac.0[5]]);
        fixed[28..34].copy_from_slice(&mac.0);
        fixed[236..].copy_from_slice(&[99, 130, 83, 99]);
        Self { fixed, options: vec![53, 1, kind] }
    }

    pub(super) fn option(mut self, code: u8, bytes: &[u8]) -> Self {
        self.options.extend([code, bytes.len() as u8]);
        self.options.extend(bytes);
        self
    }

    pub(super) fn at(mut self, offset: usize, bytes: &[u8]) -> Self {
        self.fixed[offset..offset + bytes.len()].copy_from_slice(bytes);
        self
    }

    pub(super) fn requested(self, address: Ipv4Addr) -> Self {
        self.option(50, &address.octets())
    }

    pub(super) fn server(self, address: Ipv4Addr) -> Self {
        self.option(54, &address.octets())
    }

    pub(super) fn ciaddr(self, address: Ipv4Addr) -> Self {
        self.at(12, &address.octets())
    }

    pub(super) fn relayed(self, giaddr: Ipv4Addr) -> Self {
        self.at(24, &giaddr.octets())
    }

    pub(super) fn broadcast_flag(self) -> Self {
        self.at(10, &[0x80, 0])
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.fixed.to_vec();
        bytes.extend(&self.options);
        bytes.push(255);
        bytes
    }
}

/// A message of the server, read by hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) to: Destination,
    pub(super) bytes: Vec<u8>,
    /// In the order of the message.
    pub(super) options: Vec<(u8, Vec<u8>)>,
}

impl Sent {
    fn new(to: Destination, bytes: Vec<u8>) -> Self {
        assert!(bytes.len() >= 300, "padded to 300 bytes");
        assert_eq!((bytes[0], &bytes[236..240]), (2, &[99u8, 130, 83, 99][..]));
        let mut options = Vec::new();
        let rest = read_options(&bytes[240..], &mut options);
        assert!(rest.iter().all(|byte| *byte == 0), "nothing but padding behind the end");
        let overload = options.iter().find(|(code, _)| *code == 52).map_or(0, |(_, value)| value[0]);
        for (bit, field) in [(1, 108..236), (2, 44..108)] {
            if overload & bit != 0 {
                read_options(&bytes[field], &mut options);
            }
        }
        Self { to, bytes, options }
    }

    /// An option's pieces, joined (RFC 3396).
    pub(super) fn joined(&self, code: u8) -> Vec<u8> {
        self.options.iter().filter(|(found, _)| *found == code).flat_map(|(_, bytes)| bytes.clone()).collect()
    }

    pub(super) fn option(&self, code: u8) -> Option<&[u8]> {
        self.options.iter().find(|(found, _)| *found == code).map(|(_, bytes)| &bytes[..])
    }

    pub(super) fn codes(&self) -> Vec<u8> {
        self.options.iter().map(|(code, _)| *code).collect()
    }

    pub(super) fn kind(&self) -> u8 {
        self.option(53).unwrap()[0]
    }

    pub(super) fn address_at(&self, offset: usize) -> Ipv4Addr {
        Ipv4Addr::from(<[u8; 4]>::try_from(&self.bytes[offset..offset + 4]).unwrap())
    }

    pub(super) fn yiaddr(&self) -> Ipv4Addr {
        self.address_at(16)
    }

    pub(super) fn lease_secs(&self) -> u32 {
        u32::from_be_bytes(self.option(51).unwrap().try_into().unwrap())
    }
}

/// Reads options up to their end; gives what lies behind it.
fn read_options<'a>(mut rest: &'a [u8], options: &mut Vec<(u8, Vec<u8>)>) -> &'a [u8] {
    while rest[0] != 255 {
        let length = usize::from(rest[1]);
        options.push((rest[0], rest[2..2 + length].to_vec()));
        rest = &rest[2 + length..];
    }
    &rest[1..]
}

/// A server with a disk and a clock.
pub(super) struct Lab {
    pub(super) server: DhcpServer,
    pub(super) now: Instant,
    pub(super) wall: WallTime,
    /// What a power cut would leave.
    pub(super) disk: Vec<u8>,
    /// What has been written and not synced.
    pub(super) unsynced: Vec<Action>,
    /// Whether writes are synced at once.
    pub(super) syncing: bool,
    pub(super) writes: usize,
    pub(super) notes: Vec<Note>,
    pub(super) name_changes: usize,
    pub(super) lines: Vec<String>,
    /// Addresses that the LAN was asked for, while anything is of interest.
    pub(super) asked: Vec<Ipv4Addr>,
    sent: Vec<Sent>,
}

impl Lab {
    pub(super) fn new() -> Self {
        Self::with(settings())
    }

    pub(super) fn with(settings: Settings) -> Self {
        let now = Instant::from_secs(100);
        let mut lab = Self {
            server: DhcpServer::new(settings, now),
            now,
            wall: WallTime(1_800_000_000),
            disk: Vec::new(),
            unsynced: Vec::new(),
            syncing: true,
            writes: 0,
            notes: Vec::new(),
            name_changes: 0,
            lines: Vec::new(),
            asked: Vec::new(),
            sent: Vec::new(),
        };
        lab.server.restore(&[], lab.now, lab.wall);
        lab.drain();
        lab.writes = 0;
        lab
    }

    /// What the packet is answered with at once.
    pub(super) fn send(&mut self, packet: &Packet) -> Vec<Sent> {
        self.send_as(packet, Cast::Broadcast)
    }

    pub(super) fn send_as(&mut self, packet: &Packet, cast: Cast) -> Vec<Sent> {
        self.send_bytes(&packet.bytes(), cast)
    }

    pub(super) fn send_bytes(&mut self, bytes: &[u8], cast: Cast) -> Vec<Sent> {
        self.server.handle_packet(bytes, cast, self.now, self.wall);
        self.drain();
        core::mem::take(&mut self.sent)
    }

    /// The single answer to the packet.
    #[track_caller]
    pub(super) fn ask(&mut self, packet: &Packet) -> Sent {
        let [sent] = <[Sent; 1]>::try_from(self.send(packet)).expect("one answer");
        sent
    }

    /// DISCOVER to ACK; what is in `packet` is in both messages.
    #[track_caller]
    pub(super) fn lease_as(&mut self, packet: &Packet) -> Sent {
        let offer = self.ask(packet);
        assert_eq!(offer.kind(), OFFER);
        let mut request = packet.clone();
        request.options[2] = REQUEST;
        let ack = self.ask(&request.requested(offer.yiaddr()).server(SERVER));
        assert_eq!((ack.kind(), ack.yiaddr()), (ACK, offer.yiaddr()));
        ack
    }

    #[track_caller]
    pub(super) fn lease(&mut self, last: u8) -> Ipv4Addr {
        self.lease_as(&Packet::new(DISCOVER, last)).yiaddr()
    }

    /// Lets time pass, with the server's timers.
    pub(super) fn pass(&mut self, secs: u64) {
        let end = self.now + Duration::from_secs(secs);
        while let Some(due) = self.server.poll_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.server.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
        self.wall.0 += secs;
    }

    /// Syncs what was written, and gives what the server sends then.
    pub(super) fn sync(&mut self) -> Vec<Sent> {
        let mut last = None;
        for action in self.unsynced.drain(..) {
            last = Some(write(action, &mut self.disk));
        }
        if let Some(sequence) = last {
            self.server.handle_stored(sequence);
            self.drain();
        }
        core::mem::take(&mut self.sent)
    }

    /// A new process on the same machine, with what is on disk.
    pub(super) fn restart(&mut self) {
        let disk = self.disk.clone();
        self.restart_with(&disk);
    }

    pub(super) fn restart_with(&mut self, disk: &[u8]) {
        self.disk = disk.to_vec();
        self.unsynced.clear();
        self.server = DhcpServer::new(self.server.settings().clone(), self.now);
        self.server.restore(disk, self.now, self.wall);
        self.drain();
        self.sent.clear();
    }

    /// A power cut: the boot clock starts again, and the wall clock stands where it was last saved.
    pub(super) fn power_cut(&mut self) {
        self.now = Instant::from_secs(5);
        self.restart();
    }

    pub(super) fn find(&self, address: Ipv4Addr) -> Option<&Lease> {
        self.server.leases().find(|lease| lease.address == address)
    }

    pub(super) fn name_of(&self, address: Ipv4Addr) -> Option<String> {
        self.find(address).and_then(|lease| lease.host_name.clone())
    }

    pub(super) fn drain(&mut self) {
        while let Some(action) = self.server.poll_action() {
            match action {
                Action::Send { destination, payload } => self.sent.push(Sent::new(destination, payload)),
                Action::NamesChanged => self.name_changes += 1,
                Action::Note(note) => self.notes.push(note),
                Action::Log(line) => self.lines.push(line),
                Action::Probe(address) => self.asked.push(address),
                Action::StopProbing => self.asked.clear(),
                Action::Append { .. } | Action::Replace { .. } => {
                    self.writes += 1;
                    self.unsynced.push(action);
                    if self.syncing {
                        let sent = self.sync();
                        self.sent.extend(sent);
                    }
                }
            }
        }
    }
}

/// Does what the action says to the file; gives its number.
pub(super) fn write(action: Action, file: &mut Vec<u8>) -> u64 {
    match action {
        Action::Append { sequence, bytes } => {
            file.extend(bytes);
            sequence
        }
        Action::Replace { sequence, bytes } => {
            *file = bytes;
            sequence
        }
        other => panic!("not a write: {other:?}"),
    }
}
