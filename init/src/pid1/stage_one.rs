//! Stage one: `/init` of the initramfs. From the bare kernel to the root file system of this slot. Whatever fails here
//! is said on the console in one plain line, and the machine restarts: the start was counted, so a system that fails
//! again and again is left for the other one. The watchdog, armed as soon as its driver is there, covers the rest.

use super::console::Consoles;
use super::disk::{Disk, Partition};
use super::dm::{self, OnDamage};
use super::loader::{self, Loader};
use super::machine::{self, End};
use super::selector::{self, Access};
use super::uevent::{Received, Uevents};
use super::watchdog::Watchdog;
use super::{STAGE_TWO, counter, files, mounts, root_check, switch_root};
use anyhow::{Context, bail};
use gatepost_core::card::{self, Slot, cmdline::BootWords};
use gatepost_core::slots::{Counter, MAX_STARTS, Reason, Verdict};
use gatepost_core::time::Duration;
use nix::mount::{MsFlags, mount};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::ffi::CString;
use std::os::fd::AsFd;

/// How long a card may take to appear: slow cards take three seconds, card readers on USB ten.
const CARD_LIMIT: Duration = Duration::from_secs(30);
/// How long to wait for drivers that are not needed for the root; one that hangs in the kernel must not stop the rest.
const AHEAD_LIMIT: std::time::Duration = std::time::Duration::from_secs(10);
/// How long the reason of a failure stays on the screen.
const READING_TIME: std::time::Duration = std::time::Duration::from_secs(5);
/// Longest kernel command line (arm64: 2048).
const MAX_CMDLINE_BYTES: usize = 4096;
const NEW_ROOT: &str = "/root";
const SELECTOR_POINT: &str = "/selector";
/// Environment word that tells stage two which descriptor is the armed watchdog.
pub const WATCHDOG_FD: &str = "GATEPOST_WATCHDOG_FD";

/// Runs stage one. Returns only when the machine refuses to restart.
pub fn run() {
    for part in &mounts::KERNEL {
        let _ = part.mount();
    }
    let mut start = Start { consoles: Consoles::open(), watchdog: None, card: None, suspicious: false };
    if let Err(error) = start.steps() {
        start.fail(&error);
    }
    machine::end(End::Restart);
}

struct Start {
    consoles: Consoles,
    watchdog: Option<Watchdog>,
    /// Known once the card is found.
    card: Option<(Disk, Slot)>,
    /// The last start failed: look at the root before using it, since there is time now and something to find.
    suspicious: bool,
}

impl Start {
    fn steps(&mut self) -> anyhow::Result<()> {
        // There is no modprobe: spare the kernel the attempts to call it.
        let _ = std::fs::write("/proc/sys/kernel/modprobe", "\n");
        machine::mark("stage one");
        let words = BootWords::parse(&files::read_text("/proc/cmdline", MAX_CMDLINE_BYTES)?)?;
        let loader = Loader::read();
        let index = loader.index();
        let uevents = Uevents::open()?;
        // First what the index names, of that the watchdog's driver first: on the Pi no restart is possible without it.
        let missing = loader::coldplug(&index, index.load());
        self.watchdog = Watchdog::open();
        let (done, ahead) = std::sync::mpsc::channel();
        // Without the thread the channel closes, and nothing is waited for.
        let _ = std::thread::Builder::new().spawn(move || {
            load_ahead();
            done.send(())
        });

        let (disk, root) = self.find_card(&words, &index, &uevents).with_context(|| match missing.as_slice() {
            [] => "no further hints".to_owned(),
            _ => format!("drivers that could not be loaded: {}", missing.join(", ")),
        })?;
        self.card = Some((disk.clone(), words.slot));
        machine::mark("card found");
        if let Verdict::SwitchTo(other) = self.count(&disk, words.slot)
            && self.switch(&disk, &index, words.slot, other)
        {
            return Ok(());
        }
        if self.suspicious && root_check::run(&disk, &words) == root_check::DAMAGED {
            counter::note(&disk.node(), words.slot, Reason::Damaged);
            self.consoles.say(&root_check::sentence(words.slot));
            self.pause();
            return Ok(());
        }
        machine::mark("start counted");
        let node = dm::open_verity("gatepost-root", &root.device, &words.verity, OnDamage::Panic)
            .context("the checked device for the root file system cannot be made")?;
        let _ = std::fs::create_dir(NEW_ROOT);
        let flags = MsFlags::MS_RDONLY | MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
        mount(Some(&node), NEW_ROOT, Some("squashfs"), flags, None::<&str>)
            .context("the root file system cannot be mounted")?;
        drop(loader);
        machine::mark("root mounted");
        // Its files are about to go.
        let _ = ahead.recv_timeout(AHEAD_LIMIT);
        machine::mark("modules ahead loaded");
        switch_root::to(NEW_ROOT)?;
        self.hand_over()
    }

