//! Stage two: from the read-only root to a running gateway. The steps are ordered for the time to the first lease: the
//! drivers load in a child while the config partition is mounted, and nothing waits for hardware.

use super::config_partition::{self, Opened};
use super::console::Consoles;
use super::disk::Disk;
use super::event_loop::{Card, System};
use super::loader::Loader;
use super::machine::{self, End};
use super::watchdog::Watchdog;
use super::{clock, config_copy, counter, files, host_name, memory, mounts, query, shutdown, stage_one};
use gatepost_core::card::{self, cmdline::BootWords};
use gatepost_core::modules::Index;

/// One sentence about the boot slots, for the gateway's status.
const SLOTS_FILE: &str = "/run/gatepost/system.txt";

/// Runs stage two until the machine ends. Returns only when it refuses to end.
pub fn run() {
    let watchdog = std::env::var(stage_one::WATCHDOG_FD).ok().and_then(|fd| Watchdog::adopt(fd.parse().ok()?));
    let consoles = Consoles::open();
    consoles.single_keys();
    host_name::set(host_name::FIRST);
    // Ctrl-Alt-Del becomes a signal to us instead of a restart on the spot.
    let _ = nix::sys::reboot::set_cad_enabled(false);
    let _ = mounts::TMP.mount();
    let end = match System::new(consoles, watchdog) {
        Ok(mut system) => {
            start(&mut system);
            memory::give_back();
            let end = system.run();
            shutdown::run(&mut system, end);
            end
        }
        // No signals, no pipes: nothing can be run. The next start may have more luck, or the other system.
        Err(_) => End::Restart,
    };
    machine::end(end);
}

fn start(system: &mut System) {
    machine::mark("stage two");
    system.duties.handle_lost_hardware();
    system.load_modules(machine::now());
    let loader = Loader::read();
    let index = loader.index();
    let words = files::read_text("/proc/cmdline", 4096).ok().and_then(|line| BootWords::parse(&line).ok());
    let card = words.and_then(|words| Some(Card { disk: Disk::find(words.disk)?, words }));
    if let Some(card) = &card {
        let opened = config_partition::open(&card.disk, &index, system.watchdog.as_mut());
        machine::mark("config partition mounted");
        tell_opened(system, opened);
    } else {
        system.say("The card was not found again: nothing will be remembered.");
    }
    clock::set();
    system.open_run_folder();
    if let Some(card) = card {
        fetch_config(system, &card, &index);
        machine::mark("gateway.toml fetched");
        describe_slots(&card);
        system.say(&banner(&card.words));
        system.card = Some(card);
    }
}

fn tell_opened(system: &mut System, opened: Opened) {
    match opened {
        Opened::Fine => {}
        Opened::Recreated => system.say(
            "The card's partition for leases and settings was damaged: it was made anew with what could be read, and the \
             old one is kept in it as damaged.img.",
        ),
        Opened::Ram => system.say(
            "The card's partition for leases and settings cannot be used: leases will be forgotten at the next restart.",
        ),
    }
}

fn fetch_config(system: &mut System, card: &Card, index: &Index) {
    match config_copy::fetch(&card.disk, index) {
        Ok(found) => {
            system.duties.set_complaints(found.errors);
            for folder in found.folders {
                match folder.prepare() {
                    Ok(()) => system.duties.add_folder(folder),
                    Err(error) => system.say(&format!("The {} cannot be handed over: {error}.", folder.what)),
                }
            }
            if !found.config {
                system
                    .say("The card's first partition has no gateway.toml: the last good one or the defaults are used.");
            }
        }
        Err(error) => {
            system.say(&format!("gateway.toml cannot be read: {error:#}. The last good one or the defaults are used."));
        }
    }
}

fn banner(words: &BootWords) -> String {
    let release = files::read_text(card::RELEASE_FILE, 4096).unwrap_or_default();
    let version = release.lines().find_map(|line| line.strip_prefix("version=")).unwrap_or(env!("CARGO_PKG_VERSION"));
    format!("Gatepost {version}, system {}. {}", words.slot.name(), query::HELP.trim_end())
}

fn describe_slots(card: &Card) {
    let Ok(found) = counter::read(&card.disk.node()) else { return };
    let (slot, other) = (card.words.slot, card.words.slot.other());
    let record = found.counter.slot(other);
    let text = if record.given_up {
        format!("Running system {}; system {} was given up: {}.\n", slot.name(), other.name(), record.reason.text())
    } else {
        format!("Running system {}.\n", slot.name())
    };
    let _ = std::fs::write(SLOTS_FILE, text);
}
