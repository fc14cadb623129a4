//! An alias of ours whose target is a name of the internet: the target is asked for, and the client gets the whole chain
//! in one answer (RFC 1034 section 3.6.2).

use super::answer::{self, Age, Answer};
use super::data::Data;
use super::name::Name;
use super::query::Asked;
use super::wire::{HEADER, Header, Record, class, flag, rcode, rtype};
use super::write::Writer;
use alloc::vec;
use alloc::vec::Vec;

/// The aliases from the question's name to a name that servers know.
#[derive(Clone, Debug)]
pub(super) struct Chain {
    /// Owner, TTL in seconds and target of each.
    pub(super) aliases: Vec<(Name, u32, Name)>,
    /// Where the last one leads.
    pub(super) target: Name,
}

impl Chain {
    /// The question about the target, in wire form, that `asked` comes to.
    pub(super) fn question(&self, asked: &Asked<'_>) -> Vec<u8> {
        let mut question = self.target.to_lower().as_bytes().to_vec();
        let fields = asked.question.len().saturating_sub(4);
        question.extend_from_slice(asked.question.get(fields..).unwrap_or(&[]));
        question
    }

    /// Writes the answer for one client: the aliases, then what `answer` says of the target.
    pub(super) fn write(&self, answer: &Answer, asked: &Asked<'_>, age: Age, out: &mut Vec<u8>) {
        if !matches!(answer.rcode, rcode::NOERROR | rcode::NXDOMAIN) {
            return answer::empty(asked, answer.rcode, out);
        }
        let mut writer = Writer::new(asked.question);
        for (owner, ttl, target) in &self.aliases {
            writer.record(owner, (rtype::CNAME, class::IN), *ttl, |writer| writer.name(target, true));
        }
        if self.copy(answer, age, &mut writer).is_none() {
            return answer::empty(asked, rcode::SERVFAIL, out);
        }
        let [answers, authority, additional] = answer.counts;
        let answers = answers.saturating_add(self.aliases.len() as u16);
        let flags = flag::QR | flag::RA | asked.flags | answer.rcode;
        let header = Header { id: asked.id, flags, counts: [1, answers, authority, additional] };
        out.clear();
        out.extend_from_slice(&writer.finish(header));
        answer::end_with(asked, answer.rcode, age.ede(answer), out);
        if out.len() > asked.limit {
            answer::empty(asked, flag::TC | answer.rcode, out);
        }
    }

    /// Copies the records of an answer, whose names may be pointers, into another message.
    fn copy(&self, answer: &Answer, age: Age, writer: &mut Writer) -> Option<()> {
        // Pointers count from the start of the message.
        let mut msg = vec![0; HEADER];
        msg.extend_from_slice(&answer.body);
        let mut at = HEADER + self.target.as_bytes().len() + 4;
        for _ in 0..answer.counts.iter().map(|count| usize::from(*count)).sum::<usize>() {
            let record = Record::read(&msg, at)?;
            at = record.data.end;
            let (owner, _) = Name::read(&msg, record.owner)?;
            let data = Data::read(&msg, &record)?;
            let ttl = age.ttl(record.ttl);
            writer.record(&owner, (record.rtype, record.class), ttl, |writer| data.write(writer));
        }
        Some(())
    }
}
