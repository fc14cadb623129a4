//! Which bytes are believed, and which bytes are sent.

use super::*;
use crate::dhcp_client::message::{Answer, read};

/// The lease in an ACK with these options beside type, server, time and mask.
fn lease_with(extra: &[(u8, &[u8])]) -> Option<Lease> {
    let mut options: Vec<(u8, &[u8])> = vec![(53, &[ACK]), (54, &SERVER), (51, &[0, 0, 0x0e, 0x10])];
    options.push((1, &[255, 255, 255, 0]));
    options.extend_from_slice(extra);
    lease_of(&message(1, OURS, &options))
}

fn lease_of(bytes: &[u8]) -> Option<Lease> {
    match read(bytes, MAC)? {
        (_, Answer::Ack(lease)) => Some(lease),
        other => panic!("{other:?}"),
    }
}

/// RFC 2131 table 5, RFC 2132: what a DISCOVER is made of.
#[test]
fn a_discover_byte_by_byte() {
    let lab = Lab::selecting();
    let sent = lab.last.unwrap();
    assert_eq!(sent.bytes[..4], [1, 1, 6, 0]);
    assert_eq!(sent.bytes[10..28], [0; 18], "flags and addresses are empty");
    assert_eq!(sent.bytes[28..34], MAC.0);
    assert_eq!(sent.bytes[34..236], [0; 202]);
    assert!(sent.bytes.len() >= 300, "RFC 1542 section 2.1");
    assert_eq!(sent.option(61).unwrap(), [&[1][..], &MAC.0].concat());
    assert_eq!(sent.option(12).unwrap(), b"gatepost");
    assert_eq!(sent.option(57).unwrap(), 1472u16.to_be_bytes());
    let wanted = sent.option(55).unwrap();
    let place = |code: u8| wanted.iter().position(|c| *c == code).unwrap();
    assert!(place(121) < place(3), "RFC 3442: option 121 is asked for before 3");
    assert!([1, 6, 15, 26, 51, 54, 58, 59].iter().all(|code| wanted.contains(code)));
}

/// RFC 2132 section 3.5: option 3 may list several routers.
#[test]
fn several_routers() {
    let lease = lease_with(&[(3, &[192, 168, 0, 1, 192, 168, 0, 2])]).unwrap();
    assert_eq!(lease.routers, [Ipv4Addr::from(SERVER), Ipv4Addr::from(OTHER_SERVER)]);
    assert_eq!(lease.default_router(), Some(SERVER.into()));
}

/// RFC 3442: with option 121 option 3 is ignored.
#[test]
fn classless_routes_displace_the_router() {
    let routes = [0, 192, 168, 0, 254, 24, 10, 9, 8, 0, 0, 0, 0];
    let lease = lease_with(&[(3, &SERVER), (121, &routes)]).unwrap();
    assert!(lease.routers.is_empty());
    assert_eq!(lease.default_router(), Some(Ipv4Addr::new(192, 168, 0, 254)));
    assert_eq!(lease.routes[1], Route { destination: "10.9.8.0/24".parse().unwrap(), gateway: None });
}

/// A broken option 121 is as good as none.
#[test]
fn broken_classless_routes_leave_the_router() {
    for broken in [&[24, 10, 9][..], &[33, 1, 2, 3, 4, 5, 6, 7, 8], &[0]] {
        let lease = lease_with(&[(3, &SERVER), (121, broken)]).unwrap();
        assert_eq!((lease.routes.len(), lease.default_router()), (0, Some(SERVER.into())), "{broken:?}");
    }
}

