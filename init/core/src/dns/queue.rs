//! Which of the kept answers goes first: SIEVE (Zhang and others, NSDI 2024).
//!
//! Entries stand in the order they came. A hand goes from the oldest towards the newest: whom it finds asked for since it
//! last passed stays, unmarked, whom it finds unasked for goes. New entries come in before the hand. So under a flood of
//! names that are asked for once the hand stays among these, and the names of the house behind it are not touched.

/// No entry.
const NONE: u32 = u32::MAX;

/// Where an entry stands in the queue.
pub(super) struct Links {
    newer: u32,
    older: u32,
    /// Asked for since the hand last passed.
    pub(super) used: bool,
}

impl Links {
    /// Of an entry that is not in the queue yet.
    pub(super) fn new(used: bool) -> Links {
        Links { newer: NONE, older: NONE, used }
    }
}

/// The queue through the slots that hold the entries.
pub(super) struct Queue {
    newest: u32,
    oldest: u32,
    hand: u32,
}

impl Default for Queue {
    fn default() -> Queue {
        Queue { newest: NONE, oldest: NONE, hand: NONE }
    }
}

impl Queue {
    /// Lets the entry in the slot `at` in, as the newest.
    pub(super) fn push<T: AsMut<Links>>(&mut self, slots: &mut [Option<T>], at: u32) {
        let older = self.newest;
        if let Some(links) = links(slots, at) {
            (links.newer, links.older) = (NONE, older);
        }
        match links(slots, older) {
            Some(links) => links.newer = at,
            None => self.oldest = at,
        }
        self.newest = at;
    }

    /// Takes an entry out.
    pub(super) fn unlink<T: AsMut<Links>>(&mut self, slots: &mut [Option<T>], at: u32) {
        let Some(&mut Links { newer, older, .. }) = links(slots, at) else { return };
        match links(slots, newer) {
            Some(links) => links.older = older,
            None => self.newest = older,
        }
        match links(slots, older) {
            Some(links) => links.newer = newer,
            None => self.oldest = newer,
        }
        if self.hand == at {
            self.hand = newer;
        }
    }

    /// Who is to go; the caller takes it out. `None` if there is nobody.
    pub(super) fn victim<T: AsMut<Links>>(&mut self, slots: &mut [Option<T>]) -> Option<u32> {
        // Each slot is passed at most once with its mark and once without.
        for _ in 0..=2 * slots.len() {
            let at = if self.hand == NONE { self.oldest } else { self.hand };
            let links = links(slots, at)?;
            if !links.used {
                self.hand = at;
                return Some(at);
            }
            links.used = false;
            self.hand = links.newer;
        }
        None
    }
}

fn links<T: AsMut<Links>>(slots: &mut [Option<T>], at: u32) -> Option<&mut Links> {
    slots.get_mut(at as usize)?.as_mut().map(T::as_mut)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    struct Item(Links);

    impl AsMut<Links> for Item {
        fn as_mut(&mut self) -> &mut Links {
            &mut self.0
        }
    }

    fn fill(queue: &mut Queue, slots: &mut Vec<Option<Item>>, number: u32) {
        for at in 0..number {
            slots.push(Some(Item(Links::new(false))));
            queue.push(slots, at);
        }
    }

    #[test]
    fn who_was_asked_for_stays_under_a_flood() {
        let (mut queue, mut slots) = (Queue::default(), Vec::new());
        fill(&mut queue, &mut slots, 100);
        for hot in 10..20 {
            links(&mut slots, hot).unwrap().used = true;
        }
        // Nobody of the house asks while ten thousand new ones come.
        for _ in 0..10_000 {
            let at = queue.victim(&mut slots).unwrap();
            assert!(!(10..20).contains(&at));
            queue.unlink(&mut slots, at);
            slots[at as usize] = Some(Item(Links::new(false)));
            queue.push(&mut slots, at);
        }
    }

    proptest! {
        /// Whatever is let in, asked for and taken out: every entry is in the queue once, both ways round.
        #[test]
        fn the_queue_holds_together(steps in proptest::collection::vec((0_u8..4, 0_u32..8), 0..200)) {
            let (mut queue, mut slots) = (Queue::default(), Vec::new());
            slots.resize_with(8, || None::<Item>);
            for (step, at) in steps {
                let there = slots[at as usize].is_some();
                match step {
                    0 if !there => {
                        slots[at as usize] = Some(Item(Links::new(false)));
                        queue.push(&mut slots, at);
                    }
                    1 => if let Some(links) = links(&mut slots, at) { links.used = true },
                    2 => {
                        queue.unlink(&mut slots, at);
                        slots[at as usize] = None;
                    }
                    _ => {
                        let victim = queue.victim(&mut slots);
                        prop_assert_eq!(victim.is_none(), slots.iter().all(Option::is_none));
                        if let Some(at) = victim {
                            queue.unlink(&mut slots, at);
                            slots[at as usize] = None;
                        }
                    }
                }
                let mut forth = Vec::new();
                let mut at = queue.oldest;
                while let Some(links) = links(&mut slots, at) {
                    forth.push(at);
                    at = links.newer;
                    prop_assert!(forth.len() <= 8);
                }
                let mut back = Vec::new();
                let mut at = queue.newest;
                while let Some(links) = links(&mut slots, at) {
                    back.push(at);
                    at = links.older;
                    prop_assert!(back.len() <= 8);
                }
                back.reverse();
                prop_assert_eq!(&forth, &back);
                prop_assert_eq!(forth.len(), slots.iter().flatten().count());
            }
        }
    }
}
