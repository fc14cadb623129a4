//! Hosts of the configuration.

use super::*;

#[test]
fn a_host_gets_its_own_address_inside_or_outside_the_pool() {
    let mut lab = Lab::new();
    for (last, address, name) in [(2, ip(2), "rpi2"), (3, ip(20), "nas")] {
        assert_eq!(lab.ask(&Packet::new(DISCOVER, last).requested(ip(77))).yiaddr(), address);
        let ack = lab.lease_as(&Packet::new(DISCOVER, last).option(12, b"other"));
        assert_eq!(ack.yiaddr(), address);
        assert_eq!(ack.option(51).unwrap(), 43200u32.to_be_bytes());
        let lease = lab.find(address).unwrap();
        assert_eq!((lease.expiry, lease.state), (Expiry::Reserved, LeaseState::Bound));
        assert_eq!(lease.host_name.as_deref(), Some(name));
    }
}

#[test]
fn strangers_get_nothing_where_only_known_clients_are_served() {
    let mut lab = Lab::new();
    let address = lab.lease(9);
    lab.server.reconfigure(Settings { unknown: false, ..settings() }, lab.now);
    lab.drain();
    assert_eq!(lab.send(&Packet::new(DISCOVER, 8)), []);
    assert_eq!(lab.send(&Packet::new(DISCOVER, 8).option(80, b"")), [], "nor by rapid commit");
    assert_eq!(lab.send(&Packet::new(REQUEST, 8).requested(ip(50))), []);
    assert_eq!(lab.send(&Packet::new(INFORM, 8).ciaddr(ip(50))), []);
    // Who has a lease from before gets no more of it, and nobody else gets the address meanwhile.
    assert_eq!(lab.send(&Packet::new(REQUEST, 9).ciaddr(address)), []);
    assert_eq!(lab.find(address).unwrap().state, LeaseState::Bound);
    assert_eq!((lab.lease(2), lab.lease(3)), (ip(2), ip(20)));
    lab.pass(2 * LEASE);
    assert_eq!((lab.find(address).is_none_or(|lease| lease.state != LeaseState::Bound), lab.lease(2)), (true, ip(2)));
}

#[test]
fn hosts_are_in_the_table_before_they_ask_and_after() {
    let mut lab = Lab::new();
    let names = |lab: &Lab| lab.server.leases().map(|l| (l.address, l.host_name.clone().unwrap())).collect::<Vec<_>>();
    let all = [(ip(2), "rpi2".into()), (ip(20), "nas".into()), (ip(30), "printer".into())];
    assert_eq!(names(&lab), all);
    assert_eq!(lab.name_changes, 1);
    lab.lease(2);
    lab.pass(2 * LEASE);
    assert_eq!(lab.find(ip(2)).unwrap().state, LeaseState::Waiting);
    lab.lease(2);
    lab.send(&Packet::new(RELEASE, 2).ciaddr(ip(2)).server(SERVER));
    assert_eq!(names(&lab), all);
    assert_eq!(lab.name_changes, 1, "its name was there all along");
}

#[test]
fn reserved_addresses_are_not_in_the_pool() {
    let mut settings = settings();
    settings.pool = (ip(0), ip(255));
    let mut lab = Lab::with(settings);
    let mut given: Vec<Ipv4Addr> = (0..250).map(|last| lab.lease_as(&other(last)).yiaddr()).collect();
    given.sort();
    let all: Vec<Ipv4Addr> = (2..=254).filter(|last| ![2, 20, 30].contains(last)).map(ip).collect();
    assert_eq!(given, all, "nor is the gateway's, the network's and the broadcast address");
}

/// A DISCOVER of a client that is no host of the configuration.
fn other(number: u8) -> Packet {
    Packet::from(DISCOVER, MacAddr([2, 0, 0, 0, 1, number]))
}

#[test]
fn starvation_hosts_are_served_when_the_pool_is_exhausted() {
    let mut settings = settings();
    settings.pool = (ip(10), ip(13));
    let mut lab = Lab::with(settings);
    (0..4).for_each(|number| drop(lab.lease_as(&other(number))));
    assert_eq!(lab.send(&other(9)), []);
    assert_eq!(lab.send(&other(10)), []);
    assert_eq!(lab.notes, [Note::PoolExhausted], "said once");
    lab.pass(NOTE_INTERVAL.as_secs());
    assert_eq!(lab.send(&other(9)), []);
    assert_eq!(lab.notes.len(), 2);
    assert_eq!((lab.lease(2), lab.lease(3)), (ip(2), ip(20)));
    assert_eq!(lab.ask(&other(0)).kind(), OFFER, "whoever has a lease keeps it");
}

#[test]
fn a_host_wins_over_a_dynamic_holder() {
    let mut lab = Lab::new();
    let address = lab.lease(9);
    let mut settings = settings();
    settings.hosts.push(host("tv", Some(mac(40)), address));
    lab.server.reconfigure(settings, lab.now);
    lab.drain();
    assert_eq!(lab.lease(40), address);
    assert_eq!(lab.ask(&Packet::new(REQUEST, 9).ciaddr(address)).kind(), NAK);
    assert_ne!(lab.lease(9), address);
}

