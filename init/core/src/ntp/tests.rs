//! Client and server against each other and against forged packets, on a virtual clock.

use super::packet::{Packet, mode};
use super::timestamp::Timestamp;
use super::*;
use crate::entropy::SeededEntropy;
use crate::net::{Ipv4Addr, Ipv4Net};
use crate::time::{Correction, Instant, Reading, UnixNanos, WallTime};
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;
use proptest::prelude::*;

const BUILT: u64 = 1_780_000_000;
const SECOND: i64 = 1_000_000_000;
/// The true time at boot.
const TRUTH: u64 = 1_790_000_000 * SECOND as u64;

/// How a server behaves.
#[derive(Clone, Copy)]
struct Manner {
    /// How wrong its clock is.
    error: i64,
    /// One way, in nanoseconds.
    way: u64,
    silent: bool,
    kiss: Option<[u8; 4]>,
    leap: u8,
}

const HONEST: Manner = Manner { error: 0, way: 10_000_000, silent: false, kiss: None, leap: 0 };

/// A client, its clock, and servers.
struct World {
    client: Client,
    now: Instant,
    /// How far our wall clock is from the truth.
    wrong: i64,
    servers: BTreeMap<Ipv4Addr, Manner>,
    entropy: SeededEntropy,
    steps: Vec<i64>,
    slews: Vec<i64>,
    notes: Vec<String>,
    asked: Vec<(Ipv4Addr, Instant)>,
    resolved: usize,
    names: Vec<Ipv4Addr>,
    /// Wall clock obeys what it is told.
    obedient: bool,
}

fn server(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(192, 0, 2, last)
}

impl World {
    fn new(manners: &[Manner], wrong: i64) -> Self {
        let servers: BTreeMap<_, _> = (1..).map(server).zip(manners.iter().copied()).collect();
        let settings = Settings {
            servers: servers.keys().map(ToString::to_string).collect(),
            built: UnixNanos::from(WallTime(BUILT)),
        };
        let mut client = Client::new(&settings);
        let now = Instant::from_secs(10);
        client.set_online(true, &[], now);
        let (steps, slews, notes, asked) = (vec![], vec![], vec![], vec![]);
        let entropy = SeededEntropy::new(3);
        let (resolved, names) = (0, vec![]);
        Self { client, now, wrong, servers, entropy, steps, slews, notes, asked, resolved, names, obedient: true }
    }

    fn boot(&self) -> u64 {
        self.now.as_millis() * 1_000_000
    }

    fn wall(&self, boot: u64) -> UnixNanos {
        UnixNanos(TRUTH + boot).moved(self.wrong)
    }

    fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        let mut turns = 0;
        while let Some(due) = self.client.poll_timeout().filter(|due| *due <= end) {
            turns += 1;
            assert!(turns < 20_000, "busy");
            self.now = self.now.max(due);
            self.client.handle_timeout(self.now, &mut self.entropy);
            self.act();
        }
        self.now = end;
    }

    fn act(&mut self) {
        while let Some(action) = self.client.poll_action() {
            match action {
                Action::Ask { server, payload } => self.answer(server, &payload),
                Action::Correct(correction) => self.correct(correction),
                Action::Note(note) => self.notes.push(note.to_string()),
                Action::Resolve(name) => {
                    self.resolved += 1;
                    let names = self.names.clone();
                    self.client.handle_addresses(&name, &names, self.now);
                }
            }
        }
    }

    fn correct(&mut self, correction: Correction) {
        match correction {
            Correction::Step(Reading { boot, wall }) => {
                let by = self.wall(boot).until(wall);
                self.steps.push(by);
                self.wrong += if self.obedient { by } else { 0 };
            }
            Correction::Slew { offset, .. } => {
                self.slews.push(offset);
                self.wrong += if self.obedient { offset } else { 0 };
            }
        }
    }

    fn reply(&self, manner: Manner, question: &Packet) -> Packet {
        let at = Timestamp::from_unix(UnixNanos(TRUTH + self.boot() + manner.way).moved(manner.error));
        Packet {
            leap: manner.leap,
            version: 4,
            mode: mode::SERVER,
            stratum: if manner.kiss.is_some() { 0 } else { 2 },
            reference_id: manner.kiss.unwrap_or([10, 0, 0, 9]),
            reference: at,
            origin: question.transmit,
            receive: at,
            transmit: at,
            ..Packet::default().with_root(20_000_000, 5_000_000)
        }
    }

    /// The answer comes at once as far as the test's time goes, with the clocks of later.
    fn answer(&mut self, to: Ipv4Addr, payload: &[u8]) {
        self.asked.push((to, self.now));
        let Some(manner) = self.servers.get(&to).copied().filter(|manner| !manner.silent) else { return };
        let reply = self.reply(manner, &Packet::read(payload).unwrap());
        let (sent, came) = (self.boot(), self.boot() + 2 * manner.way);
        let at = Reading { boot: came, wall: self.wall(came) };
        self.client.handle_packet(to, &reply.write(), sent, at, self.now);
    }

    /// The steps in whole seconds: the last nanosecond is lost on the wire.
    fn seconds_stepped(&self) -> Vec<i64> {
        self.steps.iter().map(|step| (step + SECOND / 2).div_euclid(SECOND)).collect()
    }

    fn is_right(&self) -> bool {
        self.client.standing(self.boot()).is_some()
    }
}

