//! The client: when to ask whom, what to make of a round, when to try again.

use super::api::{Action, Note, Settings, Standing};
use super::packet::Packet;
use super::round::{Heard, Round, Sample, drift};
use super::select::{Candidate, agreeing, median};
use super::{MAX_DISTANCE, MAX_OF_A_NAME, MAX_SERVERS, POLL, STEP_OVER};
use crate::entropy::Entropy;
use crate::net::{Ipv4Addr, is_ordinary};
use crate::time::{Correction, Duration, Instant, Reading, UnixNanos};
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;

/// How long names are waited for: the DNS gives each an answer sooner.
const RESOLVE_PATIENCE: Duration = Duration::from_secs(6);

/// Names are looked up anew after this time: services move.
const RESOLVE_EVERY: Duration = Duration::from_secs(86_400);

/// After a round that brought nothing: the first wait, which doubles up to the longest.
const RETRY: (Duration, Duration) = (Duration::from_secs(4), Duration::from_secs(1024));

/// After a step: the round that shows whether it worked.
const VERIFY_AFTER: Duration = Duration::from_secs(2);

/// Two rounds that both want a step must agree this far, in nanoseconds.
const CONFIRMS: u64 = 100_000_000;

/// Offsets up to this let the rounds come less often, those over the other more often; in nanoseconds.
const CALM: (u64, u64) = (10_000_000, 50_000_000);

/// Questions to each server in a round once the time is known. The first round is quick instead.
const TIMES: u8 = 3;

/// Servers that asked never to be asked again, and those that asked to be asked less often; with more, nobody is left to
/// ask anyway.
const MAX_BANNED: usize = 16;

/// What the client does now.
#[derive(Debug)]
enum Phase {
    /// Nothing until then.
    Waiting(Instant),
    /// Names are being looked up, at most until then.
    Resolving(Instant),
    Asking(Round),
}

/// A server's name and what it meant last.
#[derive(Debug)]
struct Named {
    name: String,
    addresses: Vec<Ipv4Addr>,
    looked_up: Option<Instant>,
    waiting: bool,
}

/// A server that asked to be asked less often (RFC 5905 section 7.4). The others are asked as before: one of several
/// can't slow them down.
#[derive(Debug)]
struct Resting {
    server: Ipv4Addr,
    /// How long, as a power of two of seconds; one more each time it asks.
    pace: u8,
    until: Instant,
}

/// The client. Feed it, then take [`Client::poll_action`] until that is `None`, then wait until
/// [`Client::poll_timeout`].
#[derive(Debug)]
pub struct Client {
    built: UnixNanos,
    fixed: Vec<Ipv4Addr>,
    names: Vec<Named>,
    learned: Vec<Ipv4Addr>,
    online: bool,
    phase: Phase,
    /// The time between rounds as a power of two of seconds.
    poll: u8,
    failures: u32,
    banned: Vec<Ipv4Addr>,
    resting: Vec<Resting>,
    /// The clock was set or slewed once: a step now needs two rounds.
    corrected: bool,
    suspicion: Option<i64>,
    standing: Option<Standing>,
    lost_at: Option<Instant>,
    actions: VecDeque<Action>,
}

impl Client {
    /// Asks nobody before [`Self::set_online`].
    pub fn new(settings: &Settings) -> Self {
        let (mut fixed, mut names) = (Vec::new(), Vec::new());
        for server in settings.servers.iter().take(MAX_SERVERS) {
            match server.parse() {
                Ok(address) => fixed.push(address),
                Err(_) => {
                    names.push(Named { name: server.clone(), addresses: Vec::new(), looked_up: None, waiting: false })
                }
            }
        }
        Self {
            built: settings.built,
            fixed,
            names,
            learned: Vec::new(),
            online: false,
            phase: Phase::Waiting(Instant::default()),
            poll: POLL.0,
            failures: 0,
            banned: Vec::new(),
            resting: Vec::new(),
            corrected: false,
            suspicion: None,
            standing: None,
            lost_at: None,
            actions: VecDeque::new(),
        }
    }

    /// Whether there is a way to the internet, and the servers that the network there named (option 42). A way that
    /// is new begins a round at once.
    pub fn set_online(&mut self, online: bool, learned: &[Ipv4Addr], now: Instant) {
        let learned: Vec<_> = learned.iter().copied().take(MAX_OF_A_NAME).collect();
        if online == self.online && learned == self.learned {
            return;
        }
        (self.online, self.learned) = (online, learned);
        (self.failures, self.suspicion) = (0, None);
        self.banned.clear();
        for named in &mut self.names {
            (named.looked_up, named.waiting) = (None, false);
        }
        self.phase = Phase::Waiting(now);
    }

