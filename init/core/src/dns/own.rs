//! Questions that the gateway has itself: the address of a time server. They come in by the same door as everybody's,
//! and so share cache, limits, servers and guards.

use super::api::{Client, Transport};
use super::name::Name;
use super::wire::{Header, Record, class, flag, question, rcode, rtype};
use super::write::header_bytes;
use crate::net::Ipv4Addr;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

/// Whoever asks for the gateway: a connection that no shell ever has, from our own address.
pub const OWN: Client = Client {
    transport: Transport::Tcp(u64::MAX),
    peer: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1),
    local: Ipv4Addr::LOCALHOST,
};

/// Addresses that are read from one answer.
const MAX_ADDRESSES: usize = 16;

/// A question for the addresses of `name`; `None` if that is no name.
pub fn ask_addresses(id: u16, name: &str) -> Option<Vec<u8>> {
    let name = Name::from_text(name)?;
    let mut message = header_bytes(Header { id, flags: flag::RD, counts: [1, 0, 0, 0] }).to_vec();
    message.extend_from_slice(name.as_bytes());
    message.extend_from_slice(&rtype::A.to_be_bytes());
    message.extend_from_slice(&class::IN.to_be_bytes());
    Some(message)
}

/// The identifier of one of our own answers, and the addresses in it. The forwarder made the answer: what is in it was
/// asked for.
pub fn read_addresses(message: &[u8]) -> Option<(u16, Vec<Ipv4Addr>)> {
    let header = Header::read(message)?;
    let mut addresses = Vec::new();
    if header.flags & flag::RCODE == rcode::NOERROR {
        let mut at = super::wire::HEADER + question(message)?.len();
        for _ in 0..header.counts[1] {
            let record = Record::read(message, at)?;
            at = record.data.end;
            let data = message.get(record.data).and_then(|data| <[u8; 4]>::try_from(data).ok());
            if let (rtype::A, class::IN, Some(octets)) = (record.rtype, record.class, data)
                && addresses.len() < MAX_ADDRESSES
            {
                addresses.push(Ipv4Addr::from(octets));
            }
        }
    }
    Some((header.id, addresses))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_question_of_our_own_is_answered_with_addresses() {
        let mut message = ask_addresses(7, "ntp.example").unwrap();
        assert_eq!(message[..12], [0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
        message[2] = 0x81;
        message[7] = 2;
        // An alias, and an address behind it.
        message.extend([0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 9, 0, 2, 0xc0, 12]);
        message.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 192, 0, 2, 1]);
        assert_eq!(read_addresses(&message), Some((7, alloc::vec![Ipv4Addr::new(192, 0, 2, 1)])));
        message[3] = 3;
        assert_eq!(read_addresses(&message), Some((7, alloc::vec![])));
        assert!(ask_addresses(7, "a..b").is_none());
    }

    proptest! {
        #[test]
        fn any_message_is_read(message in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Some((_, addresses)) = read_addresses(&message) {
                prop_assert!(addresses.len() <= MAX_ADDRESSES);
            }
        }
    }
}
