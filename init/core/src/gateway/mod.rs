//! All machines composed into one gateway.
//!
//! ```text
//!  kernel snapshot ──► plan ──► changes ──────────────────────────────► shell ──► kernel
//!  LAN DHCP ─────────► dhcp_server ──► replies, journal; names ──► dns
//!  uplink DHCP ──────► dhcp_client ──► lease ──► plan; DNS servers ──► dns
//!  queries, replies ─► dns ──► answers, questions
//!  radio ────────────► wifi ──► commands; whether the uplink's link carries data ──► dhcp_client, plan
//! ```
//! Order of use, as for every machine: feed one input, then take [`Gateway::poll_action`] until it returns `None`,
//! then wait until [`Gateway::poll_timeout`] or the next input.

mod clock;
mod firewall;
mod inputs;
pub mod log;
mod names;
mod network;
mod probe;
mod retry;
mod status;
mod switch;
#[cfg(test)]
mod tests;
mod tls;
mod wifi;

pub use firewall::Connections;
pub use inputs::{Action, ConfigSource, Start};
pub use wifi::WifiEvent;

use crate::config::{self, Config, Keeping, Upstream};
use crate::dhcp_client;
use crate::dhcp_server::{self, Cast, DhcpServer};
use crate::dns::{self, Dns};
use crate::entropy::Entropy;
use crate::frame::{Arp, Datagram};
use crate::net::{Ipv4Addr, Ipv4Net, MacAddr};
use crate::plan::{Conflict, PresentLink, Snapshot};
use crate::time::{Duration, Instant, WallTime};
use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::SocketAddrV4;
use log::Log;
use names::Names;
use probe::{Probe, Step};
use retry::{Attempts, Backoff};
use tls::TlsTroubles;
use wifi::Wifi;

/// First and longest wait before the card is written again after it refused: each try may cost an erase.
const DISK_RETRY: Backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(30));

/// The whole gateway's state.
pub struct Gateway {
    version: String,
    config: Config,
    source: ConfigSource,
    /// What is wrong with the user's file, one mistake a line.
    problems: String,
    memory_bytes: u64,
    /// The kernel's state as last read.
    snapshot: Snapshot,
    /// The LAN's address in force.
    lan: Ipv4Net,
    uplink: Option<Ipv4Net>,
    conflict: Option<Conflict>,
    /// Whether the LAN's sockets are open.
    serving: bool,
    /// See [`Action::ServeLan`]; as it was asked for last.
    hears_left_behind: bool,
    /// A change of the kernel's state is under way; its outcome brings a new look.
    applying: bool,
    /// What was asked of the kernel and is not there yet.
    attempts: Attempts,
    /// What the kernel refuses, for the status.
    refused: Vec<network::Refusal>,
    /// The connection table is nearly full.
    crowded: bool,
    disk_trouble: Option<String>,
    disk_retry: Backoff,
    serve_trouble: Option<String>,
    /// What is wrong with the block lists.
    list_troubles: Vec<String>,
    tls_troubles: TlsTroubles,
    serve_retry: Backoff,
    /// The leases as they stand on the disk, until the kernel has told on which network they were given out.
    journal: Option<Vec<u8>>,
    server: DhcpServer,
    client: Option<Client>,
    uplink_lease: Option<dhcp_client::Lease>,
    remembered: Vec<u8>,
    /// The station, if the uplink is to be Wi-Fi.
    wifi: Option<Wifi>,
    dns: Dns,
    /// See [`Dns::portal`]; as it was said last.
    portal_page: Option<Ipv4Addr>,
    clock: clock::Clock,
    names: Names,
    log: Log,
    actions: VecDeque<Action>,
}

/// The DHCP client of one uplink device; another device gets another client.
struct Client {
    index: u32,
    mac: MacAddr,
    machine: dhcp_client::Client,
    probe: Option<Probe>,
}

impl Gateway {
    /// The gateway as it starts: nothing is known of the kernel yet. The leases are taken over with its first state.
    pub fn new(start: Start, now: Instant, entropy: &mut dyn Entropy) -> Self {
        let lan = network::lan_at_start(&start.config, &start.uplink_record);
        let server = DhcpServer::new(dhcp_server::Settings::new(&start.config, lan), now);
        let mut gateway = Self {
            version: start.version,
            clock: clock::Clock::new(&start.config, start.built),
            dns: Dns::new(dns_settings(&start.config, lan), entropy),
            lan,
            portal_page: None,
            uplink: None,
            conflict: None,
            serving: false,
            hears_left_behind: false,
            applying: false,
            attempts: Attempts::new(network::RETRY),
            refused: Vec::new(),
            crowded: false,
            disk_trouble: None,
            disk_retry: DISK_RETRY,
            serve_trouble: None,
            list_troubles: Vec::new(),
            tls_troubles: TlsTroubles::default(),
            serve_retry: network::RETRY,
            journal: Some(start.journal),
            server,
            client: None,
            uplink_lease: None,
            remembered: start.uplink_record,
            wifi: Wifi::new(&start.config.uplink, &start.wifi_record),
            names: Names::default(),
            log: Log::default(),
            actions: VecDeque::new(),
            memory_bytes: start.memory_bytes,
            snapshot: Snapshot::default(),
            config: start.config,
            source: start.source,
            problems: start.problems,
        };
        gateway.say_start(now);
        gateway.update_names(now);
        gateway.update_upstreams();
        gateway.dns.set_forwards(&gateway.config.dns.forwards);
        gateway
    }

