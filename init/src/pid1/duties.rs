//! What PID 1 does by the clock or once something else is done: feed the watchdog, load modules, check the root,
//! confirm the boot slot, carry complaints to p1, save the time.

use super::console::Consoles;
use super::event_loop::System;
use super::handover::Folder;
use super::loader::{self, Loader};
use super::machine::End;
use super::task::Job;
use super::watchdog::{self, Watchdog};
use super::{clock, config_copy, counter, root_check};
use gatepost_core::slots::Reason;
use gatepost_core::time::{Duration, Instant};

/// The root is checked once the gateway has been well for this long: its start comes first.
const CHECK_AFTER: Duration = Duration::from_secs(5);
/// The user's folders are copied once the gateway has been well for this long.
const HAND_OVER_AFTER: Duration = Duration::from_secs(1);
/// Complaints are carried to p1 after this pause, so that several in a row are one write.
const MIRROR_AFTER: Duration = Duration::from_secs(1);
/// And never more often than this: the gateway must not be able to wear out the card.
const MIRROR_EVERY: Duration = Duration::from_secs(10);
/// The time is saved this long after it was found out: the start has better to do, and a slew some way to go.
const CLOCK_AFTER: Duration = Duration::from_secs(10);
/// A report left on p1 by an earlier start is taken away if the gateway has not complained by then.
const MIRROR_FIRST: Duration = Duration::from_secs(10);
/// A watchdog that has not struck after this long will not: PID 1 restarts the machine itself.
const WATCHDOG_MERCY: Duration = Duration::from_secs(30);
/// Most devices remembered while modules are being loaded; beyond that everything is looked at again.
const MAX_PLUGGED: usize = 256;

/// State of the duties.
pub struct Duties {
    fed: Instant,
    clock_due: Instant,
    mirror_due: Option<Instant>,
    mirrored: Instant,
    /// What stands on p1.
    complaints: Option<Vec<u8>>,
    plugged: Vec<String>,
    replug: bool,
    root: Root,
    confirmed: bool,
    /// The user's folders that have to be handed over.
    folders: Vec<&'static Folder>,
    lost: Option<Instant>,
}

/// What is known about the root file system in this run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Root {
    Unchecked,
    Checking,
    Sound,
    Damaged,
}

impl Duties {
    /// Nothing done yet.
    pub fn new(now: Instant) -> Self {
        Self {
            fed: Instant::default(),
            clock_due: now + clock::SAVE_EVERY,
            mirror_due: Some(now + MIRROR_FIRST),
            mirrored: Instant::default(),
            complaints: None,
            plugged: Vec::new(),
            replug: false,
            root: Root::Unchecked,
            confirmed: false,
            folders: Vec::new(),
            lost: None,
        }
    }

    /// The complaints that stand on p1 since an earlier start.
    pub fn set_complaints(&mut self, complaints: Option<Vec<u8>>) {
        self.complaints = complaints;
    }

    /// A folder on p1 that is to be handed over, made ready by [`Folder::prepare`].
    pub fn add_folder(&mut self, folder: &'static Folder) {
        self.folders.push(folder);
    }

    /// Hardware has come.
    pub fn handle_hardware(&mut self, modalias: String) {
        if self.plugged.len() < MAX_PLUGGED {
            self.plugged.push(modalias);
        } else {
            self.replug = true;
        }
    }

    /// Hardware may have come that we did not hear of.
    pub fn handle_lost_hardware(&mut self) {
        self.replug = true;
    }

    /// The gateway wrote its complaints anew.
    pub fn handle_complaints(&mut self, now: Instant) {
        self.mirror_due = Some((now + MIRROR_AFTER).max(self.mirrored + MIRROR_EVERY));
    }

    /// The clock was set, or found right, for the first time: a power cut must not cost what is known.
    pub fn save_clock_soon(&mut self, now: Instant) {
        self.clock_due = self.clock_due.min(now + CLOCK_AFTER);
    }

    /// When something is due next. The watchdog's rhythm bounds it.
    pub fn poll_timeout(&self) -> Instant {
        let due = [self.mirror_due, Some(self.clock_due), Some(self.fed + watchdog::FEED_EVERY)];
        due.into_iter().flatten().min().unwrap_or_default()
    }
}

impl System {
    /// Does what is due. Returns how the run is to end, if it is.
    pub(super) fn handle_duties(&mut self, now: Instant) -> Option<End> {
        if now >= self.duties.fed + watchdog::FEED_EVERY {
            self.duties.fed = now;
            if !self.supervisor.health().lost(now)
                && let Some(watchdog) = &mut self.watchdog
            {
                watchdog.feed();
            }
        }
        if now >= self.duties.clock_due {
            self.duties.clock_due = now + clock::SAVE_EVERY;
            self.start_job(Job::SaveClock, now, |_| u8::from(clock::save().is_err()));
        }
        if !self.duties.plugged.is_empty() || self.duties.replug {
            self.load_modules(now);
        }
        if self.duties.mirror_due.is_some_and(|due| now >= due) {
            self.mirror(now);
        }
        self.hand_over(now);
        self.prove(now);
        if self.duties.root == Root::Damaged {
            return Some(End::Restart);
        }
        self.mourn(now)
    }

