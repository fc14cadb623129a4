//! Millions of packets into every decoder and machine: none may panic, none may make memory grow.
//!
//! `GATEPOST_FUZZ_PACKETS` sets how many each target gets. Streams are repeatable: a failure comes again. Each target
//! also counts how many packets got past the first checks, for a target whose packets are all refused at the door
//! tests the door alone; it fails when that comes to be.

mod block_lists;
mod boot;
mod counting;
mod dhcp_client;
mod dhcp_server;
mod dns;
mod dns_stream;
mod files;
mod frames;
mod gateway;
mod tftp;
mod traffic;
mod wifi;

use std::io::Write;
use std::time::Instant;
use tests::mutate::Mutator;

/// The unit of the numbers of packets below. A target gets ten where it is fast, and less where the whole ring would
/// otherwise take more than a minute and a half on two cores.
const MILLION: u64 = 1_000_000;

/// Memory that a target may hold more at some moment of its second half than it ever did in its first. Tables are full
/// by then; a cache that happens to be fuller is no growth, so peaks are compared.
const MAX_GROWTH: usize = 512 * 1024;

/// Packets between two looks at the memory.
const SAMPLE: u64 = 128;

/// Packets in a hundred that must get past the first checks.
const MIN_DEEP_PERCENT: u64 = 1;

/// Runs one target over its stream of packets. `one` takes one packet's turn and says whether it got deep.
fn fuzz(name: &str, packets: u64, mut stream: Mutator, mut one: impl FnMut(&mut Mutator) -> bool) {
    let total = std::env::var("GATEPOST_FUZZ_PACKETS").ok().and_then(|text| text.parse().ok()).unwrap_or(packets);
    let start = Instant::now();
    let (mut peaks, mut deep) = ([0, 0], 0);
    for n in 0..total {
        deep += u64::from(one(&mut stream));
        if n.is_multiple_of(SAMPLE) || n + 1 == total {
            let half = &mut peaks[usize::from(n >= total / 2)];
            *half = counting::live_bytes().max(*half);
        }
    }
    let grown = peaks[1].saturating_sub(peaks[0]);
    let (seed, seconds) = (seed(name), start.elapsed().as_secs_f32());
    // Past the harness, which swallows what `println!` prints.
    let _ = writeln!(
        std::io::stdout(),
        "{name}: {total} packets, {deep} deep, seed {seed:#x}, {seconds:.1} s, grown by {grown} bytes"
    );
    assert!(grown <= MAX_GROWTH, "{name} (seed {seed:#x}) holds {grown} bytes more after {total} packets");
    assert!(deep * 100 >= total * MIN_DEEP_PERCENT, "{name}: only {deep} of {total} packets got past the first checks");
}

/// A target that only takes bytes.
fn decode(name: &str, packets: u64, stream: Mutator, mut target: impl FnMut(&[u8]) -> bool) {
    fuzz(name, packets, stream, |stream| target(stream.next_packet()));
}

/// The stream of a target; it depends on nothing but the name.
fn stream(name: &str, seeds: Vec<Vec<u8>>, longest: usize) -> Mutator {
    Mutator::new(seed(name), seeds, longest)
}

fn seed(name: &str) -> u64 {
    name.bytes().fold(0, |sum: u64, byte| sum.wrapping_mul(31).wrapping_add(byte.into()))
}

/// CVE-2023-49441: an overflow of a number from the wire went unnoticed. What runs in this ring checks each sum, so that
/// millions of packets show where one overflows; this shows that it does.
#[test]
fn cve_2023_49441_sums_are_checked_in_this_ring() {
    let sum = |a: u16, b: u16| std::panic::catch_unwind(move || std::hint::black_box(a) + std::hint::black_box(b));
    assert_eq!(sum(1, 2).ok(), Some(3));
    assert!(sum(u16::MAX, 1).is_err(), "the ring is built without overflow-checks: see profile.fuzz in Cargo.toml");
}
