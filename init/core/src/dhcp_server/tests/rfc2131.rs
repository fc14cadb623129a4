//! One conversation a paragraph of RFC 2131.

use super::*;

#[test]
fn section_3_1_a_new_client_gets_an_address() {
    let mut lab = Lab::new();
    let wants = [1, 3, 6, 12, 15, 28, 51, 54, 58, 59];
    let discover = Packet::new(DISCOVER, 9).option(55, &wants).option(12, b"Laptop").at(8, &[0, 7]);
    let offer = lab.ask(&discover);
    assert_eq!(offer.kind(), OFFER);
    assert_eq!(offer.option(54).unwrap(), SERVER.octets());
    assert!((ip(10)..=ip(128)).contains(&offer.yiaddr()));
    assert_eq!(lab.server.leases().filter(|l| l.state == LeaseState::Bound).count(), 0, "an offer is no lease");

    let request = Packet::new(REQUEST, 9).option(55, &wants).option(12, b"Laptop");
    let ack = lab.ask(&request.requested(offer.yiaddr()).server(SERVER));
    assert_eq!((ack.kind(), ack.yiaddr()), (ACK, offer.yiaddr()));
    assert_eq!(
        ack.codes(),
        [53, 54, 51, 1, 3, 6, 12, 15, 28, 58, 59],
        "in the order of the list (RFC 2132 section 9.8)"
    );
    assert_eq!(ack.option(1).unwrap(), [255, 255, 255, 0]);
    assert_eq!(ack.option(3).unwrap(), SERVER.octets());
    assert_eq!(ack.option(6).unwrap(), SERVER.octets());
    assert_eq!(ack.option(12).unwrap(), b"laptop");
    assert_eq!(ack.option(15).unwrap(), b"mydomain.net");
    assert_eq!(ack.option(28).unwrap(), ip(255).octets());
    assert_eq!(ack.option(51).unwrap(), 43200u32.to_be_bytes());
    assert_eq!(ack.option(58).unwrap(), 21600u32.to_be_bytes());
    assert_eq!(ack.option(59).unwrap(), 37800u32.to_be_bytes());

    let lease = lab.find(offer.yiaddr()).unwrap();
    assert_eq!((lease.state, lease.mac(), lease.client_id.as_deref()), (LeaseState::Bound, Some(mac(9)), None));
    assert_eq!(lease.expiry, Expiry::At(lab.now + Duration::from_secs(LEASE)));
    assert_eq!(lease.host_name.as_deref(), Some("laptop"));
}

#[test]
fn section_3_5_only_what_is_asked_for_is_told() {
    let mut lab = Lab::new();
    assert_eq!(lab.ask(&Packet::new(DISCOVER, 9).option(55, &[3, 1])).codes(), [53, 54, 51, 1, 3]);
    let all = lab.ask(&Packet::new(DISCOVER, 9)).codes();
    assert_eq!(all, [53, 54, 51, 1, 3, 6, 58, 59, 28, 15], "a client that does not say gets all");
}

#[test]
fn section_4_1_fields_are_kept() {
    let mut lab = Lab::new();
    let odd = Packet::new(DISCOVER, 9).at(8, &[1, 2]).at(10, &[0x80, 1]).at(34, b"behind hlen");
    let offer = lab.ask(&odd);
    assert_eq!(offer.bytes[..3], [2, 1, 6]);
    assert_eq!(offer.bytes[4..12], odd.fixed[4..12], "xid, secs, flags");
    assert_eq!(offer.bytes[28..44], odd.fixed[28..44], "all of chaddr");
    assert_eq!((offer.address_at(12), offer.address_at(20), offer.address_at(24)), (NONE, NONE, NONE));
}

const NONE: Ipv4Addr = Ipv4Addr::UNSPECIFIED;

