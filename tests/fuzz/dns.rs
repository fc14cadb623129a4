//! The DNS forwarder between clients that send anything and servers that answer anything.

use crate::traffic::dns;
use crate::{MILLION, fuzz, stream};
use gatepost_core::config::{Forward, Protocol, Record, RecordData, Upstream};
use gatepost_core::dns::{
    Action, BlockListBuilder, Client, Dns, Failure, MAX_FLIGHTS, MAX_WAITERS, NameRecord, Outcome, Settings, TOTAL,
    Transport, UpstreamKey,
};
use gatepost_core::entropy::SeededEntropy;
use gatepost_core::net::Ipv4Addr;
use gatepost_core::time::{Duration, Instant};
use std::net::{SocketAddr, SocketAddrV4};
use tests::mutate::Mutator;

const LOCAL: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

/// Most actions after one input: every waiter gets its answer and a line in the log, every attempt is closed.
const MAX_ACTIONS: usize = 2 * MAX_WAITERS + 8 * MAX_FLIGHTS;

/// An attempt whose socket is open.
struct Open {
    key: UpstreamKey,
    server: SocketAddrV4,
    payload: Vec<u8>,
}

struct Bed {
    dns: Dns,
    entropy: SeededEntropy,
    now: Instant,
    open: Vec<Open>,
    /// Queries that were promised an answer.
    pending: u64,
    connection: u64,
    answer: Vec<u8>,
}

impl Bed {
    fn new() -> Self {
        let mut entropy = SeededEntropy::new(53);
        let settings = Settings {
            log_queries: true,
            cache_entries: 512,
            cache_bytes: 64 * 1024,
            // An alias of ours that leads outside.
            records: vec![Record {
                name: "nobody.home.arpa".into(),
                data: RecordData::Cname("w1.example.com".into()),
                ttl: 300,
            }],
            ..Settings::new("gatepost", "home.arpa", "10.0.0.1/24".parse().unwrap())
        };
        let mut dns = Dns::new(settings, &mut entropy);
        dns.set_names(&[NameRecord { name: "rpi2".into(), address: Ipv4Addr::new(10, 0, 0, 2) }]);
        let mut lists = BlockListBuilder::new(64, &mut entropy);
        lists.read(b"w2.example.com\ncdn.example.net\n");
        lists.end_file();
        dns.set_block_list(lists.finish());
        let servers = ["192.0.2.1:53", "192.0.2.2:53", "192.0.2.3:5353"];
        let forwards = [("w1.example.com", "192.0.2.4:53"), ("example.org", "192.0.2.1:53")];
        dns.set_forwards(&forwards.map(|(domain, server)| Forward {
            domain: domain.into(),
            servers: vec![server.parse::<SocketAddrV4>().unwrap().into()],
        }));
        let mut servers = servers.map(|server| Upstream::from(server.parse::<SocketAddrV4>().unwrap()));
        servers[2].protocol = Protocol::Tls { name: "dns.example".into() };
        dns.set_upstreams(&servers);
        let now = Instant::from_secs(1);
        Self { dns, entropy, now, open: vec![], pending: 0, connection: 0, answer: vec![] }
    }

    /// Does what the forwarder asks; returns how many good answers were among it.
    fn act(&mut self) -> u32 {
        let (mut count, mut good) = (0, 0);
        while let Some(action) = self.dns.poll_action() {
            count += 1;
            assert!(count <= MAX_ACTIONS, "actions without end");
            match action {
                Action::AskUdp { key, server, payload }
                | Action::AskTcp { key, server, payload }
                | Action::AskTls { key, server, payload, .. } => {
                    self.open.push(Open { key, server, payload });
                }
                Action::Close { key } => {
                    let at =
                        self.open.iter().position(|open| open.key == key).expect("closed once, after it was opened");
                    self.open.swap_remove(at);
                }
                Action::Answer { payload, client } => {
                    self.pending = self.pending.checked_sub(1).expect("one answer for one query");
                    assert!(client.transport != Transport::Udp || payload.len() <= 1232);
                    good += u32::from(is_good(&payload));
                }
                Action::Note(note) => assert!(note.to_string().is_ascii()),
            }
        }
        assert!(self.open.len() <= 8 * MAX_FLIGHTS && self.pending <= MAX_WAITERS as u64);
        good
    }

    fn pass_time(&mut self, millis: u32) {
        self.now = self.now + Duration::from_millis(millis.into());
        if self.dns.poll_timeout().is_some_and(|due| due <= self.now) {
            self.dns.handle_timeout(self.now, &mut self.entropy);
            let due = self.dns.poll_timeout();
            assert!(due.is_none_or(|due| due > self.now && due <= self.now + TOTAL), "{due:?} at {:?}", self.now);
        }
        self.act();
    }

