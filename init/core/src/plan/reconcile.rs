//! The steps from the actual state to the wanted one, in an order that is safe to stop at any point.

use super::{Filter, LinkState, NetworkState, Route};
use crate::config::PortForward;
use crate::net::{Ipv4Addr, Ipv4Net};
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// One step. Links carry their name for people and their index for the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Replace the packet filter.
    InstallFilter(Filter),
    /// Write a kernel parameter.
    SetSysctl {
        /// Under `/proc/sys`.
        path: String,
        /// What to write.
        value: String,
    },
    /// Remove a route of ours.
    RemoveRoute {
        /// Its destination.
        destination: Ipv4Net,
        /// The rest of it.
        route: Route,
        /// The kernel's number of the interface.
        index: u32,
    },
    /// Remove an address.
    RemoveAddress {
        /// The kernel's name of the interface.
        interface: String,
        /// The kernel's number of the interface.
        index: u32,
        /// The address.
        address: Ipv4Net,
    },
    /// Set the MTU.
    SetMtu {
        /// The kernel's name of the interface.
        interface: String,
        /// The kernel's number of the interface.
        index: u32,
        /// In bytes.
        mtu: u32,
    },
    /// Switch a link on or off.
    SetUp {
        /// The kernel's name of the interface.
        interface: String,
        /// The kernel's number of the interface.
        index: u32,
        /// On.
        up: bool,
    },
    /// Add an address.
    AddAddress {
        /// The kernel's name of the interface.
        interface: String,
        /// The kernel's number of the interface.
        index: u32,
        /// The address.
        address: Ipv4Net,
    },
    /// Add a route, in place of the one to the same destination if there is one.
    PutRoute {
        /// Its destination.
        destination: Ipv4Net,
        /// The rest of it.
        route: Route,
        /// The kernel's number of the interface.
        index: u32,
    },
    /// Forget the connections that port forwards made and that none would make now.
    ForgetFlows {
        /// The uplink's address. Those that began under another are not forgotten before there is one: it may come back.
        uplink: Option<Ipv4Addr>,
        /// The port forwards in force.
        forwards: Vec<PortForward>,
    },
    /// Pass packets from one interface to another, or stop it.
    SetForwarding(bool),
}

/// The changes that lead from `actual` to `wanted`; none if they are equal.
///
/// The order: stop forwarding if it is to stop; the packet filter before anything that lets a packet in from the uplink;
/// parameters; removals, routes before addresses; links; addresses; routes, those without a router first since they
/// make routers reachable; the flows of what is gone; and forwarding last of all (invariant 5). At a start the LAN's own link and address come
/// before all that: a new filter takes the kernel a quarter of a second on slow machines, the LAN may use every port
/// that is open there, and nothing is forwarded yet. Links that are not in `actual` have gone and are passed over.
pub fn reconcile(actual: &NetworkState, wanted: &NetworkState) -> Vec<Change> {
    let mut changes = Vec::new();
    if actual.forwarding && !wanted.forwarding {
        changes.push(Change::SetForwarding(false));
    }
    if let Some(filter) = wanted.filter.as_ref().filter(|_| actual.filter != wanted.filter) {
        changes.push(Change::InstallFilter(filter.clone()));
    }
    sysctls(actual, wanted, &mut changes);
    remove_routes(actual, wanted, &mut changes);
    let renumbered = links(actual, wanted, &mut changes);
    put_routes(actual, wanted, &renumbered, &mut changes);
    forget_flows(actual, wanted, &mut changes);
    if wanted.forwarding && !actual.forwarding {
        changes.push(Change::SetForwarding(true));
    }
    match &wanted.filter {
        Some(filter) if !actual.forwarding => lan_first(changes, &filter.lan_interface),
        _ => changes,
    }
}

/// Puts first what brings the LAN up, unless it is being renumbered.
fn lan_first(changes: Vec<Change>, lan: &str) -> Vec<Change> {
    if changes.iter().any(|change| matches!(change, Change::RemoveAddress { interface, .. } if interface == lan)) {
        return changes;
    }
    let brings_up = |change: &Change| match change {
        Change::SetUp { interface, up: true, .. } | Change::AddAddress { interface, .. } => interface == lan,
        _ => false,
    };
    let (first, rest): (Vec<_>, Vec<_>) = changes.into_iter().partition(brings_up);
    first.into_iter().chain(rest).collect()
}

fn sysctls(actual: &NetworkState, wanted: &NetworkState, changes: &mut Vec<Change>) {
    for (path, value) in &wanted.sysctls {
        if actual.sysctls.get(path).is_some_and(|now| now != value) {
            changes.push(Change::SetSysctl { path: path.clone(), value: value.clone() });
        }
    }
}

