//! The gateway among two hundred clients, on a network that loses, doubles and reorders, with a kernel that refuses, a
//! disk that fails, a clock that jumps and a process that dies. Time is virtual: a step is the next thing that happens.

use super::dice::Dice;
use super::disk::{Disk, Outcome, Write};
use super::lan_client::{LanClient, Sent};
use super::outside::{Household, NameServer, name_of};
use super::questions::{DOMAIN, Questions};
use dhcproto::Decodable;
use dhcproto::v4::{Message, MessageType};
use gatepost_core::config;
use gatepost_core::dhcp_client::Action as UplinkAction;
use gatepost_core::dhcp_server::{Action as LanAction, DhcpServer, Expiry, Settings};
use gatepost_core::dns::{self, Failure, UpstreamKey};
use gatepost_core::entropy::SeededEntropy;
use gatepost_core::frame::Arp;
use gatepost_core::gateway::{Action, ConfigSource, Gateway, Start};
use gatepost_core::net::{Ipv4Addr, MacAddr};
use gatepost_core::plan::Change;
use gatepost_core::time::{Duration, Instant, WallTime};
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

/// Most actions after one input.
const MAX_ACTIONS: usize = 4096;

/// How much goes wrong. Each is once in so many times; zero is never.
#[derive(Clone, Copy)]
pub struct Trouble {
    /// Of each message: lost, doubled.
    pub loses: u32,
    pub doubles: u32,
    /// Of each write: it fails, the process dies beside it, the power is cut beside it.
    pub disk_fails: u32,
    pub dies_at_write: u32,
    pub power_cut_at_write: u32,
    /// Of each change of the kernel's state.
    pub kernel_refuses: u32,
    /// Mean time between other events in milliseconds: cables, clock steps, another uplink; zero for none.
    pub event_ms: u64,
    /// Mean time between two questions.
    pub question_ms: u64,
}

enum Event {
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
    trouble: Trouble,
    /// Milliseconds since the beginning, as nobody in here knows them.
    pub real: u64,
    /// When the machine was started last, and what its wall clock is ahead of the true time, in seconds.
    booted: u64,
    wall_ahead: i64,
    /// What happens when; the second number keeps the order of what happens at once.
    events: BTreeMap<(u64, u64), Event>,
    count: u64,
    /// `None` while the process is down.
    gateway: Option<Gateway>,
    entropy: SeededEntropy,
    settings: Settings,
    serving: bool,
    kernel: Kernel,
    applying: bool,
    lan_was_up: u64,
    disk: Disk,
    record: Vec<u8>,
    /// The process, or the machine, ends when the present actions are done.
    doom: Option<Doom>,
    clients: Vec<LanClient>,
    questions: Questions,
    household: Household,
    server: NameServer,
    server_silent_until: u64,
    open: BTreeSet<UpstreamKey>,
    pub tally: Tally,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Doom {
    Process,
    Machine,
}

/// What happened how often: proof that each thing was reached.
#[derive(Default, Debug)]
pub struct Tally {
    pub acks: u64,
    pub naks: u64,
    pub releases: u64,
    pub uplink_leases: u64,
    pub process_deaths: u64,
    pub power_cuts: u64,
    pub disk_failures: u64,
    pub clock_steps: u64,
    pub moves: u64,
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
            server: NameServer::default(),
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

    fn now(&self) -> Instant {
        // The kernel has run for a while when the process starts.
        Instant::from_millis(self.real.saturating_sub(self.booted) + 3000)
    }

    fn wall(&self) -> WallTime {
        WallTime(FIRST_WALL.saturating_add(self.real / 1000).saturating_add_signed(self.wall_ahead))
    }

    fn schedule(&mut self, at: u64, event: Event) {
        self.count += 1;
        self.events.insert((at.max(self.real), self.count), event);
    }

    /// Puts a message on its way, which it may not survive or may go twice.
    fn send(&mut self, mut event: impl FnMut() -> Event) {
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
            memory_bytes: 1 << 30,
        };
        self.gateway = Some(Gateway::new(start, self.now(), &mut self.entropy));
        self.lan_was_up = self.real;
        self.look();
    }

    fn look(&mut self) {
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
        self.from_client(number, sent);
    }

    fn hear(&mut self, number: usize, payload: &[u8]) {
        let sent = self.clients[number].hear(payload, self.real, &mut self.dice);
        self.from_client(number, sent);
        let Some(held) = self.clients[number].held else { return };
        let real = self.real;
        let others = self.clients.iter().enumerate().filter(|(other, _)| *other != number);
        for (other, client) in others {
            let twice = client.held.is_some_and(|theirs| theirs.address == held.address && theirs.end > real);
            assert!(!twice, "invariant 2: clients {number} and {other} both have {held:?} {:?}", client.held);
        }
    }

