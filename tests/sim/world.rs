//! The gateway among two hundred clients, on a network that loses, doubles and reorders, with a kernel that refuses, a
//! disk that fails, a clock that jumps and a process that dies. Time is virtual: a step is the next thing that happens.

use super::chaos::{Doom, Tally, Trouble};
use super::dice::Dice;
use super::disk::{Disk, Outcome};
use super::lan_client::{LanClient, Sent};
use super::outside::{Household, NameServer};
use super::questions::Questions;
use gatepost_core::config;
use gatepost_core::dhcp_server::Settings;
use gatepost_core::dns::{self, Failure, UpstreamKey};
use gatepost_core::entropy::SeededEntropy;
use gatepost_core::frame::Arp;
use gatepost_core::gateway::{ConfigSource, Gateway, Start};
use gatepost_core::net::{Ipv4Addr, MacAddr};
use gatepost_core::plan::Change;
use gatepost_core::time::{Instant, WallTime};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddrV4;
use tests::kernel::Kernel;

/// Clients of the LAN; the pool has fewer addresses.
pub const CLIENTS: u16 = 200;

const CONFIG: &str = "
hostname = \"gate\"
domain = \"mydomain.net\"
[dhcp]
pool = \"10.0.0.10-10.0.0.199\"
lease = \"10m\"
[dns]
cache_kib = 64
[[host]]
name = \"printer\"
mac = \"02:00:00:01:00:00\"
address = \"10.0.0.3\"
[[host]]
name = \"camera\"
mac = \"02:00:00:01:00:01\"
address = \"10.0.0.50\"
";

/// The wall clock of the first start.
const FIRST_WALL: u64 = 1_800_000_000;

/// Longest time that a message is under way: less than a client rests after it gave its address up.
const SLOWEST_MS: u64 = 900;

/// Longest time that the LAN may be without its address while the process runs: the kernel may refuse a few times.
const LAN_MS: u64 = 60_000;

pub(super) enum Event {
    Wake(usize),
    ToGateway(Sent),
    ToClient(usize, Vec<u8>),
    UplinkFrame(Vec<u8>),
    UplinkNeighbour(Ipv4Addr),
    Reply { key: UpstreamKey, from: SocketAddrV4, bytes: Vec<u8> },
    ReplyFailed(UpstreamKey),
    Applied(Vec<Change>),
    DiskTurn,
    Question,
    Start,
    Trouble,
}

pub struct World {
    pub dice: Dice,
    pub(super) trouble: Trouble,
    /// Milliseconds since the beginning, as nobody in here knows them.
    pub real: u64,
    /// When the machine was started last, and what its wall clock is ahead of the true time, in seconds.
    pub(super) booted: u64,
    pub(super) wall_ahead: i64,
    /// What happens when; the second number keeps the order of what happens at once.
    pub(super) events: BTreeMap<(u64, u64), Event>,
    pub(super) count: u64,
    /// `None` while the process is down.
    pub(super) gateway: Option<Gateway>,
    pub(super) entropy: SeededEntropy,
    pub(super) settings: Settings,
    pub(super) serving: bool,
    pub(super) kernel: Kernel,
    pub(super) applying: bool,
    pub(super) lan_was_up: u64,
    pub(super) disk: Disk,
    pub(super) record: Vec<u8>,
    /// The process, or the machine, ends when the present actions are done.
    pub(super) doom: Option<Doom>,
    pub(super) clients: Vec<LanClient>,
    pub(super) questions: Questions,
    pub(super) household: Household,
    pub(super) server: NameServer,
    pub(super) server_silent_until: u64,
    pub(super) open: BTreeSet<UpstreamKey>,
    pub tally: Tally,
}

impl World {
    pub fn new(seed: u64, trouble: Trouble) -> Self {
        let mut dice = Dice::new(seed);
        let parsed = config::parse(CONFIG.as_bytes()).expect("the configuration is good");
        let settings = Settings::new(&parsed, parsed.lan.address);
        let clients: Vec<_> = (0..CLIENTS).map(|number| LanClient::new(number, &mut dice)).collect();
        let mut world = Self {
            dice,
            trouble,
            real: 0,
            booted: 0,
            wall_ahead: 0,
            events: BTreeMap::new(),
            count: 0,
            gateway: None,
            entropy: SeededEntropy::new(seed ^ 0x5eed),
            settings,
            serving: false,
            kernel: Kernel::new(),
            applying: false,
            lan_was_up: 0,
            disk: Disk::default(),
            record: Vec::new(),
            doom: None,
            clients,
            questions: Questions::default(),
            household: Household::new(),
            server: NameServer::new(),
            server_silent_until: 0,
            open: BTreeSet::new(),
            tally: Tally::default(),
        };
        world.schedule(0, Event::Start);
        world.schedule(0, Event::Question);
        for number in 0..world.clients.len() {
            world.schedule(world.clients[number].due, Event::Wake(number));
        }
        if trouble.event_ms > 0 {
            world.schedule(trouble.event_ms, Event::Trouble);
        }
        world
    }

