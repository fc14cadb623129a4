//! Whether it is the line that is down, or only a name: after the first no failure is worth remembering for long.
//!
//! An outage beyond the home router changes no link and no lease; all that shows is that one name after the other fails.
//! When [`NAMES`] different ones have failed with no answer between them, the next answer says that the outage is over,
//! and the pauses that had grown meanwhile (RFC 9520 section 3.2) are cut short. One broken name, however often it is
//! asked for, is no outage and keeps its pause. Each domain with servers of its own has its own line.

use super::name::Name;
use alloc::vec::Vec;
use heapless::Vec as Few;

/// Different names that have to fail in a row.
pub(super) const NAMES: usize = 3;

/// What failed since the last answer. There are at most as many lines as there are domains with servers, and one.
#[derive(Default)]
pub(super) struct Outage {
    /// By the domain whose servers were asked; `None`: all others.
    failed: Vec<(Option<Name>, Few<Name, NAMES>)>,
}

impl Outage {
    /// No server had an answer for `name`.
    pub(super) fn failed(&mut self, line: Option<&Name>, name: &Name) {
        let known = self.failed.iter().position(|(other, _)| other.as_ref() == line);
        match known.and_then(|at| self.failed.get_mut(at)) {
            // What does not fit is not needed.
            Some((_, names)) if !names.contains(name) => drop(names.push(*name)),
            Some(_) => {}
            None => self.failed.push((line.copied(), core::iter::once(*name).collect())),
        }
    }

    /// A server had an answer. Whether that ends an outage.
    pub(super) fn answered(&mut self, line: Option<&Name>) -> bool {
        let known = self.failed.iter().position(|(other, _)| other.as_ref() == line);
        known.is_some_and(|at| self.failed.swap_remove(at).1.is_full())
    }
}
