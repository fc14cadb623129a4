//! The gateway process dies and comes back.

use crate::world::{CONFIG, WAN_HOST, World};
use std::fs;
use std::time::{Duration, Instant};

#[test]
fn a_killed_gateway_loses_nothing_and_changes_nothing_on_the_wire() {
    let Some(mut world) = World::start("kill -9", CONFIG) else { return };
    world.start_web_server();
    world.wait_for_uplink();
    let arguments = ["-i", "lan0", "-f", "-q", "-n", "-t", "10", "-T", "1", "-s", "/bin/true", "-x", "hostname:kettle"];
    world.lan.ip("link set lan0 address 02:00:00:00:00:55").unwrap();
    let said = world.lan.output("udhcpc", &arguments).unwrap();
    assert!(said.contains("obtained"), "{said}");
    world.plug_in_client();
    let kettle = world.dig(&["kettle"]);
    assert!(kettle.starts_with("10.0.0."), "{kettle}\n{}", world.known());
    let before = kernel_state(&world);

    world.kill_gateway();
    assert_eq!(kernel_state(&world), before, "addresses, routes and rules stay while nobody is there");
    let page =
        world.lan.output("wget", &["-q", "-T", "5", "-t", "1", "-O", "-", &format!("http://{WAN_HOST}/")]).unwrap();
    assert!(page.contains("you are 192.168.77."), "translation goes on without the gateway process: {page}");

    let start = Instant::now();
    world.start_gateway();
    world.wait_for("the name after the restart", |world| (world.dig(&["kettle"]) == kettle).then_some(()));
    let took = start.elapsed();
    assert!(took < Duration::from_secs(1), "names are back after {took:?}");
    assert!(world.ask("leases").unwrap().contains("02:00:00:00:00:55"));
    world.wait_for("the same state", |world| (kernel_state(world) == before).then_some(()));
}

/// Addresses, routes and rules, without counters, remaining lifetimes and what sets gathered.
fn kernel_state(world: &World) -> String {
    let addresses = world.gate.output("ip", &["-4", "-o", "addr"]).unwrap();
    let addresses: Vec<_> = addresses.lines().map(|line| line.split("valid_lft").next().unwrap_or_default()).collect();
    let routes = world.gate.output("ip", &["-4", "route"]).unwrap();
    let rules = world.gate.output("nft", &["--stateless", "--terse", "list", "ruleset"]).unwrap();
    format!("{}\n{routes}\n{rules}", addresses.join("\n"))
}

#[test]
fn invariant_2_a_damaged_journal_costs_only_what_was_damaged() {
    let Some(mut world) = World::start("damaged journal", CONFIG) else { return };
    world.lan.ip("link set lan0 address 02:00:00:00:00:66").unwrap();
    let arguments = ["-i", "lan0", "-f", "-q", "-n", "-t", "10", "-T", "1", "-s", "/bin/true"];
    let said = world.lan.output("udhcpc", &arguments).unwrap();
    assert!(said.contains("obtained"), "{said}");
    world.kill_gateway();
    // A write that the power cut tore: half a record at the end.
    let journal = world.path("state/leases.journal");
    let mut bytes = fs::read(&journal).unwrap();
    bytes.extend_from_slice(&[0x40, 0, 0, 0, 1, 2, 3]);
    fs::write(&journal, &bytes).unwrap();
    world.start_gateway();
    world.wait_for("the lease", |world| world.ask("leases").ok().filter(|text| text.contains("02:00:00:00:00:66")));
    // And it goes on from there: the next lease is kept too.
    world.lan.ip("link set lan0 address 02:00:00:00:00:67").unwrap();
    let said = world.lan.output("udhcpc", &arguments).unwrap();
    assert!(said.contains("obtained"), "{said}\n{}", world.known());
    world.kill_gateway();
    world.start_gateway();
    let leases = world.wait_for("both leases", |world| world.ask("leases").ok().filter(|text| text.contains("66")));
    assert!(leases.contains("02:00:00:00:00:67"), "{leases}");
}

#[test]
fn the_uplink_lease_is_asked_for_again_after_a_restart() {
    let Some(mut world) = World::start("uplink lease", CONFIG) else { return };
    world.wait_for_uplink();
    let address = |world: &World| world.gate.output("ip", &["-4", "-o", "addr", "show", "eth1"]).unwrap();
    let before = address(&world).split_whitespace().nth(3).map(str::to_string);
    world.kill_gateway();
    world.gate.ip("addr flush dev eth1").unwrap();
    fs::write(world.path("dnsmasq.log"), "").unwrap();
    world.start_gateway();
    world.wait_for_uplink();
    assert_eq!(address(&world).split_whitespace().nth(3).map(str::to_string), before);
    let log = fs::read_to_string(world.path("dnsmasq.log")).unwrap();
    assert!(!log.contains("DHCPDISCOVER"), "RFC 2131 section 3.2: a known address is requested, not discovered\n{log}");
}
