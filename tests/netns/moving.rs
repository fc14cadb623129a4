//! The gateway is carried to another home: another network is at the other end of the uplink's cable, with another router
//! and other DNS servers, and nothing is restarted.

use crate::world::{CONFIG, FAR_ADDRESS, FAR_NAME, WAN_HOST, World};
use std::net::{IpAddr, UdpSocket};

/// Where the second home's router is, and what it hands out.
const OTHER_HOST: &str = "192.168.99.1";
const OTHER_RANGE: &str = "192.168.99.50,192.168.99.99,255.255.255.0,10m";

/// Plugs the uplink's cable into the second home's router.
fn move_house(world: &mut World, more: &[&str]) {
    world.wan.ip("link set wan0 down").unwrap();
    world.wait_for("the pulled cable", |world| world.ask("status").ok().filter(|text| text.contains("no cable")));
    world.wan.ip(&format!("addr del {WAN_HOST}/24 dev wan0")).unwrap();
    world.wan.ip(&format!("addr add {OTHER_HOST}/24 dev wan0")).unwrap();
    world.restart_dnsmasq_with(OTHER_RANGE, more);
    world.wan.ip("link set wan0 up").unwrap();
    world.wait_for("an address of the other home", |world| {
        Some(world.addresses("eth1")).filter(|now| now.len() == 1 && now[0].starts_with("192.168.99."))
    });
}

/// A flow that was translated to the old address would be sent from it for ever, if conntrack did not forget it: the kernel's
/// masquerading does, as soon as the address goes.
#[test]
fn another_home_is_taken_up_without_a_restart_and_no_old_flow_stays() {
    let Some(mut world) = World::start("moving house", CONFIG) else { return };
    world.plug_in_client();
    world.wait_for_uplink();
    world.wait_for("a name", |world| (world.dig(&[FAR_NAME]) == FAR_ADDRESS).then_some(()));
    let bound = |address: String| {
        move || {
            let socket = UdpSocket::bind(address).unwrap();
            socket.set_read_timeout(Some(crate::world::DEADLINE)).unwrap();
            socket
        }
    };
    let far = world.wan.inside(bound(format!("{FAR_ADDRESS}:4000"))).join().unwrap();
    let phone = world.lan.inside(bound("10.0.0.2:4000".into())).join().unwrap();
    let seen = || {
        phone.send_to(b"still there", (FAR_ADDRESS, 4000)).unwrap();
        far.recv_from(&mut [0; 32]).unwrap().1.ip()
    };
    assert!(matches!(seen(), IpAddr::V4(address) if address.octets()[..3] == [192, 168, 77]));

    move_house(&mut world, &[]);
    let routes = world.gate.output("ip", &["-4", "route"]).unwrap();
    assert!(routes.contains(&format!("default via {OTHER_HOST} dev eth1")), "{routes}");
    assert!(!routes.contains("192.168.77."), "{routes}");
    assert!(matches!(seen(), IpAddr::V4(address) if address.octets()[..3] == [192, 168, 99]));
    // A name that is not in the cache, from the other home's server.
    world.wait_for("a name", |world| (world.dig(&[&format!("new.{FAR_NAME}")]) == FAR_ADDRESS).then_some(()));
    assert!(world.ask("status").unwrap().contains(&format!("{OTHER_HOST}:53")), "{}", world.known());
    // What is private there may be reached, what was private before may not.
    let rules = world.gate.output("nft", &["--stateless", "--terse", "list", "ruleset"]).unwrap();
    assert!(rules.contains("ip daddr 192.168.99.0/24 accept") && !rules.contains("192.168.77."), "{rules}");
}

#[test]
fn rfc8910_a_network_with_a_log_in_page_says_where_it_is() {
    let Some(mut world) = World::start("captive portal", CONFIG) else { return };
    world.wait_for_uplink();
    assert!(!world.ask("status").unwrap().contains("log-in"));
    move_house(&mut world, &["--dhcp-option=114,https://login.hotel.example/"]);
    let status =
        world.wait_for("the log-in page", |world| world.ask("status").ok().filter(|text| text.contains("portal   ")));
    assert!(status.contains("open https://login.hotel.example/ on a machine of the LAN"), "{status}");
    assert!(world.ask("log").unwrap().contains("https://login.hotel.example/"));
}

#[test]
fn the_filters_counters_are_told() {
    let Some(world) = World::start("counters", CONFIG) else { return };
    world.plug_in_client();
    world.wait_for_uplink();
    let refused = world.lan.inside(|| std::net::TcpStream::connect("10.0.0.1:81").map(drop)).join().unwrap();
    assert!(refused.is_err());
    let text = world.ask("firewall").unwrap();
    assert!(text.starts_with("connections  "), "{text}");
    let line =
        text.lines().find(|line| line.ends_with("from the LAN to a closed port of the gateway")).expect("the line");
    let packets: u64 = line.split_whitespace().next().unwrap().parse().unwrap();
    assert!(packets >= 1, "{text}");
}
