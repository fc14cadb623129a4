//! Understanding a client's message: the header, the one question, and OPT (RFC 1035 section 4, RFC 6891).
//!
//! What a forwarder need not understand it does not look at (RFC 5625 section 4): the type, the class and EDNS options
//! may be unknown ones. Options end here, for they are hop by hop. Left out: TSIG (RFC 8945); a signed query is
//! answered unsigned.

use super::name::Name;
use super::wire::{self, Header, Record, be16, flag, rcode, rtype};

/// The largest UDP answer that is sent, and the size we offer to servers: what passes any link without fragments
/// (DNS flag day 2020).
pub(super) const UDP_SIZE: u16 = 1232;

/// The largest UDP answer for a client without EDNS (RFC 1035 section 4.2.1).
const PLAIN_UDP_SIZE: u16 = 512;

/// Records that a query may carry. It needs one (OPT); a few more do no harm.
const MAX_RECORDS: usize = 16;

/// What a client said about EDNS (RFC 6891 section 6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Edns {
    /// The largest datagram the client takes.
    pub(super) udp_size: u16,
    /// It wants DNSSEC records.
    pub(super) dnssec_ok: bool,
}

/// What an answer has to repeat of its query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked<'a> {
    pub(super) id: u16,
    /// The opcode, RD and CD bits as they came.
    pub(super) flags: u16,
    /// Name, type and class in the client's case; empty if there is none to repeat.
    pub(super) question: &'a [u8],
    pub(super) edns: Option<Edns>,
    /// Octets the answer may have.
    pub(super) limit: usize,
}

/// What a client's message turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading<'a> {
    /// A query to be answered.
    Ask(Asked<'a>),
    /// To be answered with this response code and nothing else.
    Reject(Asked<'a>, u16),
    /// Not to be answered: too short to have a header, or itself an answer (replying would make a loop).
    Silence,
}

/// Reads a client's message.
pub(super) fn read(msg: &[u8], tcp: bool) -> Reading<'_> {
    let Some(header) = Header::read(msg).filter(|header| header.flags & flag::QR == 0) else {
        return Reading::Silence;
    };
    let limit = if tcp { usize::from(u16::MAX) } else { usize::from(PLAIN_UDP_SIZE) };
    let flags = header.flags & (flag::OPCODE | flag::RD | flag::CD);
    let mut asked = Asked { id: header.id, flags, question: &[], edns: None, limit };
    if flags & flag::OPCODE != 0 {
        return Reading::Reject(asked, rcode::NOTIMP);
    }
    // RFC 9619: a query has one question.
    let question = if header.counts[0] == 1 { wire::question(msg) } else { None };
    let Some(question) = question else {
        return Reading::Reject(asked, rcode::FORMERR);
    };
    asked.question = question;
    match read_opt(msg, &header, wire::HEADER + question.len()) {
        Ok(None) => Reading::Ask(asked),
        Ok(Some((version, edns))) => {
            asked.edns = Some(edns);
            if !tcp {
                asked.limit = usize::from(edns.udp_size.clamp(PLAIN_UDP_SIZE, UDP_SIZE));
            }
            if version == 0 { Reading::Ask(asked) } else { Reading::Reject(asked, rcode::BADVERS) }
        }
        Err(Malformed) => Reading::Reject(asked, rcode::FORMERR),
    }
}

/// The message is not as the RFCs say.
struct Malformed;

/// The EDNS version and what else OPT says, if there is one OPT and it is in its place.
fn read_opt(msg: &[u8], header: &Header, mut at: usize) -> Result<Option<(u8, Edns)>, Malformed> {
    if header.records() > MAX_RECORDS {
        return Err(Malformed);
    }
    let before = usize::from(header.counts[1]) + usize::from(header.counts[2]);
    let mut found = None;
    for index in 0..header.records() {
        let record = Record::read(msg, at).ok_or(Malformed)?;
        at = record.data.end;
        if record.rtype != rtype::OPT {
            continue;
        }
        let options = msg.get(record.data.clone()).ok_or(Malformed)?;
        let at_root = msg.get(record.owner) == Some(&0);
        if found.is_some() || index < before || !at_root || !options_fit(options) {
            return Err(Malformed);
        }
        let edns = Edns { udp_size: record.class, dnssec_ok: record.ttl & 0x8000 != 0 };
        found = Some(((record.ttl >> 16) as u8, edns));
    }
    Ok(found)
}

/// Whether the options fill their space exactly. Their number does not matter: each costs one step.
fn options_fit(options: &[u8]) -> bool {
    let mut at = 0;
    while at < options.len() {
        let Some(length) = be16(options, at + 2) else { return false };
        at += 4 + usize::from(length);
    }
    at == options.len()
}

