//! A link that is up: rekeying, roaming to a better access point, and what to do when it ends.

use super::choice::Seen;
use super::handshake::Supplicant;
use super::input::{Disconnected, Roamed};
use super::joining::Joining;
use super::memory::quoted;
use super::sa_query::SaQuery;
use super::{LEAVING, QUIET, State, Station};
use crate::entropy::Entropy;
use crate::time::{Duration, Instant};
use alloc::boxed::Box;
use alloc::format;

/// Below this another access point of the network is looked for, dBm.
const POOR: i8 = -70;

/// How much better another access point of the same network must be, dB.
const BETTER: i16 = 10;

/// First wait before looking around again while the signal is poor; doubles up to [`LOOK_MAX`].
const LOOK: Duration = Duration::from_secs(10);

/// Longest such wait.
const LOOK_MAX: Duration = Duration::from_secs(160);

/// Wait between two looks for a network that is preferred to the present one.
const LOOK_FOR_PREFERRED: Duration = Duration::from_secs(45);

/// A preferred network is changed to only if it can be heard at least this well, dBm.
const GOOD_ENOUGH: i8 = -75;

/// A link that lasted this long counts as good: failures before it are forgotten.
const SETTLED: Duration = Duration::from_secs(30);

/// Longest pause after a link that was short: whoever floods us with forged deauthentications must not get more.
const LOST_MAX: Duration = Duration::from_secs(8);

/// The link.
#[derive(Debug)]
pub(super) struct Up {
    /// The access point.
    pub target: Seen,
    /// `None` for open networks and for firmware that does the handshake.
    pub supplicant: Option<Supplicant>,
    /// Since when.
    pub since: Instant,
    /// A scan is running, until at most then.
    pub scan: Option<Instant>,
    /// When to look around.
    pub look: Option<Instant>,
    /// Looks in a row that found nothing better.
    pub looks: u32,
    /// Whether the access point still knows us.
    pub query: SaQuery,
}

impl Up {
    /// When something is due.
    pub fn due(&self) -> Option<Instant> {
        [self.scan.or(self.look), self.query.due()].into_iter().flatten().min()
    }

    /// Look around without waiting.
    pub fn look_around_now(&mut self, now: Instant) {
        if self.scan.is_none() {
            self.look = Some(now);
        }
    }
}

impl Station {
    /// The link carries data.
    pub(super) fn arrive(&mut self, target: Seen, supplicant: Option<Supplicant>, now: Instant) {
        self.tell_up(&target.ssid, target.bssid);
        self.last_good = Some(target.bssid);
        self.last_priority = self.priority(&target);
        self.fruitless = 0;
        self.external = None;
        if let Some(network) = target.network {
            if let Some(trouble) = self.trouble.get_mut(network) {
                *trouble = None;
            }
            if let Some(failures) = self.sae_failures.get_mut(network) {
                failures.0 = 0;
            }
        }
        let look = self.wants_preferred(&target).then(|| now + LOOK_FOR_PREFERRED);
        let query = SaQuery::default();
        self.state = State::Up(Box::new(Up { target, supplicant, since: now, scan: None, look, looks: 0, query }));
    }

    /// Whether another configured network is preferred to this one.
    fn wants_preferred(&self, target: &Seen) -> bool {
        let priority = self.priority(target);
        self.settings.networks.iter().any(|network| network.priority > priority)
    }

    /// Of its network.
    pub(super) fn priority(&self, seen: &Seen) -> u8 {
        seen.network.and_then(|index| self.settings.networks.get(index)).map_or(0, |network| network.priority)
    }

    /// Looks around soon when the signal gets poor.
    pub(super) fn watch_signal(&mut self, now: Instant) {
        let Some(quality) = self.quality else { return };
        let State::Up(up) = &mut self.state else { return };
        up.target.signal = quality.signal;
        if now.since(up.since) >= SETTLED {
            self.failures.clear(up.target.bssid);
        }
        if quality.signal < POOR && up.scan.is_none() {
            let pause = LOOK.saturating_mul(1 << up.looks.min(8)).min(LOOK_MAX);
            up.look = Some(up.look.map_or(now + pause, |look| look.min(now + pause)));
        }
    }

    pub(super) fn on_up_timer(&mut self, now: Instant, entropy: &mut dyn Entropy) {
        self.ask_whether_known(now, entropy);
        let State::Up(up) = &mut self.state else { return };
        if up.scan.or(up.look).is_none_or(|due| due > now) {
            return;
        }
        if up.scan.take().is_some() {
            return self.plan_next_look(now);
        }
        let until = self.look_beside(now);
        if let State::Up(up) = &mut self.state {
            (up.look, up.scan) = (None, Some(until));
        }
    }

