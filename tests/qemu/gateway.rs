//! What a user wants of a gateway: a lease, names, the internet.

use crate::bed::{Bed, Plan, SOON, test};
use anyhow::{Result, bail, ensure};
use qemu::Machine;
use qemu::lab::{Client, PAGE, uplink};
use std::net::Ipv4Addr;

#[test]
fn virt_leases_answers_and_forwards() {
    test("virt_leases_answers_and_forwards", Plan::new(Machine::Virt), a_home_works);
}

#[test]
fn raspi3b_leases_answers_and_forwards() {
    let mut plan = Plan::new(Machine::Raspi3b);
    // The kernel tells which interface is which at this level.
    plan.append = "loglevel=7".into();
    test("raspi3b_leases_answers_and_forwards", plan, |bed| {
        a_home_works(bed)?;
        for (name, number) in [("eth0", 0), ("eth1", 1)] {
            let mac = Machine::Raspi3b.mac(number).map(|byte| format!("{byte:02x}")).join(":");
            let line =
                bed.vm.console().text(0).lines().any(|l| l.contains(&format!("{name}: register")) && l.contains(&mac));
            ensure!(line, "the kernel did not give the name {name} to the interface {mac}");
        }
        Ok(())
    });
}

#[test]
fn raspi4b_leases_answers_and_forwards() {
    let name = "raspi4b_leases_answers_and_forwards";
    match Machine::Raspi4b.check() {
        Ok(()) => test(name, Plan::new(Machine::Raspi4b), a_home_works),
        Err(error) => tests::skip(name, &error.to_string()),
    }
}

#[test]
fn virt_works_with_128_mib() {
    let mut plan = Plan::new(Machine::Virt);
    plan.memory_mib = 128;
    test("virt_works_with_128_mib", plan, a_home_works);
}

fn a_home_works(bed: &mut Bed) -> Result<()> {
    let (alice, lease, _alice_runs) = bed.leased("alice")?;
    let (bob, reserved, _bob_runs) = bed.leased("bob")?;
    for (key, wanted) in [("mask", "24"), ("router", "10.0.0.1"), ("dns", "10.0.0.1"), ("domain", "mydomain.net")] {
        let got = lease.values.get(key).map_or("", String::as_str);
        ensure!(got == wanted, "the lease says {key}={got}, not {wanted}");
    }
    let pool = Ipv4Addr::new(10, 0, 0, 10)..=Ipv4Addr::new(10, 0, 0, 128);
    ensure!(pool.contains(&lease.address), "{} is outside the pool", lease.address);
    ensure!(reserved.address == Ipv4Addr::new(10, 0, 0, 2), "the reserved host got {}", reserved.address);
    local_names(&alice, lease.address)?;
    the_internet(bed, &bob)?;
    status_and_memory(bed)
}

/// Most resident memory of the gateway process and of PID 1, in KiB.
const GATEWAY_KIB: u64 = 8 * 1024;
const INIT_KIB: u64 = 2 * 1024;

/// The console's `s` key shows the status, and with it what the processes take.
fn status_and_memory(bed: &mut Bed) -> Result<()> {
    let mark = bed.vm.console().mark();
    bed.vm.console().send(b"s")?;
    let mark = bed.vm.wait_for("memory   gateway", mark, SOON)?;
    bed.vm.wait_for("resident", mark, SOON)?;
    let text = bed.vm.console().text(mark);
    let line = text.lines().next().unwrap_or_default();
    let kib: Vec<u64> = line.split(' ').filter_map(|word| word.parse().ok()).collect();
    println!("resident memory: {line}");
    // The number between them is that of PID 1.
    let &[gateway, 1, init] = kib.as_slice() else { bail!("no such numbers in “{line}”") };
    ensure!(gateway <= GATEWAY_KIB && init <= INIT_KIB, "too much memory: {line}");
    bed.vm.wait_for("forwarded through the kernel's flowtable", mark, SOON)?;
    Ok(())
}

fn local_names(client: &Client, own: Ipv4Addr) -> Result<()> {
    let own = own.to_string();
    for (question, wanted) in [
        (["rpi1", "A"], "10.0.0.1"),
        (["rpi1.mydomain.net", "A"], "10.0.0.1"),
        (["rpi2", "A"], "10.0.0.2"),
        (["alice", "A"], own.as_str()),
        (["alice.mydomain.net", "A"], own.as_str()),
        (["-x", "10.0.0.1"], "rpi1.mydomain.net."),
        (["-x", "10.0.0.2"], "rpi2.mydomain.net."),
        (["-x", own.as_str()], "alice.mydomain.net."),
    ] {
        let words = ["+short", "+time=3", "+tries=2", question[0], question[1]];
        let answer = client.run("dig", &words, SOON)?;
        ensure!(answer.trim() == wanted, "dig {} says “{}”, not {wanted}", question.join(" "), answer.trim());
    }
    Ok(())
}

fn the_internet(bed: &mut Bed, client: &Client) -> Result<()> {
    let outside = bed.uplink_address()?;
    let answer = bed.eventually(client, &["dig", "+short", "+time=3", "+tries=1", uplink::NAME])?;
    ensure!(answer == uplink::WEB.to_string(), "{} is said to be {answer}", uplink::NAME);
    let page =
        bed.eventually(client, &["wget", "-q", "-T", "5", "-t", "1", "-O", "-", &format!("http://{}/", uplink::NAME)])?;
    ensure!(page == PAGE.trim(), "the page says “{page}”");
    let peers = bed.lab.uplink().web().peers();
    ensure!(!peers.is_empty() && peers.iter().all(|peer| peer.ip() == outside), "seen: {peers:?}, not {outside}");
    let log = bed.lab.uplink().log();
    let leaked = log.lines().find(|line| line.contains("query") && line.contains("mydomain.net"));
    ensure!(leaked.is_none(), "a local name went upstream: {leaked:?}");
    Ok(())
}
