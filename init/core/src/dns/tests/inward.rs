//! Answers from outside that say something about a name of ours.

use super::local_names::local;
use super::rebinding::ede;
use super::*;
use crate::config::{Record, RecordData};

/// What a stranger says of a machine of ours.
const FORGED: &str = "198.18.0.66";

fn allowing(domains: &[&str], records: &[(&str, RecordData)]) -> Lab {
    let allow = domains.iter().map(|domain| (*domain).into()).collect();
    let record = |(name, data): &(&str, RecordData)| Record { name: (*name).into(), data: data.clone(), ttl: 300 };
    let mut lab = lab();
    lab.dns.set_settings(Settings {
        rebind: config::Rebind { protection: true, allow },
        records: records.iter().map(record).collect(),
        ..settings()
    });
    lab
}

/// What the client gets for `name` when this is the answer section of the server.
fn told(lab: &mut Lab, name: &str, qtype: u16, records: &[Rr<'_>]) -> String {
    let ask = lab.forward(client(5), &query(1, name, qtype));
    lab.reply(&ask, &reply(&ask, OK, [records, &[], &[]]));
    lab.heard().remove(0)
}

/// `evil.example` leads to `target`, and what that is, the server says as well.
fn leading_to(target: &str) -> [Rr<'_>; 2] {
    [cname("evil.example", 300, target), a(target, 300, 66)]
}

#[test]
fn invariant_3_a_name_outside_that_leads_to_a_machine_of_ours_gets_nothing() {
    for target in ["rpi2.mydomain.net", "RPI2", "gatepost.mydomain.net", "localhost"] {
        for qtype in [A, AAAA, CNAME, TXT] {
            let mut lab = lab();
            let ask = lab.forward(client(5), &with_opt(query(1, "evil.example", qtype), 1232, 0, 0, &[]));
            lab.reply(&ask, &reply(&ask, OK, [&leading_to(target), &[], &[]]));
            let (_, bytes) = lab.answers.pop().unwrap();
            assert_eq!(show(&bytes), "NoError rd ra |  |  |  opt", "{target} {qtype}");
            assert_eq!(ede(&bytes), Some(15));
            assert_eq!((lab.dns.stats().kept_back, lab.dns.kept_back().as_deref()), (1, Some("evil.example")));
            assert_eq!(lab.dig("evil.example", qtype).unwrap(), "NoError rd ra |  |  | ", "from the cache");
            assert!(local(&mut lab, "rpi2.mydomain.net", A).contains("10.0.0.12"));
        }
    }
}

#[test]
fn invariant_3_where_it_may_lead_inside_the_address_is_ours() {
    let mut lab = allowing(&["evil.example"], &[]);
    let alias = "evil.example. 300 IN CNAME rpi2.mydomain.net.";
    for _ in 0..2 {
        // Not kept: the name may have another address the next time.
        let answer = told(&mut lab, "evil.example", A, &leading_to("rpi2.mydomain.net"));
        assert_eq!(answer, format!("NoError rd ra | {alias}, rpi2.mydomain.net. 30 IN A 10.0.0.12 |  | "));
    }
    let none = told(&mut lab, "evil.example", AAAA, &leading_to("rpi2.mydomain.net"));
    assert!(none.starts_with(&format!("NoError rd ra | {alias} | mydomain.net. 10 IN SOA gatepost")), "{none}");
    let nobody = told(&mut lab, "evil.example", A, &leading_to("nobody.mydomain.net"));
    assert!(nobody.starts_with("NXDomain rd ra | evil.example. 300 IN CNAME nobody.mydomain.net. | mydomain.net."));
    let longer = [cname("evil.example", 300, "b.example"), cname("b.example", 60, "rpi2.mydomain.net")];
    let answer = told(&mut lab, "evil.example", A, &[&longer[..], &[a("rpi2.mydomain.net", 9, 66)]].concat());
    assert!(answer.contains("b.example. 60 IN CNAME rpi2.mydomain.net., rpi2.mydomain.net. 30 IN A 10.0.0.12"));
    // Nor does the chain come out again on a way that the server has made up.
    let through = [cname("evil.example", 300, "rpi2.mydomain.net"), cname("rpi2.mydomain.net", 300, "c.example")];
    let answer = told(&mut lab, "evil.example", A, &[&through[..], &[a("c.example", 300, 66)]].concat());
    assert!(answer.contains("10.0.0.12") && !answer.contains("c.example"), "{answer}");
}

#[test]
fn invariant_3_a_record_of_ours_counts_also_at_the_end_of_a_foreign_chain() {
    let mut lab = allowing(&[], &[("app.example.com", RecordData::A(Ipv4Addr::new(203, 0, 113, 9)))]);
    let answer = told(&mut lab, "evil.example", A, &leading_to("app.example.com"));
    assert!(answer.ends_with("CNAME app.example.com., app.example.com. 300 IN A 203.0.113.9 |  | "), "{answer}");
    // Its neighbours are not ours.
    assert!(told(&mut lab, "evil.example", A, &leading_to("www.example.com")).contains(FORGED));
}

#[test]
fn invariant_3_not_even_a_domains_own_servers_know_a_name_of_ours() {
    let mut lab = lab();
    lab.dns.set_forwards(&[Forward { domain: "office.mydomain.net".into(), servers: vec![TWO.into()] }]);
    let name = "pc.office.mydomain.net";
    let records = [cname(name, 300, "rpi2.mydomain.net"), a("rpi2.mydomain.net", 300, 66)];
    let answer = told(&mut lab, name, A, &records);
    assert!(answer.contains("IN A 10.0.0.12") && !answer.contains(FORGED), "{answer}");
    // A DNAME would move the whole domain, for a client that takes it.
    for (from, name) in [("evil.example", "a.office.mydomain.net"), (name, "a.office.mydomain.net")] {
        let ask = lab.forward(client(5), &with_opt(query(1, from, A), 1232, 0, 0x8000, &[]));
        let dname = ("mydomain.net", DNAME, 300, wire_name("evil.example"));
        let moved = cname(name, 300, "a.office.evil.example");
        let records = [dname, cname(from, 300, name), moved, a("a.office.evil.example", 300, 66)];
        lab.reply(&ask, &reply(&ask, OK, [&records, &[], &[]]));
        assert_eq!(lab.heard(), ["NoError rd ra |  |  |  opt"], "{from}");
    }
}

#[test]
fn invariant_3_an_alias_of_ours_that_comes_back_from_outside() {
    let cdn = || RecordData::Cname("cdn.example".into());
    let mut lab = allowing(&["cdn.example"], &[("www.mydomain.net", cdn())]);
    let back = |target| [cname("cdn.example", 300, target), a(target, 300, 66)];
    let answer = told(&mut lab, "www", A, &back("rpi2.mydomain.net"));
    assert!(answer.starts_with("NoError rd ra | www. 300 IN CNAME cdn.example., cdn.example. 300 IN CNAME rpi2."));
    assert!(answer.contains("IN A 10.0.0.12") && !answer.contains(FORGED), "{answer}");
    // Round and round: nobody is asked twice for that.
    let answer = told(&mut lab, "www", A, &back("www.mydomain.net"));
    assert_eq!(answer, "NoError rd ra | www. 300 IN CNAME cdn.example. |  | ");
    assert!(lab.asks.is_empty());
}

#[test]
fn rfc4035_3_1_4_1_with_the_ds_of_our_domain_comes_nothing_else_about_it() {
    let mut lab = lab();
    let records = [cname("mydomain.net", 300, "evil.example"), ("evil.example", DS, 300, vec![0, 1, 8, 2, 66])];
    assert_eq!(told(&mut lab, "mydomain.net", DS, &records), "NoError rd ra |  |  | ");
}

#[test]
fn an_answer_about_a_name_that_became_ours_meanwhile_is_ours() {
    let mut lab = lab();
    let ask = lab.forward(client(5), &query(1, "rpi1.example.net", A));
    lab.dns.set_settings(Settings::new("gate", "example.net", "10.9.0.1/24".parse().unwrap()));
    lab.reply(&ask, &reply(&ask, OK, [&[a("rpi1.example.net", 300, 66)], &[], &[]]));
    let answer = lab.heard().remove(0);
    assert_eq!(answer, "NoError rd ra | rpi1.example.net. 30 IN A 10.0.0.11 |  | ");
}