    fn say_start(&mut self, now: Instant) {
        self.log.push(now, &format!("Gatepost {} starts.", self.version));
        for problem in self.problems.clone().lines() {
            self.say(now, problem);
        }
        match self.source {
            ConfigSource::File | ConfigSource::NoFile => {}
            ConfigSource::LastGood => self.say(now, "The last good configuration stays in force."),
            ConfigSource::Defaults => self.say(now, "The defaults are in force until the file is mended."),
        }
    }

    /// A DHCP message from the LAN.
    pub fn handle_lan_dhcp(&mut self, payload: &[u8], cast: Cast, now: Instant, wall: WallTime) {
        self.server.handle_packet(payload, cast, now, wall);
        self.drive(now);
    }

    /// A frame from the LAN with a DHCP message for servers, whose source is outside the LAN's network.
    pub fn handle_left_behind(&mut self, frame: &[u8], now: Instant, wall: WallTime) {
        if let Some(datagram) = Datagram::parse(frame) {
            self.server.handle_left_behind(datagram.source, datagram.payload, now, wall);
        }
        self.drive(now);
    }

    /// An ARP packet from the LAN.
    pub fn handle_lan_arp(&mut self, frame: &[u8], now: Instant) {
        if let Some(arp) = Arp::parse(frame) {
            self.server.handle_arp(&arp, now);
        }
        self.drive(now);
    }

    /// A frame from the uplink with a DHCP message.
    pub fn handle_uplink_dhcp(&mut self, frame: &[u8], now: Instant, wall: WallTime, entropy: &mut dyn Entropy) {
        if let (Some(datagram), Some(client)) = (Datagram::parse(frame), &mut self.client) {
            client.machine.handle_wall_time(wall, now);
            client.machine.handle_packet(datagram.payload, now, entropy);
        }
        self.drive(now);
    }

    /// An ARP packet from the uplink.
    pub fn handle_uplink_arp(&mut self, frame: &[u8], now: Instant, entropy: &mut dyn Entropy) {
        if let (Some(arp), Some(client)) = (Arp::parse(frame), &mut self.client)
            && let Some(probe) = client.probe.filter(|probe| arp.conflicts_with(probe.address, client.mac))
        {
            client.probe = None;
            client.machine.handle_conflict(now, entropy);
            self.actions.push_back(Action::StopProbing);
            let text = format!("The uplink's new address {} is in use by {} already.", probe.address, arp.sender_mac);
            self.say(now, &text);
        }
        self.drive(now);
    }

    /// A DNS query; see [`Dns::handle_query`].
    pub fn handle_dns_query(
        &mut self,
        client: dns::Client,
        query: &[u8],
        now: Instant,
        entropy: &mut dyn Entropy,
        answer: &mut Vec<u8>,
    ) -> dns::Outcome {
        let outcome = self.dns.handle_query(client, query, now, entropy, answer);
        if self.dns.has_actions() {
            self.drive(now);
        }
        outcome
    }

    /// An upstream server's reply.
    pub fn handle_dns_reply(
        &mut self,
        key: dns::UpstreamKey,
        from: SocketAddrV4,
        reply: &[u8],
        now: Instant,
        entropy: &mut dyn Entropy,
    ) {
        self.dns.handle_reply(key, from, reply, now, entropy);
        self.drive(now);
    }

    /// A question that could not be asked.
    pub fn handle_dns_failure(
        &mut self,
        key: dns::UpstreamKey,
        failure: dns::Failure,
        now: Instant,
        entropy: &mut dyn Entropy,
    ) {
        self.dns.handle_upstream_failed(key, failure, now, entropy);
        self.drive(now);
    }

    /// The block lists are read; what was wrong with them is said.
    pub fn handle_block_lists(&mut self, list: dns::BlockList, troubles: &[String], now: Instant) {
        for trouble in troubles {
            self.say(now, trouble);
        }
        self.say(now, &format!("{} names are blocked.", list.len()));
        self.dns.set_block_list(list);
        self.list_troubles = troubles.to_vec();
        self.drive(now);
    }

