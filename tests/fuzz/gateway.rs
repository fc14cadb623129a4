//! The whole gateway at once: every input that its shell can give, in any order, with a kernel and a disk that refuse
//! now and then.

use crate::traffic::dhcp::{self, Heard};
use crate::traffic::dns;
use crate::{MILLION, fuzz, stream};
use gatepost_core::config;
use gatepost_core::dhcp_client::Action as UplinkAction;
use gatepost_core::dhcp_server::{Action as LanAction, Cast};
use gatepost_core::dns::{Action as DnsAction, Client, Failure, Outcome, Transport, UpstreamKey};
use gatepost_core::entropy::SeededEntropy;
use gatepost_core::frame::{Arp, Datagram};
use gatepost_core::gateway::{Action, ConfigSource, Gateway, Start};
use gatepost_core::net::{Ipv4Addr, MacAddr};
use gatepost_core::plan::Change;
use gatepost_core::time::{Duration, Instant, Reading, UnixNanos, WallTime};
use std::net::{SocketAddr, SocketAddrV4};
use tests::kernel::Kernel;
use tests::mutate::Mutator;

const LAN: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const NEIGHBOUR: MacAddr = MacAddr([2, 0, 0, 0, 0, 0x99]);

/// Most actions after one input: a thousand waiting DNS clients get their answer at once, their sockets are closed.
const MAX_ACTIONS: usize = 4096;

const CONFIG: &str = "
hostname = \"gatepost\"
[lan]
alternative = \"10.1.0.1/24\"
[dhcp]
lease = \"2h\"
[dns]
log_queries = true
";

/// A question whose socket is open.
type Open = (UpstreamKey, SocketAddrV4, Vec<u8>);

struct Bed {
    gateway: Gateway,
    entropy: SeededEntropy,
    now: Instant,
    kernel: Kernel,
    journal: Vec<u8>,
    record: Vec<u8>,
    written: u64,
    heard: Heard,
    /// The DHCP client's last message.
    asked: Vec<u8>,
    open: Vec<Open>,
    /// The last question to a time server.
    time_question: Option<(Ipv4Addr, [u8; 48])>,
    time_corrected: u64,
    probing: Option<Ipv4Addr>,
    /// The address that the LAN was asked for last.
    lan_probe: Ipv4Addr,
    /// Messages of the DHCP server, leases that the client reported, answers from upstream: proof that each way was gone.
    lan_messages: u64,
    uplink_leases: u64,
    dns_answers: u64,
}

fn start(journal: Vec<u8>, uplink_record: Vec<u8>) -> Start {
    Start {
        version: "0".into(),
        config: config::parse(CONFIG.as_bytes()).unwrap(),
        source: ConfigSource::File,
        problems: String::new(),
        journal,
        uplink_record,
        wifi_record: Vec::new(),
        memory_bytes: 1 << 30,
        built: WallTime(1_690_000_000),
    }
}

impl Bed {
    fn new() -> Self {
        let (now, mut entropy) = (Instant::from_secs(3), SeededEntropy::new(3));
        let gateway = Gateway::new(start(vec![], vec![]), now, &mut entropy);
        Self {
            gateway,
            entropy,
            now,
            kernel: Kernel::new(),
            journal: vec![],
            record: vec![],
            written: 0,
            heard: Heard::default(),
            asked: vec![],
            open: vec![],
            time_question: None,
            time_corrected: 0,
            probing: None,
            lan_probe: LAN,
            lan_messages: 0,
            uplink_leases: 0,
            dns_answers: 0,
        }
    }

    fn wall(&self) -> WallTime {
        WallTime(1_800_000_000 + self.now.as_millis() / 1000)
    }

    fn look(&mut self) {
        self.gateway.handle_kernel(self.kernel.0.clone(), self.now, self.wall(), &mut self.entropy);
    }