    /// Whether anybody could be asked.
    pub fn has_servers(&self) -> bool {
        !(self.fixed.is_empty() && self.names.is_empty() && self.learned.is_empty())
    }

    /// The addresses of a name; empty if it has none, or nobody could say.
    pub fn handle_addresses(&mut self, name: &str, addresses: &[Ipv4Addr], now: Instant) {
        let Some(named) = self.names.iter_mut().find(|named| named.name == name && named.waiting) else { return };
        named.waiting = false;
        if !addresses.is_empty() {
            named.addresses = addresses.iter().copied().take(MAX_OF_A_NAME).collect();
            named.looked_up = Some(now);
        }
        if matches!(self.phase, Phase::Resolving(_)) && !self.names.iter().any(|named| named.waiting) {
            // Not at once but at the next turn, which is now.
            self.phase = Phase::Resolving(now);
        }
    }

    /// A packet that came from `from` on the socket of a question; `sent` is the boot clock in nanoseconds when that
    /// question left, `at` both clocks when the packet came.
    pub fn handle_packet(&mut self, from: Ipv4Addr, payload: &[u8], sent: u64, at: Reading, now: Instant) {
        let (Phase::Asking(round), Some(packet)) = (&mut self.phase, Packet::read(payload)) else { return };
        match round.hear(from, &packet, sent, at, self.built, now) {
            Heard::Nothing | Heard::Sample(_) | Heard::Useless => {}
            Heard::Slower => self.rest(from, now),
            Heard::Never => {
                if self.banned.len() < MAX_BANNED {
                    self.banned.push(from);
                }
                self.actions.push_back(Action::Note(Note::Banned(from)));
            }
        }
        self.finish_round(now);
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant, entropy: &mut dyn Entropy) {
        if self.lost_at.is_some_and(|at| at <= now) {
            (self.lost_at, self.standing) = (None, None);
            self.actions.push_back(Action::Note(Note::Lost));
        }
        if !self.online {
            return;
        }
        match &mut self.phase {
            Phase::Waiting(until) if *until <= now => self.begin(now),
            Phase::Resolving(until) if *until <= now => self.begin_round(now),
            _ => {}
        }
        if let Phase::Asking(round) = &mut self.phase {
            for (server, packet) in round.due(now, entropy) {
                self.actions.push_back(Action::Ask { server, payload: packet.write() });
            }
        }
        self.finish_round(now);
    }