    pub(super) fn now(&self) -> Instant {
        // The kernel has run for a while when the process starts.
        Instant::from_millis(self.real.saturating_sub(self.booted) + 3000)
    }

    pub(super) fn wall(&self) -> WallTime {
        WallTime(FIRST_WALL.saturating_add(self.real / 1000).saturating_add_signed(self.wall_ahead))
    }

    pub(super) fn schedule(&mut self, at: u64, event: Event) {
        self.count += 1;
        self.events.insert((at.max(self.real), self.count), event);
    }

    /// Puts a message on its way, which it may not survive or may go twice.
    pub(super) fn send(&mut self, mut event: impl FnMut() -> Event) {
        let times =
            u32::from(!self.dice.one_in(self.trouble.loses)) + u32::from(self.dice.one_in(self.trouble.doubles));
        for _ in 0..times {
            let longest = if self.dice.one_in(10) { SLOWEST_MS } else { 20 };
            let at = self.real + self.dice.between(1, longest);
            self.schedule(at, event());
        }
    }

    /// The next thing that happens.
    pub fn step(&mut self) {
        let timer = self.gateway.as_ref().and_then(Gateway::poll_timeout);
        let timer = timer.map(|due| self.real + due.since(self.now()).as_millis() as u64);
        let next = self.events.first_key_value().map(|(key, _)| key.0).expect("clients never end");
        if let Some(timer) = timer.filter(|timer| *timer <= next) {
            self.real = timer;
            let (now, wall) = (self.now(), self.wall());
            if let Some(gateway) = &mut self.gateway {
                gateway.handle_timeout(now, wall, &mut self.entropy);
            }
        } else if let Some(((at, _), event)) = self.events.pop_first() {
            self.real = at;
            self.happen(event);
        }
        self.act();
        self.end_if_doomed();
        self.check();
    }

    fn happen(&mut self, event: Event) {
        let (now, wall) = (self.now(), self.wall());
        match event {
            Event::Wake(number) => return self.wake(number),
            Event::ToClient(number, payload) => return self.hear(number, &payload),
            Event::Question => return self.question(),
            Event::Start => return self.start(),
            Event::Trouble => return self.make_trouble(),
            Event::DiskTurn => return self.disk_turn(),
            Event::Applied(changes) => return self.applied(changes),
            Event::ToGateway(_) | Event::UplinkFrame(_) | Event::UplinkNeighbour(_) => {}
            Event::Reply { .. } | Event::ReplyFailed(_) => {}
        }
        let Some(gateway) = &mut self.gateway else { return };
        match event {
            Event::ToGateway(Sent { cast, payload }) if self.serving => {
                gateway.handle_lan_dhcp(&payload, cast, now, wall);
            }
            Event::UplinkFrame(frame) => gateway.handle_uplink_dhcp(&frame, now, wall, &mut self.entropy),
            Event::UplinkNeighbour(address) => {
                let mut arp = Arp::probe(MacAddr([2, 9, 9, 9, 9, 8]), Ipv4Addr::UNSPECIFIED);
                arp.sender = address;
                gateway.handle_uplink_arp(&arp.build(), now, &mut self.entropy);
            }
            Event::Reply { key, from, bytes } if self.open.contains(&key) => {
                gateway.handle_dns_reply(key, from, &bytes, now, &mut self.entropy);
            }
            Event::ReplyFailed(key) if self.open.contains(&key) => {
                gateway.handle_dns_failure(key, Failure::Unreachable, now, &mut self.entropy);
            }
            _ => {}
        }
    }

    fn start(&mut self) {
        let start = Start {
            version: "0".into(),
            config: config::parse(CONFIG.as_bytes()).expect("the configuration is good"),
            source: ConfigSource::File,
            problems: String::new(),
            journal: self.disk.durable.clone(),
            uplink_record: self.record.clone(),
            wifi_record: Vec::new(),
            memory_bytes: 1 << 30,
            built: WallTime(FIRST_WALL),
        };
        self.gateway = Some(Gateway::new(start, self.now(), &mut self.entropy));
        self.lan_was_up = self.real;
        self.look();
    }

