//! A gateway with a kernel, a disk, a LAN and an uplink made of values.

use crate::config::Config;
use crate::dhcp_server::Cast;
use crate::entropy::SeededEntropy;
use crate::frame::{Arp, Datagram};
use crate::gateway::{Action, ConfigSource, Gateway, Start, WifiEvent};
use crate::net::{Ipv4Addr, Ipv4Net, MacAddr};
use crate::plan::{Change, LinkState, NetworkState, PresentLink, Snapshot};
use crate::time::{Duration, Instant, Reading, UnixNanos, WallTime};
use crate::{dhcp_client, dhcp_server, dns};
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::net::{SocketAddr, SocketAddrV4};

pub const OFFER: u8 = 2;
pub const ACK: u8 = 5;
pub const NAK: u8 = 6;

const SERVER_MAC: MacAddr = MacAddr([2, 9, 9, 9, 9, 9]);

/// More actions than this without waiting are a circle.
const CIRCLE: usize = 200;

pub struct Lab {
    pub gateway: Gateway,
    pub now: Instant,
    pub wall: WallTime,
    entropy: SeededEntropy,
    pub links: Vec<PresentLink>,
    pub kernel: NetworkState,
    pub refuses: fn(&Change) -> bool,
    pub forgets: fn(&Change) -> bool,
    pub unreadable: bool,
    pub ports_taken: bool,
    /// Messages from outside the LAN's network are heard.
    pub left_behind: bool,
    pub journal: Vec<u8>,
    pub disk_fails: bool,
    /// A write failed and the journal was not replaced since.
    doubtful: bool,
    pub record: Vec<u8>,
    /// What the gateway did, a line each.
    pub transcript: Vec<String>,
    /// The changes that it asked for.
    pub changes: Vec<String>,
    /// The uplink's server and router.
    pub server: Ipv4Addr,
    /// The last message to it.
    asked: Vec<u8>,
    /// The uplink's lease holds option 42.
    pub names_time_server: bool,
    /// The last question to a DNS server.
    dns_question: Option<(dns::UpstreamKey, SocketAddrV4, Vec<u8>)>,
    /// The last question to a time server.
    pub time_question: Vec<u8>,
    /// Messages to LAN clients.
    sent: Vec<Vec<u8>>,
}

fn link(name: &str, index: u32) -> PresentLink {
    let mac = MacAddr([2, 0, 0, 0, 1, name.as_bytes()[name.len() - 1]]);
    PresentLink { name: name.into(), index, mac, carrier: true, mtu: 1500, mtu_max: 9000 }
}

fn start(config: Config, journal: &[u8], record: &[u8]) -> Start {
    Start {
        version: "0".into(),
        config,
        source: ConfigSource::File,
        problems: String::new(),
        journal: journal.into(),
        uplink_record: record.into(),
        wifi_record: Vec::new(),
        memory_bytes: 1 << 30,
        built: WallTime(1_690_000_000),
    }
}

impl Lab {
    pub fn new(config: Config) -> Self {
        let (now, mut entropy) = (Instant::from_secs(5), SeededEntropy::new(7));
        let mut lab = Self {
            gateway: Gateway::new(start(config, &[], &[]), now, &mut entropy),
            now,
            wall: WallTime(1_700_000_000),
            entropy,
            links: Vec::new(),
            kernel: NetworkState::default(),
            refuses: |_| false,
            forgets: |_| false,
            unreadable: false,
            ports_taken: false,
            left_behind: false,
            journal: Vec::new(),
            disk_fails: false,
            doubtful: false,
            record: Vec::new(),
            transcript: Vec::new(),
            changes: Vec::new(),
            server: Ipv4Addr::new(192, 168, 0, 1),
            asked: Vec::new(),
            names_time_server: false,
            dns_question: None,
            time_question: Vec::new(),
            sent: Vec::new(),
        };
        for (index, name) in [(1, "lo"), (2, "eth0"), (3, "eth1")] {
            lab.add_link(name, index);
        }
        lab
    }

    /// The process ends and starts again; the kernel and the disk stay.
    pub fn restart(&mut self, config: Config) {
        self.gateway = Gateway::new(start(config, &self.journal, &self.record), self.now, &mut self.entropy);
        self.kernel.filter = None;
        self.transcript.clear();
        self.changes.clear();
    }

    /// The machine starts anew; only the disk stays.
    pub fn power_cut(&mut self, config: Config) {
        self.restart(config);
        self.kernel = NetworkState::default();
        for link in core::mem::take(&mut self.links) {
            self.add_link(&link.name, link.index);
        }
    }