    /// Waits until the card and this slot's root partition are there, loading drivers for what appears meanwhile.
    fn find_card(
        &mut self,
        words: &BootWords,
        index: &gatepost_core::modules::Index,
        uevents: &Uevents,
    ) -> anyhow::Result<(Disk, Partition)> {
        let deadline = machine::now() + CARD_LIMIT;
        loop {
            if let Some(disk) = Disk::find(words.disk)
                && let Some(root) = disk.partition(words.slot.root_partition())
            {
                return Ok((disk, root));
            }
            let left = deadline.since(machine::now());
            if left == Duration::ZERO {
                bail!(
                    "no disk with signature {:08x} was found: the card that this system was started from",
                    words.disk
                );
            }
            let wait = PollTimeout::try_from(left.min(Duration::from_secs(4))).unwrap_or(PollTimeout::ZERO);
            let _ = poll(&mut [PollFd::new(uevents.as_fd(), PollFlags::POLLIN)], wait);
            if let Some(watchdog) = &mut self.watchdog {
                watchdog.feed();
            }
            let mut aliases = Vec::new();
            loop {
                match uevents.receive() {
                    Received::Event(event) if event.action == "add" && !event.modalias.is_empty() => {
                        aliases.push(event.modalias)
                    }
                    Received::Event(_) => {}
                    Received::Overrun => drop(loader::coldplug(index, &[])),
                    Received::Empty => break,
                }
            }
            loader::hotplug(index, &aliases);
        }
    }

    /// Counts this start on the card. A card that cannot be written still starts what it holds.
    fn count(&mut self, disk: &Disk, slot: Slot) -> Verdict {
        let counted = counter::update(&disk.node(), |counter| (true, (counter.start(slot), *counter)));
        match counted {
            Ok((verdict, counter)) => {
                self.suspicious = counter.slot(slot).starts > 1;
                self.tell(&counter, slot, verdict);
                verdict
            }
            Err(error) => {
                self.consoles.say(&format!(
                    "The card cannot be written ({error}); starting system {} all the same.",
                    slot.name()
                ));
                Verdict::GoOn
            }
        }
    }

    fn tell(&mut self, counter: &Counter, slot: Slot, verdict: Verdict) {
        let (record, name) = (counter.slot(slot), slot.name());
        let why = record.reason.text();
        match verdict {
            Verdict::GoOn if record.starts > 1 => self.consoles.say(&format!(
                "System {name}: start {} of {MAX_STARTS} before it is given up. The last one failed: {why}.",
                record.starts
            )),
            Verdict::GoOn => {}
            Verdict::SwitchTo(other) => {
                if counter.hopeless() {
                    self.consoles.say("No system on this card starts: flash it again.");
                }
                self.consoles.say(&format!(
                    "System {name} failed {MAX_STARTS} times in a row ({why}): changing to system {} and restarting.",
                    other.name()
                ));
            }
        }
    }

    /// Selects the other system. Returns whether that worked; if not, the running one gets another chance.
    fn switch(&mut self, disk: &Disk, index: &gatepost_core::modules::Index, from: Slot, to: Slot) -> bool {
        let _ = std::fs::create_dir(SELECTOR_POINT);
        let result = selector::with(disk, index, SELECTOR_POINT, Access::Write, |folder| selector::select(folder, to));
        if let Err(error) = &result {
            let name = from.name();
            self.consoles
                .say(&format!("The other system cannot be selected ({error:#}); trying system {name} once more."));
        } else {
            self.consoles.drain(std::time::Duration::from_secs(2));
        }
        result.is_ok()
    }

    /// Becomes stage two. Returns only with an error.
    fn hand_over(&mut self) -> anyhow::Result<()> {
        self.consoles.drain(std::time::Duration::from_millis(100));
        let program = CString::new(card::PROGRAM)?;
        let words = [CString::new("init")?, CString::new(STAGE_TWO)?];
        let mut environment = Vec::new();
        if let Some(mut watchdog) = self.watchdog.take() {
            watchdog.feed();
            environment.push(CString::new(format!("{WATCHDOG_FD}={}", watchdog.hand_over()))?);
        }
        nix::unistd::execve(&program, &words, &environment).context("the program cannot be started")?;
        Ok(())
    }

    fn fail(&mut self, error: &anyhow::Error) {
        if let Some((disk, slot)) = &self.card {
            counter::note(&disk.node(), *slot, Reason::NoRoot);
        }
        self.consoles.say(&format!("This system cannot be started: {error:#}. Restarting."));
        self.pause();
    }

    /// Leaves the last line on the screen for a while.
    fn pause(&mut self) {
        self.consoles.drain(READING_TIME);
        if let Some(watchdog) = &mut self.watchdog {
            watchdog.feed();
        }
        std::thread::sleep(READING_TIME);
    }
}

/// Loads what stage two will want first, beside the way to the root. What fails is tried again, and told, there.
fn load_ahead() {
    let loader = Loader::read_ahead();
    let index = loader.index();
    drop(loader::coldplug(&index, index.load()));
}
