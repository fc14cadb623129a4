//! An answer from the cache: octets in, octets out.

use super::*;

/// The promise of the hot path, octet by octet: the client's identifier and letters, the TTL counted down.
#[test]
fn a_hit_repeats_id_and_case_and_counts_the_ttl_down() {
    let mut lab = lab();
    let ask = lab.forward(client(5), &query(1, "www.example.net", A));
    lab.reply(&ask, &reply(&ask, OK, [&[a("www.example.net", 300, 9)], &[], &[]]));
    lab.sleep(100_000);
    let hit = lab.query(client(6), &query(0xbeef, "wWw.eXample.NET", A)).unwrap();
    let mut expected = vec![0xbe, 0xef, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0];
    expected.extend(wire_name("wWw.eXample.NET"));
    expected.extend([0, 1, 0, 1]);
    expected.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 200, 0, 4, 198, 18, 0, 9]);
    assert_eq!(hit, expected);
    assert!(lab.asks.is_empty());
    assert_eq!(lab.dns.stats().cache_hits, 1);
}

#[test]
fn a_hit_needs_no_new_memory_once_the_buffer_has_grown() {
    let mut lab = lab();
    let ask = lab.forward(client(5), &query(1, "www.example.net", A));
    lab.reply(&ask, &reply(&ask, OK, [&[a("www.example.net", 300, 9)], &[], &[]]));
    let mut out = Vec::with_capacity(512);
    let before = out.as_ptr();
    for id in 0..100 {
        let bytes = with_opt(query(id, "www.example.net", A), 1232, 0, 0, &[]);
        let outcome = lab.dns.handle_query(client(6), &bytes, lab.now, &mut lab.entropy, &mut out);
        assert_eq!(outcome, Outcome::Answered);
    }
    assert_eq!(out.as_ptr(), before);
    assert!(lab.dns.poll_action().is_none());
}

#[test]
fn invariant_4_never_after_the_ttl() {
    let mut lab = lab();
    let ask = lab.forward(client(5), &query(1, "www.example.net", A));
    lab.reply(&ask, &reply(&ask, OK, [&[a("www.example.net", 300, 9)], &[], &[]]));
    lab.sleep(299_999);
    assert_eq!(lab.dig("www.example.net", A).unwrap(), "NoError rd ra | www.example.net. 0 IN A 198.18.0.9 |  | ");
    lab.sleep(1);
    assert_eq!(lab.dig("www.example.net", A), None);
    assert_eq!(lab.asks.len(), 1);
}

#[test]
fn rfc2181_5_2_the_shortest_ttl_of_the_answer_counts() {
    let mut lab = lab();
    let ask = lab.forward(client(5), &query(1, "www.example.net", A));
    let records = [cname("www.example.net", 60, "web.example.org"), a("web.example.org", 300, 9)];
    lab.reply(&ask, &reply(&ask, OK, [&records, &[], &[]]));
    lab.sleep(59_000);
    let text =
        "NoError rd ra | www.example.net. 1 IN CNAME web.example.org., web.example.org. 241 IN A 198.18.0.9 |  | ";
    assert_eq!(lab.dig("www.example.net", A).unwrap(), text);
    lab.sleep(1_000);
    assert_eq!(lab.dig("www.example.net", A), None);
}

#[test]
fn rfc2181_8_ttls_are_clamped_and_a_negative_one_is_zero() {
    let mut lab = lab();
    let ask = lab.forward(client(5), &query(1, "long.example.net", A));
    lab.reply(&ask, &reply(&ask, OK, [&[a("long.example.net", 0x7fff_ffff, 9)], &[], &[]]));
    assert!(lab.heard()[0].contains("long.example.net. 86400 IN A"));
    let ask = lab.forward(client(5), &query(1, "none.example.net", A));
    lab.reply(&ask, &reply(&ask, OK, [&[a("none.example.net", 0x8000_0001, 9)], &[], &[]]));
    assert!(lab.heard()[0].contains("none.example.net. 0 IN A"));
    assert_eq!(lab.dig("none.example.net", A), None, "a TTL of zero is not kept");
}