#[test]
fn section_4_1_where_the_reply_goes() {
    let mut lab = Lab::new();
    let offer = lab.ask(&Packet::new(DISCOVER, 9));
    let address = offer.yiaddr();
    assert_eq!(offer.to, Destination::Hardware { address, mac: mac(9) });
    assert_eq!(lab.ask(&Packet::new(DISCOVER, 9).broadcast_flag()).to, Destination::Broadcast);
    let relayed = lab.ask(&Packet::new(DISCOVER, 9).broadcast_flag().relayed(ip(200)));
    assert_eq!((relayed.to, relayed.address_at(24)), (Destination::Relay(ip(200)), ip(200)));
    lab.lease(9);
    let renewed = lab.ask(&Packet::new(REQUEST, 9).broadcast_flag().ciaddr(address));
    assert_eq!((renewed.to, renewed.address_at(12)), (Destination::Unicast(address), address));
    let nak = lab.ask(&Packet::new(REQUEST, 9).requested(ip(99)));
    assert_eq!((nak.kind(), nak.to), (NAK, Destination::Broadcast));
}

#[test]
fn section_4_1_hardware_that_can_not_be_sent_to_gets_a_broadcast() {
    let mut lab = Lab::new();
    let multicast = Packet::from(DISCOVER, MacAddr([0xff; 6]));
    assert_eq!(lab.ask(&multicast).to, Destination::Broadcast);
    let infiniband = Packet::new(DISCOVER, 9).at(1, &[32, 0]).option(61, b"\xff\0\0\0\x01guid");
    assert_eq!(lab.ask(&infiniband).to, Destination::Broadcast);
}

#[test]
fn section_4_1_options_in_the_fields_file_and_sname() {
    let mut lab = Lab::new();
    let file = Packet::new(DISCOVER, 9).option(52, &[1]).at(108, &[12, 3, b'n', b'e', b'w', 255]);
    assert_eq!(lab.lease_as(&file).option(12), Some(&b"new"[..]));
    let both = Packet::new(DISCOVER, 10).option(52, &[3]).at(44, &[50, 4, 10, 0, 0, 77, 255]);
    assert_eq!(lab.ask(&both).yiaddr(), ip(77));
    let neither = Packet::new(DISCOVER, 11).option(52, &[9]).at(44, &[50, 4, 10, 0, 0, 78, 255]);
    assert_ne!(lab.ask(&neither).yiaddr(), ip(78));
}

#[test]
fn section_4_2_the_client_identifier_decides() {
    let mut lab = Lab::new();
    let first = lab.lease_as(&Packet::new(DISCOVER, 9).option(61, b"\xff-laptop")).yiaddr();
    let docked = lab.lease_as(&Packet::new(DISCOVER, 10).option(61, b"\xff-laptop")).yiaddr();
    let other = lab.lease_as(&Packet::new(DISCOVER, 9).option(61, b"\xff-other")).yiaddr();
    assert_eq!(first, docked);
    assert_ne!(first, other);
    assert_eq!(lab.find(first).unwrap().mac(), Some(mac(10)));
}

#[test]
fn section_4_3_1_the_address_asked_for_is_given_if_free() {
    let mut lab = Lab::new();
    assert_eq!(lab.ask(&Packet::new(DISCOVER, 9).requested(ip(77))).yiaddr(), ip(77));
    for taken in [ip(77), ip(20), ip(30), SERVER, ip(0), ip(255), ip(5), Ipv4Addr::new(192, 168, 0, 7)] {
        let offered = lab.ask(&Packet::new(DISCOVER, 10).requested(taken)).yiaddr();
        assert!(offered != taken && (ip(10)..=ip(128)).contains(&offered), "{taken}");
    }
}

#[test]
fn section_4_3_1_a_client_keeps_its_address() {
    let mut lab = Lab::new();
    let address = lab.lease(9);
    assert_eq!(lab.ask(&Packet::new(DISCOVER, 9)).yiaddr(), address, "while it has it");
    lab.pass(2 * LEASE);
    assert_eq!(lab.find(address), None);
    assert_eq!(lab.ask(&Packet::new(DISCOVER, 9).requested(ip(77))).yiaddr(), address, "and afterwards");
    assert_eq!(Lab::new().lease(9), address, "and on a new card");
}

