//! The event loop: waits for whatever comes first, hands it to the core, does what the core asks.

use super::args::Args;
use super::disk::{Disk, Job};
use super::dns_udp::Reply;
use super::entropy::KernelEntropy;
use super::event::{self, Event, EventSender};
use super::facts::Facts;
use super::heartbeat::{self, Heartbeat};
use super::lan::Lan;
use super::netlink::{self, Monitor, Network};
use super::say::say;
use super::tftp::Netboot;
use super::tls::{Roots, Tls};
use super::uplink_dhcp::UplinkDhcp;
use super::upstream::Upstream;
use super::wifi::{Keys, Wifi};
use super::{UPLINK_RECORD, WIFI_RECORD, block_lists, clock, control, ntp};
use anyhow::{Context, Result, ensure};
use gatepost_core::dns::{Client, Outcome, Piped, Transport};
use gatepost_core::gateway::{Action, Gateway, WifiEvent};
use gatepost_core::net::{Ipv4Net, MacAddr};
use gatepost_core::plan::Change;
use gatepost_core::time::{Instant, Reading};
use gatepost_core::{dhcp_client, dhcp_server, dns};
use std::future::pending;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::mpsc;

/// The longest sleep: a guard against a deadline that was never set.
const MAX_SLEEP: Duration = Duration::from_secs(60);

/// The shortest: a deadline that stays in the past must not keep the processor busy.
const MIN_SLEEP: Duration = Duration::from_millis(1);

/// So many turns of the loop in a row may find something ready; then the runtime looks at the other sockets and timers.
/// It does so by itself only when the loop waits, and under a flood of queries the loop never does. At the longest turn,
/// a batch of 32 queries, this is a millisecond on a Pi.
const TURNS: u32 = 8;

/// How often in a row the kernel's state may be unreadable; then the process ends, and another one opens its sockets
/// anew. The pauses between them add up to some ten seconds.
const MAX_BLIND: u32 = 7;

/// Everything that acts.
struct Shell {
    gateway: Gateway,
    entropy: KernelEntropy,
    events: EventSender,
    /// `None` while changes are being made: nobody's DHCP or DNS waits for them.
    network: Option<Network>,
    fast_path: bool,
    disk: Disk,
    /// Records for the journal that no job holds yet, and the number of the last.
    append: (u64, Vec<u8>),
    upstream: Upstream,
    tls: Tls,
    lan: Option<Lan>,
    /// The folder of files for booting, and who serves it.
    netboot: (PathBuf, Option<Netboot>),
    uplink: Option<UplinkDhcp>,
    /// Where the core wants to listen on the uplink, whether the sockets could be opened or not.
    uplink_place: Option<(u32, MacAddr)>,
    wifi: Option<Wifi>,
    keys: Keys,
    /// The number of the radio's present worker.
    wifi_run: u64,
    /// How often in a row the kernel's state could not be read.
    blind: u32,
    heartbeat: Heartbeat,
    facts: Facts,
}

