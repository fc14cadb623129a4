//! What is kept longer, fetched sooner, or not asked again.

use super::*;

const SERVFAIL: &str = "ServFail rd ra |  |  | ";

/// Fills the cache with one answer of `ttl` seconds.
fn know(lab: &mut Lab, name: &str, ttl: u32) {
    let ask = lab.forward(client(5), &query(1, name, A));
    lab.reply(&ask, &reply(&ask, OK, [&[a(name, ttl, 9)], &[], &[]]));
    lab.heard();
    lab.closed.clear();
}

fn stale(name: &str) -> String {
    format!("NoError rd ra | {name}. 30 IN A 198.18.0.9 |  | ")
}

/// The info code of the Extended DNS Error at the end of an answer.
fn reason(bytes: &[u8]) -> Option<u16> {
    let tail = bytes.last_chunk::<6>()?;
    (tail[..4] == [0, 15, 0, 2]).then(|| u16::from_be_bytes([tail[4], tail[5]]))
}

#[test]
fn rfc8767_5_an_old_answer_after_the_client_response_timer() {
    let mut lab = lab();
    know(&mut lab, "www.example.net", 60);
    lab.sleep(60_000);
    let edns = with_opt(query(2, "wWw.example.net", A), 1232, 0, 0, &[]);
    let ask = lab.forward(client(6), &edns);
    lab.sleep(800);
    lab.sleep(999);
    assert!(lab.answers.is_empty());
    lab.sleep(1);
    assert_eq!(reason(&lab.answers[0].1), Some(3), "stale answer (RFC 8914 section 4.4)");
    assert_eq!(lab.heard(), [stale("wWw.example.net") + " opt"]);
    // Whoever asks now does not wait; the late answer is still taken.
    assert_eq!(lab.dig("www.example.net", A), Some(stale("www.example.net")));
    lab.reply(&ask, &reply(&ask, OK, [&[a("www.example.net", 300, 7)], &[], &[]]));
    assert!(lab.answers.is_empty(), "nobody waits any more");
    assert!(lab.dig("www.example.net", A).unwrap().contains("300 IN A 198.18.0.7"));
    assert_eq!((lab.dns.stats().stale, lab.dns.stats().failed), (2, 0));
    assert_eq!(lab.dns.poll_timeout(), None);
}

#[test]
fn rfc8767_5_an_old_answer_at_once_when_the_servers_fail_and_they_are_spared() {
    let mut lab = lab();
    know(&mut lab, "www.example.net", 60);
    lab.sleep(60_000);
    assert_eq!(lab.dig("www.example.net", A), None);
    for _ in 0..2 {
        let ask = lab.asks.pop().unwrap();
        lab.reply(&ask, &reply(&ask, 0x8182, [&[], &[], &[]]));
    }
    assert_eq!(lab.heard(), [stale("www.example.net")]);
    lab.sleep(29_999);
    assert_eq!(lab.dig("www.example.net", A), Some(stale("www.example.net")));
    assert!(lab.asks.is_empty(), "the failure recheck timer");
    lab.sleep(1);
    let ask = lab.forward(client(5), &query(3, "www.example.net", A));
    lab.reply(&ask, &reply(&ask, OK, [&[a("www.example.net", 300, 7)], &[], &[]]));
    assert!(lab.heard()[0].contains("198.18.0.7"));
}

#[test]
fn rfc8767_an_old_answer_without_any_server_and_when_the_table_is_full() {
    let mut lab = lab();
    know(&mut lab, "www.example.net", 60);
    lab.sleep(60_000);
    lab.dns.set_upstreams(&[]);
    assert_eq!(lab.dig("www.example.net", A), Some(stale("www.example.net")));
    assert_eq!(lab.dig("other.example.net", A).unwrap(), SERVFAIL);
    // A question that asks for no recursion has no right to it.
    let mut plain = query(1, "www.example.net", A);
    plain[2] = 0;
    assert!(show(&lab.query(client(5), &plain).unwrap()).starts_with("ServFail"));
}

