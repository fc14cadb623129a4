//! When the client sends again (RFC 2131 sections 4.1 and 4.4.5).

use crate::entropy::Entropy;
use crate::time::{Duration, Instant};

/// How often an offer is requested before the client begins anew: with 4, 8, 16 and 32 seconds between, a minute
/// (RFC 2131 section 3.1 step 5).
pub(super) const REQUEST_SENDS: u8 = 4;

/// How often a remembered lease is asked for before it is used unconfirmed: after 4 and 8 seconds (RFC 2131 section
/// 3.2 step 4 leaves the number open). Short, because after a power cut in the house the server boots too, slowly.
pub(super) const REBOOT_SENDS: u8 = 2;

/// The shortest time between two attempts to extend a lease (RFC 2131 section 4.4.5).
const EXTEND_FLOOR: Duration = Duration::from_secs(60);

/// How long the client stays quiet after a DECLINE (RFC 2131 section 3.1 step 5: at least ten seconds), and after
/// being refused again and again.
pub(super) const QUIET: Duration = Duration::from_secs(10);

/// When no word comes about a probe, the address is used: a check that fails must not keep the house offline. A
/// complete probe takes at most nine seconds (RFC 5227 section 2.1.1).
pub(super) const PROBE_LIMIT: Duration = Duration::from_secs(10);

/// The longest random delay before the first message, in milliseconds. RFC 2131 section 4.4.1 asks for one to ten
/// seconds, so that a floor of machines that boots at once does not speak at once; one gateway on an uplink is not a
/// floor of machines, and its LAN waits.
const FIRST_DELAY_MS: u32 = 1000;

/// The first moment to speak.
pub(super) fn soon(now: Instant, entropy: &mut dyn Entropy) -> Instant {
    now + Duration::from_millis(u64::from(entropy.below(FIRST_DELAY_MS)))
}

/// When to repeat a message that was sent `sends` times: 4, 8, 16, 32, then 64 seconds later, a second more or less
/// (RFC 2131 section 4.1).
pub(super) fn again(now: Instant, sends: u8, entropy: &mut dyn Entropy) -> Instant {
    let base = 4000 << u32::from(sends.saturating_sub(1).min(4));
    now + Duration::from_millis(base - 1000 + u64::from(entropy.below(2001)))
}

/// When to repeat the request to extend a lease: after half of the time that is left until `end`, but not within a
/// minute, and at `end` itself something else happens (RFC 2131 section 4.4.5).
pub(super) fn extend_again(now: Instant, end: Instant) -> Instant {
    (now + (end.since(now) / 2).max(EXTEND_FLOOR)).min(end)
}

/// How much before T1 a renewal begins: up to a 32nd of it and a minute (RFC 2131 section 4.4.5, "random fuzz").
pub(super) fn early(renew: Duration, entropy: &mut dyn Entropy) -> Duration {
    let most = (renew / 32).min(Duration::from_secs(60));
    Duration::from_millis(u64::from(entropy.below(u32::try_from(most.as_millis()).unwrap_or(0))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SeededEntropy;

    #[test]
    fn repeats_double_up_to_a_minute() {
        let mut entropy = SeededEntropy::new(1);
        for (sends, seconds) in [(1, 4), (2, 8), (3, 16), (4, 32), (5, 64), (6, 64), (255, 64)] {
            for _ in 0..200 {
                let wait = again(Instant::from_secs(0), sends, &mut entropy).as_millis();
                assert!((seconds * 1000 - 1000..=seconds * 1000 + 1000).contains(&wait), "{sends}: {wait}");
            }
        }
    }

    #[test]
    fn extensions_halve_the_rest_but_not_below_a_minute() {
        let end = Instant::from_secs(1000);
        assert_eq!(extend_again(Instant::from_secs(0), end), Instant::from_secs(500));
        assert_eq!(extend_again(Instant::from_secs(900), end), Instant::from_secs(960));
        assert_eq!(extend_again(Instant::from_secs(970), end), end);
        assert_eq!(extend_again(Instant::from_secs(1010), end), end);
    }
}
