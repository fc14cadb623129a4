//! Real DHCP clients on the LAN, each through its whole life: it obtains an address, renews it by unicast, rebinds by
//! broadcast because the gateway hears no unicast any more, dies as by a power cut, comes back, and gives the address back.
//! Which client does what is a table in tests/README.md.

mod dhclient;
mod dhcpcd;
mod left_behind;
mod networkd;
mod udhcpc;

use crate::world::{CONFIG, Running, World};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

/// Renewal after one second and rebinding after three, so that a test can wait for both.
const SHORT: &str = r#"
[[dhcp.option]]
name = "renewal-time"
value = 1
always = true

[[dhcp.option]]
name = "rebinding-time"
value = 3
always = true
"#;

/// A gateway with short times, and a client's interface with this hardware address.
fn world(test: &str, mac: &str) -> Option<World> {
    let world = World::start(test, &format!("{CONFIG}{SHORT}"))?;
    world.lan.ip(&format!("link set lan0 address {mac}")).unwrap();
    Some(world)
}

/// Starts a client; what it says goes to this log.
fn start(world: &World, command: &mut Command, log: &str) -> Running {
    let log = File::create(world.path(log)).unwrap();
    Running(command.stdout(log.try_clone().unwrap()).stderr(log).spawn().expect("the client starts"))
}

/// Waits until the log holds these words in this order, and returns all of it.
fn said(world: &World, log: &str, words: &[&str]) -> String {
    said_since(world, log, 0, words)
}

/// The same, in what the log got after so many bytes.
fn said_since(world: &World, log: &str, since: usize, words: &[&str]) -> String {
    world.wait_for(&format!("{words:?} in {log} beyond {since}"), |world| {
        let text = fs::read_to_string(world.path(log)).ok()?;
        words.iter().try_fold(text.get(since..)?, |rest, word| Some(rest.split_once(word)?.1))?;
        Some(text)
    })
}

fn log_length(world: &World, log: &str) -> usize {
    fs::read_to_string(world.path(log)).unwrap_or_default().len()
}

/// From now on the gateway hears no DHCP message that was sent to its address alone, as if it had moved.
fn hear_no_unicast(world: &World) {
    let rules =
        "table ip deaf { chain in { type filter hook input priority -300; ip daddr 10.0.0.1 udp dport 67 drop; }; }";
    let said = world.gate.output("nft", &[rules]).unwrap();
    assert!(said.is_empty(), "{said}");
}

/// The gateway hears everything again.
fn hear_all(world: &World) {
    world.gate.output("nft", &["delete", "table", "ip", "deaf"]).unwrap();
}

fn signal(running: &Running, signal: Signal) {
    kill(Pid::from_raw(running.0.id() as i32), signal).unwrap();
}

/// A script for a client that runs one to set its addresses up.
fn script(world: &World, text: &str) -> String {
    let path = world.path("script");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_string()
}

/// Whether this station has this address in the gateway's own table.
fn is_leased(world: &World, mac: &str, address: &str) -> bool {
    let table = world.ask("leases").unwrap_or_default();
    table.lines().any(|line| line.contains(mac) && line.contains(address) && !line.contains("not seen"))
}

fn wait_until_released(world: &World, mac: &str) {
    world.wait_for("the lease to go", |world| world.ask("leases").ok().filter(|text| !text.contains(mac)));
}
