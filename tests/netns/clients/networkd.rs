//! systemd-networkd, without a systemd. It remembers its address over a pulled cable (RFC 2131 INIT-REBOOT), but not over a
//! restart of its own.

use super::*;

const MAC: &str = "02:00:00:00:00:55";

/// Its own `/run`; with a `/sys` that can't be written it takes itself to be in a container and waits for no udev.
const SCRIPT: &str = "mount -t tmpfs tmpfs /run && mount -o remount,ro /sys && mkdir -p /run/systemd/network /run/systemd/netif/leases \
/run/systemd/netif/links && printf '[Match]\\nName=lan0\\n[Network]\\nDHCP=ipv4\\nLinkLocalAddressing=no\\nIPv6AcceptRA=no\\n[DHCPv4]\\nClientIdentifier=mac\\n' \
> /run/systemd/network/10-lan.network && SYSTEMD_LOG_LEVEL=debug exec /lib/systemd/systemd-networkd";

fn networkd(world: &World) -> Command {
    let mut command = world.lan.command("sh");
    command.args(["-c", SCRIPT]);
    command
}

fn address(text: &str) -> &str {
    let rest = text.split("DHCPv4 address ").nth(1).expect("it says its address");
    rest.split('/').next().expect("an address with its prefix")
}

#[test]
fn systemd_networkd_leases_renews_rebinds_comes_back_and_releases() {
    let Some(mut world) = world("systemd-networkd", MAC) else { return };
    let first = start(&world, &mut networkd(&world), "networkd.1");
    let text = said(&world, "networkd.1", &["REQUEST (requesting)", "ACK", "DHCPv4 address 10.0.0."]);
    let leased = address(&text);
    assert!(is_leased(&world, MAC, leased), "{text}\n{}", world.known());

    said_since(&world, "networkd.1", text.len(), &["REQUEST (renewing)", "ACK"]);
    hear_no_unicast(&world);
    let since = log_length(&world, "networkd.1");
    said_since(&world, "networkd.1", since, &["REQUEST (rebinding)", "ACK"]);
    hear_all(&world);

    // The cable is pulled, and plugged in again once it is missed.
    let since = log_length(&world, "networkd.1");
    let gateway = Pid::from_raw(world.gateway_id() as i32);
    kill(gateway, Signal::SIGSTOP).unwrap();
    world.gate.ip("link set eth0 down").unwrap();
    let text = said_since(&world, "networkd.1", since, &["Lost carrier"]);
    kill(gateway, Signal::SIGCONT).unwrap();
    said_since(&world, "networkd.1", text.len(), &["REQUEST (init-reboot)", "ACK"]);
    // Killed as by a power cut: it keeps nothing on a disk, so it asks anew and gets what it had.
    drop(first);
    let again = start(&world, &mut networkd(&world), "networkd.2");
    assert_eq!(address(&said(&world, "networkd.2", &["DHCPv4 address 10.0.0."])), leased);
    signal(&again, Signal::SIGTERM);
    wait_until_released(&world, MAC);
}