/// Runs the gateway until the process ends. `keep` is written to the disk without anybody waiting for it.
pub async fn run(
    args: &Args,
    gateway: Gateway,
    keep: Option<Job>,
    heartbeat: Heartbeat,
    facts: Facts,
    roots: Roots,
) -> Result<()> {
    let (events, mut queue) = mpsc::channel(event::QUEUE);
    let mut monitor = Monitor::open().context("listen for changes of the network")?;
    if let Err(error) = control::open(&args.control, events.clone()) {
        say(&format!("Nobody can ask for the status: {} can't be opened: {error}.", args.control.display()));
    }
    let mut shell = Shell {
        gateway,
        entropy: KernelEntropy::new(),
        network: Some(Network::open()?),
        fast_path: false,
        disk: Disk::start(args.state.clone(), events.clone()).context("start the disk's thread")?,
        append: (0, Vec::new()),
        upstream: Upstream::new(events.clone()),
        tls: Tls::new(roots, events.clone()),
        lan: None,
        netboot: (args.netboot.clone(), None),
        uplink: None,
        uplink_place: None,
        wifi: None,
        keys: Keys::default(),
        wifi_run: 0,
        blind: 0,
        heartbeat,
        facts,
        events,
    };
    let lists = shell.gateway.config().dns.block.lists.clone();
    if !lists.is_empty()
        && let Err(error) = block_lists::start(args.lists.clone(), lists, shell.events.clone())
    {
        say(&format!("The block lists can't be read: {error}."));
    }
    if let Some(job) = keep {
        shell.disk.put(job);
    }
    let mut beat = tokio::time::interval(heartbeat::INTERVAL);
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    shell.look_at_kernel().await;
    let mut turn = 0;
    loop {
        turn = (turn + 1) % TURNS;
        if turn == 0 {
            tokio::task::yield_now().await;
        }
        shell.act().await;
        if shell.sleep().is_zero() {
            // Not left to the timer below: one made anew at each turn never fires while sockets are always ready.
            shell.gateway.handle_timeout(clock::now(), clock::wall(), &mut shell.entropy);
            shell.act().await;
        }
        ensure!(shell.blind < MAX_BLIND, "the network's state can't be read");
        let sleep = shell.sleep().max(MIN_SLEEP);
        let Shell { gateway, entropy, lan, .. } = &mut shell;
        let (dhcp, udp, tcp, time) = match lan {
            Some(Lan { dhcp, udp, tcp, time, .. }) => (Some(dhcp), Some(udp), Some(tcp), time.as_mut()),
            None => (None, None, None, None),
        };
        tokio::select! {
            served = serve(udp, gateway, entropy) => shell.lan_result(served),
            received = receive(dhcp) => match received {
                Ok(()) => shell.take_lan_dhcp(),
                Err(error) => shell.lan_result(Err(error)),
            },
            asked = asked_for_time(time) => match asked {
                Ok((message, peer, came)) => shell.tell_time(&message, peer, came),
                Err(error) => shell.lan_result(Err(error)),
            },
            accepted = accept(tcp) => shell.lan_result(accepted),
            event = queue.recv() => match event {
                Some(event) => shell.handle(event).await,
                None => return Ok(()),
            },
            changed = monitor.changed() => {
                changed.context("listen for changes of the network")?;
                shell.look_at_kernel().await;
            }
            _ = beat.tick() => {
                let serving = shell.lan.is_some();
                shell.heartbeat.beat(serving);
                if let Some(connections) = netlink::connections() {
                    shell.gateway.handle_connections(connections, clock::now());
                }
            }
            // What is due is done above.
            () = tokio::time::sleep(sleep) => {}
        }
    }
}

/// Answers DNS queries until the core wants something done; waits for ever when there is no socket.
async fn serve(
    udp: Option<&mut super::dns_udp::DnsUdp>,
    gateway: &mut Gateway,
    entropy: &mut KernelEntropy,
) -> io::Result<()> {
    let Some(udp) = udp else { return pending().await };
    let local = udp.address();
    udp.serve(clock::now, |now, peer, query, answer| {
        let client = Client { transport: Transport::Udp, peer: SocketAddr::V4(peer), local };
        let send = gateway.handle_dns_query(client, query, *now, entropy, answer) == Outcome::Answered;
        Reply { send, more: gateway.has_actions() }
    })
    .await
}

async fn receive(dhcp: Option<&mut super::lan_dhcp::LanDhcp>) -> io::Result<()> {
    match dhcp {
        Some(dhcp) => dhcp.receive().await,
        None => pending().await,
    }
}

async fn asked_for_time(time: Option<&mut ntp::LanTime>) -> io::Result<(Vec<u8>, SocketAddrV4, Reading)> {
    match time {
        Some(time) => time.receive().await,
        None => pending().await,
    }
}

async fn accept(tcp: Option<&mut super::dns_tcp::DnsTcp>) -> io::Result<()> {
    match tcp {
        Some(tcp) => tcp.accept().await,
        None => pending().await,
    }
}

impl Shell {
    /// Until the core's next deadline.
    fn sleep(&self) -> Duration {
        let due: Option<Instant> = self.gateway.poll_timeout();
        due.map_or(MAX_SLEEP, |due| due.since(clock::now())).min(MAX_SLEEP)
    }

