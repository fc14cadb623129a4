//! Our own names, and those that never go upstream.

use super::*;

pub(super) fn local(lab: &mut Lab, name: &str, qtype: u16) -> String {
    let answer = lab.dig(name, qtype).unwrap_or_else(|| panic!("{name} went upstream"));
    assert!(lab.asks.is_empty());
    answer
}

const OUR_SOA: &str = "mydomain.net. 10 IN SOA gatepost.mydomain.net. nobody.invalid. SERIAL 3600 1200 604800 10";

fn ours(text: &str) -> String {
    text.replace("SOA", OUR_SOA)
}

fn without_serial(text: &str) -> String {
    let Some((before, after)) = text.split_once("nobody.invalid. ") else { return text.into() };
    let (_, rest) = after.split_once(' ').unwrap();
    format!("{before}nobody.invalid. SERIAL {rest}")
}

#[test]
fn every_host_answers_by_label_and_full_name_forwards_and_backwards() {
    let mut lab = lab();
    assert_eq!(local(&mut lab, "rpi1", A), "NoError aa rd ra | rpi1. 30 IN A 10.0.0.11 |  | ");
    assert_eq!(
        local(&mut lab, "RPI1.MyDomain.Net", A),
        "NoError aa rd ra | RPI1.MyDomain.Net. 30 IN A 10.0.0.11 |  | "
    );
    let pointer = "NoError aa rd ra | 11.0.0.10.in-addr.arpa. 30 IN PTR rpi1.mydomain.net. |  | ";
    assert_eq!(local(&mut lab, "11.0.0.10.in-addr.arpa", PTR), pointer);
    assert_eq!(local(&mut lab, "gatepost", A), "NoError aa rd ra | gatepost. 30 IN A 10.0.0.1 |  | ");
    assert!(local(&mut lab, "gatepost.mydomain.net", A).contains("10.0.0.1"));
    assert!(local(&mut lab, "1.0.0.10.in-addr.arpa", PTR).contains("PTR gatepost.mydomain.net."));
}

#[test]
fn rfc2308_2_other_types_of_a_host_are_nodata_with_our_soa() {
    let mut lab = lab();
    for qtype in [AAAA, TXT, 65, 257] {
        let answer = without_serial(&local(&mut lab, "rpi1.mydomain.net", qtype));
        assert_eq!(answer, ours("NoError aa rd ra |  | SOA | "));
    }
    let answer = without_serial(&local(&mut lab, "rpi1", AAAA));
    assert!(answer.starts_with("NoError aa rd ra |  | rpi1. 10 IN SOA gatepost.mydomain.net."), "{answer}");
    assert!(
        local(&mut lab, "11.0.0.10.in-addr.arpa", A).starts_with("NoError aa rd ra |  | 10.in-addr.arpa. 10 IN SOA")
    );
}

#[test]
fn invariant_3_the_local_domain_never_goes_upstream() {
    let mut lab = lab();
    for name in ["nobody.mydomain.net", "a.rpi1.mydomain.net", "_ldap._tcp.mydomain.net", "localhost.mydomain.net"] {
        for qtype in [A, AAAA, SOA, NS, 43, 999] {
            let answer = without_serial(&local(&mut lab, name, qtype));
            assert_eq!(answer, ours("NXDomain aa rd ra |  | SOA | "));
        }
    }
    assert!(local(&mut lab, "mydomain.net", SOA).starts_with("NoError aa rd ra | mydomain.net. 30 IN SOA gatepost"));
    assert!(local(&mut lab, "mydomain.net", NS).contains("IN NS gatepost.mydomain.net."));
    assert_eq!(without_serial(&local(&mut lab, "mydomain.net", A)), ours("NoError aa rd ra |  | SOA | "));
    // A name that only ends with the same letters is another domain.
    assert_eq!(lab.dig("rpi1.notmydomain.net", A), None);
}

