//! The kernel's random numbers, handed to the core.

use gatepost_core::entropy::Entropy;

/// Bytes fetched at once: one system call serves 64 numbers, and no number is ever given out twice.
const POOL: usize = 256;

/// `getrandom(2)` with a small pool.
pub struct KernelEntropy {
    pool: [u8; POOL],
    used: usize,
}

impl KernelEntropy {
    /// An empty pool; the first number fills it.
    pub fn new() -> Self {
        Self { pool: [0; POOL], used: POOL }
    }

    fn refill(&mut self) {
        let mut filled = 0;
        while filled < POOL {
            let rest = &mut self.pool[filled..];
            // SAFETY: the pointer and length are those of `rest`, which lives through the call.
            let got = unsafe { libc::getrandom(rest.as_mut_ptr().cast(), rest.len(), 0) };
            match usize::try_from(got) {
                Ok(got) => filled += got,
                // Only EINTR can come here: the pool is smaller than what the kernel gives without interruption, and
                // a kernel without getrandom(2) does not run this program.
                Err(_) => continue,
            }
        }
        self.used = 0;
    }
}

impl Entropy for KernelEntropy {
    fn next_u32(&mut self) -> u32 {
        if self.used + 4 > POOL {
            self.refill();
        }
        let bytes = self.pool[self.used..].first_chunk().copied().unwrap_or_default();
        // What was given out is forgotten: a later leak of this memory tells nothing about earlier numbers.
        self.pool[self.used..self.used + 4].fill(0);
        self.used += 4;
        u32::from_ne_bytes(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CVE-2025-40780, CVE-2026-50252: a generator's later numbers could be computed from those that were seen. Here each
    /// number is so many of the kernel's octets, unchanged, and those are gone from memory when it is given out.
    #[test]
    fn cve_2025_40780_cve_2026_50252_each_number_is_the_kernels_and_is_forgotten() {
        let mut entropy = KernelEntropy::new();
        let mut seen = std::collections::HashSet::new();
        for number in 0..1024 {
            let at = entropy.used % POOL;
            // A full pool is fetched by the next call: its octets are not known before.
            let before = (at > 0).then(|| entropy.pool[at..at + 4].to_vec());
            let given = entropy.next_u32();
            assert!(before.is_none_or(|octets| octets == given.to_ne_bytes()), "number {number}");
            assert!(entropy.pool[..entropy.used].iter().all(|octet| *octet == 0), "number {number}");
            seen.insert(given);
        }
        // Of 1024 numbers of 32 bits two are equal once in 8,000 such sets, and four of them once in 10^12.
        assert!(seen.len() > 1020, "{} different numbers", seen.len());
    }
}