    fn from_client(&mut self, number: usize, sent: Option<Sent>) {
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

    /// Does what the gateway asks.
    fn act(&mut self) {
        let mut count = 0;
        while let Some(action) = self.gateway.as_mut().and_then(Gateway::poll_action) {
            count += 1;
            assert!(count <= MAX_ACTIONS, "actions without end: {action:?}");
            match action {
                Action::LookAtKernel => self.look(),
                Action::Apply(changes) => {
                    assert!(!self.applying, "one set of changes at a time");
                    self.applying = true;
                    let at = self.real + self.dice.between(1, 200);
                    self.schedule(at, Event::Applied(changes));
                }
                Action::ServeLan { .. } => {
                    self.serving = true;
                    let now = self.now();
                    self.gateway.iter_mut().for_each(|gateway| gateway.handle_serving(Ok(()), now));
                }
                Action::Probe(address) if self.dice.one_in(40) => {
                    self.send(|| Event::UplinkNeighbour(address));
                }
                Action::LanDhcp(action) => self.lan_dhcp(action),
                Action::UplinkDhcp(UplinkAction::Broadcast { payload, .. } | UplinkAction::Unicast { payload, .. }) => {
                    if let Some(frame) = self.household.answer(&payload, MacAddr([2, 0, 0, 0, 0, 3]), &mut self.dice) {
                        self.send(|| Event::UplinkFrame(frame.clone()));
                    }
                }
                Action::Dns(action) => self.dns(action),
                Action::RememberUplink(record) => {
                    self.tally.uplink_leases += u64::from(!record.is_empty());
                    self.record = record;
                }
                _ => {}
            }
        }
    }

    fn lan_dhcp(&mut self, action: LanAction) {
        let write = match action {
            LanAction::Send { payload, .. } => return self.to_client(payload),
            LanAction::Append { sequence, bytes } => Write::Append { sequence, bytes },
            LanAction::Replace { sequence, bytes } => Write::Replace { sequence, bytes },
            _ => return,
        };
        self.disk.put(write);
        let longest = if self.dice.one_in(20) { 2000 } else { 15 };
        let at = self.real + self.dice.between(1, longest);
        self.schedule(at, Event::DiskTurn);
        if self.dice.one_in(self.trouble.dies_at_write) {
            self.doom = Some(Doom::Process);
        } else if self.dice.one_in(self.trouble.power_cut_at_write) {
            self.doom = Some(Doom::Machine);
        }
    }

    fn to_client(&mut self, payload: Vec<u8>) {
        let message = Message::from_bytes(&payload).expect("the server's messages can be read");
        match message.opts().msg_type() {
            Some(MessageType::Ack) => self.tally.acks += 1,
            Some(MessageType::Nak) => self.tally.naks += 1,
            _ => {}
        }
        let number = self.clients.iter().position(|client| client.mac == message.chaddr());
        let number = number.expect("nobody else has asked");
        // Looked at where something may go wrong with the disk: it takes longer than all the rest.
        let end = self.clients[number].would_end(&message).filter(|_| self.trouble.disk_fails > 0);
        end.into_iter().for_each(|end| self.check_promise(&message, end));
        self.send(|| Event::ToClient(number, payload.clone()));
    }

    /// Invariant 2: an acknowledgement that leaves is on disk. Another server that started from there this very moment
    /// would keep the promise. `end` is when the client takes its lease for over.
    fn check_promise(&self, message: &Message, end: u64) {
        let (address, now) = (message.yiaddr(), self.now());
        let mut heir = DhcpServer::new(self.settings.clone(), now);
        heir.restore(&self.disk.durable, now, self.wall());
        let lease = heir.leases().find(|lease| lease.address == address);
        let lease = lease.unwrap_or_else(|| panic!("invariant 2: {address} was acknowledged and is not on disk"));
        assert_eq!(lease.mac().map(|mac| mac.0.to_vec()), Some(message.chaddr().to_vec()), "{address} is another's");
        let promised = now + Duration::from_millis(end.saturating_sub(self.real));
        let kept = match lease.expiry {
            Expiry::Reserved => true,
            // Whole seconds are written.
            Expiry::At(end) => end + Duration::from_secs(1) >= promised,
        };
        assert!(kept, "invariant 2: {address} was promised until {promised}, on disk is {:?}", lease.expiry);
    }

    fn dns(&mut self, action: dns::Action) {
        match action {
            dns::Action::AskUdp { key, server, payload } => self.ask(key, server, &payload, true),
            dns::Action::AskTcp { key, server, payload } => self.ask(key, server, &payload, false),
            dns::Action::AskTls { .. } => unreachable!("no server of the configuration speaks TLS"),
            dns::Action::Close { key } => assert!(self.open.remove(&key), "an attempt is closed twice"),
            dns::Action::Answer { client, payload } => {
                self.questions.answered(&client, &payload, self.real, &self.server);
            }
            dns::Action::Note(_) => {}
        }
    }

    fn ask(&mut self, key: UpstreamKey, server: SocketAddrV4, asked: &[u8], udp: bool) {
        let name = name_of(asked);
        let leaks = name.ends_with(DOMAIN) || !name.contains('.') || name.ends_with("10.in-addr.arpa");
        assert!(!leaks, "invariant 3: {name} went upstream");
        self.open.insert(key);
        if self.real < self.server_silent_until {
            return;
        }
        // Nobody off the way can put a word into a TCP connection.
        if udp && self.dice.one_in(5) {
            let (bytes, elsewhere) = NameServer::forge(asked, &mut self.dice);
            let stranger = SocketAddrV4::new(Ipv4Addr::new(198, 51, 100, 9), 53);
            let from = if elsewhere { stranger } else { server };
            self.schedule(self.real, Event::Reply { key, from, bytes });
        }
        if self.dice.one_in(40) {
            self.schedule(self.real, Event::ReplyFailed(key));
        }
        let bytes = self.server.answer(asked, self.real, udp, &mut self.dice);
        self.send(|| Event::Reply { key, from: server, bytes: bytes.clone() });
    }

    fn make_trouble(&mut self) {
        let pause = self.dice.between(1, 2 * self.trouble.event_ms);
        self.schedule(self.real + pause, Event::Trouble);
        match self.dice.below(8) {
            0 => {
                // The network, or a person, sets the clock.
                self.tally.clock_steps += 1;
                self.wall_ahead += self.dice.between(0, 2_000_000) as i64 - 1_000_000;
            }
            1 => {
                self.tally.moves += 1;
                self.household.move_house(&mut self.dice);
                self.flip_cable("eth1");
            }
            2 => self.flip_cable("eth0"),
            3 => self.server_silent_until = self.real + self.dice.between(1000, 20_000),
            4 => self.doom = Some(Doom::Process),
            _ => self.look_twice(),
        }
    }

    /// A cable is pulled or put in.
    fn flip_cable(&mut self, name: &str) {
        for link in self.kernel.0.links.iter_mut().filter(|link| link.name == name) {
            link.carrier = !link.carrier;
        }
        self.look();
    }

    /// Invariant 5: what is as it should be is left alone.
    fn look_twice(&mut self) {
        self.look();
        self.act();
        if !self.applying {
            self.look();
            self.act();
            assert!(!self.applying, "invariant 5: nothing had changed, and yet something is to be done");
        }
    }

    /// The process dies, or the machine loses its power.
    fn end_if_doomed(&mut self) {
        let Some(doom) = self.doom.take().filter(|_| self.gateway.is_some()) else { return };
        self.gateway = None;
        (self.serving, self.applying) = (false, false);
        self.disk.cut(&mut self.dice);
        self.questions.forget();
        self.open.clear();
        let stays = |event: &Event| match event {
            Event::Applied(_) | Event::DiskTurn | Event::Reply { .. } | Event::ReplyFailed(_) => false,
            Event::Start => unreachable!("it runs"),
            _ => true,
        };
        self.events.retain(|_, event| stays(event));
        let mut pause = self.dice.between(50, 1000);
        if doom == Doom::Process {
            self.tally.process_deaths += 1;
            // What the kernel holds stays; the new process can't read the old one's filter back.
            self.kernel.0.state.filter = None;
            self.kernel.0.state.forwarding = false;
        } else {
            self.tally.power_cuts += 1;
            pause = self.dice.between(10_000, 3_600_000);
            self.kernel = Kernel::new();
            self.booted = self.real + pause;
            // There is no battery: the clock goes on from what was written last, within the hour.
            self.wall_ahead -= (pause / 1000 + self.dice.between(0, 3600)) as i64;
        }
        self.schedule(self.real + pause, Event::Start);
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
        if self.count.is_multiple_of(1024) {
            // No answer is older than the longest time to live.
            self.server.forget_before(self.real.saturating_sub(2 * 3_600_000));
        }
    }

    /// Fails if something that was to be tried never came to be.
    pub fn check_tally(&self) {
        let tally = &self.tally;
        let counts = [tally.acks, tally.naks, tally.releases, tally.uplink_leases, self.questions.local];
        let counts = [&counts[..], &[self.questions.far, self.questions.failed]].concat();
        assert!(counts.iter().all(|count| *count > 0), "something was never reached: {tally:?}");
    }
}