    fn query(&mut self, stream: &mut Mutator, bytes: &[u8]) -> bool {
        let host = Ipv4Addr::new(10, 0, 0, 2 + stream.below(60) as u8);
        let peer = SocketAddr::from((host, 1024 + stream.below(60_000) as u16));
        let transport = if stream.one_in(4) { Transport::Tcp(self.connection) } else { Transport::Udp };
        self.connection += 1;
        let client = Client { transport, peer, local: LOCAL };
        self.answer.clear();
        let outcome = self.dns.handle_query(client, bytes, self.now, &mut self.entropy, &mut self.answer);
        match outcome {
            Outcome::Answered => {
                assert!(self.answer[..2] == bytes[..2] && self.answer[2] & 0x80 != 0, "an answer to this query");
                assert!(transport != Transport::Udp || self.answer.len() <= 1232);
            }
            Outcome::Pending => self.pending += 1,
            Outcome::Dropped => {}
        }
        self.act();
        outcome == Outcome::Pending || outcome == Outcome::Answered && is_good(&self.answer)
    }

    /// A server answers one of the open attempts, well or badly.
    fn reply(&mut self, stream: &mut Mutator, bent: bool) -> bool {
        let Some(last) = (self.open.len() as u32).checked_sub(1) else { return false };
        // Mostly the oldest, or the young ones would never be done.
        let at = if stream.one_in(2) { 0 } else { stream.below(last + 1) as usize };
        let Open { key, server, payload } = &self.open[at];
        let (key, mut from) = (*key, *server);
        let mut reply = dns::reply(stream, payload);
        let head = dns::head_length(payload);
        if bent {
            // The identifier and the question have to be right, or nothing else is looked at.
            let (mend, good) = (!stream.one_in(8), payload[..head].to_vec());
            let bent = stream.bend(&reply);
            if mend {
                for range in [0..2, 12..head] {
                    bent.get_mut(range.clone()).into_iter().for_each(|to| to.copy_from_slice(&good[range.clone()]));
                }
                bent.get_mut(2).into_iter().for_each(|flags| *flags |= 0x80);
            }
            reply = bent.clone();
            if stream.one_in(64) {
                from.set_port(54);
            }
        }
        self.dns.handle_reply(key, from, &reply, self.now, &mut self.entropy);
        let good = self.act();
        if stream.one_in(100) {
            let failure = stream.pick(&[Failure::NotSent, Failure::Unreachable, Failure::Broken]);
            self.dns.handle_upstream_failed(key, failure, self.now, &mut self.entropy);
            self.act();
        }
        good > 0
    }

    /// Whoever waits gets an answer in the end, and nothing stays open.
    fn finish(&mut self) {
        self.pass_time(6000);
        assert_eq!((self.pending, self.open.len(), self.dns.poll_timeout()), (0, 0, None));
        let stats = self.dns.stats();
        assert!(stats.in_flight == 0 && stats.cache_entries <= 512 && stats.cache_bytes <= 64 * 1024, "{stats:?}");
    }
}

/// NOERROR or NXDOMAIN.
fn is_good(answer: &[u8]) -> bool {
    matches!(answer[3] & 15, 0 | 3)
}

#[test]
fn dns_queries() {
    let words: [&[u8]; 5] =
        [&[0xc0, 12], &[63], &[0, 0, 41, 16, 0, 0, 0, 0, 0, 0, 0], b"\x04home\x04arpa\0", &[0, 255]];
    let stream = stream("dns queries", vec![], 1400).with_words(&words);
    let mut bed = Bed::new();
    fuzz("dns queries", 10 * MILLION, stream, |stream| {
        // Now and then so long that kept answers are past their time.
        let millis = if stream.one_in(10_000) { 100_000 } else { stream.below(3) };
        bed.pass_time(millis);
        let bytes = if stream.one_in(10) {
            stream.random().clone()
        } else {
            let good = dns::query(stream);
            // Mostly with the header as it was: one question, a plain query.
            let mend = !stream.one_in(4);
            let bent = stream.bend(&good);
            if mend && bent.len() >= 12 {
                bent[..12].copy_from_slice(&good[..12]);
            }
            bent.clone()
        };
        let deep = bed.query(stream, &bytes);
        if stream.one_in(2) {
            bed.reply(stream, false);
        }
        deep
    });
    bed.finish();
}

#[test]
fn dns_replies() {
    let words: [&[u8]; 5] = [&[0xc0, 12], &[0xc0, 0xff], &[0, 5, 0, 1], &[0, 0, 41, 4, 208, 1, 0, 0, 0, 0, 0], &[63]];
    let stream = stream("dns replies", vec![], 4096).with_words(&words);
    let mut bed = Bed::new();
    fuzz("dns replies", 5 * MILLION, stream, |stream| {
        // Now and then so long that kept answers are past their time.
        let millis = if stream.one_in(10_000) { 100_000 } else { stream.below(3) };
        bed.pass_time(millis);
        if bed.open.len() < 32 {
            let good = dns::query(stream);
            bed.query(stream, &good);
        }
        bed.reply(stream, true)
    });
    bed.finish();
}
