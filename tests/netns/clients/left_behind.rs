//! A client that was bound before the LAN moved: nobody tells it, and it must come along all the same.

use super::*;
use crate::world::WAN_HOST;

const MAC: &str = "02:00:00:00:00:55";

/// The uplink has no network yet, so a client gets its lease of the first one, for minutes only. Then the uplink turns out
/// to be on the same network. The client's renewals go to an address that is the other router's now; what it tells
/// everybody comes from outside the LAN, where the packet filter and the reverse path filter drop it, and is answered.
fn before_the_move(test: &str) -> Option<World> {
    let mut world = World::without_gateway(test)?;
    world.wan.ip("link set wan0 down").unwrap();
    world.wan.ip(&format!("addr del {WAN_HOST}/24 dev wan0")).unwrap();
    world.lan.ip(&format!("link set lan0 address {MAC}")).unwrap();
    let config = CONFIG.replace("[lan]\n", "[lan]\nalternative = \"172.20.0.1/24\"\n");
    world.write_config(format!("{config}{SHORT}").as_bytes());
    world.start_gateway();
    world.wait_for("the LAN services", |world| world.ask("status").ok().filter(|text| text.contains(", serving")));
    Some(world)
}

fn move_lan(world: &mut World) {
    let lease = leased(world);
    assert!(lease.contains("10.0.0.") && (lease.contains("in 2 min") || lease.contains("in 3 min 0 s")), "{lease}");
    world.wan.ip("addr add 10.0.0.1/24 dev wan0").unwrap();
    world.restart_dnsmasq("10.0.0.50,10.0.0.99,255.255.255.0,10m");
    world.wan.ip("link set wan0 up").unwrap();
    world.wait_for("the LAN to move", |world| {
        world.ask("status").ok().filter(|text| text.contains("172.20.0.1/24, serving"))
    });
}

/// What the gateway knows of the client's lease.
fn leased(world: &World) -> String {
    let table = world.ask("leases").unwrap();
    table.lines().find(|line| line.contains(MAC)).unwrap_or_default().to_string()
}

fn has_come_along(world: &World) {
    let lease = leased(world);
    let long = lease.contains("in 59 min") || lease.contains("in 1 h");
    assert!(lease.contains("172.20.0.") && long, "{lease}\n{}", world.known());
}

#[test]
fn rfc2131_4_3_2_isc_dhclient_comes_along_when_the_lan_moves() {
    let Some(mut world) = before_the_move("left behind") else { return };
    let script = script(&world, dhclient::SCRIPT);
    let _client = start(&world, &mut dhclient::dhclient(&world, &script, &["-d"]), "dhclient.1");
    let bound = said(&world, "dhclient.1", &["DHCPACK", "bound to 10.0.0."]);
    move_lan(&mut world);
    said_since(&world, "dhclient.1", bound.len(), &["DHCPNAK", "DHCPACK", "bound to 172.20.0."]);
    has_come_along(&world);
}

/// It knows no T1 and T2, so it is told to renew; and it takes a refusal only from the server that it knows.
#[test]
fn rfc2131_4_3_2_busybox_udhcpc_comes_along_when_the_lan_moves() {
    let Some(mut world) = before_the_move("left behind too") else { return };
    let script = script(&world, udhcpc::SCRIPT);
    let client = start(&world, &mut udhcpc::udhcpc(&world, &script, &[]), "udhcpc.1");
    let bound = said(&world, "udhcpc.1", &["lease of 10.0.0."]);
    move_lan(&mut world);
    signal(&client, Signal::SIGUSR1);
    let words = ["renew", "received DHCP NAK", "lease of 172.20.0."];
    said_since(&world, "udhcpc.1", bound.len(), &words);
    has_come_along(&world);
}
