//! What happens while the gateway runs: adapters come and go, the uplink's network becomes another.

use crate::world::{CONFIG, FAR_ADDRESS, FAR_NAME, RANGE, WAN_HOST, World};

const UDHCPC: [&str; 11] = ["-i", "lan0", "-f", "-q", "-n", "-t", "10", "-T", "1", "-s", "/bin/true"];

#[test]
fn a_static_uplink_works_without_a_dhcp_server() {
    let fixed = "[uplink]\ninterface = \"eth1\"\naddress = \"192.168.77.9/24\"\ngateway = \"192.168.77.1\"\n";
    let config = CONFIG.replace("[uplink]\ninterface = \"eth1\"\n", fixed);
    let config = config.replace("[dns]", &format!("[dns]\nupstream = [\"{WAN_HOST}\"]"));
    let Some(world) = World::start("static uplink", &config) else { return };
    world.plug_in_client();
    world.start_web_server();
    world.wait_for_uplink();
    assert_eq!(world.addresses("eth1"), ["192.168.77.9/24"]);
    let routes = world.gate.output("ip", &["-4", "route"]).unwrap();
    assert!(routes.contains("default via 192.168.77.1 dev eth1"), "{routes}");
    world.wait_for("a name", |world| (world.dig(&[FAR_NAME]) == FAR_ADDRESS).then_some(()));
    let page = format!("http://{WAN_HOST}/");
    let page = world.lan.output("wget", &["-q", "-T", "5", "-t", "1", "-O", "-", &page]).unwrap();
    assert!(page.contains("you are 192.168.77.9"), "{page}\n{}", world.known());
    assert!(!world.dnsmasq_log().contains("dhcpdiscover"), "{}", world.known());
}

#[test]
fn an_uplink_adapter_may_be_pulled_out_and_plugged_in() {
    let Some(mut world) = World::start("uplink hot-plug", CONFIG) else { return };
    world.plug_in_client();
    world.wait_for_uplink();
    world.wait_for("a name", |world| (world.dig(&[FAR_NAME]) == FAR_ADDRESS).then_some(()));
    for _ in 0..2 {
        world.unplug("eth1");
        world.wait_for("the adapter to be missed", |world| {
            world.ask("status").ok().filter(|text| text.contains("eth1: there is no such interface"))
        });
        assert_eq!(world.dig(&["rpi2"]), "10.0.0.2", "the LAN serves on\n{}", world.known());
        world.plug("eth1");
        world.wan.ip(&format!("addr add {WAN_HOST}/24 dev wan0")).unwrap();
        world.restart_dnsmasq(RANGE);
        world.wait_for_uplink();
        // Not from the cache: another type of the same name, then one more question that reaches dnsmasq.
        world.wait_for("a name", |world| (world.dig(&[FAR_NAME]) == FAR_ADDRESS).then_some(()));
        let routes = world.gate.output("ip", &["-4", "route"]).unwrap();
        assert!(routes.contains("default via 192.168.77.1 dev eth1"), "{routes}");
    }
}

#[test]
fn another_network_on_the_uplink_takes_the_address_back() {
    let Some(mut world) = World::start("uplink renumbered", CONFIG) else { return };
    world.wait_for_uplink();
    let before = world.addresses("eth1");
    world.restart_dnsmasq("192.168.77.150,192.168.77.199,255.255.255.0,10m");
    world.wan.ip("link set wan0 down").unwrap();
    world.wait_for("the pulled cable", |world| world.ask("status").ok().filter(|text| text.contains("no cable")));
    assert_eq!(world.addresses("eth1"), before, "a cable that is pulled costs no address");
    world.wan.ip("link set wan0 up").unwrap();
    let after = world.wait_for("another address", |world| {
        Some(world.addresses("eth1")).filter(|now| *now != before && !now.is_empty())
    });
    let last: u8 = after[0].rsplit('.').next().unwrap().trim_end_matches("/24").parse().unwrap();
    assert!(after.len() == 1 && (150..200).contains(&last), "{after:?}");
    let log = world.wait_for("dnsmasq's log", |world| Some(world.dnsmasq_log()).filter(|log| log.contains("dhcpnak")));
    assert!(log.contains("dhcpack"), "{log}");
    let status = world.ask("status").unwrap();
    assert!(status.contains(&after[0]), "{status}");
}