    pub(super) fn look(&mut self) {
        let (now, wall) = (self.now(), self.wall());
        if let Some(gateway) = &mut self.gateway {
            gateway.handle_kernel(self.kernel.0.clone(), now, wall, &mut self.entropy);
        }
    }

    fn applied(&mut self, changes: Vec<Change>) {
        let (refuses, dice) = (self.trouble.kernel_refuses, &mut self.dice);
        let failures = self.kernel.apply(changes, |_| dice.one_in(refuses));
        self.applying = false;
        let now = self.now();
        if let Some(gateway) = &mut self.gateway {
            gateway.handle_applied(failures, now);
        }
    }

    fn disk_turn(&mut self) {
        let fails = self.dice.one_in(self.trouble.disk_fails);
        let outcome = self.disk.write_one(fails, &mut self.dice);
        let now = self.now();
        let Some(gateway) = &mut self.gateway else { return };
        match outcome {
            Some(Outcome::Stored(sequence)) => gateway.handle_leases_stored(sequence, now),
            Some(Outcome::Failed) => {
                self.tally.disk_failures += 1;
                gateway.handle_disk_failure("The card does not answer.", now);
            }
            Some(Outcome::Skipped) | None => {}
        }
    }

    fn wake(&mut self, number: usize) {
        let client = &mut self.clients[number];
        if client.due > self.real {
            return;
        }
        let before = client.held;
        let sent = client.act(self.real, &mut self.dice);
        // Whatever it does, it comes again.
        client.due = client.due.max(self.real + 1);
        self.tally.releases += u64::from(before.is_some() && client.held.is_none());
        self.client_says(number, sent);
    }

    fn hear(&mut self, number: usize, payload: &[u8]) {
        let sent = self.clients[number].hear(payload, self.real, &mut self.dice);
        self.client_says(number, sent);
        let Some(held) = self.clients[number].held else { return };
        let real = self.real;
        let others = self.clients.iter().enumerate().filter(|(other, _)| *other != number);
        for (other, client) in others {
            let twice = client.held.is_some_and(|theirs| theirs.address == held.address && theirs.end > real);
            assert!(!twice, "invariant 2: clients {number} and {other} both have {held:?} {:?}", client.held);
        }
    }

    fn client_says(&mut self, number: usize, sent: Option<Sent>) {
        self.schedule(self.clients[number].due, Event::Wake(number));
        if let Some(Sent { cast, payload }) = sent {
            self.send(|| Event::ToGateway(Sent { cast, payload: payload.clone() }));
        }
    }

    fn question(&mut self) {
        let pause = self.dice.between(0, 2 * self.trouble.question_ms);
        self.schedule(self.real + pause, Event::Question);
        let (real, now) = (self.real, self.now());
        let Some(gateway) = self.gateway.as_mut().filter(|_| self.serving) else { return };
        let (client, query) = self.questions.next(u32::from(CLIENTS), &mut self.dice);
        let mut answer = Vec::new();
        match gateway.handle_dns_query(client, &query, now, &mut self.entropy, &mut answer) {
            dns::Outcome::Answered => self.questions.check(&answer, real, &self.server),
            dns::Outcome::Pending => self.questions.accepted(&client, &query, real),
            dns::Outcome::Dropped => {}
        }
    }

    fn check(&mut self) {
        if self.gateway.is_none() {
            return;
        }
        self.questions.check_deadlines(self.real);
        let addresses = |name: &str| self.kernel.0.state.links.get(name).map(|link| &link.addresses);
        let (lan, uplink) = (addresses("eth0"), addresses("eth1"));
        let overlap = lan.into_iter().flatten().any(|lan| uplink.into_iter().flatten().any(|up| up.overlaps(*lan)));
        assert!(!overlap, "invariant 8: {lan:?} and {uplink:?} overlap");
        if lan.is_some_and(|lan| !lan.is_empty()) {
            self.lan_was_up = self.real;
        }
        assert!(self.real - self.lan_was_up < LAN_MS, "invariant 7: the LAN has no address since {}", self.lan_was_up);
    }

    /// How often each thing happened that is to be tried.
    pub fn counts(&self) -> [u64; 8] {
        let (tally, questions) = (&self.tally, &self.questions);
        [
            tally.acks,
            tally.naks,
            tally.releases,
            tally.uplink_leases,
            questions.local,
            questions.far,
            questions.stale,
            questions.failed,
        ]
    }
}
