//! The kernel's network state as a value: it takes the gateway's steps, or refuses them.

use gatepost_core::net::MacAddr;
use gatepost_core::plan::{Change, LinkState, PresentLink, Snapshot};

/// The links of a fresh machine.
const LINKS: [(&str, u32); 3] = [("lo", 1), ("eth0", 2), ("eth1", 3)];

/// What a look at the kernel would show.
pub struct Kernel(pub Snapshot);

impl Kernel {
    /// A machine with `lo`, `eth0` and `eth1`, all of them down and without addresses.
    pub fn new() -> Self {
        let links = LINKS.iter().map(|(name, index)| present(name, *index)).collect();
        let mut kernel = Snapshot { links, ..Snapshot::default() };
        for (name, index) in LINKS {
            let state = LinkState { index, up: false, mtu: 1500, addresses: Default::default() };
            kernel.state.links.insert(name.into(), state);
        }
        Self(kernel)
    }

    /// Takes the steps in their order, but for those that `refuses` names. Returns what failed, as the shell would
    /// say it.
    pub fn apply(&mut self, changes: Vec<Change>, mut refuses: impl FnMut(&Change) -> bool) -> Vec<String> {
        let mut failures = Vec::new();
        for change in changes {
            if refuses(&change) || !self.take(change.clone()) {
                failures.push(format!("The kernel refuses {change:?}."));
            }
        }
        failures
    }

    /// False if the change is about a link that is not there.
    fn take(&mut self, change: Change) -> bool {
        let state = &mut self.0.state;
        match change {
            Change::InstallFilter(filter) => state.filter = Some(filter),
            Change::SetSysctl { path, value } => drop(state.sysctls.insert(path, value)),
            Change::RemoveRoute { destination, .. } => drop(state.routes.remove(&destination)),
            Change::PutRoute { destination, route, .. } => drop(state.routes.insert(destination, route)),
            Change::ForgetFlows { .. } => {}
            // As the shell does: without a filter nothing is forwarded.
            Change::SetForwarding(true) if state.filter.is_none() => return false,
            Change::SetForwarding(on) => state.forwarding = on,
            Change::RemoveAddress { interface, address, .. } => {
                return state.links.get_mut(&interface).is_some_and(|link| link.addresses.remove(&address));
            }
            Change::AddAddress { interface, address, .. } => {
                return state.links.get_mut(&interface).map(|link| link.addresses.insert(address)).is_some();
            }
            Change::SetMtu { interface, mtu, .. } => {
                return state.links.get_mut(&interface).map(|link| link.mtu = mtu).is_some();
            }
            Change::SetUp { interface, up, .. } => {
                return state.links.get_mut(&interface).map(|link| link.up = up).is_some();
            }
        }
        true
    }
}

impl Default for Kernel {
    fn default() -> Self {
        Self::new()
    }
}

fn present(name: &str, index: u32) -> PresentLink {
    let mac = MacAddr([2, 0, 0, 0, 0, index as u8]);
    PresentLink { name: name.into(), index, mac, carrier: true, mtu: 1500, mtu_max: 9000 }
}