    /// Does what the gateway asks; returns how many messages it sent to somebody.
    fn act(&mut self, stream: &mut Mutator) -> u32 {
        let (mut count, mut sent) = (0, 0);
        while let Some(action) = self.gateway.poll_action() {
            count += 1;
            assert!(count <= MAX_ACTIONS, "actions without end: {action:?}");
            match action {
                Action::LookAtKernel => self.look(),
                Action::Apply(changes) => self.apply(stream, changes),
                Action::ServeLan { .. } => {
                    let refused = stream.one_in(50).then(|| "The port is taken.".to_string());
                    self.gateway.handle_serving(refused.map_or(Ok(()), Err), self.now);
                }
                Action::ListenUplink { .. } | Action::CloseUplink => {}
                Action::Probe(address) => self.probing = Some(address),
                Action::StopProbing => self.probing = None,
                Action::LanDhcp(action) => sent += self.lan_dhcp(action),
                Action::UplinkDhcp(UplinkAction::Broadcast { payload, .. } | UplinkAction::Unicast { payload, .. }) => {
                    self.asked = payload;
                    sent += 1;
                }
                Action::UplinkDhcp(other) => panic!("not for the shell: {other:?}"),
                Action::Dns(action) => sent += self.dns(action),
                Action::AskTime { server, payload } => self.time_question = Some((server, payload)),
                Action::CorrectClock(_) => self.time_corrected += 1,
                Action::RememberUplink(record) => {
                    self.uplink_leases += u64::from(!record.is_empty());
                    self.record = record;
                }
                // No network is configured.
                Action::OpenWifi { .. }
                | Action::CloseWifi
                | Action::Wifi(_)
                | Action::DerivePmk(_)
                | Action::RememberWifi(_) => panic!("a radio without a network to join"),
                Action::Say(line) => assert!(line.is_ascii() && line.len() <= 200, "{line}"),
            }
        }
        sent
    }

    fn lan_dhcp(&mut self, action: LanAction) -> u32 {
        match action {
            LanAction::Send { payload, .. } => {
                self.heard.note(&payload);
                self.lan_messages += 1;
                return 1;
            }
            LanAction::Append { sequence, bytes } => {
                self.journal.extend(bytes);
                self.written = sequence;
            }
            LanAction::Replace { sequence, bytes } => {
                self.journal = bytes;
                self.written = sequence;
            }
            LanAction::Probe(address) => self.lan_probe = address,
            LanAction::StopProbing => {}
            other => panic!("not for the shell: {other:?}"),
        }
        0
    }

    fn dns(&mut self, action: DnsAction) -> u32 {
        match action {
            DnsAction::AskUdp { key, server, payload }
            | DnsAction::AskTcp { key, server, payload }
            | DnsAction::AskTls { key, server, payload, .. } => {
                self.open.push((key, server, payload));
            }
            DnsAction::Close { key } => self.open.retain(|open| open.0 != key),
            DnsAction::Answer { payload, .. } => {
                self.dns_answers += u64::from(matches!(payload[3] & 15, 0 | 3));
                return 1;
            }
            DnsAction::Note(note) => panic!("not for the shell: {note:?}"),
        }
        0
    }

    /// The kernel takes the steps, or refuses them.
    fn apply(&mut self, stream: &mut Mutator, changes: Vec<Change>) {
        let failures = self.kernel.apply(changes, |_| stream.one_in(40));
        self.gateway.handle_applied(failures, self.now);
    }

    fn pass_time(&mut self, stream: &mut Mutator) -> u32 {
        let millis = if stream.one_in(20_000) { 3_600_000 } else { stream.below(10) };
        self.now = self.now + Duration::from_millis(millis.into());
        let mut sent = 0;
        for round in 0.. {
            if self.gateway.poll_timeout().is_none_or(|due| due > self.now) {
                return sent;
            }
            assert!(round < 16, "due again and again at {:?}", self.now);
            self.gateway.handle_timeout(self.now, self.wall(), &mut self.entropy);
            sent += self.act(stream);
        }
        sent
    }

