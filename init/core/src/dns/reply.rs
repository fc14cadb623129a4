//! Judging what a server sent, and making of it what is kept.
//!
//! A reply counts only if it repeats the identifier and, octet for octet, the question that was sent (RFC 5452 section
//! 9.1). What is malformed or does not match is ignored and the wait goes on (TuDoor, IEEE S&P 2024). Of a good reply
//! only what was asked for is taken: the chain of CNAMEs from the question's name, the records at its end, the SOA of a
//! negative answer, and for a client that wants them the DNSSEC records that go with these. All other records, and the
//! whole additional section, are dropped, so that nothing unasked reaches the cache (CVE-2025-40778 and its kind).

use super::answer::Answer;
use super::data::Data;
use super::name::Name;
use super::query::Question;
use super::wire::{self, HEADER, Header, Record, flag, rcode, rtype};
use super::write::Writer;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// Seconds that an answer is kept at most (RFC 8767 section 4 finds a day enough for anybody).
pub(super) const MAX_TTL: u32 = 86_400;

/// Seconds that "there is no such name" or "no such record" is kept at most (RFC 2308 section 5 advises one to three
/// hours).
pub(super) const MAX_NEGATIVE_TTL: u32 = 10_800;

/// CNAMEs followed in one answer. Honest chains have three or four.
pub(super) const MAX_CHAIN: usize = 10;

/// Records of one reply that are looked at; one with more is ignored. A full answer by TCP has far fewer.
const MAX_RECORDS: usize = 512;

/// Octets after which a rewritten answer is given up: header and OPT must still fit a TCP message.
const MAX_BODY: usize = 65_000;

/// What was sent to the server.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) id: u16,
    /// Name, type and class with the very case that was sent.
    pub(super) question: Box<[u8]>,
    pub(super) tcp: bool,
    /// With an OPT record.
    pub(super) edns: bool,
    /// With the DO bit.
    pub(super) dnssec_ok: bool,
}

/// What a message from the server means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Not an answer to what was sent. Nothing has changed.
    Ignore,
    /// An answer, but with the letters of the name changed: this server may not keep them, or somebody guesses.
    CaseChanged,
    /// The server, or somebody in its name, does not know EDNS.
    NoEdns,
    /// The answer is to be had by TCP.
    Truncated,
    /// The server gives no answer, with this response code.
    Error(u16),
    /// The answer.
    Good(Answer),
}

/// Judges `msg` as the reply to `sent`.
pub(super) fn judge(msg: &[u8], sent: &Sent) -> Verdict {
    let Some(header) = Header::read(msg) else { return Verdict::Ignore };
    if header.flags & (flag::QR | flag::OPCODE) != flag::QR || header.id != sent.id {
        return Verdict::Ignore;
    }
    let code = header.flags & flag::RCODE;
    let knows_no_edns = sent.edns && matches!(code, rcode::FORMERR | rcode::NOTIMP);
    match header.counts[0] {
        // RFC 6891 section 7: a server from before EDNS may send back little more than the header.
        0 if knows_no_edns && header.records() == 0 => return Verdict::NoEdns,
        1 => {}
        _ => return Verdict::Ignore,
    }
    let Some(question) = wire::question(msg) else { return Verdict::Ignore };
    if question != &*sent.question {
        // Case-blind comparison may take a letter in type or class for another: compare those as they are.
        let fields = |question: &[u8]| question.last_chunk::<4>().copied();
        let same = question.eq_ignore_ascii_case(&sent.question) && fields(question) == fields(&sent.question);
        match (same, sent.tcp) {
            (false, _) => return Verdict::Ignore,
            // Nobody off the path can speak in a TCP connection, so the case proves nothing there.
            (true, true) => {}
            (true, false) => return Verdict::CaseChanged,
        }
    }
    if header.flags & flag::TC != 0 {
        return if sent.tcp { Verdict::Error(rcode::SERVFAIL) } else { Verdict::Truncated };
    }
    match code {
        rcode::NOERROR | rcode::NXDOMAIN => {}
        _ if knows_no_edns && header.counts[3] == 0 => return Verdict::NoEdns,
        _ => return Verdict::Error(code),
    }
    let records = Question::read(question).zip(Message::read(msg, &header, HEADER + question.len()));
    match records {
        None => Verdict::Ignore,
        Some((_, message)) if message.extended_rcode != 0 => Verdict::Error(rcode::SERVFAIL),
        Some((question, message)) => match message.extract(&question, code, sent.dnssec_ok) {
            Ok(answer) => Verdict::Good(answer),
            Err(Bad::Malformed) => Verdict::Ignore,
            Err(Bad::Useless) => Verdict::Error(rcode::SERVFAIL),
        },
    }
}