#[test]
fn rfc8767_4_an_old_answer_is_not_given_for_ever_nor_when_nobody_wants_it() {
    let mut lab = lab();
    know(&mut lab, "www.example.net", 60);
    know(&mut lab, "zero.example.net", 0);
    lab.dns.set_upstreams(&[]);
    assert_eq!(lab.dig("zero.example.net", A).unwrap(), SERVFAIL, "what was never kept is not stale");
    lab.now = lab.now + Duration::from_secs(60) + STALE_FOR - Duration::from_millis(1);
    assert_eq!(lab.dig("www.example.net", A), Some(stale("www.example.net")));
    lab.sleep(1);
    assert_eq!(lab.dig("www.example.net", A).unwrap(), SERVFAIL);
    lab.dns.set_settings(Settings { stale: false, ..settings() });
    lab.dns.set_upstreams(&[ONE.into()]);
    know(&mut lab, "www.example.net", 60);
    lab.sleep(60_000);
    lab.dns.set_upstreams(&[]);
    assert_eq!(lab.dig("www.example.net", A).unwrap(), SERVFAIL);
}

#[test]
fn rfc8914_4_20_an_old_denial_says_so() {
    let mut lab = lab();
    let ask = lab.forward(client(5), &query(1, "no.example.net", A));
    lab.reply(&ask, &reply(&ask, NX, [&[], &[soa("example.net", 60, 60)], &[]]));
    lab.sleep(60_000);
    lab.dns.set_upstreams(&[]);
    let bytes = lab.query(client(5), &with_opt(query(1, "no.example.net", AAAA), 1232, 0, 0, &[])).unwrap();
    assert_eq!(reason(&bytes), Some(19));
    assert!(show(&bytes).starts_with("NXDomain rd ra |  | example.net. 30 IN SOA"));
}

/// CVE-2026-46582 and its kind: serving stale must not undo what else was decided about a name.
#[test]
fn cve_2026_46582_an_old_answer_is_never_of_a_name_that_is_now_ours() {
    let mut lab = lab();
    know(&mut lab, "www.example.net", 60);
    lab.sleep(60_000);
    assert_eq!(lab.dig("www.example.net", A), None);
    lab.dns.set_settings(Settings { domain: "example.net".into(), ..settings() });
    lab.sleep(1_800);
    assert!(lab.heard().is_empty(), "the cache began anew with the settings");
    assert!(lab.dig("www.example.net", A).unwrap().starts_with("NXDomain aa"));
    lab.sleep(3_200);
    assert_eq!(lab.heard(), [SERVFAIL]);
}

#[test]
fn rfc9520_3_2_failures_last_longer_each_time_but_five_minutes_at_most() {
    let mut lab = lab();
    for seconds in [5, 10, 20, 40, 80, 160, 300, 300] {
        assert_eq!(lab.dig("broken.example.net", A), None);
        for _ in 0..2 {
            let ask = lab.asks.pop().unwrap();
            lab.reply(&ask, &reply(&ask, 0x8182, [&[], &[], &[]]));
        }
        assert_eq!(lab.heard(), [SERVFAIL]);
        lab.sleep(seconds * 1000 - 1);
        assert_eq!(lab.dig("broken.example.net", A).unwrap(), SERVFAIL);
        lab.sleep(1);
    }
    // An answer ends the row.
    know(&mut lab, "broken.example.net", 1);
    lab.dns.set_settings(Settings { stale: false, ..settings() });
    assert_eq!(lab.dig("broken.example.net", A), None);
}

/// Both servers are asked and fail: by a reply, or by their silence.
fn fail(lab: &mut Lab, name: &str, silent: bool) {
    assert_eq!(lab.dig(name, A), None, "{name} is asked for");
    if silent {
        lab.sleep(800);
        lab.sleep(1_200);
        lab.sleep(3_000);
    } else {
        for _ in 0..2 {
            let ask = lab.asks.pop().unwrap();
            lab.reply(&ask, &reply(&ask, 0x8182, [&[], &[], &[]]));
        }
    }
    lab.asks.clear();
    assert_eq!(lab.heard(), [SERVFAIL]);
}

/// The line beyond the home router was dead for minutes; no link and no lease has changed.
#[test]
fn rfc9520_3_2_after_an_outage_no_name_keeps_failing_for_minutes() {
    for silent in [false, true] {
        let mut lab = lab();
        let names = ["a.example.net", "b.example.net", "c.example.net"];
        for seconds in [5, 10, 20, 40, 80, 160, 300] {
            names.iter().for_each(|name| fail(&mut lab, name, silent));
            lab.sleep(seconds * 1000);
        }
        names.iter().for_each(|name| fail(&mut lab, name, silent));
        lab.sleep(4_000);
        know(&mut lab, "www.example.net", 300);
        // The last of them failed only just now; it waits as after a first failure.
        assert_eq!(lab.dig("c.example.net", A).unwrap(), SERVFAIL);
        lab.sleep(1_000);
        fail(&mut lab, "c.example.net", false);
        lab.sleep(4_999);
        assert_eq!(lab.dig("c.example.net", A).unwrap(), SERVFAIL, "and begins anew with the shortest pause");
        lab.sleep(1);
        names.iter().for_each(|name| know(&mut lab, name, 300));
    }
}

