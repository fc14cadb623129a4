//! Options beyond RFC 2131, each under its RFC; tags; what a message has room for.

use super::*;
use crate::config::{DhcpBoot, DhcpMatch, DhcpOption, MacPrefix};
use alloc::string::ToString;

fn option(code: u8, data: &[u8]) -> DhcpOption {
    DhcpOption { code, data: data.into(), tag: None, always: false }
}

fn tagged(code: u8, data: &[u8], tag: &str) -> DhcpOption {
    DhcpOption { tag: Some(tag.into()), ..option(code, data) }
}

fn lab(options: Vec<DhcpOption>) -> Lab {
    Lab::with(Settings { options, ..settings() })
}

/// What an offer says of one option.
fn offered(lab: &mut Lab, packet: &Packet, code: u8) -> Option<Vec<u8>> {
    lab.ask(packet).option(code).map(Into::into)
}

#[test]
fn rfc2132_9_8_options_come_in_the_order_of_the_list() {
    let mut lab = lab(vec![option(42, &[10, 0, 0, 9]), option(26, &[5, 212])]);
    let codes = |lab: &mut Lab, wanted: &[u8]| lab.ask(&Packet::new(DISCOVER, 9).option(55, wanted)).codes();
    assert_eq!(codes(&mut lab, &[42, 15, 6, 26, 42, 200]), [53, 54, 51, 42, 15, 6, 26]);
    assert_eq!(codes(&mut lab, &[3, 1]), [53, 54, 51, 1, 3], "RFC 2132 section 3.3: the netmask before the router");
    assert_eq!(codes(&mut lab, &[53, 54, 51, 52, 61, 82, 255, 0]), [53, 54, 51], "nothing twice");
    let all = lab.ask(&Packet::new(DISCOVER, 9)).codes();
    assert_eq!(all, [53, 54, 51, 1, 3, 6, 58, 59, 28, 15, 42, 26], "one that does not say gets what is configured");
}

#[test]
fn a_configured_option_takes_the_place_of_the_usual_one() {
    let mut lab = lab(vec![option(3, &[10, 0, 0, 7]), option(58, &600u32.to_be_bytes())]);
    let offer = lab.ask(&Packet::new(DISCOVER, 9));
    assert_eq!((offer.option(3), offer.option(58)), (Some(&[10, 0, 0, 7][..]), Some(&[0, 0, 2, 88][..])));
    assert_eq!(lab.ask(&Packet::new(INFORM, 9).ciaddr(ip(50))).option(58), None, "no lease, no time to renew it");
}

#[test]
fn an_empty_value_keeps_router_and_name_server_back() {
    let mut settings = settings();
    settings.hosts[0].tags = vec!["camera".into()];
    settings.options = vec![tagged(3, &[], "camera"), option(6, &[])];
    let mut lab = Lab::with(settings);
    let codes = |lab: &mut Lab, last| lab.ask(&Packet::new(DISCOVER, last).option(55, &[1, 3, 6, 121, 15])).codes();
    assert_eq!(codes(&mut lab, 2), [53, 54, 51, 1, 15]);
    assert_eq!(codes(&mut lab, 9), [53, 54, 51, 1, 3, 15]);
    assert_eq!(lab.ask(&Packet::new(DISCOVER, 2)).option(3), None, "nor to a client that does not say what it wants");
}

#[test]
fn an_option_may_be_sent_to_those_who_did_not_ask() {
    let always = DhcpOption { always: true, ..option(43, b"x") };
    let mut lab = lab(vec![always, option(44, &[10, 0, 0, 9])]);
    let offer = lab.ask(&Packet::new(DISCOVER, 9).option(55, &[1]));
    assert_eq!((offer.option(43), offer.option(44)), (Some(&b"x"[..]), None));
    assert_eq!(lab.ask(&Packet::new(REQUEST, 9).requested(ip(99))).option(43), None, "never in a NAK");
}

