//! A person's mistakes: each is said in words, and the LAN comes up all the same.

use crate::world::{CONFIG, World};
use std::fs;

/// Starts with a bad file and returns what the user is told.
fn told(name: &str, bytes: &[u8]) -> Option<String> {
    let mut world = World::without_gateway(name)?;
    world.write_config(bytes);
    world.start_gateway();
    world.wait_for("the LAN services", |world| world.ask("status").ok().filter(|text| text.contains(", serving")));
    world.plug_in_client();
    assert_eq!(world.dig(&["gatepost"]), "10.0.0.1", "{name}: the LAN works on defaults\n{}", world.known());
    Some(fs::read_to_string(world.path("run/gateway.errors.txt")).unwrap_or_default())
}

#[test]
fn every_bad_file_has_its_message() {
    let pool = "[lan]\naddress = \"10.0.0.1/24\"\n[dhcp]\npool = \"10.0.1.10-10.0.1.20\"\n";
    let twice = "[[host]]\nname = \"a\"\naddress = \"10.0.0.5\"\n[[host]]\nname = \"b\"\naddress = \"10.0.0.5\"\n";
    let large = "# padding\n".repeat(200_000);
    let cases: [(&str, &[u8], &[&str]); 6] = [
        ("empty", b"", &[]),
        ("unknown key", b"[uplink]\ninterfaec = \"eth1\"\n", &["gateway.toml:2", "interfaec", "interface"]),
        ("pool outside", pool.as_bytes(), &["gateway.toml:4", "pool", "10.0.0.1/24"]),
        ("duplicate", twice.as_bytes(), &["gateway.toml:6", "10.0.0.5"]),
        ("2 MB", large.as_bytes(), &["gateway.toml", "large"]),
        ("binary", &[0x7f, b'E', b'L', b'F', 0xff, 0xfe, 0, 1], &["gateway.toml", "text"]),
    ];
    for (name, bytes, expected) in cases {
        let Some(text) = told(name, bytes) else { return };
        for word in expected {
            assert!(text.contains(word), "{name}: `{word}` is missing in\n{text}");
        }
        assert_eq!(text.is_empty(), expected.is_empty(), "{name}: {text}");
    }
}

#[test]
fn the_last_good_configuration_stays_in_force() {
    let Some(mut world) = World::start("last good", CONFIG) else { return };
    world.plug_in_client();
    assert_eq!(world.dig(&["rpi1"]), "10.0.0.1");
    world.kill_gateway();
    world.write_config(b"hostname = 7\n");
    world.start_gateway();
    world.wait_for("the LAN services", |world| world.ask("status").ok().filter(|text| text.contains(", serving")));
    assert_eq!(world.dig(&["rpi1"]), "10.0.0.1", "{}", world.known());
    let status = world.ask("status").unwrap();
    assert!(status.contains("last good"), "{status}");
}