    fn add_link(&mut self, name: &str, index: u32) {
        self.links.push(link(name, index));
        let state = LinkState { index, up: false, mtu: 1500, addresses: BTreeSet::new() };
        self.kernel.links.insert(name.into(), state);
    }

    pub fn plug(&mut self, name: &str, index: u32) {
        self.add_link(name, index);
        self.look();
    }

    pub fn unplug(&mut self, name: &str) {
        self.links.retain(|link| link.name != name);
        self.kernel.links.remove(name);
        self.kernel.routes.retain(|_, route| route.interface != name);
        self.look();
    }

    pub fn set_carrier(&mut self, name: &str, carrier: bool) {
        self.links.iter_mut().filter(|link| link.name == name).for_each(|link| link.carrier = carrier);
        self.look();
    }

    /// The shell reads the kernel's state, as at the start and after each notification.
    pub fn look(&mut self) {
        self.transcript.push("look".into());
        if self.unreadable {
            self.gateway.handle_look_failed("Could not read.", self.now);
        } else {
            let snapshot = Snapshot { links: self.links.clone(), state: self.kernel.clone() };
            self.gateway.handle_kernel(snapshot, self.now, self.wall, &mut self.entropy);
        }
        self.act();
    }

    /// The radio's shell reports.
    pub fn radio(&mut self, event: WifiEvent) {
        self.gateway.handle_wifi(event, self.now, &mut self.entropy);
        self.act();
    }

