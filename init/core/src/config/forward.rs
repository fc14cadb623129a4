//! `[[dns.forward]]`: domains with DNS servers of their own, such as a company's, and reverse zones.

use super::check::check_upstreams;
use super::problem::{Report, echo};
use super::raw::{At, Section, Text};
use super::{Forward, domains};
use crate::net::Ipv4Net;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// The most such domains.
const MAX_FORWARDS: usize = 64;

/// Top-level names that mean something fixed whatever anybody writes (RFC 6761, RFC 7686).
const FIXED: [&str; 3] = ["localhost", "invalid", "onion"];

/// One `[[dns.forward]]`.
pub(super) struct Raw {
    at: usize,
    domain: Text,
    upstream: Vec<At<String>>,
    /// A key is there but unusable: it has been reported.
    broken: bool,
}

/// Reads one entry.
pub(super) fn read(at: usize, entry: &mut Section<'_, '_, '_>) -> Raw {
    let (domain, upstream) = (entry.text("domain"), entry.texts("upstream"));
    let broken = domain.is_none() && entry.has("domain") || upstream.is_empty() && entry.has("upstream");
    Raw { at, domain, upstream, broken }
}

/// Checks all of them. `local` is our own domain, `lan` our own network.
pub(super) fn check(raw: &[Raw], local: &str, lan: Ipv4Net, report: &mut Report<'_>) -> Vec<Forward> {
    let key = "dns.forward";
    let mut forwards: Vec<Forward> = Vec::new();
    for entry in raw {
        if forwards.len() == MAX_FORWARDS {
            report.add(entry.at, key, format!("there are more than {MAX_FORWARDS} domains"), "remove some");
            break;
        }
        let servers = check_upstreams(&entry.upstream, "dns.forward.upstream", lan, report);
        let Some(At { value, at }) = &entry.domain else {
            if !entry.broken {
                report.add(
                    entry.at,
                    "dns.forward.domain",
                    "this entry has no domain",
                    "add domain = \"corp.example\" to it",
                );
            }
            continue;
        };
        if entry.upstream.is_empty() && !entry.broken {
            let cure = "add upstream = [\"10.9.9.9\"] with the servers that know this domain";
            report.add(entry.at, "dns.forward.upstream", "nobody is named to ask", cure);
        }
        let Some(domain) = domains::domain(value) else {
            let cure = "write a domain such as \"corp.example\", or a reverse zone such as \"9.10.in-addr.arpa\"";
            report.add(*at, "dns.forward.domain", format!("{} is not a domain", echo(value)), cure);
            continue;
        };
        let top = domain.rsplit('.').next().unwrap_or_default();
        let refused = if domain == local {
            Some((
                format!("{domain} is the local domain, whose names the gateway knows itself"),
                "remove this entry, or choose another local domain",
            ))
        } else if FIXED.contains(&top) {
            Some((format!("{domain} has a fixed meaning of its own"), "remove this entry"))
        } else if forwards.iter().any(|other| other.domain == domain) {
            Some((format!("{domain} has an entry already"), "put all its servers into one entry"))
        } else {
            None
        };
        match refused {
            Some((what, cure)) => report.add(*at, "dns.forward.domain", what, cure),
            None => forwards.push(Forward { domain, servers }),
        }
    }
    forwards
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;
    use alloc::string::ToString;

    #[track_caller]
    fn check(text: &str, message: &str) {
        let refused = parse(text.as_bytes()).expect_err(text).to_string();
        assert_eq!(refused, format!("gateway.toml:{message}"), "\nfor the file:\n{text}");
    }

    fn entry(domain: &str) -> String {
        format!("[[dns.forward]]\ndomain = \"{domain}\"\nupstream = [\"10.9.9.9\"]\n")
    }

    #[test]
    fn domains_and_their_servers_are_read() {
        let config = parse((entry("Corp.Example.") + &entry("9.10.in-addr.arpa")).as_bytes()).unwrap();
        let domains: Vec<&str> = config.dns.forwards.iter().map(|forward| forward.domain.as_str()).collect();
        assert_eq!(domains, ["corp.example", "9.10.in-addr.arpa"]);
        assert_eq!(config.dns.forwards[0].servers[0].to_string(), "10.9.9.9:53");
    }

    #[test]
    fn entries_that_do_not_fit_are_explained() {
        check(
            &entry("a..b"),
            "2:10: dns.forward.domain: \"a..b\" is not a domain; write a domain such as \"corp.example\", or a reverse zone such as \"9.10.in-addr.arpa\"",
        );
        check(
            &entry("home.arpa"),
            "2:10: dns.forward.domain: home.arpa is the local domain, whose names the gateway knows itself; remove this entry, or choose another local domain",
        );
        check(&entry("x.onion"), "2:10: dns.forward.domain: x.onion has a fixed meaning of its own; remove this entry");
        check(
            &(entry("a.b") + &entry("A.B")),
            "5:10: dns.forward.domain: a.b has an entry already; put all its servers into one entry",
        );
        check(
            "[[dns.forward]]\ndomain = \"a.b\"",
            "1:1: dns.forward.upstream: nobody is named to ask; add upstream = [\"10.9.9.9\"] with the servers that know this domain",
        );
        check(
            "[[dns.forward]]\nupstream = [\"10.9.9.9\"]",
            "1:1: dns.forward.domain: this entry has no domain; add domain = \"corp.example\" to it",
        );
        check(
            "[[dns.forward]]\ndomain = \"a.b\"\nupstream = [\"10.0.0.1\"]",
            "3:13: dns.forward.upstream: 10.0.0.1 is the gateway itself, which would ask itself for ever; write an address such as \"9.9.9.9\"",
        );
        let many: String = (0..=MAX_FORWARDS).map(|n| entry(&format!("n{n}.example"))).collect();
        check(&many, "193:1: dns.forward: there are more than 64 domains; remove some");
    }
}