fn remove_routes(actual: &NetworkState, wanted: &NetworkState, changes: &mut Vec<Change>) {
    let stale = actual.routes.iter().filter(|(destination, _)| !wanted.routes.contains_key(destination));
    let (via_router, direct): (Vec<_>, Vec<_>) = stale.partition(|(_, route)| route.via.is_some());
    for (destination, route) in via_router.into_iter().chain(direct) {
        if let Some(index) = index(actual, &route.interface) {
            changes.push(Change::RemoveRoute { destination: *destination, route: route.clone(), index });
        }
    }
}

/// Returns the interfaces that lost an address: with its last address an interface loses its routes.
fn links<'a>(actual: &NetworkState, wanted: &'a NetworkState, changes: &mut Vec<Change>) -> BTreeSet<&'a str> {
    let pairs: Vec<(&'a String, &LinkState, &LinkState)> = wanted
        .links
        .iter()
        .filter_map(|(name, wanted)| actual.links.get(name).map(|actual| (name, actual, wanted)))
        .collect();
    let mut renumbered = BTreeSet::new();
    for (name, now, then) in &pairs {
        for address in now.addresses.difference(&then.addresses) {
            renumbered.insert(name.as_str());
            let (interface, index) = ((*name).clone(), now.index);
            changes.push(Change::RemoveAddress { interface, index, address: *address });
        }
    }
    for (name, now, then) in &pairs {
        let index = now.index;
        if now.mtu != then.mtu {
            changes.push(Change::SetMtu { interface: (*name).clone(), index, mtu: then.mtu });
        }
        if now.up != then.up {
            changes.push(Change::SetUp { interface: (*name).clone(), index, up: then.up });
        }
    }
    for (name, now, then) in &pairs {
        for address in then.addresses.difference(&now.addresses) {
            let (interface, index) = ((*name).clone(), now.index);
            changes.push(Change::AddAddress { interface, index, address: *address });
        }
    }
    renumbered
}

fn put_routes(actual: &NetworkState, wanted: &NetworkState, renumbered: &BTreeSet<&str>, changes: &mut Vec<Change>) {
    let missing = wanted.routes.iter().filter(|(destination, route)| {
        actual.routes.get(destination) != Some(route) || renumbered.contains(route.interface.as_str())
    });
    let (direct, via_router): (Vec<_>, Vec<_>) = missing.partition(|(_, route)| route.via.is_none());
    for (destination, route) in direct.into_iter().chain(via_router) {
        if let Some(index) = index(actual, &route.interface) {
            changes.push(Change::PutRoute { destination: *destination, route: route.clone(), index });
        }
    }
}

/// A filter or an address that is new may have left flows of the one before behind, also one of an earlier process.
fn forget_flows(actual: &NetworkState, wanted: &NetworkState, changes: &mut Vec<Change>) {
    let Some(filter) = &wanted.filter else { return };
    let none_before = actual.filter.as_ref().is_some_and(|before| before.forwards.is_empty());
    let uplink = filter.uplink_interface.as_ref();
    let is_new = changes.iter().any(|change| match change {
        Change::InstallFilter(_) => true,
        Change::AddAddress { interface, .. } => uplink == Some(interface),
        _ => false,
    });
    if is_new && !(none_before && filter.forwards.is_empty()) {
        let address = uplink.and_then(|uplink| wanted.links.get(uplink)?.addresses.first());
        let uplink = address.map(|net| net.address());
        changes.push(Change::ForgetFlows { uplink, forwards: filter.forwards.clone() });
    }
}

fn index(state: &NetworkState, interface: &str) -> Option<u32> {
    state.links.get(interface).map(|link| link.index)
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::InstallFilter(_) => f.write_str("install the packet filter"),
            Change::SetSysctl { path, value } => write!(f, "set {path} to {value}"),
            Change::RemoveRoute { destination, route, .. } => write!(f, "remove the route to {destination}{route}"),
            Change::RemoveAddress { interface, address, .. } => write!(f, "take {address} from {interface}"),
            Change::SetMtu { interface, mtu, .. } => write!(f, "set the MTU of {interface} to {mtu} bytes"),
            Change::SetUp { interface, up, .. } => {
                write!(f, "switch {interface} {}", if *up { "on" } else { "off" })
            }
            Change::AddAddress { interface, address, .. } => write!(f, "give {address} to {interface}"),
            Change::PutRoute { destination, route, .. } => write!(f, "set the route to {destination}{route}"),
            Change::ForgetFlows { .. } => f.write_str("forget the connections of port forwards that are gone"),
            Change::SetForwarding(on) => write!(f, "switch forwarding {}", if *on { "on" } else { "off" }),
        }
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let via: Option<Ipv4Addr> = self.via;
        if let Some(router) = via {
            write!(f, " by {router}")?;
        }
        write!(f, " on {}", self.interface)
    }
}
