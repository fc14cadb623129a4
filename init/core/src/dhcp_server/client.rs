//! Who a client is: its hardware address, its client identifier, and the key that the lease table knows it by.

use crate::net::MacAddr;
use alloc::boxed::Box;
use sha2::{Digest, Sha256};

/// Ethernet in the numbering of RFC 1700 (`htype`).
const ETHERNET: u8 = 1;

/// Bytes of the field `chaddr`, and so of the longest hardware address.
pub(super) const CHADDR_LEN: usize = 16;

/// A client's hardware address as its packets give it: `htype`, `hlen` and the `hlen` first bytes of `chaddr`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hardware {
    kind: u8,
    length: u8,
    address: [u8; CHADDR_LEN],
}

impl Hardware {
    /// `None` if `address` is longer than 16 bytes.
    pub fn new(kind: u8, address: &[u8]) -> Option<Self> {
        let length = u8::try_from(address.len()).ok()?;
        let mut whole = [0; CHADDR_LEN];
        whole.get_mut(..address.len())?.copy_from_slice(address);
        Some(Self { kind, length, address: whole })
    }

    /// The `htype` of RFC 1700.
    pub const fn kind(&self) -> u8 {
        self.kind
    }

    /// The address, at most 16 bytes.
    pub fn address(&self) -> &[u8] {
        self.address.get(..usize::from(self.length)).unwrap_or_default()
    }

    /// The address of an Ethernet station that may be sent to; `None` for other hardware and for group addresses.
    pub fn mac(&self) -> Option<MacAddr> {
        let mac = MacAddr(self.address().try_into().ok()?);
        (self.kind == ETHERNET && mac.is_unicast()).then_some(mac)
    }
}

/// What the lease table knows a client by: a hash, so that every key is small and the choice of an address that
/// starts from it is evenly spread. RFC 2131 section 4.2: the client identifier where the client gives one, else its
/// hardware type and address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ClientKey([u8; 16]);

impl ClientKey {
    /// A number in `0..bound` that is always the same for this client; zero if `bound` is zero.
    pub(super) fn spread(self, bound: u32) -> u32 {
        let [a, b, c, d, ..] = self.0;
        let hash = u64::from(u32::from_be_bytes([a, b, c, d]));
        ((hash * u64::from(bound)) >> 32) as u32
    }
}

/// A client as its packets describe it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Client {
    pub(super) key: ClientKey,
    pub(super) hardware: Hardware,
    pub(super) id: Option<Box<[u8]>>,
}

impl Client {
    /// `id` is option 61. One shorter than two bytes (RFC 2132 section 9.14) identifies nobody and is not counted.
    /// `None` if neither it nor the hardware address tells this client from another.
    pub(super) fn new(hardware: Hardware, id: Option<&[u8]>) -> Option<Self> {
        let id = id.filter(|id| id.len() >= 2);
        let mut hash = Sha256::new();
        match id {
            Some(id) => {
                hash.update([61]);
                hash.update(id);
            }
            None if hardware.address().iter().all(|byte| *byte == 0) => return None,
            None => {
                hash.update([0, hardware.kind]);
                hash.update(hardware.address());
            }
        }
        let digest: [u8; 32] = hash.finalize().into();
        let key = ClientKey(*digest.first_chunk()?);
        Some(Self { key, hardware, id: id.map(Box::from) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ethernet(last: u8) -> Hardware {
        Hardware::new(1, &[2, 0, 0, 0, 0, last]).unwrap()
    }

    #[test]
    fn rfc2131_4_2_the_client_identifier_comes_first() {
        let plain = Client::new(ethernet(1), None).unwrap();
        let named = Client::new(ethernet(1), Some(b"\x00laptop")).unwrap();
        let moved = Client::new(ethernet(2), Some(b"\x00laptop")).unwrap();
        assert_eq!(named.key, moved.key);
        assert_ne!(plain.key, named.key);
        assert_eq!(Client::new(ethernet(1), Some(b"\x01")).unwrap(), plain, "too short to identify");
    }

    #[test]
    fn a_client_without_identity_is_none() {
        assert_eq!(Client::new(Hardware::new(1, &[0; 6]).unwrap(), None), None);
        assert_eq!(Client::new(Hardware::new(32, &[]).unwrap(), None), None);
        assert!(Client::new(Hardware::new(32, &[]).unwrap(), Some(b"infiniband")).is_some());
        assert_eq!(Hardware::new(1, &[1; 17]), None);
    }

    #[test]
    fn only_ethernet_stations_are_sent_to() {
        assert_eq!(ethernet(1).mac(), Some(MacAddr([2, 0, 0, 0, 0, 1])));
        assert_eq!(Hardware::new(1, &[0xff; 6]).unwrap().mac(), None);
        assert_eq!(Hardware::new(1, &[2; 8]).unwrap().mac(), None);
        assert_eq!(Hardware::new(6, &[2; 6]).unwrap().mac(), None);
    }

    #[test]
    fn spread_stays_below_its_bound() {
        let key = ClientKey([0xff; 16]);
        assert_eq!((key.spread(0), key.spread(1), key.spread(119)), (0, 0, 118));
    }
}
