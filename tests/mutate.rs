//! Packets as a stranger would bend them: half of them random bytes, half of them good ones changed in a few places.

use gatepost_core::entropy::{Entropy, SeededEntropy};

/// Lengths, counts and numbers at which code tends to be wrong.
const EDGES: [u8; 9] = [0, 1, 2, 63, 64, 127, 128, 192, 255];

/// A repeatable stream of packets.
pub struct Mutator {
    entropy: SeededEntropy,
    seeds: Vec<Vec<u8>>,
    buffer: Vec<u8>,
    longest: usize,
}

impl Mutator {
    /// `seeds` are good packets; no packet is longer than `longest` bytes.
    pub fn new(seed: u64, seeds: Vec<Vec<u8>>, longest: usize) -> Self {
        Self { entropy: SeededEntropy::new(seed), seeds, buffer: Vec::with_capacity(longest), longest }
    }

    /// The next packet.
    pub fn next_packet(&mut self) -> &[u8] {
        let dice = self.entropy.next_u32();
        self.buffer.clear();
        if self.seeds.is_empty() || dice.is_multiple_of(4) {
            self.random();
        } else {
            let seed = self.entropy.below(self.seeds.len() as u32) as usize;
            self.buffer.extend_from_slice(&self.seeds[seed]);
            for _ in 0..=self.entropy.below(6) {
                self.change();
            }
        }
        self.buffer.truncate(self.longest);
        &self.buffer
    }

    fn random(&mut self) {
        // Short ones are more telling than long ones.
        let bound = 1 << self.entropy.below(self.longest.ilog2() + 1);
        for _ in 0..self.entropy.below(bound) {
            let byte = self.entropy.next_u32() as u8;
            self.buffer.push(byte);
        }
    }

    fn change(&mut self) {
        let length = self.buffer.len() as u32;
        let at = self.entropy.below(length.max(1)) as usize;
        let Some(byte) = self.buffer.get(at).copied() else { return };
        match self.entropy.below(7) {
            0 => self.buffer[at] = byte ^ (1 << self.entropy.below(8)),
            1 => self.buffer[at] = self.entropy.next_u32() as u8,
            2 => self.buffer[at] = EDGES[self.entropy.below(EDGES.len() as u32) as usize],
            3 => self.buffer.truncate(at),
            4 => self.buffer.insert(at, byte),
            5 => drop(self.buffer.remove(at)),
            _ => {
                // A stretch of the packet comes twice: options, names and records repeated.
                let end = (at + self.entropy.below(40) as usize).min(self.buffer.len());
                let stretch = self.buffer[at..end].to_vec();
                self.buffer.extend_from_slice(&stretch);
            }
        }
    }
}
