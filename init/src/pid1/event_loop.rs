//! PID 1's loop: waits for signals, hardware, the gateway's words and heartbeats, and keys; hands each to whom it
//! concerns. What is due by the clock is in [`super::duties`].

use super::config_partition::GATEWAY_ID;
use super::console::Consoles;
use super::disk::Disk;
use super::duties::Duties;
use super::machine::{self, End};
use super::query::{self, Query};
use super::supervisor::Supervisor;
use super::task::{Job, Tasks};
use super::text::{self, LineCutter, RateLimit};
use super::uevent::{Received, Uevents};
use super::watchdog::Watchdog;
use super::{clock, config_copy, host_name, root_check};
use gatepost_core::card::cmdline::BootWords;
use gatepost_core::time::{Duration, Instant};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{pipe2, read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The gateway's folder for its socket and its words to PID 1.
pub const RUN_FOLDER: &str = "/run/gatepost";
/// Between two questions from the keyboard: a serial line whose ends are joined would else ask for ever.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// The card that the system was started from.
pub struct Card {
    /// The disk.
    pub disk: Disk,
    /// What its slot's command line says.
    pub words: BootWords,
}

/// Everything that PID 1 holds while the system runs.
pub struct System {
    pub(super) consoles: Consoles,
    pub(super) card: Option<Card>,
    pub(super) supervisor: Supervisor,
    pub(super) tasks: Tasks,
    pub(super) watchdog: Option<Watchdog>,
    pub(super) duties: Duties,
    clock: clock::Adjuster,
    /// Where the gateway and the children print.
    pub(super) output: OwnedFd,
    printed: OwnedFd,
    cutter: LineCutter,
    limit: RateLimit,
    signals: SignalFd,
    uevents: Option<Uevents>,
    folder: Option<Inotify>,
    queries: Vec<Query>,
    asked: Instant,
}

/// Who has something for us.
#[derive(Clone, Copy)]
enum Source {
    Signal,
    Hardware,
    Printed,
    Heartbeat,
    Folder,
    Screen(usize),
    Query,
}

impl System {
    /// Blocks the signals and opens what the loop waits on.
    ///
    /// # Errors
    /// Those of pipes and signal descriptors, without which nothing can be run.
    pub fn new(consoles: Consoles, watchdog: Option<Watchdog>) -> nix::Result<Self> {
        let now = machine::now();
        let mut mask = SigSet::empty();
        [Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT, Signal::SIGPWR]
            .into_iter()
            .for_each(|signal| mask.add(signal));
        mask.thread_block()?;
        let (printed, output) = pipe2(OFlag::O_CLOEXEC)?;
        fcntl(&printed, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        Ok(Self {
            consoles,
            card: None,
            supervisor: Supervisor::new(now),
            tasks: Tasks::default(),
            watchdog,
            duties: Duties::new(now),
            clock: clock::Adjuster::new(),
            output,
            printed,
            cutter: LineCutter::default(),
            limit: RateLimit::new(now),
            signals: SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?,
            uevents: Uevents::open().ok(),
            folder: Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK).ok(),
            queries: Vec::new(),
            asked: Instant::default(),
        })
    }

    /// Makes the gateway's folder and looks at what is written there from now on.
    pub fn open_run_folder(&mut self) {
        let _ = std::fs::create_dir(RUN_FOLDER);
        let _ = std::os::unix::fs::chown(RUN_FOLDER, Some(GATEWAY_ID), Some(GATEWAY_ID));
        if let Some(folder) = &self.folder {
            let what = AddWatchFlags::IN_CLOSE_WRITE | AddWatchFlags::IN_MOVED_TO | AddWatchFlags::IN_DELETE;
            let _ = folder.add_watch(RUN_FOLDER, what);
        }
    }

    /// One plain sentence on every screen.
    pub fn say(&mut self, line: &str) {
        self.consoles.say(line);
    }

    /// Runs the system until it is to end.
    pub fn run(&mut self) -> End {
        loop {
            let now = machine::now();
            if let Some(end) = self.handle_timeout(now) {
                return end;
            }
            for source in self.wait(now) {
                if let Some(end) = self.handle(source, machine::now()) {
                    return end;
                }
            }
            self.consoles.flush();
        }
    }

    /// Waits for the next source or the next duty.
    fn wait(&self, now: Instant) -> Vec<Source> {
        let mut sources = vec![Source::Signal, Source::Printed];
        let mut descriptors = vec![readable(self.signals.as_fd()), readable(self.printed.as_fd())];
        let mut add = |source, descriptor| {
            sources.push(source);
            descriptors.push(descriptor);
        };
        self.uevents.iter().for_each(|uevents| add(Source::Hardware, readable(uevents.as_fd())));
        self.folder.iter().for_each(|folder| add(Source::Folder, readable(folder.as_fd())));
        self.supervisor.heartbeat().into_iter().for_each(|pipe| add(Source::Heartbeat, readable(pipe)));
        self.queries.iter().for_each(|query| add(Source::Query, readable(query.as_fd())));
        for (screen, descriptor, unsent) in self.consoles.descriptors() {
            let output = if unsent { PollFlags::POLLOUT } else { PollFlags::empty() };
            add(Source::Screen(screen), PollFd::new(descriptor, PollFlags::POLLIN | output));
        }
        let until = self.poll_timeout().since(now);
        // Rounded up: a poll that ends a moment early would turn once more for nothing.
        let timeout = PollTimeout::try_from(until + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX);
        if poll(&mut descriptors, timeout).is_err() {
            return Vec::new();
        }
        let ready = descriptors.iter().map(|descriptor| descriptor.any().unwrap_or(true));
        sources.into_iter().zip(ready).filter(|(_, ready)| *ready).map(|(source, _)| source).collect()
    }

    fn poll_timeout(&self) -> Instant {
        let queries = self.queries.iter().map(Query::deadline);
        let parts = [self.supervisor.poll_timeout(), self.tasks.poll_timeout()].into_iter().flatten();
        parts.chain(queries).min().unwrap_or(Instant::from_millis(u64::MAX)).min(self.duties.poll_timeout())
    }

    fn handle_timeout(&mut self, now: Instant) -> Option<End> {
        if let Some(complaint) = self.supervisor.handle_timeout(now, self.output.as_fd()) {
            self.say(&complaint);
        }
        self.tasks.handle_timeout(now);
        self.advance_queries(now);
        self.handle_duties(now)
    }

    fn handle(&mut self, source: Source, now: Instant) -> Option<End> {
        match source {
            Source::Signal => return self.handle_signals(now),
            Source::Hardware => self.handle_hardware(),
            Source::Printed => self.handle_printed(now),
            Source::Heartbeat => self.handle_heartbeat(now),
            Source::Folder => self.handle_folder(now),
            Source::Screen(screen) => self.handle_keys(screen, now),
            Source::Query => self.advance_queries(now),
        }
        None
    }

    fn handle_heartbeat(&mut self, now: Instant) {
        let Some(correction) = self.supervisor.handle_heartbeat(now) else { return };
        let outcome = self.clock.correct(correction);
        outcome.say.into_iter().for_each(|line| self.say(&line));
        if outcome.save {
            self.duties.save_clock_soon(now);
        }
    }

    fn handle_signals(&mut self, now: Instant) -> Option<End> {
        let mut end = None;
        while let Ok(Some(info)) = self.signals.read_signal() {
            match i32::try_from(info.ssi_signo).map(Signal::try_from) {
                // Ctrl-Alt-Del.
                Ok(Ok(Signal::SIGINT)) => end = Some(End::Restart),
                Ok(Ok(Signal::SIGTERM | Signal::SIGPWR)) => end = Some(End::PowerOff),
                _ => {}
            }
        }
        self.reap(now);
        end
    }

    /// Takes in every child that ended, also those that were handed to us as orphans.
    fn reap(&mut self, now: Instant) {
        while let Ok(status) = waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            let (WaitStatus::Exited(pid, _) | WaitStatus::Signaled(pid, _, _)) = status else { return };
            if let Some(sentence) = self.supervisor.handle_death(pid, status, now) {
                self.say(&sentence);
            } else if let Some(job) = self.tasks.reaped(pid) {
                let code = if let WaitStatus::Exited(_, code) = status { code } else { i32::from(root_check::UNKNOWN) };
                self.handle_job_done(job, code, now);
            }
        }
    }

    fn handle_hardware(&mut self) {
        loop {
            match self.uevents.as_ref().map_or(Received::Empty, Uevents::receive) {
                Received::Event(event) if event.action == "add" && !event.modalias.is_empty() => {
                    self.duties.handle_hardware(event.modalias);
                }
                Received::Event(_) => {}
                Received::Overrun => self.duties.handle_lost_hardware(),
                Received::Empty => return,
            }
        }
    }

    fn handle_printed(&mut self, now: Instant) {
        let mut buffer = [0; 4096];
        let Ok(len) = read(&self.printed, &mut buffer) else { return };
        let (consoles, limit) = (&mut self.consoles, &mut self.limit);
        self.cutter.push(buffer.get(..len).unwrap_or_default(), |line| match limit.admit(now) {
            Some(0) => consoles.say(&text::printable(line, false)),
            Some(dropped) => {
                consoles.say(&format!("({dropped} lines are not shown: too many at once)"));
                consoles.say(&text::printable(line, false));
            }
            None => {}
        });
    }

    fn handle_folder(&mut self, now: Instant) {
        let events = self.folder.as_ref().and_then(|folder| folder.read_events().ok()).unwrap_or_default();
        let touched = |path: &str| {
            let name = path.rsplit('/').next();
            events.iter().any(|event| event.name.as_deref().and_then(|found| found.to_str()) == name)
        };
        if touched(host_name::FILE) {
            host_name::apply();
        }
        if touched(config_copy::ERRORS) {
            self.duties.handle_complaints(now);
        }
    }

    fn handle_keys(&mut self, screen: usize, now: Instant) {
        for key in self.consoles.keys(screen) {
            if now.since(self.asked) < ASK_EVERY {
                continue;
            }
            if matches!(key, b'h' | b'H' | b'?') {
                self.asked = now;
                self.consoles.show(screen, query::HELP);
            } else if let Some(question) = query::question(key) {
                self.asked = now;
                match Query::ask(screen, question, now) {
                    Some(query) => self.queries.push(query),
                    None => self.consoles.show(screen, "The gateway does not answer yet.\n"),
                }
            }
        }
    }

    fn advance_queries(&mut self, now: Instant) {
        let consoles = &mut self.consoles;
        self.queries.retain_mut(|query| match query.advance(now) {
            Some(answer) => {
                consoles.show(query.screen, &answer);
                false
            }
            None => true,
        });
    }

    /// Sends the gateway a signal and waits until it has ended, at most until `limit`.
    pub fn stop_gateway(&mut self, signal: Signal, limit: Instant) {
        self.supervisor.kill(signal);
        while self.supervisor.is_running() && machine::now() < limit {
            let wait = PollTimeout::try_from(limit.since(machine::now())).unwrap_or(PollTimeout::ZERO);
            let _ = poll(&mut [readable(self.signals.as_fd()), readable(self.printed.as_fd())], wait);
            self.handle_printed(machine::now());
            while let Ok(Some(_)) = self.signals.read_signal() {}
            while let Ok(status) = waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                let (WaitStatus::Exited(pid, _) | WaitStatus::Signaled(pid, _, _)) = status else { break };
                let _ = self.supervisor.handle_death(pid, status, machine::now());
                let _ = self.tasks.reaped(pid);
            }
        }
    }

    /// Starts a child for slow work.
    pub(super) fn start_job(&mut self, job: Job, now: Instant, work: impl FnOnce(&mut Consoles) -> u8) -> bool {
        self.tasks.start(job, now, &mut self.consoles, work)
    }
}

fn readable(descriptor: BorrowedFd<'_>) -> PollFd<'_> {
    PollFd::new(descriptor, PollFlags::POLLIN)
}