/// What a kept "no such name" says of a name below its own (RFC 8020): the same records for another question.
pub(super) fn denial_below(kept: &Answer, question: &Question) -> Option<Answer> {
    let [answers, authority, _] = kept.counts;
    let header = Header { id: 0, flags: flag::QR | kept.rcode, counts: [1, answers, authority, 0] };
    let msg = [&super::write::header_bytes(header), &*kept.body].concat();
    let message = Message::read(&msg, &header, HEADER + wire::question(&msg)?.len())?;
    let mut keep = Keep::new(&msg, question);
    keep.all(1, &message.authority).ok()?;
    let lifetime = keep.lifetime;
    Some(keep.into_answer(kept.rcode, lifetime, false))
}

/// Why a reply to the right question gives no answer.
enum Bad {
    /// It is not as the RFCs say.
    Malformed,
    /// It says nothing that can be passed on: a loop, an endless chain, a contradiction.
    Useless,
}

/// A record and its owner's whole name.
struct Owned {
    record: Record,
    owner: Name,
}

/// The records of a reply, section by section; the additional section is only searched for OPT.
struct Message<'a> {
    msg: &'a [u8],
    answers: Vec<Owned>,
    authority: Vec<Owned>,
    /// The upper bits of the response code (RFC 6891 section 6.1.3).
    extended_rcode: u8,
}

impl<'a> Message<'a> {
    fn read(msg: &'a [u8], header: &Header, mut at: usize) -> Option<Message<'a>> {
        if header.records() > MAX_RECORDS {
            return None;
        }
        let mut message = Message { msg, answers: Vec::new(), authority: Vec::new(), extended_rcode: 0 };
        for section in [1, 2, 3] {
            for _ in 0..*header.counts.get(section)? {
                let record = Record::read(msg, at)?;
                at = record.data.end;
                let (owner, _) = Name::read(msg, record.owner)?;
                match (section, record.rtype) {
                    (3, rtype::OPT) => message.extended_rcode = (record.ttl >> 24) as u8,
                    (_, rtype::OPT) => return None,
                    (1, _) => message.answers.push(Owned { record, owner }),
                    (2, _) => message.authority.push(Owned { record, owner }),
                    _ => {}
                }
            }
        }
        Some(message)
    }

    /// The answer to `question`, rid of all that was not asked for.
    fn extract(&self, question: &Question, code: u16, dnssec_ok: bool) -> Result<Answer, Bad> {
        let (chain, cnames) = self.chain(question)?;
        let end = chain.last().unwrap_or(&question.name);
        let at_end = |owned: &&Owned| owned.is(end, question.qtype, question.class);
        let found: Vec<&Owned> = self.answers.iter().filter(at_end).collect();
        if code == rcode::NXDOMAIN && !found.is_empty() {
            return Err(Bad::Useless);
        }
        let soa = self.authority.iter().find(|owned| {
            let fits = owned.record.rtype == rtype::SOA && owned.record.class == question.class;
            found.is_empty() && fits && end.is_within(&owned.owner)
        });
        let mut keep = Keep::new(self.msg, question);
        if dnssec_ok {
            keep.all(0, self.answers.iter().filter(|owned| owned.is_dname_above(&chain)))?;
        }
        keep.all(0, cnames)?;
        keep.all(0, found.iter().copied())?;
        if dnssec_ok && question.qtype != rtype::RRSIG {
            let signed = |owned: &&Owned| owned.record.rtype == rtype::RRSIG && owned.owns_or_is_above(&chain);
            keep.all(0, self.answers.iter().filter(signed))?;
        }
        if let Some(soa) = soa {
            keep.soa(soa)?;
        }
        if dnssec_ok && let Some(zone) = soa.map(|soa| soa.owner).or_else(|| self.signer(end)) {
            keep.all(1, self.authority.iter().filter(|owned| owned.is_proof_in(&zone)))?;
        }
        let negative = found.is_empty();
        // Without an SOA a negative answer is not kept (RFC 2308 section 5), nor is an empty one.
        let lifetime = if negative && soa.is_none() { 0 } else { keep.lifetime };
        // With a single label, a host of that name may come into our own table at any time; and DS is what others say of
        // our own domain, whose other types are ours.
        let for_all = end.labels().count() > 1 && question.qtype != rtype::DS;
        let every_type = code == rcode::NXDOMAIN && chain.len() == 1 && for_all;
        Ok(keep.into_answer(code, lifetime, every_type))
    }

    /// The names from the question's to the one that has the records, and the CNAMEs between them.
    fn chain(&self, question: &Question) -> Result<(Vec<Name>, Vec<&Owned>), Bad> {
        let (mut chain, mut cnames) = (Vec::from([question.name]), Vec::new());
        while let Some(end) = chain.last() {
            let found = |kind| self.answers.iter().find(|owned| owned.is(end, kind, question.class));
            let Some(cname) = found(rtype::CNAME).filter(|_| found(question.qtype).is_none()) else { break };
            let data = Data::read(self.msg, &cname.record).ok_or(Bad::Malformed)?;
            let target = data.target().ok_or(Bad::Malformed)?;
            if chain.len() > MAX_CHAIN || chain.contains(&target) {
                return Err(Bad::Useless);
            }
            cnames.push(cname);
            chain.push(target);
        }
        Ok((chain, cnames))
    }

    /// The zone that signed the records of `end` (RFC 4034 section 3.1.7).
    fn signer(&self, end: &Name) -> Option<Name> {
        let signature = self.answers.iter().find(|owned| owned.record.rtype == rtype::RRSIG && owned.owner == *end)?;
        let (zone, _) = Name::read(self.msg, signature.record.data.start + 18)?;
        end.is_within(&zone).then_some(zone)
    }
}

impl Owned {
    fn is(&self, owner: &Name, kind: u16, class: u16) -> bool {
        self.record.rtype == kind && self.record.class == class && self.owner == *owner
    }

