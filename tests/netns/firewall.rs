//! What crosses the gateway and what does not.

use crate::world::{CONFIG, WAN_HOST, World};
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

/// Ports of the gateway that must stay silent towards the uplink.
const PORTS: [u16; 10] = [22, 23, 53, 67, 68, 69, 80, 123, 443, 5353];

#[test]
fn translation_hides_the_lan() {
    let Some(world) = World::start("NAT", CONFIG) else { return };
    world.start_web_server();
    world.plug_in_client();
    world.wait_for_uplink();
    let address = format!("http://{WAN_HOST}/");
    let page = world.wait_for("the page", |world| {
        let page = world.lan.output("wget", &["-q", "-T", "2", "-t", "1", "-O", "-", &address]).ok()?;
        page.contains("you are").then_some(page)
    });
    assert!(page.contains("you are 192.168.77.") && !page.contains("10.0.0."), "{page}");
}

#[test]
fn invariant_6_nothing_gets_in_from_the_uplink() {
    let Some(world) = World::start("closed uplink", CONFIG) else { return };
    world.plug_in_client();
    world.wait_for_uplink();
    let text = world.gate.output("ip", &["-4", "-o", "addr", "show", "eth1"]).unwrap();
    let gateway = text.split_whitespace().find_map(|word| word.strip_suffix("/24")).unwrap().to_string();
    // A neighbour that knows the LAN's address and routes to it through us.
    world.wan.ip(&format!("route add 10.0.0.0/24 via {gateway}")).unwrap();
    let answered = world.wan.inside(move || {
        let mut answered = Vec::new();
        for target in [gateway.as_str(), "10.0.0.1", "10.0.0.2"] {
            for port in PORTS {
                let to: SocketAddr = format!("{target}:{port}").parse().unwrap();
                match TcpStream::connect_timeout(&to, Duration::from_millis(150)) {
                    Ok(_) => answered.push(format!("tcp {to} accepts")),
                    // A reset is an answer too: it says that somebody is there.
                    Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                        answered.push(format!("tcp {to} resets"))
                    }
                    Err(_) => {}
                }
                let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
                socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
                socket.connect(to).unwrap();
                // A question that a DNS server would answer.
                let _ = socket.send(b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x04rpi1\0\0\x01\0\x01");
                match socket.recv(&mut [0; 512]) {
                    Ok(_) => answered.push(format!("udp {to} answers")),
                    Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                        answered.push(format!("udp {to} refuses"))
                    }
                    Err(_) => {}
                }
            }
        }
        answered
    });
    assert_eq!(answered.join().unwrap(), Vec::<String>::new());
}

#[test]
fn rules_are_there_before_forwarding_and_only_our_table_is_touched() {
    let Some(mut world) = World::without_gateway("own table") else { return };
    world.gate.output("nft", &["add", "table", "inet", "foreign"]).unwrap();
    world.write_config(CONFIG.as_bytes());
    world.start_gateway();
    world.wait_for_uplink();
    let rules = || world.gate.output("nft", &["--stateless", "--terse", "list", "ruleset"]).unwrap();
    world.wait_for("our table", |_| rules().contains("table inet gatepost").then_some(()));
    let forward = |world: &World| world.gate.output("cat", &["/proc/sys/net/ipv4/ip_forward"]).unwrap();
    world.wait_for("forwarding", |world| (forward(world).trim() == "1").then_some(()));
    let first = rules();
    assert!(first.contains("table inet foreign"), "{first}");
    world.kill_gateway();
    world.start_gateway();
    world.wait_for("the gateway", |world| world.ask("status").ok().filter(|text| text.contains(", serving")));
    // Killed before the uplink's lease was on disk it asks for it anew, and has rules without the uplink's network until then.
    world.wait_for("the same rules, applied twice", |world| {
        let again = world.gate.output("nft", &["--stateless", "--terse", "list", "ruleset"]).unwrap();
        (again == first).then_some(())
    });
}

#[test]
fn invariant_8_an_overlapping_uplink_leaves_the_lan_alone() {
    let config = CONFIG
        .replace("10.0.0.", "192.168.77.")
        .replace("192.168.77.10-192.168.77.128", "192.168.77.100-192.168.77.120");
    let Some(world) = World::start("overlap", &config) else { return };
    let status =
        world.wait_for("the conflict", |world| world.ask("status").ok().filter(|text| text.contains("overlap")));
    let lan = world.gate.output("ip", &["-4", "-o", "addr", "show", "eth0"]).unwrap();
    assert!(lan.contains("192.168.77.1/24"), "{lan}\n{status}");
    let uplink = world.gate.output("ip", &["-4", "-o", "addr", "show", "eth1"]).unwrap();
    assert!(!uplink.contains("192.168.77."), "never half-applied: {uplink}");
}