    async fn handle(&mut self, event: Event) {
        let now = clock::now();
        match event {
            Event::Applied { network, failures } => {
                self.fast_path = network.fast_path();
                self.network = Some(network);
                self.gateway.handle_applied(failures, now);
            }
            Event::UplinkDhcp { frame } => {
                self.gateway.handle_uplink_dhcp(&frame, now, clock::wall(), &mut self.entropy);
            }
            Event::UplinkArp { frame } => self.gateway.handle_uplink_arp(&frame, now, &mut self.entropy),
            Event::LanArp { frame } => self.gateway.handle_lan_arp(&frame, now),
            Event::LeftBehind { frame } => self.gateway.handle_left_behind(&frame, now, clock::wall()),
            Event::DnsTcpQuery { connection, peer, query } => self.tcp_query(connection, peer, &query, now),
            Event::DnsTcpClosed { connection } => {
                if let Some(lan) = &mut self.lan {
                    lan.tcp.closed(connection);
                }
            }
            Event::DnsReply { key, from, reply } => {
                self.gateway.handle_dns_reply(key, from, &reply, now, &mut self.entropy);
            }
            Event::DnsAskFailed { key, failure } => {
                self.gateway.handle_dns_failure(key, failure, now, &mut self.entropy);
            }
            Event::TimeReply { from, payload, sent, at } => {
                self.gateway.handle_ntp_reply(from, &payload, sent, at, now);
            }
            Event::TlsTrouble { server, trouble } => self.gateway.handle_tls_trouble(server, trouble, now),
            Event::LeasesStored { sequence } => self.gateway.handle_leases_stored(sequence, now),
            Event::DiskFailed { message } => self.gateway.handle_disk_failure(&message, now),
            Event::BlockLists { list, troubles } => self.gateway.handle_block_lists(list, &troubles, now),
            Event::Netboot { line } => self.gateway.handle_netboot_note(&line, now),
            Event::Wifi { run, event } => {
                // What an earlier worker of the radio has still said counts no more.
                if run == self.wifi_run {
                    self.gateway.handle_wifi(event, now, &mut self.entropy);
                }
            }
            Event::Key(done) => {
                self.keys.done(&self.events);
                self.gateway.handle_wifi(WifiEvent::Pmk(done), now, &mut self.entropy);
            }
            Event::Control { question, answer } => {
                let mut text = self.gateway.control(&question, now);
                match question.as_str() {
                    "status" => text += &self.facts.lines(self.fast_path),
                    "firewall" => text = self.firewall(),
                    _ => {}
                }
                // Whoever asked may be gone by now.
                let _ = answer.send(text);
            }
        }
    }

    /// What the packet filter has done so far.
    fn firewall(&self) -> String {
        match netlink::counters() {
            Ok(readings) => self.gateway.firewall(netlink::connections(), &readings),
            Err(error) => format!("The kernel does not tell: {error:#}.\n"),
        }
    }

    fn tcp_query(&mut self, connection: u64, peer: SocketAddrV4, query: &[u8], now: Instant) {
        let Some(lan) = &self.lan else { return };
        let client =
            Client { transport: Transport::Tcp(connection), peer: SocketAddr::V4(peer), local: lan.udp.address() };
        let mut answer = Vec::new();
        match self.gateway.handle_dns_query(client, query, now, &mut self.entropy, &mut answer) {
            Outcome::Answered => lan.tcp.send(connection, answer),
            Outcome::Pending => {}
            // The connection must not count it as waiting.
            Outcome::Dropped => lan.tcp.no_answer(connection),
        }
    }

    fn tell_time(&mut self, message: &[u8], peer: SocketAddrV4, came: Reading) {
        let leaves = clock::reading().wall;
        let answer = self.gateway.handle_ntp_query(message, peer, came, leaves, clock::now());
        if let (Some(answer), Some(time)) = (answer, self.lan.as_ref().and_then(|lan| lan.time.as_ref())) {
            time.send(peer, &answer);
        }
    }

    /// A socket of the LAN that reports an error is opened anew: the interface has gone, or come back as another.
    fn lan_result(&mut self, result: io::Result<()>) {
        if let Err(error) = result {
            self.lan = None;
            let why = format!("The LAN's ports have failed and are opened anew: {error}.");
            self.gateway.handle_serving(Err(why), clock::now());
        }
    }

    /// The messages of clients that were just received.
    fn take_lan_dhcp(&mut self) {
        let Some(lan) = &self.lan else { return };
        let (now, wall) = (clock::now(), clock::wall());
        for (message, cast) in lan.dhcp.received() {
            self.gateway.handle_lan_dhcp(message, cast, now, wall);
        }
    }

    async fn look_at_kernel(&mut self) {
        // While changes are being made, another look follows their outcome.
        let Some(network) = &self.network else { return };
        let managed = self.gateway.managed();
        let snapshot = network.snapshot(&managed, &self.gateway.sysctls()).await;
        match snapshot {
            Ok(snapshot) => {
                self.blind = 0;
                self.gateway.handle_kernel(snapshot, clock::now(), clock::wall(), &mut self.entropy);
            }
            Err(error) => {
                self.blind += 1;
                let why = format!("Could not read the network's state: {error:#}.");
                self.gateway.handle_look_failed(&why, clock::now());
            }
        }
    }

