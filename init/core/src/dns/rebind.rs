//! Answers from outside that point into the house are kept back, lest a page from outside talk to machines inside
//! through the visitor's browser (DNS rebinding).
//!
//! Looked at are the addresses of A and AAAA records, IPv4 addresses inside IPv6 ones (RFC 4291 section 2.5.5, RFC 6052
//! section 2.1), and the address hints of SVCB and HTTPS records (RFC 9460 section 7.3), each of which a browser may
//! connect to. If one is private the whole answer becomes "no such record". Exempt are domains that the configuration
//! allows, those with servers of their own, and [`MAKERS`]. Left out: answers of our own names, which are ours to give.

use super::name::Name;
use super::query::Question;
use super::wire::{Record, be16, rtype};
use crate::config;
use crate::net::{Ipv4Addr, Ipv4Net};
use alloc::vec::Vec;
use core::net::Ipv6Addr;

/// Seconds that "kept back" is repeated without asking again: short, since a changed configuration is to show.
pub(super) const TTL: u32 = 60;

/// Domains whose owners sell devices that answer to them at home: the router between us and the internet, reached by the
/// name on its label, and a media server whose address is part of the name. A stranger can't have names there that
/// change their meaning, which is what the attack needs.
const MAKERS: &[&str] = &[
    "asusrouter.com",
    "fritz.box",
    "linksyssmartwifi.com",
    "miwifi.com",
    "orbilogin.com",
    "plex.direct",
    "router.asus.com",
    "routerlogin.net",
    "speedport.ip",
    "tplinkwifi.net",
];

/// The rules in force.
pub(super) struct Rebind {
    on: bool,
    lan: Ipv4Net,
    allow: Vec<Name>,
}

impl Rebind {
    pub(super) fn new(settings: &config::Rebind, lan: Ipv4Net) -> Rebind {
        let own = settings.allow.iter().map(alloc::string::String::as_str);
        let allow = MAKERS.iter().copied().chain(own).filter_map(Name::from_text).collect();
        Rebind { on: settings.protection, lan, allow }
    }

    /// Whether an answer must be kept back. `body` is a message without its header that was written here, `answers` the
    /// number of records in its answer section.
    pub(super) fn forbids(&self, question: &Question, body: &[u8], answers: u16) -> bool {
        if !self.on || self.allow.iter().any(|domain| question.name.is_within(domain)) {
            return false;
        }
        // Type and class follow the name.
        let mut at = question.name.as_bytes().len() + 4;
        for _ in 0..answers {
            // What was written here can be read; if not, it is better kept back.
            let Some(record) = Record::read(body, at) else { return true };
            at = record.data.end;
            let data = body.get(record.data).unwrap_or(&[]);
            if self.points_inside(record.rtype, data) {
                return true;
            }
        }
        false
    }

    fn points_inside(&self, kind: u16, data: &[u8]) -> bool {
        match kind {
            rtype::A => self.is_private4(data),
            rtype::AAAA => self.is_private6(data),
            rtype::SVCB | rtype::HTTPS => self.hints_inside(data).unwrap_or(true),
            _ => false,
        }
    }

    /// RFC 9460 section 2.2: priority, target, parameters. `None` if the data does not keep to that: what cannot be
    /// read here may be read by somebody else.
    fn hints_inside(&self, data: &[u8]) -> Option<bool> {
        /// RFC 9460 section 14.3.2.
        const IPV4HINT: u16 = 4;
        const IPV6HINT: u16 = 6;
        let mut at = 2;
        loop {
            match usize::from(*data.get(at)?) {
                0 => break,
                length @ 1..=63 => at += 1 + length,
                // The target is never compressed.
                _ => return None,
            }
        }
        at += 1;
        let mut inside = false;
        while at < data.len() {
            let (key, length) = (be16(data, at)?, usize::from(be16(data, at + 2)?));
            let value = data.get(at + 4..at + 4 + length)?;
            at += 4 + length;
            inside |= match key {
                IPV4HINT => value.chunks(4).any(|address| self.is_private4(address)),
                IPV6HINT => value.chunks(16).any(|address| self.is_private6(address)),
                _ => false,
            };
        }
        Some(inside)
    }

