//! Transcripts of the whole gateway against a kernel, a disk and an uplink that are values here.

mod lab;
mod names;
mod wifi;

use crate::config::{Addressing, Config};
use crate::gateway::Connections;
use crate::net::{Ipv4Addr, Ipv4Net};
use crate::plan::Change;
use crate::time::Duration;
use alloc::string::ToString;
use alloc::vec;
use core::net::SocketAddrV4;
use lab::{ACK, Lab, NAK};

fn ip(text: &str) -> Ipv4Addr {
    text.parse().unwrap()
}

fn net(text: &str) -> Ipv4Net {
    text.parse().unwrap()
}

fn with_alternative() -> Config {
    let mut config = Config::default();
    config.lan.alternative = Some(net("172.20.0.1/24"));
    config
}

fn static_uplink() -> Config {
    let mut config = Config::default();
    config.uplink.addressing = Addressing::Static { address: net("192.168.0.51/24"), gateway: Some(ip("192.168.0.1")) };
    config.dns.upstream = vec!["192.168.0.1:53".parse::<SocketAddrV4>().unwrap().into()];
    config
}

#[test]
fn an_empty_gateway_sets_the_kernel_up_and_serves() {
    let mut lab = Lab::new(Config::default());
    lab.look();
    assert_eq!(lab.addresses("eth0"), ["10.0.0.1/24"]);
    assert!(lab.kernel.forwarding && lab.kernel.filter.is_some() && lab.kernel.links["eth1"].up);
    assert_eq!(lab.count("apply"), 1, "{:#?}", lab.transcript);
    lab.expect(&["serve 10.0.0.1/24 at 2", "listen at 3"]);
    assert!(lab.status().contains("eth0  10.0.0.1/24, serving, 0 leases"), "{}", lab.status());

    lab.transcript.clear();
    lab.look();
    assert_eq!(lab.count("apply"), 0, "invariant 5: what is as it should be is left alone: {:#?}", lab.transcript);
}

#[test]
fn a_lease_of_the_uplink_gives_address_route_and_name_servers() {
    let mut lab = Lab::new(Config::default());
    lab.look();
    lab.get_uplink_lease("192.168.0.51");
    lab.expect(&["probe 192.168.0.51", "stop probing"]);
    assert_eq!(lab.addresses("eth1"), ["192.168.0.51/24"]);
    assert_eq!(lab.routes(), ["0.0.0.0/0 by 192.168.0.1 on eth1"]);
    lab.ask_dns("far.example");
    lab.expect(&["ask 192.168.0.1:53"]);
    assert!(!lab.record.is_empty());
}

#[test]
fn a_nak_takes_the_address_back() {
    let mut lab = Lab::new(Config::default());
    lab.look();
    lab.get_uplink_lease("192.168.0.51");
    // T1 is half of the hour.
    lab.run(Duration::from_secs(1801));
    lab.expect(&["unicast to 192.168.0.1"]);
    lab.uplink_says(NAK, "0.0.0.0");
    assert!(lab.addresses("eth1").is_empty() && lab.routes().is_empty(), "{:#?}", lab.transcript);
    assert!(lab.record.is_empty(), "the record is forgotten");
    assert_eq!(lab.addresses("eth0"), ["10.0.0.1/24"], "the LAN serves on");
    lab.transcript.clear();
    // Our own questions whether the network is a portal's stayed unanswered so far.
    let asked = lab.count("ask");
    lab.ask_dns("far.example");
    assert_eq!(lab.count("ask"), asked, "there is nobody to ask");
}

#[test]
fn an_address_in_use_on_the_uplink_is_declined() {
    let mut lab = Lab::new(Config::default());
    lab.look();
    lab.offer_and_ack("192.168.0.51");
    lab.expect(&["probe 192.168.0.51"]);
    lab.somebody_has("192.168.0.51");
    lab.expect(&["stop probing"]);
    assert!(lab.addresses("eth1").is_empty());
    lab.run(Duration::from_secs(15));
    lab.offer_and_ack("192.168.0.52");
    lab.run(Duration::from_secs(2));
    assert_eq!(lab.addresses("eth1"), ["192.168.0.52/24"]);
}

