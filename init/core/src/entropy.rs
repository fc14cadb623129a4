//! Random numbers as an argument. The shell hands in the kernel's generator, a test a seeded one, so that the tested
//! code is the shipped code. Transaction identifiers, DNS query identifiers and source ports come from here; no
//! generator of our own stands between them and the kernel (RFC 5452 section 9.2; CVE-2025-40780 is what happens else).

/// A source of unpredictable numbers.
pub trait Entropy {
    /// Thirty-two fresh random bits.
    fn next_u32(&mut self) -> u32;

    /// A number below `bound`, without modulo bias worth speaking of; zero if `bound` is zero.
    fn below(&mut self, bound: u32) -> u32 {
        // Multiply-shift: the bias is at most bound / 2^32.
        ((u64::from(self.next_u32()) * u64::from(bound)) >> 32) as u32
    }
}

/// A repeatable generator for tests and simulations (SplitMix64). Never used on the appliance.
#[derive(Clone, Debug)]
pub struct SeededEntropy(u64);

impl SeededEntropy {
    /// The same seed gives the same numbers.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }
}

impl Entropy for SeededEntropy {
    fn next_u32(&mut self) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 32) as u32
    }
}