#[test]
fn a_clock_far_off_is_set_once_and_then_slewed() {
    let mut world = World::new(&[HONEST; 3], -3 * 86_400 * SECOND);
    world.run(Duration::from_secs(1));
    assert_eq!(world.seconds_stepped(), [3 * 86_400], "in the first second");
    assert!(!world.is_right(), "not before it was measured");
    world.run(Duration::from_secs(5));
    assert!(world.is_right());
    world.wrong += SECOND / 20;
    world.run(Duration::from_secs(3600));
    assert_eq!((world.steps.len(), world.wrong.abs() < 1_000_000), (1, true), "{:?}", world.slews);
    assert_eq!(world.notes, ["The clock is 259200.0 s behind: it is set.", "The clock is right, say 3 time servers."]);
}

#[test]
fn rounds_come_less_often_while_all_is_calm() {
    let mut world = World::new(&[HONEST; 4], 0);
    world.run(Duration::from_secs(86_400));
    let quiet: Vec<_> = world.asked.iter().filter(|(to, at)| *to == server(1) && at.as_millis() > 10_000_000).collect();
    let pace = quiet.len() as u64 / 3;
    assert!((70..=80).contains(&pace), "{pace} rounds in {} s, 1024 s each", 86_400 - 10_000);
    // RFC 5905 section 14 and RFC 8633: no server is asked twice within two seconds.
    for pair in quiet.windows(2) {
        assert!(pair[1].1.since(pair[0].1) >= Duration::from_secs(2), "{pair:?}");
    }
}

#[test]
fn one_liar_of_three_changes_nothing() {
    let liar = Manner { error: 3600 * SECOND, ..HONEST };
    let mut world = World::new(&[liar, HONEST, HONEST], -500 * SECOND);
    world.run(Duration::from_secs(60));
    assert_eq!(world.seconds_stepped(), [500]);
    assert!(world.is_right() && world.wrong.abs() < 1000);
}

#[test]
fn two_that_disagree_leave_the_clock_alone() {
    let liar = Manner { error: 3600 * SECOND, ..HONEST };
    let mut world = World::new(&[liar, HONEST], -500 * SECOND);
    world.run(Duration::from_secs(600));
    assert!(world.steps.is_empty() && world.slews.is_empty() && !world.is_right());
    assert_eq!(world.notes.len(), 1, "said once: {:?}", world.notes);
}

#[test]
fn a_later_step_needs_two_rounds_that_agree() {
    let mut world = World::new(&[HONEST; 2], 0);
    world.run(Duration::from_secs(200));
    assert!(world.is_right() && world.steps.is_empty());
    // One strange round, gone with the next one.
    world.servers.values_mut().for_each(|manner| manner.error = 50 * SECOND);
    let rounds = world.asked.len();
    while world.asked.len() < rounds + 6 {
        world.run(Duration::from_secs(1));
    }
    world.servers.values_mut().for_each(|manner| manner.error = 0);
    world.run(Duration::from_secs(2000));
    assert!(world.steps.is_empty() && world.wrong.abs() < 1000);
    // It stays: then it is true.
    world.servers.values_mut().for_each(|manner| manner.error = 50 * SECOND);
    world.run(Duration::from_secs(2000));
    assert_eq!(world.steps.len(), 1);
}