#[test]
fn tags_choose_options_for_hosts_vendors_classes_and_makers() {
    let mut settings = settings();
    settings.hosts[0].tags = vec!["lab".into()];
    let rule = |tag: &str| DhcpMatch { tag: tag.into(), vendor_class: None, user_class: None, mac: None };
    settings.matches = vec![
        DhcpMatch { vendor_class: Some("PXEClient".into()), ..rule("pxe") },
        DhcpMatch { user_class: Some("iPXE".into()), vendor_class: Some("PXEClient".into()), ..rule("ipxe") },
        DhcpMatch { mac: MacPrefix::new(&[0xb8, 0x27, 0xeb]), ..rule("pi") },
    ];
    settings.options = vec![
        option(67, b"all"),
        tagged(67, b"lab", "lab"),
        tagged(67, b"ipxe", "ipxe"),
        tagged(67, b"pxe", "pxe"),
        tagged(67, b"pi", "pi"),
        tagged(44, &[10, 0, 0, 9], "known"),
    ];
    let mut lab = Lab::with(settings);
    let mut file = |packet: Packet| offered(&mut lab, &packet, 67).unwrap();
    assert_eq!(file(Packet::new(DISCOVER, 9)), b"all");
    assert_eq!(file(Packet::new(DISCOVER, 2)), b"lab");
    let pxe = |last| Packet::new(DISCOVER, last).option(60, b"PXEClient:Arch:00000");
    assert_eq!(file(pxe(10)), b"pxe");
    assert_eq!(file(pxe(11).option(77, b"iPXE")), b"ipxe", "the class as plain text");
    assert_eq!(file(pxe(12).option(77, b"\x01x\x04iPXE")), b"ipxe", "the class in a list (RFC 3004)");
    assert_eq!(file(Packet::new(DISCOVER, 13).option(77, b"iPXE")), b"all", "both must fit");
    assert_eq!(file(Packet::from(DISCOVER, MacAddr([0xb8, 0x27, 0xeb, 1, 2, 3]))), b"pi");
    assert_eq!(offered(&mut lab, &Packet::new(DISCOVER, 3), 44).unwrap(), [10, 0, 0, 9], "every host is known");
    assert_eq!(offered(&mut lab, &Packet::new(DISCOVER, 9), 44), None);
}

#[test]
fn boot_file_and_server_stand_in_the_fixed_fields() {
    let boot = |server, file: &str, tag: Option<&str>| DhcpBoot {
        server,
        server_name: "tftp".into(),
        file: file.into(),
        tag: tag.map(Into::into),
    };
    let mut settings = settings();
    settings.boot = vec![boot(Some(ip(5)), "node.img", Some("known")), boot(None, "all.img", None)];
    let mut lab = Lab::with(settings);
    for (last, server, file) in [(2, ip(5), &b"node.img\0"[..]), (9, SERVER, b"all.img\0")] {
        let offer = lab.ask(&Packet::new(DISCOVER, last));
        assert_eq!((offer.address_at(20), &offer.bytes[108..108 + file.len()]), (server, file));
        assert_eq!(&offer.bytes[44..49], b"tftp\0");
    }
    let nak = lab.ask(&Packet::new(REQUEST, 9).requested(ip(99)));
    assert_eq!((nak.address_at(20), nak.bytes[108]), (Ipv4Addr::UNSPECIFIED, 0));
}

#[test]
fn rfc3396_a_long_option_goes_in_pieces() {
    let long = vec![b'x'; 600];
    let mut lab = lab(vec![option(43, &long)]);
    let packet = Packet::new(DISCOVER, 9).option(55, &[43]);
    let offer = lab.ask(&packet.clone().option(57, &1500u16.to_be_bytes()));
    assert_eq!(offer.joined(43), long);
    assert_eq!(
        offer.options.iter().filter(|(code, _)| *code == 43).map(|(_, b)| b.len()).collect::<Vec<_>>(),
        [255, 255, 90]
    );
    assert_eq!(lab.ask(&packet).joined(43), [], "all of it or nothing");
}

#[test]
fn rfc2132_9_3_what_has_no_room_goes_into_file_and_sname() {
    let options =
        vec![option(43, &[7; 200]), option(15, &[b'd'; 100]), option(67, &[b'f'; 60]), option(66, &[b's'; 50])];
    let packet = Packet::new(DISCOVER, 9).option(55, &[43, 15, 67, 66, 42, 1]);
    let mut lab = lab(options.clone());
    let offer = lab.ask(&packet);
    assert!(offer.bytes.len() <= 576 - 28);
    assert_eq!((offer.joined(43), offer.joined(15).len()), (vec![7; 200], 100));
    assert_eq!((offer.joined(67).len(), offer.joined(66).len(), offer.option(52)), (60, 50, Some(&[3][..])));
    assert_eq!((offer.bytes[108], offer.bytes[44]), (15, 66), "each where there is room for all of it");
    assert!(offer.option(1).is_some(), "a small one still fits behind");

    // A boot file is in the field: nothing else goes there.
    let boot = vec![DhcpBoot { server: None, server_name: String::new(), file: "f".into(), tag: None }];
    let mut lab = Lab::with(Settings { options, boot, ..settings() });
    let offer = lab.ask(&packet);
    assert_eq!((offer.option(52), offer.bytes[108], offer.joined(43).len()), (None, b'f', 200));
    assert_eq!(offer.option(66), None, "what was named last is left out");
}

