//! The servers that are asked: which of them seem to be well, and which is the fastest.
//!
//! A domain may have servers of its own; its names are asked of these and of no others, and theirs is nothing else.
//! A server that leaves [`TIMEOUTS_TO_DOWN`] attempts in a row unanswered is asked last for a while, a longer one each
//! time. When all are down, all are asked: a wrong guess about health never costs an answer. What one reply claims about
//! a server (that it does not know EDNS, does not keep the letters' case) is believed only after several, and only for a
//! while (CVE-2026-52690).

use super::name::Name;
use super::query::Question;
use crate::config::{Forward, Protocol, Upstream};
use crate::net::Ipv4Addr;
use crate::time::{Duration, Instant};
use alloc::vec::Vec;

/// Servers kept of one list; a lease may name many. Each query asks at most three.
pub(super) const MAX_UPSTREAMS: usize = 8;

/// Attempts in a row without a reply after which a server is asked last.
const TIMEOUTS_TO_DOWN: u32 = 3;

/// How long a server is asked last the first time, and the longest.
const DOWN_FOR: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(60));

/// One question in this many goes to a server that is not the fastest.
const PROBE_EVERY: u32 = 32;

/// What one silence makes of a faster server, and the longest time that is believed, in sixteenths of a millisecond and in
/// milliseconds.
const SILENCE: u32 = 400 * 16;
const LONGEST: u32 = 10_000;

/// The place of a server that nobody knows the speed of: behind those that are known to reply within half a second.
const UNKNOWN: u32 = 500 * 16;

/// Claims after which one is believed, and for how long.
const CLAIMS_TO_BELIEVE: u8 = 3;
const BELIEVED_FOR: Duration = Duration::from_secs(600);

/// Something that replies claim about a server.
#[derive(Clone, Copy, Debug, Default)]
struct Claim {
    times: u8,
    until: Instant,
}

impl Claim {
    fn heard(&mut self, now: Instant) {
        self.times = if now < self.until { self.times.saturating_add(1) } else { 1 };
        self.until = now + BELIEVED_FOR;
    }

    fn believed(&self, now: Instant) -> bool {
        self.times >= CLAIMS_TO_BELIEVE && now < self.until
    }
}

#[derive(Clone, Debug)]
struct Server {
    upstream: Upstream,
    /// How long its replies take, smoothed as RFC 6298 section 2 does, in sixteenths of a millisecond; `None`: not known.
    round_trip: Option<u32>,
    /// When it last replied or failed to.
    measured: Instant,
    timeouts: u32,
    down_until: Instant,
    no_edns: Claim,
    changes_case: Claim,
}

/// The servers.
#[derive(Clone, Debug, Default)]
pub(super) struct Upstreams {
    /// Every server once, whichever names it is asked for.
    servers: Vec<Server>,
    /// For names of no domain in `forwards`.
    general: Vec<Upstream>,
    /// Questions so far.
    questions: u32,
    /// Domains with servers of their own, those with more labels first.
    forwards: Vec<(Name, Vec<Upstream>)>,
}

impl Upstreams {
    /// Takes a new list for all names without servers of their own. Addresses that cannot be a server, our own on the
    /// LAN, repetitions and what is over [`MAX_UPSTREAMS`] are left out. All start as healthy: the way to them may have
    /// changed.
    pub(super) fn set(&mut self, servers: &[Upstream], own: Ipv4Addr) {
        self.general = usable(servers, own);
        self.start_anew();
    }

    /// Takes the domains that have servers of their own; a domain that is no name is left out, and so is the root.
    pub(super) fn set_forwards(&mut self, forwards: &[Forward], own: Ipv4Addr) {
        let read = |forward: &Forward| Some((Name::from_text(&forward.domain)?, usable(&forward.servers, own)));
        self.forwards = forwards.iter().filter_map(read).filter(|(domain, _)| *domain != Name::ROOT).collect();
        self.forwards.sort_by_key(|(domain, _)| core::cmp::Reverse(domain.labels().count()));
        self.start_anew();
    }

