//! Values of options as a person writes them.

use super::{Kind, MAX_LENGTH, Resolver, Value, name};
use crate::net::{Ipv4Addr, Ipv4Net};
use alloc::string::String;
use alloc::vec::Vec;

impl Kind {
    /// Reads the texts of a list, or the one text, of a configuration.
    ///
    /// # Errors
    ///
    /// What would be right, as the second half of a sentence.
    pub fn parse(self, texts: &[&str]) -> Result<Value, &'static str> {
        let wanted = self.example();
        let one = || match texts {
            [one] => Ok(*one),
            _ => Err(wanted),
        };
        let value = match self {
            Self::Address => Value::Address(one()?.parse().map_err(|_| wanted)?),
            Self::Addresses => Value::Addresses(each(texts, server).ok_or(wanted)?),
            Self::AddressPairs => Value::AddressPairs(each(texts, pair).ok_or(wanted)?),
            Self::Routes => Value::Routes(each(texts, route).ok_or(wanted)?),
            Self::Byte(low, high) => {
                let number = one()?.parse().ok().filter(|number| (low..=high).contains(number));
                Value::Byte(number.ok_or(wanted)?)
            }
            Self::Word(low) => Value::Word(one()?.parse().ok().filter(|number| *number >= low).ok_or(wanted)?),
            Self::Long(low) => Value::Long(one()?.parse().ok().filter(|number| *number >= low).ok_or(wanted)?),
            Self::Text => Value::Text(String::from(one().ok().filter(|text| !text.is_empty()).ok_or(wanted)?)),
            Self::Domains => Value::Domains(each(texts, domain).ok_or(wanted)?),
            Self::Classes => {
                let class = |text: &str| (1..=255).contains(&text.len()).then(|| Vec::from(text.as_bytes()));
                Value::Classes(each(texts, class).ok_or(wanted)?)
            }
            Self::Resolvers => Value::Resolvers(each(texts, resolver).ok_or(wanted)?),
            Self::Bytes => Value::Bytes(Vec::from(one().ok().filter(|text| !text.is_empty()).ok_or(wanted)?)),
            Self::Empty => return Err(wanted),
        };
        if value.encode().len() > MAX_LENGTH {
            return Err("write less: an option holds at most 1024 bytes");
        }
        Ok(value)
    }

    fn example(self) -> &'static str {
        match self {
            Self::Empty => "this option has no value",
            Self::Address => "write an address such as \"10.0.0.5\"",
            Self::Addresses => "write addresses such as [\"10.0.0.5\", \"10.0.0.6\"]",
            Self::AddressPairs => "write a destination and its router such as [\"192.168.7.9 10.0.0.5\"]",
            Self::Routes => "write a network and its router such as [\"192.168.7.0/24 10.0.0.5\"]",
            Self::Byte(0, _) => "write 0 or 1",
            Self::Byte(..) => "write a number of one byte",
            Self::Word(_) => "write a number from 68 to 65535",
            Self::Long(300) => "write a number of seconds, at least 300",
            Self::Long(_) => "write a number of seconds",
            Self::Text => "write one text in quotes",
            Self::Domains => "write domains such as [\"mydomain.net\", \"example.com\"]",
            Self::Classes => "write texts of at most 255 characters",
            Self::Resolvers => "write them as [\"1 dns.example.net 10.0.0.5 alpn=dot port=853\"]",
            Self::Bytes => "write text in quotes, or hex = \"01 02 ff\" instead of value",
        }
    }
}

/// Every text read by `read`; `None` if there is none, or one can't be read.
fn each<T>(texts: &[&str], read: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
    let list = texts.iter().map(|text| read(text)).collect::<Option<Vec<T>>>()?;
    (!list.is_empty()).then_some(list)
}

/// 0.0.0.0 is nobody; that it means the server itself is another program's custom.
fn server(text: &str) -> Option<Ipv4Addr> {
    text.parse().ok().filter(|address: &Ipv4Addr| !address.is_unspecified())
}

fn pair(text: &str) -> Option<(Ipv4Addr, Ipv4Addr)> {
    let (to, via) = text.trim().split_once(' ')?;
    // RFC 2132 section 5.8: the default route is no static route.
    let to: Ipv4Addr = to.parse().ok().filter(|to: &Ipv4Addr| !to.is_unspecified())?;
    Some((to, via.trim().parse().ok()?))
}

fn route(text: &str) -> Option<(Ipv4Net, Ipv4Addr)> {
    let (to, via) = text.trim().split_once(' ')?;
    let to: Ipv4Net = to.parse().ok()?;
    Some((Ipv4Net::new(to.network(), to.prefix())?, via.trim().parse().ok()?))
}

fn domain(text: &str) -> Option<String> {
    let text = text.strip_suffix('.').unwrap_or(text);
    name::is_name(text).then(|| text.to_ascii_lowercase())
}