    fn owns_or_is_above(&self, chain: &[Name]) -> bool {
        chain.iter().any(|name| name.is_within(&self.owner))
    }

    fn is_dname_above(&self, chain: &[Name]) -> bool {
        let above = |name: &Name| *name != self.owner && name.is_within(&self.owner);
        self.record.rtype == rtype::DNAME && chain.iter().any(above)
    }

    fn is_proof_in(&self, zone: &Name) -> bool {
        matches!(self.record.rtype, rtype::NSEC | rtype::NSEC3 | rtype::RRSIG) && self.owner.is_within(zone)
    }
}

/// The records that are kept, written one behind the other.
struct Keep<'a> {
    msg: &'a [u8],
    class: u16,
    /// Where the question's type stands in the body.
    qtype_at: usize,
    writer: Writer,
    ttl_at: Vec<u16>,
    counts: [u16; 3],
    lifetime: u32,
}

impl<'a> Keep<'a> {
    fn new(msg: &'a [u8], question: &Question) -> Keep<'a> {
        let mut wire = question.name.to_lower().as_bytes().to_vec();
        let qtype_at = wire.len();
        wire.extend_from_slice(&question.qtype.to_be_bytes());
        wire.extend_from_slice(&question.class.to_be_bytes());
        let writer = Writer::new(&wire);
        let (class, ttl_at) = (question.class, Vec::new());
        Keep { msg, class, qtype_at, writer, ttl_at, counts: [0; 3], lifetime: MAX_TTL }
    }

    fn all<'b>(&mut self, section: usize, records: impl IntoIterator<Item = &'b Owned>) -> Result<(), Bad> {
        let class = self.class;
        records.into_iter().filter(|owned| owned.record.class == class).try_for_each(|owned| {
            let data = Data::read(self.msg, &owned.record).ok_or(Bad::Malformed)?;
            self.one(section, owned, MAX_TTL, &data)
        })
    }

    /// RFC 2308 section 5: a negative answer lives for the lesser of the SOA's TTL and its last field.
    fn soa(&mut self, owned: &Owned) -> Result<(), Bad> {
        let data = Data::read(self.msg, &owned.record).ok_or(Bad::Malformed)?;
        let minimum = data.soa_minimum().ok_or(Bad::Malformed)?;
        self.one(1, owned, minimum.min(MAX_NEGATIVE_TTL), &data)
    }

    fn one(&mut self, section: usize, owned: &Owned, most: u32, data: &Data<'_>) -> Result<(), Bad> {
        // RFC 2181 section 8: a TTL with the top bit set is zero.
        let ttl = if owned.record.ttl > u32::MAX / 2 { 0 } else { owned.record.ttl.min(most) };
        self.lifetime = self.lifetime.min(ttl);
        let kind = (owned.record.rtype, owned.record.class);
        let at = self.writer.record(&owned.owner, kind, ttl, |writer| data.write(writer));
        if self.writer.len() > MAX_BODY {
            return Err(Bad::Useless);
        }
        self.ttl_at.push(u16::try_from(at).map_err(|_| Bad::Useless)?);
        if let Some(count) = self.counts.get_mut(section) {
            *count += 1;
        }
        Ok(())
    }

    fn into_answer(self, rcode: u16, lifetime: u32, every_type: bool) -> Answer {
        let mut body = self.writer.into_body();
        if let Some(qtype) = body.get_mut(self.qtype_at..self.qtype_at + 2).filter(|_| every_type) {
            // As in the key that stands for every type.
            qtype.fill(0);
        }
        let (body, ttl_at, counts) = (body.into(), self.ttl_at.into(), self.counts);
        Answer { body, ttl_at, counts, rcode, lifetime, every_type, ede: None }
    }
}
