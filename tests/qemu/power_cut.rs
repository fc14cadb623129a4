//! The plug is pulled in the middle of a lease storm, again and again.

use crate::bed::{BOOT, Bed, CONFIG, Plan, SOON, test};
use crate::storm::Storm;
use anyhow::{Context, Result};
use qemu::lab::{finish, run};
use qemu::{Card, Machine};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

/// Cuts, if `GATEPOST_POWER_CUTS` says nothing else.
const CUTS: u32 = 20;

/// New clients in one storm; after that the known ones renew.
const NEWCOMERS: usize = 60;

/// The longest storm before a cut, in milliseconds.
const STORM_MAX_MS: u64 = 2500;

/// The card's ext4 partition.
const CONFIG_PARTITION: u8 = 7;

#[test]
fn no_acknowledged_lease_is_lost_in_a_power_cut() {
    let mut plan = Plan::new(Machine::Virt);
    plan.config = CONFIG.replace("10.0.0.1/24", "10.0.0.1/20").replace("10.0.0.10-10.0.0.128", "10.0.0.10-10.0.15.250");
    test("no_acknowledged_lease_is_lost_in_a_power_cut", plan, cut_again_and_again);
}

fn cut_again_and_again(bed: &mut Bed) -> Result<()> {
    let cuts = match std::env::var("GATEPOST_POWER_CUTS") {
        Ok(text) => text.parse().context("GATEPOST_POWER_CUTS is a number")?,
        Err(_) => CUTS,
    };
    let seed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.subsec_nanos();
    println!("{cuts} power cuts, seed {seed}");
    let mut random = Random(u64::from(seed) | 1);
    let client = bed.lab.client("storm")?;
    let mut storm = Storm::new(client.packet_socket()?);
    for cut in 1..=cuts {
        storm.wait_for_server(&mut bed.vm, BOOT)?;
        storm.verify(&mut bed.vm, SOON).with_context(|| format!("before cut {cut}"))?;
        let length = Duration::from_millis(random.below(STORM_MAX_MS));
        storm.rage(Instant::now() + length, NEWCOMERS)?;
        bed.vm.power_cut();
        println!("cut {cut} after {} ms of storm: {} leases", length.as_millis(), storm.leases());
        check_partition(bed.vm.card(), bed.folder.path()).with_context(|| format!("after cut {cut}"))?;
        bed.lab.drain();
        bed.vm.power_on()?;
    }
    storm.wait_for_server(&mut bed.vm, BOOT)?;
    storm.verify(&mut bed.vm, SOON)?;
    // Cuts before a start is confirmed count as failed starts, so the slots take turns; both are whole.
    println!("boot partitions of all starts: {:?}", bed.vm.starts());
    Ok(())
}

/// After the journal is replayed, as the kernel does at the next mount, nothing is wrong with the file system.
fn check_partition(card: &Card, folder: &Path) -> Result<()> {
    let file = folder.join("config.ext4");
    card.extract(CONFIG_PARTITION, &file)?;
    let mut replay = Command::new("e2fsck");
    replay.args(["-y", "-E", "journal_only"]).arg(&file);
    finish(&mut replay, SOON)?;
    let mut check = Command::new("e2fsck");
    check.arg("-fn").arg(&file);
    run(check, SOON).context("the config partition is damaged").map(drop)
}

/// xorshift64 (Marsaglia 2003): good enough to choose moments, and its seed can be printed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}