#[test]
fn section_4_3_1_the_lease_time_asked_for_is_honoured_downwards() {
    let mut lab = Lab::new();
    let mut offered = |secs: u32| lab.ask(&Packet::new(DISCOVER, 9).option(51, &secs.to_be_bytes())).lease_secs();
    assert_eq!(
        [offered(600), offered(1), offered(0), offered(86400), offered(u32::MAX)],
        [600, 120, 120, 43200, 43200]
    );
}

#[test]
fn section_4_3_1_an_offer_is_held_for_a_while() {
    let mut lab = Lab::new();
    let address = lab.ask(&Packet::new(DISCOVER, 9)).yiaddr();
    assert_ne!(lab.ask(&Packet::new(DISCOVER, 10).requested(address)).yiaddr(), address);
    lab.pass(31);
    assert_eq!(lab.ask(&Packet::new(DISCOVER, 11).requested(address)).yiaddr(), address);
}

#[test]
fn section_4_3_2_selecting_another_server_frees_our_offer_silently() {
    let mut lab = Lab::new();
    let address = lab.ask(&Packet::new(DISCOVER, 9)).yiaddr();
    assert_eq!(lab.send(&Packet::new(REQUEST, 9).requested(ip(50)).server(ip(254))), []);
    assert_eq!(lab.ask(&Packet::new(DISCOVER, 10).requested(address)).yiaddr(), address);
}

#[test]
fn section_4_3_2_selecting_something_that_was_not_offered() {
    let mut lab = Lab::new();
    let nak = lab.ask(&Packet::new(REQUEST, 9).requested(ip(50)).server(SERVER));
    assert_eq!((nak.kind(), nak.yiaddr(), nak.address_at(12)), (NAK, NONE, NONE));
    let address = lab.ask(&Packet::new(DISCOVER, 10)).yiaddr();
    assert_eq!(lab.ask(&Packet::new(REQUEST, 9).requested(address).server(SERVER)).kind(), NAK, "another's offer");
    assert_eq!(lab.send(&Packet::new(REQUEST, 9).server(SERVER)), [], "nothing asked for");
}

#[test]
fn section_4_3_2_a_nak_holds_nothing_but_its_reason() {
    let mut lab = Lab::new();
    let request = Packet::new(REQUEST, 9).option(55, &[1, 3, 6, 51]).option(61, b"\x01idid").option(82, b"\x01\x02ab");
    let nak = lab.ask(&request.requested(ip(50)).relayed(ip(200)));
    assert_eq!((nak.kind(), nak.codes()), (NAK, vec![53, 54, 56, 61, 82]));
    assert_eq!((nak.to, nak.bytes[10]), (Destination::Relay(ip(200)), 0x80), "the relay agent is told to broadcast");
}

#[test]
fn section_4_3_2_init_reboot() {
    let mut lab = Lab::new();
    let address = lab.lease(9);
    let reboot = |last, address| Packet::new(REQUEST, last).requested(address);
    assert_eq!(lab.ask(&reboot(9, address)).kind(), ACK);
    assert_eq!(lab.ask(&reboot(9, ip(99))).kind(), NAK, "not the one it has");
    assert_eq!(lab.ask(&reboot(9, Ipv4Addr::new(192, 168, 1, 9))).kind(), NAK, "it moved here from another network");
    assert_eq!(lab.ask(&reboot(10, ip(99))).kind(), NAK, "unknown, and nobody else could know it");
    lab.pass(2 * LEASE);
    let ack = lab.ask(&reboot(9, address));
    assert_eq!((ack.kind(), ack.yiaddr()), (ACK, address), "expired, and still its own");
}

