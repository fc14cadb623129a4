//! Names whose meaning is fixed by an RFC: answered here, with an SOA where there is nothing, and never asked upstream.

use super::local_names::local;
use super::*;

/// The zone exists, has an SOA and a server of its own, and denies what is below it with that SOA (RFC 6303 section 3).
#[track_caller]
fn is_a_zone_of_ours(zone: &str) {
    let mut lab = lab();
    assert!(local(&mut lab, zone, SOA).contains(&format!("{zone}. ")), "{zone}");
    assert!(local(&mut lab, zone, SOA).contains(" IN SOA gatepost.mydomain.net. nobody.invalid. "), "{zone}");
    assert!(local(&mut lab, zone, NS).contains(" IN NS gatepost.mydomain.net."), "{zone}");
    for below in ["a", "a.b"] {
        let answer = local(&mut lab, &format!("{below}.{zone}"), A);
        assert!(answer.starts_with(&format!("NXDomain aa rd ra |  | {zone}. ")), "{below}.{zone}: {answer}");
    }
    assert!(local(&mut lab, zone, TXT).starts_with(&format!("NoError aa rd ra |  | {zone}. ")), "{zone}");
}

#[test]
fn rfc6303_4_1_private_ipv4_reverse_zones() {
    is_a_zone_of_ours("10.in-addr.arpa");
    is_a_zone_of_ours("168.192.in-addr.arpa");
    (16..32).for_each(|n| is_a_zone_of_ours(&format!("{n}.172.in-addr.arpa")));
}

#[test]
fn rfc6303_4_2_special_ipv4_reverse_zones() {
    for zone in ["0", "127", "254.169", "2.0.192", "100.51.198", "113.0.203", "255.255.255.255"] {
        is_a_zone_of_ours(&format!("{zone}.in-addr.arpa"));
    }
    assert!(local(&mut lab(), "1.0.0.127.in-addr.arpa", PTR).contains("PTR localhost."));
}

#[test]
fn rfc6303_4_3_to_4_6_ipv6_reverse_zones() {
    for zone in ["d.f", "8.e.f", "9.e.f", "a.e.f", "b.e.f", "8.b.d.0.1.0.0.2"] {
        is_a_zone_of_ours(&format!("{zone}.ip6.arpa"));
    }
    is_a_zone_of_ours(&format!("{}ip6.arpa", "0.".repeat(32)));
    let loopback = format!("1.{}ip6.arpa", "0.".repeat(31));
    assert!(local(&mut lab(), &loopback, PTR).contains("PTR localhost."));
    assert!(local(&mut lab(), &loopback, SOA).contains("IN SOA gatepost.mydomain.net."));
    assert!(local(&mut lab(), &format!("a.{loopback}"), PTR).starts_with("NXDomain aa rd ra |  | 1.0.0."));
}

#[test]
fn rfc7793_shared_address_space_is_not_asked_for_outside() {
    (64..128).for_each(|n| is_a_zone_of_ours(&format!("{n}.100.in-addr.arpa")));
    for outside in ["1.0.63.100.in-addr.arpa", "1.0.128.100.in-addr.arpa"] {
        assert_eq!(lab().dig(outside, PTR), None, "{outside}");
    }
}

#[test]
fn public_reverse_zones_are_asked_for_outside() {
    for outside in
        ["8.8.8.8.in-addr.arpa", "1.1.32.172.in-addr.arpa", "1.1.15.172.in-addr.arpa", "1.1.169.192.in-addr.arpa"]
    {
        assert_eq!(lab().dig(outside, PTR), None, "{outside}");
    }
    assert_eq!(lab().dig("in-addr.arpa", NS), None);
}

#[test]
fn rfc6761_6_2_test() {
    is_a_zone_of_ours("test");
}

#[test]
fn rfc6761_6_3_localhost_is_the_client_itself() {
    let mut lab = lab();
    for name in ["localhost", "LocalHost", "a.localhost", "a.b.localhost"] {
        assert!(local(&mut lab, name, A).contains("IN A 127.0.0.1"), "{name}");
        assert!(local(&mut lab, name, AAAA).contains("IN AAAA ::1"), "{name}");
        let nothing = local(&mut lab, name, TXT).to_lowercase();
        assert!(nothing.starts_with("noerror aa rd ra |  | localhost. 10800 in soa"), "{nothing}");
    }
}

#[test]
fn rfc6761_6_4_invalid() {
    is_a_zone_of_ours("invalid");
}

/// Section 6.5: caching servers should not recognise them as special.
#[test]
fn rfc6761_6_5_example_is_asked_for_like_any_other() {
    assert_eq!(lab().dig("www.example", A), None);
    assert_eq!(lab().dig("www.example.com", A), None);
}

#[test]
fn rfc6762_22_1_local_is_for_multicast_only() {
    is_a_zone_of_ours("local");
    is_a_zone_of_ours("254.169.in-addr.arpa");
}

#[test]
fn rfc7686_2_onion_never_leaves_the_house() {
    is_a_zone_of_ours("onion");
}

