//! Tests of the client as transcripts: what the server and the link say, what the client answers, and when. Messages
//! are written and read byte by byte here, so that the codec does not confirm itself.

mod flow;
mod random;
mod restart;
mod wire;

use super::*;
use crate::entropy::SeededEntropy;
use crate::net::MacAddr;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;

pub(super) const MAC: MacAddr = MacAddr([0xdc, 0xa6, 0x32, 0, 0, 1]);
pub(super) const SERVER: [u8; 4] = [192, 168, 0, 1];
pub(super) const OTHER_SERVER: [u8; 4] = [192, 168, 0, 2];
pub(super) const OURS: [u8; 4] = [192, 168, 0, 51];
pub(super) const HOUR: u32 = 3600;

pub(super) const OFFER: u8 = 2;
pub(super) const ACK: u8 = 5;
pub(super) const NAK: u8 = 6;

pub(super) fn identity() -> Identity {
    Identity { mac: MAC, hostname: "gatepost".into() }
}

/// A server's message, byte by byte (RFC 2131 figure 1).
pub(super) fn message(xid: u32, yours: [u8; 4], options: &[(u8, &[u8])]) -> Vec<u8> {
    let mut bytes = vec![0; 236];
    bytes[..4].copy_from_slice(&[2, 1, 6, 0]);
    bytes[4..8].copy_from_slice(&xid.to_be_bytes());
    bytes[16..20].copy_from_slice(&yours);
    bytes[28..34].copy_from_slice(&MAC.0);
    bytes.extend_from_slice(&[99, 130, 83, 99]);
    for (code, data) in options {
        bytes.extend_from_slice(&[*code, u8::try_from(data.len()).unwrap()]);
        bytes.extend_from_slice(data);
    }
    bytes.push(255);
    bytes
}

/// A plain OFFER or ACK: mask, router, DNS, lease time.
pub(super) fn grant(kind: u8, xid: u32, yours: [u8; 4], server: [u8; 4], seconds: u32) -> Vec<u8> {
    let options: [(u8, &[u8]); 6] = [
        (53, &[kind]),
        (54, &server),
        (51, &seconds.to_be_bytes()),
        (1, &[255, 255, 255, 0]),
        (3, &SERVER),
        (6, &[192, 168, 0, 1, 9, 9, 9, 9]),
    ];
    message(xid, yours, &options)
}

pub(super) fn nak(xid: u32, server: [u8; 4]) -> Vec<u8> {
    message(xid, [0; 4], &[(53, &[NAK]), (54, &server)])
}

/// A message of the client, taken apart.
pub(super) struct Sent {
    pub bytes: Vec<u8>,
}

impl Sent {
    pub fn xid(&self) -> u32 {
        u32::from_be_bytes(self.bytes[4..8].try_into().unwrap())
    }

    pub fn secs(&self) -> u16 {
        u16::from_be_bytes(self.bytes[8..10].try_into().unwrap())
    }

    pub fn option(&self, wanted: u8) -> Option<Vec<u8>> {
        assert_eq!(self.bytes[236..240], [99, 130, 83, 99]);
        let mut at = 240;
        while self.bytes[at] != 255 {
            let (code, length) = (self.bytes[at], usize::from(self.bytes[at + 1]));
            if code == wanted {
                return Some(self.bytes[at + 2..at + 2 + length].to_vec());
            }
            at += 2 + length;
        }
        None
    }

    fn address(&self, option: u8) -> Option<Ipv4Addr> {
        self.option(option).map(|bytes| Ipv4Addr::from(<[u8; 4]>::try_from(bytes.as_slice()).unwrap()))
    }

    /// The message in a few words: kind, then what tells the five kinds of REQUEST apart (RFC 2131 table 5).
    fn words(&self) -> String {
        let kind = match self.option(53).unwrap()[..] {
            [1] => "DISCOVER",
            [3] => "REQUEST",
            [4] => "DECLINE",
            _ => panic!("a client does not send this"),
        };
        let ciaddr = Ipv4Addr::from(<[u8; 4]>::try_from(&self.bytes[12..16]).unwrap());
        let mut words = kind.to_string();
        if !ciaddr.is_unspecified() {
            words += &format!(" ciaddr {ciaddr}");
        }
        if let Some(address) = self.address(50) {
            words += &format!(" want {address}");
        }
        if let Some(address) = self.address(54) {
            words += &format!(" from {address}");
        }
        words
    }
}

/// A client, its clock, and the last message that it sent.
pub(super) struct Lab {
    pub client: Client,
    pub now: Instant,
    pub entropy: SeededEntropy,
    pub last: Option<Sent>,
    pub record: Option<Vec<u8>>,
}