    /// When [`Self::handle_timeout`] has something to do.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let phase = match &self.phase {
            Phase::Waiting(until) | Phase::Resolving(until) => Some(*until),
            Phase::Asking(round) => round.next(),
        };
        let busy = self.online && self.has_servers();
        phase.filter(|_| busy).into_iter().chain(self.lost_at).min()
    }

    /// The next thing to do.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// How well the time is known at this moment of the boot clock, in nanoseconds; `None`: it is not.
    pub fn standing(&self, boot: u64) -> Option<Standing> {
        let standing = self.standing?;
        let dispersion = standing.dispersion.saturating_add(drift(boot.saturating_sub(standing.boot)));
        (dispersion + standing.delay / 2 <= MAX_DISTANCE).then_some(Standing { dispersion, ..standing })
    }

    /// Lets a server be, for twice as long as the last time.
    fn rest(&mut self, server: Ipv4Addr, now: Instant) {
        let place = self.resting.iter().position(|resting| resting.server == server);
        let before = place.map_or(POLL.0, |place| self.resting.swap_remove(place).pace);
        let pace = (before + 1).min(POLL.1);
        if self.resting.len() < MAX_BANNED {
            self.resting.push(Resting { server, pace, until: now + Duration::from_secs(1 << pace) });
        }
    }

    fn begin(&mut self, now: Instant) {
        for named in &mut self.names {
            let old = named.looked_up.is_none_or(|at| now.since(at) >= RESOLVE_EVERY);
            // After a few failures the addresses are suspected too.
            if old || self.failures >= 3 {
                named.waiting = true;
                self.actions.push_back(Action::Resolve(named.name.clone()));
            }
        }
        if self.names.iter().any(|named| named.waiting) {
            self.phase = Phase::Resolving(now + RESOLVE_PATIENCE);
        } else {
            self.begin_round(now);
        }
    }

    fn begin_round(&mut self, now: Instant) {
        self.names.iter_mut().for_each(|named| named.waiting = false);
        let named = self.names.iter().flat_map(|named| &named.addresses);
        let mut servers: Vec<Ipv4Addr> = Vec::new();
        for server in self.fixed.iter().chain(&self.learned).chain(named).copied() {
            let rests = self.resting.iter().any(|resting| resting.server == server && resting.until > now);
            let usable = is_ordinary(server) && !self.banned.contains(&server) && !rests && !servers.contains(&server);
            if usable && servers.len() < MAX_SERVERS {
                servers.push(server);
            }
        }
        let times = if self.standing.is_some() { TIMES } else { 1 };
        self.phase = Phase::Asking(Round::new(&servers, times, now));
    }

    fn finish_round(&mut self, now: Instant) {
        let Phase::Asking(round) = &self.phase else { return };
        if !round.is_over() {
            return;
        }
        let samples: Vec<(Ipv4Addr, Sample)> =
            round.asked.iter().filter_map(|asked| Some((asked.server, asked.best?))).collect();
        let wait = self.judge(&samples, now);
        // Spread by a hundredth or so, by what nobody chose: that a thousand gateways do not ask in step.
        let spread = samples.first().map_or(0, |(_, sample)| sample.at.boot / 1000 % 1024);
        self.phase = Phase::Waiting(now + wait + wait / 64 * (spread as u32) / 1024);
    }

    /// Makes what can be made of the samples. Returns how long to wait for the next round.
    fn judge(&mut self, samples: &[(Ipv4Addr, Sample)], now: Instant) -> Duration {
        let candidates: Vec<_> = samples
            .iter()
            .map(|(_, sample)| Candidate {
                offset: sample.offset,
                distance: i64::try_from(sample.distance()).unwrap_or(i64::MAX),
            })
            .collect();
        let Some(group) = agreeing(&candidates) else {
            if !samples.is_empty() && self.failures == 0 {
                self.actions.push_back(Action::Note(Note::Disagree(samples.len())));
            }
            return self.fail();
        };
        self.failures = 0;
        let members: Vec<_> = group.iter().filter_map(|place| samples.get(*place)).collect();
        let offset = median(members.iter().map(|(_, sample)| sample.offset).collect());
        let Some((server, best)) = members.iter().min_by_key(|(_, sample)| sample.distance()).copied().copied() else {
            return self.fail();
        };
        if offset.unsigned_abs() > STEP_OVER.unsigned_abs() {
            return self.far_off(offset, best.at);
        }
        self.suspicion = None;
        if self.standing.is_none() {
            self.actions.push_back(Action::Note(Note::Right(members.len())));
        }
        self.calm(offset.unsigned_abs());
        self.correct(Correction::Slew { offset, poll: self.poll });
        let (delay, dispersion) = best.root;
        let standing = Standing {
            server,
            stratum: best.stratum,
            delay: delay.saturating_add(best.delay),
            dispersion: dispersion.saturating_add(offset.unsigned_abs()),
            offset,
            servers: members.len(),
            since: best.at.wall,
            boot: best.at.boot,
        };
        self.standing = Some(standing);
        let left = MAX_DISTANCE.saturating_sub(standing.dispersion + standing.delay / 2);
        self.lost_at = Some(now + Duration::from_millis(left / super::DRIFT_PPM));
        Duration::from_secs(1 << self.poll)
    }

    /// A step is wanted. The first one is taken; later ones when two rounds say the same.
    fn far_off(&mut self, offset: i64, at: Reading) -> Duration {
        let confirmed = self.suspicion.is_some_and(|before| before.abs_diff(offset) <= CONFIRMS);
        self.suspicion = Some(offset);
        if self.corrected && !confirmed {
            return RETRY.0;
        }
        (self.suspicion, self.standing, self.lost_at) = (None, None, None);
        self.poll = POLL.0;
        self.actions.push_back(Action::Note(Note::Stepping(offset)));
        self.correct(Correction::Step(Reading { boot: at.boot, wall: at.wall.moved(offset) }));
        VERIFY_AFTER
    }

    fn correct(&mut self, correction: Correction) {
        self.corrected = true;
        self.actions.push_back(Action::Correct(correction));
    }

    fn calm(&mut self, offset: u64) {
        if offset <= CALM.0 && self.standing.is_some() {
            self.poll += 1;
        } else if offset > CALM.1 {
            self.poll = self.poll.saturating_sub(1);
        }
        self.poll = self.poll.clamp(POLL.0, POLL.1);
    }

    fn fail(&mut self) -> Duration {
        let wait = RETRY.0 * 2_u32.saturating_pow(self.failures.min(8));
        self.failures = self.failures.saturating_add(1);
        // Never less often than it would be anyway.
        wait.min(RETRY.1)
    }
}