#[test]
fn invariant_8_an_overlapping_uplink_moves_the_lan_or_is_left_alone() {
    let mut lab = Lab::new(with_alternative());
    lab.server = ip("10.0.0.1");
    lab.look();
    lab.get_uplink_lease("10.0.0.77");
    assert_eq!(lab.addresses("eth0"), ["172.20.0.1/24"], "{:#?}", lab.transcript);
    assert_eq!(lab.addresses("eth1"), ["10.0.0.77/24"]);
    lab.expect(&["serve 172.20.0.1/24 at 2"]);
    lab.ask_dns("far.example");
    lab.expect(&["ask 10.0.0.1:53"]);

    let mut lab = Lab::new(Config::default());
    lab.server = ip("10.0.0.1");
    lab.look();
    lab.get_uplink_lease("10.0.0.77");
    assert_eq!(lab.addresses("eth0"), ["10.0.0.1/24"]);
    assert!(lab.addresses("eth1").is_empty());
    let status = lab.status();
    assert!(status.contains("overlaps the LAN") && status.contains("can't be used"), "{status}");
}

/// The uplink's network may be the LAN's, and nobody tells clients that the LAN has moved.
#[test]
fn leases_are_short_while_the_lan_may_have_to_move() {
    let long = 12 * 3600;
    let mut lab = Lab::new(with_alternative());
    lab.look();
    assert_eq!(lab.lease_secs(7), 180, "nothing is known of the uplink's network");
    lab.get_uplink_lease("192.168.0.51");
    assert_eq!(lab.lease_secs(7), long);
    // T1 is half of the hour.
    lab.run(Duration::from_secs(1801));
    lab.uplink_says(NAK, "0.0.0.0");
    assert_eq!(lab.lease_secs(7), 180, "another network may come");
    lab.server = ip("10.0.0.1");
    lab.get_uplink_lease("10.0.0.77");
    assert_eq!(lab.addresses("eth0"), ["172.20.0.1/24"]);
    assert_eq!(lab.lease_secs(7), long);
    lab.restart(with_alternative());
    lab.look();
    assert_eq!(lab.lease_secs(7), long, "the uplink's address is still in place");

    let mut fixed = static_uplink();
    fixed.lan.alternative = with_alternative().lan.alternative;
    for config in [Config::default(), fixed] {
        let mut lab = Lab::new(config);
        lab.look();
        assert_eq!(lab.lease_secs(7), long, "it has nowhere to go, or knows at once");
    }
}

#[test]
fn invariant_8_clients_of_the_network_before_are_heard_while_their_leases_last() {
    let mut lab = Lab::new(with_alternative());
    lab.look();
    assert!(lab.lan_client(7).is_some() && !lab.left_behind);
    lab.server = ip("10.0.0.1");
    lab.get_uplink_lease("10.0.0.77");
    lab.expect(&["serve 172.20.0.1/24 at 2"]);
    assert!(lab.left_behind, "{:#?}", lab.transcript);
    lab.restart(with_alternative());
    lab.left_behind = false;
    lab.look();
    assert!(lab.left_behind, "a crash changes nothing");
    lab.unplug("eth0");
    lab.left_behind = false;
    lab.plug("eth0", 5);
    assert!(lab.left_behind, "nor does another adapter");
    lab.run(Duration::from_secs(300));
    assert!(!lab.left_behind, "leases were short before the move");
}

#[test]
fn invariant_2_a_lan_that_had_moved_keeps_its_leases_over_a_restart() {
    let mut lab = Lab::new(with_alternative());
    lab.server = ip("10.0.0.1");
    lab.look();
    lab.get_uplink_lease("10.0.0.77");
    let leased = lab.lan_client(7).expect("an address");
    assert!(net("172.20.0.1/24").contains(leased), "{leased}");
    lab.restart(with_alternative());
    lab.look();
    assert!(lab.gateway.answer("leases", lab.now).contains("02:00:00:00:00:07"), "{:#?}", lab.transcript);
    assert_eq!(lab.lan_client(7), Some(leased));
    assert_eq!(lab.addresses("eth0"), ["172.20.0.1/24"]);
}

