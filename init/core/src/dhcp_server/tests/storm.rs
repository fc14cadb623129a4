//! A random conversation of 200 clients with cuts at any moment: invariant 2, step by step. Two live leases never share
//! an address, an acknowledgement that was sent is in the durable journal, and an address that a client was promised is
//! acknowledged to nobody else until the promise has run out.

use super::*;
use crate::entropy::{Entropy, SeededEntropy};

const CLIENTS: u32 = 200;
const STEPS: usize = 20_000;

/// What one client believes. Its clock is the true time, which no restart turns back.
#[derive(Clone, Default)]
struct Client {
    offered: Option<Ipv4Addr>,
    /// The address that it may use, and until when.
    address: Option<(Ipv4Addr, u64)>,
}

struct Storm {
    lab: Lab,
    random: SeededEntropy,
    clients: Vec<Client>,
    /// True time in seconds.
    time: u64,
    acks: usize,
    /// What a restart would know, until something else is on disk.
    durable: Option<DhcpServer>,
}

impl Storm {
    fn new(seed: u64) -> Self {
        let mut settings = settings();
        settings.pool = (ip(40), ip(139));
        settings.lease = Duration::from_secs(1800);
        let mut lab = Lab::with(settings);
        lab.syncing = false;
        let clients = vec![Client::default(); CLIENTS as usize];
        Self { lab, random: SeededEntropy::new(seed), clients, time: 0, acks: 0, durable: None }
    }

    fn packet(&self, kind: u8, client: u32) -> Packet {
        // Clients 2 and 3 are hosts of the configuration; every third has a client identifier.
        // The transaction is the moment of asking: a client counts its lease from there (RFC 2131 section 4.4.1).
        let packet = Packet::new(kind, client as u8).at(4, &(self.time as u32).to_be_bytes());
        if client.is_multiple_of(3) { packet.option(61, &[0xff, client as u8]) } else { packet }
    }

    fn step(&mut self) {
        match self.random.below(100) {
            0..=79 => self.talk(),
            80..=89 => {
                self.durable = None;
                let sent = self.lab.sync();
                self.receive(sent);
            }
            90..=96 => {
                let secs = u64::from(self.random.below(240));
                self.lab.pass(secs);
                self.time += secs;
            }
            97 | 98 => self.cut(),
            _ => {
                self.lab.unsynced.clear();
                self.lab.server.handle_store_failed(self.lab.now);
                self.lab.drain();
            }
        }
    }

    fn talk(&mut self) {
        let number = self.random.below(CLIENTS);
        let client = self.clients[number as usize].clone();
        let held = client.address.filter(|(_, until)| *until > self.time).map(|(address, _)| address);
        let packet = match (self.random.below(12), held, client.offered) {
            (0, Some(address), _) => {
                self.clients[number as usize].address = None;
                self.packet(RELEASE, number).ciaddr(address).server(SERVER)
            }
            (1, Some(address), _) => {
                self.clients[number as usize].address = None;
                self.packet(DECLINE, number).requested(address).server(SERVER)
            }
            (2..=7, Some(address), _) => self.packet(REQUEST, number).ciaddr(address),
            (8, Some(address), _) => self.packet(REQUEST, number).requested(address),
            (9, _, _) => self.packet(REQUEST, number).requested(ip(40 + self.random.below(100) as u8)),
            (_, None, Some(address)) => self.packet(REQUEST, number).requested(address).server(SERVER),
            _ => self.packet(DISCOVER, number),
        };
        let named = match self.random.below(6) {
            0 => packet.option(12, &[b'a' + (number % 26) as u8]),
            _ => packet,
        };
        let sent = self.lab.send(&named);
        self.receive(sent);
    }

    fn receive(&mut self, sent: Vec<Sent>) {
        // Reading the journal is what takes the time: one batch of answers in four is looked up in it.
        let look_up = self.random.below(4) == 0;
        for message in sent {
            let number = usize::from(message.bytes[33]);
            match message.kind() {
                OFFER => self.clients[number].offered = Some(message.yiaddr()),
                ACK => self.acknowledged(number, &message, look_up),
                NAK => self.clients[number] = Client::default(),
                other => panic!("sent a message of type {other}"),
            }
        }
    }

    fn acknowledged(&mut self, number: usize, message: &Sent, look_up: bool) {
        let address = message.yiaddr();
        let asked = u64::from(u32::from_be_bytes(message.bytes[4..8].try_into().unwrap()));
        let until = asked + u64::from(message.lease_secs());
        for (other, client) in self.clients.iter().enumerate() {
            let promised = client.address.is_some_and(|(theirs, until)| theirs == address && until > self.time);
            assert!(other == number || !promised, "{address} was promised to {other}, acknowledged to {number}");
        }
        if look_up {
            self.look_up(number, address, until);
        }
        self.clients[number] = Client { offered: None, address: Some((address, until)) };
        self.acks += 1;
    }

    /// The journal holds the lease, for as long as was promised.
    fn look_up(&mut self, number: usize, address: Ipv4Addr, until: u64) {
        let durable = self.durable.get_or_insert_with(|| {
            let mut copy = DhcpServer::new(self.lab.server.settings().clone(), self.lab.now);
            copy.restore(&self.lab.disk, self.lab.now, self.lab.wall);
            copy
        });
        let durable = durable.leases().find(|lease| lease.address == address).expect("it is in the durable journal");
        assert_eq!((durable.state, durable.mac()), (LeaseState::Bound, Some(mac(number as u8))));
        if let Expiry::At(at) = durable.expiry {
            let promised = self.lab.now + Duration::from_secs(until.saturating_sub(self.time));
            assert!(at >= promised, "for as long as promised: {at}, not {promised}");
        }
    }

    /// The power goes, or only the process: of what was not synced some of the bytes are on disk.
    fn cut(&mut self) {
        self.durable = None;
        let unsynced = core::mem::take(&mut self.lab.unsynced);
        let survive = self.random.below(unsynced.len() as u32 + 1) as usize;
        let mut file = self.lab.disk.clone();
        for (index, action) in unsynced.into_iter().enumerate() {
            match action {
                Action::Append { bytes, .. } if index == survive => {
                    file.extend(&bytes[..self.random.below(bytes.len() as u32) as usize]);
                }
                action if index < survive => drop(write(action, &mut file)),
                _ => break,
            }
        }
        match self.random.below(3) {
            0 => self.lab.now = Instant::from_secs(u64::from(self.random.below(30))),
            1 => self.lab.wall.0 = 1_800_000_000 + u64::from(self.random.below(1 << 25)),
            _ => {}
        }
        self.lab.restart_with(&file);
    }
}

fn storm(seed: u64) {
    let mut storm = Storm::new(seed);
    for step in 0..STEPS {
        storm.step();
        if step % 20 == 0 {
            storm.lab.server.table.check();
        }
    }
    assert!(storm.acks > STEPS / 20, "only {} acknowledgements", storm.acks);
}

#[test]
fn invariant_2_through_a_storm_with_cuts() {
    storm(1);
}

#[test]
fn invariant_2_through_another_storm() {
    storm(2);
}
