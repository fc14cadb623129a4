//! What the gateway process tells PID 1 down its pipe: that it is alive, and what is to be done to the clock.
//!
//! ```text
//! '+'                                   alive, the LAN's services are open
//! '.'                                   alive
//! 'T' boot u64 wall u64                 set the clock so that it read `wall` when the boot clock read `boot`, both in ns
//! 'D' offset i64 poll u8                slew the clock by `offset` ns
//! ```
//! Numbers are big-endian. PID 1 believes nothing of it: any other byte is skipped, and what a correction may be is for
//! [`crate::clock`] to say.

use crate::time::{Correction, Reading, UnixNanos};
use heapless::Vec;

/// The longest message, in bytes. Far below what a pipe takes at once or not at all.
pub const MAX_MESSAGE: usize = 17;

/// One thing said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// The process is alive.
    Beat {
        /// Whether the LAN's services are open.
        serving: bool,
    },
    /// The clock is to be corrected.
    Correct(Correction),
}

impl Word {
    /// Its bytes.
    pub fn encode(&self) -> Vec<u8, MAX_MESSAGE> {
        let mut bytes = Vec::new();
        // The vector holds the longest message.
        let mut put = |part: &[u8]| bytes.extend_from_slice(part).unwrap_or_default();
        match self {
            Word::Beat { serving } => put(if *serving { b"+" } else { b"." }),
            Word::Correct(Correction::Step(Reading { boot, wall })) => {
                put(b"T");
                put(&boot.to_be_bytes());
                put(&wall.0.to_be_bytes());
            }
            Word::Correct(Correction::Slew { offset, poll }) => {
                put(b"D");
                put(&offset.to_be_bytes());
                put(&[*poll]);
            }
        }
        bytes
    }
}

/// Finds the words in a stream of bytes, however it is cut.
#[derive(Debug, Default)]
pub struct Decoder {
    /// The beginning of a message whose end has not come.
    held: Vec<u8, MAX_MESSAGE>,
}

impl Decoder {
    /// Takes bytes and hands each word that they complete to `word`.
    pub fn push(&mut self, bytes: &[u8], mut word: impl FnMut(Word)) {
        for byte in bytes {
            if self.held.is_empty() && !b"+.TD".contains(byte) {
                continue;
            }
            if self.held.push(*byte).is_err() {
                // Longer than any message: cannot be, and is over.
                self.held.clear();
            }
            if let Some(found) = read(&self.held) {
                self.held.clear();
                word(found);
            }
        }
    }
}

/// A whole message.
fn read(bytes: &[u8]) -> Option<Word> {
    let (kind, rest) = bytes.split_first()?;
    match kind {
        b'+' | b'.' => Some(Word::Beat { serving: *kind == b'+' }),
        b'T' => {
            let (boot, wall) = rest.split_first_chunk()?;
            let (boot, wall) = (u64::from_be_bytes(*boot), u64::from_be_bytes(wall.try_into().ok()?));
            Some(Word::Correct(Correction::Step(Reading { boot, wall: UnixNanos(wall) })))
        }
        b'D' => {
            let (offset, poll) = rest.split_first_chunk()?;
            let [poll] = *poll else { return None };
            Some(Word::Correct(Correction::Slew { offset: i64::from_be_bytes(*offset), poll }))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn word() -> impl Strategy<Value = Word> {
        let step = |(boot, wall)| Word::Correct(Correction::Step(Reading { boot, wall: UnixNanos(wall) }));
        prop_oneof![
            any::<bool>().prop_map(|serving| Word::Beat { serving }),
            any::<(u64, u64)>().prop_map(step),
            any::<(i64, u8)>().prop_map(|(offset, poll)| Word::Correct(Correction::Slew { offset, poll })),
        ]
    }

    proptest! {
        #[test]
        fn words_survive_however_the_pipe_cuts_them(words in proptest::collection::vec(word(), 0..20), cut in 1..40_usize) {
            let bytes: Vec<u8> = words.iter().flat_map(Word::encode).collect();
            let (mut decoder, mut found) = (Decoder::default(), Vec::new());
            bytes.chunks(cut).for_each(|part| decoder.push(part, |word| found.push(word)));
            prop_assert_eq!(found, words);
        }

        #[test]
        fn any_bytes_are_taken_and_a_beat_is_heard_again_soon(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let (mut decoder, mut beats) = (Decoder::default(), 0);
            decoder.push(&bytes, |_| ());
            decoder.push(&[b'.'; MAX_MESSAGE + 1], |word| beats += u32::from(matches!(word, Word::Beat { .. })));
            prop_assert!(beats > 0);
        }
    }
}