#[test]
fn rfc2308_5_negative_answers_live_as_the_soa_says_but_three_hours_at_most() {
    let mut lab = lab();
    for (name, ttl, minimum, lives) in
        [("a.example.net", 900, 60, 60), ("b.example.net", 30, 600, 30), ("c.example.net", 99_999, 99_999, 10_800)]
    {
        let ask = lab.forward(client(5), &query(1, name, A));
        lab.reply(&ask, &reply(&ask, NX, [&[], &[soa("example.net", ttl, minimum)], &[]]));
        lab.heard();
        lab.now = lab.now + Duration::from_secs(lives - 1);
        assert!(lab.dig(name, A).unwrap().starts_with("NXDomain rd ra |  | example.net. 1 IN SOA"));
        lab.now = lab.now + Duration::from_secs(1);
        assert_eq!(lab.dig(name, A), None);
        let ask = lab.asks.pop().unwrap();
        lab.reply(&ask, &reply(&ask, NX, [&[], &[], &[]]));
    }
}

#[test]
fn rfc2308_5_no_soa_no_keeping() {
    let mut lab = lab();
    let ask = lab.forward(client(5), &query(1, "a.example.net", A));
    lab.reply(&ask, &reply(&ask, NX, [&[], &[], &[]]));
    assert_eq!(lab.heard(), ["NXDomain rd ra |  |  | "]);
    assert_eq!(lab.dig("a.example.net", A), None);
}

#[test]
fn rfc2308_5_a_name_that_does_not_exist_has_no_other_type_but_nodata_is_of_one_type() {
    let mut lab = lab();
    let ask = lab.forward(client(5), &query(1, "no.example.net", A));
    lab.reply(&ask, &reply(&ask, NX, [&[], &[soa("example.net", 60, 60)], &[]]));
    assert!(lab.dig("no.example.net", AAAA).unwrap().starts_with("NXDomain rd ra"));
    let ask = lab.forward(client(5), &query(1, "v4.example.net", AAAA));
    lab.reply(&ask, &reply(&ask, OK, [&[], &[soa("example.net", 60, 60)], &[]]));
    assert!(lab.dig("v4.example.net", AAAA).unwrap().starts_with("NoError rd ra |  | example.net. 60 IN SOA"));
    assert_eq!(lab.dig("v4.example.net", A), None);
    // At the end of a chain it is another name that does not exist.
    let ask = lab.forward(client(5), &query(1, "alias.example.net", A));
    let records = [cname("alias.example.net", 60, "gone.example.org")];
    lab.reply(&ask, &reply(&ask, NX, [&records, &[soa("example.org", 60, 60)], &[]]));
    assert_eq!(lab.dig("alias.example.net", TXT), None);
}

#[test]
fn rfc9520_failures_are_repeated_for_a_moment_and_forgotten_with_the_uplink() {
    let mut lab = lab();
    let fails = |lab: &mut Lab| {
        for _ in 0..2 {
            let ask = lab.asks.pop().unwrap();
            lab.reply(&ask, &reply(&ask, 0x8182, [&[], &[], &[]]));
        }
        assert_eq!(lab.heard(), ["ServFail rd ra |  |  | "]);
    };
    assert_eq!(lab.dig("broken.example.net", A), None);
    fails(&mut lab);
    lab.sleep(4_999);
    assert_eq!(lab.dig("broken.example.net", A).unwrap(), "ServFail rd ra |  |  | ");
    lab.sleep(1);
    assert_eq!(lab.dig("broken.example.net", A), None);
    fails(&mut lab);
    lab.dns.set_upstreams(&[TWO.into()]);
    assert_eq!(lab.dig("broken.example.net", A), None);
}

#[test]
fn answers_with_and_without_dnssec_are_kept_apart() {
    let mut lab = lab();
    let ask = lab.forward(client(5), &query(1, "www.example.net", A));
    lab.reply(&ask, &reply(&ask, OK, [&[a("www.example.net", 300, 9)], &[], &[]]));
    let dnssec = with_opt(query(1, "www.example.net", A), 1232, 0, 0x8000, &[]);
    assert_eq!(lab.query(client(5), &dnssec), None);
    let mut checking_disabled = query(1, "www.example.net", A);
    checking_disabled[3] |= 0x10;
    assert_eq!(lab.query(client(5), &checking_disabled), None);
}