#[test]
fn a_client_that_becomes_a_host_moves_to_its_own_address() {
    let mut lab = Lab::new();
    let old = lab.lease(9);
    let mut settings = settings();
    settings.hosts.push(host("tv", Some(mac(9)), ip(5)));
    lab.server.reconfigure(settings, lab.now);
    lab.drain();
    assert_eq!(lab.ask(&Packet::new(REQUEST, 9).ciaddr(old)).kind(), NAK, "the new address waits");
    assert!(lab.find(old).is_some(), "held until it has moved");
    assert_eq!((lab.lease(9), lab.find(old)), (ip(5), None));
    lab.restart();
    assert_eq!((lab.find(ip(5)).unwrap().state, lab.find(old)), (LeaseState::Bound, None));
}

#[test]
fn a_client_that_is_no_host_any_more_keeps_its_address_if_the_pool_has_it() {
    let mut lab = Lab::new();
    assert_eq!((lab.lease(2), lab.lease(3)), (ip(2), ip(20)));
    let mut settings = settings();
    settings.hosts.clear();
    lab.server.reconfigure(settings, lab.now);
    lab.drain();
    assert_eq!(lab.server.leases().map(|lease| lease.address).collect::<Vec<_>>(), [ip(20)]);
    assert_eq!(lab.ask(&Packet::new(REQUEST, 3).ciaddr(ip(20))).kind(), ACK);
    assert_eq!(lab.ask(&Packet::new(REQUEST, 2).ciaddr(ip(2))).kind(), NAK);
    lab.restart();
    assert!(lab.find(ip(20)).unwrap().expiry.at().is_some());
}

#[test]
fn one_machine_with_two_client_identifiers_is_one_host() {
    let mut lab = Lab::new();
    let rom = lab.lease_as(&Packet::new(DISCOVER, 2)).yiaddr();
    let system = lab.lease_as(&Packet::new(DISCOVER, 2).option(61, b"\xffsystem")).yiaddr();
    assert_eq!((rom, system), (ip(2), ip(2)));
    assert_eq!(lab.ask(&Packet::new(REQUEST, 2).ciaddr(ip(2))).kind(), ACK);
}

#[test]
fn a_declined_reserved_address_is_given_again_later() {
    let mut lab = Lab::new();
    lab.lease(3);
    lab.send(&Packet::new(DECLINE, 3).requested(ip(20)).server(SERVER));
    let meanwhile = lab.lease(3);
    assert_ne!(meanwhile, ip(20));
    assert_eq!(lab.name_of(meanwhile).as_deref(), Some("nas"), "it is known under its name all the same");
    assert_ne!(lab.ask(&Packet::new(DISCOVER, 9).requested(ip(20))).yiaddr(), ip(20));
    lab.pass(DECLINE_HOLD.as_secs());
    assert_eq!(lab.ask(&Packet::new(REQUEST, 3).ciaddr(meanwhile)).kind(), NAK);
    assert_eq!((lab.lease(3), lab.name_of(ip(20)).as_deref()), (ip(20), Some("nas")));
}

#[test]
fn a_restart_gives_a_reserved_address_its_name_back() {
    let mut lab = Lab::new();
    lab.lease(3);
    lab.send(&Packet::new(DECLINE, 3).requested(ip(20)).server(SERVER));
    let meanwhile = lab.lease(3);
    lab.restart();
    assert_eq!((lab.name_of(meanwhile), lab.name_of(ip(20)).as_deref()), (None, Some("nas")));
    lab.server.reconfigure(settings(), lab.now);
    lab.pass(2 * LEASE);
    assert_eq!((lab.find(meanwhile), lab.name_of(ip(20)).as_deref()), (None, Some("nas")));
    lab.restart();
    assert_eq!(lab.name_of(ip(20)).as_deref(), Some("nas"));
    lab.server.table.check();
}

#[test]
fn a_host_with_two_hardware_addresses_is_one_host() {
    let mut settings = settings();
    settings.hosts[1].macs.push(mac(50));
    let mut lab = Lab::with(settings);
    assert_eq!((lab.lease(3), lab.lease(50)), (ip(20), ip(20)));
    assert_eq!(lab.find(ip(20)).unwrap().mac(), Some(mac(50)));
}

#[test]
fn a_host_is_known_by_its_client_identifier_before_its_hardware_address() {
    let mut settings = settings();
    settings.hosts.push(Host { client_id: Some(b"tv-set".to_vec()), ..host("tv", None, ip(6)) });
    let mut lab = Lab::with(settings);
    assert_eq!(lab.lease_as(&Packet::new(DISCOVER, 9).option(61, b"tv-set")).yiaddr(), ip(6));
    assert_eq!(lab.lease_as(&Packet::new(DISCOVER, 9).option(61, b"\0tv-set")).yiaddr(), ip(6), "marked as text");
    assert_eq!(lab.lease_as(&Packet::new(DISCOVER, 3).option(61, b"tv-set")).yiaddr(), ip(6), "even on nas");
    assert_eq!(lab.name_of(ip(6)).as_deref(), Some("tv"));
    lab.restart();
    assert_eq!(lab.find(ip(6)).unwrap().state, LeaseState::Bound);
}

