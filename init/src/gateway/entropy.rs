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
