//! Domains with servers of their own.

use super::local_names::local;
use super::*;

const CORP: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 9, 9, 9), 53);
const LAB: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 8, 8, 8), 53);

fn with(forwards: &[(&str, SocketAddrV4)]) -> Lab {
    let mut lab = lab();
    let forward = |(domain, server): &(&str, SocketAddrV4)| Forward {
        domain: (*domain).into(),
        servers: Vec::from([(*server).into()]),
    };
    lab.dns.set_forwards(&forwards.iter().map(forward).collect::<Vec<_>>());
    lab
}

fn asked(lab: &mut Lab, name: &str, qtype: u16) -> SocketAddrV4 {
    lab.forward(client(5), &query(1, name, qtype)).server
}

#[test]
fn the_longest_domain_counts() {
    let mut lab = with(&[("example", LAB), ("corp.example", CORP)]);
    assert_eq!(asked(&mut lab, "a.corp.example", A), CORP);
    assert_eq!(asked(&mut lab, "CORP.example", A), CORP);
    assert_eq!(asked(&mut lab, "notcorp.example", A), LAB);
    assert_eq!(asked(&mut lab, "example", A), LAB, "a single label, too, if it is the domain");
    assert_eq!(asked(&mut lab, "www.example.net", A), ONE);
}

#[test]
fn special_zones_and_private_reverse_zones_can_have_servers() {
    let mut lab =
        with(&[("internal", CORP), ("10.in-addr.arpa", CORP), ("a.0.0.2.ip6.arpa", LAB), ("d.f.ip6.arpa", LAB)]);
    assert_eq!(asked(&mut lab, "db.internal", A), CORP);
    assert_eq!(asked(&mut lab, "4.3.2.10.in-addr.arpa", PTR), CORP);
    assert_eq!(asked(&mut lab, "1.d.f.ip6.arpa", PTR), LAB);
    assert!(local(&mut lab, "4.3.168.192.in-addr.arpa", PTR).starts_with("NXDomain"));
    // Our own network stays ours.
    assert!(local(&mut lab, "11.0.0.10.in-addr.arpa", PTR).contains("PTR rpi1.mydomain.net."));
    let unknown = local(&mut lab, "77.0.0.10.in-addr.arpa", PTR);
    assert!(unknown.starts_with("NXDomain aa rd ra |  | 0.0.10.in-addr.arpa."), "{unknown}");
    assert!(lab.asks.is_empty());
}

#[test]
fn invariant_3_our_domain_stays_ours_between_forwarded_ones() {
    let mut lab = with(&[("net", LAB), ("office.mydomain.net", CORP)]);
    assert!(local(&mut lab, "rpi1.mydomain.net", A).contains("10.0.0.11"));
    assert!(local(&mut lab, "nobody.mydomain.net", A).starts_with("NXDomain"));
    assert_eq!(asked(&mut lab, "pc.office.mydomain.net", A), CORP);
    assert_eq!(asked(&mut lab, "www.other.net", A), LAB);
}

#[test]
fn rebinding_a_companys_own_servers_may_name_private_addresses() {
    let mut lab = with(&[("corp.example", CORP)]);
    let ask = lab.forward(client(5), &query(1, "db.corp.example", A));
    lab.reply(&ask, &reply(&ask, OK, [&[("db.corp.example", A, 60, vec![10, 9, 0, 1])], &[], &[]]));
    assert_eq!(lab.heard(), ["NoError rd ra | db.corp.example. 60 IN A 10.9.0.1 |  | "]);
    // Whoever else says so may not, not even through an alias into that domain.
    let ask = lab.forward(client(5), &query(1, "www.evil.example", A));
    let records = [cname("www.evil.example", 60, "db.corp.example"), ("db.corp.example", A, 60, vec![10, 9, 0, 1])];
    lab.reply(&ask, &reply(&ask, OK, [&records, &[], &[]]));
    assert_eq!(lab.heard(), ["NoError rd ra |  |  | "]);
}

/// MaginotDNS: a server for one domain says things about names above and beside it, in every section.
#[test]
fn cve_2021_25220_maginotdns_a_domains_server_is_not_believed_about_other_names() {
    let evil = |zone: &'static str| {
        let ns: Rr<'static> = (zone, NS, 900, wire_name("ns.evil.example"));
        [ns, a("ns.evil.example", 900, 66), a("www.example.net", 900, 66), soa(zone, 900, 900)]
    };
    for (number, zone) in ["", "com", "example", "net"].into_iter().enumerate() {
        let mut lab = with(&[("corp.example", CORP)]);
        for (name, flags) in [("a.corp.example", OK), ("b.corp.example", NX)] {
            let ask = lab.forward(client(5), &query(1, name, A));
            let mut answers = evil(zone).to_vec();
            if flags == OK {
                answers.push(a("a.corp.example", 900, 9));
            }
            lab.reply(&ask, &reply(&ask, flags, [&answers, &evil(zone), &evil(zone)]));
            let answer = lab.heard().remove(0);
            assert!(!answer.contains("evil") && !answer.contains(".66"), "case {number}: {answer}");
        }
        for (name, qtype) in [("", NS), ("com", NS), ("net", SOA), ("www.example.net", A), ("ns.evil.example", A)] {
            assert_eq!(asked(&mut lab, name, qtype), ONE, "case {number}: {name}");
        }
        assert_eq!(asked(&mut lab, "c.corp.example", A), CORP);
    }
}

#[test]
fn cve_2026_44687_a_denied_name_above_does_not_hide_a_forwarded_domain() {
    let mut lab = with(&[("sub.example.org", CORP)]);
    for name in ["example.org", "org"] {
        let ask = lab.forward(client(5), &query(1, name, NS));
        lab.reply(&ask, &reply(&ask, NX, [&[], &[soa("", 900, 900)], &[]]));
        assert!(lab.heard()[0].starts_with("NXDomain"));
    }
    assert_eq!(asked(&mut lab, "sub.example.org", A), CORP);
    assert_eq!(asked(&mut lab, "a.sub.example.org", A), CORP);
}