/// A domain that others know must be proved unsigned by the zone above, or validating clients refuse what we say of it.
#[test]
fn rfc4035_3_1_4_1_the_ds_of_our_domain_belongs_to_the_zone_above() {
    let mut lab = lab();
    let mx = config::RecordData::Mx { preference: 10, host: "rpi1.mydomain.net".into() };
    let records = vec![config::Record { name: "mydomain.net".into(), data: mx, ttl: 300 }];
    lab.dns.set_settings(Settings { records, ..settings() });
    let ask = lab.forward(client(5), &query(1, "MyDomain.net", DS));
    lab.reply(&ask, &reply(&ask, NX, [&[], &[soa("net", 900, 900)], &[]]));
    assert!(lab.heard()[0].starts_with("NXDomain rd ra |  | net. 900 IN SOA"));
    // That nobody has registered it is known for this type alone.
    assert!(lab.dig("mydomain.net", DS).unwrap().starts_with("NXDomain rd ra |  | net."), "kept");
    assert!(local(&mut lab, "mydomain.net", 15).starts_with("NoError aa"));
    assert!(local(&mut lab, "mydomain.net", SOA).starts_with("NoError aa"));
    assert!(local(&mut lab, "rpi1.mydomain.net", A).contains("10.0.0.11"));
    for below in ["rpi1.mydomain.net", "nobody.mydomain.net"] {
        assert!(local(&mut lab, below, DS).contains(" aa rd ra |  | mydomain.net. 10 IN SOA"), "{below}");
    }
}

/// Where the zone above is answered here as well, it is not for others to deny.
#[test]
fn invariant_3_a_domain_inside_a_special_zone_is_never_asked_for() {
    for domain in ["flat.home.arpa", "flat.internal", "internal", "lan.test"] {
        let mut lab = lab();
        lab.dns.set_settings(Settings { domain: domain.into(), ..settings() });
        assert!(local(&mut lab, domain, DS).starts_with("NoError aa rd ra |  | "), "{domain}");
    }
}

#[test]
fn invariant_3_single_labels_never_leak() {
    let mut lab = lab();
    for qtype in [A, AAAA, TXT, 65, 255] {
        assert_eq!(local(&mut lab, "printer", qtype), "NXDomain aa rd ra |  |  | ");
    }
    // A validating client may ask what it must know about top-level domains.
    assert_eq!(lab.dig("com", 43), None);
    assert_eq!(lab.asks.len(), 1);
}

#[test]
fn a_host_that_comes_is_known_at_once_whatever_was_asked_before() {
    let mut lab = lab();
    let ask = lab.forward(client(5), &query(1, "phone", 43));
    lab.reply(&ask, &reply(&ask, NX, [&[], &[soa("", 900, 900)], &[]]));
    assert!(local(&mut lab, "phone", A).starts_with("NXDomain"));
    assert!(local(&mut lab, "phone.mydomain.net", A).starts_with("NXDomain"));
    lab.dns.set_name(&record("Phone", 77)).unwrap();
    assert!(local(&mut lab, "phone", A).contains("10.0.0.77"));
    assert!(local(&mut lab, "phone.mydomain.net", A).contains("10.0.0.77"));
    lab.dns.set_name(&record("phone", 78)).unwrap();
    assert!(local(&mut lab, "77.0.0.10.in-addr.arpa", PTR).starts_with("NXDomain"));
    assert!(local(&mut lab, "78.0.0.10.in-addr.arpa", PTR).contains("phone.mydomain.net."));
    lab.dns.remove_name("PHONE");
    assert!(local(&mut lab, "phone", A).starts_with("NXDomain"));
    assert!(local(&mut lab, "78.0.0.10.in-addr.arpa", PTR).starts_with("NXDomain"));
}

#[test]
fn two_names_of_one_address_share_it_and_the_first_is_its_pointer() {
    let mut lab = lab();
    lab.dns.set_name(&record("alias", 11)).unwrap();
    assert!(local(&mut lab, "11.0.0.10.in-addr.arpa", PTR).contains("rpi1.mydomain.net."));
    lab.dns.remove_name("rpi1");
    assert!(local(&mut lab, "11.0.0.10.in-addr.arpa", PTR).contains("alias.mydomain.net."));
}

