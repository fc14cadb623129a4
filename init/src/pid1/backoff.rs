//! How long to wait before the gateway process is started again.

use gatepost_core::time::{Duration, Instant};

/// Two starts are never closer than this (20 Hz): a program that dies at once must not eat the machine.
pub const FLOOR: Duration = Duration::from_millis(50);
/// The longest wait: whoever mends the cause should not wait long for the effect.
pub const CEILING: Duration = Duration::from_secs(5);
/// After this long a life, a death is a new story and the next start comes at once.
pub const HEALTHY: Duration = Duration::from_secs(30);

/// Waits that double from [`FLOOR`] to [`CEILING`], forgotten after a healthy life.
#[derive(Debug, Default)]
pub struct Backoff {
    started: Instant,
    deaths: u32,
}

impl Backoff {
    /// The process was started.
    pub fn handle_start(&mut self, now: Instant) {
        self.started = now;
    }

    /// The process ended, or could not be started: when to start it again. The first time that is at once.
    pub fn handle_death(&mut self, now: Instant) -> Instant {
        if now.since(self.started) >= HEALTHY {
            self.deaths = 0;
        }
        let wait = match self.deaths.checked_sub(1) {
            None => Duration::ZERO,
            Some(doublings) => FLOOR.saturating_mul(1 << doublings.min(16)).min(CEILING),
        };
        self.deaths = self.deaths.saturating_add(1);
        (now + wait).max(self.started + FLOOR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ms(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    #[test]
    fn the_first_death_costs_nothing_then_waits_double() {
        let mut backoff = Backoff::default();
        backoff.handle_start(ms(1000));
        let mut now = backoff.handle_death(ms(2000));
        assert_eq!(now, ms(2000));
        let mut waits = Vec::new();
        for _ in 0..9 {
            backoff.handle_start(now);
            let died = now + Duration::from_millis(100);
            let next = backoff.handle_death(died);
            waits.push(next.since(died).as_millis());
            now = next;
        }
        assert_eq!(waits, [50, 100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        backoff.handle_start(now);
        let died = now + HEALTHY;
        assert_eq!(backoff.handle_death(died), died, "a healthy life wipes the slate");
    }

    proptest! {
        #[test]
        fn never_faster_than_20_hz(lives in proptest::collection::vec(0_u64..40_000, 1..50)) {
            let mut backoff = Backoff::default();
            let mut start = ms(10_000);
            for life in lives {
                backoff.handle_start(start);
                let died = start + Duration::from_millis(life);
                let next = backoff.handle_death(died);
                prop_assert!(next.since(start) >= FLOOR && next.since(died) <= CEILING);
                start = next;
            }
        }
    }
}
