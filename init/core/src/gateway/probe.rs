//! Whether somebody on the link has an address already (RFC 5227), asked before it is used.

use crate::net::Ipv4Addr;
use crate::time::{Duration, Instant};

/// Questions asked (RFC 5227 PROBE_NUM).
const PROBES: u8 = 3;

/// Time between two questions, and from the last to the verdict. RFC 5227 allows a second or two each, for links
/// where bridges learn slowly; a quarter of a second each is what is added to the way to the internet here, and a
/// neighbour that answers at all answers within milliseconds.
const INTERVAL: Duration = Duration::from_millis(250);

/// One address being asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Probe {
    /// The address.
    pub address: Ipv4Addr,
    left: u8,
    due: Instant,
}

/// What a probe wants when its time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Ask (again).
    Ask(Ipv4Addr),
    /// Nobody has it.
    Free,
}

impl Probe {
    /// To be asked at once.
    pub fn new(address: Ipv4Addr, now: Instant) -> Self {
        Self { address, left: PROBES, due: now }
    }

    /// When [`Self::step`] is due.
    pub fn due(&self) -> Instant {
        self.due
    }

    /// What to do now, if the time has come.
    pub fn step(&mut self, now: Instant) -> Option<Step> {
        if now < self.due {
            return None;
        }
        if self.left == 0 {
            return Some(Step::Free);
        }
        self.left -= 1;
        self.due = now + INTERVAL;
        Some(Step::Ask(self.address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc5227_three_questions_and_a_wait() {
        let address = Ipv4Addr::new(192, 168, 0, 51);
        let mut probe = Probe::new(address, Instant::from_secs(1));
        for millis in [1000, 1250, 1500] {
            let now = Instant::from_millis(millis);
            assert_eq!(probe.step(now), Some(Step::Ask(address)), "{millis}");
            assert_eq!(probe.step(now), None);
        }
        assert_eq!(probe.due(), Instant::from_millis(1750));
        assert_eq!(probe.step(probe.due()), Some(Step::Free));
    }
}