    /// Time passes.
    pub fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        let mut turns = 0;
        while let Some(due) = self.gateway.poll_timeout().filter(|due| *due <= end) {
            turns += 1;
            assert!(turns < 10_000, "busy: {:#?}", self.transcript);
            self.now = self.now.max(due);
            self.gateway.handle_timeout(self.now, self.wall, &mut self.entropy);
            self.act();
        }
        self.now = end;
    }

    fn act(&mut self) {
        let mut turns = 0;
        while let Some(action) = self.gateway.poll_action() {
            turns += 1;
            assert!(turns < CIRCLE, "a circle: {:#?}", self.transcript);
            self.take(action);
        }
    }

    fn take(&mut self, action: Action) {
        let line = match action {
            Action::LookAtKernel => return self.look(),
            Action::Apply(changes) => return self.apply(&changes),
            Action::LanDhcp(action) => return self.lan_dhcp(action),
            Action::ServeLan { index, lan, left_behind, .. } => {
                self.left_behind = left_behind;
                let taken = self.ports_taken.then(|| "the port is taken".to_string());
                self.gateway.handle_serving(taken.map_or(Ok(()), Err), self.now);
                format!("serve {lan} at {index}")
            }
            Action::ListenUplink { index, .. } => format!("listen at {index}"),
            Action::CloseUplink => "close uplink".into(),
            Action::Probe(address) => format!("probe {address}"),
            Action::StopProbing => "stop probing".into(),
            Action::UplinkDhcp(dhcp_client::Action::Broadcast { payload, .. }) => {
                let kind = if payload[242] == 1 { "DISCOVER" } else { "REQUEST or DECLINE" };
                self.asked = payload;
                format!("broadcast {kind}")
            }
            Action::UplinkDhcp(dhcp_client::Action::Unicast { payload, server, .. }) => {
                self.asked = payload;
                format!("unicast to {server}")
            }
            Action::Dns(dns::Action::AskUdp { key, server, payload }) => {
                self.dns_question = Some((key, server, payload));
                format!("ask {server}")
            }
            Action::Dns(_) | Action::UplinkDhcp(_) => return,
            Action::AskTime { server, payload } => {
                self.time_question = payload.to_vec();
                format!("ask {server} for the time")
            }
            Action::CorrectClock(correction) => format!("{correction:?}"),
            Action::RememberUplink(bytes) => return self.record = bytes,
            Action::OpenWifi { index, .. } => format!("open radio {index}"),
            Action::CloseWifi => "close radio".into(),
            Action::Wifi(action) => format!("radio: {action:?}"),
            Action::DerivePmk(job) => format!("compute {job:?}"),
            Action::RememberWifi(_) => "remember keys".into(),
            Action::Say(line) => format!("say: {line}"),
        };
        self.transcript.push(line);
    }

    fn lan_dhcp(&mut self, action: dhcp_server::Action) {
        let (sequence, bytes, whole) = match action {
            dhcp_server::Action::Send { payload, .. } => return self.sent.push(payload),
            dhcp_server::Action::Append { sequence, bytes } => (sequence, bytes, false),
            dhcp_server::Action::Replace { sequence, bytes } => (sequence, bytes, true),
            _ => return,
        };
        self.transcript.push(if whole { "replace".into() } else { "append".into() });
        if self.disk_fails && (whole || !self.doubtful) {
            self.doubtful = true;
            self.gateway.handle_disk_failure("the disk is full", self.now);
        } else if whole || !self.doubtful {
            if whole {
                self.journal.clear();
            }
            self.doubtful = false;
            self.journal.extend(bytes);
            self.gateway.handle_leases_stored(sequence, self.now);
        }
    }

    fn apply(&mut self, changes: &[Change]) {
        self.transcript.push("apply".into());
        self.changes.extend(changes.iter().map(ToString::to_string));
        let mut failures = Vec::new();
        for change in changes {
            if (self.refuses)(change) {
                failures.push(format!("Could not {change}: refused."));
            } else if !(self.forgets)(change) {
                self.change(change.clone());
            }
        }
        self.gateway.handle_applied(failures, self.now);
    }

    fn change(&mut self, change: Change) {
        let state = &mut self.kernel;
        match change {
            Change::InstallFilter(filter) => state.filter = Some(filter),
            Change::SetSysctl { path, value } => drop(state.sysctls.insert(path, value)),
            Change::RemoveRoute { destination, .. } => drop(state.routes.remove(&destination)),
            Change::RemoveAddress { interface, address, .. } => {
                state.links.get_mut(&interface).unwrap().addresses.remove(&address);
            }
            Change::SetMtu { interface, mtu, .. } => state.links.get_mut(&interface).unwrap().mtu = mtu,
            Change::SetUp { interface, up, .. } => state.links.get_mut(&interface).unwrap().up = up,
            Change::AddAddress { interface, address, .. } => {
                state.links.get_mut(&interface).unwrap().addresses.insert(address);
            }
            Change::PutRoute { destination, route, .. } => drop(state.routes.insert(destination, route)),
            Change::ForgetFlows { .. } => {}
            Change::SetForwarding(on) => state.forwarding = on,
        }
    }

    /// A message of the uplink's server in answer to the last question.
    pub fn uplink_says(&mut self, kind: u8, yours: &str) {
        let yours: Ipv4Addr = yours.parse().unwrap();
        let uplink = self.gateway.config().uplink.interface.clone();
        let mac = self.links.iter().find(|link| link.name == uplink).unwrap().mac;
        let mut payload = vec![0; 236];
        payload[..4].copy_from_slice(&[2, 1, 6, 0]);
        payload[4..8].copy_from_slice(&self.asked[4..8]);
        payload[16..20].copy_from_slice(&yours.octets());
        payload[28..34].copy_from_slice(&mac.0);
        payload.extend([99, 130, 83, 99, 53, 1, kind, 54, 4]);
        payload.extend(self.server.octets());
        if kind != NAK {
            payload.extend([51, 4, 0, 0, 14, 16, 1, 4, 255, 255, 255, 0, 3, 4]);
            payload.extend(self.server.octets());
            payload.extend([6, 4]);
            payload.extend(self.server.octets());
            if self.names_time_server {
                payload.extend([42, 4]);
                payload.extend(self.server.octets());
            }
        }
        payload.push(255);
        let frame = Datagram {
            source_mac: SERVER_MAC,
            destination_mac: mac,
            source: self.server,
            destination: yours,
            source_port: 67,
            destination_port: 68,
            payload: &payload,
        };
        self.gateway.handle_uplink_dhcp(&frame.build().unwrap(), self.now, self.wall, &mut self.entropy);
        self.act();
    }

    pub fn offer_and_ack(&mut self, address: &str) {
        self.run(Duration::from_secs(2));
        self.uplink_says(OFFER, address);
        self.uplink_says(ACK, address);
        self.run(Duration::from_millis(1));
    }

    /// Until the address is in use.
    pub fn get_uplink_lease(&mut self, address: &str) {
        self.offer_and_ack(address);
        self.run(Duration::from_secs(2));
    }

    pub fn somebody_has(&mut self, address: &str) {
        let mut arp = Arp::probe(SERVER_MAC, Ipv4Addr::UNSPECIFIED);
        arp.sender = address.parse().unwrap();
        self.gateway.handle_uplink_arp(&arp.build(), self.now, &mut self.entropy);
        self.act();
    }

    /// A client of the LAN goes through DISCOVER and REQUEST; the address that was acknowledged.
    pub fn lan_client(&mut self, last: u8) -> Option<Ipv4Addr> {
        let offer = self.lan_says(last, 1, &[])?;
        let offered = Ipv4Addr::from(<[u8; 4]>::try_from(&offer[16..20]).unwrap());
        let server = offer.windows(6).find(|part| part[..2] == [54, 4]).unwrap()[2..].to_vec();
        let options = [&[50, 4][..], &offered.octets(), &[54, 4], &server].concat();
        let answer = self.lan_says(last, 3, &options)?;
        assert_eq!(answer[242], ACK);
        Some(offered)
    }

    /// How long a lease a client of the LAN is offered.
    pub fn lease_secs(&mut self, last: u8) -> u32 {
        let offer = self.lan_says(last, 1, &[]).expect("an offer");
        let at = offer.windows(2).position(|part| part == [51, 4]).unwrap() + 2;
        u32::from_be_bytes(offer[at..at + 4].try_into().unwrap())
    }

    pub fn lan_says(&mut self, last: u8, kind: u8, options: &[u8]) -> Option<Vec<u8>> {
        let mut message = vec![0; 236];
        message[..8].copy_from_slice(&[1, 1, 6, 0, 1, 2, 3, last]);
        message[28..34].copy_from_slice(&[2, 0, 0, 0, 0, last]);
        message.extend([99, 130, 83, 99, 53, 1, kind]);
        let name = format!("kettle{last}");
        message.extend([12, name.len() as u8]);
        message.extend(name.bytes());
        message.extend(options);
        message.push(255);
        self.sent.clear();
        self.gateway.handle_lan_dhcp(&message, Cast::Broadcast, self.now, self.wall);
        self.act();
        if self.sent.is_empty() {
            // The answer may wait until the LAN was asked about the address.
            self.run(crate::dhcp_server::PROBE_WAIT);
        }
        self.sent.pop()
    }

    /// A LAN host asks for an address record.
    pub fn ask_dns(&mut self, name: &str) {
        let mut query = vec![0, 9, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.') {
            query.push(label.len() as u8);
            query.extend(label.bytes());
        }
        query.extend([0, 0, 1, 0, 1]);
        let peer = SocketAddr::from(([10, 0, 0, 99], 5353));
        let client = dns::Client { transport: dns::Transport::Udp, peer, local: Ipv4Addr::new(10, 0, 0, 1) };
        let mut answer = Vec::new();
        let outcome = self.gateway.handle_dns_query(client, &query, self.now, &mut self.entropy, &mut answer);
        if outcome == dns::Outcome::Answered {
            self.transcript.push("answered".into());
        }
        self.act();
    }

    /// The DNS server answers the last question with an address.
    pub fn answer_dns(&mut self, address: [u8; 4]) {
        let (key, server, question) = self.dns_question.take().unwrap();
        let end = 12 + question[12..].iter().position(|byte| *byte == 0).unwrap() + 5;
        let mut reply = question[..end].to_vec();
        reply[2..12].copy_from_slice(&[0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
        reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
        reply.extend(address);
        self.gateway.handle_dns_reply(key, server, &reply, self.now, &mut self.entropy);
        self.act();
    }

    /// The time server answers the last question; its clock and ours differ by so many seconds.
    pub fn time_server_says(&mut self, server: &str, ahead: u64) {
        let boot = self.now.as_millis() * 1_000_000;
        let at = Reading { boot, wall: UnixNanos(self.wall.0 * 1_000_000_000) };
        let time = ((self.wall.0 + ahead + 2_208_988_800) << 32).to_be_bytes();
        let mut payload = vec![0x24, 2, 6, 0xec];
        payload.resize(24, 0);
        payload.extend_from_slice(&self.time_question[40..48]);
        payload.extend([time, time].concat());
        self.gateway.handle_ntp_reply(server.parse().unwrap(), &payload, boot, at, self.now);
        self.act();
    }

    pub fn addresses(&self, interface: &str) -> Vec<String> {
        let link = self.kernel.links.get(interface);
        link.iter().flat_map(|link| &link.addresses).map(Ipv4Net::to_string).collect()
    }

    pub fn routes(&self) -> Vec<String> {
        self.kernel.routes.iter().map(|(destination, route)| format!("{destination}{route}")).collect()
    }

    pub fn status(&self) -> String {
        self.gateway.answer("status", self.now)
    }

    /// How many lines of the transcript begin so.
    pub fn count(&self, start: &str) -> usize {
        self.transcript.iter().filter(|line| line.starts_with(start)).count()
    }

    /// These lines are in the transcript.
    pub fn expect(&self, lines: &[&str]) {
        for line in lines {
            assert!(self.transcript.iter().any(|found| found == line), "{line} is missing: {:#?}", self.transcript);
        }
    }
}
