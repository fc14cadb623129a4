//! The gateway's part that knows the time: asks time servers, has the clock corrected by PID 1, answers the LAN.

use super::status::for_people;
use super::{Action, Gateway};
use crate::config::Config;
use crate::dns;
use crate::entropy::Entropy;
use crate::net::Ipv4Addr;
use crate::ntp;
use crate::time::{Correction, Instant, Reading, UnixNanos, WallTime};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::SocketAddrV4;

/// Names being looked up: as many as there may be servers.
const MAX_LOOKUPS: usize = ntp::MAX_SERVERS;

/// The state of this part.
pub(super) struct Clock {
    client: ntp::Client,
    server: ntp::Server,
    /// Names to look up, and those that are being looked up with the identifiers of their questions.
    wanted: Vec<String>,
    asked: Vec<(u16, String)>,
    /// What the wall clock said, and when.
    wall: (WallTime, Instant),
}

impl Clock {
    pub(super) fn new(config: &Config, built: WallTime) -> Self {
        let settings = ntp::Settings { servers: config.ntp.servers.clone(), built: built.into() };
        let (wanted, asked, wall) = (Vec::new(), Vec::new(), (built, Instant::default()));
        Self { client: ntp::Client::new(&settings), server: ntp::Server::default(), wanted, asked, wall }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.client.poll_timeout()
    }
}

impl Gateway {
    /// What came back on the socket of an [`Action::AskTime`] that left at `sent`, by the boot clock in nanoseconds;
    /// `at` is what both clocks said when it came.
    pub fn handle_ntp_reply(&mut self, from: Ipv4Addr, payload: &[u8], sent: u64, at: Reading, now: Instant) {
        self.clock.wall = (at.wall.wall(), now);
        self.clock.client.handle_packet(from, payload, sent, at, now);
        self.drive(now);
    }

    /// A message from the LAN to the time server that came at `came`. The answer, if there is one, leaves at once.
    pub fn handle_ntp_query(
        &mut self,
        message: &[u8],
        from: SocketAddrV4,
        came: Reading,
        leaves: UnixNanos,
        now: Instant,
    ) -> Option<[u8; ntp::SIZE]> {
        if !self.config.ntp.serve {
            return None;
        }
        let standing = self.clock.client.standing(came.boot);
        let client = (*from.ip(), from.port());
        self.clock.server.answer(message, client, self.lan, standing, (came.wall, leaves), now)
    }

    /// Whether the clock was compared with time servers lately. While it was not, it may be behind, by as long as the
    /// machine was off, but hardly ahead.
    pub fn is_clock_right(&self, now: Instant) -> bool {
        self.clock.client.standing(now.as_millis().saturating_mul(1_000_000)).is_some()
    }

    /// Time has passed, or a way to the internet is there or gone.
    pub(super) fn step_clock(&mut self, now: Instant, wall: WallTime, entropy: &mut dyn Entropy) {
        self.clock.wall = (wall, now);
        self.clock.client.handle_timeout(now, entropy);
        self.drive_clock(now);
        for name in core::mem::take(&mut self.clock.wanted) {
            self.look_up(name, now, entropy);
        }
    }

    /// Tells the client whether there is somebody to ask.
    pub(super) fn follow_clock(&mut self, now: Instant) {
        let state = self.snapshot.state.links.get(&self.config.uplink.interface);
        let online = self.uplink.is_some_and(|uplink| state.is_some_and(|state| state.addresses.contains(&uplink)));
        let lease = self.uplink_lease.as_ref().filter(|_| online && self.config.ntp.learn);
        let learned = lease.map(|lease| lease.ntp.clone()).unwrap_or_default();
        self.clock.client.set_online(online, &learned, now);
    }

    /// Takes the client's output.
    pub(super) fn drive_clock(&mut self, now: Instant) {
        while let Some(action) = self.clock.client.poll_action() {
            match action {
                ntp::Action::Resolve(name) if self.clock.wanted.len() < MAX_LOOKUPS => self.clock.wanted.push(name),
                ntp::Action::Resolve(_) => {}
                ntp::Action::Ask { server, payload } => self.actions.push_back(Action::AskTime { server, payload }),
                ntp::Action::Correct(correction) => {
                    if let Correction::Step(Reading { boot, wall }) = correction {
                        self.clock.wall = (wall.wall(), Instant::from_millis(boot / 1_000_000));
                    }
                    self.actions.push_back(Action::CorrectClock(correction));
                }
                ntp::Action::Note(note) => self.say(now, &note.to_string()),
            }
        }
    }

    /// Asks our own DNS, like any client of the LAN.
    fn look_up(&mut self, name: String, now: Instant, entropy: &mut dyn Entropy) {
        let id = (entropy.next_u32() >> 16) as u16;
        let mut answer = Vec::new();
        let asked = dns::ask_addresses(id, &name);
        self.clock.asked.retain(|(_, other)| *other != name);
        if self.clock.asked.len() < MAX_LOOKUPS {
            self.clock.asked.push((id, name));
        }
        let outcome = asked.map(|query| self.dns.handle_query(dns::OWN, &query, now, entropy, &mut answer));
        match outcome {
            Some(dns::Outcome::Answered) => self.looked_up(&answer, now),
            Some(dns::Outcome::Pending) => {}
            // It will be given up when its time is over.
            Some(dns::Outcome::Dropped) | None => {}
        }
    }

    /// The answer to one of our own questions.
    pub(super) fn looked_up(&mut self, answer: &[u8], now: Instant) {
        let Some((id, addresses)) = dns::read_addresses(answer) else { return };
        if let Some(place) = self.clock.asked.iter().position(|(asked, _)| *asked == id) {
            let (_, name) = self.clock.asked.swap_remove(place);
            self.clock.client.handle_addresses(&name, &addresses, now);
        }
    }

    /// The status line about the time.
    pub(super) fn time_line(&self, now: Instant) -> String {
        let (wall, at) = self.clock.wall;
        let shown = WallTime(wall.0.saturating_add(now.since(at).as_secs()));
        let boot = now.as_millis().saturating_mul(1_000_000);
        match self.clock.client.standing(boot) {
            Some(standing) => {
                let within = (standing.dispersion + standing.delay / 2).div_ceil(1_000_000);
                let ago = for_people(now.since(Instant::from_millis(standing.boot / 1_000_000)));
                let who =
                    if standing.servers == 1 { "1 server".into() } else { format!("{} servers", standing.servers) };
                format!("{shown}, within {within} ms by {who} ({}), {ago} ago", standing.server)
            }
            None if self.clock.client.has_servers() => format!("{shown}, not checked: no time server has answered yet"),
            None => format!("{shown}, not checked: no time server is known"),
        }
    }
}
