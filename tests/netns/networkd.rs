//! systemd-networkd as a client, without a systemd: it gets its address, renews it, keeps it over a restart, and gives it back.

use crate::world::{CONFIG, Running, World};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::{self, File};

const MAC: &str = "02:00:00:00:00:55";

/// Renewal after two seconds, so that a test can wait for it.
const SHORT: &str = "\n[[dhcp.option]]\nname = \"renewal-time\"\nvalue = 2\nalways = true\n";

/// Its own `/run`; with a `/sys` that can't be written it takes itself to be in a container and waits for no udev.
const SCRIPT: &str = "mount -t tmpfs tmpfs /run && mount -o remount,ro /sys && mkdir -p /run/systemd/network /run/systemd/netif/leases \
/run/systemd/netif/links && printf '[Match]\\nName=lan0\\n[Network]\\nDHCP=ipv4\\nLinkLocalAddressing=no\\nIPv6AcceptRA=no\\n[DHCPv4]\\nClientIdentifier=mac\\n' \
> /run/systemd/network/10-lan.network && SYSTEMD_LOG_LEVEL=debug exec /lib/systemd/systemd-networkd";

fn start(world: &World, log: &str) -> Running {
    let log = File::create(world.path(log)).unwrap();
    let mut command = world.lan.command("sh");
    command.args(["-c", SCRIPT]).stdout(log.try_clone().unwrap()).stderr(log);
    Running(command.spawn().expect("networkd starts"))
}

/// What it has said, once that holds the words.
fn said(world: &World, log: &str, words: &str) -> String {
    world.wait_for(&format!("{words} in {log}"), |world| {
        fs::read_to_string(world.path(log)).ok().filter(|text| text.contains(words))
    })
}

fn address(text: &str) -> &str {
    let rest = text.split("DHCPv4 address ").nth(1).expect("it says its address");
    rest.split('/').next().expect("an address with its prefix")
}

#[test]
fn systemd_networkd_leases_renews_keeps_and_releases() {
    let config = format!("{CONFIG}{SHORT}");
    let Some(world) = World::start("systemd_networkd_leases_renews_keeps_and_releases", &config) else { return };
    world.lan.ip(&format!("link set lan0 address {MAC}")).unwrap();
    let first = start(&world, "networkd.1");
    let text = said(&world, "networkd.1", "DHCPv4 address 10.0.0.");
    let leased = address(&text).to_string();
    let table = world.ask("leases").unwrap();
    assert!(table.contains(&leased) && table.contains(MAC), "{table}");
    world.wait_for("a renewal that is acknowledged", |world| {
        let text = fs::read_to_string(world.path("networkd.1")).ok()?;
        text.split_once("REQUEST (renewing)").filter(|(_, after)| after.contains("ACK")).map(drop)
    });
    // Killed as by a power cut.
    drop(first);
    let again = start(&world, "networkd.2");
    assert_eq!(address(&said(&world, "networkd.2", "DHCPv4 address 10.0.0.")), leased);
    kill(Pid::from_raw(again.0.id() as i32), Signal::SIGTERM).unwrap();
    world.wait_for("the lease to go", |world| world.ask("leases").ok().filter(|text| !text.contains(MAC)));
}
