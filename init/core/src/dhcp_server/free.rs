//! The addresses that nobody has, as ranges: finding the next free one costs the logarithm of the number of ranges,
//! however large or full the pool is. There are at most as many ranges as there are taken addresses, plus one.

use crate::net::Ipv4Addr;
use alloc::collections::BTreeMap;

/// A set of addresses, kept as disjoint ranges with gaps between them: first address to last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct FreeRanges {
    ranges: BTreeMap<u32, u32>,
}

impl FreeRanges {
    /// Every address from `first` to `last`; none if `first` is the greater.
    pub(super) fn new(first: Ipv4Addr, last: Ipv4Addr) -> Self {
        let ranges = (first <= last).then(|| (first.to_bits(), last.to_bits()));
        Self { ranges: ranges.into_iter().collect() }
    }

    /// Whether `address` is in the set.
    pub(super) fn contains(&self, address: Ipv4Addr) -> bool {
        self.range_of(address.to_bits()).is_some()
    }

    /// Takes `address` out; false if it was not in.
    pub(super) fn take(&mut self, address: Ipv4Addr) -> bool {
        let address = address.to_bits();
        let Some((first, last)) = self.range_of(address) else { return false };
        self.ranges.remove(&first);
        if first < address {
            self.ranges.insert(first, address - 1);
        }
        if address < last {
            self.ranges.insert(address + 1, last);
        }
        true
    }

    /// Puts `address` in; nothing happens if it is in already.
    pub(super) fn put(&mut self, address: Ipv4Addr) {
        let address = address.to_bits();
        if self.range_of(address).is_some() {
            return;
        }
        let before = self.ranges.range(..address).next_back().map(|(first, last)| (*first, *last));
        let first = match before {
            Some((first, last)) if last.checked_add(1) == Some(address) => first,
            _ => address,
        };
        let after = address.checked_add(1).and_then(|next| self.ranges.remove(&next));
        self.ranges.insert(first, after.unwrap_or(address));
    }

    /// The first address of the set at or after `start`; from the beginning if there is none.
    pub(super) fn next_from(&self, start: Ipv4Addr) -> Option<Ipv4Addr> {
        if self.contains(start) {
            return Some(start);
        }
        let after = self.ranges.range(start.to_bits()..).next();
        after.or_else(|| self.ranges.first_key_value()).map(|(first, _)| Ipv4Addr::from_bits(*first))
    }

    fn range_of(&self, address: u32) -> Option<(u32, u32)> {
        let (first, last) = self.ranges.range(..=address).next_back()?;
        (*last >= address).then_some((*first, *last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;
    use proptest::prelude::*;

    fn ip(last: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 0, 0, last)
    }

    #[test]
    fn the_ends_of_the_address_space() {
        let mut all = FreeRanges::new(Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST);
        assert!(all.take(Ipv4Addr::BROADCAST) && all.take(Ipv4Addr::UNSPECIFIED));
        assert!(!all.take(Ipv4Addr::BROADCAST));
        all.put(Ipv4Addr::BROADCAST);
        all.put(Ipv4Addr::UNSPECIFIED);
        assert_eq!(all, FreeRanges::new(Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST));
        assert_eq!(FreeRanges::new(ip(2), ip(1)).next_from(ip(1)), None);
    }

    proptest! {
        #[test]
        fn behaves_as_a_set(steps in proptest::collection::vec((any::<bool>(), 0u8..40), 0..200)) {
            let mut set: BTreeSet<Ipv4Addr> = (5..=30).map(ip).collect();
            let mut free = FreeRanges::new(ip(5), ip(30));
            for (put, last) in steps {
                if put {
                    set.insert(ip(last));
                    free.put(ip(last));
                } else {
                    prop_assert_eq!(free.take(ip(last)), set.remove(&ip(last)));
                }
                let next = set.range(ip(last)..).next().or(set.first()).copied();
                prop_assert_eq!(free.next_from(ip(last)), next);
                prop_assert_eq!(free.contains(ip(last)), set.contains(&ip(last)));
            }
            for (first, last) in &free.ranges {
                prop_assert!(first <= last && !free.ranges.contains_key(&(last + 1)), "ranges are merged");
            }
        }
    }
}