    /// Loads the modules for what has come since the last time; the first time for everything, and those that the
    /// index wants loaded at boot.
    pub(super) fn load_modules(&mut self, now: Instant) {
        if self.tasks.busy(Job::Modules) {
            return;
        }
        let plugged = std::mem::take(&mut self.duties.plugged);
        let everything = std::mem::take(&mut self.duties.replug);
        self.start_job(Job::Modules, now, |consoles| {
            let loader = Loader::read();
            let index = loader.index();
            let failed = if everything {
                // Drivers first: the network cards. What is not hardware (the packet filter's modules) then takes only
                // the time that nobody else wants, so that the first lease does not wait for it.
                let mut failed = loader::coldplug(&index, &[]);
                super::machine::mark("drivers loaded");
                super::machine::step_back();
                failed.extend(loader::load(&index, index.load().iter().copied()));
                failed
            } else {
                loader::hotplug(&index, &plugged)
            };
            tell_failed(consoles, &failed)
        });
    }

    /// A child has done its job.
    pub(super) fn handle_job_done(&mut self, job: Job, code: i32, now: Instant) {
        match job {
            Job::Modules if self.watchdog.is_none() => self.watchdog = Watchdog::open(),
            Job::RootCheck if code == i32::from(root_check::DAMAGED) => self.handle_damaged(),
            // A check that could not be made proves nothing against the system.
            Job::RootCheck => self.duties.root = Root::Sound,
            Job::Mirror if code != 0 => {
                self.say("What is wrong with gateway.toml could not be written to the card's first partition.");
            }
            _ => {}
        }
        // Something may be waiting for this child to be done.
        self.duties.fed = self.duties.fed.min(now);
    }

    fn handle_damaged(&mut self) {
        self.duties.root = Root::Damaged;
        if let Some(card) = &self.card {
            counter::note(&card.disk.node(), card.words.slot, Reason::Damaged);
            let slot = card.words.slot;
            self.say(&root_check::sentence(slot));
        }
    }

    /// Checks the root once the gateway is well, and confirms the slot once both have proved themselves.
    fn prove(&mut self, now: Instant) {
        let Some(card) = &self.card else { return };
        if self.duties.root == Root::Unchecked && self.supervisor.health().steady(now) >= CHECK_AFTER {
            let (disk, words) = (card.disk.clone(), card.words.clone());
            if self.start_job(Job::RootCheck, now, move |_| root_check::run_in_child(&disk, &words)) {
                self.duties.root = Root::Checking;
            }
        } else if self.duties.root == Root::Sound && !self.duties.confirmed && self.supervisor.health().proved(now) {
            self.duties.confirmed = true;
            let slot = card.words.slot;
            match counter::update(&card.disk.node(), |counter| (counter.confirm(slot), ())) {
                Ok(()) => self.say(&format!("System {} works: this start is confirmed.", slot.name())),
                Err(error) => {
                    self.say(&format!("This start cannot be confirmed: the card cannot be written ({error})."))
                }
            }
        }
    }

    fn mirror(&mut self, now: Instant) {
        let Some(card) = &self.card else { return self.duties.mirror_due = None };
        if self.tasks.busy(Job::HandOver) {
            // p1 is mounted by one child at a time.
            return self.duties.mirror_due = Some(now + MIRROR_AFTER);
        }
        let complaints = config_copy::complaints();
        if complaints == self.duties.complaints {
            self.duties.mirror_due = None;
            return;
        }
        let (disk, text) = (card.disk.clone(), complaints.clone());
        let started = self.start_job(Job::Mirror, now, move |_| {
            let loader = Loader::read();
            u8::from(config_copy::mirror(&disk, &loader.index(), text.as_deref()).is_err())
        });
        self.duties.mirror_due = None;
        if started {
            // Tried once for each new text, whether it works or not.
            self.duties.complaints = complaints;
            self.duties.mirrored = now;
        } else {
            self.duties.mirror_due = Some(now + MIRROR_EVERY);
        }
    }

    /// Copies the user's folders once the gateway is up, which does without them until then.
    fn hand_over(&mut self, now: Instant) {
        let Some(card) = &self.card else { return };
        // p1 is mounted by one child at a time.
        let ready = self.supervisor.health().steady(now) >= HAND_OVER_AFTER && !self.tasks.busy(Job::Mirror);
        if !self.duties.folders.is_empty() && ready {
            let (disk, folders) = (card.disk.clone(), self.duties.folders.clone());
            let started = self.start_job(Job::HandOver, now, move |consoles| {
                let loader = Loader::read();
                let index = loader.index();
                let mut failed = false;
                for folder in folders {
                    if let Err(error) = folder.fetch(&disk, &index) {
                        failed = true;
                        consoles.say(&format!("The {} could not all be handed over: {error:#}.", folder.what));
                    }
                }
                u8::from(failed)
            });
            if started {
                self.duties.folders.clear();
            }
        }
    }

    /// The gateway has been silent or unsteady for too long, over all restarts: the machine is restarted. The watchdog does that,
    /// since it is not fed any more; where there is none, or it fails, we do.
    fn mourn(&mut self, now: Instant) -> Option<End> {
        if !self.supervisor.health().lost(now) {
            self.duties.lost = None;
            return None;
        }
        let since = match self.duties.lost {
            Some(since) => since,
            None => {
                self.duties.lost = Some(now);
                self.say("The gateway program does not stay alive: the machine restarts.");
                if let Some(card) = &self.card {
                    counter::note(&card.disk.node(), card.words.slot, Reason::GatewayDead);
                }
                let _ = clock::save();
                nix::unistd::sync();
                now
            }
        };
        let armed = self.watchdog.is_some();
        (!armed || now.since(since) >= WATCHDOG_MERCY).then_some(End::Restart)
    }
}

fn tell_failed(consoles: &mut Consoles, failed: &[String]) -> u8 {
    if !failed.is_empty() {
        consoles.say(&format!("Drivers that could not be loaded: {}.", failed.join(", ")));
    }
    u8::from(!failed.is_empty())
}