#[test]
fn the_gateways_own_name_cannot_be_taken_and_bad_labels_are_refused() {
    let mut lab = lab();
    assert_eq!(lab.dns.set_name(&record("GATEPOST", 66)), Err(NameRefused::Reserved));
    assert_eq!(lab.dns.set_name(&record("localhost", 66)), Err(NameRefused::Reserved));
    let long = "a".repeat(64);
    for bad in ["", "a.b", "-a", "a-", "a b", "$(reboot)", "caf\u{e9}", &long] {
        assert_eq!(lab.dns.set_name(&record(bad, 66)), Err(NameRefused::NotALabel), "{bad}");
    }
    lab.dns.remove_name("gatepost");
    assert!(local(&mut lab, "gatepost", A).contains("10.0.0.1"));
}

#[test]
fn the_table_of_names_has_an_end() {
    let mut lab = lab();
    let many: Vec<NameRecord> = (0..MAX_NAMES + 100).map(|n| record(&format!("host{n}"), 20)).collect();
    let refused = lab.dns.set_names(&many);
    assert_eq!(refused, 101, "the gateway has the first place");
    assert_eq!(lab.dns.names().count(), MAX_NAMES);
    assert_eq!(lab.dns.set_name(&record("late", 9)), Err(NameRefused::Full));
    assert_eq!(lab.dns.set_name(&record("host7", 9)), Ok(()), "a known host may move");
}

#[test]
fn changed_settings_move_the_names_and_empty_the_cache() {
    let mut lab = lab();
    let ask = lab.forward(client(5), &query(1, "www.example.net", A));
    lab.reply(&ask, &reply(&ask, OK, [&[a("www.example.net", 300, 9)], &[], &[]]));
    lab.dns.set_settings(Settings::new("gate", "example.net", "10.9.0.1/24".parse().unwrap()));
    assert!(local(&mut lab, "www.example.net", A).starts_with("NXDomain"));
    assert!(local(&mut lab, "rpi1.example.net", A).contains("10.0.0.11"));
    assert!(local(&mut lab, "gate", A).contains("10.9.0.1"));
    assert!(local(&mut lab, "gatepost", A).starts_with("NXDomain"));
}

#[test]
fn an_answer_that_arrives_after_its_name_became_ours_is_not_kept() {
    let mut lab = lab();
    let ask = lab.forward(client(5), &query(1, "www.example.net", A));
    lab.dns.set_settings(Settings::new("gate", "example.net", "10.9.0.1/24".parse().unwrap()));
    lab.reply(&ask, &reply(&ask, OK, [&[a("www.example.net", 300, 9)], &[], &[]]));
    assert_eq!(lab.heard().len(), 1);
    assert!(local(&mut lab, "www.example.net", A).starts_with("NXDomain"));
}

/// Between a zone and a host lie names that exist without records.
#[test]
fn rfc8020_a_name_above_a_host_is_not_denied() {
    let mut lab = lab();
    assert!(local(&mut lab, "0.0.10.in-addr.arpa", PTR).starts_with("NoError aa rd ra |  | 10.in-addr.arpa."));
    assert!(local(&mut lab, "10.in-addr.arpa", SOA).starts_with("NoError aa rd ra | 10.in-addr.arpa. 30 IN SOA"));
    assert!(local(&mut lab, "7.0.10.in-addr.arpa", PTR).starts_with("NXDomain"));
}

#[test]
fn rfc8375_a_configured_domain_wins_over_its_special_zone() {
    let mut lab = lab();
    lab.dns.set_settings(Settings::new("gatepost", "Home.ARPA.", "10.0.0.1/24".parse().unwrap()));
    assert!(local(&mut lab, "rpi1.home.arpa", A).contains("10.0.0.11"));
    lab.dns.set_settings(Settings::new("gatepost", "not..a.domain", "10.0.0.1/24".parse().unwrap()));
    assert!(local(&mut lab, "rpi1.home.arpa", A).contains("10.0.0.11"), "the default");
}