/// A priority, a name, addresses, and the parameters `alpn`, `port` and `dohpath` (RFC 9460 section 7, RFC 9461).
fn resolver(text: &str) -> Option<Resolver> {
    let mut words = text.split_ascii_whitespace();
    let priority = words.next()?.parse().ok().filter(|priority| *priority > 0)?;
    let name = domain(words.next()?)?;
    let (mut addresses, mut list) = (Vec::new(), Vec::new());
    for word in words {
        match word.split_once('=') {
            None if list.is_empty() => addresses.push(word.parse().ok()?),
            None => return None,
            Some((key, value)) => list.push(parameter(key, value)?),
        }
    }
    list.sort();
    let twice = list.windows(2).any(|pair| matches!(pair, [(a, _), (b, _)] if a == b));
    // Parameters without an address, or an address without a protocol, say nothing (RFC 9463 section 3.1.6 and 3.1.8).
    let has_alpn = list.iter().any(|(key, _)| *key == ALPN);
    if twice || addresses.is_empty() != list.is_empty() || !list.is_empty() && !has_alpn {
        return None;
    }
    let mut parameters = Vec::new();
    for (key, value) in list {
        parameters.extend(key.to_be_bytes());
        parameters.extend(u16::try_from(value.len()).ok()?.to_be_bytes());
        parameters.extend(value);
    }
    Some(Resolver { priority, name, addresses, parameters })
}

const ALPN: u16 = 1;
const PORT: u16 = 3;
const DOHPATH: u16 = 7;

fn parameter(key: &str, value: &str) -> Option<(u16, Vec<u8>)> {
    match key {
        "alpn" => {
            let mut out = Vec::new();
            for protocol in value.split(',') {
                out.push(u8::try_from(protocol.len()).ok().filter(|length| *length > 0)?);
                out.extend(protocol.as_bytes());
            }
            Some((ALPN, out))
        }
        "port" => Some((PORT, value.parse::<u16>().ok()?.to_be_bytes().into())),
        "dohpath" => Some((DOHPATH, value.as_bytes().into())).filter(|_| value.starts_with('/')),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Origin, TABLE, by_name};
    use super::*;

    fn hex(name: &str, texts: &[&str]) -> Vec<u8> {
        by_name(name).unwrap().kind.parse(texts).unwrap().encode()
    }

    #[test]
    fn values_are_read_as_people_write_them() {
        assert_eq!(hex("ntp-server", &["10.0.0.5", "10.0.0.6"]), [10, 0, 0, 5, 10, 0, 0, 6]);
        assert_eq!(hex("mtu", &["1492"]), [5, 212]);
        assert_eq!(hex("static-route", &["192.168.7.9 10.0.0.5"]), [192, 168, 7, 9, 10, 0, 0, 5]);
        assert_eq!(hex("classless-static-route", &["192.168.7.1/24 10.0.0.5"]), [24, 192, 168, 7, 10, 0, 0, 5]);
        assert_eq!(hex("domain-search", &["Lan.example."]), b"\x03lan\x07example\0");
        assert_eq!(hex("auto-configure", &["0"]), [0]);
        assert_eq!(hex("vendor-specific", &["Pi"]), b"Pi");
        let resolver = hex("encrypted-dns", &["1 dns.example 10.0.0.1 port=8530 alpn=dot"]);
        let expected = b"\0\x23\0\x01\x0d\x03dns\x07example\0\x04\x0a\0\0\x01\0\x01\0\x04\x03dot\0\x03\0\x02\x21\x52";
        assert_eq!(resolver, expected);
    }

    #[test]
    fn what_has_another_form_is_refused_with_an_example() {
        for (name, bad) in [
            ("ntp-server", &["pool.ntp.org"][..]),
            ("ntp-server", &["10.0.0.5", "0.0.0.0"]),
            ("ntp-server", &[]),
            ("mtu", &["67"]),
            ("mtu", &["1500", "1500"]),
            ("static-route", &["0.0.0.0 10.0.0.5"]),
            ("classless-static-route", &["192.168.7.0/33 10.0.0.5"]),
            ("domain-search", &["a..b"]),
            ("auto-configure", &["2"]),
            ("ipv6-only-preferred", &["299"]),
            ("captive-portal", &[""]),
            ("encrypted-dns", &["1 dns.example 10.0.0.1"]),
            ("encrypted-dns", &["1 dns.example alpn=dot"]),
            ("encrypted-dns", &["0 dns.example"]),
            ("encrypted-dns", &["1 dns.example 10.0.0.1 alpn=dot alpn=doq"]),
            ("domain-search", &["a-domain-that-is-rather-long.example"; 40]),
        ] {
            let refusal = by_name(name).unwrap().kind.parse(bad).unwrap_err();
            assert!(refusal.starts_with("write"), "{name}: {refusal}");
        }
    }

    #[test]
    fn whatever_a_person_may_set_has_a_text() {
        for info in TABLE.iter().filter(|info| info.origin == Origin::Config) {
            assert_ne!(info.kind, Kind::Empty, "{}", info.name);
        }
    }
}