#[test]
fn rfc2132_9_10_no_answer_is_larger_than_the_client_takes() {
    for size in [0u16, 300, 576, 700, 1000, 1500, u16::MAX] {
        let options = (0..12).map(|number| option(200 + number, &vec![number; 20 * usize::from(number)])).collect();
        let mut lab = lab(options);
        let packet = Packet::new(DISCOVER, 9).option(57, &size.to_be_bytes()).option(61, &[7; 100]);
        let offer = lab.ask(&packet.option(82, b"relay"));
        assert!(offer.bytes.len() + 28 <= usize::from(size.clamp(576, 1500)), "{size}: {}", offer.bytes.len());
        assert_eq!(offer.options.iter().filter(|(code, _)| *code == 61 || *code == 82).count(), 2);
    }
}

#[test]
fn rfc4039_rapid_commit_takes_two_messages() {
    let mut lab = Lab::new();
    let discover = Packet::new(DISCOVER, 9).option(80, &[]).option(12, b"phone");
    let ack = lab.ask(&discover);
    assert_eq!((ack.kind(), ack.codes()[..4].to_vec(), ack.option(80)), (ACK, vec![53, 54, 51, 80], Some(&[][..])));
    assert_eq!(lab.find(ack.yiaddr()).unwrap().state, LeaseState::Bound);
    lab.restart();
    assert_eq!(lab.name_of(ack.yiaddr()).as_deref(), Some("phone"), "it is on disk like any other");
    let renewed = lab.ask(&Packet::new(REQUEST, 9).ciaddr(ack.yiaddr()));
    assert_eq!((renewed.kind(), renewed.option(80)), (ACK, None));

    lab.syncing = false;
    assert_eq!(lab.send(&Packet::new(DISCOVER, 10).option(80, &[])), [], "not before it is on disk");
    assert_eq!(lab.sync()[0].kind(), ACK);
    let mut off = Lab::with(Settings { rapid_commit: false, ..settings() });
    assert_eq!(off.ask(&discover).kind(), OFFER);
}

#[test]
fn rfc4702_4_the_answer_to_a_full_name() {
    let mut lab = Lab::new();
    let answer = |lab: &mut Lab, flags: u8, name: &[u8]| {
        let option = [&[flags, 0, 0], name].concat();
        lab.lease_as(&Packet::new(DISCOVER, 9).option(81, &option)).option(81).unwrap().to_vec()
    };
    let wire = b"\x06laptop\x08mydomain\x03net\0";
    assert_eq!(answer(&mut lab, 0x05, b"\x06laptop"), [&[0x05, 255, 255], &wire[..]].concat(), "S: as it wanted");
    assert_eq!(answer(&mut lab, 0x04, b"\x06laptop"), [&[0x07, 255, 255], &wire[..]].concat(), "O: it did not");
    assert_eq!(answer(&mut lab, 0x00, b"laptop"), b"\x03\xff\xfflaptop.mydomain.net", "in the old encoding");
    assert_eq!(answer(&mut lab, 0x01, b"new"), b"\x01\xff\xffnew.mydomain.net", "a new name");
    let refused = lab.lease_as(&Packet::new(DISCOVER, 10).option(81, b"\x05\0\0\x04wpad"));
    assert_eq!(refused.option(81).unwrap(), b"\x0e\xff\xff\x04wpad", "N and O: nothing was done with it");
    assert_eq!(lab.lease_as(&Packet::new(DISCOVER, 11)).option(81), None, "only for those who sent it");
}

#[test]
fn rfc8925_3_3_only_those_who_ask_are_told_to_do_without_ipv4() {
    let mut lab = lab(vec![option(108, &1800u32.to_be_bytes())]);
    let able = Packet::new(DISCOVER, 9).option(55, &[1, 3, 108]).option(80, &[]);
    let offer = lab.ask(&able);
    assert_eq!((offer.kind(), offer.yiaddr(), offer.option(51)), (OFFER, Ipv4Addr::UNSPECIFIED, None));
    assert_eq!(offer.option(108).unwrap(), 1800u32.to_be_bytes());
    assert_eq!(lab.server.table.entries().filter(|entry| entry.key.is_some()).count(), 0, "nothing is set aside");
    for plain in [Packet::new(DISCOVER, 9), Packet::new(DISCOVER, 9).option(55, &[1, 3])] {
        let offer = lab.ask(&plain);
        assert!(offer.option(108).is_none() && !offer.yiaddr().is_unspecified());
    }
    // A client that wants an address all the same gets one, and is told again.
    let address = lab.lease(9);
    let ack = lab.ask(&Packet::new(REQUEST, 9).requested(address).option(55, &[108]));
    assert_eq!((ack.kind(), ack.option(108).is_some()), (ACK, true));
    assert_ne!(Lab::new().ask(&able).yiaddr(), Ipv4Addr::UNSPECIFIED, "not configured, not said");
}