#[test]
fn section_4_3_2_renewing_and_rebinding_extend() {
    let mut lab = Lab::new();
    let address = lab.lease(9);
    for cast in [Cast::Unicast, Cast::Broadcast] {
        lab.pass(LEASE / 2);
        let [ack] = <[Sent; 1]>::try_from(lab.send_as(&Packet::new(REQUEST, 9).ciaddr(address), cast)).unwrap();
        assert_eq!((ack.kind(), ack.yiaddr(), ack.to), (ACK, address, Destination::Unicast(address)));
        assert_eq!(lab.find(address).unwrap().expiry.at(), Some(lab.now + Duration::from_secs(LEASE)));
    }
}

#[test]
fn section_4_3_2_renewing_what_we_know_nothing_of() {
    let mut lab = Lab::new();
    let renew = Packet::new(REQUEST, 9).ciaddr(ip(50));
    assert_eq!(lab.send_as(&renew, Cast::Broadcast), [], "another server may know it");
    assert_eq!(lab.send_as(&renew, Cast::Unicast)[0].kind(), NAK, "it thinks that we should");
    let away = Packet::new(REQUEST, 9).ciaddr(Ipv4Addr::new(192, 168, 1, 9));
    assert_eq!(lab.ask(&away).kind(), NAK, "wrong network");
    let other = lab.lease(10);
    assert_eq!(lab.ask(&Packet::new(REQUEST, 9).ciaddr(other)).kind(), NAK, "another's lease");
    assert_eq!(lab.ask(&Packet::new(REQUEST, 10).ciaddr(ip(50))).kind(), NAK, "it has another one");
    assert_eq!(lab.ask(&Packet::new(REQUEST, 9).ciaddr(ip(20))).kind(), NAK, "reserved for another");
    assert_eq!(lab.ask(&Packet::new(REQUEST, 9).ciaddr(ip(5))).kind(), NAK, "outside the pool");
    assert_eq!(lab.send(&Packet::new(REQUEST, 9)), [], "nothing asked for");
}

#[test]
fn section_4_3_3_decline_reads_option_50_and_puts_the_address_aside() {
    let mut lab = Lab::new();
    let address = lab.lease(9);
    assert_eq!(lab.send(&Packet::new(DECLINE, 9).requested(address).server(ip(254))), []);
    lab.send(&Packet::new(DECLINE, 9).ciaddr(address).server(SERVER));
    lab.send(&Packet::new(DECLINE, 10).requested(address).server(SERVER));
    assert!(lab.find(address).is_some(), "not ours, not in option 50, not its lease");

    assert_eq!(lab.send(&Packet::new(DECLINE, 9).requested(address).server(SERVER)), []);
    assert_eq!(lab.notes, [Note::Declined(address)]);
    assert_eq!(lab.find(address), None);
    assert_ne!(lab.ask(&Packet::new(DISCOVER, 9).requested(address)).yiaddr(), address);
    lab.pass(DECLINE_HOLD.as_secs());
    assert_eq!(lab.ask(&Packet::new(DISCOVER, 10).requested(address)).yiaddr(), address, "after a while");
}

#[test]
fn section_4_3_3_one_client_can_not_decline_the_pool_away() {
    let mut lab = Lab::new();
    for _ in 0..300 {
        let address = lab.lease(9);
        lab.send(&Packet::new(DECLINE, 9).requested(address).server(SERVER));
    }
    let declined = lab.server.table.entries().filter(|entry| entry.lease.state == LeaseState::Declined).count();
    assert_eq!(declined, 118 / 4);
}

#[test]
fn section_4_3_4_release_reads_ciaddr_and_keeps_the_memory() {
    let mut lab = Lab::new();
    let address = lab.lease(9);
    lab.send(&Packet::new(RELEASE, 9).requested(address).server(SERVER));
    lab.send(&Packet::new(RELEASE, 10).ciaddr(address).server(SERVER));
    lab.send(&Packet::new(RELEASE, 9).ciaddr(address).server(ip(254)));
    assert!(lab.find(address).is_some(), "not in ciaddr, not its lease, not ours");
    assert_eq!(lab.send(&Packet::new(RELEASE, 9).ciaddr(address).server(SERVER)), []);
    assert_eq!(lab.find(address), None);
    assert_eq!(lab.ask(&Packet::new(DISCOVER, 9)).yiaddr(), address);
}