    /// When to look around again, after a look that changed nothing.
    pub(super) fn plan_next_look(&mut self, now: Instant) {
        let State::Up(up) = &self.state else { return };
        let preferred = self.wants_preferred(&up.target).then(|| now + LOOK_FOR_PREFERRED);
        let State::Up(up) = &mut self.state else { return };
        up.looks = up.looks.saturating_add(1);
        up.look = preferred;
        let pause = LOOK.saturating_mul(1 << up.looks.min(8)).min(LOOK_MAX);
        if up.target.signal < POOR {
            up.look = Some(preferred.map_or(now + pause, |look| look.min(now + pause)));
        }
    }

    /// After a look around: moves to a preferred network, or to an access point of this one that is clearly better.
    pub(super) fn choose_better(&mut self, now: Instant) {
        let State::Up(up) = &self.state else { return };
        let (here, priority) = (&up.target, self.priority(&up.target));
        let score = here.score(self.last_good);
        let better = self.best(now, |seen| {
            let preferred = self.priority(seen) > priority && seen.signal >= GOOD_ENOUGH;
            let nearer = seen.ssid == here.ssid
                && seen.bssid != here.bssid
                && here.signal < POOR
                && seen.score(None) >= score + BETTER;
            preferred || nearer
        });
        let Some(better) = better.cloned() else { return self.plan_next_look(now) };
        let what = if better.ssid == here.ssid { "a better access point of" } else { "the preferred network" };
        let text = format!("{} is {what} {}: moving there", better.bssid, quoted(&better.ssid));
        if better.ssid != here.ssid {
            // Another network has other addresses; the same one keeps them.
            self.tell_down();
        }
        self.note(text);
        self.leave(LEAVING, Some(Box::new(better)), now);
    }

    pub(super) fn on_disconnected(&mut self, how: Disconnected, now: Instant, entropy: &mut dyn Entropy) {
        match &self.state {
            State::Leaving { .. } => self.left_by_event(now),
            State::Joining(joining) if how.bssid.is_none_or(|bssid| bssid == joining.target.bssid) => {
                self.on_joining_disconnected(how, now);
            }
            State::Up(up) if how.bssid.is_none_or(|bssid| bssid == up.target.bssid) => self.lost(how, now),
            _ => {}
        }
        let _ = entropy;
    }

    /// Waits a moment for what else the kernel has to say, then goes on.
    fn left_by_event(&mut self, now: Instant) {
        if let State::Leaving { until, .. } = &mut self.state {
            *until = (*until).min(now + QUIET);
        }
    }

    /// The link ended without our doing. A short link counts as a failure of its access point, a long one does not: back at
    /// once.
    fn lost(&mut self, how: Disconnected, now: Instant) {
        let State::Up(up) = &self.state else { return };
        let (bssid, name, short) = (up.target.bssid, quoted(&up.target.ssid), now.since(up.since) < SETTLED);
        let who = if how.by_ap { "the access point ended the link" } else { "the link was lost" };
        let text = format!("{name}: {who} ({bssid}, reason {})", how.reason);
        // Somebody took the interface down, on this side: no failure of the access point.
        let ours = !how.by_ap && how.reason == LEAVING;
        if short && !ours {
            self.failures.add(bssid, Duration::from_secs(1), LOST_MAX, now);
        }
        self.note(text);
        self.tell_down();
        self.external = None;
        self.state = State::Idle { until: now + QUIET };
    }

    /// The firmware has moved; the handshake begins anew with the new access point.
    pub(super) fn on_roamed(&mut self, roamed: &Roamed, now: Instant, entropy: &mut dyn Entropy) {
        let State::Up(up) = &self.state else { return };
        let ssid = up.target.ssid.clone();
        let known = self.seen.iter().find(|seen| seen.bssid == roamed.bssid && seen.ssid == ssid && seen.plan.is_ok());
        let Some(target) = known.cloned() else {
            // Nothing to hold its elements against.
            self.note(format!("{}: the firmware moved to {}, which no scan saw", quoted(&ssid), roamed.bssid));
            self.tell_down();
            return self.leave(LEAVING, None, now);
        };
        let old = up.supplicant.as_ref().map(|supplicant| supplicant.pmk().clone());
        let pmk = self.external_pmk(roamed.bssid).or(old);
        let joining = Joining::associating(target, pmk, now);
        self.state = State::Joining(Box::new(joining));
        self.begin_handshake(roamed.authorized, now, entropy);
    }
}