impl Lab {
    pub fn new() -> Self {
        Self::with_record(None, WallTime(1_700_000_000))
    }

    pub fn with_record(record: Option<&[u8]>, wall: WallTime) -> Self {
        let now = Instant::from_secs(100);
        let client = Client::new(identity(), record, wall, now);
        Self { client, now, entropy: SeededEntropy::new(7), last: None, record: None }
    }

    /// What the client does, in words, one action each.
    pub fn actions(&mut self) -> Vec<String> {
        let mut all = Vec::new();
        while let Some(action) = self.client.poll_action() {
            all.push(match action {
                Action::Broadcast { source, payload } => {
                    let sent = Sent { bytes: payload };
                    let words = sent.words();
                    self.last = Some(sent);
                    format!("{source} > all: {words}")
                }
                Action::Unicast { source, server, payload } => {
                    let sent = Sent { bytes: payload };
                    let words = sent.words();
                    self.last = Some(sent);
                    format!("{source} > {server}: {words}")
                }
                Action::Probe(address) => format!("probe {address}"),
                Action::Bound(lease) => format!("bound {}", lease.address),
                Action::Lost { address, reason } => format!("lost {address} {reason:?}"),
                Action::Remember(record) => {
                    self.record = Some(record);
                    "remember".to_string()
                }
                Action::Forget => "forget".to_string(),
            });
        }
        all
    }

    pub fn link(&mut self, up: bool) -> Vec<String> {
        self.client.handle_link(up, self.now, &mut self.entropy);
        self.actions()
    }

    pub fn receive(&mut self, payload: &[u8]) -> Vec<String> {
        self.client.handle_packet(payload, self.now, &mut self.entropy);
        self.actions()
    }

    pub fn free(&mut self) -> Vec<String> {
        self.client.handle_probe_done(self.now, &mut self.entropy);
        self.actions()
    }

    pub fn taken(&mut self) -> Vec<String> {
        self.client.handle_conflict(self.now, &mut self.entropy);
        self.actions()
    }

    /// Jumps to the next timer; returns the whole seconds that passed, rounded, and what happened.
    pub fn wait(&mut self) -> (u64, Vec<String>) {
        let next = self.client.poll_timeout().expect("a timer must be set");
        let passed = next.since(self.now);
        self.now = self.now.max(next);
        self.client.handle_timeout(self.now, &mut self.entropy);
        ((passed.as_millis() as u64 + 500) / 1000, self.actions())
    }

    pub fn advance(&mut self, seconds: u64) -> Vec<String> {
        self.now = self.now + Duration::from_secs(seconds);
        self.client.handle_timeout(self.now, &mut self.entropy);
        self.actions()
    }

    pub fn xid(&self) -> u32 {
        self.last.as_ref().unwrap().xid()
    }

    /// From a link that comes up to a DISCOVER on the wire.
    pub fn selecting() -> Self {
        let mut lab = Self::new();
        assert_eq!(lab.link(true), [""; 0]);
        let (waited, actions) = lab.wait();
        assert!(waited <= 1);
        assert_eq!(actions, ["0.0.0.0 > all: DISCOVER"]);
        lab
    }

    pub fn requesting() -> Self {
        let mut lab = Self::selecting();
        let offer = grant(OFFER, lab.xid(), OURS, SERVER, HOUR);
        assert_eq!(lab.receive(&offer), ["0.0.0.0 > all: REQUEST want 192.168.0.51 from 192.168.0.1"]);
        lab
    }

    pub fn probing() -> Self {
        let mut lab = Self::requesting();
        let ack = grant(ACK, lab.xid(), OURS, SERVER, HOUR);
        assert_eq!(lab.receive(&ack), ["probe 192.168.0.51"]);
        lab
    }

    /// A lease of an hour.
    pub fn bound() -> Self {
        let mut lab = Self::probing();
        assert_eq!(lab.free(), ["bound 192.168.0.51/24", "remember"]);
        lab
    }

    pub fn renewing() -> Self {
        let mut lab = Self::bound();
        let (waited, actions) = lab.wait();
        assert!((1740..=1800).contains(&waited), "T1 is half an hour, a little less: {waited}");
        assert_eq!(actions, ["192.168.0.51 > 192.168.0.1: REQUEST ciaddr 192.168.0.51"]);
        lab
    }

    pub fn rebinding() -> Self {
        let mut lab = Self::renewing();
        loop {
            let (_, actions) = lab.wait();
            if actions == ["192.168.0.51 > all: REQUEST ciaddr 192.168.0.51"] {
                return lab;
            }
            assert_eq!(actions, ["192.168.0.51 > 192.168.0.1: REQUEST ciaddr 192.168.0.51"]);
        }
    }
}
