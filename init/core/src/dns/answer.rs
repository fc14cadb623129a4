//! Answers as they leave: a kept answer patched for one client, or an answer without records.
//!
//! The first is the hot path: it copies the kept octets and patches identifier, flags, the case of the question and
//! the TTLs at remembered places. No message tree is built and, once the buffer has grown, nothing is allocated.

use super::data::Data;
use super::name::Name;
use super::query::{Asked, Question, UDP_SIZE};
use super::wire::{HEADER, Header, Record, class, flag, rcode, rtype};
use super::write::header_bytes;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// Questions through TLS have a multiple of so many octets (RFC 8467 section 4.1).
const PADDED: usize = 128;

/// Octets of an OPT record without options (RFC 6891 section 6.1.2).
const OPT_SIZE: usize = 11;

/// Octets of the option that explains an answer (RFC 8914 section 2), without text.
const EDE_SIZE: usize = 6;

/// Seconds that an answer past its time is given (RFC 8767 section 4).
const STALE_TTL: u32 = 30;

/// Why an answer is as it is (RFC 8914 section 4).
pub(super) mod ede {
    /// Its time is over.
    pub(in crate::dns) const STALE_ANSWER: u16 = 3;
    /// What the house does not want is kept back.
    pub(in crate::dns) const BLOCKED: u16 = 15;
    /// "No such name", and its time is over.
    pub(in crate::dns) const STALE_NXDOMAIN_ANSWER: u16 = 19;
}

/// How old an answer is that is given.
#[derive(Clone, Copy)]
pub(super) enum Age {
    /// It came so many seconds ago.
    Seconds(u32),
    /// Its time is over (RFC 8767).
    Stale,
}

impl Age {
    /// What is left of a TTL.
    pub(super) fn ttl(self, ttl: u32) -> u32 {
        match self {
            Age::Seconds(seconds) => ttl.saturating_sub(seconds),
            Age::Stale => STALE_TTL,
        }
    }

    /// What a client with EDNS is told about the answer.
    pub(super) fn ede(self, answer: &Answer) -> Option<u16> {
        match self {
            Age::Seconds(_) => answer.ede,
            Age::Stale if answer.rcode == rcode::NXDOMAIN => Some(ede::STALE_NXDOMAIN_ANSWER),
            Age::Stale => Some(ede::STALE_ANSWER),
        }
    }
}

/// A record that leads from one name to another, or from all names below one to those below another.
pub(super) struct Alias {
    pub(super) owner: Name,
    /// CNAME or DNAME.
    pub(super) rtype: u16,
    /// Seconds.
    pub(super) ttl: u32,
    pub(super) target: Name,
}

impl Alias {
    fn read(msg: &[u8], record: &Record) -> Option<Alias> {
        let (owner, _) = Name::read(msg, record.owner)?;
        let target = Data::read(msg, record)?.target()?;
        Some(Alias { owner, rtype: record.rtype, ttl: record.ttl, target })
    }
}

/// A checked answer in the form it is kept in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// The message after its header: the question with the name in lower case, then the records without OPT.
    pub(super) body: Box<[u8]>,
    /// Where the TTLs stand, counted from the start of the message.
    pub(super) ttl_at: Box<[u16]>,
    /// Answer, authority and additional records.
    pub(super) counts: [u16; 3],
    pub(super) rcode: u16,
    /// Seconds for which it may be repeated; zero: not at all.
    pub(super) lifetime: u32,
    /// Holds for every type of the name.
    pub(super) every_type: bool,
    /// See [`ede`].
    pub(super) ede: Option<u16>,
}

impl Answer {
    /// An answer without records, to be repeated for `lifetime` seconds (RFC 9520).
    pub(super) fn failure(question: &[u8], rcode: u16, lifetime: u32) -> Answer {
        let (ttl_at, counts) = (Box::default(), [0; 3]);
        Answer { body: question.into(), ttl_at, counts, rcode, lifetime, every_type: false, ede: None }
    }

    /// "No such record", with the reason, to be repeated for `lifetime` seconds.
    pub(super) fn nothing(question: &[u8], ede: u16, lifetime: u32) -> Answer {
        Answer { ede: Some(ede), ..Answer::failure(question, rcode::NOERROR, lifetime) }
    }