    fn start_anew(&mut self) {
        self.servers.clear();
        for upstream in self.forwards.iter().flat_map(|(_, servers)| servers).chain(&self.general) {
            if !self.servers.iter().any(|server| server.upstream == *upstream) {
                let (no_edns, changes_case) = (Claim::default(), Claim::default());
                let (upstream, down_until) = (upstream.clone(), Instant::default());
                self.servers.push(Server {
                    upstream,
                    round_trip: None,
                    measured: down_until,
                    timeouts: 0,
                    down_until,
                    no_edns,
                    changes_case,
                });
            }
        }
    }

    /// Leaves one address out: it has become our own.
    pub(super) fn leave_out(&mut self, own: Ipv4Addr) {
        let other = |upstream: &Upstream| *upstream.address.ip() != own;
        self.servers.retain(|server| other(&server.upstream));
        self.general.retain(other);
        self.forwards.iter_mut().for_each(|(_, servers)| servers.retain(other));
    }

    /// The domain with servers of its own that the name is in: that with the most labels.
    pub(super) fn forward_of(&self, name: &Name) -> Option<&Name> {
        self.forwards.iter().map(|(domain, _)| domain).find(|domain| name.is_within(domain))
    }

    /// The servers for a question in wire form, the preferred one first. Never those of another domain.
    fn group(&self, question: &[u8]) -> &[Upstream] {
        if self.forwards.is_empty() {
            return &self.general;
        }
        let Some(question) = Question::read(question) else { return &[] };
        let own = self.forwards.iter().find(|(domain, _)| question.name.is_within(domain));
        own.map_or(&self.general, |(_, servers)| servers)
    }

    /// Whether the name belongs to a domain with servers of its own.
    pub(super) fn has_own(&self, name: &Name) -> bool {
        self.forwards.iter().any(|(domain, _)| name.is_within(domain))
    }

    /// Whether nobody can be asked this.
    pub(super) fn is_empty(&self, question: &[u8]) -> bool {
        self.group(question).is_empty()
    }

    /// Whether there is a server for the question that is not among `tried`.
    pub(super) fn has_other_than(&self, tried: &[&Upstream], question: &[u8]) -> bool {
        self.group(question).iter().any(|upstream| !tried.contains(&upstream))
    }

    /// The next server to ask: the least often tried ones first, of these the healthy ones, of these the encrypted ones (who
    /// names both kinds wants the plain ones for need alone), of these the fastest, of these the first of the list. One question in [`PROBE_EVERY`] goes first to the healthy server that was asked the
    /// longest ago, since it may have become faster. `None` only if there is no server.
    pub(super) fn pick(&mut self, tried: &[&Upstream], question: &[u8], now: Instant) -> Option<&Upstream> {
        if tried.is_empty() {
            self.questions = self.questions.wrapping_add(1);
        }
        let probe = tried.is_empty() && self.questions.is_multiple_of(PROBE_EVERY);
        let rank = |upstream: &Upstream| {
            let times = tried.iter().filter(|other| **other == upstream).count();
            let server = self.get(upstream);
            let down = server.is_some_and(|server| server.down_until > now);
            let speed = server.and_then(|server| server.round_trip).unwrap_or(UNKNOWN);
            let measured = server.filter(|_| probe).map(|server| server.measured);
            (times, down, upstream.protocol == Protocol::Plain, measured, speed)
        };
        self.group(question).iter().min_by_key(|upstream| rank(upstream))
    }

    /// A reply that fits came.
    pub(super) fn replied(&mut self, upstream: &Upstream, sent: Instant, now: Instant) {
        if let Some(server) = self.find(upstream) {
            let took = u32::try_from(now.since(sent).as_millis()).unwrap_or(LONGEST).min(LONGEST) * 16;
            server.round_trip = Some(server.round_trip.map_or(took, |known| known - known / 8 + took / 8));
            server.measured = now;
            server.timeouts = 0;
            server.down_until = Instant::default();
        }
    }

    /// An attempt was not answered in time.
    pub(super) fn timed_out(&mut self, upstream: &Upstream, now: Instant) {
        if let Some(server) = self.find(upstream) {
            server.measured = now;
            // Only a server that once replied is known to have become slow; where nobody ever did, the list decides.
            server.round_trip = server.round_trip.map(|known| (known.max(SILENCE) * 2).min(LONGEST * 16));
            server.timeouts = server.timeouts.saturating_add(1);
            if let Some(again) = server.timeouts.checked_sub(TIMEOUTS_TO_DOWN) {
                let (first, longest) = DOWN_FOR;
                server.down_until = now + longest.min(first * 2_u32.saturating_pow(again.min(8)));
            }
        }
    }

