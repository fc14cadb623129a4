//! One value in two copies, of which the older is overwritten.
//!
//! ```text
//! copy = magic "GPSNAPSH" (8) | version u32 | generation u64 | payload length u32 | SHA-256 (32) | payload
//! ```
//!
//! Integers are little-endian; the digest covers everything but itself. To store: [`next`] says which copy to
//! overwrite and with which generation; write it, sync it, read it back. To load: [`newest`]. A cut at any moment
//! leaves at least the copy that was not being written.

use alloc::vec::Vec;
use sha2::{Digest, Sha256};

/// The version that [`encode`] writes and [`decode`] reads.
///
/// History: 1, the first.
pub const VERSION: u32 = 1;

/// The longest payload, in bytes: a configuration of the largest accepted size (256 KiB) fits with room to spare.
pub const MAX_PAYLOAD: usize = 1024 * 1024;

/// Bytes of a copy besides its payload.
pub const OVERHEAD: usize = 56;

const MAGIC: [u8; 8] = *b"GPSNAPSH";

/// Which of the two copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copy {
    /// The first file, as in `config.a`.
    A,
    /// The second file, as in `config.b`.
    B,
}

/// A whole copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshot<'a> {
    /// Counts up with each value stored.
    pub generation: u64,
    /// What was stored.
    pub payload: &'a [u8],
}

/// The payload is longer than [`MAX_PAYLOAD`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

/// The bytes of one copy.
pub fn encode(generation: u64, payload: &[u8]) -> Result<Vec<u8>, TooLong> {
    let length = u32::try_from(payload.len()).ok().filter(|_| payload.len() <= MAX_PAYLOAD).ok_or(TooLong)?;
    let mut out = Vec::with_capacity(OVERHEAD + payload.len());
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&generation.to_le_bytes());
    out.extend_from_slice(&length.to_le_bytes());
    let digest = digest(&out, payload);
    out.extend_from_slice(&digest);
    out.extend_from_slice(payload);
    Ok(out)
}

/// Reads one copy; `None` if it is not exactly what [`encode`] wrote.
pub fn decode(bytes: &[u8]) -> Option<Snapshot<'_>> {
    let (head, rest) = bytes.split_first_chunk::<24>()?;
    let (checksum, payload) = rest.split_first_chunk::<32>()?;
    let (magic, fields) = head.split_first_chunk::<8>()?;
    let (version, fields) = fields.split_first_chunk::<4>()?;
    let (generation, length) = fields.split_first_chunk::<8>()?;
    let length = u32::from_le_bytes(*length.first_chunk::<4>()?);
    let known = *magic == MAGIC && u32::from_le_bytes(*version) == VERSION;
    let fits = payload.len() <= MAX_PAYLOAD && usize::try_from(length) == Ok(payload.len());
    if !known || !fits || *checksum != digest(head, payload) {
        return None;
    }
    Some(Snapshot { generation: u64::from_le_bytes(*generation), payload })
}

/// The newer of the two copies that are whole, and which one it is; A if both are of one generation.
pub fn newest<'a>(a: &'a [u8], b: &'a [u8]) -> Option<(Copy, Snapshot<'a>)> {
    match (decode(a), decode(b)) {
        (Some(a), Some(b)) if b.generation > a.generation => Some((Copy::B, b)),
        (Some(a), _) => Some((Copy::A, a)),
        (None, Some(b)) => Some((Copy::B, b)),
        (None, None) => None,
    }
}

/// Which copy the next value overwrites, and its generation: never the newest one that is whole.
pub fn next(a: &[u8], b: &[u8]) -> (Copy, u64) {
    match newest(a, b) {
        Some((Copy::A, newest)) => (Copy::B, newest.generation.saturating_add(1)),
        Some((Copy::B, newest)) => (Copy::A, newest.generation.saturating_add(1)),
        None => (Copy::A, 1),
    }
}

fn digest(head: &[u8], payload: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(head);
    hash.update(payload);
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn the_newer_copy_wins_and_the_older_is_overwritten() {
        let old = encode(7, b"old").unwrap();
        let new = encode(8, b"new").unwrap();
        assert_eq!(newest(&old, &new).unwrap(), (Copy::B, Snapshot { generation: 8, payload: b"new" }));
        assert_eq!(newest(&new, &old).unwrap().0, Copy::A);
        assert_eq!(next(&old, &new), (Copy::A, 9));
        assert_eq!(next(&new, &old), (Copy::B, 9));
        assert_eq!(next(&[], &[]), (Copy::A, 1));
        assert_eq!(next(&old, &[]), (Copy::B, 8));
    }

    #[test]
    fn cut_at_every_byte_the_other_copy_stands() {
        let old = encode(7, b"the one that must survive").unwrap();
        let new = encode(8, b"the one being written").unwrap();
        for length in 0..new.len() {
            let (copy, found) = newest(&old, &new[..length]).unwrap();
            assert_eq!((copy, found.generation), (Copy::A, 7), "cut after {length} bytes");
            assert_eq!(next(&old, &new[..length]), (Copy::B, 8));
        }
    }

    #[test]
    fn every_bit_flipped_the_other_copy_stands() {
        let old = encode(7, b"old").unwrap();
        let new = encode(8, b"new").unwrap();
        for bit in 0..new.len() * 8 {
            let mut bad = new.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(newest(&bad, &old).unwrap().1.payload, b"old", "bit {bit}");
        }
    }

    #[test]
    fn bounds() {
        assert_eq!(encode(1, &vec![0; MAX_PAYLOAD + 1]), Err(TooLong));
        let mut longer = encode(1, b"").unwrap();
        assert_eq!(longer.len(), OVERHEAD);
        assert_eq!(decode(&longer).unwrap().payload, b"");
        longer.push(0);
        assert_eq!(decode(&longer), None);
        let last = encode(u64::MAX, b"").unwrap();
        assert_eq!(next(&last, &[]), (Copy::B, u64::MAX));
    }
}