/// The longest key: a name, type, class and the variant.
const KEY_SIZE: usize = wire::MAX_NAME + 5;

/// Variants of one question that have different answers.
pub(super) mod variant {
    /// With DNSSEC records.
    pub(in crate::dns) const DNSSEC_OK: u8 = 1;
    /// Without checking.
    pub(in crate::dns) const CHECKING_DISABLED: u8 = 2;
    /// Asked without RD: never cached, never shared with the ordinary question.
    pub(in crate::dns) const NO_RECURSION: u8 = 4;
    /// Stands for every type of the name: "there is no such name".
    pub(in crate::dns) const EVERY_TYPE: u8 = 8;
}

/// What makes two queries the same question: the name in lower case, type, class and [`variant`]. What else a client
/// sends (ECS, cookies, case, size) has no part in it, or coalescing could be defeated (CVE-2025-5994).
#[derive(Clone)]
pub(super) struct Key {
    length: usize,
    bytes: [u8; KEY_SIZE],
}

impl Key {
    /// The key of a query; `None` only if the question is longer than a question can be.
    pub(super) fn new(asked: &Asked<'_>) -> Option<Key> {
        let mut variant = 0;
        if asked.edns.is_some_and(|edns| edns.dnssec_ok) {
            variant |= variant::DNSSEC_OK;
        }
        if asked.flags & flag::CD != 0 {
            variant |= variant::CHECKING_DISABLED;
        }
        if asked.flags & flag::RD == 0 {
            variant |= variant::NO_RECURSION;
        }
        Key::from_parts(asked.question, variant)
    }

    fn from_parts(question: &[u8], variant: u8) -> Option<Key> {
        let mut key = Key { length: question.len() + 1, bytes: [0; KEY_SIZE] };
        let named = question.len().checked_sub(4)?;
        key.bytes.get_mut(..question.len())?.copy_from_slice(question);
        key.bytes.get_mut(..named)?.make_ascii_lowercase();
        *key.bytes.get_mut(question.len())? = variant;
        Some(key)
    }

    /// Question and variant.
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or(&[])
    }

    /// The question with its name in lower case.
    pub(super) fn question(&self) -> &[u8] {
        self.bytes.get(..self.length.saturating_sub(1)).unwrap_or(&[])
    }

    /// See [`variant`].
    pub(super) fn variant(&self) -> u8 {
        self.as_bytes().last().copied().unwrap_or(0)
    }

    /// Whether the client wants the whole work done. What is asked without is never kept.
    pub(super) fn is_recursive(&self) -> bool {
        self.variant() & variant::NO_RECURSION == 0
    }

    fn set_variant(&mut self, variant: u8) {
        if let Some(last) = self.bytes.get_mut(self.length.saturating_sub(1)) {
            *last = variant;
        }
    }

    /// The key under which the cache keeps the answer. A query without RD may be answered from there too.
    pub(super) fn for_cache(&self) -> Key {
        let mut key = self.clone();
        key.set_variant(self.variant() & !variant::NO_RECURSION);
        key
    }

    /// The same key for the name without its first label; `None` for the root.
    pub(super) fn parent(&self) -> Option<Key> {
        let first = usize::from(*self.bytes.first().filter(|length| **length > 0)?) + 1;
        let mut key = Key { length: self.length.checked_sub(first)?, bytes: [0; KEY_SIZE] };
        key.bytes.get_mut(..key.length)?.copy_from_slice(self.bytes.get(first..self.length)?);
        Some(key)
    }

    /// How many labels the name has, the root not counted.
    pub(super) fn labels(&self) -> usize {
        let (mut at, mut labels) = (0, 0);
        while let Some(length) = self.bytes.get(at).filter(|length| **length > 0) {
            at += usize::from(*length) + 1;
            labels += 1;
        }
        labels
    }

    /// Makes it the key for "there is no such name, whatever the type" (RFC 2308 section 5).
    pub(super) fn make_every_type(&mut self) {
        self.set_variant(self.variant() | variant::EVERY_TYPE);
        let end = self.length.saturating_sub(1);
        if let Some(qtype) = self.bytes.get_mut(end.saturating_sub(4)..end.saturating_sub(2)) {
            qtype.fill(0);
        }
    }
}

/// A question taken apart.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Question {
    pub(super) name: Name,
    pub(super) qtype: u16,
    pub(super) class: u16,
}

impl Question {
    /// From name, type and class in wire form, as [`wire::question`] gives them.
    pub(super) fn read(question: &[u8]) -> Option<Question> {
        let end = question.len().checked_sub(4)?;
        let (name, fields) = question.split_at_checked(end)?;
        Some(Question { name: Name::from_wire(name)?, qtype: be16(fields, 0)?, class: be16(fields, 2)? })
    }
}
