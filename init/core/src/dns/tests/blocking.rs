//! Names on a block list.

use super::rebinding::ede;
use super::*;
use crate::config::{Block, BlockAnswer, Record, RecordData};

fn block_list(text: &str) -> BlockList {
    let mut builder = BlockListBuilder::new(text.len(), &mut SeededEntropy::new(3));
    builder.read(text.as_bytes());
    builder.end_file();
    builder.finish()
}

fn with(block: Block) -> Lab {
    let mut lab = lab();
    lab.dns.set_settings(Settings { block, ..settings() });
    lab.dns.set_block_list(block_list("ads.example\nbad.example.net\nmydomain.net\nlocalhost.\n"));
    lab
}

fn zero() -> Block {
    Block { answer: BlockAnswer::Zero, ..Block::default() }
}

#[test]
fn a_listed_name_and_all_below_it_do_not_exist_and_clients_remember_it() {
    let mut lab = with(Block::default());
    for name in ["ads.example", "a.b.Ads.Example"] {
        for qtype in [A, AAAA, 65, TXT] {
            let answer = lab.query(client(5), &with_opt(query(7, name, qtype), 1232, 0, 0, &[])).unwrap();
            assert_eq!(ede(&answer), Some(15), "RFC 8914");
            let text = show(&answer).to_lowercase();
            let soa = "ads.example. 300 in soa gatepost.mydomain.net. nobody.invalid. 1 3600 1200 604800 300";
            assert_eq!(text, format!("nxdomain aa rd ra |  | {soa} |  opt"), "RFC 2308");
        }
    }
    assert!(lab.dig("ads.example", A).unwrap().starts_with("NXDomain aa rd ra |  | ads.example. 300 IN SOA"));
    assert!(lab.asks.is_empty());
    assert_eq!((lab.dns.stats().blocked, lab.dns.stats().block_names), (9, 3));
    assert_eq!(lab.dig("notads.example", A), None);
    assert_eq!(lab.dig("example", 43), None);
}

#[test]
fn a_listed_name_can_have_an_address_that_leads_nowhere() {
    let mut lab = with(zero());
    assert_eq!(lab.dig("x.ads.example", A).unwrap(), "NoError aa rd ra | x.ads.example. 300 IN A 0.0.0.0 |  | ");
    assert_eq!(lab.dig("ads.example", AAAA).unwrap(), "NoError aa rd ra | ads.example. 300 IN AAAA :: |  | ");
    assert!(lab.dig("ads.example", 65).unwrap().starts_with("NoError aa rd ra |  | ads.example. 300 IN SOA"));
}

#[test]
fn allowed_names_local_names_and_forwarded_domains_are_never_blocked() {
    let mut lab = with(Block { allow: vec!["good.ads.example".into()], ..Block::default() });
    assert_eq!(lab.dig("a.good.ads.example", A), None);
    assert!(lab.dig("bad.ads.example", A).is_some());
    assert!(lab.dig("rpi1.mydomain.net", A).unwrap().contains("10.0.0.11"));
    lab.dns.set_forwards(&[Forward { domain: "bad.example.net".into(), servers: vec![TWO.into()] }]);
    assert_eq!(lab.dig("www.bad.example.net", A), None);
}

#[test]
fn another_name_for_a_listed_one_is_blocked_too() {
    let mut lab = with(Block::default());
    let ask = lab.forward(client(5), &query(1, "metrics.shop.example", A));
    let records = [cname("metrics.shop.example", 300, "t.ads.example"), a("t.ads.example", 300, 9)];
    lab.reply(&ask, &reply(&ask, OK, [&records, &[], &[]]));
    assert_eq!(lab.heard(), ["NXDomain rd ra |  |  | "]);
    assert_eq!(lab.dig("metrics.shop.example", A).unwrap(), "NXDomain rd ra |  |  | ", "from the cache");
    // An alias of ours leads there no more than the name itself.
    let data = RecordData::Cname("t.ads.example".into());
    let record = Record { name: "t.mydomain.net".into(), data, ttl: 300 };
    lab.dns.set_settings(Settings { records: vec![record], ..settings() });
    assert!(lab.dig("t.mydomain.net", A).unwrap().starts_with("NXDomain aa rd ra |  | ads.example. 300 IN SOA"));
}

#[test]
fn lists_that_come_later_count_for_what_is_in_the_cache_and_in_flight() {
    let mut lab = lab();
    let cached = lab.forward(client(5), &query(1, "www.ads.example", A));
    lab.reply(&cached, &reply(&cached, OK, [&[a("www.ads.example", 300, 9)], &[], &[]]));
    assert!(lab.heard()[0].contains("198.18.0.9"));
    let flying = lab.forward(client(5), &query(2, "api.ads.example", A));
    lab.dns.set_block_list(block_list("ads.example"));
    assert!(lab.dig("www.ads.example", A).unwrap().starts_with("NXDomain"));
    lab.reply(&flying, &reply(&flying, OK, [&[a("api.ads.example", 300, 9)], &[], &[]]));
    assert_eq!(lab.heard(), ["NXDomain rd ra |  |  | "]);
    assert!(lab.dig("api.ads.example", A).unwrap().starts_with("NXDomain"));
}

#[test]
fn a_blocked_name_of_full_length_still_fits_a_small_answer() {
    let long = format!("{}.{}.{}.ads.example", "a".repeat(63), "b".repeat(63), "c".repeat(63));
    let mut lab = with(Block::default());
    lab.dns.set_settings(Settings::new(&"h".repeat(63), &["d"; 60].join("."), "10.0.0.1/24".parse().unwrap()));
    let answer = lab.query(client(5), &query(1, &long, A)).unwrap();
    assert!(answer.len() <= 512 && show(&answer).starts_with("NXDomain aa rd ra"), "{}", show(&answer));
}