    /// The same to be passed on once: with TTLs of at most `most` seconds, and not to be kept.
    pub(super) fn only_once(mut self, most: u32) -> Answer {
        for &at in &self.ttl_at {
            let at = usize::from(at).saturating_sub(HEADER);
            if let Some(four) = self.body.get_mut(at..at + 4).and_then(|four| <&mut [u8; 4]>::try_from(four).ok()) {
                *four = u32::from_be_bytes(*four).min(most).to_be_bytes();
            }
        }
        Answer { lifetime: 0, ..self }
    }

    /// What a whole message without OPT says, to be passed on at once and not kept.
    pub(super) fn passing(msg: &[u8]) -> Option<Answer> {
        let Header { flags, counts: [_, answers, authority, additional], .. } = Header::read(msg)?;
        let failure = Answer::failure(msg.get(HEADER..)?, flags & flag::RCODE, 0);
        Some(Answer { counts: [answers, authority, additional], ..failure })
    }

    /// The CNAMEs and DNAMEs among the answers to `question`, in their order. What cannot be read ends the list; what was
    /// written here can.
    pub(super) fn aliases(&self, question: &Question) -> Vec<Alias> {
        // Pointers count from the start of the message.
        let msg = [&[0; HEADER], &*self.body].concat();
        let mut at = HEADER + question.name.as_bytes().len() + 4;
        let records = (0..self.counts[0]).map_while(|_| {
            let record = Record::read(&msg, at)?;
            at = record.data.end;
            Some(record)
        });
        let aliases = records.filter(|record| matches!(record.rtype, rtype::CNAME | rtype::DNAME));
        aliases.map_while(|record| Alias::read(&msg, &record)).collect()
    }

    /// Octets that keeping it takes.
    pub(super) fn size(&self) -> usize {
        self.body.len() + 2 * self.ttl_at.len()
    }

    /// Writes it to `out` for one client. Too long for the client: TC and no records.
    #[inline]
    pub(super) fn write(&self, asked: &Asked<'_>, age: Age, out: &mut Vec<u8>) {
        let ede = age.ede(self);
        let opt = asked.edns.map_or(0, |_| OPT_SIZE + ede.map_or(0, |_| EDE_SIZE));
        if HEADER + self.body.len() + opt > asked.limit {
            return empty(asked, flag::TC | self.rcode, out);
        }
        let [answers, authority, additional] = self.counts;
        begin(asked, self.rcode, [1, answers, authority, additional], out);
        out.extend_from_slice(self.body.get(asked.question.len()..).unwrap_or(&[]));
        for &at in &self.ttl_at {
            let at = usize::from(at);
            if let Some(four) = out.get_mut(at..at + 4).and_then(|four| <&mut [u8; 4]>::try_from(four).ok()) {
                *four = age.ttl(u32::from_be_bytes(*four)).to_be_bytes();
            }
        }
        end_with(asked, self.rcode, ede, out);
    }
}

/// Writes an answer without records to `out`. `more` is the response code, with [`flag::TC`] or [`flag::AA`] where
/// they belong; a code over 15 needs EDNS.
pub(super) fn empty(asked: &Asked<'_>, more: u16, out: &mut Vec<u8>) {
    let questions = u16::from(!asked.question.is_empty());
    begin(asked, more, [questions, 0, 0, 0], out);
    end(asked, more & !(flag::TC | flag::AA), out);
}

/// Header and question. AD is never set: nothing here is validated (RFC 4035 section 3.2.3, RFC 6840 section 5.8).
fn begin(asked: &Asked<'_>, more: u16, counts: [u16; 4], out: &mut Vec<u8>) {
    out.clear();
    let flags = flag::QR | flag::RA | asked.flags | (more & (flag::TC | flag::AA | flag::RCODE));
    out.extend_from_slice(&header_bytes(Header { id: asked.id, flags, counts }));
    out.extend_from_slice(asked.question);
}

/// OPT, if and only if the query had one (RFC 6891 section 6.1.1), and its place in the count.
pub(super) fn end(asked: &Asked<'_>, rcode: u16, out: &mut Vec<u8>) {
    end_with(asked, rcode, None, out);
}

