//! Tests of `slots`.

use super::*;
use alloc::vec::Vec;
use proptest::prelude::*;

/// A card: two sectors and the write rule of the shells.
struct Card([[u8; SECTOR]; 2]);

impl Card {
    fn new() -> Self {
        Card([[0; SECTOR]; 2])
    }

    fn found(&self) -> Found {
        read([&self.0[0], &self.0[1]])
    }

    fn write(&mut self, mut counter: Counter, to: usize) {
        self.0[to] = counter.encode_next();
    }

    fn start(&mut self, slot: Slot) -> Verdict {
        let Found { mut counter, write_to, .. } = self.found();
        let verdict = counter.start(slot);
        self.write(counter, write_to);
        verdict
    }

    fn confirm(&mut self, slot: Slot) {
        let Found { mut counter, write_to, .. } = self.found();
        if counter.confirm(slot) {
            self.write(counter, write_to);
        }
    }
}

#[test]
fn a_blank_card_is_new_and_not_lost() {
    assert_eq!(Card::new().found(), Found { counter: Counter::default(), write_to: 0, lost: false });
}

#[test]
fn three_failed_starts_lead_to_the_other_slot_and_back() {
    let mut card = Card::new();
    for _ in 0..2 {
        for _ in 0..MAX_STARTS {
            assert_eq!(card.start(Slot::A), Verdict::GoOn);
        }
        assert_eq!(card.start(Slot::A), Verdict::SwitchTo(Slot::B));
        assert_eq!(card.start(Slot::A), Verdict::SwitchTo(Slot::B), "power cut before the selector was written");
        for _ in 0..MAX_STARTS {
            assert_eq!(card.start(Slot::B), Verdict::GoOn);
        }
        assert_eq!(card.start(Slot::B), Verdict::SwitchTo(Slot::A));
        assert!(card.found().counter.hopeless());
    }
    card.start(Slot::A);
    card.confirm(Slot::A);
    assert!(!card.found().counter.hopeless());
}

#[test]
fn a_confirmed_start_clears_the_count() {
    let mut card = Card::new();
    for _ in 0..10 {
        assert_eq!(card.start(Slot::B), Verdict::GoOn);
        card.confirm(Slot::B);
    }
    let mut counter = card.found().counter;
    assert!(counter.slot(Slot::B).confirmed && !counter.slot(Slot::A).confirmed);
    assert!(!counter.confirm(Slot::B), "nothing to write");
    assert!(counter.note(Slot::B, Reason::Damaged) && !counter.note(Slot::B, Reason::Damaged));
}

#[test]
fn writes_alternate_and_the_newest_counts_across_the_wrap() {
    let mut card = Card::new();
    let mut counter = Counter { generation: u32::MAX - 2, ..Counter::default() };
    card.0[0] = counter.encode_next();
    let mut last = 0;
    for _ in 0..6 {
        let found = card.found();
        assert_eq!(found.write_to, 1 - last);
        card.write(found.counter, found.write_to);
        last = found.write_to;
    }
}

#[test]
fn a_flipped_bit_anywhere_is_seen() {
    let mut counter = Counter::default();
    counter.start(Slot::A);
    let good = counter.encode_next();
    assert_eq!(Counter::decode(&good), Some(counter));
    for at in 0..SECTOR * 8 {
        let mut bad = good;
        bad[at / 8] ^= 1 << (at % 8);
        assert_eq!(Counter::decode(&bad), None, "bit {at}");
    }
    assert_eq!(Counter::decode(&good[..511]), None);
}

#[test]
fn reasons_survive_the_codec() {
    for reason in [Reason::Unknown, Reason::NoRoot, Reason::Damaged, Reason::GatewayDead] {
        let mut counter = Counter::default();
        counter.note(Slot::B, reason);
        let sector = counter.encode_next();
        assert_eq!(read([&sector, &[0; SECTOR]]).counter.slot(Slot::B).reason, reason);
    }
}

proptest! {
    /// A write that the power cut spoils costs at most that write: the state before it is still there.
    #[test]
    fn a_torn_write_leaves_the_old_state(starts in 1_usize..12, kept in 0..SECTOR, garbage: bool) {
        let mut card = Card::new();
        for _ in 0..starts {
            card.start(Slot::A);
        }
        let before = card.found();
        let mut next = before.counter;
        next.confirm(Slot::A);
        let sector = next.encode_next();
        let old = card.0[before.write_to];
        for (at, byte) in card.0[before.write_to].iter_mut().enumerate() {
            *byte = if at < kept { sector[at] } else if garbage { 0xff } else { old[at] };
        }
        let after = card.found();
        prop_assert!(after.counter == before.counter || after.counter == next);
        prop_assert!(!after.lost);
    }

    #[test]
    fn any_bytes_decode_to_something(a: Vec<u8>, b: Vec<u8>) {
        let found = read([&a, &b]);
        prop_assert!(found.write_to < 2);
    }
}
