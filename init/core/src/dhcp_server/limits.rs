//! Limits by the second: against clients that are invented faster than any LAN has them, and against one that can't
//! stop asking.

use crate::net::MacAddr;
use crate::time::Instant;
use alloc::collections::BTreeMap;

/// Hardware addresses that are counted in one second. More than that is a flood of invented ones, which
/// [`super::Settings::offers_per_second`] bounds; those beyond are not counted here.
pub(super) const MAX_COUNTED: usize = 512;

/// What happened in the present second.
#[derive(Clone, Debug, Default)]
pub(super) struct Limits {
    second: u64,
    offers: u32,
    messages: BTreeMap<MacAddr, u32>,
}

impl Limits {
    fn turn(&mut self, now: Instant) {
        let second = now.as_millis() / 1000;
        if second != self.second {
            (self.second, self.offers) = (second, 0);
            self.messages.clear();
        }
    }

    /// Whether one more new client may get an offer in this second.
    pub(super) fn admit_offer(&mut self, limit: u32, now: Instant) -> bool {
        self.turn(now);
        self.offers = self.offers.saturating_add(1);
        self.offers <= limit
    }

    /// Whether one more message of this station is answered in this second.
    pub(super) fn admit_message(&mut self, mac: MacAddr, limit: u32, now: Instant) -> bool {
        self.turn(now);
        if let Some(count) = self.messages.get_mut(&mac) {
            *count = count.saturating_add(1);
            return *count <= limit;
        }
        if self.messages.len() < MAX_COUNTED {
            self.messages.insert(mac, 1);
        }
        limit > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starvation_messages_of_one_station_are_counted_by_the_second() {
        let mut limits = Limits::default();
        let (mac, other) = (MacAddr([2; 6]), MacAddr([4; 6]));
        let mut admitted = |mac, secs| limits.admit_message(mac, 3, Instant::from_secs(secs));
        assert_eq!([1; 5].map(|second| admitted(mac, second)), [true, true, true, false, false]);
        assert!(admitted(other, 1) && admitted(mac, 2));
    }

    #[test]
    fn the_count_has_a_cap() {
        let mut limits = Limits::default();
        for number in 0..3 * MAX_COUNTED as u32 {
            let [_, b, c, d] = number.to_be_bytes();
            assert!(limits.admit_message(MacAddr([2, 0, 0, b, c, d]), 1, Instant::from_secs(1)));
        }
        assert_eq!(limits.messages.len(), MAX_COUNTED);
    }
}
