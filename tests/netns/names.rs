//! Names on the LAN, asked with dig.

use crate::world::{CONFIG, FAR_ADDRESS, FAR_NAME, World};
use std::fs;

#[test]
fn hosts_the_gateway_and_the_world_have_names() {
    let Some(world) = World::start("names", CONFIG) else { return };
    world.plug_in_client();
    assert_eq!(world.dig(&["rpi1"]), "10.0.0.1");
    assert_eq!(world.dig(&["rpi1.mydomain.net"]), "10.0.0.1");
    assert_eq!(world.dig(&["RPI2.MyDomain.net"]), "10.0.0.2");
    assert_eq!(world.dig(&["-x", "10.0.0.1"]), "rpi1.mydomain.net.");
    assert_eq!(world.dig(&["-x", "10.0.0.2"]), "rpi2.mydomain.net.");
    assert_eq!(world.dig(&["+tcp", "rpi2"]), "10.0.0.2");
    assert_eq!(world.dig(&["rpi2", "AAAA"]), "", "a host without that record has an empty answer");

    world.wait_for_uplink();
    world.wait_for("a name known only upstream", |world| (world.dig(&[FAR_NAME]) == FAR_ADDRESS).then_some(()));
    assert_eq!(world.dig(&["+tcp", FAR_NAME]), FAR_ADDRESS);
}

#[test]
fn invariant_3_the_local_domain_never_goes_upstream() {
    let Some(world) = World::start("no leak", CONFIG) else { return };
    world.plug_in_client();
    world.wait_for_uplink();
    world.wait_for("a name known only upstream", |world| (world.dig(&[FAR_NAME]) == FAR_ADDRESS).then_some(()));
    for secret in ["nobody.mydomain.net", "nobody", "printer.local", "x.home.arpa"] {
        let said = world.lan.output("dig", &["@10.0.0.1", "+time=3", "+tries=1", secret]).unwrap();
        assert!(said.contains("status: NXDOMAIN"), "{secret}: {said}");
    }
    assert_eq!(world.dig(&["-x", "10.0.0.77"]), "");
    assert_eq!(world.dig(&["-x", "172.16.3.4"]), "");
    // What reached dnsmasq stands in its log; the far name shows that the log works.
    // Our queries mix upper and lower case, as a guard against forged replies.
    let log = fs::read_to_string(world.path("dnsmasq.log")).unwrap().to_lowercase();
    assert!(log.contains(FAR_NAME), "{log}");
    for leak in ["nobody", "printer.local", "home.arpa", "77.0.0.10", "16.172"] {
        assert!(!log.contains(leak), "{leak} went upstream:\n{log}");
    }
}

#[test]
fn servfail_when_no_upstream_answers() {
    let config = CONFIG.replace("[dns]", "[dns]\nupstream = [\"192.168.77.200\"]");
    let Some(world) = World::start("servfail", &config) else { return };
    world.plug_in_client();
    world.wait_for_uplink();
    let said = world.lan.output("dig", &["@10.0.0.1", "+time=8", "+tries=1", FAR_NAME]).unwrap();
    assert!(said.contains("status: SERVFAIL"), "{said}\n{}", world.known());
}