#[test]
fn section_4_3_5_inform_gets_options_and_no_address() {
    let mut lab = Lab::new();
    let ack = lab.ask(&Packet::new(INFORM, 9).ciaddr(ip(5)).broadcast_flag());
    assert_eq!((ack.kind(), ack.yiaddr(), ack.to), (ACK, NONE, Destination::Unicast(ip(5))));
    assert_eq!(ack.codes(), [53, 54, 1, 3, 6, 28, 15], "no lease time");
    assert_eq!(lab.writes, 0);
    assert_eq!(lab.send(&Packet::new(INFORM, 9)), []);
    assert_eq!(lab.send(&Packet::new(INFORM, 9).ciaddr(SERVER)), []);
}

#[test]
fn relay_agents_of_our_subnet_only() {
    let mut lab = Lab::new();
    for foreign in [Ipv4Addr::new(10, 0, 1, 1), SERVER, ip(255), Ipv4Addr::new(127, 0, 0, 1)] {
        assert_eq!(lab.send(&Packet::new(DISCOVER, 9).relayed(foreign)), [], "{foreign}");
    }
    let ack = lab.lease_as(&Packet::new(DISCOVER, 9).relayed(ip(200)).option(82, b"\x01\x04port"));
    assert_eq!((ack.to, ack.options.last()), (Destination::Relay(ip(200)), Some(&(82, b"\x01\x04port".to_vec()))));
    let renewal = Packet::new(REQUEST, 10).relayed(ip(200)).ciaddr(ip(50));
    assert_eq!(lab.send_as(&renewal, Cast::Unicast), [], "a relay agent sends by unicast what the client broadcast");
}

#[test]
fn rfc6842_the_client_identifier_comes_back() {
    let mut lab = Lab::new();
    for id in [&b"\x01"[..], b"\x01\x02\0\0\0\0\x09", &[0xab; 254], &[0xab; 255]] {
        assert_eq!(lab.ask(&Packet::new(DISCOVER, 9).option(61, id)).option(61), Some(id));
    }
    assert_eq!(lab.ask(&Packet::new(DISCOVER, 9)).option(61), None);
}

#[test]
fn rfc3046_the_relay_option_comes_back_verbatim_and_last() {
    let mut lab = Lab::new();
    let odd = [1, 200, 3, 0, 255, 82];
    let offer = lab.ask(&Packet::new(DISCOVER, 9).option(82, &odd).option(61, b"after").relayed(ip(200)));
    assert_eq!(offer.options.last(), Some(&(82, odd.to_vec())));
}

#[test]
fn rfc3396_a_split_option_is_joined() {
    let mut lab = Lab::new();
    let split = Packet::new(DISCOVER, 9).option(12, b"lap").option(61, b"\xffab").option(12, b"top").option(61, b"cd");
    let ack = lab.lease_as(&split);
    assert_eq!(ack.option(61), Some(&b"\xffabcd"[..]));
    assert_eq!(lab.name_of(ack.yiaddr()).as_deref(), Some("laptop"));
}

#[test]
fn the_reply_fits_what_the_client_takes() {
    let mut lab = Lab::new();
    let full = Packet::new(DISCOVER, 9).option(61, &[7; 255]).relayed(ip(200)).option(12, &[b'a'; 63]);
    let mut settings = settings();
    settings.domain = "d".repeat(200);
    lab.server.reconfigure(settings, lab.now);
    lab.drain();
    let small = lab.ask(&full.clone().option(57, &576u16.to_be_bytes()));
    assert!(small.bytes.len() <= 576 - 28 && small.option(3).is_some() && small.option(15).is_none());
    assert!(lab.ask(&full.option(57, &1500u16.to_be_bytes())).option(15).is_some());
}
