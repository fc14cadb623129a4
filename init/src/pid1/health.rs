//! Is the gateway process well? Judged by its heartbeats alone: one byte a second from its event loop.

use gatepost_core::time::{Duration, Instant};

/// Heartbeats this long without a gap prove that the system works: then the boot slot is confirmed.
pub const PROOF: Duration = Duration::from_secs(20);
/// A gap longer than this starts the proof anew. Five beats: a slow card or a full queue is no failure.
pub const GAP: Duration = Duration::from_secs(5);
/// A process silent for this long is stuck and gets killed. It also is the time that a start may take, under
/// emulation on a busy host.
pub const STUCK: Duration = Duration::from_secs(20);
/// Nothing heard for this long, over however many restarts: the machine itself is restarted.
pub const LOST: Duration = Duration::from_secs(60);

/// A run that has not proved to work after this long never will, even if the process keeps coming back for a while:
/// the machine is restarted, which counts as a failed start. Fifteen times [`PROOF`].
pub const PROOF_LIMIT: Duration = Duration::from_secs(300);

/// What the heartbeats say.
#[derive(Debug)]
pub struct Health {
    /// When waiting began; `None` once the system has proved to work.
    unproved: Option<Instant>,
    /// The last beat; before the first one, the moment that waiting began.
    heard: Instant,
    /// Since when beats came without a gap.
    since: Option<Instant>,
    /// When this process was started.
    started: Option<Instant>,
}

impl Health {
    /// Waiting begins.
    pub fn new(now: Instant) -> Self {
        Self { unproved: Some(now), heard: now, since: None, started: None }
    }

    /// A process was started.
    pub fn handle_start(&mut self, now: Instant) {
        self.started = Some(now);
        self.since = None;
    }

    /// It ended.
    pub fn handle_death(&mut self) {
        self.started = None;
        self.since = None;
    }

    /// It gave a heartbeat.
    pub fn handle_beat(&mut self, now: Instant) {
        if now.since(self.heard) > GAP {
            self.since = None;
        }
        self.since = self.since.or(Some(now));
        self.heard = now;
        if self.proved(now) {
            self.unproved = None;
        }
    }

    /// Whether the running process is stuck and must be killed.
    pub fn stuck(&self, now: Instant) -> bool {
        self.started.is_some_and(|started| now.since(self.heard.max(started)) >= STUCK)
    }

    /// Whether the machine should be restarted. Until then the watchdog is fed.
    pub fn lost(&self, now: Instant) -> bool {
        let unproved = self.unproved.is_some_and(|began| now.since(began) >= PROOF_LIMIT);
        now.since(self.heard) >= LOST || unproved
    }

    /// For how long beats have come without a gap; zero if they do not come now.
    pub fn steady(&self, now: Instant) -> Duration {
        self.since.filter(|_| now.since(self.heard) <= GAP).map_or(Duration::ZERO, |since| now.since(since))
    }

    /// Whether the system has proved to work.
    pub fn proved(&self, now: Instant) -> bool {
        self.steady(now) >= PROOF
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Instant {
        Instant::from_secs(secs)
    }

    #[test]
    fn steady_beats_prove_it() {
        let mut health = Health::new(at(0));
        health.handle_start(at(1));
        for now in 3..23 {
            health.handle_beat(at(now));
            assert!(!health.proved(at(now)), "{now}");
        }
        health.handle_beat(at(23));
        assert!(health.proved(at(23)) && health.proved(at(28)) && !health.proved(at(29)));
    }

    #[test]
    fn a_gap_or_a_death_starts_the_proof_anew() {
        let mut health = Health::new(at(0));
        health.handle_start(at(1));
        (2..20).for_each(|now| health.handle_beat(at(now)));
        (26..46).for_each(|now| health.handle_beat(at(now)));
        assert!(!health.proved(at(45)));
        health.handle_beat(at(46));
        assert!(health.proved(at(46)));
        health.handle_death();
        health.handle_start(at(47));
        assert!(!health.proved(at(47)));
    }

    #[test]
    fn silence_first_kills_the_process_then_the_machine() {
        let mut health = Health::new(at(0));
        health.handle_start(at(5));
        assert!(!health.stuck(at(24)) && health.stuck(at(25)));
        health.handle_death();
        assert!(!health.stuck(at(59)), "nothing to kill");
        health.handle_start(at(50));
        assert!(!health.stuck(at(69)) && !health.lost(at(59)) && health.lost(at(60)));
        health.handle_beat(at(60));
        assert!(!health.lost(at(119)) && health.lost(at(120)));
    }

    #[test]
    fn a_process_that_keeps_dying_is_not_tried_for_ever() {
        let mut health = Health::new(at(0));
        for start in (0..300).step_by(10) {
            health.handle_start(at(start));
            health.handle_beat(at(start + 1));
            health.handle_beat(at(start + 2));
            assert!(!health.lost(at(start + 3)));
            health.handle_death();
        }
        assert!(health.lost(at(300)));

        let mut well = Health::new(at(0));
        well.handle_start(at(0));
        (1..400).for_each(|now| well.handle_beat(at(now)));
        assert!(!well.lost(at(400)));
    }
}