/// [`end`] with the reason why the answer is as it is (RFC 8914).
pub(super) fn end_with(asked: &Asked<'_>, rcode: u16, ede: Option<u16>, out: &mut Vec<u8>) {
    /// RFC 8914 section 5.1.
    const OPTION: u16 = 15;
    let Some(edns) = asked.edns else { return };
    let mut opt = [0; OPT_SIZE];
    let fields = [rtype::OPT, UDP_SIZE, (rcode >> 4) << 8, if edns.dnssec_ok { 0x8000 } else { 0 }];
    for (two, field) in opt.get_mut(1..9).unwrap_or(&mut []).chunks_exact_mut(2).zip(fields) {
        two.copy_from_slice(&field.to_be_bytes());
    }
    if let (Some(reason), Some(length)) = (ede, opt.last_mut()) {
        *length = EDE_SIZE as u8;
        out.extend_from_slice(&opt);
        [OPTION, 2, reason].iter().for_each(|word| out.extend_from_slice(&word.to_be_bytes()));
    } else {
        out.extend_from_slice(&opt);
    }
    if let Some(count) = out.get_mut(10..12).and_then(|two| <&mut [u8; 2]>::try_from(two).ok()) {
        *count = u16::from_be_bytes(*count).saturating_add(1).to_be_bytes();
    }
}

/// The message that asks a server: made anew, so that nothing of the client but the question passes (RFC 5625
/// section 4.4: OPT is ours).
pub(super) fn ask(id: u16, flags: u16, question: &[u8], edns: Option<bool>, padded: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER + question.len() + OPT_SIZE);
    out.extend_from_slice(&header_bytes(Header { id, flags, counts: [1, 0, 0, 0] }));
    out.extend_from_slice(question);
    if let Some(dnssec_ok) = edns {
        let edns = Some(super::query::Edns { udp_size: UDP_SIZE, dnssec_ok });
        end(&Asked { id, flags, question, edns, limit: usize::from(UDP_SIZE) }, 0, &mut out);
        if padded {
            pad(&mut out);
        }
    }
    out
}

/// Fills a message up to the next multiple of [`PADDED`] octets (RFC 7830, RFC 8467 section 4.1), so that its length does
/// not tell the name inside the encryption. The message ends with an OPT record without options.
fn pad(out: &mut Vec<u8>) {
    /// Octets of an option's code and length.
    const OPTION: usize = 4;
    const PADDING: u16 = 12;
    let Some(data_length) = out.len().checked_sub(2) else { return };
    let zeroes = (PADDED - (out.len() + OPTION) % PADDED) % PADDED;
    let length = (OPTION + zeroes) as u16;
    if let Some(place) = out.get_mut(data_length..) {
        place.copy_from_slice(&length.to_be_bytes());
    }
    out.extend_from_slice(&PADDING.to_be_bytes());
    out.extend_from_slice(&(zeroes as u16).to_be_bytes());
    out.resize(out.len() + zeroes, 0);
}

/// RFC 8482 section 4.2: what ANY gets instead of everything. One record, `HINFO "RFC8482" ""`.
pub(super) fn any_refused(asked: &Asked<'_>, out: &mut Vec<u8>) {
    const DATA: &[u8] = b"\x07RFC8482\x00";
    /// Seconds: long, since it never changes.
    const TTL: u32 = 3600;
    begin(asked, rcode::NOERROR, [1, 1, 0, 0], out);
    // The owner is the question's name, right after the header.
    out.extend_from_slice(&[0xc0, HEADER as u8]);
    out.extend_from_slice(&rtype::HINFO.to_be_bytes());
    out.extend_from_slice(&class::IN.to_be_bytes());
    out.extend_from_slice(&TTL.to_be_bytes());
    out.extend_from_slice(&(DATA.len() as u16).to_be_bytes());
    out.extend_from_slice(DATA);
    end(asked, rcode::NOERROR, out);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc8467_4_1_questions_through_tls_have_one_length() {
        for length in 1..=63 {
            let mut question = alloc::vec![length];
            question.extend(core::iter::repeat_n(b'a', length.into()));
            question.extend([0, 0, 1, 0, 1]);
            let padded = ask(7, flag::RD, &question, Some(false), true);
            assert_eq!(padded.len(), 128, "a name of {length}");
            let plain = ask(7, flag::RD, &question, Some(false), false);
            let opt = plain.len() - 2;
            assert_eq!(padded[..opt], plain[..opt]);
            let data = usize::from(u16::from_be_bytes([padded[opt], padded[opt + 1]]));
            assert_eq!((opt + 2 + data, &padded[opt + 2..opt + 4]), (128, &[0, 12][..]));
            assert_eq!(ask(7, flag::RD, &question, None, true).len(), 12 + question.len(), "no EDNS, no padding");
        }
    }
}
