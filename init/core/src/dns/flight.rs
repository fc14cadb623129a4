//! One question that servers are working on: who waits for it and what was tried.

use super::answer::{Age, Answer};
use super::api::{Client, UpstreamKey};
use super::chain::Chain;
use super::query::{Asked, Edns, Key};
use super::reply::Sent;
use crate::config::Upstream;
use crate::time::Instant;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::SocketAddrV4;

/// A client that waits.
pub(super) struct Waiter {
    pub(super) client: Client,
    id: u16,
    flags: u16,
    /// The question in the client's case.
    question: Box<[u8]>,
    edns: Option<Edns>,
    limit: usize,
    /// If the client asked for an alias of ours, how that leads to the flight's question.
    chain: Option<Box<Chain>>,
}

impl Waiter {
    pub(super) fn new(client: Client, asked: &Asked<'_>, chain: Option<Box<Chain>>) -> Waiter {
        let Asked { id, flags, question, edns, limit } = *asked;
        Waiter { client, id, flags, question: question.into(), edns, limit, chain }
    }

    /// Writes the answer to the flight's question as this client's answer.
    pub(super) fn write(&self, answer: &Answer, age: Age, out: &mut Vec<u8>) {
        match &self.chain {
            Some(chain) => chain.write(answer, &self.asked(), age, out),
            None => answer.write(&self.asked(), age, out),
        }
    }

    /// What its answer has to repeat.
    pub(super) fn asked(&self) -> Asked<'_> {
        Asked { id: self.id, flags: self.flags, question: &self.question, edns: self.edns, limit: self.limit }
    }

    /// Whether this is the same query once more (a client that grew impatient).
    pub(super) fn is_repeated_by(&self, client: &Client, asked: &Asked<'_>) -> bool {
        let same_sender = self.client.transport == client.transport && self.client.peer == client.peer;
        // An alias and its target are two questions of one flight.
        same_sender && self.id == asked.id && self.question.eq_ignore_ascii_case(asked.question)
    }
}

/// How an attempt stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// A reply may come.
    Waiting,
    /// Something said that none will come, but that may be forged: a reply is still taken.
    Doubted,
    /// Over, its socket closed.
    Over,
}

/// One message to one server.
pub(super) struct Attempt {
    pub(super) key: UpstreamKey,
    pub(super) server: Upstream,
    pub(super) sent: Sent,
    pub(super) sent_at: Instant,
    pub(super) state: State,
    /// It left the machine, as far as is known.
    pub(super) sent_out: bool,
    /// The server was already blamed for its silence.
    pub(super) blamed: bool,
}

/// A question on its way.
pub(super) struct Flight {
    pub(super) key: Key,
    pub(super) waiters: Vec<Waiter>,
    pub(super) attempts: Vec<Attempt>,
    /// Servers asked by UDP so far, repetitions included.
    pub(super) tries: usize,
    /// When to try once more if nothing comes.
    pub(super) next_try: Instant,
    /// When those who wait get an old answer, if there is one (RFC 8767 section 5).
    pub(super) stale_at: Option<Instant>,
    /// When it is over, answer or not.
    pub(super) deadline: Instant,
    /// The error that a server gave, for want of something better.
    pub(super) rcode: Option<u16>,
    /// A reply changed the letters' case: ask again without that game.
    pub(super) plain_case: bool,
    /// A reply claimed not to know EDNS: ask again without.
    pub(super) no_edns: bool,
    /// Under which moment it stands in the timers.
    pub(super) timer: Instant,
}

impl Flight {
    pub(super) fn attempt(&mut self, key: UpstreamKey) -> Option<&mut Attempt> {
        self.attempts.iter_mut().find(|attempt| attempt.key == key)
    }

    /// Whether a reply may still come, and whether there is no reason to doubt it.
    pub(super) fn hope(&self) -> (bool, bool) {
        let any = |state| self.attempts.iter().any(|attempt| attempt.state == state);
        let undoubted = any(State::Waiting);
        (undoubted || any(State::Doubted), undoubted)
    }

    /// Whether no attempt has left the machine, so that no server is to be spared.
    pub(super) fn nothing_was_sent(&self) -> bool {
        self.attempts.iter().all(|attempt| !attempt.sent_out)
    }

    /// The servers tried so far, repetitions included.
    pub(super) fn tried(&self) -> Vec<&Upstream> {
        self.attempts.iter().map(|attempt| &attempt.server).collect()
    }
}

/// A flight that ended.
pub(super) struct Landed {
    pub(super) flight: Flight,
    pub(super) result: Result<(Answer, SocketAddrV4), u16>,
}
