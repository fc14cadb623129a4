//! What is answered for a name on a block list: that it does not exist, or an address that leads nowhere.
//!
//! A listed domain stands for itself and everything below. The answer says that it was blocked (RFC 8914, code 15) and
//! carries an SOA, so that clients remember it (RFC 2308). A name that is only another name for a listed one, which the
//! reply shows, is blocked too. Our own names, and domains with servers of their own, are never looked up in the lists.

use super::answer::{self, Answer, ede};
use super::block_list::BlockList;
use super::local;
use super::name::Name;
use super::query::{Asked, Question};
use super::wire::{Header, class, flag, rcode, rtype};
use super::write::Writer;
use crate::config::{self, BlockAnswer};
use alloc::vec::Vec;

/// Seconds that a client may keep "blocked": a changed list is to show.
const TTL: u32 = 300;

/// The lists and what goes with them.
pub(super) struct Block {
    list: BlockList,
    allow: Vec<Name>,
    answer: BlockAnswer,
}

impl Block {
    pub(super) fn new(settings: &config::Block) -> Block {
        let mut block = Block { list: BlockList::default(), allow: Vec::new(), answer: BlockAnswer::default() };
        block.configure(settings);
        block
    }

    /// Takes changed settings; the lists stay.
    pub(super) fn configure(&mut self, settings: &config::Block) {
        self.allow = settings.allow.iter().filter_map(|domain| Name::from_text(domain)).collect();
        self.answer = settings.answer;
    }

    pub(super) fn set_list(&mut self, list: BlockList) {
        self.list = list;
    }

    /// How many names are listed.
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// The listed domain that the name belongs to, unless it is allowed.
    pub(super) fn domain_of(&self, name: &Name) -> Option<Name> {
        let depth = self.list.depth_below(name)?;
        (!self.allows(name)).then(|| name.without(depth))
    }

    fn allows(&self, name: &Name) -> bool {
        self.allow.iter().any(|domain| name.is_within(domain))
    }

    /// Whether an answer shows that its question's name stands for a listed one.
    pub(super) fn is_behind(&self, question: &Question, answer: &Answer) -> bool {
        if self.list.is_empty() || answer.counts[0] == 0 || self.allows(&question.name) {
            return false;
        }
        answer.aliases(question).iter().any(|alias| self.domain_of(&alias.target).is_some())
    }

    /// Writes the answer for a name of the listed `domain` to `out` and returns its response code. `server` is our own
    /// name.
    pub(super) fn respond(
        &self,
        domain: &Name,
        server: &Name,
        question: &Question,
        asked: &Asked<'_>,
        out: &mut Vec<u8>,
    ) -> u16 {
        let nowhere: Option<&[u8]> = match (self.answer, question.qtype) {
            (BlockAnswer::Zero, rtype::A) => Some(&[0; 4]),
            (BlockAnswer::Zero, rtype::AAAA) => Some(&[0; 16]),
            _ => None,
        };
        let code = if self.answer == BlockAnswer::Zero { rcode::NOERROR } else { rcode::NXDOMAIN };
        let mut writer = Writer::new(asked.question);
        match nowhere {
            Some(octets) => {
                writer.record(&question.name, (question.qtype, class::IN), TTL, |writer| writer.raw(octets));
            }
            None => {
                writer.record(domain, (rtype::SOA, class::IN), TTL, |writer| local::soa(writer, server, 1, TTL));
            }
        }
        let found = u16::from(nowhere.is_some());
        let flags = flag::QR | flag::AA | flag::RA | asked.flags | code;
        out.clear();
        out.extend_from_slice(&writer.finish(Header { id: asked.id, flags, counts: [1, found, 1 - found, 0] }));
        answer::end_with(asked, code, Some(ede::BLOCKED), out);
        if out.len() > asked.limit {
            // The code alone says enough.
            answer::empty(asked, flag::AA | code, out);
        }
        code
    }
}
