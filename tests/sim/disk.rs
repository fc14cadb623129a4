//! A disk that takes its time, fails, and may be cut off in the middle of a write.

use super::dice::Dice;
use std::collections::VecDeque;

/// One write of the journal.
pub enum Write {
    /// Bytes at its end.
    Append { sequence: u64, bytes: Vec<u8> },
    /// The whole of it: written beside it, then renamed, so that it happens or does not.
    Replace { sequence: u64, bytes: Vec<u8> },
}

/// The journal, and what waits to be written.
#[derive(Default)]
pub struct Disk {
    /// What a restart would find.
    pub durable: Vec<u8>,
    waiting: VecDeque<Write>,
    /// A write has failed, and nothing may be appended until the whole is replaced.
    doubtful: bool,
}

/// What became of a write.
pub enum Outcome {
    /// It is on the disk, and everything before it.
    Stored(u64),
    /// It is not, or in part.
    Failed,
    /// It was passed over, since a write before it had failed.
    Skipped,
}

impl Disk {
    /// Takes a write. It is not durable yet.
    pub fn put(&mut self, write: Write) {
        self.waiting.push_back(write);
    }

    /// Does the oldest write that waits, or fails to.
    pub fn write_one(&mut self, fails: bool, dice: &mut Dice) -> Option<Outcome> {
        let write = self.waiting.pop_front()?;
        Some(match write {
            Write::Append { .. } if self.doubtful => Outcome::Skipped,
            Write::Append { bytes, .. } if fails => {
                self.tear(&bytes, dice);
                self.doubtful = true;
                Outcome::Failed
            }
            Write::Replace { .. } if fails => {
                self.doubtful = true;
                Outcome::Failed
            }
            Write::Append { sequence, bytes } => {
                self.durable.extend(bytes);
                Outcome::Stored(sequence)
            }
            Write::Replace { sequence, bytes } => {
                self.durable = bytes;
                self.doubtful = false;
                Outcome::Stored(sequence)
            }
        })
    }

    /// The writer dies: some of what waits was done, and the one that was being done is cut anywhere.
    pub fn cut(&mut self, dice: &mut Dice) {
        let done = dice.below(self.waiting.len() as u32 + 1);
        for _ in 0..done {
            self.write_one(false, dice);
        }
        if let Some(Write::Append { bytes, .. }) = self.waiting.pop_front()
            && !self.doubtful
        {
            self.tear(&bytes, dice);
        }
        self.waiting.clear();
        self.doubtful = false;
    }

    fn tear(&mut self, bytes: &[u8], dice: &mut Dice) {
        let length = dice.below(bytes.len() as u32 + 1) as usize;
        self.durable.extend(&bytes[..length]);
    }
}