/// After a power cut the kernel knows no address: the uplink's last lease says on which network the leases were given out.
#[test]
fn invariant_2_a_lan_that_had_moved_keeps_its_leases_over_a_power_cut() {
    let mut lab = Lab::new(with_alternative());
    lab.server = ip("10.0.0.1");
    lab.look();
    lab.get_uplink_lease("10.0.0.77");
    let leased = lab.lan_client(7).expect("an address");
    lab.power_cut(with_alternative());
    lab.look();
    assert_eq!(lab.addresses("eth0"), ["172.20.0.1/24"], "{:#?}", lab.transcript);
    assert!(lab.gateway.answer("leases", lab.now).contains("02:00:00:00:00:07"), "{:#?}", lab.transcript);
    assert_eq!(lab.lan_client(7), Some(leased));
    lab.get_uplink_lease("10.0.0.77");
    assert_eq!(lab.addresses("eth0"), ["172.20.0.1/24"]);
    assert_eq!(lab.count("The LAN has moved"), 0, "{:#?}", lab.transcript);
}

#[test]
fn a_full_connection_table_is_said_once() {
    let mut lab = Lab::new(Config::default());
    lab.look();
    for tracked in [10, 79, 80, 95, 70, 85, 59, 81] {
        lab.gateway.handle_connections(Connections { tracked, room: 100 }, lab.now);
    }
    let log = lab.gateway.answer("log", lab.now);
    assert_eq!((log.matches("nearly full").count(), log.matches("room again").count()), (2, 1), "{log}");
    assert!(lab.status().contains("nearly full"));
    let text = lab.gateway.firewall(Some(Connections { tracked: 7, room: 65536 }), &[]);
    assert!(text.starts_with("connections  7 of 65536, at most 8192 for one LAN host\n"), "{text}");
}

#[test]
fn a_restart_takes_up_the_uplinks_address_and_changes_nothing() {
    let mut lab = Lab::new(Config::default());
    lab.look();
    lab.get_uplink_lease("192.168.0.51");
    lab.lan_client(7).expect("an address");
    let before = lab.kernel.clone();
    lab.restart(Config::default());
    lab.look();
    assert_eq!(lab.kernel, before);
    let forget = "forget the connections of port forwards that are gone";
    assert_eq!(lab.changes, ["install the packet filter", forget], "nothing else is touched");
    assert!(lab.status().contains("192.168.0.51/24 by DHCP"), "{}", lab.status());
    lab.ask_dns("far.example");
    lab.expect(&["ask 192.168.0.1:53"]);
}

#[test]
fn the_query_log_can_be_switched_while_running() {
    let mut lab = Lab::new(Config::default());
    lab.look();
    lab.ask_dns("silent.test");
    assert_eq!(lab.gateway.control("log dns on", lab.now), "Queries are logged from now on.\n");
    lab.ask_dns("heard.test");
    assert_eq!(lab.gateway.control("log dns off", lab.now), "Queries are no longer logged.\n");
    lab.ask_dns("late.test");
    let log = lab.gateway.control("log", lab.now);
    assert!(
        log.contains("asked for heard.test A") && !log.contains("silent.test") && !log.contains("late.test"),
        "{log}"
    );
    assert_eq!(lab.gateway.control("log dhcp on", lab.now), "DHCP messages are logged from now on.\n");
    lab.lan_client(7).expect("an address");
    assert!(lab.gateway.answer("log", lab.now).contains("DHCP: "), "{}", lab.gateway.answer("log", lab.now));
    assert_eq!(lab.gateway.control("log dhcp off", lab.now), "DHCP messages are no longer logged.\n");
    for nonsense in ["log dhcp", "log dns", "log dns maybe", "log dns on now", "log  ", "log all off"] {
        assert!(lab.gateway.control(nonsense, lab.now).starts_with("write log dns on"), "{nonsense}");
    }
    assert!(lab.gateway.control("reboot", lab.now).starts_with("ask for status"));
}

