//! The gateway is carried to another home: another network is at the other end of the uplink's cable, with another router
//! and other DNS servers, and nothing is restarted.

use crate::world::{CONFIG, DEADLINE, FAR_ADDRESS, FAR_NAME, Namespace, RANGE, WAN_HOST, World};
use std::net::{IpAddr, SocketAddr, UdpSocket};

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

/// A UDP socket there.
fn bound(side: &Namespace, address: String) -> UdpSocket {
    let open = move || {
        let socket = UdpSocket::bind(address).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        socket
    };
    side.inside(open).join().unwrap()
}

/// A flow that was translated to the old address would be sent from it for ever, if conntrack did not forget it: the kernel's
/// masquerading does, as soon as the address goes.
#[test]
fn another_home_is_taken_up_without_a_restart_and_no_old_flow_stays() {
    let Some(mut world) = World::start("moving house", CONFIG) else { return };
    world.plug_in_client();
    world.wait_for_uplink();
    world.wait_for("a name", |world| (world.dig(&[FAR_NAME]) == FAR_ADDRESS).then_some(()));
    let (far, phone) = (bound(&world.wan, format!("{FAR_ADDRESS}:4000")), bound(&world.lan, "10.0.0.2:4000".into()));
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

/// A caller's flow by a port forward lives through a crash of the gateway process. In the other home its address is
/// another's, and our host must not go on answering from it; and when the forward is gone, so is what it let in.
#[test]
fn flows_of_port_forwards_go_with_the_address_and_with_the_forward() {
    let forward = "\n[[forward]]\nprotocol = \"udp\"\nport = 5000\nto = \"rpi2\"\n";
    let Some(mut world) = World::start("port forwards move house", &format!("{CONFIG}{forward}")) else { return };
    world.plug_in_client();
    world.wait_for_uplink();
    let caller = |port| bound(&world.wan, format!("{FAR_ADDRESS}:{port}"));
    let (caller, other, host) = (caller(4000), caller(4001), bound(&world.lan, "10.0.0.2:5000".into()));
    let answer = || {
        host.send_to(b"here", (FAR_ADDRESS, 4000)).unwrap();
        caller.recv_from(&mut [0; 32]).unwrap().1
    };
    let call = |caller: &UdpSocket, to: SocketAddr| {
        caller.send_to(b"hello", to).unwrap();
        assert_eq!(host.recv_from(&mut [0; 32]).unwrap().1, caller.local_addr().unwrap());
    };
    let first = port_5000(&world);
    call(&caller, first);
    assert_eq!(answer(), first);
    world.wait_for("the lease on disk", |world| world.path("state/uplink.lease").exists().then_some(()));
    restart(&mut world);
    call(&caller, first);
    assert_eq!(answer(), first, "a crash ends nothing");

    move_house(&mut world, &[]);
    // Now it is a flow that our host begins, from the address that is there.
    let second = port_5000(&world);
    world.wait_for("the flow to be forgotten", |_| (answer() == second).then_some(()));

    call(&other, second);
    world.write_config(CONFIG.as_bytes());
    restart(&mut world);
    world.wait_for("a call that is refused", |world| {
        other.send_to(b"hello", second).unwrap();
        let text = world.ask("firewall").ok()?;
        let line = text.lines().find(|line| line.ends_with("from the uplink, not asked for"))?;
        (!line.trim_start().starts_with("0 ")).then_some(())
    });
}

/// Port 5000 of the uplink's address.
fn port_5000(world: &World) -> SocketAddr {
    let net = world.addresses("eth1").pop().unwrap();
    SocketAddr::new(net.split('/').next().unwrap().parse().unwrap(), 5000)
}

/// The gateway process dies and comes again.
fn restart(world: &mut World) {
    world.kill_gateway();
    world.start_gateway();
    world.wait_for("the LAN services", |world| world.ask("status").ok().filter(|text| text.contains(", serving")));
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
fn a_network_that_answers_every_name_with_its_own_page_is_noticed_until_it_ends() {
    let Some(mut world) = World::without_gateway("portal by DNS") else { return };
    world.restart_dnsmasq_with(RANGE, &["--address=/#/192.0.2.1"]);
    world.write_config(CONFIG.as_bytes());
    world.start_gateway();
    let says = "answers every name with 192.0.2.1: it likely wants a sign-in. Open http://192.0.2.1/";
    world.wait_for("the portal", |world| world.ask("status").ok().filter(|text| text.contains(says)));
    assert!(world.ask("log").unwrap().contains(says));
    // Its page can be reached, under any name, but the answer is good for seconds only.
    let name = "news.example";
    world.plug_in_client();
    let text = world.lan.output("dig", &["@10.0.0.1", "+noall", "+answer", name]).unwrap();
    let words: Vec<&str> = text.split_whitespace().collect();
    assert!(matches!(words[..], [_, ttl, "IN", "A", "192.0.2.1"] if ttl.parse::<u32>().unwrap() <= 5), "{text}");

    // Signed in.
    world.restart_dnsmasq_with(RANGE, &[&format!("--address=/{name}/{FAR_ADDRESS}")]);
    world.wait_for("the right answer", |world| (world.dig(&[name]) == FAR_ADDRESS).then_some(()));
    world.wait_for("the end of it", |world| world.ask("status").ok().filter(|text| !text.contains("portal")));
    assert!(world.ask("log").unwrap().contains("answers names as it should again"));
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
