//! The DHCP client through all of its states, with servers that answer well, badly, and to somebody else.

use crate::traffic::dhcp;
use crate::{MILLION, fuzz, stream};
use gatepost_core::dhcp_client::{Action, Client, Identity};
use gatepost_core::entropy::SeededEntropy;
use gatepost_core::net::{Ipv4Net, MacAddr};
use gatepost_core::time::{Duration, Instant, WallTime};
use std::collections::BTreeSet;
use tests::mutate::Mutator;

/// Most actions after one input: a lease lost, another bound, its record, a message or two.
const MAX_ACTIONS: usize = 8;

struct Bed {
    client: Client,
    entropy: SeededEntropy,
    now: Instant,
    /// The last message that the client sent.
    asked: Vec<u8>,
    record: Vec<u8>,
    /// The address that the shell was told to use.
    in_use: Option<Ipv4Net>,
    seen: BTreeSet<&'static str>,
}

fn identity() -> Identity {
    Identity { mac: MacAddr([2, 0, 0, 0, 0, 0x51]), hostname: "gatepost".into() }
}

impl Bed {
    fn new() -> Self {
        let now = Instant::from_secs(5);
        let mut entropy = SeededEntropy::new(51);
        let mut client = Client::new(identity(), None, WallTime(0), now);
        client.handle_link(true, now, &mut entropy);
        Self { client, entropy, now, asked: vec![], record: vec![], in_use: None, seen: BTreeSet::new() }
    }

    fn wall(&self) -> WallTime {
        WallTime(1_800_000_000 + self.now.as_millis() / 1000)
    }

    /// Returns whether a lease came into use.
    fn act(&mut self, stream: &mut Mutator) -> bool {
        let (mut bound, mut count) = (false, 0);
        while let Some(action) = self.client.poll_action() {
            count += 1;
            assert!(count <= MAX_ACTIONS, "actions without end");
            match action {
                Action::Broadcast { payload, .. } | Action::Unicast { payload, .. } => self.asked = payload,
                // Sometimes nobody ever says a word about a probe.
                Action::Probe(_) if stream.one_in(8) => {}
                Action::Probe(_) if stream.one_in(8) => self.client.handle_conflict(self.now, &mut self.entropy),
                Action::Probe(_) => self.client.handle_probe_done(self.now, &mut self.entropy),
                Action::Bound(lease) => {
                    assert!(lease.address.is_host(lease.address.address()) && lease.address.prefix() >= 8);
                    (bound, self.in_use) = (true, Some(lease.address));
                }
                Action::Remember(record) => self.record = record,
                Action::Forget => self.record.clear(),
                Action::Lost { address, .. } => {
                    assert_eq!(self.in_use.take().map(Ipv4Net::address), Some(address), "only what is in use is lost");
                }
            }
        }
        assert_eq!(self.client.lease().map(|lease| lease.address), self.in_use);
        self.seen.insert(self.client.doing());
        bound
    }

    fn step(&mut self, stream: &mut Mutator) -> bool {
        match stream.below(8) {
            0 | 1 => self.wait_for_the_timer(),
            2 => self.now = self.now + Duration::from_millis(stream.below(1000).into()),
            _ => {}
        }
        let mut bound = self.act(stream);
        let packet = match dhcp::from_server(stream, &self.asked).filter(|_| !stream.one_in(8)) {
            Some(good) => {
                let dice = stream.below(64);
                let bent = stream.bend(&good);
                dhcp::mend(dice, bent, &good);
                bent.clone()
            }
            None => stream.random().clone(),
        };
        self.client.handle_packet(&packet, self.now, &mut self.entropy);
        bound |= self.act(stream);
        match stream.below(500) {
            0..3 => self.client.handle_link(false, self.now, &mut self.entropy),
            3..10 => self.client.handle_link(true, self.now, &mut self.entropy),
            10 => self.restart(stream),
            _ => {}
        }
        bound | self.act(stream)
    }

    fn wait_for_the_timer(&mut self) {
        let Some(due) = self.client.poll_timeout() else { return };
        self.now = self.now.max(due);
        for _ in 0..4 {
            self.client.handle_timeout(self.now, &mut self.entropy);
        }
        // A timer may lead to one that is due at once, but not for ever.
        let due = self.client.poll_timeout();
        assert!(due.is_none_or(|due| due > self.now), "{}: due at {due:?}, {:?}", self.client.doing(), self.now);
    }

    /// A new process finds the record as the card gives it back, and perhaps the address in the kernel.
    fn restart(&mut self, stream: &mut Mutator) {
        let in_use = self.in_use.take();
        let record = stream.bend(&self.record).clone();
        self.client = Client::new(identity(), Some(&record), self.wall(), self.now);
        if let Some(address) = in_use.filter(|_| stream.one_in(2)) {
            self.client.handle_configured(address, self.now);
        }
        self.client.handle_wall_time(self.wall(), self.now);
        self.client.handle_link(true, self.now, &mut self.entropy);
    }
}

#[test]
fn dhcp_client() {
    let words: [&[u8]; 6] =
        [&[121, 5, 0, 192, 168, 77, 1], &[51, 4, 0, 0, 0, 1], &[52, 1, 3], &[58, 4, 0, 0, 0, 0], &[255], &[3, 5]];
    let stream = stream("dhcp client", vec![], 1500).with_words(&words);
    let mut bed = Bed::new();
    fuzz("dhcp client", 10 * MILLION, stream, |stream| bed.step(stream));
    assert!(bed.seen.len() >= 8, "only these states were reached: {:?}", bed.seen);
}
