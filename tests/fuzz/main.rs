//! Millions of packets into every decoder and machine: none may panic, none may make memory grow.
//!
//! `GATEPOST_FUZZ_PACKETS` sets how many a target gets. A failure prints the seed of its stream; streams are
//! repeatable.

mod counting;
mod targets;

use std::time::Instant;
use tests::mutate::Mutator;

/// Packets for each target unless the environment says otherwise.
const PACKETS: u64 = 1_000_000;

/// Memory that a target may hold more at the end than after its first tenth. Its tables are full by then; what
/// remains is the allocator's rounding.
const MAX_GROWTH: usize = 512 * 1024;

fn packets() -> u64 {
    std::env::var("GATEPOST_FUZZ_PACKETS").ok().and_then(|text| text.parse().ok()).unwrap_or(PACKETS)
}

/// Runs one target over its stream of packets.
fn fuzz(name: &str, seeds: Vec<Vec<u8>>, longest: usize, mut target: impl FnMut(&[u8])) {
    let seed = name.bytes().fold(0, |sum: u64, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    let total = packets();
    let mut stream = Mutator::new(seed, seeds, longest);
    let start = Instant::now();
    let mut early = 0;
    for n in 0..total {
        target(stream.next_packet());
        if n == total / 10 {
            early = counting::live_bytes();
        }
    }
    let grown = counting::live_bytes().saturating_sub(early);
    let seconds = start.elapsed().as_secs_f32();
    println!("{name}: {total} packets, seed {seed:#x}, {seconds:.1} s, {grown} bytes more at the end");
    assert!(grown <= MAX_GROWTH, "{name} (seed {seed:#x}) holds {grown} bytes more after {total} packets");
}
