//! The names that LAN clients ask for, and the check of what they are told.

use super::dice::Dice;
use super::outside::{NameServer, POISON, name_of};
use gatepost_core::dns::{Client, Transport};
use gatepost_core::net::Ipv4Addr;
use hickory_proto::op::Message;
use hickory_proto::rr::RData;
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// An accepted query is answered within this time (`dns::TOTAL`, and the timer's grain).
const ANSWER_MS: u64 = 5100;

/// The domain of the simulated LAN; a name in it must stay there.
pub const DOMAIN: &str = "mydomain.net";

/// Times to live are whole seconds, and an answer may be rounded up once.
const GRAIN_MS: u64 = 1000;

/// How long an old answer is kept for bad times (`dns::STALE_FOR`), and for how long clients may keep one, in seconds.
const STALE_MS: u64 = 86_400_000;
const STALE_TTL: u32 = 30;

/// What LAN clients have asked and not heard yet.
#[derive(Default)]
pub struct Questions {
    next: u32,
    waiting: BTreeMap<(SocketAddr, u16), u64>,
    /// Answers that came, of each kind: proof that each way was gone.
    pub local: u64,
    pub far: u64,
    pub stale: u64,
    pub failed: u64,
}

impl Questions {
    /// The next question of a client: who asks, and the message.
    pub fn next(&mut self, names: u32, dice: &mut Dice) -> (Client, Vec<u8>) {
        self.next += 1;
        let name = match dice.below(10) {
            0 => "gate".to_string(),
            1 => format!("node{}", dice.below(names)),
            2 => format!("node{}.{DOMAIN}", dice.below(names)),
            3 => format!("nobody{}.{DOMAIN}", dice.below(50)),
            4 => format!("{}.0.0.10.in-addr.arpa", dice.below(256)),
            5 => format!("once{}.example", self.next),
            _ => format!("www{}.example", dice.below(40)),
        };
        let qtype = if name.ends_with("arpa") { 12 } else { 1 };
        // The pair of port and id is not used again for a long time.
        let port = 20_000 + (self.next >> 12) as u16 % 40_000;
        let id = (self.next & 0xfff) as u16;
        let peer = SocketAddr::from(([10, 0, 0, dice.below(250) as u8 + 2], port));
        let mut query = vec![0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        query[..2].copy_from_slice(&id.to_be_bytes());
        for label in name.split('.') {
            query.push(label.len() as u8);
            query.extend(label.bytes());
        }
        query.extend([0, 0, qtype, 0, 1]);
        let transport = if dice.one_in(10) { Transport::Tcp(self.next.into()) } else { Transport::Udp };
        (Client { transport, peer, local: Ipv4Addr::new(10, 0, 0, 1) }, query)
    }

    /// The gateway has taken the question and owes an answer.
    pub fn accepted(&mut self, client: &Client, query: &[u8], real: u64) {
        let id = u16::from_be_bytes([query[0], query[1]]);
        let before = self.waiting.insert((client.peer, id), real);
        assert!(before.is_none(), "the simulation uses an id twice");
    }

    /// The answer to a question that was accepted.
    pub fn answered(&mut self, client: &Client, payload: &[u8], real: u64, server: &NameServer) {
        let id = u16::from_be_bytes([payload[0], payload[1]]);
        let asked = self.waiting.remove(&(client.peer, id));
        assert!(asked.is_some(), "invariant 4: a second answer, or one that nobody asked for: {payload:?}");
        self.check(payload, real, server);
    }

    /// An answer, whether it came at once or later, must be true.
    pub fn check(&mut self, payload: &[u8], real: u64, server: &NameServer) {
        let name = name_of(payload);
        let message = Message::from_vec(payload).expect("a stranger can read the answer");
        for record in &message.answers {
            let RData::A(address) = record.data else { continue };
            let address = Ipv4Addr::from(address.octets());
            assert_ne!(address, POISON, "invariant 3: a forged reply was believed for {name}");
            if address.octets()[0] == 10 {
                self.local += 1;
                continue;
            }
            let statement = server.statement(address).unwrap_or_else(|| panic!("{name}: nobody ever said {address}"));
            assert!(statement.is_about(&name), "{name} was given {address}, which was said of another name");
            let age = real - statement.issued;
            let valid = u64::from(statement.ttl) * 1000 + GRAIN_MS;
            if u64::from(record.ttl) * 1000 + age <= valid {
                self.far += 1;
            } else {
                // Served old, since the servers gave nothing better (RFC 8767 section 4: 30 seconds, and an end).
                let old = age + GRAIN_MS >= valid && age <= valid + STALE_MS && record.ttl == STALE_TTL;
                let said = format!("said {age} ms ago for {} s, answered for {} s", statement.ttl, record.ttl);
                assert!(old, "invariant 4: {name} was {said}");
                self.stale += 1;
            }
        }
        self.failed += u64::from(message.response_code.low() == 2);
    }

    /// Each accepted question has had its answer in time.
    pub fn check_deadlines(&self, real: u64) {
        for ((peer, id), asked) in &self.waiting {
            assert!(asked + ANSWER_MS >= real, "invariant 4: {peer} waits for the answer to {id} since {asked} ms");
        }
    }

    /// The process has ended: nobody will be answered.
    pub fn forget(&mut self) {
        self.waiting.clear();
    }
}