/// CVE-2024-3661: no route may catch loopback or multicast; a default route may be there.
#[test]
fn routes_may_not_cover_special_addresses() {
    let covers = |route: &[u8]| lease_with(&[(121, route)]).unwrap().routes.len();
    assert_eq!(covers(&[8, 127, 192, 168, 0, 9]), 0);
    assert_eq!(covers(&[32, 127, 0, 0, 1, 192, 168, 0, 9]), 0);
    assert_eq!(covers(&[1, 0, 192, 168, 0, 9]), 0, "0.0.0.0/1 holds loopback");
    assert_eq!(covers(&[4, 224, 192, 168, 0, 9]), 0);
    assert_eq!(covers(&[8, 10, 127, 0, 0, 1]), 0, "loopback as gateway");
    assert_eq!(covers(&[0, 192, 168, 0, 9]), 1);
}

/// Every list has a cap.
#[test]
fn lists_are_cut() {
    let many = [10, 0, 0, 1].repeat(63);
    let lease = lease_with(&[(3, &many), (6, &many)]).unwrap();
    assert_eq!((lease.routers.len(), lease.dns.len()), (4, 4));
    let route = [8, 10, 192, 168, 0, 9].repeat(42);
    assert_eq!(lease_with(&[(121, &route)]).unwrap().routes.len(), 32);
}

/// RFC 3396 section 7: an option in parts is joined, other options between them or not.
#[test]
fn split_options_are_joined() {
    let lease = lease_with(&[(121, &[24, 10, 9, 8, 192]), (15, b"lan"), (121, &[168, 0, 9])]).unwrap();
    assert_eq!(lease.routes[0].destination.to_string(), "10.9.8.0/24");
    assert_eq!(lease.domain.as_deref(), Some("lan"));
}

/// RFC 2132 section 9.3: options may go on in the file and sname fields.
#[test]
fn overloaded_fields_are_read() {
    let mut bytes = message(1, OURS, &[(53, &[ACK]), (54, &SERVER), (51, &[0, 0, 0x0e, 0x10]), (52, &[3])]);
    bytes[108..115].copy_from_slice(&[1, 4, 255, 255, 0, 0, 255]);
    bytes[44..51].copy_from_slice(&[3, 4, 192, 168, 0, 9, 255]);
    let lease = lease_of(&bytes).unwrap();
    assert_eq!((lease.address.prefix(), lease.default_router()), (16, Some(Ipv4Addr::new(192, 168, 0, 9))));
}

/// One broken option spoils nothing but itself.
#[test]
fn broken_options_are_skipped() {
    let lease =
        lease_with(&[(12, &[0xff]), (15, &[0xff, 0xfe]), (80, &[1]), (94, &[]), (26, &[5]), (3, &SERVER)]).unwrap();
    assert_eq!((lease.domain.clone(), lease.mtu, lease.default_router()), (None, None, Some(SERVER.into())));
    let lease = lease_with(&[(3, &[1, 2, 3]), (6, &[9, 9, 9, 9])]).unwrap();
    assert_eq!((lease.default_router(), lease.dns.len()), (None, 1));
}

#[test]
fn domain_and_mtu_are_checked() {
    let domain = |text: &[u8]| lease_with(&[(15, text)]).unwrap().domain;
    assert_eq!(domain(b"Home.Example.\0").as_deref(), Some("home.example"));
    assert_eq!((domain(b"a b"), domain(b"a..b"), domain(b"$(reboot)"), domain(b"")), (None, None, None, None));
    let mtu = |bytes: u16| lease_with(&[(26, &bytes.to_be_bytes())]).unwrap().mtu;
    assert_eq!((mtu(1492), mtu(575), mtu(0), mtu(65535)), (Some(1492), None, None, None));
}