    /// What the TFTP server noticed. It knows of nobody else here and nobody of it, so its shell drives it alone.
    pub fn handle_netboot_note(&mut self, line: &str, now: Instant) {
        self.log.push(now, line);
    }

    /// The leases' journal is durable up to this record.
    pub fn handle_leases_stored(&mut self, sequence: u64, now: Instant) {
        self.disk_retry.clear();
        if self.disk_trouble.take().is_some() {
            self.say(now, "The config partition can be written again.");
        }
        self.server.handle_stored(sequence);
        self.drive(now);
    }

    /// The disk refused. What it says is shown, and after a while the whole journal is written anew, since nobody
    /// knows how much of the last write is there. Until then the shell must append nothing.
    pub fn handle_disk_failure(&mut self, message: &str, now: Instant) {
        if self.disk_trouble.as_deref() != Some(message) {
            self.say(now, message);
        }
        self.disk_trouble = Some(message.into());
        self.disk_retry.fail(now);
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant, wall: WallTime, entropy: &mut dyn Entropy) {
        self.server.handle_timeout(now);
        self.dns.handle_timeout(now, entropy);
        if let Some(client) = &mut self.client {
            client.machine.handle_wall_time(wall, now);
            client.machine.handle_timeout(now, entropy);
        }
        self.step_probe(now, entropy);
        self.step_wifi(now, entropy);
        self.step_clock(now, wall, entropy);
        if self.disk_retry.fire(now) {
            self.server.handle_store_failed(now);
        }
        if self.serve_retry.fire(now) {
            self.follow_lan();
        }
        if self.attempts.fire(now) {
            // Look again: what was missing may have come.
            self.actions.push_back(Action::LookAtKernel);
        }
        self.drive(now);
    }