#[test]
fn leases_become_names() {
    let mut lab = Lab::new(Config::default());
    lab.look();
    let leased = lab.lan_client(7).expect("an address");
    let line = alloc::format!("{leased:<15} kettle7.home.arpa");
    assert!(lab.gateway.answer("names", lab.now).contains(&line), "{}", lab.gateway.answer("names", lab.now));
    lab.ask_dns("kettle7.home.arpa");
    lab.expect(&["answered"]);
}

#[test]
fn what_the_kernel_refuses_is_tried_again_with_growing_pauses() {
    let mut lab = Lab::new(Config::default());
    lab.refuses = |change| matches!(change, Change::InstallFilter(_));
    lab.look();
    assert_eq!(lab.count("apply"), 1, "not in a circle: {:#?}", lab.transcript);
    lab.run(Duration::from_secs(60));
    let tries = lab.count("apply");
    assert!((8..=16).contains(&tries), "{tries} tries in a minute");
    assert_eq!(lab.count("say: Could not install the packet filter"), 1, "said once");
    assert!(lab.status().contains("trouble  Could not install"), "{}", lab.status());

    // Something new is not held up by it.
    lab.kernel.links.get_mut("eth0").unwrap().addresses.clear();
    lab.links.iter_mut().for_each(|link| link.index += 10);
    lab.kernel.links.values_mut().for_each(|link| link.index += 10);
    lab.look();
    assert_eq!(lab.addresses("eth0"), ["10.0.0.1/24"]);

    lab.refuses = |_| false;
    lab.run(Duration::from_secs(11));
    assert!(lab.kernel.filter.is_some(), "{:#?}", lab.transcript);
    assert!(!lab.status().contains("trouble"), "{}", lab.status());
}

#[test]
fn what_the_kernel_refuses_for_a_moment_is_not_said() {
    let mut lab = Lab::new(Config::default());
    lab.refuses = |change| matches!(change, Change::InstallFilter(_));
    lab.look();
    lab.run(Duration::from_secs(2));
    assert!(lab.status().contains("trouble  Could not install"), "{}", lab.status());
    lab.refuses = |_| false;
    lab.run(Duration::from_secs(10));
    assert!(lab.kernel.filter.is_some(), "{:#?}", lab.transcript);
    assert_eq!(lab.count("say: Could not install the packet filter"), 0);
}

#[test]
fn a_kernel_that_takes_a_change_and_drops_it_is_not_asked_in_a_circle() {
    let mut lab = Lab::new(Config::default());
    lab.forgets = |change| matches!(change, Change::SetForwarding(_));
    lab.look();
    lab.run(Duration::from_secs(60));
    assert!((4..=16).contains(&lab.count("apply")), "{:#?}", lab.transcript);
    assert!(lab.status().contains("switch forwarding on"), "{}", lab.status());
}

#[test]
fn a_kernel_that_cannot_be_read_is_read_again_later() {
    let mut lab = Lab::new(Config::default());
    lab.unreadable = true;
    lab.look();
    lab.run(Duration::from_secs(60));
    assert!((4..=16).contains(&lab.count("look")), "{:#?}", lab.transcript);
    lab.unreadable = false;
    lab.run(Duration::from_secs(11));
    assert_eq!(lab.addresses("eth0"), ["10.0.0.1/24"]);
    assert!(!lab.status().contains("trouble"), "{}", lab.status());
}

