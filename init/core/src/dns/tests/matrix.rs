//! Old answers together with our own names, forwarded domains, block lists and private addresses: what is past its time may
//! not get past another rule (CVE-2026-46582, 55717, 56444).

use super::rebinding::ede;
use super::*;
use crate::config::{Record, RecordData};

const NAME: &str = "n.shop.example";
const OLD: &str = "198.18.0.9";

/// A forwarder that holds an answer past its time for [`NAME`].
fn with_old_answer() -> Lab {
    let mut lab = lab();
    let ask = lab.forward(client(5), &query(1, NAME, A));
    lab.reply(&ask, &reply(&ask, OK, [&[a(NAME, 10, 9)], &[], &[]]));
    assert!(lab.heard()[0].contains(OLD));
    lab.sleep(20_000);
    lab
}

/// What a client hears in the end when no server says anything.
fn in_silence(lab: &mut Lab) -> String {
    if let Some(answer) = lab.dig(NAME, A) {
        return answer;
    }
    for _ in 0..60 {
        lab.sleep(100);
        if let Some(answer) = lab.heard().pop() {
            return answer;
        }
    }
    panic!("no answer within six seconds");
}

fn block_list(text: &str) -> BlockList {
    let mut builder = BlockListBuilder::new(text.len(), &mut SeededEntropy::new(3));
    builder.read(text.as_bytes());
    builder.end_file();
    builder.finish()
}

#[test]
fn rfc8767_alone_an_old_answer_is_given_in_silence() {
    let mut lab = with_old_answer();
    assert_eq!(lab.query(client(6), &with_opt(query(2, NAME, A), 1232, 0, 0, &[])), None);
    lab.sleep(1800);
    let (_, bytes) = lab.answers.pop().unwrap();
    assert!(show(&bytes).contains(OLD) && ede(&bytes) == Some(3), "{}", show(&bytes));
}

#[test]
fn cve_2026_46582_an_old_answer_does_not_hide_a_local_name() {
    let mut lab = with_old_answer();
    lab.dns.set_settings(Settings::new("gatepost", "shop.example", "10.0.0.1/24".parse().unwrap()));
    assert!(in_silence(&mut lab).starts_with("NXDomain aa"));

    let mut lab = with_old_answer();
    let data = RecordData::A(Ipv4Addr::new(10, 0, 0, 50));
    let records = vec![Record { name: NAME.into(), data, ttl: 300 }];
    lab.dns.set_settings(Settings { records, ..settings() });
    assert!(in_silence(&mut lab).contains("10.0.0.50"));
}

#[test]
fn cve_2026_46582_an_old_answer_does_not_pass_for_a_forwarded_domains() {
    let mut lab = with_old_answer();
    lab.dns.set_forwards(&[Forward { domain: "shop.example".into(), servers: vec![TWO.into()] }]);
    assert_eq!(in_silence(&mut lab), "ServFail rd ra |  |  | ");
    assert!(lab.asks.iter().all(|ask| ask.server == TWO));
}

#[test]
fn cve_2026_46582_an_old_answer_does_not_get_past_a_block_list() {
    let mut lab = with_old_answer();
    lab.dns.set_block_list(block_list("shop.example"));
    assert!(in_silence(&mut lab).starts_with("NXDomain aa rd ra |  | shop.example. 300 IN SOA"));

    // Nor does the name when it turns out to stand for a listed one: neither now nor when that is old in its turn.
    let mut lab = with_old_answer();
    lab.dns.set_block_list(block_list("tracker.example"));
    let ask = lab.forward(client(5), &query(1, NAME, A));
    let records = [cname(NAME, 10, "t.tracker.example"), a("t.tracker.example", 10, 9)];
    lab.reply(&ask, &reply(&ask, OK, [&records, &[], &[]]));
    assert_eq!(lab.heard(), ["NXDomain rd ra |  |  | "]);
    lab.sleep(100_000);
    assert!(!in_silence(&mut lab).contains(OLD));
    assert_eq!(lab.dig(&format!("below.{NAME}"), A), None, "and it denies nothing below it (RFC 8020)");
}

/// The attack itself: first a public address, then, when that has run out, a private one.
#[test]
fn cve_2026_46582_rebinding_an_old_answer_does_not_make_room_for_a_private_one() {
    let mut lab = with_old_answer();
    let ask = lab.forward(client(5), &query(1, NAME, A));
    lab.reply(&ask, &reply(&ask, OK, [&[(NAME, A, 1, vec![192, 168, 0, 1])], &[], &[]]));
    assert_eq!(lab.heard(), ["NoError rd ra |  |  | "]);
    assert_eq!(lab.dig(NAME, A).unwrap(), "NoError rd ra |  |  | ");
    lab.sleep(100_000);
    let answer = in_silence(&mut lab);
    assert!(!answer.contains("192.168.0.1") && !answer.contains(OLD), "{answer}");
}

#[test]
fn an_alias_of_ours_leads_to_an_old_answer_too() {
    let mut lab = lab();
    let data = RecordData::Cname(NAME.into());
    let records = vec![Record { name: "www.mydomain.net".into(), data, ttl: 300 }];
    lab.dns.set_settings(Settings { records, ..settings() });
    let ask = lab.forward(client(5), &query(1, "www", A));
    lab.reply(&ask, &reply(&ask, OK, [&[a(NAME, 10, 9)], &[], &[]]));
    lab.heard();
    lab.sleep(20_000);
    assert_eq!(lab.dig("www", A), None);
    lab.sleep(1800);
    let whole = format!("NoError rd ra | www. 300 IN CNAME {NAME}., {NAME}. 30 IN A {OLD} |  | ");
    assert_eq!(lab.heard(), [whole]);
}
