//! Looking around: what a scan asks for, and what becomes of its results.
//!
//! A scan takes seconds, and longer while the link carries data, since the radio goes home between two channels. So only
//! bands that can be joined are looked at, and the first scan after a link was lost looks only where known networks were
//! heard last; if nothing as good is there, everywhere.
//!
//! The kernel does one scan at a time and refuses another meanwhile. Which one is under way is remembered apart from what
//! the station does: a link that is lost while it looks around goes on with the scan that runs already.

use super::choice::{self, Seen};
use super::input::Bss;
use super::settings::Network;
use super::{Action, MAX_BSS, MAX_SEEN, Scan, State, Station, memory};
use crate::entropy::Entropy;
use crate::time::{Duration, Instant};
use alloc::format;
use alloc::vec::Vec;

/// Longest wait for a scan without a link.
const SCAN_LIMIT: Duration = Duration::from_secs(20);

/// Longest wait for a scan beside a link: some forty channels, half a second each.
const LOOK_LIMIT: Duration = Duration::from_secs(60);

/// First wait between two scans that found nothing; doubles up to [`SCAN_AGAIN_MAX`].
const SCAN_AGAIN: Duration = Duration::from_secs(1);

/// Longest wait between two scans that found nothing.
const SCAN_AGAIN_MAX: Duration = Duration::from_secs(30);

/// Familiar channels, at most.
const MAX_FAMILIAR: usize = 8;

/// How often the familiar channels are looked at before all are: a look is shorter than the time from one beacon to the next,
/// and an access point may be late with its answer.
const LOOKS_AT_FAMILIAR: u8 = 2;

/// `EBUSY`: somebody else's scan is under way.
const BUSY: i32 = 16;

/// A scan that was asked for and has not ended yet.
#[derive(Debug)]
pub(super) struct Running {
    /// Until when it is believed to run.
    until: Instant,
    /// The channels it looks at, if not all.
    only: Vec<u32>,
    /// How often these were looked at before, one after the other.
    before: u8,
}

impl Station {
    /// Begins a scan, or waits for the one that is under way.
    pub(super) fn scan(&mut self, now: Instant) {
        let only = if self.fruitless == 0 { self.familiar.clone() } else { Vec::new() };
        let deadline = self.look(only, 0, SCAN_LIMIT, now);
        self.state = State::Scanning { deadline };
    }

    /// Looks around beside a link. Returns until when to wait for the results.
    pub(super) fn look_beside(&mut self, now: Instant) -> Instant {
        self.look(Vec::new(), 0, LOOK_LIMIT, now)
    }

    fn look(&mut self, only: Vec<u32>, before: u8, limit: Duration, now: Instant) -> Instant {
        match &self.running {
            Some(running) if running.until > now => running.until.min(now + limit),
            _ => {
                let scan = self.next_scan(&only);
                self.actions.push_back(Action::Scan(scan));
                self.running = Some(Running { until: now + limit, only, before });
                now + limit
            }
        }
    }

    /// Everybody is asked, and as many hidden networks by name as the radio takes, in turn. Where nothing may be sent, the
    /// scan only listens.
    fn next_scan(&mut self, only: &[u32]) -> Scan {
        let Some(radio) = &self.radio else { return Scan { ssids: Vec::new(), frequencies: Vec::new(), flush: true } };
        let may_send = radio.channels.is_empty() || radio.channels.iter().any(|c| !c.disabled && !c.passive);
        let mut ssids = Vec::new();
        if may_send {
            ssids.push(Vec::new());
            let hidden: Vec<&Network> = self.settings.networks.iter().filter(|network| network.hidden).collect();
            let room = usize::from(radio.max_scan_ssids.max(2) - 1).min(hidden.len());
            let names = hidden.iter().cycle().skip(self.hidden_turn).take(room);
            ssids.extend(names.map(|network| network.ssid.clone().into_bytes()));
            self.hidden_turn = self.hidden_turn.wrapping_add(room).checked_rem(hidden.len()).unwrap_or(0);
        }
        // An empty list means all.
        let joinable = radio.channels.iter().filter(|channel| is_joinable(channel.frequency));
        let frequencies = if only.is_empty() && joinable.clone().count() < radio.channels.len() {
            joinable.filter(|channel| !channel.disabled).map(|channel| channel.frequency).collect()
        } else {
            only.to_vec()
        };
        Scan { ssids, frequencies, flush: true }
    }

    /// The results of a scan, whatever became of the station meanwhile.
    pub(super) fn on_scan_done(&mut self, results: &[Bss], now: Instant, entropy: &mut dyn Entropy) {
        let Some(running) = self.running.take() else { return };
        self.take_results(results, &running.only, now);
        match &mut self.state {
            State::Scanning { .. } => self.choose(running, now, entropy),
            // It came after all.
            State::Idle { .. } => {
                if let Some(seen) = self.best(now, |_| true).cloned() {
                    self.join(seen, now, entropy);
                }
            }
            State::Up(up) => {
                if up.scan.take().is_some() {
                    self.choose_better(now);
                }
            }
            State::Absent | State::Leaving { .. } | State::Joining(_) => {}
        }
    }

