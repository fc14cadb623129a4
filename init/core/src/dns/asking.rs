//! What becomes of a client's query: answered at once, by the cache or by our own names, or handed to the servers.

use super::answer::{self, Age, Answer};
use super::api::{Client, How, Outcome, Transport};
use super::cache::Found;
use super::chain::Chain;
use super::forwarder::Accepted;
use super::local::Said;
use super::name::Name;
use super::query::{self, Asked, Key, Question, Reading};
use super::wire::{class, rcode, rtype};
use super::{Dns, STALE_AFTER, reply};
use crate::entropy::Entropy;
use crate::time::Instant;
use alloc::boxed::Box;
use alloc::vec::Vec;

impl Dns {
    /// A client's message. If the outcome is [`Outcome::Answered`], `out` holds the answer; else its contents mean
    /// nothing. Keep `out` between calls: an answer from the cache then allocates nothing.
    pub fn handle_query(
        &mut self,
        client: Client,
        bytes: &[u8],
        now: Instant,
        entropy: &mut dyn Entropy,
        out: &mut Vec<u8>,
    ) -> Outcome {
        let own = client.peer.ip() == client.local && client.peer.port() == 53;
        if client.peer.port() == 0 || own {
            return Outcome::Dropped;
        }
        let (asked, code) = match query::read(bytes, client.transport != Transport::Udp) {
            Reading::Silence => return Outcome::Dropped,
            Reading::Ask(asked) => (asked, None),
            Reading::Reject(asked, code) => (asked, Some(code)),
        };
        let key = match (code, Key::new(&asked)) {
            (None, Some(key)) => key,
            (code, _) => return self.refuse(&client, &asked, code.unwrap_or(rcode::FORMERR), out),
        };
        match self.try_cache(&client, &key, &asked, None, (now, entropy), out) {
            Ok(outcome) => outcome,
            Err(stale) => self.handle_miss(client, (&key, stale), &asked, now, entropy, out),
        }
    }

    /// The hot path: nothing but octets is touched. Without an answer: whether there is one past its time that may be given
    /// if the servers give none.
    fn try_cache(
        &mut self,
        client: &Client,
        key: &Key,
        asked: &Asked<'_>,
        chain: Option<&Chain>,
        (now, entropy): (Instant, &mut dyn Entropy),
        out: &mut Vec<u8>,
    ) -> Result<Outcome, bool> {
        match self.cache.get(key.for_cache(), now) {
            Some(Found::Fresh { answer, age, refresh }) => {
                write(answer, chain, asked, Age::Seconds(age), out);
                let code = answer.rcode;
                if refresh {
                    self.refresh(&key.for_cache(), now, entropy);
                }
                Ok(self.answered_from_cache(client, asked, How::Cache, code))
            }
            Some(Found::Stale { answer, at_once: true }) if key.is_recursive() => {
                write(answer, chain, asked, Age::Stale, out);
                let code = answer.rcode;
                Ok(self.answered_from_cache(client, asked, How::Stale, code))
            }
            Some(Found::Stale { .. }) => Err(key.is_recursive()),
            None => Err(false),
        }
    }

    fn answered_from_cache(&mut self, client: &Client, asked: &Asked<'_>, how: How, code: u16) -> Outcome {
        self.stats.queries += 1;
        match how {
            How::Stale => self.stats.stale += 1,
            _ => self.stats.cache_hits += 1,
        }
        self.note(client, asked, how, code);
        Outcome::Answered
    }

    /// Fetches an answer anew that is still good.
    fn refresh(&mut self, key: &Key, now: Instant, entropy: &mut dyn Entropy) {
        self.stats.prefetched += 1;
        self.with_forwarder(now, entropy, |forwarder, around| forwarder.refresh(key, around));
    }

    fn handle_miss(
        &mut self,
        client: Client,
        (key, stale): (&Key, bool),
        asked: &Asked<'_>,
        now: Instant,
        entropy: &mut dyn Entropy,
        out: &mut Vec<u8>,
    ) -> Outcome {
        let Some(question) = Question::read(asked.question) else {
            return self.refuse(&client, asked, rcode::FORMERR, out);
        };
        if let Some(code) = refused(&question) {
            return self.refuse(&client, asked, code, out);
        }
        match self.local.respond(&question, asked, out) {
            Some(Said::Answer(code)) => return self.answered_locally(&client, asked, code),
            Some(Said::Leads(chain)) => return self.follow(client, chain, asked, now, entropy, out),
            None => {}
        }
        if let Some(outcome) = self.try_block(&client, &question.name, &question, asked, out) {
            return outcome;
        }
        if question.qtype == rtype::ANY {
            answer::any_refused(asked, out);
            return self.answered_locally(&client, asked, rcode::NOERROR);
        }
        self.ask_servers(client, (key, stale), asked, None, now, entropy, out)
    }

