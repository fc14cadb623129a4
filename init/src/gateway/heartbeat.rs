//! The sign of life to PID 1, one byte a second down a pipe that it gave us; and what it is to do to the clock.

use gatepost_core::heartbeat::Word;
use gatepost_core::time::Correction;
use std::fs::File;
use std::io::Write;
use std::os::fd::{FromRawFd, RawFd};
use std::time::Duration;

/// How often PID 1 hears from us.
pub const INTERVAL: Duration = Duration::from_secs(1);

/// Names the pipe's descriptor.
const VARIABLE: &str = "GATEPOST_HEARTBEAT_FD";

/// The writing end; does nothing when there is no PID 1 of ours above, as in the tests on a workstation.
pub struct Heartbeat(Option<File>);

impl Heartbeat {
    /// Takes the pipe named by the environment.
    pub fn from_environment() -> Self {
        let fd: Option<RawFd> = std::env::var(VARIABLE).ok().and_then(|text| text.parse().ok()).filter(|fd| *fd > 2);
        // SAFETY: PID 1 made the pipe for this process alone and nothing else here uses its number; called once, at
        // the start.
        Self(fd.map(|fd| unsafe { File::from_raw_fd(fd) }))
    }

    /// Alive; `serving` when the LAN's services are open.
    pub fn beat(&mut self, serving: bool) {
        self.say(Word::Beat { serving });
    }

    /// The clock is to be corrected.
    pub fn correct_clock(&mut self, correction: Correction) {
        self.say(Word::Correct(correction));
    }

    fn say(&mut self, word: Word) {
        if let Some(pipe) = &mut self.0 {
            // A full pipe: PID 1 is busy and has enough of them. A broken one: it is gone, and so are we soon. Nothing of
            // this size is ever written in part.
            let _ = pipe.write(&word.encode());
        }
    }
}