#[test]
fn a_failing_disk_is_written_now_and_then_and_holds_back_leases_only() {
    let mut lab = Lab::new(Config::default());
    lab.look();
    lab.lan_client(7).expect("an address");
    lab.transcript.clear();
    lab.disk_fails = true;
    assert_eq!(lab.lan_client(8), None, "no promise that is not on disk");
    lab.run(Duration::from_secs(120));
    let writes = lab.count("replace") + lab.count("append");
    assert!((4..=16).contains(&writes), "{writes} writes: {:#?}", lab.transcript);
    assert_eq!(lab.count("say: the disk is full"), 1, "said once");
    assert!(lab.status().contains("trouble  the disk is full"), "{}", lab.status());
    lab.ask_dns("gatepost.home.arpa");
    lab.expect(&["answered"]);

    lab.disk_fails = false;
    lab.run(Duration::from_secs(31));
    assert!(lab.lan_client(8).is_some(), "{:#?}", lab.transcript);
    assert!(!lab.status().contains("trouble"), "{}", lab.status());
    let (leases, lan) = (lab.gateway.answer("leases", lab.now), lab.addresses("eth0"));
    lab.restart(Config::default());
    lab.look();
    assert!(leases.contains("00:07") && leases.contains("00:08"), "{leases}");
    let kept = lab.gateway.answer("leases", lab.now);
    assert!(kept.contains("00:07") && kept.contains("00:08"), "invariant 2: {kept}");
    assert_eq!(lab.addresses("eth0"), lan);
}

#[test]
fn ports_that_are_taken_are_tried_again() {
    let mut lab = Lab::new(Config::default());
    lab.ports_taken = true;
    lab.look();
    lab.run(Duration::from_secs(60));
    assert!((4..=16).contains(&lab.count("serve")), "{:#?}", lab.transcript);
    assert!(lab.status().contains("not serving yet") && lab.status().contains("trouble  the port is taken"));
    lab.ports_taken = false;
    lab.run(Duration::from_secs(11));
    assert!(lab.status().contains("serving") && !lab.status().contains("trouble"), "{}", lab.status());
}

#[test]
fn a_replugged_uplink_gets_a_new_client_and_its_old_address() {
    let mut lab = Lab::new(Config::default());
    lab.look();
    lab.get_uplink_lease("192.168.0.51");
    lab.unplug("eth1");
    lab.expect(&["close uplink"]);
    assert!(lab.status().contains("eth1: there is no such interface"), "{}", lab.status());
    assert!(lab.routes().is_empty());
    lab.transcript.clear();
    lab.plug("eth1", 9);
    lab.expect(&["listen at 9"]);
    lab.run(Duration::from_secs(2));
    lab.uplink_says(ACK, "192.168.0.51");
    assert_eq!(lab.count("broadcast DISCOVER"), 0, "the old address is requested: {:#?}", lab.transcript);
    lab.run(Duration::from_secs(2));
    assert_eq!(lab.addresses("eth1"), ["192.168.0.51/24"]);
}

#[test]
fn a_pulled_cable_costs_nothing() {
    let mut lab = Lab::new(Config::default());
    lab.look();
    lab.get_uplink_lease("192.168.0.51");
    let before = lab.kernel.clone();
    lab.set_carrier("eth1", false);
    lab.run(Duration::from_secs(5));
    assert_eq!(lab.kernel, before, "connections survive a cable that is pulled for a moment");
    lab.set_carrier("eth1", true);
    lab.run(Duration::from_secs(2));
    lab.uplink_says(ACK, "192.168.0.51");
    assert_eq!(lab.kernel, before);
}

#[test]
fn a_static_uplink_needs_no_server() {
    let mut lab = Lab::new(static_uplink());
    lab.look();
    assert_eq!(lab.addresses("eth1"), ["192.168.0.51/24"]);
    assert_eq!(lab.routes(), ["0.0.0.0/0 by 192.168.0.1 on eth1"]);
    lab.run(Duration::from_secs(60));
    assert_eq!(lab.count("listen") + lab.count("broadcast"), 0, "{:#?}", lab.transcript);
    lab.ask_dns("far.example");
    lab.expect(&["ask 192.168.0.1:53"]);
    assert!(lab.status().contains("from gateway.toml"), "{}", lab.status());
}

#[test]
fn a_lan_interface_that_comes_later_is_served_then() {
    let mut lab = Lab::new(Config::default());
    lab.unplug("eth0");
    lab.get_uplink_lease("192.168.0.51");
    assert_eq!(lab.addresses("eth1"), ["192.168.0.51/24"]);
    assert_eq!(lab.count("serve"), 0);
    lab.plug("eth0", 12);
    lab.expect(&["serve 10.0.0.1/24 at 12"]);
    assert_eq!(lab.addresses("eth0"), ["10.0.0.1/24"]);
}

