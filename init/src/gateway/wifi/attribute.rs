//! Netlink attributes (`struct nlattr`): a length, a type and bytes, padded to four, nested in each other.
//!
//! Reading never fails as a whole: what is cut off or too short is not there. Everything is in the machine's own byte
//! order unless nl80211 says otherwise.

use gatepost_core::net::MacAddr;

/// The type's two upper bits say "nested" and "network byte order"; the kernel leaves them out or not, as it likes.
const TYPE_MASK: u16 = 0x3fff;

/// `struct nlattr` in bytes.
pub const HEADER: usize = 4;

/// The attributes in these bytes, in their order; ends at the first that is cut off.
pub fn all(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let (&[l0, l1, t0, t1], _) = bytes.split_first_chunk::<HEADER>()?;
        let length = usize::from(u16::from_ne_bytes([l0, l1]));
        let value = bytes.get(HEADER..length)?;
        bytes = bytes.get(length.next_multiple_of(HEADER)..).unwrap_or_default();
        Some((u16::from_ne_bytes([t0, t1]) & TYPE_MASK, value))
    })
}

/// The first attribute of this type.
pub fn get(bytes: &[u8], wanted: u16) -> Option<&[u8]> {
    all(bytes).find(|(kind, _)| *kind == wanted).map(|(_, value)| value)
}

/// Whether there is an attribute of this type: nl80211's flags.
pub fn has(bytes: &[u8], wanted: u16) -> bool {
    get(bytes, wanted).is_some()
}

/// An attribute of one byte.
pub fn get_u8(bytes: &[u8], wanted: u16) -> Option<u8> {
    get(bytes, wanted)?.first().copied()
}

/// An attribute of 16 bits.
pub fn get_u16(bytes: &[u8], wanted: u16) -> Option<u16> {
    get(bytes, wanted)?.first_chunk().copied().map(u16::from_ne_bytes)
}

/// An attribute of 32 bits.
pub fn get_u32(bytes: &[u8], wanted: u16) -> Option<u32> {
    get(bytes, wanted).and_then(as_u32)
}

/// A hardware address.
pub fn get_mac(bytes: &[u8], wanted: u16) -> Option<MacAddr> {
    get(bytes, wanted)?.first_chunk().copied().map(MacAddr)
}

/// The value as a number of 32 bits.
pub fn as_u32(value: &[u8]) -> Option<u32> {
    value.first_chunk().copied().map(u32::from_ne_bytes)
}

/// The value as a list of numbers of 32 bits.
pub fn as_u32s(value: &[u8]) -> impl Iterator<Item = u32> {
    value.as_chunks().0.iter().map(|chunk| u32::from_ne_bytes(*chunk))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_cut_off_is_not_there() {
        let bytes = [&8u16.to_ne_bytes()[..], &3u16.to_ne_bytes(), &7u32.to_ne_bytes(), &9u16.to_ne_bytes(), &[4, 0]];
        let bytes = bytes.concat();
        assert_eq!(get_u32(&bytes, 3), Some(7));
        assert!(!has(&bytes, 4), "nine bytes are promised, four are there");
        assert_eq!(get_u32(&bytes[..7], 3), None);
    }

    proptest! {
        #[test]
        fn any_bytes_come_to_an_end(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(all(&bytes).count() <= 75);
        }
    }
}
