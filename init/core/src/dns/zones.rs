//! The names that must be answered here whatever the servers would say: special-use names (RFC 6761 and the registry it
//! made) and the reverse zones of addresses that have no meaning outside (RFC 6303, RFC 7793).

use super::name::Name;
use crate::net::{Ipv4Addr, Ipv4Net};
use alloc::vec::Vec;

/// What a special zone holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Only itself: other names do not exist.
    Bare,
    /// Any name exists and has no records.
    Void,
    /// Any name is this machine (RFC 6761 section 6.3).
    Loopback,
    /// Itself with the two well-known addresses (RFC 8880 section 7.1), since there is no NAT64 here.
    Ipv4Only,
    /// Itself as the name of one address, which has this one.
    Pointer(&'static str),
}

/// Special zones, each with its reason. The IPv4 reverse zones are in [`reverse_zone_depth`].
const ZONES: &[(&str, Kind)] = &[
    ("localhost", Kind::Loopback),     // RFC 6761 section 6.3
    ("invalid", Kind::Bare),           // RFC 6761 section 6.4
    ("test", Kind::Bare),              // RFC 6761 section 6.2
    ("onion", Kind::Bare),             // RFC 7686 section 2
    ("local", Kind::Bare),             // RFC 6762 section 22.1: multicast DNS only
    ("home.arpa", Kind::Bare),         // RFC 8375 section 4; also our default domain
    ("internal", Kind::Bare),          // reserved by ICANN for private networks, 2024
    ("alt", Kind::Bare),               // RFC 9476 section 2
    ("service.arpa", Kind::Bare),      // RFC 9665 section 10
    ("resolver.arpa", Kind::Void),     // RFC 9462 section 6.4: no designated resolver yet
    ("ipv4only.arpa", Kind::Ipv4Only), // RFC 8880 section 7.1, and the addresses' names, section 7.2
    ("170.0.0.192.in-addr.arpa", Kind::Pointer("ipv4only.arpa")),
    ("171.0.0.192.in-addr.arpa", Kind::Pointer("ipv4only.arpa")),
    // Browsers that find no address here use the network's own resolver, and so find the local names.
    ("use-application-dns.net", Kind::Bare),
    // RFC 6303 section 4.4: unspecified and loopback address
    ("0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa", Kind::Bare),
    ("1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa", Kind::Pointer("localhost")),
    // RFC 6303 section 4.4 to 4.6: unique local, link-local and example addresses
    ("d.f.ip6.arpa", Kind::Bare),
    ("8.e.f.ip6.arpa", Kind::Bare),
    ("9.e.f.ip6.arpa", Kind::Bare),
    ("a.e.f.ip6.arpa", Kind::Bare),
    ("b.e.f.ip6.arpa", Kind::Bare),
    ("8.b.d.0.1.0.0.2.ip6.arpa", Kind::Bare),
];

/// The special zones as names.
pub(super) fn zones() -> Vec<(Name, Kind)> {
    ZONES.iter().filter_map(|(text, kind)| Some((Name::from_text(text)?, *kind))).collect()
}

/// Whether the name is a zone of these that the public DNS delegates, unsigned on purpose, so that a validating client may
/// believe whoever answers for it: `home.arpa` (RFC 8375 sections 4 and 7) and the reverse zones (RFC 6303 section 7). The
/// others, top-level domains most of them, do not exist there, and are never asked for.
pub(super) fn is_delegated(zones: &[(Name, Kind)], name: &Name) -> bool {
    let under_arpa = |name: &Name| name.labels().last().is_some_and(|label| label.eq_ignore_ascii_case(b"arpa"));
    let special = zones.iter().any(|(zone, kind)| zone == name && *kind == Kind::Bare && under_arpa(zone));
    special || Reverse::read(name).is_some_and(|reverse| reverse.is_private_zone())
}

/// A name under `in-addr.arpa`, read as an address (RFC 1035 section 3.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reverse {
    /// The address's octets in their usual order, as many as the name has.
    octets: heapless::Vec<u8, 4>,
    /// Labels below those, which are no octets (such as DNS-SD's `b._dns-sd._udp`).
    pub(super) extra: usize,
}

impl Reverse {
    /// `None` if the name is not below `in-addr.arpa`.
    pub(super) fn read(name: &Name) -> Option<Reverse> {
        let labels: Vec<&[u8]> = name.labels().collect();
        let (above, below) = labels.split_last_chunk::<2>().map(|(below, above)| (above, below))?;
        if !above[0].eq_ignore_ascii_case(b"in-addr") || !above[1].eq_ignore_ascii_case(b"arpa") {
            return None;
        }
        let octets: heapless::Vec<u8, 4> = below.iter().rev().map_while(|label| octet(label)).take(4).collect();
        let extra = below.len() - octets.len();
        Some(Reverse { octets, extra })
    }