#[test]
fn rfc8375_4_home_arpa_stays_at_home() {
    is_a_zone_of_ours("home.arpa");
}

/// Point 4: the one exception. The answer comes with the proof that there is no DS, for those who want it.
#[test]
fn rfc8375_4_the_ds_of_home_arpa_is_for_its_parent_to_deny() {
    for domain in ["home.arpa", "mydomain.net"] {
        let mut lab = lab();
        lab.dns.set_settings(Settings { domain: domain.into(), ..settings() });
        let ask = lab.forward(client(5), &with_opt(query(1, "home.arpa", DS), 1232, 0, 0x8000, &[]));
        let signed = |owner, kind: u16| {
            // 18 octets, then the signer.
            let data = [&kind.to_be_bytes()[..], &[8, 2], &[0; 14], &wire_name("arpa"), &[7]].concat();
            (owner, RRSIG, 300, data)
        };
        let nsec = ("home.arpa", NSEC, 300, [&wire_name("in-addr-servers.arpa")[..], &[0, 1, 0x20]].concat());
        let proof = [soa("arpa", 300, 300), signed("arpa", SOA), nsec, signed("home.arpa", NSEC)];
        lab.reply(&ask, &reply(&ask, OK, [&[], &proof, &[]]));
        let answer = lab.heard().remove(0);
        for part in ["NoError rd ra |  | arpa. 300 IN SOA", "home.arpa. 300 IN NSEC", "IN RRSIG", "opt"] {
            assert!(answer.contains(part), "{part}: {answer}");
        }
        for other in [A, NS, SOA, TXT, DNSKEY] {
            assert!(local(&mut lab, "home.arpa", other).starts_with("NoError aa"), "{other}");
        }
        assert!(local(&mut lab, "rpi9.home.arpa", DS).starts_with("NXDomain aa"), "nothing below it is a zone");
    }
}

/// Section 7: they are delegated unsigned, so that validation succeeds whoever answers for them.
#[test]
fn rfc6303_7_the_ds_of_a_private_reverse_zone_is_for_its_parent_to_deny() {
    for zone in ["10.in-addr.arpa", "168.192.in-addr.arpa", "20.172.in-addr.arpa", "d.f.ip6.arpa"] {
        assert_eq!(lab().dig(zone, DS), None, "{zone}");
        assert!(local(&mut lab(), &format!("7.{zone}"), DS).starts_with("NXDomain aa"), "{zone}");
    }
    // Which of its networks is the house's, nobody needs to know.
    assert!(local(&mut lab(), "0.0.10.in-addr.arpa", DS).starts_with("NoError aa"));
}

#[test]
fn rfc7686_2_not_even_the_ds_of_what_no_server_knows_is_asked_for() {
    for zone in ["onion", "test", "invalid", "local", "localhost", "internal", "alt"] {
        assert!(local(&mut lab(), zone, DS).starts_with("NoError aa"), "{zone}");
    }
}

#[test]
fn rfc8880_7_the_well_known_ipv4_addresses() {
    let mut lab = lab();
    assert!(local(&mut lab, "ipv4only.arpa", A).contains("192.0.0.170, ipv4only.arpa. 10800 IN A 192.0.0.171"));
    assert!(local(&mut lab, "ipv4only.arpa", AAAA).starts_with("NoError aa rd ra |  | ipv4only.arpa."));
    assert!(local(&mut lab, "a.ipv4only.arpa", A).starts_with("NXDomain aa rd ra |  | ipv4only.arpa."));
    for last in [170, 171] {
        let answer = local(&mut lab, &format!("{last}.0.0.192.in-addr.arpa"), PTR);
        assert!(answer.contains("10800 IN PTR ipv4only.arpa."), "{answer}");
    }
    assert_eq!(lab.dig("172.0.0.192.in-addr.arpa", PTR), None);
}

/// Section 6.4: without a designated resolver the answer is "no such record", whatever is asked.
#[test]
fn rfc9462_6_4_no_resolver_is_designated() {
    let mut lab = lab();
    for name in ["resolver.arpa", "_dns.resolver.arpa", "a._dns.resolver.arpa"] {
        for qtype in [64, A, AAAA, TXT] {
            assert!(local(&mut lab, name, qtype).starts_with("NoError aa rd ra |  | resolver.arpa. 10800"), "{name}");
        }
    }
}

#[test]
fn rfc9476_2_alt_is_not_dns() {
    is_a_zone_of_ours("alt");
}

#[test]
fn rfc9665_10_service_arpa() {
    is_a_zone_of_ours("service.arpa");
}

#[test]
fn internal_is_private_by_icanns_resolution_of_2024() {
    is_a_zone_of_ours("internal");
}

/// A browser that gets no address here leaves names to the network's own resolver.
#[test]
fn use_application_dns_net_has_no_address() {
    let mut lab = lab();
    for qtype in [A, AAAA] {
        assert!(local(&mut lab, "use-application-dns.net", qtype).starts_with("NoError aa rd ra |  | use-app"));
    }
}