#[test]
fn rfc5905_7_4_kisses_of_death_are_obeyed() {
    let deny = Manner { kiss: Some(*b"DENY"), ..HONEST };
    let rate = Manner { kiss: Some(*b"RATE"), ..HONEST };
    let mut world = World::new(&[deny, HONEST, rate], 0);
    world.run(Duration::from_secs(3600));
    let times = |who: u8| world.asked.iter().filter(|(to, _)| *to == server(who)).count();
    assert_eq!(times(1), 1, "never again");
    assert!((3..8).contains(&times(3)), "{} questions in an hour: 128 s apart, then twice that, …", times(3));
    assert!(times(2) > 12, "one server's wish does not slow the others down: {}", times(2));
    assert!(world.is_right());
    assert!(world.notes.contains(&"The time server 192.0.2.1 does not want to be asked.".into()));
}

#[test]
fn rfc5905_7_4_the_only_server_is_left_alone_when_it_says_so() {
    let mut world = World::new(&[Manner { kiss: Some(*b"RATE"), ..HONEST }], 0);
    world.run(Duration::from_secs(4000));
    let pauses = world.asked.windows(2).map(|pair| pair[1].1.since(pair[0].1).as_secs());
    let least = [128, 256, 512, 1024].into_iter().chain(core::iter::repeat(1024));
    let pauses: Vec<_> = pauses.zip(least).collect();
    assert!(pauses.len() >= 3 && pauses.iter().all(|(pause, least)| pause >= least), "{pauses:?}");
}

/// CVE-2015-8138 (an answer off the path), CVE-2015-7704 (a forged kiss of death).
#[test]
fn a_forged_kiss_or_answer_without_our_number_is_nothing() {
    let mut world = World::new(&[Manner { silent: true, ..HONEST }], 0);
    world.client.handle_timeout(world.now, &mut world.entropy);
    let Some(Action::Ask { payload, .. }) = world.client.poll_action() else { panic!("a question") };
    let nonce = Packet::read(&payload).unwrap().transmit;
    let at = Reading { boot: world.boot(), wall: world.wall(world.boot()) };
    for kiss in [None, Some(*b"DENY"), Some(*b"RATE")] {
        let lie = Manner { kiss, error: 99 * SECOND, ..HONEST };
        let reply = world.reply(lie, &Packet { transmit: Timestamp(nonce.0 ^ 1), ..Packet::default() });
        world.client.handle_packet(server(1), &reply.write(), world.boot(), at, world.now);
        world.client.handle_packet(server(2), &reply.write(), world.boot(), at, world.now);
        // Our own question sent back to us.
        world.client.handle_packet(server(1), &payload, world.boot(), at, world.now);
    }
    assert_eq!(world.client.poll_action(), None);
    // The true answer still counts, once.
    let reply = world.reply(HONEST, &Packet { transmit: nonce, ..Packet::default() });
    let sent = world.boot() - 20_000_000;
    world.client.handle_packet(server(1), &reply.write(), sent, at, world.now);
    assert!(matches!(world.client.poll_action(), Some(Action::Note(Note::Right(1)))));
    assert!(matches!(world.client.poll_action(), Some(Action::Correct(Correction::Slew { .. }))));
    world.client.handle_packet(server(1), &reply.write(), sent, at, world.now);
    assert_eq!(world.client.poll_action(), None, "an answer that was replayed");
}

#[test]
fn rfc5905_8_servers_that_do_not_know_are_not_believed() {
    for manner in [
        Manner { leap: 3, ..HONEST },
        Manner { kiss: Some(*b"INIT"), ..HONEST },
        // Before the build: taken for 136 years later, which is too far.
        Manner { error: -20_000_000 * SECOND, ..HONEST },
        Manner { error: 50 * 365 * 86_400 * SECOND, ..HONEST },
        // Under way for longer than the time could then be known.
        Manner { way: 2_000_000_000, ..HONEST },
    ] {
        let mut world = World::new(&[manner], 0);
        world.run(Duration::from_secs(300));
        assert!(world.steps.is_empty() && world.slews.is_empty() && !world.is_right());
    }
}

#[test]
fn nobody_answers_and_the_pauses_grow() {
    let mut world = World::new(&[Manner { silent: true, ..HONEST }; 2], 0);
    world.run(Duration::from_secs(86_400));
    let asked = world.asked.len() / 2;
    assert!((80..=100).contains(&asked), "{asked} rounds in a day");
    world.servers.values_mut().for_each(|manner| manner.silent = false);
    // A new uplink is a reason to try at once.
    world.client.set_online(false, &[], world.now);
    assert_eq!(world.client.poll_timeout(), None);
    world.client.set_online(true, &[], world.now);
    world.run(Duration::from_secs(1));
    assert!(world.is_right());
}

