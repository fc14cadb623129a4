//! busybox's udhcpc, which knows of no INIT-REBOOT (RFC 2131 §4.3.2): after a restart it asks for its address in a DISCOVER.

use super::*;

/// The host that the configuration reserves 10.0.0.2 for.
const MAC: &str = "02:00:00:00:00:22";

pub(super) const SCRIPT: &str =
    "#!/bin/sh\n[ $1 = bound ] && ip addr replace $ip/$mask dev $interface\n(env; echo end of $1) >> $0.log\nexit 0\n";

pub(super) fn udhcpc(world: &World, script: &str, more: &[&str]) -> Command {
    let mut command = world.lan.command("udhcpc");
    let words = ["-i", "lan0", "-f", "-v", "-R", "-t", "10", "-T", "1", "-s", script, "-x", "hostname:kettle"];
    command.args(words).args(more);
    command
}

#[test]
fn busybox_udhcpc_leases_renews_rebinds_comes_back_and_releases() {
    let Some(world) = world("udhcpc", MAC) else { return };
    let script = script(&world, SCRIPT);
    let first = start(&world, &mut udhcpc(&world, &script, &[]), "udhcpc.1");
    said(&world, "udhcpc.1", &["lease of 10.0.0.2 obtained"]);
    let options = world.wait_for("the script to come to its end", |world| {
        fs::read_to_string(world.path("script.log")).ok().filter(|text| text.contains("end of bound"))
    });
    let addresses = world.lan.output("ip", &["-4", "-o", "addr", "show", "lan0"]).unwrap();
    assert!(addresses.contains("10.0.0.2/24"), "{addresses}");
    for option in ["router=10.0.0.1", "dns=10.0.0.1", "subnet=255.255.255.0", "domain=mydomain.net", "lease=3600"] {
        assert!(options.contains(option), "{option} is missing in\n{options}");
    }

    let since = log_length(&world, "udhcpc.1");
    signal(&first, Signal::SIGUSR1);
    said_since(&world, "udhcpc.1", since, &["sending renew to server 10.0.0.1", "lease of 10.0.0.2 obtained"]);
    let since = log_length(&world, "udhcpc.1");
    hear_no_unicast(&world);
    signal(&first, Signal::SIGUSR1);
    said_since(&world, "udhcpc.1", since, &["sending renew", "broadcasting renew", "lease of 10.0.0.2 obtained"]);
    hear_all(&world);

    drop(first);
    let again = start(&world, &mut udhcpc(&world, &script, &["-r", "10.0.0.2"]), "udhcpc.2");
    said(&world, "udhcpc.2", &["broadcasting discover", "lease of 10.0.0.2 obtained"]);
    assert!(is_leased(&world, MAC, "10.0.0.2"), "{}", world.known());
    signal(&again, Signal::SIGTERM);
    world.wait_for("the lease to go", |world| world.ask("leases").ok().filter(|text| text.contains("not seen yet")));
}
