//! Records of the configuration beside the hosts.

use super::local_names::local;
use super::*;
use crate::config::{Record, RecordData};

const MX: u16 = 15;
const SRV: u16 = 33;

fn one(name: &str, data: RecordData) -> Record {
    Record { name: name.into(), data, ttl: 300 }
}

fn address(name: &str, last: u8) -> Record {
    one(name, RecordData::A(Ipv4Addr::new(10, 0, 0, last)))
}

fn alias(name: &str, target: &str) -> Record {
    one(name, RecordData::Cname(target.into()))
}

fn with(records: &[Record]) -> Lab {
    let mut lab = lab();
    lab.dns.set_settings(Settings { records: records.to_vec(), ..settings() });
    lab
}

#[test]
fn every_type_is_answered_by_its_name_and_by_its_label() {
    let srv = RecordData::Srv { priority: 1, weight: 2, port: 8080, target: "rpi2.mydomain.net".into() };
    let mut lab = with(&[
        address("web.mydomain.net", 50),
        address("web.mydomain.net", 51),
        one("web.mydomain.net", RecordData::Aaaa("fd00::5".parse().unwrap())),
        one("mydomain.net", RecordData::Mx { preference: 10, host: "web.mydomain.net".into() }),
        one("_http._tcp.mydomain.net", srv),
        one("web.mydomain.net", RecordData::Txt(vec!["a".repeat(300)])),
        one("60.0.0.10.in-addr.arpa", RecordData::Ptr("web.mydomain.net".into())),
        one("example.com", RecordData::Txt(vec![String::new()])),
        one("tv._http._tcp.mydomain.net", RecordData::Txt(vec!["path=/a".into(), "u=b, c".into()])),
    ]);
    let both = "NoError aa rd ra | web.mydomain.net. 300 IN A 10.0.0.50, web.mydomain.net. 300 IN A 10.0.0.51 |  | ";
    assert_eq!(local(&mut lab, "web.mydomain.net", A), both);
    assert_eq!(local(&mut lab, "WEB", A), both.replace("web.mydomain.net.", "WEB."));
    assert!(local(&mut lab, "web", AAAA).contains("IN AAAA fd00::5"));
    assert!(local(&mut lab, "mydomain.net", MX).contains("IN MX 10 web.mydomain.net."));
    assert!(local(&mut lab, "mydomain.net", SOA).contains("IN SOA gatepost.mydomain.net."));
    assert!(local(&mut lab, "_http._tcp.mydomain.net", SRV).contains("IN SRV 1 2 8080 rpi2.mydomain.net."));
    assert!(local(&mut lab, "web", TXT).contains(&"a".repeat(300)));
    assert!(local(&mut lab, "60.0.0.10.in-addr.arpa", PTR).contains("IN PTR web.mydomain.net."));
    assert!(local(&mut lab, "example.com", TXT).contains("IN TXT"));
    assert!(local(&mut lab, "tv._http._tcp.mydomain.net", TXT).contains("IN TXT path=/a"));
    // Other types of such a name are not a question for servers, whosever domain it is.
    assert!(local(&mut lab, "web.mydomain.net", 65).starts_with("NoError aa rd ra |  | mydomain.net. 10 IN SOA"));
    assert!(local(&mut lab, "example.com", A).starts_with("NoError aa rd ra |  | example.com. 10 IN SOA"));
    assert!(local(&mut lab, "web", 255).contains("HINFO"), "RFC 8482");
    assert_eq!(lab.dig("www.example.com", A), None, "but names below it are");
}

#[test]
fn rfc8020_a_name_above_a_record_is_not_denied() {
    let mut lab = with(&[address("a.b.mydomain.net", 50)]);
    assert!(local(&mut lab, "b.mydomain.net", A).starts_with("NoError aa rd ra |  | mydomain.net."));
    assert!(local(&mut lab, "c.mydomain.net", A).starts_with("NXDomain"));
}

