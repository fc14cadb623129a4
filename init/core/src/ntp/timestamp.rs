//! NTP's 64 bits of time (RFC 5905 section 6): seconds since 1900 in the upper half, which turn over in 2036, and a
//! binary fraction in the lower.

use crate::time::UnixNanos;

/// Seconds from 1900-01-01 to 1970-01-01.
const EPOCH: u64 = 2_208_988_800;

const SECOND: u64 = 1_000_000_000;

/// A moment as it stands in a packet. It does not say which era of 136 years it is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// The moment's bits.
    pub fn from_unix(time: UnixNanos) -> Self {
        let seconds = (time.0 / SECOND).wrapping_add(EPOCH);
        let fraction = ((time.0 % SECOND) << 32) / SECOND;
        Self(seconds << 32 | fraction)
    }

    /// The moment that these bits mean: the first such moment that is not before `pivot`. With the time at which the
    /// program was built as the pivot this is right until 136 years after, whatever our own clock says.
    pub fn to_unix(self, pivot: UnixNanos) -> UnixNanos {
        let pivot_seconds = pivot.0 / SECOND;
        let seconds = (self.0 >> 32) as u32;
        let ahead = seconds.wrapping_sub(pivot_seconds.wrapping_add(EPOCH) as u32);
        let fraction = ((self.0 & 0xffff_ffff) * SECOND) >> 32;
        UnixNanos((pivot_seconds + u64::from(ahead)).saturating_mul(SECOND).saturating_add(fraction))
    }
}

/// Nanoseconds as NTP's short format: 16 bits of seconds, 16 of fraction; held at its end.
pub(super) fn short(nanos: u64) -> u32 {
    u32::try_from((u128::from(nanos) << 16) / u128::from(SECOND)).unwrap_or(u32::MAX)
}

/// NTP's short format in nanoseconds.
pub(super) fn from_short(short: u32) -> u64 {
    (u64::from(short) * SECOND) >> 16
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::WallTime;
    use proptest::prelude::*;

    #[test]
    fn rfc5905_6_the_era_follows_from_the_pivot() {
        let pivot = UnixNanos::from(WallTime(1_780_000_000));
        // 2036-02-07 06:28:16 UTC: the seconds turn over.
        let turn = UnixNanos::from(WallTime(2_085_978_496));
        assert_eq!(Timestamp::from_unix(turn), Timestamp(0));
        assert_eq!(Timestamp(0).to_unix(pivot), turn);
        assert_eq!(Timestamp(u64::MAX).to_unix(pivot).wall(), WallTime(2_085_978_495));
        // A second before the pivot can only be meant 136 years later.
        let before = Timestamp::from_unix(UnixNanos::from(WallTime(1_779_999_999)));
        assert_eq!(before.to_unix(pivot).wall(), WallTime(1_779_999_999 + (1 << 32)));
    }

    #[test]
    fn the_short_format_is_held_at_its_end() {
        assert_eq!((short(1_500_000_000), from_short(0x0001_8000)), (0x0001_8000, 1_500_000_000));
        assert_eq!(short(u64::MAX), u32::MAX);
    }

    proptest! {
        #[test]
        fn moments_survive_the_wire(pivot in 0..4_000_000_000_u64, after in 0..(1_u64 << 32), nanos in 0..SECOND) {
            let time = UnixNanos((pivot + after) * SECOND + nanos);
            let back = Timestamp::from_unix(time).to_unix(UnixNanos(pivot * SECOND));
            prop_assert!(back.until(time).abs() <= 1);
        }
    }
}
