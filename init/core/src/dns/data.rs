//! Record data that may hold compressed names: read whole, written again for another message.
//!
//! RFC 3597 section 4 lists the types whose data a receiver must decompress; all others are opaque octets and stay as
//! they came. Data whose length does not fit its type makes the record malformed (CVE-2026-5172, CVE-2026-4891).

use super::name::Name;
use super::wire::{Record, rtype};
use super::write::Writer;

/// The data of one record: octets, names, octets.
pub(super) struct Data<'a> {
    head: &'a [u8],
    names: [Option<Name>; 2],
    tail: &'a [u8],
    compress: bool,
}

impl<'a> Data<'a> {
    /// `None` if the data is not what its type requires.
    pub(super) fn read(msg: &'a [u8], record: &Record) -> Option<Data<'a>> {
        let all = msg.get(record.data.clone())?;
        let Some(layout) = layout(record.rtype, all)? else {
            return Some(Data { head: all, names: [None; 2], tail: &[], compress: false });
        };
        let mut data = Data { head: all.get(..layout.head)?, names: [None; 2], tail: &[], compress: layout.compress };
        let mut at = record.data.start + layout.head;
        for place in data.names.iter_mut().take(layout.names) {
            let (name, after) = Name::read(msg, at).filter(|(_, after)| *after <= record.data.end)?;
            *place = Some(name);
            at = after;
        }
        data.tail = msg.get(at..record.data.end).filter(|tail| tail.len() == layout.tail)?;
        Some(data)
    }

    /// The only name of a CNAME, DNAME, NS or PTR.
    pub(super) fn target(&self) -> Option<Name> {
        self.names[0]
    }

    /// The last word of an SOA: seconds that "there is no such thing" holds (RFC 2308 section 4).
    pub(super) fn soa_minimum(&self) -> Option<u32> {
        self.tail.last_chunk().map(|four| u32::from_be_bytes(*four))
    }

    /// Writes it behind a record's head.
    pub(super) fn write(&self, writer: &mut Writer) {
        writer.raw(self.head);
        for name in self.names.iter().flatten() {
            writer.name(name, self.compress);
        }
        writer.raw(self.tail);
    }
}

/// Octets before the names, how many names, octets after them, and whether the names may be compressed when written
/// (RFC 3597 section 4: only in the types of RFC 1035).
struct Layout {
    head: usize,
    names: usize,
    tail: usize,
    compress: bool,
}

/// The outer `None`: malformed. The inner: opaque.
fn layout(kind: u16, data: &[u8]) -> Option<Option<Layout>> {
    let old = |head, names, tail| Layout { head, names, tail, compress: true };
    let new = |head, names| Layout { head, names, tail: 0, compress: false };
    Some(Some(match kind {
        rtype::A => new(4, 0),
        rtype::AAAA => new(16, 0),
        rtype::NS | rtype::CNAME | rtype::PTR => old(0, 1, 0),
        rtype::MD | rtype::MF | rtype::MB | rtype::MG | rtype::MR => old(0, 1, 0),
        rtype::SOA => old(0, 2, 20),
        rtype::MINFO => old(0, 2, 0),
        rtype::MX => old(2, 1, 0),
        rtype::DNAME => new(0, 1),
        rtype::RP => new(0, 2),
        rtype::AFSDB | rtype::RT | rtype::KX => new(2, 1),
        rtype::PX => new(2, 2),
        rtype::SRV => new(6, 1),
        rtype::NAPTR => new(naptr_head(data)?, 1),
        // RFC 4034 section 3.1: 18 octets, then the signer's name, which is never compressed.
        rtype::RRSIG if data.len() < 19 => return None,
        _ => return Some(None),
    }))
}

/// RFC 3403 section 4.1: two numbers and three counted strings come before the name.
fn naptr_head(data: &[u8]) -> Option<usize> {
    let mut at = 4;
    for _ in 0..3 {
        at += 1 + usize::from(*data.get(at)?);
    }
    Some(at)
}