#[test]
fn static_beats_dynamic_and_other_types_join_a_host() {
    let mut lab =
        with(&[address("rpi1.mydomain.net", 99), one("rpi2.mydomain.net", RecordData::Txt(vec!["x".into()]))]);
    assert!(local(&mut lab, "rpi1", A).contains("10.0.0.99"));
    assert!(local(&mut lab, "rpi2", A).contains("10.0.0.12") && local(&mut lab, "rpi2", TXT).contains("TXT"));
}

#[test]
fn rfc1034_3_6_2_an_alias_is_followed_within_the_house() {
    let mut lab = with(&[
        alias("www.mydomain.net", "web.mydomain.net"),
        alias("web.mydomain.net", "rpi2.mydomain.net"),
        alias("lost.mydomain.net", "nobody.mydomain.net"),
        alias("ring.mydomain.net", "ring2.mydomain.net"),
        alias("ring2.mydomain.net", "ring.mydomain.net"),
    ]);
    assert_eq!(
        local(&mut lab, "www", A),
        "NoError aa rd ra | www. 300 IN CNAME web.mydomain.net., web.mydomain.net. 300 IN CNAME rpi2.mydomain.net., \
         rpi2.mydomain.net. 30 IN A 10.0.0.12 |  | "
    );
    assert_eq!(
        local(&mut lab, "web.mydomain.net", CNAME),
        "NoError aa rd ra | web.mydomain.net. 300 IN CNAME rpi2.mydomain.net. |  | "
    );
    assert!(local(&mut lab, "web.mydomain.net", AAAA).contains("rpi2.mydomain.net. | mydomain.net. 10 IN SOA"));
    // RFC 6604 section 3: the code is that of the last name.
    assert!(local(&mut lab, "lost", A).starts_with("NXDomain aa rd ra | lost. 300 IN CNAME nobody.mydomain.net. |"));
    assert_eq!(local(&mut lab, "ring", A), "ServFail rd ra |  |  | ");
    lab.dns.remove_name("rpi2");
    assert!(local(&mut lab, "www", A).starts_with("NXDomain"));
}

#[test]
fn rfc1034_3_6_2_an_alias_that_leads_outside_is_answered_whole() {
    let mut lab = with(&[alias("www.mydomain.net", "cdn.example.net")]);
    let ask = lab.forward(client(5), &query(1, "WWW.mydomain.net", A));
    assert!(wire::question(&ask.payload).unwrap().eq_ignore_ascii_case(b"\x03cdn\x07example\x03net\0\0\x01\0\x01"));
    // Who asks for the target itself shares the question.
    assert_eq!(lab.dig("cdn.example.net", A), None);
    assert!(lab.asks.is_empty());
    let records = [cname("cdn.example.net", 60, "edge.example.org"), a("edge.example.org", 60, 9)];
    lab.reply(&ask, &reply(&ask, OK, [&records, &[], &[]]));
    let chain = "cdn.example.net. 60 IN CNAME edge.example.org., edge.example.org. 60 IN A 198.18.0.9";
    let whole = format!("NoError rd ra | WWW.mydomain.net. 300 IN CNAME cdn.example.net., {chain} |  | ");
    assert_eq!(lab.heard(), [whole.clone(), format!("NoError rd ra | {chain} |  | ")]);
    lab.sleep(10_000);
    let later = lab.dig("WWW.mydomain.net", A).unwrap();
    assert_eq!(later, whole.replace("60 IN", "50 IN"), "the target from the cache");
    let broken = lab.forward(client(5), &query(2, "www", AAAA));
    lab.dns.set_upstreams(&[]);
    lab.fail(&broken, Failure::NotSent);
    assert_eq!(lab.heard(), ["ServFail rd ra |  |  | "]);
    lab.dns.set_upstreams(&[ONE.into()]);
    assert_eq!(lab.query(client(5), &query(1, "www", 43)), None, "any type leads there");
    let ask = lab.asks.pop().unwrap();
    lab.reply(&ask, &reply(&ask, NX, [&[], &[soa("example.net", 60, 60)], &[]]));
    assert!(lab.heard()[0].starts_with("NXDomain rd ra | www. 300 IN CNAME cdn.example.net. | example.net. 60 IN SOA"));
}

