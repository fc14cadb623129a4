//! Packets as a stranger would bend them: some of them random bytes, the others good ones changed in a few places.
//!
//! Bytes at random rarely get past the first length check. So a target that knows its protocol gives good packets
//! that fit its present state to [`Mutator::bend`] and afterwards repairs what would end the packet's way too soon:
//! an identifier, a checksum, a magic number.

use gatepost_core::entropy::{Entropy, SeededEntropy};

/// Lengths, counts and numbers at which code tends to be wrong.
const EDGES: [u8; 9] = [0, 1, 2, 63, 64, 127, 128, 192, 255];

/// Most changes of one packet.
const CHANGES: u32 = 6;

/// A repeatable stream of packets, and the dice of whoever uses it.
pub struct Mutator {
    entropy: SeededEntropy,
    seeds: Vec<Vec<u8>>,
    words: Vec<Vec<u8>>,
    buffer: Vec<u8>,
    longest: usize,
}

impl Mutator {
    /// `seeds` are good packets; no packet is longer than `longest` bytes, of which there must be one at least.
    pub fn new(seed: u64, seeds: Vec<Vec<u8>>, longest: usize) -> Self {
        let buffer = Vec::with_capacity(longest * 2);
        Self { entropy: SeededEntropy::new(seed), seeds, words: Vec::new(), buffer, longest }
    }

    /// Also puts these pieces into packets: keywords of a text, options of a message.
    pub fn with_words(mut self, words: &[&[u8]]) -> Self {
        self.words = words.iter().map(|word| word.to_vec()).collect();
        self
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u32) -> u32 {
        self.entropy.below(bound)
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: u32) -> bool {
        self.entropy.below(n) == 0
    }

    /// One of the values.
    pub fn pick<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.entropy.below(values.len() as u32) as usize]
    }

    /// The next packet: random bytes, or a seed that was bent.
    pub fn next_packet(&mut self) -> &mut Vec<u8> {
        if self.seeds.is_empty() || self.one_in(8) {
            return self.random();
        }
        let seed = self.below(self.seeds.len() as u32) as usize;
        self.buffer.clear();
        self.buffer.extend_from_slice(&self.seeds[seed]);
        self.change_some()
    }

    /// A good packet with up to six changes; one in seven stays as it is.
    pub fn bend(&mut self, good: &[u8]) -> &mut Vec<u8> {
        self.buffer.clear();
        self.buffer.extend_from_slice(good);
        self.change_some()
    }

    /// Random bytes.
    pub fn random(&mut self) -> &mut Vec<u8> {
        self.buffer.clear();
        // Short ones are more telling than long ones.
        let bound = 1 << self.entropy.below(self.longest.ilog2() + 1);
        for _ in 0..self.entropy.below(bound) {
            let byte = self.entropy.next_u32() as u8;
            self.buffer.push(byte);
        }
        &mut self.buffer
    }

    fn change_some(&mut self) -> &mut Vec<u8> {
        for _ in 0..self.entropy.below(CHANGES + 1) {
            self.change();
        }
        self.buffer.truncate(self.longest);
        &mut self.buffer
    }

    fn change(&mut self) {
        let length = self.buffer.len() as u32;
        let at = self.entropy.below(length.max(1)) as usize;
        let Some(byte) = self.buffer.get(at).copied() else { return };
        match self.entropy.below(10) {
            0 | 1 => self.buffer[at] = byte ^ (1 << self.entropy.below(8)),
            2 => self.buffer[at] = self.entropy.next_u32() as u8,
            3 | 4 => self.buffer[at] = EDGES[self.entropy.below(EDGES.len() as u32) as usize],
            5 => self.buffer.truncate(at),
            6 => self.buffer.insert(at, byte),
            7 => drop(self.buffer.remove(at)),
            8 => self.repeat_a_stretch(at),
            _ => self.put_in_a_word(at),
        }
    }

    /// A stretch of the packet comes twice: options, names and records repeated.
    fn repeat_a_stretch(&mut self, at: usize) {
        let end = (at + self.entropy.below(40) as usize).min(self.buffer.len());
        self.buffer.extend_from_within(at..end);
    }

    fn put_in_a_word(&mut self, at: usize) {
        if !self.words.is_empty() {
            let word = self.entropy.below(self.words.len() as u32) as usize;
            let over = self.entropy.below(2) as usize * self.words[word].len();
            let end = (at + over).min(self.buffer.len());
            self.buffer.splice(at..end, self.words[word].iter().copied());
        }
    }
}