#[test]
fn rfc9520_3_2_broken_names_are_no_outage() {
    let mut lab = lab();
    let broken = ["a.example.net", "b.example.net"];
    for seconds in [5, 10, 20, 40] {
        broken.iter().for_each(|name| fail(&mut lab, name, false));
        know(&mut lab, "www.example.net", 0);
        broken.iter().for_each(|name| assert_eq!(lab.dig(name, A).unwrap(), SERVFAIL));
        lab.sleep(seconds * 1000 - 1);
        broken.iter().for_each(|name| assert_eq!(lab.dig(name, A).unwrap(), SERVFAIL));
        lab.sleep(1);
    }
    // Nor are three, if something is answered between them.
    fail(&mut lab, "a.example.net", false);
    fail(&mut lab, "c.example.net", false);
    know(&mut lab, "www.example.net", 0);
    fail(&mut lab, "b.example.net", false);
    know(&mut lab, "www.example.net", 0);
    lab.sleep(10_000);
    assert_eq!(lab.dig("a.example.net", A).unwrap(), SERVFAIL);
}

/// A company's line that comes and goes says nothing of the internet's.
#[test]
fn rfc9520_3_2_each_domain_with_servers_has_an_outage_of_its_own() {
    let mut lab = lab();
    lab.dns.set_forwards(&[Forward { domain: "corp.example".into(), servers: Vec::from([ONE.into(), TWO.into()]) }]);
    for seconds in [5, 10] {
        fail(&mut lab, "a.corp.example", false);
        lab.sleep(seconds * 1000);
    }
    ["a.corp.example", "b.corp.example", "c.corp.example"].iter().for_each(|name| fail(&mut lab, name, false));
    know(&mut lab, "www.example.net", 0);
    lab.sleep(10_000);
    assert_eq!(lab.dig("a.corp.example", A).unwrap(), SERVFAIL, "another line answered");
    know(&mut lab, "d.corp.example", 0);
    know(&mut lab, "a.corp.example", 0);
}

#[test]
fn rfc9520_timeouts_count_as_failures() {
    let mut lab = lab();
    assert_eq!(lab.dig("silent.example.net", A), None);
    while let Some(at) = lab.dns.poll_timeout() {
        lab.sleep(at.since(lab.now).as_millis() as u64);
    }
    assert_eq!(lab.heard(), [SERVFAIL]);
    lab.asks.clear();
    assert_eq!(lab.dig("silent.example.net", A).unwrap(), SERVFAIL);
    assert!(lab.asks.is_empty());
}

#[test]
fn rfc8020_2_below_a_name_that_does_not_exist_there_is_nothing() {
    let mut lab = lab();
    let ask = lab.forward(client(5), &query(1, "no.example.net", A));
    lab.reply(&ask, &reply(&ask, NX, [&[], &[soa("example.net", 60, 60)], &[]]));
    lab.heard();
    lab.sleep(10_000);
    let denial = "NXDomain rd ra |  | example.net. 50 IN SOA ns.example.net. admin.example.net. 1 2 3 4 60 | ";
    assert_eq!(lab.dig("a.b.No.example.net", TXT).unwrap(), denial);
    assert_eq!(lab.dig("x.no.example.net", A).unwrap(), denial);
    assert_eq!(lab.dig("notno.example.net", A), None, "labels, not letters");
    assert_eq!(lab.dig("example.net", A), None);
    // Another class and DNSSEC are other questions.
    let mut chaos = query(1, "x.no.example.net", A);
    *chaos.last_mut().unwrap() = 4;
    assert_eq!(lab.query(client(5), &chaos), None);
    lab.sleep(50_000);
    assert_eq!(lab.dig("x.no.example.net", A), None, "with its time its word is over");
}