#[test]
fn rebinding_an_alias_of_ours_does_not_make_a_foreign_name_ours() {
    let mut lab = with(&[alias("www.mydomain.net", "cdn.example.net")]);
    let ask = lab.forward(client(5), &query(1, "www.mydomain.net", A));
    lab.reply(&ask, &reply(&ask, OK, [&[("cdn.example.net", A, 60, vec![192, 168, 0, 1])], &[], &[]]));
    assert_eq!(lab.heard(), ["NoError rd ra | www.mydomain.net. 300 IN CNAME cdn.example.net. |  | "]);
}

#[test]
fn rfc4592_a_star_stands_for_names_that_do_not_exist() {
    let mut lab = with(&[
        address("*.mydomain.net", 70),
        address("*.apps.mydomain.net", 71),
        address("own.apps.mydomain.net", 72),
        one("txt.apps.mydomain.net", RecordData::Txt(vec!["x".into()])),
        address("*.dev.example.com", 73),
        alias("*.rpi2.mydomain.net", "rpi2.mydomain.net"),
    ]);
    for (name, last) in [
        ("any.mydomain.net", 70),
        ("a.b.mydomain.net", 70),
        ("any.apps.mydomain.net", 71),
        ("a.b.apps.mydomain.net", 71),
        ("own.apps.mydomain.net", 72),
        ("a.b.dev.example.com", 73),
        ("rpi1.mydomain.net", 11),
        ("a.rpi2.mydomain.net", 12),
    ] {
        assert!(local(&mut lab, name, A).contains(&format!("IN A 10.0.0.{last}")), "{name}");
    }
    // The nearest name that exists ends the search, whether it has a star below it or not.
    assert!(local(&mut lab, "a.own.apps.mydomain.net", A).starts_with("NXDomain"));
    assert!(local(&mut lab, "a.rpi1.mydomain.net", A).starts_with("NXDomain"));
    assert!(local(&mut lab, "txt.apps.mydomain.net", A).starts_with("NoError aa rd ra |  | "));
    assert!(local(&mut lab, "any.mydomain.net", TXT).starts_with("NoError aa rd ra |  | mydomain.net."));
    assert!(local(&mut lab, "any", A).starts_with("NXDomain"), "not for single labels: that would be every word");
    assert_eq!(lab.dig("dev.example.com", A), None);
}

#[test]
fn a_record_wins_over_a_special_zone() {
    let mut lab = with(&[address("nas.internal", 50)]);
    assert!(local(&mut lab, "nas.internal", A).contains("10.0.0.50"));
    assert!(local(&mut lab, "other.internal", A).starts_with("NXDomain"));
    assert!(local(&mut lab, "internal", A).starts_with("NoError"));
}

#[test]
fn many_records_of_one_name_are_cut_for_udp_and_whole_over_tcp() {
    let many: Vec<Record> = (0..200).map(|last| address("many.mydomain.net", last)).collect();
    let mut lab = with(&many);
    assert_eq!(local(&mut lab, "many", A), "NoError aa tc rd ra |  |  | ");
    let whole = lab.query(tcp_client(5), &query(1, "many", A)).unwrap();
    assert_eq!(show(&whole).matches("IN A").count(), 200);
}

#[test]
fn names_that_everybody_believes_are_refused_whoever_wants_them() {
    let mut lab = lab();
    for name in ["wpad", "WPAD", "isatap", "gateway", "localhost", "gatepost"] {
        assert_eq!(lab.dns.set_name(&record(name, 66)), Err(NameRefused::Reserved), "{name}");
    }
}
