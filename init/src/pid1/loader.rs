//! Loading kernel modules: the hardware says what it is (modalias), the image's index says which module that is.
//!
//! A few short-lived threads load what does not depend on each other side by side: most of a module's time is its
//! signature check and its probe, and there is more than one processor.

use super::files;
use gatepost_core::card;
use gatepost_core::modules::{Index, Step};
use nix::kmod::{ModuleInitFlags, finit_module};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::Path;
use std::sync::{Condvar, Mutex, PoisonError};

/// Threads that load, the caller's included.
const THREADS: usize = 3;
/// The index has some 3000 lines of 100 bytes.
const MAX_INDEX_BYTES: usize = 4 << 20;
/// A chain of drivers (controller, bus, device, function) is shorter than this; each round loads one link of it.
const MAX_ROUNDS: usize = 6;

/// The index of the file system that is the root now.
pub struct Loader {
    text: String,
}

impl Loader {
    /// Reads the index; an image without one has everything built in.
    pub fn read() -> Self {
        Self::read_from(card::MODULES_INDEX)
    }

    /// Reads the index of what stage one loads without waiting for it.
    pub fn read_ahead() -> Self {
        Self::read_from(card::AHEAD_INDEX)
    }

    fn read_from(path: &str) -> Self {
        Self { text: files::read_text(path, MAX_INDEX_BYTES).unwrap_or_default() }
    }

    /// The parsed index.
    pub fn index(&self) -> Index<'_> {
        Index::parse(&self.text)
    }
}

/// Loads `wanted` and what it needs. Returns the names that failed, with the reason.
pub fn load<'n>(index: &Index, wanted: impl IntoIterator<Item = &'n str>) -> Vec<String> {
    let steps: Vec<Step> = index.order(wanted);
    let board = Board { state: Mutex::new(Progress::new(&steps)), changed: Condvar::new() };
    let open = steps.iter().filter(|step| !is_loaded(step.name)).count();
    std::thread::scope(|scope| {
        for _ in 1..THREADS.min(open) {
            // A thread that cannot be made is not needed: the caller does its work.
            let _ = std::thread::Builder::new().stack_size(64 * 1024).spawn_scoped(scope, || work(&steps, &board));
        }
        work(&steps, &board);
    });
    board.state.into_inner().unwrap_or_else(PoisonError::into_inner).failed
}

/// Loads `first` and the modules of all hardware that the kernel has found, in one batch and that order; then again for
/// the hardware that has appeared through it, until nothing new does. Returns the failures.
pub fn coldplug(index: &Index, first: &[&str]) -> Vec<String> {
    let mut known = BTreeSet::new();
    let mut failed = Vec::new();
    for round in 0..MAX_ROUNDS {
        let fresh: Vec<String> = hardware().into_iter().filter(|alias| known.insert(alias.clone())).collect();
        let found = fresh.iter().flat_map(|alias| index.for_hardware(alias));
        let first = if round == 0 { first } else { &[] };
        let wanted: Vec<&str> = first.iter().copied().chain(found).collect();
        if wanted.iter().all(|name| is_loaded(name)) {
            break;
        }
        failed.extend(load(index, wanted));
    }
    failed
}

/// Loads the modules for hardware that has just come.
pub fn hotplug(index: &Index, aliases: &[String]) -> Vec<String> {
    load(index, aliases.iter().flat_map(|alias| index.for_hardware(alias)))
}

struct Board {
    state: Mutex<Progress>,
    changed: Condvar,
}

struct Progress {
    taken: Vec<bool>,
    done: Vec<bool>,
    failed: Vec<String>,
}

impl Progress {
    fn new(steps: &[Step]) -> Self {
        Self { taken: vec![false; steps.len()], done: vec![false; steps.len()], failed: Vec::new() }
    }

