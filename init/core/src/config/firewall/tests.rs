//! Tests of `firewall`.

use super::*;
use crate::config::parse;
use alloc::string::ToString;

const HOST: &str = "[[host]]\nname = \"rpi2\"\nmac = \"02:00:00:00:00:02\"\naddress = \"10.0.0.2\"\n";

fn with(keys: &str) -> String {
    format!("{keys}\n{HOST}")
}

#[track_caller]
fn refused(keys: &str, message: &str) {
    let said = parse(with(keys).as_bytes()).expect_err(keys).to_string();
    assert_eq!(said, format!("gateway.toml:{message}"));
}

#[test]
fn openings_and_closings_are_read() {
    let text = with(
        "[[forward]]\nport = 8080\nto = \"RPI2\"\nto_port = 80\n\
         [[forward]]\nprotocol = \"both\"\nport = \"9000-9010\"\nto = \"10.0.0.9\"\n\
         [firewall]\nprivate_networks = true\n\
         [[firewall.allow]]\nprotocol = \"udp\"\nport = \"51820\"\nsource = \"192.168.0.7\"\n\
         [[firewall.block]]\nhost = \"rpi2\"\n[[firewall.block]]\nhost = \"10.0.0.66\"",
    );
    let config = parse(text.as_bytes()).unwrap();
    let host: Ipv4Addr = "10.0.0.2".parse().unwrap();
    assert_eq!(
        config.forwards,
        [
            PortForward {
                transport: Transport::Tcp,
                ports: Ports { first: 8080, last: 8080 },
                to: host,
                to_port: Some(80)
            },
            PortForward {
                transport: Transport::Both,
                ports: Ports { first: 9000, last: 9010 },
                to: "10.0.0.9".parse().unwrap(),
                to_port: None
            },
        ]
    );
    assert!(config.firewall.private_networks);
    let source = Some("192.168.0.7/32".parse().unwrap());
    let ports = Ports { first: 51820, last: 51820 };
    assert_eq!(config.firewall.allows, [Allow { transport: Transport::Udp, ports, source }]);
    let mac = Some("02:00:00:00:00:02".parse().unwrap());
    let other = BlockedHost { address: "10.0.0.66".parse().unwrap(), mac: None };
    assert_eq!(config.firewall.blocks, [BlockedHost { address: host, mac }, other]);
    assert_eq!(parse(b"").unwrap().firewall, Firewall::default());
}

#[test]
fn mistakes_in_ports_and_hosts_are_explained() {
    for (keys, message) in [
        ("", "1:1: forward.port: this entry has no port; add port = 8080, or port = \"8000-8010\" for several"),
        (
            "port = 0",
            "2:8: forward.port: \"0\" is not a port from 1 to 65535; write a number such as 8080, or first and last with a hyphen, as in \"8000-8010\"",
        ),
        ("port = \"9-8\"", "2:8: forward.port: the first port 9 is above the last one 8; write \"8-9\""),
        (
            "port = 9\nprotocol = \"icmp\"",
            "3:12: forward.protocol: \"icmp\" is not a protocol that has ports; write \"tcp\", \"udp\" or \"both\"",
        ),
        ("port = \"8-9\"\nto_port = 8", "3:11: forward.to_port: several ports keep their numbers; leave to_port out"),
        (
            "port = 9\nto_port = 70000",
            "3:11: forward.to_port: \"70000\" is not a port from 1 to 65535; write one number such as 80",
        ),
        (
            "port = \"60-70\"\nprotocol = \"udp\"",
            "2:8: forward.port: UDP port 68 is the gateway's own: there it gets the uplink's address; leave that port out",
        ),
        (
            "port = [9]",
            "2:8: forward.port: this must be a number, or text in quotes, but is a list; write port = 80 or port = \"...\"",
        ),
    ] {
        // The keys of the one entry, with a host that is right.
        let text = format!("[[forward]]\n{keys}\nto = \"rpi2\"");
        let said = parse(with(&text).as_bytes()).expect_err(keys).to_string();
        assert_eq!(said.lines().next().unwrap(), format!("gateway.toml:{message}"));
    }
    refused(
        "[[forward]]\nport = 9",
        "1:1: forward.to: this entry names no host; add to = \"rpi2\", or an address of the LAN",
    );
    refused(
        "[[forward]]\nport = 9\nto = \"rpi9\"",
        "3:6: forward.to: \"rpi9\" is neither a [[host]] of this file nor an address; add a [[host]] with this name and an address, or write its address here",
    );
    for bad in ["10.0.1.2", "10.0.0.1", "10.0.0.255"] {
        refused(
            &format!("[[forward]]\nport = 9\nto = \"{bad}\""),
            &format!(
                "3:6: forward.to: {bad} is not a host of the LAN 10.0.0.1/24; write the address of a machine of the LAN"
            ),
        );
    }
}

#[test]
fn contradictions_are_explained() {
    let forward = |protocol, port| format!("[[forward]]\nto = \"rpi2\"\nprotocol = \"{protocol}\"\nport = {port}\n");
    refused(
        &(forward("tcp", "80") + &forward("both", "\"79-81\"")),
        "8:8: forward.port: another [[forward]] has this port already; give each port to one host",
    );
    assert!(parse(with(&(forward("tcp", "80") + &forward("udp", "80"))).as_bytes()).is_ok());
    refused(
        &(forward("tcp", "22") + "[[firewall.allow]]\nport = 22"),
        "4:8: forward.port: [[firewall.allow]] opens this port for the gateway itself; remove one of the two, or choose another port",
    );
    refused(
        "[[firewall.allow]]\nport = \"50-60\"",
        "2:8: firewall.allow.port: port 53 is DNS, which the gateway serves on the LAN only; leave it out",
    );
    refused(
        "[[firewall.allow]]\nport = 22\nsource = \"home\"",
        "3:10: firewall.allow.source: \"home\" is neither a network nor an address; write for instance \"192.168.0.0/24\" or \"192.168.0.7\"",
    );
    refused(
        "[[firewall.allow]]\nport = 22\n[[firewall.allow]]\nport = 22",
        "4:8: firewall.allow.port: another [[firewall.allow]] says the same; keep one of them",
    );
    refused(
        "[[firewall.block]]\nhost = \"rpi2\"\n[[firewall.block]]\nhost = \"10.0.0.2\"",
        "3:1: firewall.block.host: 10.0.0.2 is blocked already; keep one of them",
    );
    refused(
        "[forward]\nport = 1",
        "1:1: forward: this must be a list of entries, but is a section; write a line [[forward]], with double brackets, above the keys of each entry",
    );
}

#[test]
fn the_lists_have_a_cap() {
    let many: String =
        (0..=MAX_OPENINGS).map(|n| format!("[[forward]]\nto = \"rpi2\"\nport = {}\n", n + 1000)).collect();
    refused(&many, "385:1: forward: there are more than 128 entries; remove some");
}
