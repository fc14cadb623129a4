//! The forwarder as a whole, driven like the shell drives it. Answers are read by a stranger: hickory-proto.

// Linked for hickory-proto, which has no std here.
extern crate critical_section as _;

mod blocking;
mod flaws;
mod forwarding;
mod forwards;
mod hot_path;
mod inward;
mod keeping;
mod local_names;
mod manners;
mod matrix;
mod portal;
mod properties;
mod rebinding;
mod records;
mod special_names;

use super::*;
use crate::config;
use crate::entropy::SeededEntropy;
use crate::net::Ipv4Addr;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::net::{SocketAddr, SocketAddrV4};
use hickory_proto::op::Message;

pub(super) const A: u16 = 1;
pub(super) const AAAA: u16 = 28;
pub(super) const CNAME: u16 = 5;
pub(super) const DNSKEY: u16 = 48;
pub(super) const DNAME: u16 = 39;
pub(super) const DS: u16 = 43;
pub(super) const NS: u16 = 2;
pub(super) const NSEC: u16 = 47;
pub(super) const PTR: u16 = 12;
pub(super) const RRSIG: u16 = 46;
pub(super) const SOA: u16 = 6;
pub(super) const TXT: u16 = 16;

pub(super) const ONE: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 1), 53);
pub(super) const TWO: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 2), 53);

/// A message that the forwarder sent to a server.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub(super) key: UpstreamKey,
    pub(super) server: SocketAddrV4,
    pub(super) tcp: bool,
    pub(super) payload: Vec<u8>,
}

/// The forwarder with a clock, and what it did.
pub(super) struct Lab {
    pub(super) dns: Dns,
    pub(super) now: Instant,
    pub(super) entropy: SeededEntropy,
    pub(super) asks: Vec<Ask>,
    pub(super) closed: Vec<UpstreamKey>,
    pub(super) answers: Vec<(Client, Vec<u8>)>,
    pub(super) notes: Vec<String>,
}

pub(super) fn settings() -> Settings {
    Settings::new("gatepost", "mydomain.net", "10.0.0.1/24".parse().unwrap())
}

pub(super) fn lab() -> Lab {
    let mut entropy = SeededEntropy::new(7);
    let mut dns = Dns::new(settings(), &mut entropy);
    dns.set_upstreams(&[ONE.into(), TWO.into()]);
    assert_eq!(dns.set_names(&[record("rpi1", 11), record("rpi2", 12)]), 0);
    let now = Instant::from_secs(1000);
    Lab { dns, now, entropy, asks: vec![], closed: vec![], answers: vec![], notes: vec![] }
}

pub(super) fn record(name: &str, last: u8) -> NameRecord {
    NameRecord { name: name.into(), address: Ipv4Addr::new(10, 0, 0, last) }
}

/// A client of the LAN by the last octet of its address.
pub(super) fn client(last: u8) -> Client {
    let peer = SocketAddr::from(([10, 0, 0, last], 40_000 + u16::from(last)));
    Client { transport: Transport::Udp, peer, local: Ipv4Addr::new(10, 0, 0, 1) }
}

pub(super) fn tcp_client(last: u8) -> Client {
    Client { transport: Transport::Tcp(u64::from(last)), ..client(last) }
}

impl Lab {
    /// What a client gets at once, if anything. The rest goes to the lists.
    pub(super) fn query(&mut self, client: Client, bytes: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        let outcome = self.dns.handle_query(client, bytes, self.now, &mut self.entropy, &mut out);
        self.drain();
        (outcome == Outcome::Answered).then_some(out)
    }

    /// The same as text; for `name` and `qtype` with RD, from client 5.
    pub(super) fn dig(&mut self, name: &str, qtype: u16) -> Option<String> {
        self.query(client(5), &query(1, name, qtype)).map(|bytes| show(&bytes))
    }

    /// Asks, and hands out the message that went upstream.
    pub(super) fn forward(&mut self, client: Client, bytes: &[u8]) -> Ask {
        assert_eq!(self.query(client, bytes), None);
        self.asks.pop().expect("a question went upstream")
    }

    pub(super) fn reply(&mut self, ask: &Ask, bytes: &[u8]) {
        self.dns.handle_reply(ask.key, ask.server, bytes, self.now, &mut self.entropy);
        self.drain();
    }

    pub(super) fn fail(&mut self, ask: &Ask, failure: Failure) {
        self.dns.handle_upstream_failed(ask.key, failure, self.now, &mut self.entropy);
        self.drain();
    }

    pub(super) fn sleep(&mut self, millis: u64) {
        self.now = self.now + Duration::from_millis(millis);
        self.dns.handle_timeout(self.now, &mut self.entropy);
        self.drain();
    }

