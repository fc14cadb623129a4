//! What of a server's answer may be passed on. Nothing about our own names (`inward`), nothing that a block list names
//! (`block`), no address of the house (`rebind`); while there is a portal, for seconds only (`portal`).

use super::answer::{self, Answer};
use super::query::Question;
use super::wire::rcode;
use super::{Dns, inward, rebind};

impl Dns {
    /// The answer as it may be passed on.
    pub(super) fn police(&mut self, answer: Answer, question: &[u8]) -> Answer {
        let Some(asked) = Question::read(question) else { return answer };
        let trusted = self.upstreams.has_own(&asked.name);
        let answer = if trusted { answer } else { self.portal.temper(answer) };
        let home = inward::way_home(&self.local, &asked, &answer);
        let answer = match &home {
            Some(chain) => inward::answer_at_home(&self.local, chain, question)
                .unwrap_or_else(|| Answer::nothing(question, answer::ede::BLOCKED, rebind::TTL)),
            None => answer,
        };
        if trusted || home.as_ref().is_some_and(|chain| chain.aliases.is_empty()) {
            return answer;
        }
        // The lists may have come while the question was in flight.
        if self.block.domain_of(&asked.name).is_some() || self.block.is_behind(&asked, &answer) {
            self.stats.blocked += 1;
            let blocked = Answer::nothing(question, answer::ede::BLOCKED, rebind::TTL);
            return Answer { rcode: rcode::NXDOMAIN, ..blocked };
        }
        let way_in = |chain| inward::leads_inside(&self.local, &self.rebind, chain, &asked, question);
        let inside = self.rebind.forbids(&asked, &answer.body, answer.counts[0]) || home.as_ref().is_some_and(way_in);
        if !inside || self.portal.is_page(&answer, self.settings.lan) {
            return answer;
        }
        self.stats.kept_back += 1;
        self.kept_back = Some(asked.name);
        Answer::nothing(question, answer::ede::BLOCKED, rebind::TTL)
    }
}
