//! What the flood is made of: some of it random bytes, most of it good messages bent.

use gatepost_core::frame::{Arp, Datagram};
use gatepost_core::net::{Ipv4Addr, MacAddr};
use qemu::dhcp::Question;
use tests::mutate::Mutator;

/// The gateway's own hardware address is not known here; broadcast reaches it.
const SENDER: MacAddr = MacAddr([2, 0, 0, 0, 0, 0x77]);

/// The longest packet: what passes without fragments.
const LONGEST: usize = 1400;

/// Bytes of Ethernet, IPv4 and UDP headers before a message.
const HEADERS: usize = 42;

/// Which stream.
#[derive(Clone, Copy)]
pub enum Kind {
    /// Messages to UDP port 67.
    DhcpClient,
    /// Messages to port 53.
    DnsQuery,
    /// Whole Ethernet frames on the LAN.
    LanFrame,
    /// Whole Ethernet frames on the uplink, most of them to UDP port 68.
    WanFrame,
    /// What a DNS server might say, without identifier and question.
    DnsReply,
}

/// A repeatable stream.
pub fn packets(kind: Kind, seed: u64) -> Mutator {
    let words: [&[u8]; 8] = [
        &[53, 1, 3],
        &[50, 4, 10, 0, 0, 99],
        &[54, 4, 10, 0, 0, 1],
        &[255],
        &[0xc0, 12],
        &[0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0],
        b"\x04rpi2\x08mydomain\x03net\0",
        &[0, 5, 0, 1],
    ];
    let seeds = match kind {
        Kind::DhcpClient => dhcp_questions().into_iter().map(|frame| frame[HEADERS..].to_vec()).collect(),
        Kind::DnsQuery => ["rpi2", "rpi1.mydomain.net", "a.example", "b.example", "2.0.0.10.in-addr.arpa"]
            .into_iter()
            .flat_map(|name| [query(name, 1), query(name, 28), query(name, 255)])
            .collect(),
        Kind::LanFrame => {
            let mut frames = dhcp_questions();
            let payload = query("rpi2", 1);
            frames.push(datagram([10, 0, 0, 77], [10, 0, 0, 1], (5353, 53), &payload));
            frames.push(Arp::probe(SENDER, Ipv4Addr::new(10, 0, 0, 1)).build());
            frames
        }
        Kind::WanFrame => vec![
            datagram([192, 168, 77, 1], [255; 4], (67, 68), &dhcp_answer(2)),
            datagram([192, 168, 77, 1], [255; 4], (67, 68), &dhcp_answer(5)),
            datagram([192, 168, 77, 1], [255; 4], (67, 68), &dhcp_answer(6)),
            datagram([192, 168, 77, 9], [255; 4], (53, 53), &query("rpi2", 1)),
            Arp::probe(SENDER, Ipv4Addr::new(192, 168, 77, 50)).build(),
        ],
        Kind::DnsReply => vec![
            b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\xc6\x33\x64\x07".to_vec(),
            b"\xc0\x0c\0\x05\0\x01\0\0\0\x3c\0\x06\x03one\xc0\x0c\x03one\xc0\x0c\0\x01\0\x01\0\0\0\0\0\x04\x01\x02\x03\x04"
                .to_vec(),
        ],
    };
    Mutator::new(seed * 16 + kind as u64, seeds, LONGEST).with_words(&words)
}

fn dhcp_questions() -> Vec<Vec<u8>> {
    let server = Ipv4Addr::new(10, 0, 0, 1);
    (0..40u8)
        .flat_map(|number| {
            let (mac, xid) = ([2, 0, 0, 2, 0, number], u32::from(number));
            let address = Ipv4Addr::new(10, 0, 0, 10 + number * 3);
            let discover = Question::discover(mac, xid);
            let select = Question::select(mac, xid, address, server);
            [discover.frame(), select.frame(), Question::reboot(mac, xid, address).frame()]
        })
        .collect()
}

/// A message for the gateway's client; its identifier is wrong, for nobody outside can know it.
fn dhcp_answer(kind: u8) -> Vec<u8> {
    let mut message = Question::discover(SENDER.0, 0x0102_0304).frame()[HEADERS..][..240].to_vec();
    message[0] = 2;
    message[16..20].copy_from_slice(&[192, 168, 77, 60]);
    message.extend([53, 1, kind, 54, 4, 192, 168, 77, 1, 51, 4, 0, 0, 1, 0, 1, 4, 255, 255, 255, 0, 255]);
    message
}

fn datagram(from: [u8; 4], to: [u8; 4], ports: (u16, u16), payload: &[u8]) -> Vec<u8> {
    let datagram = Datagram {
        source_mac: SENDER,
        destination_mac: MacAddr::BROADCAST,
        source: from.into(),
        destination: to.into(),
        source_port: ports.0,
        destination_port: ports.1,
        payload,
    };
    datagram.build().expect("it is short")
}

fn query(name: &str, kind: u16) -> Vec<u8> {
    let mut message = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        message.push(label.len() as u8);
        message.extend(label.as_bytes());
    }
    message.push(0);
    message.extend(kind.to_be_bytes());
    message.extend([0, 1]);
    message
}