    /// How many octets the name has.
    pub(super) fn depth(&self) -> usize {
        self.octets.len()
    }

    /// The prefix that the octets are.
    pub(super) fn prefix(&self) -> Option<Ipv4Net> {
        let mut all = [0; 4];
        for (place, octet) in all.iter_mut().zip(&self.octets) {
            *place = *octet;
        }
        Ipv4Net::new(Ipv4Addr::from(all), 8 * self.octets.len() as u8)
    }

    /// The whole address, if the name is one.
    pub(super) fn address(&self) -> Option<Ipv4Addr> {
        self.prefix().filter(|prefix| prefix.prefix() == 32 && self.extra == 0).map(Ipv4Net::address)
    }

    /// Whether a private zone begins here.
    fn is_private_zone(&self) -> bool {
        self.extra == 0 && reverse_zone_depth(&self.octets) == Some(self.depth())
    }

    /// How many octets the name of the local zone has that this name lies in: a private zone, or the LAN itself.
    pub(super) fn zone_depth(&self, lan: Ipv4Net) -> Option<usize> {
        reverse_zone_depth(&self.octets).or_else(|| self.lan_depth(lan))
    }

    /// How many octets the name of the LAN's zone has, if this name lies in it.
    pub(super) fn lan_depth(&self, lan: Ipv4Net) -> Option<usize> {
        // A zone of the LAN ends at an octet: in a /20 there are sixteen of three octets.
        let of_lan = usize::from(lan.prefix().div_ceil(8)).clamp(1, 3);
        let in_lan = self.depth() >= of_lan && self.prefix().is_some_and(|prefix| lan.overlaps(prefix));
        in_lan.then_some(of_lan)
    }
}

/// A decimal octet as reverse names write it.
fn octet(label: &[u8]) -> Option<u8> {
    let plain = label.iter().all(u8::is_ascii_digit) && (label.len() == 1 || label.first() != Some(&b'0'));
    core::str::from_utf8(label).ok().filter(|_| plain)?.parse().ok()
}

/// RFC 6303 sections 4.1 and 4.2, RFC 7793: how many octets name the zone.
fn reverse_zone_depth(octets: &[u8]) -> Option<usize> {
    match octets {
        [0 | 10 | 127, ..] => Some(1),
        [100, 64..=127, ..] | [169, 254, ..] | [172, 16..=31, ..] | [192, 168, ..] => Some(2),
        [192, 0, 2, ..] | [198, 51, 100, ..] | [203, 0, 113, ..] => Some(3),
        [255, 255, 255, 255] => Some(4),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn depth(text: &str, lan: &str) -> Option<usize> {
        Reverse::read(&Name::from_text(text).unwrap()).unwrap().zone_depth(lan.parse().unwrap())
    }

    #[test]
    fn rfc6303_and_rfc7793_private_reverse_zones() {
        let lan = "10.0.0.1/24";
        assert_eq!(depth("5.0.0.10.in-addr.arpa", lan), Some(1));
        assert_eq!(depth("10.in-addr.arpa", lan), Some(1));
        assert_eq!(depth("1.16.172.in-addr.arpa", lan), Some(2));
        assert_eq!(depth("1.32.172.in-addr.arpa", lan), None);
        assert_eq!(depth("168.192.IN-ADDR.ARPA", lan), Some(2));
        assert_eq!(depth("1.1.64.100.in-addr.arpa", lan), Some(2));
        assert_eq!(depth("1.1.128.100.in-addr.arpa", lan), None);
        assert_eq!(depth("4.113.0.203.in-addr.arpa", lan), Some(3));
        assert_eq!(depth("255.255.255.255.in-addr.arpa", lan), Some(4));
        assert_eq!(depth("8.8.8.8.in-addr.arpa", lan), None);
        assert_eq!(depth("in-addr.arpa", lan), None);
        assert_eq!(depth("b._dns-sd._udp.0.0.10.in-addr.arpa", lan), Some(1));
        assert_eq!(depth("010.in-addr.arpa", lan), None);
    }

    #[test]
    fn invariant_3_the_reverse_zone_of_a_public_lan_is_local_too() {
        let lan = "198.18.64.1/20";
        assert_eq!(depth("9.65.18.198.in-addr.arpa", lan), Some(3));
        assert_eq!(depth("lb._dns-sd._udp.65.18.198.in-addr.arpa", lan), Some(3));
        assert_eq!(depth("9.80.18.198.in-addr.arpa", lan), None);
        assert_eq!(depth("18.198.in-addr.arpa", lan), None);
        assert_eq!(depth("200.2.0.198.in-addr.arpa", "198.0.2.1/25"), None);
        assert_eq!(depth("100.2.0.198.in-addr.arpa", "198.0.2.1/25"), Some(3));
    }

    #[test]
    fn every_special_zone_is_a_name() {
        assert_eq!(zones().len(), ZONES.len());
    }
}