    /// The kernel refused a scan, or it was cut short.
    pub(super) fn on_scan_failed(&mut self, errno: i32, now: Instant) {
        match &mut self.running {
            // Its results are as good as those of our own.
            Some(running) if errno == BUSY => running.until = now + SCAN_AGAIN,
            running => *running = None,
        }
        match &mut self.state {
            State::Scanning { .. } if errno == BUSY => self.state = State::Idle { until: now + SCAN_AGAIN },
            State::Scanning { .. } => self.nothing_found(now),
            State::Up(up) => {
                up.scan = None;
                self.plan_next_look(now);
            }
            _ => {}
        }
    }

    /// Remembers what a scan saw. What lies on channels that it did not look at stays, but nobody is joined there.
    fn take_results(&mut self, results: &[Bss], only: &[u32], now: Instant) {
        let Some(radio) = &self.radio else { return };
        let no_sae = |index: usize| {
            self.sae_failures.get(index).is_some_and(|(_, until)| until.is_some_and(|until| until > now))
        };
        let fresh = results.iter().take(MAX_BSS).filter(|bss| bss.bssid.is_unicast());
        let mut seen: Vec<Seen> = fresh.map(|bss| choice::look(bss, &self.settings, radio, no_sae)).collect();
        for mut old in self.seen.drain(..) {
            let looked_at = only.is_empty() || only.contains(&old.frequency);
            if !looked_at && seen.iter().all(|new| new.bssid != old.bssid) {
                old.stale = true;
                seen.push(old);
            }
        }
        seen.sort_by_key(|seen| (seen.network.is_none(), core::cmp::Reverse(seen.signal)));
        seen.truncate(MAX_SEEN);
        self.seen = seen;
        self.remember_channels();
        for index in 0..self.trouble.len() {
            let of_network = |seen: &&Seen| seen.network == Some(index) && !seen.stale;
            let refusal = self.seen.iter().filter(of_network).find_map(|seen| {
                let why = seen.plan.as_ref().err()?.text();
                Some(format!("{} at {} is not joined: {why}", memory::quoted(&seen.ssid), seen.bssid))
            });
            if let (Some(refusal), Some(trouble)) = (refusal, self.trouble.get_mut(index)) {
                *trouble = Some(refusal);
            }
        }
    }

    fn remember_channels(&mut self) {
        for seen in self.seen.iter().filter(|seen| seen.plan.is_ok() && !seen.stale) {
            self.familiar.retain(|frequency| *frequency != seen.frequency);
            self.familiar.push(seen.frequency);
        }
        // The oldest are forgotten.
        let more = self.familiar.len().saturating_sub(MAX_FAMILIAR);
        self.familiar.drain(..more);
    }

    /// The best access point that may be tried now.
    pub(super) fn best(&self, now: Instant, among: impl Fn(&Seen) -> bool) -> Option<&Seen> {
        let free = |seen: &&Seen| {
            seen.plan.is_ok() && !seen.stale && self.failures.until(seen.bssid, now).is_none() && among(seen)
        };
        self.seen.iter().filter(free).max_by_key(|seen| seen.rank(&self.settings, self.last_good))
    }

    /// Joins the best of what was seen. Scans of a few channels that saw nothing as good as before are followed by one of
    /// all.
    fn choose(&mut self, Running { only, before, .. }: Running, now: Instant, entropy: &mut dyn Entropy) {
        let best = self.best(now, |seen| only.is_empty() || self.priority(seen) >= self.last_priority).cloned();
        match best {
            Some(seen) => self.join(seen, now, entropy),
            None if !only.is_empty() => {
                let before = before.saturating_add(1);
                let only = if before < LOOKS_AT_FAMILIAR { only } else { Vec::new() };
                let deadline = self.look(only, before, SCAN_LIMIT, now);
                self.state = State::Scanning { deadline };
            }
            None => self.nothing_found(now),
        }
    }

    /// Scans again later, or as soon as somebody who failed may be tried again.
    pub(super) fn nothing_found(&mut self, now: Instant) {
        let pause = SCAN_AGAIN.saturating_mul(1 << self.fruitless.min(8)).min(SCAN_AGAIN_MAX);
        self.fruitless = self.fruitless.saturating_add(1);
        self.tell_down();
        self.state = State::Idle { until: now + pause };
    }
}

/// Whether a network on this channel can be joined, MHz: those of 6 GHz want more than this station does.
fn is_joinable(frequency: u32) -> bool {
    (2400..2500).contains(&frequency) || (4900..5925).contains(&frequency)
}
