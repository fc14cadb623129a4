//! Values of options, from bytes and to bytes.

use super::{Kind, name};
use crate::net::{Ipv4Addr, Ipv4Net};
use alloc::string::String;
use alloc::vec::Vec;

/// The longest value that is written, in bytes: what a message of an Ethernet frame can hold, in pieces of 255
/// (RFC 3396).
pub const MAX_LENGTH: usize = 1024;

/// The value of an option. Each writes what its [`Kind`] reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Nothing.
    Empty,
    /// One address.
    Address(Ipv4Addr),
    /// One address or more.
    Addresses(Vec<Ipv4Addr>),
    /// Destinations and their routers.
    AddressPairs(Vec<(Ipv4Addr, Ipv4Addr)>),
    /// Prefixes and their routers.
    Routes(Vec<(Ipv4Net, Ipv4Addr)>),
    /// A number of one byte.
    Byte(u8),
    /// A number of two bytes.
    Word(u16),
    /// A number of four bytes.
    Long(u32),
    /// Text.
    Text(String),
    /// Domain names without a trailing dot.
    Domains(Vec<String>),
    /// Byte strings of 1 to 255 bytes.
    Classes(Vec<Vec<u8>>),
    /// Resolvers with encryption.
    Resolvers(Vec<Resolver>),
    /// Bytes.
    Bytes(Vec<u8>),
}

/// A resolver that clients may ask by an encrypted protocol (RFC 9463 section 3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolver {
    /// The smaller, the sooner it is asked.
    pub priority: u16,
    /// The name that its certificate must have.
    pub name: String,
    /// Where it is.
    pub addresses: Vec<Ipv4Addr>,
    /// Service parameters in the format of RFC 9460 section 2.2.
    pub parameters: Vec<u8>,
}

impl Value {
    /// Reads bytes of this form; `None` if they have another.
    pub fn decode(kind: Kind, bytes: &[u8]) -> Option<Self> {
        let whole = |value| Some(value).filter(|_| !bytes.is_empty());
        match kind {
            Kind::Empty => bytes.is_empty().then_some(Self::Empty),
            Kind::Address => Some(Self::Address(address(bytes)?)),
            Kind::Addresses => whole(Self::Addresses(addresses(bytes)?)),
            Kind::AddressPairs => {
                let pairs = bytes.chunks(8).map(|pair| Some((address(pair.get(..4)?)?, address(pair.get(4..)?)?)));
                whole(Self::AddressPairs(pairs.collect::<Option<_>>()?))
            }
            Kind::Routes => whole(Self::Routes(routes(bytes)?)),
            Kind::Byte(low, high) => match bytes {
                [byte] if (low..=high).contains(byte) => Some(Self::Byte(*byte)),
                _ => None,
            },
            Kind::Word(low) => {
                Some(u16::from_be_bytes(bytes.try_into().ok()?)).filter(|number| *number >= low).map(Self::Word)
            }
            Kind::Long(low) => {
                Some(u32::from_be_bytes(bytes.try_into().ok()?)).filter(|number| *number >= low).map(Self::Long)
            }
            Kind::Text => {
                // RFC 2132 section 2: a zero byte at the end does not count.
                let text = bytes.strip_suffix(&[0]).unwrap_or(bytes);
                let text = core::str::from_utf8(text).ok().filter(|text| !text.is_empty())?;
                Some(Self::Text(text.into()))
            }
            Kind::Domains => whole(Self::Domains(domains(bytes)?)),
            Kind::Classes => whole(Self::Classes(classes(bytes)?)),
            Kind::Resolvers => whole(Self::Resolvers(resolvers(bytes)?)),
            Kind::Bytes => whole(Self::Bytes(bytes.into())),
        }
    }

