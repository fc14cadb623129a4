//! Which names of machines the DNS is given: those of the configuration, then those of leases.
//!
//! The DNS holds [`MAX_NAMES`] of them, fewer than there may be leases, and refuses the last. Hosts of the configuration come
//! first, so that no lease ever takes a host's place; that leases went without is said once, and shown for as long.

use super::Gateway;
use crate::dns::{MAX_NAMES, NameRecord};
use crate::time::Instant;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// The names that the DNS was given, and what became of them.
#[derive(Default)]
pub(super) struct Names {
    /// In their order.
    given: Vec<NameRecord>,
    /// How many of them it refused.
    refused: usize,
}

impl Names {
    /// What a person is to know, while names are refused.
    pub(super) fn trouble(&self) -> Option<String> {
        let Names { refused, .. } = *self;
        (refused > 0).then(|| format!("the DNS holds {MAX_NAMES} names of machines; {refused} leases are without one"))
    }
}

impl Gateway {
    /// Brings the DNS's names in line with hosts and leases.
    pub(super) fn update_names(&mut self, now: Instant) {
        let hosts = self.server.settings().hosts.iter();
        let mut wanted: Vec<_> =
            hosts.filter_map(|host| Some(NameRecord { name: host.name.clone(), address: host.address? })).collect();
        let fixed: BTreeSet<String> = wanted.iter().map(|record| record.name.clone()).collect();
        let leased = self.server.leases().filter(|lease| lease.is_live());
        let leased = leased.filter_map(|lease| {
            let name = lease.host_name.clone().filter(|name| !fixed.contains(name))?;
            Some(NameRecord { name, address: lease.address })
        });
        wanted.extend(leased);
        if wanted == self.names.given {
            return;
        }
        let refused = self.dns.set_names(&wanted);
        let before = core::mem::replace(&mut self.names, Names { given: wanted, refused });
        match (before.trouble(), self.names.trouble()) {
            (None, Some(trouble)) => self.say(now, &format!("Too many names: {trouble}.")),
            (Some(_), None) => self.say(now, "The DNS holds the names of all leases again."),
            _ => {}
        }
    }
}
