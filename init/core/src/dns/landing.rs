//! What becomes of a question that servers were asked: their reply, or the end of the wait for it, goes to everybody who
//! waits and into the cache. If there is none, an answer past its time has to do (RFC 8767).

use super::answer::{Age, Answer};
use super::api::{Action, Failure, How, UpstreamKey};
use super::cache::Found;
use super::flight::{Flight, Landed, Waiter};
use super::forwarder::Due;
use super::query::{Key, Question};
use super::wire::rcode;
use super::{Dns, FAILURE_TTL};
use crate::entropy::Entropy;
use crate::time::Instant;
use alloc::vec::Vec;
use core::net::SocketAddrV4;

impl Dns {
    /// A message that the socket of `key` received from `from`. Whatever it is, it can only help.
    pub fn handle_reply(
        &mut self,
        key: UpstreamKey,
        from: SocketAddrV4,
        bytes: &[u8],
        now: Instant,
        entropy: &mut dyn Entropy,
    ) {
        let landed = self.with_forwarder(now, entropy, |forwarder, around| forwarder.reply(key, from, bytes, around));
        self.deliver(landed, now);
    }

    /// The socket of `key` could not do its work. The attempt may still be closed later by [`Action::Close`].
    pub fn handle_upstream_failed(
        &mut self,
        key: UpstreamKey,
        failure: Failure,
        now: Instant,
        entropy: &mut dyn Entropy,
    ) {
        let landed = self.with_forwarder(now, entropy, |forwarder, around| forwarder.failed(key, failure, around));
        self.deliver(landed, now);
    }

    /// Time has passed: to be called when [`Dns::poll_timeout`] is reached; harmless at any other time.
    pub fn handle_timeout(&mut self, now: Instant, entropy: &mut dyn Entropy) {
        self.step_portal(now, entropy);
        loop {
            match self.with_forwarder(now, entropy, |forwarder, around| forwarder.due(around)) {
                Some(Due::Landed(landed)) => self.deliver(Some(landed), now),
                Some(Due::OldAnswer(number, key)) => self.deliver_stale(number, &key, now),
                None => return,
            }
        }
    }

    /// Answers everybody who waited, and keeps the answer.
    fn deliver(&mut self, landed: Option<Landed>, now: Instant) {
        let Some(landed) = landed else { return };
        if self.hear_probe(&landed, now) {
            return;
        }
        let Landed { flight, result } = landed;
        self.watch_line(&flight, result.is_ok(), now);
        let (answer, how) = match result {
            Ok((answer, server)) => (self.police(answer, flight.key.question()), How::Upstream(server)),
            Err(code) => (Answer::failure(flight.key.question(), code, FAILURE_TTL), How::Failed),
        };
        let waiters = match how {
            How::Failed => self.give_stale(&flight.key, &flight.waiters, now),
            _ => &flight.waiters,
        };
        for waiter in waiters {
            let mut payload = Vec::new();
            waiter.write(&answer, Age::Seconds(0), &mut payload);
            self.actions.push_back(Action::Answer { client: waiter.client, payload });
            self.note(&waiter.client, &waiter.asked(), how, answer.rcode);
            if how == How::Failed {
                self.stats.failed += 1;
            }
        }
        self.keep(&flight, answer, how == How::Failed, now);
    }

    /// When the servers answer again after an outage, the names that failed meanwhile are soon asked for again.
    fn watch_line(&mut self, flight: &Flight, answered: bool, now: Instant) {
        let Some(question) = Question::read(flight.key.question()) else { return };
        let line = self.upstreams.forward_of(&question.name);
        if answered && self.outage.answered(line) {
            self.cache.relent(now);
        } else if !answered && !flight.nothing_was_sent() {
            self.outage.failed(line, &question.name);
        }
    }

    /// The servers take their time: those who wait get an answer past its time, and whoever asks next gets it at once
    /// until they have spoken or another failure is due.
    fn deliver_stale(&mut self, number: u64, key: &Key, now: Instant) {
        if matches!(self.cache.get(key.for_cache(), now), Some(Found::Stale { .. })) {
            let waiters = self.forwarder.release(number);
            self.give_stale(key, &waiters, now);
            self.cache.insert_failure(&key.for_cache(), rcode::SERVFAIL, now);
        }
    }

    /// Gives all who wait an answer past its time, and returns those who still wait: all, if there is no such answer.
    fn give_stale<'a>(&mut self, key: &Key, waiters: &'a [Waiter], now: Instant) -> &'a [Waiter] {
        let old = if key.is_recursive() { self.cache.get(key.for_cache(), now) } else { None };
        let Some(Found::Stale { answer, .. }) = old else { return waiters };
        let code = answer.rcode;
        for waiter in waiters {
            let mut payload = Vec::new();
            waiter.write(answer, Age::Stale, &mut payload);
            self.actions.push_back(Action::Answer { client: waiter.client, payload });
        }
        for waiter in waiters {
            self.stats.stale += 1;
            self.note(&waiter.client, &waiter.asked(), How::Stale, code);
        }
        &[]
    }

    fn keep(&mut self, flight: &Flight, answer: Answer, failure: bool, now: Instant) {
        // The settings may have changed while the question was in flight.
        let ours = Question::read(flight.key.question()).is_none_or(|question| self.local.claims(&question));
        if !flight.key.is_recursive() || ours {
            return;
        }
        let mut key = flight.key.for_cache();
        if failure {
            if !flight.nothing_was_sent() {
                self.cache.insert_failure(&key, answer.rcode, now);
            }
            return;
        }
        if answer.every_type {
            key.make_every_type();
        }
        self.cache.insert(&key, answer, now);
    }
}
