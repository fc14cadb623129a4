//! The DHCP server under many clients, some of them mad, with a disk that confirms late, fails, and is read again.

use crate::traffic::dhcp::{self, ACK, Heard, OFFER};
use crate::{MILLION, fuzz, stream};
use gatepost_core::config;
use gatepost_core::dhcp_server::{Action, Cast, DhcpServer, LeaseState, MAX_DYNAMIC, MAX_JOURNAL, Settings};
use gatepost_core::frame::Arp;
use gatepost_core::net::{Ipv4Addr, MacAddr};
use gatepost_core::time::{Duration, Instant, WallTime};
use std::collections::BTreeSet;
use tests::mutate::Mutator;

/// Most actions after one input: what a failed write held back, or a note, a write and an answer.
const MAX_ACTIONS: usize = 600;

/// Packets between two restarts of the server.
const LIFE: u64 = 20_000;

const CONFIG: &str = "
[dhcp]
lease = \"2h\"
log = true
[[dhcp.match]]
tag = \"two\"
vendor_class = \"A\"
[[dhcp.match]]
tag = \"one\"
mac = \"02:00:00:01\"
[[dhcp.option]]
code = 43
hex = \"0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20\"
tag = \"two\"
always = true
[[dhcp.option]]
name = \"domain-search\"
value = [\"a-domain-that-is-rather-long.example\", \"another-domain-that-is-rather-long.example\", \"and-a-third-one.example\"]
[[dhcp.option]]
name = \"ipv6-only-preferred\"
value = 1800
tag = \"two\"
[[dhcp.option]]
name = \"auto-configure\"
value = 0
[[dhcp.boot]]
file = \"node.img\"
tag = \"two\"
[[host]]
name = \"rpi2\"
mac = [\"02:00:00:01:00:02\", \"02:00:00:01:00:03\"]
address = \"10.0.0.2\"
tags = [\"two\"]
[[host]]
name = \"rpi4\"
mac = \"02:00:00:01:00:04\"
client_id = \"ff:01\"
lease = \"10m\"
[[host]]
name = \"rpi5\"
mac = \"02:00:00:01:00:05\"
ignore = true
";

/// A server and what a shell would hold for it.
struct Bed {
    server: DhcpServer,
    settings: Settings,
    /// An address that the LAN was asked for.
    asked: Option<Ipv4Addr>,
    now: Instant,
    journal: Vec<u8>,
    written: u64,
    heard: Heard,
    packets: u64,
    acks: u64,
}

impl Bed {
    fn new() -> Self {
        let config = config::parse(CONFIG.as_bytes()).unwrap();
        // The traffic comes from a few stations that send much more than any would.
        let settings = Settings { messages_per_mac: 1000, ..Settings::new(&config, config.lan.address) };
        let now = Instant::from_secs(10);
        let server = DhcpServer::new(settings.clone(), now);
        let mut bed = Self {
            server,
            settings,
            asked: None,
            now,
            journal: vec![],
            written: 0,
            heard: Heard::default(),
            packets: 0,
            acks: 0,
        };
        bed.restart();
        bed
    }

    fn wall(&self) -> WallTime {
        WallTime(1_800_000_000 + self.now.as_millis() / 1000)
    }

    /// A new process reads the journal: nobody loses a lease and nobody gets a second one.
    fn restart(&mut self) {
        let bound = |server: &DhcpServer| {
            let leases = server.leases().filter(|lease| lease.state == LeaseState::Bound);
            leases.map(|lease| lease.address).collect::<BTreeSet<_>>()
        };
        let before = bound(&self.server);
        self.server = DhcpServer::new(self.settings.clone(), self.now);
        self.server.restore(&self.journal, self.now, self.wall());
        self.act();
        let after = bound(&self.server);
        assert!(before.is_subset(&after), "lost by a restart: {:?}", before.difference(&after));
    }

    /// Does what the server asks; returns how many ACKs left.
    fn act(&mut self) -> u64 {
        let acks = self.acks;
        let mut count = 0;
        while let Some(action) = self.server.poll_action() {
            count += 1;
            assert!(count <= MAX_ACTIONS, "actions without end");
            match action {
                Action::Send { payload, .. } => self.sent(&payload),
                Action::Append { sequence, bytes } => {
                    self.journal.extend(bytes);
                    self.written = sequence;
                }
                Action::Replace { sequence, bytes } => {
                    self.journal = bytes;
                    self.written = sequence;
                }
                Action::Probe(address) => self.asked = Some(address),
                Action::StopProbing => self.asked = None,
                Action::NamesChanged | Action::Note(_) | Action::Log(_) => {}
            }
            assert!(self.journal.len() <= MAX_JOURNAL);
        }
        self.acks - acks
    }

    fn sent(&mut self, payload: &[u8]) {
        assert!(payload.len() >= 300 && payload[0] == 2 && payload[236..240] == dhcp::COOKIE);
        let kind = dhcp::kind_of(payload);
        let given = Ipv4Addr::from(<[u8; 4]>::try_from(&payload[16..20]).unwrap());
        if matches!(kind, Some(OFFER | ACK)) && !given.is_unspecified() {
            let lan = self.settings.lan;
            assert!(lan.is_host(given) && given != lan.address(), "{given} was given away");
            self.heard.note(payload);
            self.acks += u64::from(kind == Some(ACK));
        }
    }

    fn step(&mut self, stream: &mut Mutator) -> bool {
        self.packets += 1;
        let millis = if stream.one_in(10_000) { 3_600_000 } else { stream.below(20) };
        self.now = self.now + Duration::from_millis(millis.into());
        if self.server.poll_timeout().is_some_and(|due| due <= self.now) {
            self.server.handle_timeout(self.now);
            let due = self.server.poll_timeout();
            assert!(due.is_none_or(|due| due > self.now), "due again at once: {due:?} at {:?}", self.now);
        }
        let mut acks = self.act();
        let packet = self.packet(stream);
        let cast = if stream.one_in(2) { Cast::Unicast } else { Cast::Broadcast };
        self.server.handle_packet(&packet, cast, self.now, self.wall());
        acks += self.act();
        if let Some(sender) = self.asked.filter(|_| stream.one_in(50)) {
            let arp = Arp {
                is_request: false,
                sender_mac: MacAddr([2; 6]),
                sender,
                target_mac: MacAddr([4; 6]),
                target: sender,
            };
            self.server.handle_arp(&arp, self.now);
        }
        if stream.one_in(3) {
            self.server.handle_stored(self.written);
        } else if stream.one_in(5000) {
            self.server.handle_store_failed(self.now);
        }
        acks += self.act();
        if self.packets.is_multiple_of(LIFE) {
            self.look();
            self.restart();
        }
        acks > 0
    }

    fn packet(&self, stream: &mut Mutator) -> Vec<u8> {
        if stream.one_in(8) {
            return stream.random().clone();
        }
        let good = dhcp::from_client(stream, &self.heard, self.settings.lan.address());
        let dice = stream.below(64);
        let bent = stream.bend(&good);
        dhcp::mend(dice, bent, &good);
        bent.clone()
    }

    fn look(&self) {
        let mut addresses = BTreeSet::new();
        let mut names = BTreeSet::new();
        for lease in self.server.leases() {
            assert!(addresses.insert(lease.address), "two leases of {}", lease.address);
            assert!(lease.host_name.as_ref().is_none_or(|name| names.insert(name)), "two of {:?}", lease.host_name);
        }
        assert!(addresses.len() <= MAX_DYNAMIC + self.settings.hosts.len());
    }
}

#[test]
fn dhcp_server() {
    let words: [&[u8]; 10] = [
        &[53, 1, 3],
        &[50, 4, 10, 0, 0, 2],
        &[52, 1, 3],
        &[54, 4, 10, 0, 0, 1],
        &[255],
        &[61, 0],
        &[80, 0],
        &[55, 3, 108, 43, 119],
        &[81, 4, 5, 0, 0, 0],
        &[60, 1, 65],
    ];
    let stream = stream("dhcp server", vec![], 1500).with_words(&words);
    let mut bed = Bed::new();
    fuzz("dhcp server", 10 * MILLION, stream, |stream| bed.step(stream));
}