    /// Does everything that the core asks for.
    async fn act(&mut self) {
        while let Some(action) = self.gateway.poll_action() {
            match action {
                Action::LookAtKernel => self.look_at_kernel().await,
                Action::Apply(changes) => self.apply(changes),
                Action::ServeLan { index, mac, lan, left_behind } => {
                    self.serve_lan(index, mac, lan);
                    if let Some(open) = &mut self.lan {
                        // Who is not heard begins anew when the lease is over.
                        let _ = open.dhcp.hear_left_behind(left_behind, lan);
                    }
                }
                Action::ListenUplink { index, mac } => self.listen_uplink(index, mac),
                Action::CloseUplink => (self.uplink, self.uplink_place) = (None, None),
                Action::StopProbing => {
                    if let Some(uplink) = &mut self.uplink {
                        uplink.stop_probing();
                    }
                }
                Action::Probe(address) => {
                    let sent = self.open_uplink().map_or(Ok(()), |uplink| uplink.probe(address));
                    self.uplink_result(sent);
                }
                Action::LanDhcp(action) => self.lan_dhcp(action),
                Action::UplinkDhcp(action) => self.uplink_dhcp(action),
                Action::Dns(action) => self.dns(action),
                Action::AskTime { server, payload } => {
                    ntp::ask(server, payload, self.events.clone(), &mut self.entropy);
                }
                Action::CorrectClock(correction) => self.heartbeat.correct_clock(correction),
                Action::RememberUplink(bytes) => {
                    // Lost when the disk is stuck: then the next start discovers an address anew.
                    self.disk.put(Job::Write { name: UPLINK_RECORD, bytes });
                }
                Action::OpenWifi { index, mac } => self.open_wifi(index, mac),
                Action::CloseWifi => self.close_wifi(),
                Action::Wifi(action) => self.wifi_action(action),
                Action::DerivePmk(job) => self.keys.derive(job, &self.events),
                Action::RememberWifi(record) => {
                    // Lost when the disk is stuck: then the next start computes the keys anew.
                    self.disk.put(Job::WriteSecret { name: WIFI_RECORD, bytes: record });
                }
                Action::Say(line) => say(&line),
            }
        }
        self.flush();
    }

    fn apply(&mut self, changes: Vec<Change>) {
        // The core asks for one set of changes at a time.
        let Some(mut network) = self.network.take() else { return };
        let events = self.events.clone();
        tokio::task::spawn_local(async move {
            let failures = network.apply(&changes).await.iter().map(ToString::to_string).collect();
            // Without a receiver the process is ending.
            let _ = events.send(Event::Applied { network, failures }).await;
        });
    }

    fn serve_lan(&mut self, index: u32, mac: MacAddr, lan: Ipv4Net) {
        let interface = self.gateway.config().lan.interface.clone();
        if self.lan.as_ref().is_some_and(|open| open.is_at(&interface, index, mac, lan)) {
            return self.gateway.handle_serving(Ok(()), clock::now());
        }
        // The old ones first: they hold the ports.
        (self.lan, self.netboot.1) = (None, None);
        let time = self.gateway.config().ntp.serve;
        let opened = Lan::open(&interface, index, mac, lan, time, self.events.clone())
            .map(|lan| self.lan = Some(lan))
            .map_err(|error| format!("The LAN's ports on {interface} can't be opened: {error}."));
        if opened.is_ok() && self.gateway.config().netboot.serve {
            self.serve_files(&interface, lan.address());
        }
        self.gateway.handle_serving(opened, clock::now());
    }

    /// Nobody's lease waits for the files: without their port the LAN is served all the same.
    fn serve_files(&mut self, interface: &str, address: Ipv4Addr) {
        match Netboot::open(interface, address, self.netboot.0.clone(), self.events.clone()) {
            Ok(netboot) => self.netboot.1 = Some(netboot),
            Err(error) => say(&format!("Files for booting can't be served on {interface}: {error}.")),
        }
    }

    fn listen_uplink(&mut self, index: u32, mac: MacAddr) {
        (self.uplink, self.uplink_place) = (None, Some((index, mac)));
        if self.open_uplink().is_none() {
            let interface = &self.gateway.config().uplink.interface;
            say(&format!("The uplink {interface} can't be listened on yet; it is tried again."));
        }
    }

    fn open_wifi(&mut self, index: u32, mac: MacAddr) {
        self.close_wifi();
        match Wifi::open(self.wifi_run, index, mac, self.events.clone()) {
            Ok(wifi) => self.wifi = Some(wifi),
            Err(error) => self.wifi_gone(error.raw_os_error()),
        }
    }

