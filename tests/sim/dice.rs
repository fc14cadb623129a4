//! The chance that decides everything in a simulation: one seed gives one course of events.

use gatepost_core::entropy::{Entropy, SeededEntropy};

/// A repeatable generator.
pub struct Dice(SeededEntropy);

impl Dice {
    /// The same seed gives the same numbers.
    pub fn new(seed: u64) -> Self {
        Self(SeededEntropy::new(seed))
    }

    /// A number below `bound`; zero if it is zero.
    pub fn below(&mut self, bound: u32) -> u32 {
        self.0.below(bound)
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + u64::from(self.below((high - low + 1) as u32))
    }

    /// True once in `n` times; never if `n` is zero.
    pub fn one_in(&mut self, n: u32) -> bool {
        n != 0 && self.below(n) == 0
    }

    /// One of the values.
    pub fn pick<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.below(values.len() as u32) as usize]
    }

    /// Random bits.
    pub fn bits(&mut self) -> u32 {
        self.0.next_u32()
    }
}
