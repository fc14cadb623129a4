//! ISC dhclient.

use super::*;

const MAC: &str = "02:00:00:00:00:33";

pub(super) const SCRIPT: &str =
    "#!/bin/sh\n[ -n \"$new_ip_address\" ] && ip addr replace $new_ip_address/24 dev $interface\nexit 0\n";

pub(super) fn dhclient(world: &World, script: &str, words: &[&str]) -> Command {
    let (leases, pid) = (world.path("dhclient.leases"), world.path("dhclient.pid"));
    let mut command = world.lan.command("dhclient");
    let config = world.path("dhclient.conf");
    fs::write(&config, "initial-interval 1; backoff-cutoff 1;").unwrap();
    command.args(["-4", "-v", "-sf", script]).arg("-cf").arg(config);
    command.arg("-lf").arg(leases).arg("-pf").arg(pid).args(words).arg("lan0");
    command
}

#[test]
fn isc_dhclient_leases_renews_rebinds_comes_back_and_releases() {
    let Some(world) = world("dhclient", MAC) else { return };
    let script = script(&world, SCRIPT);
    let first = start(&world, &mut dhclient(&world, &script, &["-d"]), "dhclient.1");
    let text = said(&world, "dhclient.1", &["DHCPDISCOVER", "DHCPACK", "bound to ", " -- "]);
    let address = text.split_once("bound to ").unwrap().1.split(' ').next().unwrap();
    assert!(address.starts_with("10.0.0.") && is_leased(&world, MAC, address), "{text}\n{}", world.known());

    let renewed = ["DHCPREQUEST", "to 10.0.0.1 port 67", "DHCPACK", "bound to"];
    said_since(&world, "dhclient.1", text.len(), &renewed);
    hear_no_unicast(&world);
    let since = log_length(&world, "dhclient.1");
    let rebound = ["DHCPREQUEST", "to 255.255.255.255 port 67", "DHCPACK", &format!("bound to {address}")];
    said_since(&world, "dhclient.1", since, &rebound);
    hear_all(&world);

    // RFC 2131 INIT-REBOOT: a REQUEST without a DISCOVER, and the same address.
    drop(first);
    let again = start(&world, &mut dhclient(&world, &script, &["-d"]), "dhclient.2");
    let text = said(&world, "dhclient.2", &rebound);
    assert!(!text.contains("DISCOVER"), "{text}");
    drop(again);
    let said = dhclient(&world, &script, &["-r"]).output().unwrap();
    assert!(String::from_utf8_lossy(&said.stderr).contains("DHCPRELEASE"), "{said:?}");
    wait_until_released(&world, MAC);
}
