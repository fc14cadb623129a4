//! A DNS server behind one connection that sends anything: its stream of octets is cut and bent anywhere, answers come in any
//! order, and the connection is lost at any moment.

use crate::traffic::dns;
use crate::{MILLION, fuzz, stream};
use gatepost_core::config::{Protocol, Upstream};
use gatepost_core::dns::{
    Action, Client, Dns, Failure, Frames, MAX_PIPELINED, Outcome, Piped, Pipeline, Settings, Transport, framed,
};
use gatepost_core::entropy::SeededEntropy;
use gatepost_core::net::Ipv4Addr;
use gatepost_core::time::{Duration, Instant};
use std::net::{SocketAddr, SocketAddrV4};
use tests::mutate::Mutator;

const SERVER: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 1), 853);
const LOCAL: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

/// Longest message that is read, so that one that is too long comes up.
const LIMIT: usize = 2048;

/// Longest piece that is read at once.
const PIECE: usize = 1024;

struct Bed {
    dns: Dns,
    entropy: SeededEntropy,
    now: Instant,
    pipeline: Pipeline,
    frames: Frames,
    /// Messages as they went out, for the server to answer.
    sent: Vec<Vec<u8>>,
    pending: u64,
}

impl Bed {
    fn new() -> Self {
        let mut entropy = SeededEntropy::new(853);
        let settings = Settings {
            cache_entries: 256,
            cache_bytes: 32 * 1024,
            ..Settings::new("gatepost", "home.arpa", "10.0.0.1/24".parse().unwrap())
        };
        let mut dns = Dns::new(settings, &mut entropy);
        dns.set_upstreams(&[Upstream { address: SERVER, protocol: Protocol::Tls { name: "dns.example".into() } }]);
        let (pipeline, frames) = (Pipeline::default(), Frames::up_to(LIMIT));
        Self { dns, entropy, now: Instant::from_secs(1), pipeline, frames, sent: vec![], pending: 0 }
    }

    /// Does what the forwarder asks.
    fn act(&mut self) {
        while let Some(action) = self.dns.poll_action() {
            match action {
                Action::AskTls { key, payload, .. } => self.ask(Piped::new(key, payload, self.now)),
                Action::AskUdp { .. } | Action::AskTcp { .. } => panic!("a question in the clear"),
                Action::Answer { .. } => self.pending = self.pending.checked_sub(1).expect("one answer for one query"),
                Action::Close { .. } | Action::Note(_) => {}
            }
        }
    }

    fn ask(&mut self, question: Piped) {
        let key = question.key();
        match self.pipeline.ask(question) {
            Ok(message) => {
                assert!(message.len() <= 512, "a question is short");
                self.sent.push(message);
                assert!(self.sent.len() <= 2 * MAX_PIPELINED);
            }
            Err(_) => self.dns.handle_upstream_failed(key, Failure::Broken, self.now, &mut self.entropy),
        }
    }

    fn query(&mut self, stream: &mut Mutator) {
        let query = dns::query(stream);
        let peer = SocketAddr::from((Ipv4Addr::new(10, 0, 0, 2 + stream.below(60) as u8), 1024));
        let client = Client { transport: Transport::Udp, peer, local: LOCAL };
        let outcome = self.dns.handle_query(client, &query, self.now, &mut self.entropy, &mut Vec::new());
        self.pending += u64::from(outcome == Outcome::Pending);
        self.act();
    }

    /// A piece of the stream; whether an answer in it was waited for.
    fn read(&mut self, piece: &[u8]) -> bool {
        self.frames.buffer().extend_from_slice(piece);
        let mut deep = false;
        loop {
            match self.frames.next_message() {
                Ok(None) => break,
                Err(_) => {
                    self.lose();
                    break;
                }
                Ok(Some(message)) => {
                    assert!(message.len() <= LIMIT);
                    let Some((key, reply)) = self.pipeline.answered(message) else { continue };
                    self.dns.handle_reply(key, SERVER, &reply, self.now, &mut self.entropy);
                    self.act();
                    deep = true;
                }
            }
        }
        assert!(self.frames.buffer().len() < 2 + LIMIT + PIECE, "at most one message is kept");
        deep
    }

    /// The connection ends: what it left is asked on a new one, once.
    fn lose(&mut self) {
        self.frames = Frames::up_to(LIMIT);
        self.sent.clear();
        let lost = self.pipeline.lose(self.now);
        assert!(self.pipeline.is_empty() && self.pipeline.deadline(self.now).is_none());
        for key in lost.failed {
            self.dns.handle_upstream_failed(key, Failure::Broken, self.now, &mut self.entropy);
        }
        lost.again.into_iter().for_each(|question| self.ask(question));
        self.act();
    }

    fn pass_time(&mut self, millis: u32) {
        self.now = self.now + Duration::from_millis(millis.into());
        self.pipeline.forget_old(self.now);
        if self.dns.poll_timeout().is_some_and(|due| due <= self.now) {
            self.dns.handle_timeout(self.now, &mut self.entropy);
        }
        self.act();
    }
}

#[test]
fn dns_stream() {
    let stream = stream("dns stream", vec![], PIECE).with_words(&[&[0, 0], &[0, 12], &[8, 1], &[0xff, 0xff]]);
    let mut bed = Bed::new();
    fuzz("dns stream", 2 * MILLION, stream, |stream| {
        let millis = if stream.one_in(5_000) { 100_000 } else { stream.below(3) };
        bed.pass_time(millis);
        if bed.sent.len() < 32 {
            bed.query(stream);
        }
        if stream.one_in(500) {
            bed.lose();
        }
        let Some(last) = (bed.sent.len() as u32).checked_sub(1) else { return false };
        let asked = bed.sent.swap_remove(stream.below(last + 1) as usize);
        let answer = framed(&dns::reply(stream, &asked)).unwrap();
        let piece = if stream.one_in(16) { stream.bend(&answer).clone() } else { answer };
        // As a network cuts it.
        let (first, second) = piece.split_at(stream.below(piece.len() as u32 + 1) as usize);
        let (first, second) =
            (bed.read(&first[..first.len().min(PIECE)]), bed.read(&second[..second.len().min(PIECE)]));
        first || second
    });
    bed.pass_time(10_000);
    assert_eq!((bed.pending, bed.pipeline.is_empty(), bed.dns.poll_timeout()), (0, true, None));
}