    /// The value's bytes, however many.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::Empty => {}
            Self::Address(address) => out.extend(address.octets()),
            Self::Addresses(list) => out.extend(list.iter().flat_map(|address| address.octets())),
            Self::AddressPairs(list) => {
                out.extend(list.iter().flat_map(|(to, via)| [to.octets(), via.octets()]).flatten());
            }
            Self::Routes(list) => list.iter().for_each(|(to, via)| {
                out.push(to.prefix());
                out.extend(to.network().octets().iter().take(usize::from(to.prefix().div_ceil(8))));
                out.extend(via.octets());
            }),
            Self::Byte(number) => out.push(*number),
            Self::Word(number) => out.extend(number.to_be_bytes()),
            Self::Long(number) => out.extend(number.to_be_bytes()),
            Self::Text(text) => out.extend(text.as_bytes()),
            Self::Domains(list) => list.iter().for_each(|name| name::write(name, &mut out)),
            Self::Classes(list) => list.iter().for_each(|class| counted(class, &mut out)),
            Self::Resolvers(list) => list.iter().for_each(|resolver| resolver.write(&mut out)),
            Self::Bytes(bytes) => out.extend(bytes),
        }
        out
    }
}

impl Resolver {
    fn write(&self, out: &mut Vec<u8>) {
        let mut instance = Vec::from(self.priority.to_be_bytes());
        let mut name = Vec::new();
        name::write(&self.name, &mut name);
        counted(&name, &mut instance);
        // Without anything behind the name the client finds out the rest (section 3.1.6).
        if !self.addresses.is_empty() {
            let addresses: Vec<u8> = self.addresses.iter().flat_map(|address| address.octets()).collect();
            counted(&addresses, &mut instance);
            instance.extend(&self.parameters);
        }
        out.extend(u16::try_from(instance.len()).unwrap_or(u16::MAX).to_be_bytes());
        out.extend(instance);
    }

    fn read(instance: &[u8]) -> Option<Self> {
        let (priority, rest) = instance.split_first_chunk::<2>()?;
        let (name, rest) = take_counted(rest)?;
        let (name, end) = name::read(name, 0).filter(|(_, end)| *end == name.len())?;
        debug_assert!(end <= 255);
        let mut resolver =
            Self { priority: u16::from_be_bytes(*priority), name, addresses: Vec::new(), parameters: Vec::new() };
        if !rest.is_empty() {
            let (list, parameters) = take_counted(rest)?;
            resolver.addresses = addresses(list).filter(|list| !list.is_empty())?;
            resolver.parameters = parameters.into();
        }
        Some(resolver)
    }
}

/// Bytes behind their length; no more than 255 of them.
fn counted(bytes: &[u8], out: &mut Vec<u8>) {
    let length = u8::try_from(bytes.len()).unwrap_or(u8::MAX);
    out.push(length);
    out.extend(bytes.iter().take(usize::from(length)));
}

fn take_counted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first()?;
    rest.split_at_checked(usize::from(*length))
}

fn address(bytes: &[u8]) -> Option<Ipv4Addr> {
    Some(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?))
}

fn addresses(bytes: &[u8]) -> Option<Vec<Ipv4Addr>> {
    bytes.chunks(4).map(address).collect()
}

/// RFC 3442: the width of the prefix, as many bytes of it as count, the router.
fn routes(mut bytes: &[u8]) -> Option<Vec<(Ipv4Net, Ipv4Addr)>> {
    let mut list = Vec::new();
    while let Some((width, rest)) = bytes.split_first() {
        let (prefix, rest) = rest.split_at_checked(usize::from(width.div_ceil(8)))?;
        let (router, rest) = rest.split_first_chunk::<4>()?;
        let mut octets = [0; 4];
        octets.iter_mut().zip(prefix).for_each(|(to, from)| *to = *from);
        let net = Ipv4Net::new(Ipv4Addr::from(octets), *width)?;
        list.push((Ipv4Net::new(net.network(), *width)?, Ipv4Addr::from(*router)));
        bytes = rest;
    }
    Some(list)
}

fn domains(bytes: &[u8]) -> Option<Vec<String>> {
    let (mut at, mut list) = (0, Vec::new());
    while at < bytes.len() {
        let (name, behind) = name::read(bytes, at)?;
        list.push(name);
        at = behind;
    }
    Some(list)
}

fn classes(mut bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut list = Vec::new();
    while !bytes.is_empty() {
        let (class, rest) = take_counted(bytes).filter(|(class, _)| !class.is_empty())?;
        list.push(class.into());
        bytes = rest;
    }
    Some(list)
}