    /// When [`Self::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let client = self.client.as_ref().and_then(|client| client.machine.poll_timeout());
        let probe = self.client.as_ref().and_then(|client| client.probe).map(|probe| probe.due());
        let clock = self.clock.poll_timeout();
        let machines = [self.server.poll_timeout(), self.dns.poll_timeout(), clock, client, probe];
        let retries = [self.attempts.due(), self.disk_retry.due(), self.serve_retry.due()];
        let wifi = self.wifi.iter().flat_map(Wifi::due);
        machines.into_iter().chain(retries).chain(wifi).flatten().min()
    }

    /// Whether [`Self::poll_action`] has something.
    pub fn has_actions(&self) -> bool {
        !self.actions.is_empty()
    }

    /// What to do next.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// The text for one question of the control socket.
    pub fn answer(&self, question: &str, now: Instant) -> String {
        match question {
            "status" => status::status(self, now),
            "leases" => status::leases(self, now),
            "names" => status::names(self),
            "log" => self.log.render(),
            "wifi" => self.wifi_status(now),
            _ => "ask for status, leases, names, wifi, log or firewall; or log dns on, log dhcp off and the like\n"
                .into(),
        }
    }

    /// [`Self::answer`], and `log dns on` or `off` (or `dhcp`), which switches a log until the next start.
    pub fn control(&mut self, words: &str, now: Instant) -> String {
        match words.strip_prefix("log ") {
            Some(rest) => switch::obey(self, rest, now),
            None => self.answer(words, now),
        }
    }

    /// The configuration in force.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// A line for the console and the log.
    fn say(&mut self, now: Instant, text: &str) {
        self.log.push(now, text);
        self.actions.push_back(Action::Say(log::plain(text)));
    }

    /// Takes every machine's output: passes values on, queues what only the shell can do.
    fn drive(&mut self, now: Instant) {
        self.drive_wifi(now);
        while let Some(action) = self.server.poll_action() {
            self.take_server(action, now);
        }
        self.follow_left_behind();
        while let Some(action) = self.client.as_mut().and_then(|client| client.machine.poll_action()) {
            self.take_client(action, now);
        }
        while let Some(action) = self.dns.poll_action() {
            match action {
                dns::Action::Note(note) => self.log.push(now, &note.to_string()),
                dns::Action::Answer { client, payload } if client == dns::OWN => self.looked_up(&payload, now),
                other => self.actions.push_back(Action::Dns(other)),
            }
        }
        self.drive_clock(now);
        self.follow_portal(now);
    }

    /// Says when the uplink's network begins to answer every name with one address, and when it ends.
    fn follow_portal(&mut self, now: Instant) {
        let page = self.dns.portal();
        if page != self.portal_page {
            self.portal_page = page;
            let text = page.map_or_else(|| status::NO_PORTAL.into(), status::portal_page);
            self.say(now, &text);
        }
    }

    fn take_server(&mut self, action: dhcp_server::Action, now: Instant) {
        match action {
            dhcp_server::Action::NamesChanged => self.update_names(now),
            dhcp_server::Action::Note(note) => self.say(now, &status::server_note(note)),
            dhcp_server::Action::Log(line) => self.log.push(now, &line),
            other => self.actions.push_back(Action::LanDhcp(other)),
        }
    }

    fn take_client(&mut self, action: dhcp_client::Action, now: Instant) {
        let Some(client) = &mut self.client else { return };
        match action {
            dhcp_client::Action::Bound(lease) => {
                let is_new = self.uplink_lease.as_ref().map(|old| old.address) != Some(lease.address);
                if is_new {
                    let text =
                        format!("The uplink {} has the address {}.", self.config.uplink.interface, lease.address);
                    self.say(now, &text);
                }
                if let Some(portal) = lease.portal.as_ref().filter(|portal| self.portal() != Some(portal)) {
                    let text = status::portal(portal);
                    self.say(now, &text);
                }
                self.uplink_lease = Some(lease);
                self.replan(now);
                self.update_upstreams();
                // Servers that the user has named are not the network's.
                self.dns.watch_for_portal(self.config.dns.upstream.is_empty(), now);
            }
            dhcp_client::Action::Lost { address, reason } => {
                if self.uplink_lease.take().is_some() {
                    self.say(now, &status::lost(address, reason));
                }
                self.replan(now);
                self.update_upstreams();
                self.dns.watch_for_portal(false, now);
            }
            dhcp_client::Action::Remember(record) => {
                self.remembered.clone_from(&record);
                self.actions.push_back(Action::RememberUplink(record));
            }
            dhcp_client::Action::Forget => {
                self.remembered.clear();
                self.actions.push_back(Action::RememberUplink(Vec::new()));
            }
            // Its first question is due at once: see poll_timeout.
            dhcp_client::Action::Probe(address) => client.probe = Some(Probe::new(address, now)),
            other => self.actions.push_back(Action::UplinkDhcp(other)),
        }
    }

    /// The servers to ask: those of the configuration, else those of the uplink's lease.
    fn upstreams(&self) -> Vec<Upstream> {
        if !self.config.dns.upstream.is_empty() {
            return self.config.dns.upstream.clone();
        }
        let leased = self.uplink_lease.iter().flat_map(|lease| &lease.dns);
        leased.map(|address| SocketAddrV4::new(*address, 53).into()).collect()
    }

    fn update_upstreams(&mut self) {
        self.dns.set_upstreams(&self.upstreams());
    }

    /// Where the uplink's network wants people to log in.
    fn portal(&self) -> Option<&String> {
        self.uplink_lease.as_ref()?.portal.as_ref()
    }

    fn link(&self, name: &str) -> Option<&PresentLink> {
        self.snapshot.links.iter().find(|link| link.name == name)
    }

    fn uplink_address(&self) -> Option<Ipv4Net> {
        self.uplink
    }

    /// How long the uplink's lease still lasts; `None` for one without end.
    fn uplink_lease_left(&self, now: Instant) -> Option<Duration> {
        let expires = self.client.as_ref().and_then(|client| client.machine.expires());
        expires.map(|end| end.since(now))
    }

    fn step_probe(&mut self, now: Instant, entropy: &mut dyn Entropy) {
        let Some(client) = &mut self.client else { return };
        match client.probe.as_mut().and_then(|probe| probe.step(now)) {
            None => {}
            Some(Step::Ask(address)) => self.actions.push_back(Action::Probe(address)),
            Some(Step::Free) => {
                client.probe = None;
                client.machine.handle_probe_done(now, entropy);
                self.actions.push_back(Action::StopProbing);
            }
        }
    }

    fn troubles(&self, now: Instant) -> impl Iterator<Item = String> {
        let conflict = self.conflict.map(|conflict| conflict.to_string());
        let foreign = self.server.foreign_server(now).map(|(server, _)| status::foreign_server(server));
        let crowded = self.crowded.then(|| String::from("the connection table is nearly full"));
        let names = self.names.trouble();
        let others = [conflict, self.serve_trouble.clone(), self.disk_trouble.clone(), foreign, crowded, names];
        let refused = self.refused.iter().map(|refusal| &refusal.text).chain(&self.list_troubles).cloned();
        refused.chain(others.into_iter().flatten()).chain(self.tls_troubles.lines())
    }
}

fn dns_settings(config: &Config, lan: Ipv4Net) -> dns::Settings {
    let settings = dns::Settings::new(&config.hostname, &config.domain, lan);
    let records = config::moved(&config.dns.records, config.lan.address, lan);
    let Keeping { stale, prefetch, cache_bytes } = config.dns.keeping;
    dns::Settings {
        log_queries: config.dns.log_queries,
        rebind: config.dns.rebind.clone(),
        records,
        block: config.dns.block.clone(),
        stale,
        prefetch,
        cache_bytes,
        cache_entries: cache_bytes / dns::Settings::BYTES_AN_ENTRY,
        ..settings
    }
}
