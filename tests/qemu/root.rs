//! A card that rots: the damaged system does not run, the other one does.

use crate::bed::{BOOT, Bed, Plan, test};
use anyhow::{Result, ensure};
use qemu::Machine;

/// Root A, and the boot partitions of the two slots.
const ROOT_A: u8 = 5;
const BOOT_A: u8 = 2;
const BOOT_B: u8 = 3;

#[test]
fn a_flipped_bit_in_root_a_starts_slot_b() {
    let mut plan = Plan::new(Machine::Virt);
    // In the file system's first block, which every mount reads.
    plan.change = |card| card.flip_bit(ROOT_A, 100, 3);
    test("a_flipped_bit_in_root_a_starts_slot_b", plan, the_other_slot_serves);
}

fn the_other_slot_serves(bed: &mut Bed) -> Result<()> {
    bed.vm.until("a start from slot B", BOOT, |vm| Ok((vm.starts().last() == Some(&BOOT_B)).then_some(())))?;
    let (_alice, _lease, _runs) = bed.leased("alice")?;
    let starts = bed.vm.starts();
    let tries = starts.iter().take_while(|partition| **partition == BOOT_A).count();
    ensure!(tries <= 4 && starts[tries..] == [BOOT_B], "the starts were {starts:?}");
    let said = bed.vm.console().text(0).to_lowercase();
    // The kernel names the damaged block, PID 1 says what it does about it.
    for word in ["verity", "changing to system b"] {
        ensure!(said.contains(word), "the console never says “{word}”");
    }
    Ok(())
}

#[test]
fn a_reset_comes_back_with_the_same_lease() {
    test("a_reset_comes_back_with_the_same_lease", Plan::new(Machine::Virt), |bed| {
        let (alice, lease, runs) = bed.leased("alice")?;
        drop(runs);
        bed.vm.qmp()?.reset()?;
        bed.vm.until("the second start", BOOT, |vm| Ok((vm.starts().len() == 2).then_some(())))?;
        let mut storm = crate::storm::Storm::new(alice.packet_socket()?);
        storm.expect(alice.mac(), lease.address);
        storm.verify(&mut bed.vm, BOOT)
    });
}
