//! Reading DNS messages from bytes that strangers wrote (RFC 1035 section 4, checked against the list of RFC 9267).
//!
//! Nothing here allocates, panics or runs longer than the message is long. Names that are followed and kept are in
//! `name`; the meaning of records is for `query` and `reply`.

use core::ops::Range;

/// Octets of the fixed header (RFC 1035 section 4.1.1).
pub(super) const HEADER: usize = 12;

/// Octets of a name on the wire, length octets and root included (RFC 1035 section 2.3.4).
pub(super) const MAX_NAME: usize = 255;

/// Where the TTL, the class and the data length stand after a record's owner, in octets.
const FIXED: usize = 10;

/// The bits of the header's second word (RFC 1035 section 4.1.1, RFC 4035 section 3).
pub(super) mod flag {
    /// The message is a response.
    pub(in crate::dns) const QR: u16 = 0x8000;
    /// The kind of request; zero is a plain query.
    pub(in crate::dns) const OPCODE: u16 = 0x7800;
    /// The answer comes from the authority for the name.
    pub(in crate::dns) const AA: u16 = 0x0400;
    /// The answer did not fit.
    pub(in crate::dns) const TC: u16 = 0x0200;
    /// The client asks for the whole work to be done.
    pub(in crate::dns) const RD: u16 = 0x0100;
    /// The server does the whole work.
    pub(in crate::dns) const RA: u16 = 0x0080;
    /// The client does not want DNSSEC checked for it.
    pub(in crate::dns) const CD: u16 = 0x0010;
    /// The response code.
    pub(in crate::dns) const RCODE: u16 = 0x000f;
}

/// Response codes (RFC 1035 section 4.1.1, RFC 6891 section 9).
pub(super) mod rcode {
    pub(in crate::dns) const NOERROR: u16 = 0;
    pub(in crate::dns) const FORMERR: u16 = 1;
    pub(in crate::dns) const SERVFAIL: u16 = 2;
    pub(in crate::dns) const NXDOMAIN: u16 = 3;
    pub(in crate::dns) const NOTIMP: u16 = 4;
    pub(in crate::dns) const REFUSED: u16 = 5;
    pub(in crate::dns) const BADVERS: u16 = 16;
}

/// Record and question types that are treated specially; all others pass through (RFC 3597).
pub(super) mod rtype {
    pub(in crate::dns) const A: u16 = 1;
    pub(in crate::dns) const NS: u16 = 2;
    pub(in crate::dns) const MD: u16 = 3;
    pub(in crate::dns) const MF: u16 = 4;
    pub(in crate::dns) const CNAME: u16 = 5;
    pub(in crate::dns) const SOA: u16 = 6;
    pub(in crate::dns) const MB: u16 = 7;
    pub(in crate::dns) const MG: u16 = 8;
    pub(in crate::dns) const MR: u16 = 9;
    pub(in crate::dns) const PTR: u16 = 12;
    pub(in crate::dns) const HINFO: u16 = 13;
    pub(in crate::dns) const MINFO: u16 = 14;
    pub(in crate::dns) const MX: u16 = 15;
    pub(in crate::dns) const TXT: u16 = 16;
    pub(in crate::dns) const RP: u16 = 17;
    pub(in crate::dns) const AFSDB: u16 = 18;
    pub(in crate::dns) const RT: u16 = 21;
    pub(in crate::dns) const PX: u16 = 26;
    pub(in crate::dns) const AAAA: u16 = 28;
    pub(in crate::dns) const SRV: u16 = 33;
    pub(in crate::dns) const NAPTR: u16 = 35;
    pub(in crate::dns) const KX: u16 = 36;
    pub(in crate::dns) const DNAME: u16 = 39;
    pub(in crate::dns) const OPT: u16 = 41;
    pub(in crate::dns) const DS: u16 = 43;
    pub(in crate::dns) const RRSIG: u16 = 46;
    pub(in crate::dns) const NSEC: u16 = 47;
    pub(in crate::dns) const DNSKEY: u16 = 48;
    pub(in crate::dns) const NSEC3: u16 = 50;
    pub(in crate::dns) const SVCB: u16 = 64;
    pub(in crate::dns) const HTTPS: u16 = 65;
    pub(in crate::dns) const TKEY: u16 = 249;
    pub(in crate::dns) const ANY: u16 = 255;
}

/// Question and record classes.
pub(super) mod class {
    pub(in crate::dns) const IN: u16 = 1;
    pub(in crate::dns) const CHAOS: u16 = 3;
    pub(in crate::dns) const ANY: u16 = 255;
}

/// Two octets, big endian; `None` past the end.
pub(super) fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    let two = bytes.get(at..at.checked_add(2)?)?;
    Some(u16::from_be_bytes(two.try_into().ok()?))
}

/// Four octets, big endian; `None` past the end.
pub(super) fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_be_bytes(four.try_into().ok()?))
}

/// The fixed header of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) id: u16,
    pub(super) flags: u16,
    /// Questions, answers, authority and additional records.
    pub(super) counts: [u16; 4],
}

impl Header {
    /// `None` if there are fewer than twelve octets.
    pub(super) fn read(msg: &[u8]) -> Option<Header> {
        let counts = [be16(msg, 4)?, be16(msg, 6)?, be16(msg, 8)?, be16(msg, 10)?];
        Some(Header { id: be16(msg, 0)?, flags: be16(msg, 2)?, counts })
    }

    /// How many records of all three sections follow the question.
    pub(super) fn records(&self) -> usize {
        let [_, answers, authority, additional] = self.counts.map(usize::from);
        answers + authority + additional
    }
}

/// The only question of a message: name, type and class as they stand on the wire. A compressed name is refused:
/// there is nothing before it that a pointer could mean.
pub(super) fn question(msg: &[u8]) -> Option<&[u8]> {
    let mut at = HEADER;
    loop {
        let length = usize::from(*msg.get(at)?);
        at += 1;
        match length {
            0 => break,
            1..=63 => at += length,
            _ => return None,
        }
        if at - HEADER >= MAX_NAME {
            return None;
        }
    }
    msg.get(HEADER..at + 4)
}

/// One record: where its parts are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// Where the owner's name starts.
    pub(super) owner: usize,
    pub(super) rtype: u16,
    pub(super) class: u16,
    /// Seconds; for OPT the extended flags.
    pub(super) ttl: u32,
    /// Where the data is; inside the message.
    pub(super) data: Range<usize>,
}

impl Record {
    /// The record that starts at `at`; it ends where its data ends. The owner is stepped over, not followed.
    pub(super) fn read(msg: &[u8], at: usize) -> Option<Record> {
        let fixed = skip_name(msg, at)?;
        let length = usize::from(be16(msg, fixed + 8)?);
        let data = fixed + FIXED..fixed + FIXED + length;
        msg.get(data.clone())?;
        let (rtype, class) = (be16(msg, fixed)?, be16(msg, fixed + 2)?);
        Some(Record { owner: at, rtype, class, ttl: be32(msg, fixed + 4)?, data })
    }
}

/// The first octet after the name at `at`, without following its pointer.
fn skip_name(msg: &[u8], mut at: usize) -> Option<usize> {
    let start = at;
    loop {
        let length = usize::from(*msg.get(at)?);
        match length {
            0 => return Some(at + 1),
            1..=63 => at += 1 + length,
            0xc0.. => return msg.get(at + 1).map(|_| at + 2),
            _ => return None,
        }
        if at - start >= MAX_NAME {
            return None;
        }
    }
}
