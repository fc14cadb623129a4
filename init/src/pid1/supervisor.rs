//! The life of the gateway process: started, heard, killed when stuck, started again.

use super::backoff::Backoff;
use super::health::Health;
use super::spawn::{self, Started};
use gatepost_core::heartbeat::{Decoder, Word};
use gatepost_core::time::{Correction, Instant};
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::WaitStatus;
use nix::unistd::{Pid, read};
use std::os::fd::{AsFd, BorrowedFd};

/// Watches over one gateway process.
pub struct Supervisor {
    running: Option<Started>,
    start_at: Instant,
    backoff: Backoff,
    health: Health,
    words: Decoder,
}

impl Supervisor {
    /// Nothing runs yet; the first start is due at once.
    pub fn new(now: Instant) -> Self {
        let (backoff, health) = (Backoff::default(), Health::new(now));
        Self { running: None, start_at: now, backoff, health, words: Decoder::default() }
    }

    /// Starts the process if that is due, kills it if it is stuck. Returns a sentence if something went wrong.
    pub fn handle_timeout(&mut self, now: Instant, output: BorrowedFd) -> Option<String> {
        if self.running.is_none() && now >= self.start_at {
            self.backoff.handle_start(now);
            match spawn::gateway(output) {
                Ok(started) => {
                    self.health.handle_start(now);
                    self.words = Decoder::default();
                    self.running = Some(started);
                }
                Err(error) => {
                    self.start_at = self.backoff.handle_death(now);
                    return Some(format!("The gateway program cannot be started: {error}."));
                }
            }
        }
        if self.health.stuck(now) {
            self.kill(Signal::SIGKILL);
            self.health.handle_death();
            return Some("The gateway program hangs; it is stopped and started again.".into());
        }
        None
    }

    /// The heartbeat pipe is readable. Returns the last correction of the clock that is asked for; earlier ones of the
    /// same moment are overtaken by it.
    pub fn handle_heartbeat(&mut self, now: Instant) -> Option<Correction> {
        let mut bytes = [0; 64];
        let running = self.running.as_mut()?;
        let mut wanted = None;
        match running.heartbeat.as_ref().map(|pipe| read(pipe, &mut bytes)) {
            Some(Ok(0)) => running.heartbeat = None,
            Some(Ok(length)) => {
                let health = &mut self.health;
                self.words.push(bytes.get(..length).unwrap_or_default(), |word| match word {
                    Word::Beat { .. } => health.handle_beat(now),
                    Word::Correct(correction) => wanted = Some(correction),
                });
            }
            _ => {}
        }
        wanted
    }

    /// A child ended. Returns a sentence if it was the gateway.
    pub fn handle_death(&mut self, pid: Pid, status: WaitStatus, now: Instant) -> Option<String> {
        if self.running.as_ref()?.pid != pid {
            return None;
        }
        // Whatever it left behind in its process group.
        self.kill(Signal::SIGKILL);
        self.running = None;
        self.health.handle_death();
        self.start_at = self.backoff.handle_death(now);
        let how = match status {
            WaitStatus::Exited(_, code) => format!("ended with code {code}"),
            WaitStatus::Signaled(_, signal, _) => format!("was ended by signal {}", signal as i32),
            _ => "ended".into(),
        };
        Some(format!("The gateway program {how}; it is started again."))
    }

    /// Sends a signal to the process and its group.
    pub fn kill(&self, signal: Signal) {
        if let Some(running) = &self.running {
            let _ = killpg(running.pid, signal);
            let _ = kill(running.pid, signal);
        }
    }

    /// Whether a process runs.
    pub fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// What its heartbeats say.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// The heartbeat pipe of the running process.
    pub fn heartbeat(&self) -> Option<BorrowedFd<'_>> {
        Some(self.running.as_ref()?.heartbeat.as_ref()?.as_fd())
    }

    /// When the next start is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.running.is_none().then_some(self.start_at)
    }
}