    fn step(&mut self, stream: &mut Mutator) -> bool {
        let mut sent = self.pass_time(stream);
        let wall = self.wall();
        match stream.below(200) {
            0..2 => self.time(stream),
            2..60 => {
                let good = dhcp::from_client(stream, &self.heard, LAN);
                let packet = bend_dhcp(stream, &good);
                if stream.one_in(20) {
                    self.left_behind(stream, &packet);
                } else {
                    let cast = if stream.one_in(2) { Cast::Unicast } else { Cast::Broadcast };
                    self.gateway.handle_lan_dhcp(&packet, cast, self.now, wall);
                }
            }
            60..80 => self.uplink_frame(stream),
            80..84 => self.arp(stream),
            84..140 => sent += self.query(stream),
            140..180 => self.reply(stream),
            180..197 => self.gateway.handle_leases_stored(self.written, self.now),
            197 => self.trouble(stream),
            198 if stream.one_in(100) => self.change_cables(stream),
            _ => {
                let question = stream.pick(&["status", "leases", "names", "log", "", "x"]);
                assert!(self.gateway.answer(question, self.now).len() < 1 << 20);
            }
        }
        sent += self.act(stream);
        assert!(self.open.len() <= 2048);
        sent > 0
    }

    /// A client's message from outside the LAN's network.
    fn left_behind(&mut self, stream: &mut Mutator, payload: &[u8]) {
        let old = payload.get(12..16).and_then(|octets| octets.try_into().ok()).unwrap_or([10, 9, 9, 9]);
        let datagram = Datagram {
            source_mac: NEIGHBOUR,
            destination_mac: MacAddr::BROADCAST,
            source: Ipv4Addr::from(old),
            destination: Ipv4Addr::BROADCAST,
            source_port: 68,
            destination_port: 67,
            payload,
        };
        let frame = datagram.build().unwrap_or_default();
        let frame = if stream.one_in(8) { stream.bend(&frame).clone() } else { frame };
        self.gateway.handle_left_behind(&frame, self.now, self.wall());
    }

    fn uplink_frame(&mut self, stream: &mut Mutator) {
        let good = dhcp::from_server(stream, &self.asked).unwrap_or_default();
        let payload = bend_dhcp(stream, &good);
        let datagram = Datagram {
            source_mac: NEIGHBOUR,
            destination_mac: MacAddr::BROADCAST,
            source: Ipv4Addr::new(192, 168, 77, 1),
            destination: Ipv4Addr::BROADCAST,
            source_port: 67,
            destination_port: 68,
            payload: &payload,
        };
        let mut frame = datagram.build().unwrap();
        if stream.one_in(8) {
            frame = stream.bend(&frame).clone();
        }
        self.gateway.handle_uplink_dhcp(&frame, self.now, self.wall(), &mut self.entropy);
    }