#[test]
fn a_lease_of_the_uplink_is_renewed_by_unicast_at_t1() {
    let Some(world) = World::start("renewal", CONFIG) else { return };
    world.wait_for_uplink();
    let acks = |world: &World| world.dnsmasq_log().matches("dhcpack(wan0)").count();
    let before = acks(&world);
    assert!(before >= 1, "{}", world.known());
    world.wait_for("a renewal", |world| (acks(world) > before).then_some(()));
}

#[test]
fn a_lan_adapter_may_be_pulled_out_and_plugged_in() {
    let Some(world) = World::start("LAN hot-plug", CONFIG) else { return };
    for round in 0..2 {
        world.unplug("eth0");
        world.wait_for("the adapter to be missed", |world| {
            world.ask("status").ok().filter(|text| text.contains("eth0: there is no such interface"))
        });
        world.plug("eth0");
        world.wait_for("the LAN services", |world| world.ask("status").ok().filter(|t| t.contains(", serving")));
        world.lan.ip(&format!("link set lan0 address 02:00:00:00:01:0{round}")).unwrap();
        let said = world.lan.output("udhcpc", &UDHCPC).unwrap();
        assert!(said.contains("lease of 10.0.0."), "{said}\n{}", world.known());
        world.plug_in_client();
        assert_eq!(world.dig(&["rpi1"]), "10.0.0.1", "{}", world.known());
        assert_eq!(world.dig(&["+tcp", "rpi1"]), "10.0.0.1", "{}", world.known());
    }
}

#[test]
fn invariant_8_an_overlapping_uplink_moves_the_lan_to_its_alternative() {
    let config = CONFIG.replace("[lan]\n", "[lan]\nalternative = \"172.20.0.1/24\"\n");
    // Alternatives of hosts and pools are the program's choice: the configured ones belong to the first network.
    let Some(mut world) = World::without_gateway("overlap") else { return };
    world.wan.ip(&format!("addr del {WAN_HOST}/24 dev wan0")).unwrap();
    world.wan.ip("addr add 10.0.0.1/24 dev wan0").unwrap();
    world.restart_dnsmasq("10.0.0.50,10.0.0.99,255.255.255.0,10m");
    world.write_config(config.as_bytes());
    world.start_gateway();
    world.wait_for("the LAN to move", |world| (world.addresses("eth0") == ["172.20.0.1/24"]).then_some(()));
    world.wait_for("the uplink's address", |world| (world.addresses("eth1").len() == 1).then_some(()));
    world.lan.ip("link set lan0 address 02:00:00:00:00:71").unwrap();
    let said = world.lan.output("udhcpc", &UDHCPC).unwrap();
    assert!(said.contains("lease of 172.20.0."), "{said}\n{}", world.known());
    world.lan.ip("addr add 172.20.0.200/24 dev lan0").unwrap();
    let dig = |world: &World, name| world.lan.output("dig", &["@172.20.0.1", "+short", "+time=3", name]).unwrap();
    assert_eq!(dig(&world, "rpi1").trim(), "172.20.0.1");
    // The uplink's router has the address that was ours, and is the name server too.
    world.wait_for("a name", |world| (dig(world, FAR_NAME).trim() == FAR_ADDRESS).then_some(()));

    world.kill_gateway();
    world.start_gateway();
    let leases = world.wait_for("the gateway", |world| world.ask("leases").ok());
    assert!(leases.contains("02:00:00:00:00:71"), "invariant 2, on the alternative network too: {leases}");
    assert_eq!(world.addresses("eth0"), ["172.20.0.1/24"]);
}
