//! The uplink over a radio that is a value.

use super::lab::Lab;
use crate::config::{Config, WifiNetwork};
use crate::gateway::WifiEvent;
use crate::net::MacAddr;
use crate::time::Duration;
use crate::wifi::{Bss, Channel, Connected, Disconnected, Radio};
use alloc::vec;
use alloc::vec::Vec;

const AP: MacAddr = MacAddr([2, 0, 0, 0, 0, 0xaa]);

/// A laboratory whose uplink is an open network on `wlan0`, which is not there yet.
fn lab() -> Lab {
    let mut config = Config::default();
    config.uplink.interface = "wlan0".into();
    config.uplink.wifi = vec![open_network()];
    let mut lab = Lab::new(config);
    lab.look();
    lab
}

fn open_network() -> WifiNetwork {
    crate::config::parse(b"[uplink]\nwifi = [{ ssid = \"home\" }]\n").unwrap().uplink.wifi.remove(0)
}

fn radio() -> WifiEvent {
    WifiEvent::Radio(Radio {
        mac: MacAddr([2, 0, 0, 0, 1, b'0']),
        authenticate: true,
        sae: true,
        handshake_offload: false,
        control_port: true,
        ciphers: vec![0x000f_ac04, 0x000f_ac06],
        max_scan_ssids: 4,
        channels: vec![Channel { frequency: 2412, disabled: false, passive: false }],
    })
}

fn scan() -> WifiEvent {
    let elements = [&[0, 4][..], b"home"].concat();
    WifiEvent::ScanDone(vec![Bss { bssid: AP, frequency: 2412, signal: -50, capability: 1, age: 0, elements }])
}

fn connected(status: u16) -> WifiEvent {
    let outcome = Connected { bssid: Some(AP), status: Some(status), response: Vec::new(), authorized: false };
    WifiEvent::Connected(outcome)
}

/// The radio comes and the network is joined.
fn join(lab: &mut Lab) {
    lab.plug("wlan0", 9);
    lab.radio(radio());
    lab.run(Duration::from_secs(1));
    lab.radio(scan());
    lab.run(Duration::from_secs(1));
    lab.radio(connected(0));
}

#[test]
fn the_link_counts_from_the_moment_when_data_may_flow() {
    let mut lab = lab();
    assert!(lab.count("serve") > 0, "invariant 7: the LAN waits for no radio");
    lab.plug("wlan0", 9);
    lab.expect(&["open radio 9"]);
    lab.radio(radio());
    // The kernel's carrier is there with the association, before the port is open.
    lab.run(Duration::from_secs(3));
    assert_eq!(lab.count("broadcast"), 0, "nobody is asked for an address: {:#?}", lab.transcript);
    assert!(lab.status().contains("wlan0: "), "{}", lab.status());
    lab.radio(scan());
    lab.run(Duration::from_secs(1));
    lab.radio(connected(0));
    lab.run(Duration::from_secs(12));
    assert!(lab.count("broadcast") > 0, "{:#?}", lab.transcript);
    lab.get_uplink_lease("192.168.0.51");
    assert_eq!(lab.addresses("wlan0"), ["192.168.0.51/24"]);
}

#[test]
fn a_link_that_ends_and_a_radio_that_goes_leave_the_lan_alone() {
    let mut lab = lab();
    join(&mut lab);
    lab.get_uplink_lease("192.168.0.51");
    lab.transcript.clear();
    lab.radio(WifiEvent::Disconnected(Disconnected { bssid: Some(AP), reason: 3, by_ap: true }));
    lab.run(Duration::from_secs(5));
    assert!(lab.count("radio: Scan") > 0, "it is looked for again: {:#?}", lab.transcript);
    lab.unplug("wlan0");
    lab.expect(&["close radio"]);
    assert_eq!(lab.addresses("eth0"), ["10.0.0.1/24"]);
    assert!(lab.status().contains("eth0  10.0.0.1/24, serving"), "{}", lab.status());

    lab.transcript.clear();
    lab.plug("wlan0", 12);
    lab.expect(&["open radio 12"]);
}

#[test]
fn a_radio_that_cannot_be_used_is_tried_again_with_pauses() {
    let mut lab = lab();
    lab.plug("wlan0", 9);
    for _ in 0..20 {
        lab.radio(WifiEvent::Gone { errno: 95 });
        lab.run(Duration::from_secs(10));
    }
    let tries = lab.count("open radio");
    assert!((4..=12).contains(&tries), "{tries} in 200 s: {:#?}", lab.transcript);
    assert_eq!(lab.count("say: The uplink wlan0 is no Wi-Fi interface."), 1);
    assert!(lab.status().contains("wlan0 is no Wi-Fi interface"), "{}", lab.status());
}

#[test]
fn an_uplink_by_cable_has_no_radio() {
    let mut lab = Lab::new(Config::default());
    lab.look();
    assert_eq!(lab.count("open radio"), 0);
    assert!(lab.gateway.answer("wifi", lab.now).contains("no Wi-Fi network"));
}
