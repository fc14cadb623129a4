//! The whole gateway in a simulated household, with virtual time: the invariants of ARCHITECTURE.md are checked after
//! every step. One seed gives one course of events; a failure prints the seed, and the same seed fails again.
//!
//! `GATEPOST_SIM_STEPS` and `GATEPOST_SIM_SEED` choose another course.

mod chaos;
#[path = "../fuzz/counting.rs"]
mod counting;
mod dice;
mod disk;
mod lan_client;
mod outside;
mod questions;
mod shell;
mod world;

use chaos::Trouble;
use std::io::Write;
use std::time::Instant;
use world::World;

/// Steps in the test command, over several seeds.
const STEPS: u64 = 800_000;

/// Seeds among which the steps are shared out.
const SEEDS: u64 = 8;

/// Everything goes wrong that can, all the time.
const ROUGH: Trouble = Trouble {
    loses: 12,
    doubles: 12,
    disk_fails: 60,
    dies_at_write: 150,
    power_cut_at_write: 600,
    kernel_refuses: 60,
    dies: 1,
    event_ms: 20_000,
    question_ms: 2000,
};

/// A household as it should be: hardly anything goes wrong.
const CALM: Trouble = Trouble {
    loses: 200,
    doubles: 200,
    disk_fails: 0,
    dies_at_write: 0,
    power_cut_at_write: 0,
    kernel_refuses: 0,
    dies: 0,
    event_ms: 600_000,
    question_ms: 2000,
};

/// How long the calm household runs before it is watched, in milliseconds: its second half is what the day is compared
/// with. After some six hours the cache, which keeps old answers for a day, is full.
const WARM: u64 = 12 * 3_600_000;

/// How long it is watched.
const DAY: u64 = 24 * 3_600_000;

/// Octets that may be held more at some moment of the day than at any before it: messages that are under way, and the
/// journal between two writings anew. A single octet left behind by each question would be five times as much.
const MAX_GROWTH: usize = 8 * 1024;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Prints past the harness, which swallows what `println!` prints.
fn report(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Says which seed it was when a step panics.
struct Confession(u64);

impl Drop for Confession {
    fn drop(&mut self) {
        if std::thread::panicking() {
            report(&format!("the simulation failed with GATEPOST_SIM_SEED={}", self.0));
        }
    }
}

#[test]
fn two_hundred_clients_and_everything_that_goes_wrong() {
    let steps = number("GATEPOST_SIM_STEPS").unwrap_or(STEPS);
    let seeds = number("GATEPOST_SIM_SEED").map_or((0..SEEDS).collect(), |seed| vec![seed]);
    let share = steps / seeds.len() as u64;
    let mut reached = [0; 8];
    for seed in seeds {
        let (start, _confession) = (Instant::now(), Confession(seed));
        let mut world = World::new(seed, ROUGH);
        (0..share).for_each(|_| world.step());
        reached.iter_mut().zip(world.counts()).for_each(|(sum, count)| *sum += count);
        let (hours, seconds) = (world.real as f64 / 3_600_000.0, start.elapsed().as_secs_f32());
        report(&format!("seed {seed}: {share} steps, {hours:.1} h, {seconds:.1} s; {:?}", world.tally));
    }
    let all = reached.iter().all(|count| *count > 0);
    // In a shorter course something may never come about.
    if steps < STEPS && !all {
        return report(&format!("{steps} steps are too few to reach everything: {reached:?}"));
    }
    assert!(all, "something was never reached: {reached:?}");
}

#[test]
fn a_day_leaves_nothing_behind() {
    let (start, _confession) = (Instant::now(), Confession(1));
    let mut world = World::new(1, CALM);
    let mut peaks = [0, 0];
    while world.real < WARM + DAY {
        world.step();
        if world.real >= WARM / 2 {
            let part = &mut peaks[usize::from(world.real >= WARM)];
            *part = counting::live_bytes().max(*part);
        }
    }
    let grown = peaks[1].saturating_sub(peaks[0]);
    let seconds = start.elapsed().as_secs_f32();
    report(&format!("a day: {:?}; {} bytes held, grown by {grown}, {seconds:.1} s", world.tally, peaks[1]));
    assert_eq!(world.tally.process_deaths, 0, "one process was watched");
    assert!(grown <= MAX_GROWTH, "{grown} bytes more in the day than in the hours before it: {peaks:?}");
}