#[test]
fn a_clock_that_jumps_ends_no_lease() {
    let mut lab = Lab::new(Config::default());
    lab.look();
    lab.get_uplink_lease("192.168.0.51");
    let leased = lab.lan_client(7).expect("an address");
    for wall in [2_000_000_000, 0, 1_800_000_000] {
        lab.wall.0 = wall;
        lab.run(Duration::from_secs(60));
        assert_eq!(lab.addresses("eth1"), ["192.168.0.51/24"]);
        assert_eq!(lab.lan_client(7), Some(leased));
    }
}

#[test]
fn the_first_time_from_the_network_neither_ends_nor_lengthens_a_lease() {
    let mut config = Config::default();
    config.ntp.servers = vec!["192.168.0.1".into()];
    let mut lab = Lab::new(config.clone());
    lab.look();
    assert_eq!(lab.count("ask 192.168.0.1 for the time"), 0, "there is no way to it yet");
    let given = lab.lan_client(7).unwrap();
    lab.get_uplink_lease("192.168.0.51");
    lab.run(Duration::from_secs(1));
    lab.expect(&["ask 192.168.0.1 for the time"]);
    // The Pi was without power for a year.
    let year = 365 * 86_400;
    lab.time_server_says("192.168.0.1", year);
    lab.expect(&["say: The clock is 31536000.0 s behind: it is set."]);
    assert_eq!(lab.count("Step"), 1);
    assert!(lab.status().contains("not checked"), "{}", lab.status());
    lab.wall.0 += year;
    lab.run(Duration::from_secs(3));
    lab.time_server_says("192.168.0.1", 0);
    lab.expect(&["say: The clock is right, says one time server."]);
    assert!(lab.status().contains("time     2024-11-13 22:13:20 UTC, within "), "{}", lab.status());
    assert!(lab.gateway.is_clock_right(lab.now));

    let leases = |lab: &Lab| lab.gateway.answer("leases", lab.now);
    assert!(leases(&lab).contains("in 11 h 59 min"), "{}", leases(&lab));
    assert_eq!(lab.addresses("eth1"), ["192.168.0.51/24"]);
    // A new process reads what the old one wrote before the step.
    lab.restart(config);
    lab.look();
    assert!(leases(&lab).contains(&given.to_string()) && leases(&lab).contains("in 14 h"), "{}", leases(&lab));
    lab.run(Duration::from_secs(16 * 3600));
    assert!(!leases(&lab).contains(&given.to_string()), "{}", leases(&lab));
}

#[test]
fn a_time_servers_name_is_asked_of_our_own_dns() {
    let mut config = Config::default();
    config.ntp.servers = vec!["time.example".into()];
    let mut lab = Lab::new(config);
    lab.look();
    lab.get_uplink_lease("192.168.0.51");
    lab.run(Duration::from_secs(1));
    lab.expect(&["ask 192.168.0.1:53"]);
    lab.answer_dns([192, 0, 2, 9]);
    lab.run(Duration::from_millis(1));
    lab.expect(&["ask 192.0.2.9 for the time"]);
}

#[test]
fn servers_that_the_uplink_names_are_asked_unless_the_file_names_some() {
    for (named, asked) in [(false, 1), (true, 0)] {
        let mut config = Config::default();
        config.ntp.learn = !named;
        config.ntp.servers.clear();
        let mut lab = Lab::new(config);
        lab.names_time_server = true;
        lab.look();
        lab.get_uplink_lease("192.168.0.51");
        lab.run(Duration::from_secs(1));
        assert_eq!(lab.count("ask 192.168.0.1 for the time"), asked);
    }
}

#[test]
fn rfc2132_8_3_the_lan_is_told_who_has_the_time() {
    for serve in [true, false] {
        let mut config = Config::default();
        config.ntp.serve = serve;
        let mut lab = Lab::new(config);
        lab.look();
        let offer = lab.lan_says(7, 1, &[]).unwrap();
        assert_eq!(offer.windows(6).any(|part| part == [42, 4, 10, 0, 0, 1]), serve);
    }
}
