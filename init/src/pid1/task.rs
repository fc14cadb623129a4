//! Slow work in short-lived forked children, so that PID 1's loop never waits for a card or a driver.

use super::console::Consoles;
use gatepost_core::time::{Duration, Instant};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{ForkResult, Pid, fork};

/// What a child is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job {
    /// Loading modules.
    Modules,
    /// Writing complaints to p1.
    Mirror,
    /// Saving the time.
    SaveClock,
    /// Copying the user's folders for the gateway.
    HandOver,
    /// Reading the whole root to see whether it is sound.
    RootCheck,
}

impl Job {
    /// A child still at work after this time hangs in a driver or a card, and is killed.
    fn limit(self) -> Duration {
        match self {
            // Fifteen times the usual under emulation.
            Job::Modules => Duration::from_secs(120),
            Job::Mirror | Job::SaveClock | Job::HandOver => Duration::from_secs(60),
            // 48 MiB from the slowest card, under emulation.
            Job::RootCheck => Duration::from_secs(600),
        }
    }
}

/// The children at work. At most one for each [`Job`].
#[derive(Default)]
pub struct Tasks {
    running: Vec<(Pid, Job, Instant)>,
}

impl Tasks {
    /// Whether a child does this job now.
    pub fn busy(&self, job: Job) -> bool {
        self.running.iter().any(|(_, other, _)| *other == job)
    }

    /// Starts a child that does `work` and exits with what that returns. Returns whether it was started: not if one
    /// is at it already.
    pub fn start(
        &mut self,
        job: Job,
        now: Instant,
        consoles: &mut Consoles,
        work: impl FnOnce(&mut Consoles) -> u8,
    ) -> bool {
        if self.busy(job) {
            return false;
        }
        // SAFETY: PID 1 has one thread, so the child's memory is consistent and it may do what the parent may.
        match unsafe { fork() } {
            Ok(ForkResult::Child) => {
                consoles.forget_pending();
                let code = work(consoles);
                consoles.drain(std::time::Duration::from_secs(2));
                // SAFETY: ends the child without running the parent's destructors.
                unsafe { libc::_exit(i32::from(code)) }
            }
            Ok(ForkResult::Parent { child }) => {
                self.running.push((child, job, now + job.limit()));
                true
            }
            Err(_) => false,
        }
    }

    /// A child ended: which job that was, if it was one of ours.
    pub fn reaped(&mut self, pid: Pid) -> Option<Job> {
        let at = self.running.iter().position(|(other, _, _)| *other == pid)?;
        Some(self.running.swap_remove(at).1)
    }

    /// Kills what has hung for too long. Its end is reaped like any other.
    pub fn handle_timeout(&mut self, now: Instant) {
        for (pid, _, deadline) in &mut self.running {
            if now >= *deadline {
                let _ = kill(*pid, Signal::SIGKILL);
                // A child stuck in the kernel dies later; do not kill it at every turn.
                *deadline = now + Duration::from_secs(60);
            }
        }
    }

    /// Kills all of them: the machine goes down.
    pub fn kill_all(&self) {
        for (pid, _, _) in &self.running {
            let _ = kill(*pid, Signal::SIGKILL);
        }
    }

    /// When to call [`Tasks::handle_timeout`] next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.running.iter().map(|(_, _, deadline)| *deadline).min()
    }
}
