//! Real DHCP clients on the LAN.

use crate::world::{CONFIG, World};
use std::fs;

/// The address that `lan0` got.
fn address(world: &World) -> Option<String> {
    let text = world.lan.output("ip", &["-4", "-o", "addr", "show", "lan0"]).ok()?;
    let address = text.split_whitespace().skip_while(|word| *word != "inet").nth(1)?;
    Some(address.to_string())
}

#[test]
fn busybox_udhcpc_gets_its_reserved_address_and_gives_it_back() {
    let Some(world) = World::start("udhcpc", CONFIG) else { return };
    let script = world.path("script");
    fs::write(
        &script,
        "#!/bin/sh\n[ $1 = bound ] && ip addr add $ip/$mask dev $interface\nenv | sort >> $0.log\nexit 0\n",
    )
    .unwrap();
    fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let script_path = script.to_str().unwrap();
    let arguments =
        ["-i", "lan0", "-f", "-q", "-n", "-R", "-t", "10", "-T", "1", "-s", script_path, "-x", "hostname:kettle"];
    let said = world.lan.output("udhcpc", &arguments).unwrap();
    assert_eq!(address(&world).as_deref(), Some("10.0.0.2/24"), "{said}\n{}", world.known());
    let options = fs::read_to_string(world.path("script.log")).unwrap();
    for option in ["router=10.0.0.1", "dns=10.0.0.1", "subnet=255.255.255.0", "domain=mydomain.net", "lease=3600"] {
        assert!(options.contains(option), "{option} is missing in\n{options}");
    }
}

#[test]
fn isc_dhclient_leases_renews_and_releases() {
    let Some(world) = World::start("dhclient", CONFIG) else { return };
    world.lan.ip("link set lan0 address 02:00:00:00:00:33").unwrap();
    let leases = world.path("dhclient.leases");
    let pid = world.path("dhclient.pid");
    let files = ["-lf", leases.to_str().unwrap(), "-pf", pid.to_str().unwrap(), "-cf", "/dev/null", "-sf", "/bin/true"];
    let said = world.lan.output("dhclient", &[&["-v", "-1", "-4"], &files[..], &["lan0"]].concat()).unwrap();
    assert!(said.contains("bound to 10.0.0."), "{said}\n{}", world.known());
    let first = fs::read_to_string(&leases).unwrap();
    let line = first.lines().find(|line| line.contains("fixed-address")).unwrap().trim().to_string();
    world.wait_for("the lease in the table", |world| {
        world.ask("leases").ok().filter(|t| t.contains("02:00:00:00:00:33"))
    });

    // The same client again: RFC 2131 INIT-REBOOT, and the same address.
    world.lan.output("dhclient", &[&["-x", "-4"], &files[..], &["lan0"]].concat()).unwrap();
    let said = world.lan.output("dhclient", &[&["-v", "-1", "-4"], &files[..], &["lan0"]].concat()).unwrap();
    assert!(said.contains("DHCPREQUEST") && said.contains("DHCPACK"), "{said}");
    assert!(fs::read_to_string(&leases).unwrap().matches(&line).count() >= 2, "{said}");

    // Its script sets nothing up; a release is sent from the address that is given back.
    let leased = line.trim_start_matches("fixed-address ").trim_end_matches(';');
    world.lan.ip(&format!("addr add {leased}/24 dev lan0")).unwrap();
    let said = world.lan.output("dhclient", &[&["-v", "-r", "-4"], &files[..], &["lan0"]].concat()).unwrap();
    assert!(said.contains("DHCPRELEASE"), "{said}");
    world.wait_for("the lease to go", |world| world.ask("leases").ok().filter(|t| !t.contains("02:00:00:00:00:33")));
}

#[test]
fn dhcpcd_leases() {
    let Some(world) = World::start("dhcpcd", CONFIG) else { return };
    world.lan.ip("link set lan0 address 02:00:00:00:00:44").unwrap();
    let said = world
        .lan
        .output(
            "dhcpcd",
            &["-4", "-1", "-B", "-d", "-A", "-t", "10", "--noconfigure", "-f", "/dev/null", "-c", "/bin/true", "lan0"],
        )
        .unwrap();
    assert!(said.contains("leased 10.0.0.") && said.contains("for 3600 seconds"), "{said}\n{}", world.known());
}
