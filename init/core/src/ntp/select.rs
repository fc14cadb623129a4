//! Whom to believe (RFC 5905 section 11.2, after Marzullo): each server gives a stretch of time in which the truth lies if
//! it is honest; the servers whose stretches have a moment in common tell the truth, if they are more than half.

use alloc::vec::Vec;

/// What one server says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    /// How far its clock is ahead of ours, in nanoseconds.
    pub offset: i64,
    /// How far off it may be either way, in nanoseconds.
    pub distance: i64,
}

impl Candidate {
    fn low(&self) -> i64 {
        self.offset.saturating_sub(self.distance)
    }

    fn holds(&self, moment: i64) -> bool {
        self.low() <= moment && moment <= self.offset.saturating_add(self.distance)
    }
}

/// Those that agree, by their places in the list; `None` if no more than half of them do.
pub(super) fn agreeing(candidates: &[Candidate]) -> Option<Vec<usize>> {
    // Where the most stretches meet, one of them begins.
    let meeting = |moment: i64| -> Vec<usize> {
        let holding = candidates.iter().enumerate().filter(|(_, candidate)| candidate.holds(moment));
        holding.map(|(place, _)| place).collect()
    };
    let groups = candidates.iter().map(|candidate| meeting(candidate.low()));
    // Of two groups as large, the one that is surer of itself.
    let width = |group: &Vec<usize>| -> i128 {
        group.iter().filter_map(|place| candidates.get(*place)).map(|candidate| i128::from(candidate.distance)).sum()
    };
    let best = groups.max_by_key(|group| (group.len(), core::cmp::Reverse(width(group))))?;
    (best.len() * 2 > candidates.len()).then_some(best)
}

/// The middle of some offsets; zero if there are none.
pub(super) fn median(mut offsets: Vec<i64>) -> i64 {
    offsets.sort_unstable();
    let upper = offsets.get(offsets.len() / 2).copied().unwrap_or(0);
    let lower = offsets.get(offsets.len().saturating_sub(1) / 2).copied().unwrap_or(0);
    // The mean without overflow.
    (lower >> 1) + (upper >> 1) + (lower & upper & 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

    fn candidate(offset: i64, distance: i64) -> Candidate {
        Candidate { offset, distance }
    }

    #[test]
    fn rfc5905_11_2_a_minority_that_lies_is_left_out() {
        let list = [candidate(10, 5), candidate(1000, 5), candidate(12, 5), candidate(8, 5), candidate(-900, 5)];
        assert_eq!(agreeing(&list), Some(vec![0, 2, 3]));
        assert_eq!(agreeing(&list[..1]), Some(vec![0]));
    }

    #[test]
    fn two_that_disagree_are_not_believed_and_nor_is_a_half() {
        assert_eq!(agreeing(&[candidate(0, 5), candidate(100, 5)]), None);
        assert_eq!(agreeing(&[candidate(0, 5), candidate(1, 5), candidate(100, 5), candidate(101, 5)]), None);
        assert_eq!(agreeing(&[]), None);
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!((median(vec![]), median(vec![5]), median(vec![9, 1, 2]), median(vec![4, 2])), (0, 5, 2, 3));
        assert_eq!(median(vec![i64::MAX, i64::MAX]), i64::MAX);
        assert_eq!(median(vec![i64::MIN, i64::MAX]), -1);
    }

    proptest! {
        #[test]
        fn an_honest_majority_gets_the_truth_within_its_distance(
            errors in proptest::collection::vec(-1000..=1000_i64, 1..5),
            lies in proptest::collection::vec(any::<i64>(), 0..4),
        ) {
            prop_assume!(lies.len() < errors.len());
            let honest = errors.iter().map(|error| candidate(*error, 1000));
            let list: Vec<_> = honest.chain(lies.iter().map(|lie| candidate(*lie, 1000))).collect();
            let group = agreeing(&list).expect("more than half agree");
            let offset = median(group.iter().map(|place| list[*place].offset).collect());
            // At least one honest server is among them, and all have a moment in common with it.
            prop_assert!(offset.abs() <= 3000, "{offset}");
        }
    }
}