#[test]
fn names_are_looked_up_and_again_when_their_servers_are_silent() {
    let mut world = World::new(&[HONEST], 0);
    let names = vec![String::from("time.example"), String::from("other.example")];
    world.client = Client::new(&Settings { servers: names, built: UnixNanos::from(WallTime(BUILT)) });
    world.client.set_online(true, &[], world.now);
    // Nobody can say yet.
    world.run(Duration::from_secs(5));
    assert!(world.asked.is_empty() && world.resolved >= 2);
    world.names = (1..=20).map(server).collect();
    world.run(Duration::from_secs(30));
    assert!(world.is_right());
    let different: alloc::collections::BTreeSet<_> = world.asked.iter().map(|(to, _)| *to).collect();
    assert_eq!(different.len(), MAX_OF_A_NAME, "no more than this of one name");
    let before = world.resolved;
    world.run(Duration::from_secs(3600));
    assert_eq!(world.resolved, before, "once is enough while they answer");
    world.servers.clear();
    world.run(Duration::from_secs(7200));
    assert!(world.resolved > before);
}

#[test]
fn what_was_known_is_vague_after_a_day_and_then_forgotten() {
    let mut world = World::new(&[HONEST], 0);
    world.run(Duration::from_secs(60));
    world.servers.clear();
    world.run(Duration::from_secs(3600));
    let standing = world.client.standing(world.boot()).unwrap();
    assert!(standing.dispersion > 3500 * 15_000, "{standing:?}");
    world.run(Duration::from_secs(86_400 * 2));
    assert!(!world.is_right() && world.notes.iter().any(|note| note.contains("may be off")), "{:?}", world.notes);
}

#[test]
fn servers_that_the_uplink_names_are_asked_too_and_not_our_own_kind_of_nonsense() {
    let mut world = World::new(&[], 0);
    world.servers.insert(server(9), HONEST);
    let learned = [Ipv4Addr::LOCALHOST, Ipv4Addr::BROADCAST, Ipv4Addr::UNSPECIFIED, server(9)];
    world.client.set_online(true, &learned, world.now);
    world.run(Duration::from_secs(10));
    assert!(world.is_right());
    assert!(world.asked.iter().all(|(to, _)| *to == server(9)), "{:?}", world.asked);
}

fn lan() -> Ipv4Net {
    "10.0.0.1/24".parse().unwrap()
}

fn host(last: u8) -> (Ipv4Addr, u16) {
    (Ipv4Addr::new(10, 0, 0, last), 50_000)
}

fn question(first: u8) -> Vec<u8> {
    let mut bytes = Packet::question(7).write().to_vec();
    bytes[0] = first;
    bytes
}

const TIMES: (UnixNanos, UnixNanos) = (UnixNanos(TRUTH), UnixNanos(TRUTH + 1000));

/// CVE-2013-5211 (monlist): control messages get no answer.
#[test]
fn rfc5905_14_the_server_answers_clients_and_nobody_else() {
    let mut server = Server::default();
    let now = Instant::from_secs(1);
    let mut ask = |message: &[u8], from| server.answer(message, from, lan(), None, TIMES, now);
    for version in 1..=4 {
        let answer = ask(&question(version << 3 | mode::CLIENT), host(7)).expect("an answer");
        assert_eq!(answer[0], 3 << 6 | version << 3 | mode::SERVER);
        assert_eq!((answer[1], &answer[24..32]), (16, &[0, 0, 0, 0, 0, 0, 0, 7][..]), "it does not know the time");
    }
    for other in [0, 1, 2, 4, 5, 6, 7] {
        assert_eq!(ask(&question(4 << 3 | other), host(7)), None, "mode {other}");
    }
    for version in [0, 5, 6, 7] {
        assert_eq!(ask(&question(version << 3 | mode::CLIENT), host(7)), None, "version {version}");
    }
    assert_eq!(ask(&question(0x23)[..47], host(7)), None);
    for from in [(server_of_elsewhere(), 123), (lan().address(), 123), (Ipv4Addr::new(10, 0, 0, 9), 0)] {
        assert_eq!(ask(&question(0x23), from), None, "{from:?}");
    }
}

fn server_of_elsewhere() -> Ipv4Addr {
    Ipv4Addr::new(192, 0, 2, 1)
}

