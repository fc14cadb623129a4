//! Block lists, records and a forwarded domain in the running gateway, asked with dig.

use crate::world::{CONFIG, FAR_NAME, World};
use std::fs;

const KEYS: &str = r#"
[dns]
block = ["ads.txt", "gone.txt"]

[[dns.record]]
name = "*.apps"
type = "CNAME"
value = "rpi2"

[[dns.record]]
name = "world"
type = "CNAME"
value = "far.example"

[[dns.forward]]
domain = "nowhere.example"
upstream = ["192.168.77.200"]
"#;

#[test]
fn names_are_blocked_aliased_and_kept_apart() {
    let Some(mut world) = World::without_gateway("blocking") else { return };
    fs::create_dir_all(world.path("blocklists")).unwrap();
    fs::write(world.path("blocklists/ads.txt"), format!("0.0.0.0 ads.{FAR_NAME}\n")).unwrap();
    fs::write(world.path("blocklists/.complete"), "").unwrap();
    world.write_config(CONFIG.replace("[dns]\nlog_queries = true\n", KEYS).as_bytes());
    world.start_gateway();
    world.plug_in_client();
    world.wait_for_uplink();
    let status = |world: &World| world.ask("status").unwrap_or_default();
    world.wait_for("the list", |world| status(world).contains("1 names are blocked").then_some(()));
    assert!(status(&world).contains("The block list gone.txt is not in the folder"), "{}", status(&world));
    world.wait_for("a name known only upstream", |world| {
        world.dig(&["world"]).ends_with(crate::world::FAR_ADDRESS).then_some(())
    });
    let said = world.lan.output("dig", &["@10.0.0.1", "+time=3", "+tries=1", &format!("a.ads.{FAR_NAME}")]).unwrap();
    assert!(said.contains("status: NXDOMAIN") && said.contains("EDE: 15"), "{said}");
    assert!(said.contains(&format!("ads.{FAR_NAME}.\t")) && said.contains("SOA"), "{said}");
    assert_eq!(world.dig(&["any.apps.mydomain.net"]), "rpi2.mydomain.net.\n10.0.0.2");
    // The names of a domain with servers of its own are asked of nobody else, even if these are silent.
    let said = world.lan.output("dig", &["@10.0.0.1", "+time=8", "+tries=1", "a.nowhere.example"]).unwrap();
    assert!(said.contains("status: SERVFAIL"), "{said}");
    assert!(!world.dnsmasq_log().contains("nowhere.example"));
}
