//! When a client of ours renews and rebinds (RFC 2131 section 4.4.5): T1 and T2, options 58 and 59.
//!
//! What the configuration wishes may not fit the lease at hand: a host may have a shorter one, a client may ask for a
//! shorter one, and all are short while [`DhcpServer::cap_leases`](super::DhcpServer::cap_leases) says so. A client
//! that was told to renew after its lease has ended would lose it each time, so such a wish gives way.

/// T1 and T2 in seconds, for a lease of so many: 0 < T1 < T2 < lease, for every lease from
/// [`MIN_LEASE`](super::MIN_LEASE) up.
pub(super) fn timers(lease: u32, renewal: Option<u32>, rebinding: Option<u32>) -> (u32, u32) {
    let usual = lease - lease / 8;
    let rebinding = rebinding.filter(|wish| (2..lease).contains(wish)).unwrap_or(usual);
    // Half of the lease is four sevenths of the usual T2, and stays so of another that comes before it.
    let half = if rebinding > lease / 2 { lease / 2 } else { (u64::from(rebinding) * 4 / 7) as u32 };
    (renewal.filter(|wish| (1..rebinding).contains(wish)).unwrap_or(half), rebinding)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc2131_4_4_5_half_and_seven_eighths_unless_something_else_fits() {
        assert_eq!(timers(3600, None, None), (1800, 3150));
        assert_eq!(timers(3600, Some(1), Some(3)), (1, 3));
        assert_eq!(timers(3600, Some(600), None), (600, 3150));
        assert_eq!(timers(3600, None, Some(700)), (400, 700), "not after it");
    }

    #[test]
    fn what_does_not_fit_a_short_lease_gives_way() {
        assert_eq!(timers(180, Some(21_600), Some(37_800)), (90, 158));
        assert_eq!(timers(180, Some(170), None), (90, 158));
        assert_eq!(timers(180, Some(170), Some(175)), (170, 175));
    }

    proptest::proptest! {
        #[test]
        fn they_come_in_their_order(lease in 120u32.., renewal: Option<u32>, rebinding: Option<u32>) {
            let (t1, t2) = timers(lease, renewal, rebinding);
            proptest::prop_assert!(0 < t1 && t1 < t2 && t2 < lease, "{t1} {t2}");
        }
    }
}