    /// If `name`, which the question comes to, is on a list, the answer says so.
    fn try_block(
        &mut self,
        client: &Client,
        name: &Name,
        question: &Question,
        asked: &Asked<'_>,
        out: &mut Vec<u8>,
    ) -> Option<Outcome> {
        let domain = self.block.domain_of(name).filter(|_| !self.upstreams.has_own(name))?;
        let code = self.block.respond(&domain, &self.local.own_name(), question, asked, out);
        self.stats.queries += 1;
        self.stats.blocked += 1;
        self.note(client, asked, How::Blocked, code);
        Some(Outcome::Answered)
    }

    /// An alias of ours leads to a name that servers know.
    fn follow(
        &mut self,
        client: Client,
        chain: Box<Chain>,
        asked: &Asked<'_>,
        now: Instant,
        entropy: &mut dyn Entropy,
        out: &mut Vec<u8>,
    ) -> Outcome {
        let question = chain.question(asked);
        let Some(key) = Key::new(&Asked { question: &question, ..*asked }) else {
            return self.refuse(&client, asked, rcode::FORMERR, out);
        };
        if let Some(target) = Question::read(asked.question)
            && let Some(outcome) = self.try_block(&client, &chain.target, &target, asked, out)
        {
            return outcome;
        }
        match self.try_cache(&client, &key, asked, Some(&chain), (now, entropy), out) {
            Ok(outcome) => outcome,
            Err(stale) => self.ask_servers(client, (&key, stale), asked, Some(chain), now, entropy, out),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "what a query is made of; it passes through here once")]
    fn ask_servers(
        &mut self,
        client: Client,
        (key, stale): (&Key, bool),
        asked: &Asked<'_>,
        chain: Option<Box<Chain>>,
        now: Instant,
        entropy: &mut dyn Entropy,
        out: &mut Vec<u8>,
    ) -> Outcome {
        if let Some(code) = self.cut(key, asked, chain.as_deref(), now, out) {
            return self.answered_from_cache(&client, asked, How::Cache, code);
        }
        let stale_at = stale.then(|| now + STALE_AFTER);
        let spare = if stale { chain.clone() } else { None };
        let accepted = self.with_forwarder(now, entropy, |forwarder, around| {
            forwarder.accept(key, asked, client, (chain, stale_at), around)
        });
        match accepted {
            Accepted::Waiting => {
                self.stats.queries += 1;
                Outcome::Pending
            }
            Accepted::Repeated => Outcome::Dropped,
            Accepted::No => {
                if let (true, Some(Found::Stale { answer, .. })) = (stale, self.cache.get(key.for_cache(), now)) {
                    write(answer, spare.as_deref(), asked, Age::Stale, out);
                    let code = answer.rcode;
                    return self.answered_from_cache(&client, asked, How::Stale, code);
                }
                self.refuse(&client, asked, rcode::SERVFAIL, out)
            }
        }
    }

    /// RFC 8020: below a name that does not exist there is nothing. What a domain's own servers are asked is not for
    /// others to deny (CVE-2026-44687).
    fn cut(
        &mut self,
        key: &Key,
        asked: &Asked<'_>,
        chain: Option<&Chain>,
        now: Instant,
        out: &mut Vec<u8>,
    ) -> Option<u16> {
        let question = Question::read(key.question())?;
        let labels = self.upstreams.forward_of(&question.name).map_or(0, |domain| domain.labels().count());
        let (above, age) = self.cache.cut(&key.for_cache(), labels, now)?;
        let denial = reply::denial_below(above, &question)?;
        write(&denial, chain, asked, Age::Seconds(age), out);
        Some(denial.rcode)
    }

    fn answered_locally(&mut self, client: &Client, asked: &Asked<'_>, code: u16) -> Outcome {
        self.stats.queries += 1;
        self.stats.local += 1;
        self.note(client, asked, How::Local, code);
        Outcome::Answered
    }

    /// Answers with a response code and nothing else.
    fn refuse(&mut self, client: &Client, asked: &Asked<'_>, code: u16, out: &mut Vec<u8>) -> Outcome {
        answer::empty(asked, code, out);
        self.stats.queries += 1;
        self.stats.failed += 1;
        self.note(client, asked, How::Failed, code);
        Outcome::Answered
    }
}

/// Writes what a client gets: an answer, behind the aliases that lead to it if there are any.
#[inline]
fn write(answer: &Answer, chain: Option<&Chain>, asked: &Asked<'_>, age: Age, out: &mut Vec<u8>) {
    match chain {
        None => answer.write(asked, age, out),
        Some(chain) => chain.write(answer, asked, age, out),
    }
}

/// Questions that are never answered: zone transfers and other meta types (RFC 5625 section 4.5 leaves transfers to
/// servers), and classes that mean something only here.
fn refused(question: &Question) -> Option<u16> {
    match (question.qtype, question.class) {
        (rtype::OPT, _) => Some(rcode::FORMERR),
        (rtype::TKEY..rtype::ANY, _) => Some(rcode::REFUSED),
        (_, class::CHAOS | class::ANY) => Some(rcode::REFUSED),
        _ => None,
    }
}
