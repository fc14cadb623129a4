//! Netlink attributes, written one after the other into a buffer.
//!
//! ```text
//!  0      2      4
//!  +------+------+-----------------+---------+
//!  | len  | type | payload         | padding |   len counts header and payload, in the machine's byte order;
//!  +------+------+-----------------+---------+   the next attribute starts at a multiple of 4
//! ```
//! nf_tables wants numbers inside payloads in network byte order.

use alloc::vec::Vec;

/// Marks an attribute whose payload is attributes.
pub const NLA_F_NESTED: u16 = 1 << 15;

/// A text with the zero byte that ends it in C.
pub fn text(out: &mut Vec<u8>, kind: u16, value: &str) {
    nested_raw(out, kind, |out| {
        out.extend_from_slice(value.as_bytes());
        out.push(0);
    });
}

/// A number of 32 bits, big endian.
pub fn be32(out: &mut Vec<u8>, kind: u16, value: u32) {
    bytes(out, kind, &value.to_be_bytes());
}

/// A number of 64 bits, big endian.
pub fn be64(out: &mut Vec<u8>, kind: u16, value: u64) {
    bytes(out, kind, &value.to_be_bytes());
}

/// Bytes as they are.
pub fn bytes(out: &mut Vec<u8>, kind: u16, value: &[u8]) {
    nested_raw(out, kind, |out| out.extend_from_slice(value));
}

/// An attribute that holds what `fill` writes.
pub fn nest(out: &mut Vec<u8>, kind: u16, fill: impl FnOnce(&mut Vec<u8>)) {
    nested_raw(out, kind | NLA_F_NESTED, fill);
}

fn nested_raw(out: &mut Vec<u8>, kind: u16, fill: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0, 0]);
    out.extend_from_slice(&kind.to_ne_bytes());
    fill(out);
    // The longest attribute is the expression list of one rule, some hundred bytes.
    let length = u16::try_from(out.len() - start).unwrap_or(u16::MAX);
    out[start..start + 2].copy_from_slice(&length.to_ne_bytes());
    pad(out);
}

/// Fills up to a multiple of 4.
pub fn pad(out: &mut Vec<u8>) {
    out.resize(out.len().next_multiple_of(4), 0);
}
