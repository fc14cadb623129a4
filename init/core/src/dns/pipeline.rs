//! The questions on one connection to a server: many at a time, answered in any order (RFC 7766 section 6.2.1.1).
//!
//! Each gets an identifier that no other one on the connection has. When the connection is lost each is given back once, to be
//! asked on another one: a server may close a connection at any moment, also in that in which we ask (section 6.2.4).

use super::api::UpstreamKey;
use super::{MAX_FLIGHTS, TOTAL};
use crate::time::{Duration, Instant};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// Questions that wait for their answers on one connection: all that can be in flight.
pub const MAX_PIPELINED: usize = MAX_FLIGHTS;

/// How long an answer is waited for: a moment longer than any client waits.
const PATIENCE: Duration = TOTAL.saturating_add(Duration::from_secs(1));

/// A question to a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piped {
    key: UpstreamKey,
    /// The message, with the identifier that the forwarder gave it.
    message: Vec<u8>,
    since: Instant,
    /// It was on a connection that was lost.
    again: bool,
}

impl Piped {
    /// A question as the forwarder wants it asked.
    pub fn new(key: UpstreamKey, message: Vec<u8>, now: Instant) -> Self {
        Self { key, message, since: now, again: false }
    }

    /// Names the attempt.
    pub fn key(&self) -> UpstreamKey {
        self.key
    }
}

/// What was waiting on a connection that is gone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// To be asked once more, on a new connection.
    pub again: Vec<Piped>,
    /// Have failed.
    pub failed: Vec<UpstreamKey>,
}

/// The questions on one connection.
#[derive(Debug, Default)]
pub struct Pipeline {
    waiting: BTreeMap<u16, Piped>,
    last_id: u16,
}

impl Pipeline {
    /// Takes a question and returns the message that asks it.
    ///
    /// # Errors
    /// [`MAX_PIPELINED`] questions are waiting: the question comes back.
    pub fn ask(&mut self, question: Piped) -> Result<Vec<u8>, Piped> {
        if self.waiting.len() >= MAX_PIPELINED {
            return Err(question);
        }
        let mut id = self.last_id.wrapping_add(1);
        // There are far fewer waiting than identifiers.
        while self.waiting.contains_key(&id) {
            id = id.wrapping_add(1);
        }
        self.last_id = id;
        let message = with_id(question.message.clone(), id);
        self.waiting.insert(id, question);
        Ok(message)
    }

    /// Takes a message of the server's: whom it is for, and the message with the identifier that the forwarder gave. Whether
    /// it answers the question is the forwarder's to see. `None`: nobody waits for it.
    pub fn answered(&mut self, message: Vec<u8>) -> Option<(UpstreamKey, Vec<u8>)> {
        let id = message.first_chunk().map(|id| u16::from_be_bytes(*id))?;
        let question = self.waiting.remove(&id)?;
        let own = question.message.first_chunk().map_or(0, |id| u16::from_be_bytes(*id));
        Some((question.key, with_id(message, own)))
    }

    /// Forgets those that nobody waits for any more.
    pub fn forget_old(&mut self, now: Instant) {
        self.waiting.retain(|_, question| now.since(question.since) < PATIENCE);
    }

    /// Whether nothing is waited for.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// When the server has been silent for too long, if it was last heard at `heard`; `None`: nothing is waited for.
    pub fn deadline(&self, heard: Instant) -> Option<Instant> {
        let oldest = self.waiting.values().map(|question| question.since).min()?;
        Some(oldest.max(heard) + PATIENCE)
    }

    /// The connection is gone: nothing waits any more.
    pub fn lose(&mut self, now: Instant) -> Lost {
        let mut lost = Lost::default();
        for (_, mut question) in core::mem::take(&mut self.waiting) {
            if question.again || now.since(question.since) >= TOTAL {
                lost.failed.push(question.key);
            } else {
                question.again = true;
                lost.again.push(question);
            }
        }
        lost
    }
}

fn with_id(mut message: Vec<u8>, id: u16) -> Vec<u8> {
    message.iter_mut().zip(id.to_be_bytes()).for_each(|(byte, part)| *byte = part);
    message
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn question(number: u64, now: Instant) -> Piped {
        Piped::new(UpstreamKey(number), vec![7, number as u8, 1, 2], now)
    }

    #[test]
    fn rfc7766_6_2_1_1_answers_may_come_in_any_order() {
        let (mut pipeline, now) = (Pipeline::default(), Instant::from_secs(9));
        let mut sent: Vec<Vec<u8>> = (0..3).map(|n| pipeline.ask(question(n, now)).unwrap()).collect();
        assert_eq!(sent.iter().map(|message| message[1]).collect::<Vec<_>>(), [1, 2, 3]);
        for n in [2, 0, 1] {
            sent[n].push(n as u8);
            let (key, answer) = pipeline.answered(sent[n].clone()).unwrap();
            assert_eq!((key, answer), (UpstreamKey(n as u64), vec![7, n as u8, 1, 2, n as u8]));
            assert_eq!(pipeline.answered(sent[n].clone()), None, "once");
        }
        assert_eq!((pipeline.answered(vec![0, 9, 1]), pipeline.answered(vec![0])), (None, None));
        assert!(pipeline.is_empty());
    }

    #[test]
    fn rfc7766_6_2_4_what_a_lost_connection_left_is_asked_once_more() {
        let (mut pipeline, now) = (Pipeline::default(), Instant::from_secs(9));
        pipeline.ask(question(1, now)).unwrap();
        let mut lost = pipeline.lose(now);
        assert_eq!((lost.again.len(), lost.failed.len()), (1, 0));
        pipeline.ask(lost.again.remove(0)).unwrap();
        pipeline.ask(question(2, now)).unwrap();
        let lost = pipeline.lose(now + TOTAL);
        assert_eq!((lost.again.len(), lost.failed), (0, vec![UpstreamKey(1), UpstreamKey(2)]), "again, and too late");
    }

    #[test]
    fn the_pipeline_is_bounded_and_forgets() {
        let (mut pipeline, now) = (Pipeline { last_id: u16::MAX - 3, ..Pipeline::default() }, Instant::from_secs(9));
        for n in 0..MAX_PIPELINED as u64 {
            assert!(pipeline.ask(question(n, now)).is_ok());
        }
        let one_more = question(999, now);
        assert_eq!(pipeline.ask(one_more.clone()), Err(one_more));
        assert_eq!(pipeline.deadline(now + PATIENCE), Some(now + PATIENCE * 2));
        assert_eq!(pipeline.deadline(Instant::default()), Some(now + PATIENCE));
        pipeline.forget_old(now + PATIENCE);
        assert_eq!((pipeline.is_empty(), pipeline.deadline(now)), (true, None));
    }
}