    /// A time server's answer, or a question from the LAN.
    fn time(&mut self, stream: &mut Mutator) {
        let boot = self.now.as_millis() * 1_000_000;
        let wall = UnixNanos::from(self.wall());
        let at = Reading { boot, wall };
        let Some((server, question)) = self.time_question else { return };
        if stream.one_in(2) {
            let from = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, stream.below(250) as u8), 123);
            let bytes = stream.bend(&question).clone();
            let answer = self.gateway.handle_ntp_query(&bytes, from, at, wall, self.now);
            return assert!(answer.is_none_or(|answer| answer.len() <= bytes.len()));
        }
        let mut answer = question.to_vec();
        answer[..4].copy_from_slice(&[0x24, stream.below(17) as u8, 6, 0xec]);
        answer.copy_within(40..48, 24);
        let seconds = self.wall().0 + 2_208_988_800 + u64::from(stream.below(3));
        for place in [32, 40] {
            answer[place..place + 8].copy_from_slice(&(seconds << 32).to_be_bytes());
        }
        let bytes = if stream.one_in(4) { answer } else { stream.bend(&answer).clone() };
        self.gateway.handle_ntp_reply(server, &bytes, boot.saturating_sub(1_000_000), at, self.now);
    }

    fn arp(&mut self, stream: &mut Mutator) {
        if stream.one_in(4) {
            let mut answer = Arp::probe(NEIGHBOUR, LAN);
            answer.sender = self.lan_probe;
            let frame = stream.bend(&answer.build()).clone();
            return self.gateway.handle_lan_arp(&frame, self.now);
        }
        let address = self.probing.unwrap_or(LAN);
        let frame = stream.bend(&Arp::probe(NEIGHBOUR, address).build()).clone();
        self.gateway.handle_uplink_arp(&frame, self.now, &mut self.entropy);
    }

    fn query(&mut self, stream: &mut Mutator) -> u32 {
        let good = dns::query(stream);
        let bytes = stream.bend(&good).clone();
        let peer = SocketAddr::from(([10, 0, 0, stream.below(250) as u8], 1024 + stream.below(60_000) as u16));
        let transport = if stream.one_in(4) { Transport::Tcp(stream.below(1 << 30).into()) } else { Transport::Udp };
        let client = Client { transport, peer, local: LAN };
        let mut answer = Vec::new();
        let outcome = self.gateway.handle_dns_query(client, &bytes, self.now, &mut self.entropy, &mut answer);
        u32::from(outcome == Outcome::Answered)
    }

    fn reply(&mut self, stream: &mut Mutator) {
        if self.open.is_empty() {
            return;
        }
        let at = stream.below(self.open.len() as u32) as usize;
        let (key, server, payload) = self.open[at].clone();
        if stream.one_in(50) {
            let failure = stream.pick(&[Failure::NotSent, Failure::Unreachable, Failure::Broken]);
            return self.gateway.handle_dns_failure(key, failure, self.now, &mut self.entropy);
        }
        let reply = dns::reply(stream, &payload);
        let reply = stream.bend(&reply).clone();
        self.gateway.handle_dns_reply(key, server, &reply, self.now, &mut self.entropy);
    }

    /// The disk fails, or the whole process does and starts anew with what is on the disk.
    fn trouble(&mut self, stream: &mut Mutator) {
        if !stream.one_in(100) {
            return self.gateway.handle_disk_failure("The card is worn out.", self.now);
        }
        let record = stream.bend(&self.record).clone();
        let files = start(self.journal.clone(), record);
        self.gateway = Gateway::new(files, self.now, &mut self.entropy);
        self.open.clear();
        self.probing = None;
        self.look();
    }

    fn change_cables(&mut self, stream: &mut Mutator) {
        let kernel = &mut self.kernel.0;
        match stream.below(6) {
            // The USB adapter is pulled, or comes back as another device.
            0 => {
                kernel.links.retain(|link| link.name != "eth1");
                kernel.state.links.remove("eth1");
                kernel.state.routes.clear();
            }
            1..4 => {
                let old = std::mem::replace(kernel, Kernel::new().0);
                kernel.state.filter = old.state.filter;
                kernel.state.links.extend(old.state.links.into_iter().filter(|(name, _)| name == "eth0"));
            }
            _ => {
                for link in &mut kernel.links {
                    link.carrier = !stream.one_in(4);
                }
            }
        }
        self.look();
    }
}

fn bend_dhcp(stream: &mut Mutator, good: &[u8]) -> Vec<u8> {
    let dice = stream.below(64);
    let bent = stream.bend(good);
    dhcp::mend(dice, bent, good);
    bent.clone()
}

#[test]
fn gateway() {
    let words: [&[u8]; 4] = [&[53, 1, 3], &[0xc0, 12], &[255], &[54, 4, 10, 0, 0, 1]];
    let mut bed = Bed::new();
    let mut stream = stream("gateway", vec![], 1400).with_words(&words);
    bed.look();
    bed.act(&mut stream);
    fuzz("gateway", 10 * MILLION, stream, |stream| bed.step(stream));
    let ways = [bed.lan_messages, bed.uplink_leases, bed.dns_answers, bed.time_corrected];
    assert!(ways.iter().all(|count| *count > 0), "a part of the gateway was never reached: {ways:?}");
}
