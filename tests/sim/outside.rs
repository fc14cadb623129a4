//! The world behind the uplink: a DHCP server and a name server, neither of them reliable, and a liar.

use super::dice::Dice;
use dhcproto::v4::{DhcpOption, Message, MessageType, Opcode};
use dhcproto::{Decodable, Encodable};
use gatepost_core::frame::Datagram;
use gatepost_core::net::{Ipv4Addr, MacAddr};

/// What a liar would have the world believe.
pub const POISON: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 66);

/// The address of the first statement.
const FIRST: u32 = 0xc612_0000;

const ROUTER_MAC: MacAddr = MacAddr([2, 9, 9, 9, 9, 9]);

/// Networks that the uplink may be on. The last overlaps the LAN.
const NETWORKS: [[u8; 3]; 3] = [[192, 168, 77], [172, 16, 5], [10, 0, 0]];

/// The uplink's DHCP server, which moves house now and then.
pub struct Household {
    network: [u8; 3],
}

impl Household {
    pub fn new() -> Self {
        Self { network: NETWORKS[0] }
    }

    /// The gateway is carried somewhere else.
    pub fn move_house(&mut self, dice: &mut Dice) {
        self.network = dice.pick(&NETWORKS);
    }

    /// The frame that answers the gateway's DHCP client, if any does.
    pub fn answer(&self, asked: &[u8], mac: MacAddr, dice: &mut Dice) -> Option<Vec<u8>> {
        let asked = Message::from_bytes(asked).expect("the client's messages can be read");
        let [a, b, c] = self.network;
        let (server, yours) = (Ipv4Addr::new(a, b, c, 1), Ipv4Addr::new(a, b, c, 50));
        let kind = match asked.opts().msg_type()? {
            MessageType::Discover => MessageType::Offer,
            MessageType::Request => {
                let wanted = match asked.opts().get(dhcproto::v4::OptionCode::RequestedIpAddress) {
                    Some(DhcpOption::RequestedIpAddress(address)) => *address,
                    _ => asked.ciaddr(),
                };
                if wanted == yours && !dice.one_in(50) { MessageType::Ack } else { MessageType::Nak }
            }
            _ => return None,
        };
        let none = Ipv4Addr::UNSPECIFIED;
        let given = if kind == MessageType::Nak { none } else { yours };
        let mut message = Message::new_with_id(asked.xid(), none, given, none, none, asked.chaddr());
        message.set_opcode(Opcode::BootReply);
        let options = message.opts_mut();
        options.insert(DhcpOption::MessageType(kind));
        options.insert(DhcpOption::ServerIdentifier(server));
        if kind != MessageType::Nak {
            options.insert(DhcpOption::AddressLeaseTime(dice.pick(&[120, 600, 3600])));
            options.insert(DhcpOption::SubnetMask(Ipv4Addr::new(255, 255, 255, 0)));
            options.insert(DhcpOption::Router(vec![server]));
            options.insert(DhcpOption::DomainNameServer(vec![server]));
        }
        let payload = message.to_vec().expect("a vector takes everything");
        let datagram = Datagram {
            source_mac: ROUTER_MAC,
            destination_mac: mac,
            source: server,
            destination: Ipv4Addr::BROADCAST,
            source_port: 67,
            destination_port: 68,
            payload: &payload,
        };
        datagram.build()
    }
}

/// Statements that are remembered: the addresses of 198.18.0.0/15 (RFC 2544). At one question in two seconds more than
/// two days pass before one is said anew; no answer is older than the longest time to live and the day for which old
/// ones are kept.
const STATEMENTS: u32 = 1 << 17;

/// The longest name that is asked for.
const MAX_NAME: usize = 20;

/// What an authoritative server once said: for which name, when, for how many seconds.
#[derive(Clone, Copy, Default)]
pub struct Statement {
    name: [u8; MAX_NAME],
    pub ttl: u32,
    pub issued: u64,
}

impl Statement {
    /// Whether it was made about this name.
    pub fn is_about(&self, name: &str) -> bool {
        self.name == fixed(name)
    }
}

/// The name server. Each answer carries a number, as an address, under which stands what was said and when. It takes its
/// memory at the beginning, so that what the gateway takes later is seen.
pub struct NameServer {
    said: Vec<Statement>,
    next: u32,
}

impl NameServer {
    pub fn new() -> Self {
        Self { said: vec![Statement::default(); STATEMENTS as usize], next: 0 }
    }

    /// The statement behind an address that a client was given.
    pub fn statement(&self, address: Ipv4Addr) -> Option<&Statement> {
        let statement = self.said.get(u32::from(address).checked_sub(FIRST)? as usize)?;
        (statement.ttl > 0).then_some(statement)
    }

    /// The answer to the question of `asked`, by UDP or TCP.
    pub fn answer(&mut self, asked: &[u8], real: u64, udp: bool, dice: &mut Dice) -> Vec<u8> {
        let mut reply = head(asked);
        match dice.below(20) {
            // Server failure; cut off, to be asked again by TCP.
            0 => reply[3] |= 2,
            1 if udp => reply[2] |= 2,
            // Nobody has a name there (RFC 6761 section 6.4).
            _ if name_of(asked).ends_with("invalid") => reply[3] |= 3,
            _ => {
                self.next = (self.next + 1) % STATEMENTS;
                let address = Ipv4Addr::from(FIRST + self.next);
                let ttl = dice.pick(&[1, 5, 30, 300, 3600]);
                self.said[self.next as usize] = Statement { name: fixed(&name_of(asked)), issued: real, ttl };
                put_address(&mut reply, ttl, address);
            }
        }
        reply
    }

    /// What a liar sends who does not know everything: another id, another name, other letters, or from elsewhere.
    pub fn forge(asked: &[u8], dice: &mut Dice) -> (Vec<u8>, bool) {
        let mut reply = head(asked);
        let elsewhere = match dice.below(4) {
            0 => {
                reply[0] ^= 0x40;
                false
            }
            1 => {
                reply[13] ^= 1;
                false
            }
            2 => {
                let letter = reply[12..].iter().position(u8::is_ascii_alphabetic).map_or(13, |at| at + 12);
                reply[letter] ^= 0x20;
                false
            }
            _ => true,
        };
        put_address(&mut reply, 3600, POISON);
        (reply, elsewhere)
    }
}

fn fixed(name: &str) -> [u8; MAX_NAME] {
    let mut fixed = [0; MAX_NAME];
    fixed[..name.len()].copy_from_slice(name.as_bytes());
    fixed
}

/// Header and question of a reply to `asked`, without records.
fn head(asked: &[u8]) -> Vec<u8> {
    let end = 12 + asked[12..].iter().position(|byte| *byte == 0).expect("a name ends") + 5;
    let mut reply = asked[..end].to_vec();
    reply[2..12].copy_from_slice(&[0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0]);
    reply
}

fn put_address(reply: &mut Vec<u8>, ttl: u32, address: Ipv4Addr) {
    reply[7] += 1;
    reply.extend([0xc0, 12, 0, 1, 0, 1]);
    reply.extend(ttl.to_be_bytes());
    reply.extend([0, 4]);
    reply.extend(address.octets());
}

/// The name in the question, in lower case.
pub fn name_of(message: &[u8]) -> String {
    let (mut at, mut labels) = (12, Vec::new());
    while let Some(length) = message.get(at).map(|length| usize::from(*length)).filter(|length| *length != 0) {
        labels.push(String::from_utf8_lossy(&message[at + 1..at + 1 + length]).to_lowercase());
        at += 1 + length;
    }
    labels.join(".")
}