    /// A reply said that the server does not know EDNS.
    pub(super) fn claims_no_edns(&mut self, upstream: &Upstream, now: Instant) {
        if let Some(server) = self.find(upstream) {
            server.no_edns.heard(now);
        }
    }

    /// A reply did not keep the case of the name.
    pub(super) fn claims_case_change(&mut self, upstream: &Upstream, now: Instant) {
        if let Some(server) = self.find(upstream) {
            server.changes_case.heard(now);
        }
    }

    /// Whether to ask the server with OPT, and with letters of random case.
    pub(super) fn manners(&self, upstream: &Upstream, now: Instant) -> (bool, bool) {
        self.get(upstream)
            .map_or((true, true), |server| (!server.no_edns.believed(now), !server.changes_case.believed(now)))
    }

    fn get(&self, upstream: &Upstream) -> Option<&Server> {
        self.servers.iter().find(|server| server.upstream == *upstream)
    }

    fn find(&mut self, upstream: &Upstream) -> Option<&mut Server> {
        self.servers.iter_mut().find(|server| server.upstream == *upstream)
    }
}

/// What of a list can be asked.
fn usable(servers: &[Upstream], own: Ipv4Addr) -> Vec<Upstream> {
    let mut list: Vec<Upstream> = Vec::new();
    for server in servers {
        let ip = *server.address.ip();
        let usable = !ip.is_unspecified() && !ip.is_multicast() && !ip.is_broadcast() && ip != own;
        if usable && server.address.port() != 0 && !list.contains(server) && list.len() < MAX_UPSTREAMS {
            list.push(server.clone());
        }
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::SocketAddrV4;

    const OWN: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

    /// Of `www.corp.test`, type A.
    const QUESTION: &[u8] = b"\x03www\x04corp\x04test\0\0\x01\0\x01";

    fn server(last: u8) -> Upstream {
        SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, last), 53).into()
    }

    fn pick(upstreams: &mut Upstreams, tried: &[&Upstream], now: Instant) -> Option<Upstream> {
        upstreams.pick(tried, QUESTION, now).cloned()
    }

    #[test]
    fn rfc5625_a_dead_server_is_asked_last_and_tried_again() {
        let mut upstreams = Upstreams::default();
        upstreams.set(&[server(1), server(2)], OWN);
        let now = Instant::from_secs(100);
        assert_eq!(pick(&mut upstreams, &[], now), Some(server(1)));
        assert_eq!(pick(&mut upstreams, &[&server(1)], now), Some(server(2)));
        assert_eq!(pick(&mut upstreams, &[&server(1), &server(2)], now), Some(server(1)));
        for _ in 0..TIMEOUTS_TO_DOWN {
            upstreams.timed_out(&server(1), now);
        }
        assert_eq!(pick(&mut upstreams, &[], now), Some(server(2)));
        assert_eq!(pick(&mut upstreams, &[&server(2)], now), Some(server(1)));
        assert_eq!(pick(&mut upstreams, &[], now + DOWN_FOR.0), Some(server(1)));
        upstreams.timed_out(&server(1), now);
        assert_eq!(pick(&mut upstreams, &[], now + DOWN_FOR.0), Some(server(2)), "the second time it takes longer");
        upstreams.replied(&server(1), now, now);
        assert_eq!(pick(&mut upstreams, &[], now), Some(server(1)));
    }

    #[test]
    fn rfc8310_a_plain_server_beside_encrypted_ones_is_for_need_alone() {
        let mut upstreams = Upstreams::default();
        let secret = Upstream { protocol: Protocol::Tls { name: "dns.example".into() }, ..server(2) };
        upstreams.set(&[server(1), secret.clone()], OWN);
        let now = Instant::from_secs(100);
        upstreams.replied(&server(1), now, now);
        for _ in 0..2 * PROBE_EVERY {
            assert_eq!(pick(&mut upstreams, &[], now), Some(secret.clone()), "though the other is faster");
        }
        assert_eq!(pick(&mut upstreams, &[&secret], now), Some(server(1)));
        for _ in 0..TIMEOUTS_TO_DOWN {
            upstreams.timed_out(&secret, now);
        }
        assert_eq!(pick(&mut upstreams, &[], now), Some(server(1)));
    }

    #[test]
    fn cve_2026_52690_one_claim_changes_nothing_and_belief_decays() {
        let mut upstreams = Upstreams::default();
        upstreams.set(&[server(1)], OWN);
        let now = Instant::from_secs(100);
        for times in 1..=CLAIMS_TO_BELIEVE {
            upstreams.claims_no_edns(&server(1), now);
            assert_eq!(upstreams.manners(&server(1), now).0, times < CLAIMS_TO_BELIEVE);
        }
        assert_eq!(upstreams.manners(&server(1), now), (false, true));
        assert_eq!(upstreams.manners(&server(1), now + BELIEVED_FOR), (true, true));
    }

    #[test]
    fn what_cannot_be_a_server_is_left_out_and_the_list_has_an_end() {
        let mut upstreams = Upstreams::default();
        let zero = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 53);
        let no_port = SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 1), 0);
        upstreams.set(
            &[zero, no_port, SocketAddrV4::new(OWN, 53), SocketAddrV4::new(Ipv4Addr::BROADCAST, 53)]
                .map(Upstream::from),
            OWN,
        );
        assert!(upstreams.is_empty(QUESTION));
        let many: Vec<_> = (0..=255).map(server).collect();
        upstreams.set(&many, OWN);
        assert_eq!(upstreams.servers.len(), MAX_UPSTREAMS);
        upstreams.leave_out(*server(0).address.ip());
        assert_eq!(pick(&mut upstreams, &[], Instant::default()), Some(server(1)));
    }

    #[test]
    fn a_domain_is_asked_of_its_own_servers_and_of_no_others() {
        let mut upstreams = Upstreams::default();
        let to = |domain: &str, servers: &[u8]| {
            let servers = servers.iter().map(|last| server(*last)).collect();
            Forward { domain: domain.into(), servers }
        };
        upstreams.set(&[server(1)], OWN);
        let forwards = [to("test", &[2]), to("CORP.test", &[3, 1]), to("bad..name", &[4]), to(".", &[5])];
        upstreams.set_forwards(&forwards, OWN);
        let now = Instant::from_secs(100);
        assert_eq!(pick(&mut upstreams, &[], now), Some(server(3)), "the longest domain decides");
        assert_eq!(pick(&mut upstreams, &[&server(3)], now), Some(server(1)));
        let mut other = |question: &[u8]| upstreams.pick(&[], question, now).cloned();
        assert_eq!(other(b"\x07badcorp\x04test\0\0\x01\0\x01"), Some(server(2)));
        assert_eq!(other(b"\x04corp\x07example\0\0\x01\0\x01"), Some(server(1)));
        upstreams.set(&[], OWN);
        assert_eq!(pick(&mut upstreams, &[], now), Some(server(3)), "the uplink's servers are another matter");
        upstreams.leave_out(*server(3).address.ip());
        upstreams.leave_out(*server(1).address.ip());
        assert!(upstreams.is_empty(QUESTION), "without its servers a domain is asked of nobody");
    }

    #[test]
    fn the_fastest_is_asked_first_and_the_others_now_and_then() {
        let mut upstreams = Upstreams::default();
        upstreams.set(&[server(1), server(2), server(3)], OWN);
        let mut now = Instant::from_secs(100);
        let mut asked = [0; 3];
        for _ in 0..1000 {
            let next = pick(&mut upstreams, &[], now).unwrap();
            let at = [1, 2, 3].iter().position(|last| server(*last) == next).unwrap();
            asked[at] += 1;
            let sent = now;
            // The second is the fastest.
            now = now + Duration::from_millis([40, 10, 25][at]);
            upstreams.replied(&next, sent, now);
        }
        assert!(asked[1] > 800 && asked[0] >= 5 && asked[2] >= 5, "{asked:?}");
        // It grows slow: within a few dozen questions another takes its place.
        for _ in 0..100 {
            let next = pick(&mut upstreams, &[], now).unwrap();
            let sent = now;
            now = now + Duration::from_millis(if next == server(2) { 300 } else { 25 });
            upstreams.replied(&next, sent, now);
        }
        assert_ne!(pick(&mut upstreams, &[], now), Some(server(2)));
    }
}