#[test]
fn rfc2563_2_3_a_client_without_an_address_is_told_not_to_make_one_up() {
    let mut settings = settings();
    settings.pool = (ip(10), ip(10));
    settings.options = vec![option(116, &[0])];
    let mut lab = Lab::with(settings);
    lab.lease(9);
    assert_eq!(lab.send(&Packet::new(DISCOVER, 10)), []);
    let offer = lab.ask(&Packet::new(DISCOVER, 10).option(116, &[1]));
    assert_eq!((offer.yiaddr(), offer.option(116), offer.option(51)), (Ipv4Addr::UNSPECIFIED, Some(&[0][..]), None));
}

#[test]
fn rfc3011_a_subnet_of_ours_is_served_and_named_another_is_not() {
    let mut lab = Lab::new();
    let select = |address: Ipv4Addr| Packet::new(DISCOVER, 9).option(118, &address.octets());
    assert_eq!(
        lab.ask(&select(ip(0)).option(82, b"r")).options.iter().rev().take(2).map(|(c, _)| *c).collect::<Vec<_>>(),
        [82, 118]
    );
    assert_eq!(lab.send(&select(Ipv4Addr::new(10, 0, 1, 0))), []);
}

#[test]
fn rfc3442_a_router_comes_along_with_classless_routes() {
    let route = [24, 192, 168, 7, 10, 0, 0, 5];
    let mut lab = lab(vec![option(121, &route)]);
    assert_eq!(lab.ask(&Packet::new(DISCOVER, 9).option(55, &[1, 121])).codes(), [53, 54, 51, 1, 121, 3]);
    assert_eq!(lab.ask(&Packet::new(DISCOVER, 9).option(55, &[121, 3])).codes(), [53, 54, 51, 121, 3], "once");
    assert_eq!(
        Lab::new().ask(&Packet::new(DISCOVER, 9).option(55, &[121])).codes(),
        [53, 54, 51],
        "no routes, no router"
    );
}

#[test]
fn rfc3397_rfc8910_rfc9463_options_are_sent_as_configured() {
    let list = [(119, &b"\x03lan\0"[..]), (114, b"https://portal.example/api"), (162, b"\0\x07\0\x01\x05\x03dns\0")];
    let mut lab = lab(list.iter().map(|(code, data)| option(*code, data)).collect());
    let offer = lab.ask(&Packet::new(DISCOVER, 9).option(55, &[119, 114, 162]));
    for (code, data) in list {
        assert_eq!(offer.option(code), Some(data));
    }
}

#[test]
fn rfc4578_a_machine_that_boots_gets_the_menu_its_server_and_its_own_identifier() {
    let mut config = crate::config::Config::default();
    config.netboot.serve = true;
    let lan = config.lan.address;
    let mut on = Lab::with(Settings::new(&config, lan));
    let machine = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];
    let rom = |last| Packet::new(DISCOVER, last).option(60, b"PXEClient:Arch:00000:UNDI:002001").option(97, &machine);
    let offer = on.ask(&rom(9).option(55, &[1, 66]));
    let menu = b"\x06\x01\x03\x0a\x04\0PXE\x09\x14\0\0\x11Raspberry Pi Boot\xff";
    assert_eq!((offer.option(60), offer.option(43)), (Some(&b"PXEClient"[..]), Some(&menu[..])));
    assert_eq!(offer.option(66), Some(lan.address().to_string().as_bytes()));
    assert_eq!((offer.option(97), &offer.bytes[20..24]), (Some(&machine[..]), &lan.address().octets()[..]));
    let other = on.ask(&Packet::new(DISCOVER, 10));
    assert_eq!((other.option(43), &other.bytes[20..24]), (None, &[0; 4][..]), "others hear nothing of it");
    let mut off = Lab::with(Settings::new(&crate::config::Config::default(), lan));
    assert_eq!(off.ask(&rom(9)).option(43), None);
    // What the file says for everybody comes first.
    config.dhcp.options = vec![option(43, b"mine")];
    let mut mine = Lab::with(Settings::new(&config, lan));
    assert_eq!(mine.ask(&rom(9)).option(43), Some(&b"mine"[..]));
}
