//! Which kernel modules to load, in which order, for which hardware: the appliance has no modprobe, the image has a
//! small index of its own, `modules.index`. Lines of UTF-8, fields separated by one space, `#` starts a comment:
//!
//! ```text
//! module NAME PATH [DEP...]   a module, its file, and what must be loaded before it (dependencies and soft ones)
//! alias PATTERN NAME          load NAME for hardware whose modalias matches PATTERN
//! load NAME                   load at boot, in this order
//! ```
//!
//! Left out: options, blacklists, post-softdeps, aliases of anything but hardware.

pub mod glob;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

/// Most modules kept: twenty times what the image has.
pub const MAX_MODULES: usize = 4096;
/// Most alias lines kept: USB network drivers bring some two thousand.
pub const MAX_ALIASES: usize = 32_768;
/// Most dependencies of one module kept.
pub const MAX_DEPS: usize = 64;

/// One module of the index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module<'a> {
    /// As the kernel names it: underscores, no path, no suffix.
    pub name: &'a str,
    /// File, relative to the modules folder. Never absolute and without `..`.
    pub path: &'a str,
    deps: Vec<&'a str>,
}

/// A module to load, by its place in the order that [`Index::order`] gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step<'a> {
    /// What to load.
    pub name: &'a str,
    /// From which file, relative to the modules folder.
    pub path: &'a str,
    /// Earlier steps that must be done first.
    pub after: Vec<usize>,
}

/// The parsed index. Borrows the text.
#[derive(Clone, Debug, Default)]
pub struct Index<'a> {
    modules: BTreeMap<&'a str, Module<'a>>,
    aliases: Vec<(&'a str, &'a str)>,
    load: Vec<&'a str>,
    bad_lines: usize,
}

impl<'a> Index<'a> {
    /// Reads an index. A line that is malformed or over a limit is skipped and counted: half an index still starts
    /// half the hardware.
    pub fn parse(text: &'a str) -> Self {
        let mut index = Self::default();
        for line in text.lines() {
            if !line.is_empty() && !line.starts_with('#') && index.line(line).is_none() {
                index.bad_lines = index.bad_lines.saturating_add(1);
            }
        }
        index
    }

    fn line(&mut self, line: &'a str) -> Option<()> {
        let mut fields = line.split(' ');
        let (verb, first) = (fields.next()?, fields.next().filter(|field| !field.is_empty())?);
        match verb {
            "module" => {
                let path = fields.next().filter(|path| is_inside(path))?;
                let deps: Vec<&str> = fields.filter(|dep| !dep.is_empty()).collect();
                let fits = self.modules.len() < MAX_MODULES && deps.len() <= MAX_DEPS;
                fits.then(|| self.modules.insert(first, Module { name: first, path, deps })).map(drop)
            }
            "alias" => {
                let name = fields.next().filter(|name| !name.is_empty())?;
                let fits = self.aliases.len() < MAX_ALIASES && fields.next().is_none();
                fits.then(|| self.aliases.push((first, name)))
            }
            "load" => {
                let fits = self.load.len() < MAX_MODULES && fields.next().is_none();
                fits.then(|| self.load.push(first))
            }
            _ => None,
        }
    }

    /// Lines that could not be used.
    pub fn bad_lines(&self) -> usize {
        self.bad_lines
    }

    /// Whether the index has a module of this name.
    pub fn has(&self, name: &str) -> bool {
        self.modules.contains_key(name)
    }

    /// The modules to load at boot, in the order of the file.
    pub fn load(&self) -> &[&'a str] {
        &self.load
    }

    /// The modules for hardware with this modalias.
    pub fn for_hardware(&self, modalias: &str) -> impl Iterator<Item = &'a str> {
        self.aliases.iter().filter(move |(pattern, _)| glob::matches(pattern, modalias)).map(|(_, name)| *name)
    }

    /// `wanted` and everything that they need, each once, each after what it depends on, otherwise in the order of
    /// `wanted`. Names that the index does not know are left out: they are built into the kernel, or missing, which
    /// the kernel will say. A circle of dependencies is cut where it closes.
    pub fn order<'n>(&self, wanted: impl IntoIterator<Item = &'n str>) -> Vec<Step<'a>> {
        let mut order = Order { index: self, steps: Vec::new(), places: BTreeMap::new(), open: BTreeSet::new() };
        for name in wanted {
            order.add(name);
        }
        order.steps
    }
}

/// Paths come from our own build, yet PID 1 opens them as root: only plain ones below the folder.
fn is_inside(path: &str) -> bool {
    !path.is_empty() && path.split('/').all(|part| !part.is_empty() && part != "." && part != "..")
}

struct Order<'i, 'a> {
    index: &'i Index<'a>,
    steps: Vec<Step<'a>>,
    places: BTreeMap<&'a str, usize>,
    /// Modules whose dependencies are being added: meeting one again is a circle.
    open: BTreeSet<&'a str>,
}

impl<'i, 'a> Order<'i, 'a> {
    /// Depth-first with a stack of its own: the depth of a strange index must not be the depth of ours.
    fn add(&mut self, name: &str) {
        let mut stack = Vec::new();
        self.enter(name, &mut stack);
        while let Some((module, next)) = stack.last_mut() {
            let dep = module.deps.get(*next).copied();
            *next = next.saturating_add(1);
            match dep {
                Some(dep) => self.enter(dep, &mut stack),
                None => {
                    let module = *module;
                    stack.pop();
                    self.leave(module);
                }
            }
        }
    }

    fn enter(&mut self, name: &str, stack: &mut Vec<(&'i Module<'a>, usize)>) {
        let Some(module) = self.index.modules.get(name) else { return };
        if !self.places.contains_key(module.name) && self.open.insert(module.name) {
            stack.push((module, 0));
        }
    }

    fn leave(&mut self, module: &Module<'a>) {
        let after = module.deps.iter().filter_map(|dep| self.places.get(dep).copied()).collect();
        self.open.remove(module.name);
        self.places.insert(module.name, self.steps.len());
        self.steps.push(Step { name: module.name, path: module.path, after });
    }
}

#[cfg(test)]
mod tests;
