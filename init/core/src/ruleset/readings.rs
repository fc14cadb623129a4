//! The counters, read back from the kernel: one question, and the answers to it (`NFT_MSG_GETOBJ` as a dump).

use super::encode::{NEW_OBJECT, NFNL_SUBSYS_NFTABLES, NFPROTO_INET, NLM_F_REQUEST};
use super::nla::{be32, text};
use super::{Counter, TABLE};
use alloc::string::String;
use alloc::vec::Vec;

const GET_OBJECT: u16 = 19;
pub(super) const NLM_F_DUMP: u16 = 0x300;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
/// `struct nlmsghdr` and `struct nfgenmsg` in bytes.
const HEADER: usize = 16;
const FAMILY_HEADER: usize = 4;

/// Most counters that are read; a configuration makes fewer.
const READINGS_MAX: usize = 512;

/// What a counter has seen since the rules were put in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Its name in the kernel; see [`Counter::name`].
    pub name: String,
    /// Packets.
    pub packets: u64,
    /// Bytes, headers included.
    pub bytes: u64,
}

/// The message that asks for all counters of our table.
pub fn counters_request() -> Vec<u8> {
    request(NFNL_SUBSYS_NFTABLES << 8 | GET_OBJECT, NLM_F_REQUEST | NLM_F_DUMP, NFPROTO_INET, |out| {
        text(out, 1, TABLE);
        be32(out, 3, 1); // NFT_OBJECT_COUNTER
    })
}

/// One message to the kernel, with the attributes that `fill` writes. Its sequence number is 0.
pub(super) fn request(kind: u16, flags: u16, family: u8, fill: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&kind.to_ne_bytes());
    out.extend_from_slice(&flags.to_ne_bytes());
    out.extend_from_slice(&[0; 8]);
    out.extend_from_slice(&[family, 0, 0, 0]);
    fill(&mut out);
    let length = out.len() as u32;
    if let Some(field) = out.first_chunk_mut() {
        *field = length.to_ne_bytes();
    }
    out
}

/// Takes the counters out of one datagram of the answer. `true`: it was the last one (also if it is an error).
pub fn read_counters(datagram: &[u8], readings: &mut Vec<Reading>) -> bool {
    messages(datagram, |kind, body| {
        if kind == NFNL_SUBSYS_NFTABLES << 8 | NEW_OBJECT && readings.len() < READINGS_MAX {
            readings.extend(reading(body));
        }
    })
}

/// Gives the kind and the attributes of each message of a datagram to `take`. `true`: there will be no more.
pub(super) fn messages(mut datagram: &[u8], mut take: impl FnMut(u16, &[u8])) -> bool {
    while let Some(header) = datagram.first_chunk::<HEADER>() {
        let [a, b, c, d, k, l, ..] = *header;
        let length = usize::try_from(u32::from_ne_bytes([a, b, c, d])).unwrap_or(usize::MAX).max(HEADER);
        let kind = u16::from_ne_bytes([k, l]);
        if kind == NLMSG_DONE || kind == NLMSG_ERROR {
            return true;
        }
        take(kind, datagram.get(HEADER + FAMILY_HEADER..length.min(datagram.len())).unwrap_or_default());
        let Some(next) = length.checked_next_multiple_of(4) else { return true };
        datagram = datagram.get(next..).unwrap_or_default();
    }
    false
}

fn reading(object: &[u8]) -> Option<Reading> {
    let name = attribute(object, 2)?;
    let name = core::str::from_utf8(name.strip_suffix(&[0]).unwrap_or(name)).ok()?;
    let data = attribute(object, 4)?;
    let number = |kind| attribute(data, kind)?.try_into().ok().map(u64::from_be_bytes);
    Some(Reading { name: name.into(), packets: number(2)?, bytes: number(1)? })
}

/// The payload of the first attribute of this kind.
pub(super) fn attribute(mut list: &[u8], wanted: u16) -> Option<&[u8]> {
    while let Some(([a, b, k, l], _)) = list.split_first_chunk::<4>() {
        let length = usize::from(u16::from_ne_bytes([*a, *b])).max(4);
        // The upper two bits are flags (nested, byte order).
        if u16::from_ne_bytes([*k, *l]) & 0x3fff == wanted {
            return list.get(4..length);
        }
        list = list.get(length.checked_next_multiple_of(4)?..)?;
    }
    None
}

/// The lines of a table for a person: every counter of `wanted`, those that the kernel does not have as zero.
pub fn table(wanted: &[(Counter, String)], readings: &[Reading]) -> String {
    use core::fmt::Write;
    let mut lines = alloc::format!("{:>12} {:>15}  what\n", "packets", "bytes");
    for (counter, meaning) in wanted {
        let found = readings.iter().find(|reading| reading.name == counter.name());
        let (packets, bytes) = found.map_or((0, 0), |reading| (reading.packets, reading.bytes));
        let _ = writeln!(lines, "{packets:>12} {bytes:>15}  {meaning}");
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ruleset::nla::{be64, nest};
    use alloc::vec;
    use proptest::prelude::*;

    fn message(kind: u16, fill: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut out = vec![0; HEADER + FAMILY_HEADER];
        fill(&mut out);
        let length = out.len() as u32;
        out[..4].copy_from_slice(&length.to_ne_bytes());
        out[4..6].copy_from_slice(&kind.to_ne_bytes());
        out
    }

    fn object(name: &str, packets: u64) -> Vec<u8> {
        message(NFNL_SUBSYS_NFTABLES << 8 | NEW_OBJECT, |out| {
            text(out, 1, TABLE);
            text(out, 2, name);
            nest(out, 4, |out| {
                be64(out, 1, packets * 100);
                be64(out, 2, packets);
            });
        })
    }

    #[test]
    fn counters_are_read_and_shown() {
        let mut readings = Vec::new();
        assert!(!read_counters(&[object("spoofed", 7), object("leaks", 0)].concat(), &mut readings));
        assert!(read_counters(&message(NLMSG_DONE, |_| ()), &mut readings));
        assert_eq!(readings[0], Reading { name: "spoofed".into(), packets: 7, bytes: 700 });
        let wanted = [Counter::Spoofed, Counter::Allow(1)].map(|counter| (counter, counter.meaning()));
        let text = table(&wanted, &readings);
        assert!(
            text.contains("           7             700  dropped: an address that can't be true there\n"),
            "{text}"
        );
        assert!(text.contains("           0               0  connections let in by [[firewall.allow]] 1\n"), "{text}");
    }

    #[test]
    fn the_number_of_counters_has_a_cap() {
        let mut readings = Vec::new();
        for _ in 0..READINGS_MAX + 10 {
            read_counters(&object("x", 1), &mut readings);
        }
        assert_eq!(readings.len(), READINGS_MAX);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes: Vec<u8>, cut in 0usize..60) {
            read_counters(&bytes, &mut Vec::new());
            let whole = object("spoofed", 7);
            read_counters(&whole[..cut.min(whole.len())], &mut Vec::new());
        }
    }
}