    /// The first step that nobody has taken and whose predecessors are done.
    fn take(&mut self, steps: &[Step]) -> Take {
        let is_done = |at: &usize| self.done.get(*at).copied().unwrap_or(true);
        let mut open = self.taken.iter().enumerate().filter(|(_, taken)| !**taken).map(|(at, _)| at).peekable();
        if open.peek().is_none() {
            return Take::Finished;
        }
        match open.find(|at| steps.get(*at).is_none_or(|step| step.after.iter().all(is_done))) {
            Some(at) => {
                self.taken.iter_mut().skip(at).take(1).for_each(|taken| *taken = true);
                Take::Step(at)
            }
            None => Take::Wait,
        }
    }
}

enum Take {
    Step(usize),
    Wait,
    Finished,
}

fn work(steps: &[Step], board: &Board) {
    let mut state = board.state.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        match state.take(steps) {
            Take::Finished => return,
            // Someone holds what we wait for: steps only wait for earlier ones, so there always is a runner.
            Take::Wait => state = board.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            Take::Step(at) => {
                drop(state);
                let result = steps.get(at).map_or(Ok(()), load_one);
                state = board.state.lock().unwrap_or_else(PoisonError::into_inner);
                state.failed.extend(result.err());
                state.done.iter_mut().skip(at).take(1).for_each(|done| *done = true);
                board.changed.notify_all();
            }
        }
    }
}

fn load_one(step: &Step) -> Result<(), String> {
    if is_loaded(step.name) {
        return Ok(());
    }
    let file = File::open(Path::new(card::MODULES_DIR).join(step.path)).map_err(|e| format!("{}: {e}", step.name))?;
    match finit_module(&file, c"", ModuleInitFlags::empty()) {
        // ENODEV: a driver that looked for its hardware and did not find it.
        Ok(()) | Err(nix::errno::Errno::EEXIST | nix::errno::Errno::ENODEV) => Ok(()),
        Err(error) => Err(format!("{}: {}", step.name, error.desc())),
    }
}

/// Loaded and initialised, or built in. The kernel would say so too, but only after checking the signature.
fn is_loaded(name: &str) -> bool {
    let folder = Path::new("/sys/module").join(name);
    match files::read_bounded(&folder.join("initstate"), 16) {
        Ok(state) => state.starts_with(b"live"),
        Err(_) => folder.exists(),
    }
}

/// The modalias of every device on every bus, each once, in the order of the buses' and devices' names: platform and
/// PCI before USB and virtio.
fn hardware() -> Vec<String> {
    let mut paths: Vec<_> = list("/sys/bus").iter().flat_map(|bus| list(bus.join("devices"))).collect();
    paths.sort();
    let mut seen = BTreeSet::new();
    let read = |path: &std::path::PathBuf| files::read_bounded(&path.join("modalias"), 4096).ok();
    let aliases = paths.iter().filter_map(read).filter_map(|bytes| String::from_utf8(bytes).ok());
    aliases
        .map(|alias| alias.trim().to_owned())
        .filter(|alias| !alias.is_empty() && seen.insert(alias.clone()))
        .collect()
}

fn list(folder: impl AsRef<Path>) -> Vec<std::path::PathBuf> {
    fs::read_dir(folder).map(|entries| entries.filter_map(|e| Some(e.ok()?.path())).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_wait_for_what_they_need() {
        let index = Index::parse("module a a.ko\nmodule b b.ko a\nmodule c c.ko\n");
        let steps = index.order(["b", "c"]);
        let mut progress = Progress::new(&steps);
        assert!(matches!(progress.take(&steps), Take::Step(0)));
        assert!(matches!(progress.take(&steps), Take::Step(2)), "c need not wait");
        assert!(matches!(progress.take(&steps), Take::Wait), "b must");
        progress.done[0] = true;
        assert!(matches!(progress.take(&steps), Take::Step(1)));
        assert!(matches!(progress.take(&steps), Take::Finished));
    }

    #[test]
    fn what_cannot_be_loaded_is_named_and_stops_nothing() {
        let text: String = (0..50).map(|n| format!("module none{n} none{n}.ko none{}\n", n + 1)).collect();
        let index = Index::parse(&text);
        assert_eq!(load(&index, ["none0", "unknown"]).len(), 50);
    }
}