    /// The answers since the last call, as text.
    pub(super) fn heard(&mut self) -> Vec<String> {
        core::mem::take(&mut self.answers).iter().map(|(_, bytes)| show(bytes)).collect()
    }

    fn drain(&mut self) {
        while let Some(action) = self.dns.poll_action() {
            match action {
                Action::AskUdp { key, server, payload } => self.asks.push(Ask { key, server, tcp: false, payload }),
                Action::AskTcp { key, server, payload } => self.asks.push(Ask { key, server, tcp: true, payload }),
                Action::AskTls { key, server, payload, .. } => self.asks.push(Ask { key, server, tcp: true, payload }),
                Action::Close { key } => {
                    assert!(!self.closed.contains(&key), "closed twice");
                    self.closed.push(key);
                }
                Action::Answer { client, payload } => self.answers.push((client, payload)),
                Action::Note(note) => self.notes.push(format!("{note}")),
            }
        }
    }
}

pub(super) fn wire_name(text: &str) -> Vec<u8> {
    name::Name::from_text(text).unwrap().as_bytes().to_vec()
}

fn push16(bytes: &mut Vec<u8>, words: &[u16]) {
    words.iter().for_each(|word| bytes.extend_from_slice(&word.to_be_bytes()));
}

/// A plain query with RD.
pub(super) fn query(id: u16, name: &str, qtype: u16) -> Vec<u8> {
    let mut bytes = Vec::new();
    push16(&mut bytes, &[id, 0x0100, 1, 0, 0, 0]);
    bytes.extend(wire_name(name));
    push16(&mut bytes, &[qtype, 1]);
    bytes
}

/// Adds an OPT record: UDP size, flags, options.
pub(super) fn with_opt(mut bytes: Vec<u8>, size: u16, version: u8, flags: u16, options: &[u8]) -> Vec<u8> {
    bytes[11] += 1;
    bytes.push(0);
    push16(&mut bytes, &[41, size, u16::from(version), flags, options.len() as u16]);
    bytes.extend_from_slice(options);
    bytes
}

/// A record as a server sends it: owner, type, TTL, data.
pub(super) type Rr<'a> = (&'a str, u16, u32, Vec<u8>);

pub(super) fn a(name: &str, ttl: u32, last: u8) -> Rr<'_> {
    (name, A, ttl, vec![198, 18, 0, last])
}

pub(super) fn cname<'a>(name: &'a str, ttl: u32, target: &str) -> Rr<'a> {
    (name, CNAME, ttl, wire_name(target))
}

pub(super) fn soa(zone: &str, ttl: u32, minimum: u32) -> Rr<'_> {
    let mut data = wire_name("ns.example.net");
    data.extend(wire_name("admin.example.net"));
    for number in [1, 2, 3, 4, minimum] {
        data.extend_from_slice(&u32::to_be_bytes(number));
    }
    (zone, SOA, ttl, data)
}

/// A reply to `ask` with the given flags and sections, uncompressed.
pub(super) fn reply(ask: &Ask, flags: u16, sections: [&[Rr<'_>]; 3]) -> Vec<u8> {
    let question = wire::question(&ask.payload).unwrap();
    let mut bytes = ask.payload[..2].to_vec();
    push16(&mut bytes, &[flags, 1]);
    sections.iter().for_each(|section| push16(&mut bytes, &[section.len() as u16]));
    bytes.extend_from_slice(question);
    for (owner, kind, ttl, data) in sections.into_iter().flatten() {
        bytes.extend(wire_name(owner));
        push16(&mut bytes, &[*kind, 1]);
        bytes.extend_from_slice(&ttl.to_be_bytes());
        push16(&mut bytes, &[data.len() as u16]);
        bytes.extend_from_slice(data);
    }
    bytes
}

pub(super) const OK: u16 = 0x8180;
pub(super) const NX: u16 = 0x8183;

/// A message as one line: code, flags, answers / authority / additional, and "opt" if there is one.
pub(super) fn show(bytes: &[u8]) -> String {
    let message = Message::from_vec(bytes).unwrap_or_else(|error| panic!("not a message: {error}: {bytes:02x?}"));
    let header = &message.metadata;
    let mut text = format!("{:?}", message.response_code);
    for (set, name) in [
        (header.authoritative, "aa"),
        (header.truncation, "tc"),
        (header.recursion_desired, "rd"),
        (header.recursion_available, "ra"),
        (header.authentic_data, "ad"),
        (header.checking_disabled, "cd"),
    ] {
        if set {
            text += &format!(" {name}");
        }
    }
    for section in [&message.answers, &message.authorities, &message.additionals] {
        let records: Vec<String> = section.iter().map(|record| format!("{record}")).collect();
        text += " | ";
        text += &records.join(", ");
    }
    if message.edns.is_some() {
        text += " opt";
    }
    text
}