/// Only an address that one machine of an access network can have is taken.
#[test]
fn senseless_addresses_are_refused() {
    let address = |yours: [u8; 4], mask: [u8; 4]| {
        let options: [(u8, &[u8]); 4] = [(53, &[ACK]), (54, &SERVER), (51, &[0, 0, 0x0e, 0x10]), (1, &mask)];
        lease_of(&message(1, yours, &options)).map(|lease| lease.address.to_string())
    };
    let mask = [255, 255, 255, 0];
    for yours in [
        [0; 4],
        [0, 1, 2, 3],
        [127, 0, 0, 1],
        [169, 254, 1, 1],
        [224, 0, 0, 1],
        [255; 4],
        [10, 0, 0, 0],
        [10, 0, 0, 255],
    ] {
        assert_eq!(address(yours, mask), None, "{yours:?}");
    }
    for mask in [[0; 4], [255, 0, 255, 0], [254, 0, 0, 0], [0, 0, 0, 255]] {
        assert_eq!(address(OURS, mask), None, "{mask:?}");
    }
    assert_eq!(address(OURS, [255; 4]).as_deref(), Some("192.168.0.51/32"));
    assert_eq!(address([100, 64, 0, 9], [255, 192, 0, 0]).as_deref(), Some("100.64.0.9/10"));
}

/// RFC 950: without a mask the address's class counts.
#[test]
fn a_missing_mask_is_the_class() {
    for (yours, prefix) in [([10, 1, 1, 1], 8), ([172, 16, 1, 1], 16), ([192, 168, 1, 1], 24)] {
        let bytes = message(1, yours, &[(53, &[ACK]), (54, &SERVER), (51, &[0, 0, 0x0e, 0x10])]);
        assert_eq!(lease_of(&bytes).unwrap().address.prefix(), prefix);
    }
}

/// Messages that are not a server's answer to this machine: RFC 2131 tables 1 and 3, RFC 3203 (FORCERENEW is type 9).
/// A forged FORCERENEW is CVE-2020-13529.
#[test]
fn foreign_messages_are_dropped() {
    let good = grant(ACK, 1, OURS, SERVER, HOUR);
    assert!(read(&good, MAC).is_some());
    for (at, byte, why) in [
        (0, 1, "a client's message"),
        (1, 6, "another hardware type"),
        (2, 17, "a hardware address longer than its field"),
        (2, 5, "a short hardware address"),
        (28, 0, "another hardware address"),
        (236, 0, "no magic cookie"),
        (242, 9, "FORCERENEW"),
        (242, 1, "DISCOVER"),
        (245, 127, "a server on loopback"),
    ] {
        let mut bad = good.clone();
        bad[at] = byte;
        assert_eq!(read(&bad, MAC), None, "{why}");
    }
    assert_eq!(read(&message(1, OURS, &[(53, &[ACK]), (51, &[0, 0, 0x0e, 0x10])]), MAC), None, "no server identifier");
    assert_eq!(read(&message(1, OURS, &[(53, &[ACK]), (54, &SERVER)]), MAC), None, "no lease time");
    assert_eq!(read(&grant(ACK, 1, OURS, SERVER, 0), MAC), None, "a lease of no time");
    assert_eq!(read(&message(1, OURS, &[(54, &SERVER)]), MAC), None, "BOOTP");
    for length in 0..250 {
        assert_eq!(read(&good[..length], MAC), None);
    }
}

/// RFC 8910: where people log in is shown to a person, so it must be an address of the web in plain characters.
#[test]
fn rfc8910_a_log_in_page_is_believed_if_it_can_be_one() {
    let portal = |text: &[u8]| lease_with(&[(114, text)]).unwrap().portal;
    assert_eq!(portal(b"https://login.example/?a=b").as_deref(), Some("https://login.example/?a=b"));
    assert_eq!(portal(b"http://10.1.1.1/\0").as_deref(), Some("http://10.1.1.1/"));
    for bad in [
        &b"urn:ietf:params:capport:unrestricted"[..],
        b"https://",
        b"",
        b"javascript:x",
        b"https://a/\x1b[2J",
        b"https://\xff",
    ] {
        assert_eq!(portal(bad), None, "{bad:?}");
    }
    let long = [b"https://".to_vec(), alloc::vec![b'a'; 247]].concat();
    assert_eq!(portal(&long).map(|text| text.len()), Some(255));
}
