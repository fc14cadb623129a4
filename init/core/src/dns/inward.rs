//! Answers from outside that lead to a name of ours: what such a name has is for us to say, whoever points to it.
//!
//! The CNAMEs up to our name stay, and what follows is said by the local names; what the servers say of it is dropped. A
//! stub that keeps records by their owner would else take a stranger's address for a machine of the house. The answer is
//! not kept: a lease may change hands at any time. Whether a foreign name may lead into the house at all, the
//! composer decides as for any other answer with such an address (see `rebind`).
//!
//! Left out: what an alias of ours has to say that leads outside again; the answer is empty then.

use super::answer::{Age, Answer};
use super::chain::Chain;
use super::local::{Local, Said};
use super::name::Name;
use super::query::{Asked, Question};
use super::rebind::Rebind;
use super::wire::rtype;
use alloc::vec::Vec;

/// How `answer` leads to a name of ours; `None` if it does not.
pub(super) fn way_home(local: &Local, question: &Question, answer: &Answer) -> Option<Chain> {
    let ours = |name: &Name, qtype| local.claims(&Question { name: *name, qtype, ..*question });
    let mut chain = Chain { aliases: Vec::new(), target: question.name };
    if ours(&question.name, question.qtype) {
        // The configuration has changed while the question was on its way.
        return Some(chain);
    }
    for alias in answer.aliases(question) {
        if ours(&alias.owner, alias.rtype) {
            // A CNAME in the place of our name, or a DNAME for all that is below it.
            return Some(chain);
        }
        if alias.rtype == rtype::CNAME {
            chain.aliases.push((alias.owner, alias.ttl, alias.target));
            chain.target = alias.target;
        }
        if ours(&chain.target, question.qtype) {
            return Some(chain);
        }
    }
    None
}

/// The aliases of `chain`, and behind them what our names say to `question`, in wire form. `None` if that is nothing.
pub(super) fn answer_at_home(local: &Local, chain: &Chain, question: &[u8]) -> Option<Answer> {
    let asked = Asked { id: 0, flags: 0, question, edns: None, limit: usize::MAX };
    let at_home = chain.question(&asked);
    let (mut said, mut whole) = (Vec::new(), Vec::new());
    match local.respond(&Question::read(&at_home)?, &Asked { question: &at_home, ..asked }, &mut said)? {
        Said::Answer(_) => {}
        Said::Leads(_) => return None,
    }
    chain.write(&Answer::passing(&said)?, &asked, Age::Seconds(0), &mut whole);
    Answer::passing(&whole)
}

/// Whether the name of ours has an address, of either family, that the name outside may not lead to. A question for
/// another type shows the way as well, and a client may go on by itself.
pub(super) fn leads_inside(local: &Local, rebind: &Rebind, chain: &Chain, question: &Question, wire: &[u8]) -> bool {
    [rtype::A, rtype::AAAA].into_iter().any(|qtype| {
        let mut wire = wire.to_vec();
        if let Some([high, low, ..]) = wire.last_chunk_mut::<4>() {
            [*high, *low] = qtype.to_be_bytes();
        }
        let answer = answer_at_home(local, chain, &wire);
        answer.is_some_and(|answer| rebind.forbids(question, &answer.body, answer.counts[0]))
    })
}