#[test]
fn cve_2026_44687_a_denial_above_does_not_shadow_a_domain_with_its_own_servers() {
    let mut lab = lab();
    lab.dns.set_forwards(&[Forward { domain: "sub.example.net".into(), servers: Vec::from([TWO.into()]) }]);
    let ask = lab.forward(client(5), &query(1, "example.net", A));
    lab.reply(&ask, &reply(&ask, NX, [&[], &[soa("net", 60, 60)], &[]]));
    assert!(lab.dig("www.example.net", A).unwrap().starts_with("NXDomain"));
    let ask = lab.forward(client(5), &query(1, "www.sub.example.net", A));
    assert_eq!(ask.server, TWO);
    lab.reply(&ask, &reply(&ask, NX, [&[], &[soa("sub.example.net", 60, 60)], &[]]));
    assert!(lab.dig("deep.www.sub.example.net", A).unwrap().starts_with("NXDomain"), "its own denials cut");
}

#[test]
fn a_name_in_demand_is_fetched_anew_in_the_last_tenth_of_its_life() {
    let mut lab = lab();
    know(&mut lab, "hot.example.net", 100);
    know(&mut lab, "cold.example.net", 100);
    for _ in 0..3 {
        lab.dig("hot.example.net", A).unwrap();
    }
    lab.sleep(89_999);
    lab.dig("hot.example.net", A).unwrap();
    assert!(lab.asks.is_empty());
    lab.sleep(1);
    assert!(lab.dig("hot.example.net", A).unwrap().contains(" 10 IN A 198.18.0.9"), "nobody waits for it");
    lab.dig("cold.example.net", A).unwrap();
    lab.dig("hot.example.net", A).unwrap();
    assert_eq!(lab.asks.len(), 1, "once, and not for what nobody wants");
    let ask = lab.asks.pop().unwrap();
    lab.reply(&ask, &reply(&ask, OK, [&[a("hot.example.net", 100, 7)], &[], &[]]));
    assert!(lab.answers.is_empty());
    assert!(lab.dig("hot.example.net", A).unwrap().contains(" 100 IN A 198.18.0.7"));
    assert_eq!(lab.dns.stats().prefetched, 1);
    // A refresh that fails costs nobody the answer.
    for _ in 0..3 {
        lab.dig("hot.example.net", A).unwrap();
    }
    lab.sleep(95_000);
    lab.dig("hot.example.net", A).unwrap();
    for _ in 0..2 {
        let ask = lab.asks.pop().unwrap();
        lab.reply(&ask, &reply(&ask, 0x8182, [&[], &[], &[]]));
    }
    assert!(lab.dig("hot.example.net", A).unwrap().contains(" 5 IN A 198.18.0.7"));
    lab.dns.set_settings(Settings { prefetch: false, ..settings() });
    know(&mut lab, "hot.example.net", 100);
    lab.sleep(95_000);
    for _ in 0..10 {
        lab.dig("hot.example.net", A).unwrap();
    }
    assert!(lab.asks.is_empty());
}

/// At the cap: names asked for once cannot push out those that the house uses, however many come.
#[test]
fn a_flood_of_random_names_leaves_the_names_of_the_house() {
    let mut lab = lab();
    lab.dns.set_settings(Settings { cache_entries: 256, ..settings() });
    for number in 0..50 {
        let name = format!("house{number}.example.net");
        know(&mut lab, &name, 86_400);
        lab.dig(&name, A).unwrap();
    }
    for number in 0..20_000 {
        know(&mut lab, &format!("r{number}.example.net"), 86_400);
        assert!(lab.dns.stats().cache_entries <= 256);
    }
    for number in 0..50 {
        assert!(lab.dig(&format!("house{number}.example.net"), A).is_some(), "house{number} was pushed out");
    }
}

#[test]
fn ten_thousand_names_fit() {
    let mut lab = lab();
    for number in 0..10_000 {
        know(&mut lab, &format!("host{number}.some-domain.example.net"), 86_400);
    }
    let stats = lab.dns.stats();
    assert_eq!(stats.cache_entries, 10_000);
    assert!(stats.cache_bytes <= Settings::CACHE_BYTES, "{}", stats.cache_bytes);
    // A soak of a virtual day: names come and go, and nothing grows.
    for hour in 0..24 {
        for number in 0..2_000 {
            know(&mut lab, &format!("h{hour}n{number}.example.net"), 600);
        }
        lab.now = lab.now + Duration::from_secs(3600);
        assert!(lab.dns.stats().cache_bytes <= Settings::CACHE_BYTES);
        assert_eq!(lab.dns.stats().in_flight, 0);
    }
}
