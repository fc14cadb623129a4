//! The last lease as it is kept on the card.
//!
//! What is kept is the server's own ACK, so that reading it back goes through the same checks as reading it from the
//! wire. On the card stand the time that was left and the wall time of saving, not a moment of expiry: after a reboot
//! the clock of a machine without a battery may be anywhere.
//!
//! ```text
//! 8 bytes  "gpdhcp1\n"
//! 8 bytes  wall time of saving, seconds since 1970, big-endian
//! 4 bytes  time left, seconds, big-endian; all ones = for ever
//! rest     the ACK as it arrived
//! ```

use super::lease::{Lease, Terms};
use super::message::{self, Answer};
use crate::net::{Ipv4Net, MacAddr};
use crate::time::{Duration, WallTime};
use alloc::vec::Vec;

const MAGIC: [u8; 8] = *b"gpdhcp1\n";

/// The longest ACK that is kept, in bytes: what fits into an Ethernet frame.
const MAX_ACK: usize = 1500;

/// Packs a record; `left` is `None` for a lease without end. `None` if the ACK is longer than any that was asked for.
pub(super) fn pack(ack: &[u8], left: Option<Duration>, wall: WallTime) -> Option<Vec<u8>> {
    let seconds = left.map_or(u32::MAX, |left| u32::try_from(left.as_secs()).unwrap_or(u32::MAX - 1));
    let mut record = MAGIC.to_vec();
    record.extend_from_slice(&wall.0.to_be_bytes());
    record.extend_from_slice(&seconds.to_be_bytes());
    record.extend_from_slice(ack);
    (ack.len() <= MAX_ACK).then_some(record)
}

/// The network that a record's lease was for, whoever had it and whether or not it still lasts.
pub fn remembered_network(record: &[u8]) -> Option<Ipv4Net> {
    let ack = record.strip_prefix(&MAGIC)?.get(8 + 4..)?;
    // The client's hardware address in a DHCP message (RFC 2131 section 2).
    let mac = MacAddr(ack.get(28..34)?.try_into().ok()?);
    let (_, Answer::Ack(lease)) = message::read(ack.get(..ack.len().min(MAX_ACK))?, mac)? else { return None };
    Some(lease.address)
}

/// The lease of a record and the time that it has left, `None` for ever. Nothing if it has expired, is damaged, or was
/// granted to another hardware address: the card may have moved to another machine.
pub(super) fn unpack(record: &[u8], mac: MacAddr, wall: WallTime) -> Option<(Lease, Option<Duration>)> {
    let rest = record.strip_prefix(&MAGIC)?;
    let (saved, rest) = rest.split_first_chunk()?;
    let (left, ack) = rest.split_first_chunk()?;
    let (_, Answer::Ack(lease)) = message::read(ack.get(..ack.len().min(MAX_ACK))?, mac)? else { return None };
    let Terms::Limited { lasts, .. } = lease.terms else { return Some((lease, None)) };
    // A clock that went back says nothing about the time that passed.
    let passed = wall.since(WallTime(u64::from_be_bytes(*saved)));
    let left = Duration::from_secs(u64::from(u32::from_be_bytes(*left))).min(lasts).checked_sub(passed)?;
    (!left.is_zero()).then_some((lease, Some(left)))
}