#[test]
fn a_host_without_an_address_gets_one_of_the_pool_under_its_name() {
    let mut settings = settings();
    settings.hosts.push(Host { name: "tv".into(), macs: vec![mac(40)], ..Host::default() });
    let mut lab = Lab::with(settings);
    let ack = lab.lease_as(&Packet::new(DISCOVER, 40).option(12, b"other"));
    assert!((ip(10)..=ip(128)).contains(&ack.yiaddr()));
    assert_eq!((ack.option(12), lab.name_of(ack.yiaddr()).as_deref()), (Some(&b"tv"[..]), Some("tv")));
    let thief = lab.lease_as(&Packet::new(DISCOVER, 9).option(12, b"tv")).yiaddr();
    assert_eq!(lab.name_of(thief), None);
    lab.restart();
    assert_eq!(lab.lease(40), ack.yiaddr());
    assert_eq!(lab.name_of(ack.yiaddr()).as_deref(), Some("tv"));
}

#[test]
fn a_host_has_its_own_lease_time() {
    let mut settings = settings();
    settings.hosts[0].lease = Some(Duration::from_secs(7 * 86_400));
    settings.hosts[1].lease = Some(Duration::from_secs(600));
    let mut lab = Lab::with(settings);
    let mut secs = |last| lab.lease_as(&Packet::new(DISCOVER, last)).lease_secs();
    assert_eq!([secs(2), secs(3), secs(9)], [7 * 86_400, 600, LEASE as u32]);
}

#[test]
fn capped_leases_are_short_for_everybody_until_the_cap_is_lifted() {
    let mut settings = settings();
    settings.hosts[0].lease = Some(Duration::from_secs(7 * 86_400));
    let mut lab = Lab::with(settings);
    let early = lab.lease(8);
    lab.server.cap_leases(Some(Duration::from_secs(180)));
    for last in [2, 9] {
        let ack = lab.lease_as(&Packet::new(DISCOVER, last).option(51, &[255; 4]));
        assert_eq!((ack.lease_secs(), ack.option(58)), (180, Some(&[0, 0, 0, 90][..])));
    }
    let renewed = lab.ask(&Packet::new(REQUEST, 8).ciaddr(early));
    assert_eq!(renewed.lease_secs(), 180);
    lab.pass(300);
    assert!(lab.find(early).is_some(), "what was promised before is kept");
    assert!(lab.server.leases().all(|lease| lease.address == early || lease.state == LeaseState::Waiting));
    lab.server.cap_leases(None);
    let secs = [2, 8, 9].map(|last| lab.lease_as(&Packet::new(DISCOVER, last)).lease_secs());
    assert_eq!(secs, [7 * 86_400, LEASE as u32, LEASE as u32]);
}

#[test]
fn an_ignored_host_hears_nothing() {
    let mut settings = settings();
    settings.hosts[1].ignore = true;
    let mut lab = Lab::with(settings);
    for kind in [DISCOVER, REQUEST, INFORM] {
        assert_eq!(lab.send(&Packet::new(kind, 3).requested(ip(20)).ciaddr(ip(20))), []);
    }
    assert_eq!(lab.name_of(ip(20)).as_deref(), Some("nas"), "its name stays");
    lab.lease(9);
}

#[test]
fn settings_move_to_the_alternative_lan() {
    let mut config = crate::config::Config {
        hostname: "rpi1".into(),
        domain: "mydomain.net".into(),
        uplink: crate::config::Uplink {
            interface: "eth1".into(),
            country: None,
            wifi: Vec::new(),
            wifi_offload: false,
            addressing: crate::config::Addressing::Dhcp,
        },
        lan: crate::config::Lan {
            interface: "eth0".into(),
            address: "10.0.0.1/24".parse().unwrap(),
            alternative: Some("172.16.5.1/24".parse().unwrap()),
        },
        dhcp: crate::config::Dhcp::new((ip(10), ip(128))),
        dns: crate::config::Dns::default(),
        hosts: vec![host("nas", Some(mac(3)), ip(20))],
        ..crate::config::Config::default()
    };
    let usual = Settings::new(&config, config.lan.address);
    assert_eq!((usual.pool, usual.hosts[0].address, usual.dns), ((ip(10), ip(128)), Some(ip(20)), vec![SERVER]));
    let moved = Settings::new(&config, config.lan.alternative.unwrap());
    let at = |last| Ipv4Addr::new(172, 16, 5, last);
    assert_eq!((moved.pool, moved.hosts[0].address, moved.router), ((at(10), at(128)), Some(at(20)), at(1)));
    config.hosts[0].address = Some(ip(200));
    let small = Settings::new(&config, "172.16.5.1/28".parse().unwrap());
    assert_eq!((small.pool, small.hosts[0].address), ((at(0), at(15)), None));
    assert!((at(2)..=at(14)).contains(&Lab::with(small).ask(&Packet::new(DISCOVER, 9)).yiaddr()));
}
