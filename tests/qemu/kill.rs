//! The gateway process is killed in the middle of traffic: nobody on the LAN should notice.

use crate::bed::{Bed, Plan, SOON, test};
use crate::names::ask;
use crate::storm::Storm;
use anyhow::{Result, bail, ensure};
use qemu::Machine;
use qemu::lab::uplink;
use std::net::Ipv4Addr;
use std::thread;
use std::time::{Duration, Instant};
use tests::transfer::Transfer;

/// The gateway's LAN address.
const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

/// What the issue allows between the kill and the next answer.
const BACK: Duration = Duration::from_secs(1);

/// The longest silence of a transfer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Bytes that a transfer must move before and after the kill, about a second's worth.
const ENOUGH: u64 = 100_000;

#[test]
fn virt_survives_the_death_of_the_gateway_process() {
    let mut plan = Plan::new(Machine::Virt);
    // Magic SysRq “i” kills every process but PID 1, and there is no shell on the card to do it with.
    plan.append = "sysrq_always_enabled".into();
    test("virt_survives_the_death_of_the_gateway_process", plan, kill_during_a_transfer);
}

fn kill_during_a_transfer(bed: &mut Bed) -> Result<()> {
    let (alice, lease, _runs) = bed.leased("alice")?;
    bed.uplink_address()?;
    bed.eventually(&alice, &["dig", "+short", "+time=3", "+tries=1", uplink::NAME])?;
    let transfer = Transfer::start(&alice, PATIENCE)?;
    bed.vm.until("a transfer under way", SOON, |_| transfer.moved(ENOUGH))?;

    let mark = bed.vm.console().mark();
    bed.vm.qmp()?.send_break()?;
    bed.vm.console().send(b"i")?;
    bed.vm.wait_for("Kill All Tasks", mark, SOON)?;
    let killed = Instant::now();
    let before = transfer.bytes();

    let back = alice.namespace().run(|| answer_after(killed))?;
    ensure!(back <= BACK, "names were away for {} ms", back.as_millis());
    bed.vm.until("the transfer to go on", SOON, |_| transfer.moved(before + ENOUGH))?;
    let mut storm = Storm::new(alice.packet_socket()?);
    storm.expect(alice.mac(), lease.address);
    storm.verify(&mut bed.vm, SOON)?;
    ensure!(bed.vm.starts().len() == 1, "the whole guest started again");
    Ok(())
}

/// Asks every few milliseconds; tells how long after `killed` the first answer came.
fn answer_after(killed: Instant) -> Result<Duration> {
    for id in 1.. {
        if ask(GATEWAY, "rpi1", id, Duration::from_millis(50)) == Some(GATEWAY) {
            return Ok(killed.elapsed());
        }
        if killed.elapsed() > SOON {
            break;
        }
        // A port that nobody listens on refuses at once; do not spin on it.
        thread::sleep(Duration::from_millis(5));
    }
    bail!("no name was answered within {} s of the kill", SOON.as_secs())
}
