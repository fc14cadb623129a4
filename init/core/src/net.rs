//! Words of the network that every machine shares: hardware addresses, prefixes, interface names.

use core::fmt;
pub use core::net::Ipv4Addr;
use core::str::FromStr;

/// An Ethernet hardware address (IEEE 802 MAC-48).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct MacAddr(pub [u8; 6]);

impl MacAddr {
    /// The address that every station on the link accepts.
    pub const BROADCAST: MacAddr = MacAddr([0xff; 6]);

    /// Whether it names one station: neither a group address nor all zeroes.
    pub fn is_unicast(self) -> bool {
        self.0[0] & 1 == 0 && self.0 != [0; 6]
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// The text is not six pairs of hexadecimal digits with `:` or `-` between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAMac;

impl FromStr for MacAddr {
    type Err = NotAMac;

    fn from_str(text: &str) -> Result<Self, NotAMac> {
        let mut bytes = [0; 6];
        let mut parts = text.split([':', '-']);
        for byte in &mut bytes {
            let part = parts.next().ok_or(NotAMac)?;
            let digits = part.len() == 2 && part.bytes().all(|b| b.is_ascii_hexdigit());
            *byte = u8::from_str_radix(part, 16).ok().filter(|_| digits).ok_or(NotAMac)?;
        }
        parts.next().is_none().then_some(MacAddr(bytes)).ok_or(NotAMac)
    }
}

/// An address of an interface together with its prefix length, as in `10.0.0.1/24`. The host bits are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ipv4Net {
    address: Ipv4Addr,
    prefix: u8,
}

/// Whether one host of an ordinary network may have the address: neither "this network" (0/8), loopback, link-local,
/// multicast nor reserved (RFC 6890).
pub fn is_ordinary(address: Ipv4Addr) -> bool {
    let [first, ..] = address.octets();
    first != 0 && first < 224 && !address.is_loopback() && !address.is_link_local()
}

/// The text is not an IPv4 address, a slash and a prefix length of 0 to 32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAPrefix;

impl Ipv4Net {
    /// `None` if the prefix length is over 32.
    pub const fn new(address: Ipv4Addr, prefix: u8) -> Option<Self> {
        if prefix > 32 { None } else { Some(Self { address, prefix }) }
    }

    /// From an address and a netmask such as 255.255.255.0; `None` if the mask has a one after a zero.
    pub fn from_netmask(address: Ipv4Addr, netmask: Ipv4Addr) -> Option<Self> {
        let bits = netmask.to_bits();
        let prefix = bits.leading_ones();
        (prefix + bits.trailing_zeros() >= 32).then_some(Self { address, prefix: prefix as u8 })
    }

    /// The address with its host bits.
    pub const fn address(self) -> Ipv4Addr {
        self.address
    }

    /// The prefix length, 0 to 32.
    pub const fn prefix(self) -> u8 {
        self.prefix
    }

    /// The netmask, such as 255.255.255.0.
    pub const fn netmask(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.mask_bits())
    }

    /// The lowest address of the prefix: the network's own.
    pub const fn network(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.address.to_bits() & self.mask_bits())
    }

    /// The highest address of the prefix: directed broadcast, for prefixes up to /30.
    pub const fn broadcast(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.address.to_bits() | !self.mask_bits())
    }

    /// Whether `address` lies in the prefix.
    pub const fn contains(self, address: Ipv4Addr) -> bool {
        (self.address.to_bits() ^ address.to_bits()) & self.mask_bits() == 0
    }

    /// Whether the two prefixes have an address in common.
    pub const fn overlaps(self, other: Ipv4Net) -> bool {
        self.contains(other.network()) || other.contains(self.network())
    }

    /// Whether a station of this prefix may own `address`: inside, and neither network nor broadcast address.
    /// A /31 has neither (RFC 3021).
    pub fn is_host(self, address: Ipv4Addr) -> bool {
        self.contains(address) && (self.prefix >= 31 || (address != self.network() && address != self.broadcast()))
    }

    const fn mask_bits(self) -> u32 {
        if self.prefix == 0 { 0 } else { u32::MAX << (32 - self.prefix) }
    }
}

impl fmt::Display for Ipv4Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl FromStr for Ipv4Net {
    type Err = NotAPrefix;

    fn from_str(text: &str) -> Result<Self, NotAPrefix> {
        let (address, prefix) = text.split_once('/').ok_or(NotAPrefix)?;
        let digits = !prefix.is_empty() && prefix.len() <= 2 && prefix.bytes().all(|b| b.is_ascii_digit());
        let prefix = prefix.parse().ok().filter(|_| digits).ok_or(NotAPrefix)?;
        Ipv4Net::new(address.parse().map_err(|_| NotAPrefix)?, prefix).ok_or(NotAPrefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn mac_addresses_parse_strictly() {
        let mac: MacAddr = "DC:a6-32:00:00:02".parse().unwrap();
        assert_eq!(mac.to_string(), "dc:a6:32:00:00:02");
        for bad in ["", "dc:a6:32:00:00", "dc:a6:32:00:00:02:03", "dc:a6:32:00:00:+2", "dc:a6:32:00:00:002"] {
            assert_eq!(bad.parse::<MacAddr>(), Err(NotAMac), "{bad}");
        }
    }

    #[test]
    fn prefixes_know_their_bounds() {
        let net: Ipv4Net = "10.0.0.1/24".parse().unwrap();
        assert_eq!(net.network(), Ipv4Addr::new(10, 0, 0, 0));
        assert_eq!(net.broadcast(), Ipv4Addr::new(10, 0, 0, 255));
        assert!(net.is_host(Ipv4Addr::new(10, 0, 0, 254)) && !net.is_host(net.broadcast()));
        assert!(net.overlaps("10.0.0.128/25".parse().unwrap()) && !net.overlaps("10.0.1.0/24".parse().unwrap()));
        assert_eq!(Ipv4Net::from_netmask(net.address(), net.netmask()), Some(net));
        assert_eq!(Ipv4Net::from_netmask(net.address(), Ipv4Addr::new(255, 0, 255, 0)), None);
        assert_eq!("0.0.0.0/0".parse::<Ipv4Net>().unwrap().netmask(), Ipv4Addr::UNSPECIFIED);
        for bad in ["10.0.0.1", "10.0.0.1/33", "10.0.0/24", "10.0.0.1/+4", "10.0.0.1/"] {
            assert_eq!(bad.parse::<Ipv4Net>(), Err(NotAPrefix), "{bad}");
        }
    }
}