fn resolvers(mut bytes: &[u8]) -> Option<Vec<Resolver>> {
    let mut list = Vec::new();
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_first_chunk::<2>()?;
        let (instance, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        list.push(Resolver::read(instance)?);
        bytes = rest;
    }
    Some(list)
}

#[cfg(test)]
mod tests {
    use super::super::{TABLE, decode};
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

    fn ip(last: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 0, 0, last)
    }

    #[test]
    fn rfc3442_destination_descriptors() {
        // The examples of the RFC's table, with 10.0.0.1 as the router.
        for (text, bytes) in [
            ("0.0.0.0/0", &b"\0"[..]),
            ("10.0.0.0/8", b"\x08\x0a"),
            ("10.0.0.0/24", b"\x18\x0a\0\0"),
            ("10.17.0.0/16", b"\x10\x0a\x11"),
            ("10.27.129.0/24", b"\x18\x0a\x1b\x81"),
            ("10.229.0.128/25", b"\x19\x0a\xe5\0\x80"),
            ("10.198.122.47/32", b"\x20\x0a\xc6\x7a\x2f"),
        ] {
            let value = Value::Routes(vec![(text.parse().unwrap(), ip(1))]);
            assert_eq!(value.encode(), [bytes, &[10, 0, 0, 1]].concat());
            assert_eq!(decode(121, &value.encode()), Some(value));
        }
        assert_eq!(decode(121, &[33, 1, 2, 3, 4, 5, 10, 0, 0, 1]), None);
    }

    #[test]
    fn rfc9463_5_1_a_resolver_with_and_without_its_address() {
        let mut resolver = Resolver {
            priority: 1,
            name: "dns.example".into(),
            addresses: vec![ip(1)],
            parameters: b"\0\x01\0\x04\x03dot".to_vec(),
        };
        let bytes = Value::Resolvers(vec![resolver.clone()]).encode();
        assert_eq!(bytes, b"\0\x1d\0\x01\x0d\x03dns\x07example\0\x04\x0a\0\0\x01\0\x01\0\x04\x03dot");
        assert_eq!(decode(162, &bytes), Some(Value::Resolvers(vec![resolver.clone()])));
        (resolver.addresses, resolver.parameters) = (vec![], vec![]);
        let bytes = Value::Resolvers(vec![resolver.clone()]).encode();
        assert_eq!(bytes, b"\0\x10\0\x01\x0d\x03dns\x07example\0");
        assert_eq!(decode(162, &bytes), Some(Value::Resolvers(vec![resolver])));
    }

    #[test]
    fn every_row_reads_what_it_writes_and_refuses_what_has_another_form() {
        let long = Value::Long(86_400);
        for (code, value, bad) in [
            (3, Value::Addresses(vec![ip(1), ip(2)]), &[10, 0, 0][..]),
            (26, Value::Word(1492), &[0, 67]),
            (33, Value::AddressPairs(vec![(ip(9), ip(1))]), &[10, 0, 0, 9]),
            (43, Value::Bytes(vec![0, 255]), &[]),
            (51, long.clone(), &[0, 0, 1]),
            (52, Value::Byte(3), &[4]),
            (54, Value::Address(ip(1)), &[10, 0, 0, 1, 0]),
            (67, Value::Text("kernel.img".into()), &[0]),
            (77, Value::Classes(vec![b"iPXE".to_vec(), b"x".to_vec()]), b"iPXE"),
            (80, Value::Empty, &[0]),
            (108, long, &[0, 0, 1, 43]),
            (114, Value::Text("https://portal.example/api".into()), b""),
            (116, Value::Byte(1), &[2]),
            (119, Value::Domains(vec!["lan.example".into(), "example".into()]), b"\x03lan"),
        ] {
            assert_eq!(decode(code, &value.encode()), Some(value), "{code}");
            assert_eq!(decode(code, bad), None, "{code}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived_and_what_is_read_is_written_again(
            code: u8,
            bytes in proptest::collection::vec(any::<u8>(), 0..80),
        ) {
            for code in TABLE.iter().map(|info| info.code).chain([code]) {
                if let Some(value) = decode(code, &bytes) {
                    prop_assert_eq!(decode(code, &value.encode()), Some(value));
                }
            }
        }
    }
}
