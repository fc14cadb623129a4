//! The kernel's network state, read and written: links, addresses, routes, parameters, packet filter.
//!
//! ```text
//!  monitor.changed() ──► network.snapshot() ──► core::plan::plan, reconcile ──► network.apply(changes) ──► failures
//! ```
//! A notification is only a reason to look again: whatever it says, and also when the kernel had to drop some
//! (ENOBUFS), the whole state is read. Nothing here decides anything.
//!
//! Connections that an old uplink address translated need no clean-up of ours: the kernel's masquerading forgets them
//! when the address or its device goes.

mod apply;
mod counters;
mod flows;
mod links;
mod nft;
mod sysctl;
#[cfg(test)]
mod tests;

pub use counters::{connections, counters};
pub use links::Monitor;
pub use sysctl::memory_bytes;

use anyhow::{Context, Result};
use gatepost_core::plan::{Change, Filter, Snapshot};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// How long the kernel may take for one request. It answers within microseconds unless it hangs.
const REQUEST_DEADLINE: Duration = Duration::from_secs(2);

/// A step that could not be taken. `Display` is one sentence for the log.
#[derive(Debug)]
pub struct Failure {
    /// What was to be done.
    pub change: Change,
    /// Why it could not be.
    pub error: anyhow::Error,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Could not {}: {:#}.", self.change, self.error)
    }
}

/// The way to the kernel.
pub struct Network {
    handle: rtnetlink::Handle,
    /// The filter that this process has put in force; `None` after a start, since it can't be read back.
    filter: Option<Filter>,
    fast_path: bool,
    /// An uplink that stays without address and routes because the filter that guards it could not be installed.
    unguarded: Option<String>,
}

impl Network {
    /// Opens a route netlink socket. To be called inside a tokio runtime, which serves the socket from then on.
    pub fn open() -> Result<Self> {
        let (connection, handle, _) = rtnetlink::new_connection().context("open a route netlink socket")?;
        tokio::spawn(connection);
        Ok(Self { handle, filter: None, fast_path: false, unguarded: None })
    }

    /// Whether established flows take the kernel's short cut; for the status page.
    pub fn fast_path(&self) -> bool {
        self.fast_path
    }

    /// Reads the kernel's state. `managed`: the interfaces whose addresses and routes count, apart from `lo`.
    /// `sysctls`: the wanted ones ([`gatepost_core::plan::sysctls`]); those that can't be written are left out.
    pub async fn snapshot(&self, managed: &[&str], sysctls: &BTreeMap<String, String>) -> Result<Snapshot> {
        let read = links::snapshot(&self.handle, managed);
        let mut snapshot =
            tokio::time::timeout(REQUEST_DEADLINE, read).await.context("the kernel does not answer")??;
        snapshot.state.sysctls = sysctl::read_all(sysctls.keys());
        snapshot.state.forwarding = sysctl::forwarding();
        snapshot.state.filter = self.filter.clone();
        Ok(snapshot)
    }

    /// Takes the steps, in their order. One that fails does not keep the others from being tried, with two exceptions:
    /// without a packet filter in force the uplink gets no address and no route, and forwarding stays off.
    pub async fn apply(&mut self, changes: &[Change]) -> Vec<Failure> {
        let mut failures = Vec::new();
        for change in changes {
            if let Err(error) = self.apply_one(change).await {
                failures.push(Failure { change: change.clone(), error });
            }
        }
        failures
    }
}