    fn close_wifi(&mut self) {
        self.wifi = None;
        self.wifi_run += 1;
    }

    fn wifi_action(&mut self, action: gatepost_core::wifi::Action) {
        // After a close the station hears of it by itself.
        if self.wifi.as_ref().is_some_and(|wifi| !wifi.put(action)) {
            self.wifi_gone(Some(libc::EIO));
        }
    }

    fn wifi_gone(&mut self, errno: Option<i32>) {
        let event = WifiEvent::Gone { errno: errno.unwrap_or(libc::EIO) };
        self.gateway.handle_wifi(event, clock::now(), &mut self.entropy);
    }

    /// The uplink's sockets. If they could not be opened before they are tried again: the client repeats itself, so
    /// this comes again with growing pauses.
    fn open_uplink(&mut self) -> Option<&mut UplinkDhcp> {
        if let (None, Some((index, mac))) = (&self.uplink, self.uplink_place) {
            let interface = &self.gateway.config().uplink.interface;
            self.uplink = UplinkDhcp::open(interface, index, mac, self.events.clone()).ok();
        }
        self.uplink.as_mut()
    }

    fn lan_dhcp(&mut self, action: dhcp_server::Action) {
        match action {
            dhcp_server::Action::Append { sequence, bytes } => {
                self.append.0 = sequence;
                self.append.1.extend(bytes);
            }
            dhcp_server::Action::Replace { sequence, bytes } => {
                self.store_appended();
                self.store(Job::Replace { sequence, bytes });
            }
            other => self.lan_socket(other),
        }
    }

    fn lan_socket(&mut self, action: dhcp_server::Action) {
        let Some(Lan { dhcp, .. }) = &mut self.lan else { return };
        match action {
            dhcp_server::Action::Send { destination, payload } => dhcp.send(destination, &payload),
            // An address that can't be asked for is given out when the wait is over.
            dhcp_server::Action::Probe(address) => drop(dhcp.probe(address)),
            dhcp_server::Action::StopProbing => dhcp.stop_probing(),
            _ => {}
        }
    }

    /// Hands over what was gathered since the core was last asked: many leases make one job for the disk, and many
    /// answers one system call.
    fn flush(&mut self) {
        self.store_appended();
        if let Some(lan) = &mut self.lan {
            lan.dhcp.flush();
        }
    }

    fn store_appended(&mut self) {
        let (sequence, bytes) = std::mem::take(&mut self.append);
        if !bytes.is_empty() {
            self.store(Job::Append { sequence, bytes });
        }
    }

    fn store(&mut self, job: Job) {
        if !self.disk.put(job) {
            self.gateway.handle_disk_failure("The config partition is too slow; leases wait for it.", clock::now());
        }
    }

    fn uplink_dhcp(&mut self, action: dhcp_client::Action) {
        let Some(uplink) = self.open_uplink() else { return };
        let sent = match action {
            dhcp_client::Action::Broadcast { source, payload } => uplink.broadcast(source, &payload),
            dhcp_client::Action::Unicast { source, server, payload } => uplink.unicast(source, server, &payload),
            _ => Ok(()),
        };
        self.uplink_result(sent);
    }

    /// A socket that reports an error is left as it is: the client repeats itself, and a device that has gone
    /// shows in the next snapshot.
    fn uplink_result(&mut self, result: io::Result<()>) {
        drop(result);
    }

    fn dns(&mut self, action: dns::Action) {
        match action {
            dns::Action::AskUdp { key, server, payload } => {
                self.upstream.ask_udp(key, server, payload, &mut self.entropy);
            }
            dns::Action::AskTcp { key, server, payload } => self.upstream.ask_tcp(key, server, payload),
            dns::Action::AskTls { key, server, name, payload } => {
                let now = clock::now();
                let is_right = self.gateway.is_clock_right(now);
                self.tls.ask(Piped::new(key, payload, now), server, name, is_right);
            }
            dns::Action::Close { key } => self.upstream.close(key),
            dns::Action::Answer { client, payload } => {
                let Some(lan) = &self.lan else { return };
                match (client.transport, client.peer) {
                    (Transport::Udp, SocketAddr::V4(peer)) => lan.udp.send(peer, &payload),
                    (Transport::Tcp(connection), _) => lan.tcp.send(connection, payload),
                    (Transport::Udp, SocketAddr::V6(_)) => {}
                }
            }
            dns::Action::Note(_) => {}
        }
    }
}