#[test]
fn one_client_has_a_share_and_the_table_an_end() {
    let mut server = Server::default();
    let now = Instant::from_secs(1);
    let mut ask = |from, now| server.answer(&question(0x23), from, "10.0.0.1/8".parse().unwrap(), None, TIMES, now);
    let answered = (0..100).filter(|_| ask(host(7), now).is_some()).count();
    assert_eq!(answered as u64, BURST_OF_ONE);
    assert!(ask(host(8), now).is_some(), "another client's share is its own");
    assert!(ask(host(7), now + Duration::from_secs(2)).is_some());
    for n in 0..5 * server::MAX_CLIENTS as u32 {
        let from = (Ipv4Addr::from_bits(0x0a01_0000 + n), 123);
        assert!(ask(from, now + Duration::from_millis(n.into())).is_some());
    }
    assert!(server.clients() <= server::MAX_CLIENTS);
}

const BURST_OF_ONE: u64 = server::BURST;

#[test]
fn our_own_client_believes_our_own_server_once_it_knows_the_time() {
    let mut world = World::new(&[HONEST], 0);
    world.run(Duration::from_secs(60));
    let standing = world.client.standing(world.boot());
    let mut server = Server::default();
    let bytes = server.answer(&question(0x23), host(7), lan(), standing, TIMES, world.now).unwrap();
    let answer = Packet::read(&bytes).unwrap();
    assert_eq!((answer.leap, answer.stratum, answer.reference_id), (0, 3, [192, 0, 2, 1]));
    assert!(answer.root_delay > 0 && answer.root_dispersion > 0);
    assert!(answer.receive.0 < answer.transmit.0);
    // Stratum 16 is the word for not knowing it (RFC 5905 figure 11): what is so far off is not passed on.
    let edge = standing.map(|standing| Standing { stratum: 15, ..standing });
    let bytes = server.answer(&question(0x23), host(8), lan(), edge, TIMES, world.now).unwrap();
    let answer = Packet::read(&bytes).unwrap();
    assert_eq!((answer.leap, answer.stratum), (3, 16));
}

proptest! {
    #[test]
    fn whatever_comes_nothing_panics_and_no_step_goes_before_the_build(
        packets in proptest::collection::vec((1..4_u8, proptest::collection::vec(any::<u8>(), 0..80), any::<bool>(), any::<u64>()), 1..60),
        wrong in -1_000_000..1_000_000_i64,
    ) {
        let mut world = World::new(&[Manner { silent: true, ..HONEST }; 3], wrong * SECOND);
        for (from, mut bytes, fitting, sent) in packets {
            world.client.handle_timeout(world.now, &mut world.entropy);
            let mut numbers = BTreeMap::new();
            while let Some(action) = world.client.poll_action() {
                if let Action::Ask { server, payload } = action {
                    numbers.insert(server, payload);
                }
            }
            if let (true, Some(payload), true) = (fitting, numbers.get(&server(from)), bytes.len() >= SIZE) {
                bytes[0] = 0x24;
                bytes[24..32].copy_from_slice(&payload[40..48]);
            }
            let boot = world.boot();
            let at = Reading { boot, wall: world.wall(boot) };
            world.client.handle_packet(server(from), &bytes, sent, at, world.now);
            while let Some(action) = world.client.poll_action() {
                if let Action::Correct(Correction::Step(reading)) = action {
                    prop_assert!(reading.wall.wall() >= WallTime(BUILT - 2));
                }
            }
            world.now = world.client.poll_timeout().unwrap_or(world.now).max(world.now);
        }
    }

    #[test]
    fn an_honest_majority_brings_any_clock_to_the_truth(
        wrong in -1_500_000..1_500_000_i64,
        ways in proptest::collection::vec(1..200_u64, 3..6),
        lies in proptest::collection::vec(-100_000..100_000_i64, 0..3),
    ) {
        let honest = ways.iter().map(|way| Manner { way: way * 1_000_000, ..HONEST });
        let liars = lies.iter().map(|lie| Manner { error: lie * SECOND, ..HONEST });
        let manners: Vec<_> = honest.chain(liars).take(MAX_SERVERS).collect();
        prop_assume!(lies.len() * 2 < manners.len());
        let mut world = World::new(&manners, wrong * SECOND);
        world.run(Duration::from_secs(1200));
        prop_assert!(world.is_right());
        prop_assert!(world.wrong.abs() < SECOND / 2, "{} ns", world.wrong);
        prop_assert!(world.steps.len() <= 1, "{:?}", world.steps);
    }

    #[test]
    fn the_server_never_panics_and_never_amplifies(message in proptest::collection::vec(any::<u8>(), 0..600), last: u8, port: u16) {
        let mut server = Server::default();
        let from = (Ipv4Addr::new(10, 0, 0, last), port);
        if let Some(answer) = server.answer(&message, from, lan(), None, TIMES, Instant::from_secs(1)) {
            prop_assert!(answer.len() <= message.len());
        }
    }
}