    /// Addresses that mean a machine of the house, or the visitor's own. Four octets; anything else counts as one.
    fn is_private4(&self, octets: &[u8]) -> bool {
        let Ok(four) = <[u8; 4]>::try_from(octets) else { return true };
        let private = match four {
            // This network, private, loopback, link-local; "shared" is what a provider's router may be reached by.
            [0 | 10 | 127, ..] | [192, 168, ..] | [169, 254, ..] => true,
            [172, second, ..] => second & 0xf0 == 16,
            [100, second, ..] => second & 0xc0 == 64,
            _ => false,
        };
        private || self.lan.contains(Ipv4Addr::from(four))
    }

    fn is_private6(&self, octets: &[u8]) -> bool {
        let Ok(sixteen) = <[u8; 16]>::try_from(octets) else { return true };
        let [first, second, .., a, b, c, d] = sixteen;
        let address = Ipv6Addr::from(sixteen);
        let own = address.is_unspecified() || address.is_loopback();
        // fc00::/7 unique local, fe80::/10 link-local, fec0::/10 site-local (deprecated, not forgotten).
        let private = first & 0xfe == 0xfc || first == 0xfe && second & 0x80 != 0;
        // ::ffff:0:0/96 mapped, ::/96 compatible, 64:ff9b::/96 translated.
        let embeds = matches!(address.segments(), [0, 0, 0, 0, 0, 0 | 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..]);
        own || private || embeds && self.is_private4(&[a, b, c, d])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rebind() -> Rebind {
        let settings = config::Rebind { protection: true, allow: Vec::from(["Corp.Example".into()]) };
        Rebind::new(&settings, "198.18.7.1/24".parse().unwrap())
    }

    fn four(text: &str) -> bool {
        rebind().points_inside(rtype::A, &text.parse::<Ipv4Addr>().unwrap().octets())
    }

    fn six(text: &str) -> bool {
        rebind().points_inside(rtype::AAAA, &text.parse::<Ipv6Addr>().unwrap().octets())
    }

    #[test]
    fn addresses_of_the_house_and_of_the_visitor_are_known() {
        let inside = ["0.0.0.0", "10.9.9.9", "127.0.0.2", "172.31.0.1", "192.168.1.1", "169.254.1.1", "100.127.0.1"];
        assert!(inside.into_iter().all(four));
        assert!(four("198.18.7.20"), "the LAN, whatever its addresses are");
        assert!(!["9.9.9.9", "172.32.0.1", "192.169.1.1", "100.128.0.1", "198.18.8.1"].into_iter().any(four));
    }

    #[test]
    fn rfc4291_2_5_5_addresses_in_addresses_are_looked_into() {
        let inside = ["::", "::1", "fc00::1", "fdff::1", "fe80::1", "fec0::1", "::ffff:10.0.0.1", "::192.168.0.1"];
        assert!(inside.into_iter().all(six));
        assert!(six("64:ff9b::127.0.0.1") && six("::ffff:198.18.7.1"));
        assert!(!["2001:db8::1", "::ffff:9.9.9.9", "64:ff9b::9.9.9.9", "fe00::1", "ff02::1"].into_iter().any(six));
    }

    fn service(kind: u16, params: &[u8]) -> bool {
        let mut data = Vec::from(*b"\x00\x01\x03www\x00\x00\x01\x00\x03\x02h2");
        data.extend_from_slice(params);
        rebind().points_inside(kind, &data)
    }

    #[test]
    fn rfc9460_7_3_hints_are_addresses_too() {
        for kind in [rtype::SVCB, rtype::HTTPS] {
            assert!(!service(kind, &[]));
            assert!(!service(kind, &[0, 4, 0, 4, 9, 9, 9, 9]));
            assert!(service(kind, &[0, 4, 0, 8, 9, 9, 9, 9, 192, 168, 0, 1]));
            let mut six = Vec::from([0, 6, 0, 16]);
            six.extend(Ipv6Addr::LOCALHOST.octets());
            assert!(service(kind, &six));
            // Cut, odd, and with a compressed target: nobody else is to make sense of it.
            assert!(service(kind, &[0, 4, 0, 4, 9]) && service(kind, &[0, 4, 0, 3, 9, 9, 9]) && service(kind, &[0]));
            assert!(rebind().points_inside(kind, &[0, 1, 0xc0, 0x0c]));
        }
    }

    #[test]
    fn every_maker_is_a_name() {
        assert_eq!(rebind().allow.len(), MAKERS.len() + 1);
    }
}
