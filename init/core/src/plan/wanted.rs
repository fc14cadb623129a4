//! From configuration, lease and links to the wanted state.

use super::filter::{filter, near};
use super::{Conflict, Inputs, LinkState, NetworkState, Plan, PresentLink, ROUTES_MAX, Route, UplinkLease, sysctls};
use crate::config::{Addressing, Lan};
use crate::net::{Ipv4Addr, Ipv4Net};
use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

/// The smallest MTU taken from a lease, in bytes: RFC 791 §3.1 wants every host to take 576. What a lease says below
/// is a mistake that would break paths (RFC 2132 §5.1 allows 68).
const MTU_MIN: u32 = 576;

/// The wanted network state. Whatever is missing, the LAN's part of it is there.
pub fn plan(inputs: &Inputs) -> Plan {
    let config = inputs.config;
    let offered = offered(inputs);
    let (lan, conflict) = settle(&config.lan, inputs.lan_in_use, offered.as_ref().map(|lease| lease.address));
    let usable = offered.filter(|_| conflict.is_none_or(|conflict| conflict.moved_to.is_some()));

    let link = |name: &str| inputs.links.iter().find(|link| link.name == name);
    let mut links = BTreeMap::new();
    let loopback = Ipv4Net::new(Ipv4Addr::LOCALHOST, 8);
    let lan_link = link(&config.lan.interface);
    let uplink_link = link(&config.uplink.interface);
    put(&mut links, link("lo"), loopback, None);
    put(&mut links, lan_link, Some(lan), None);
    let mtu = usable.as_ref().and_then(|lease| lease.mtu);
    put(&mut links, uplink_link, usable.as_ref().map(|lease| lease.address), mtu);

    let routes = match (&usable, uplink_link) {
        (Some(lease), Some(uplink)) => routes(lease, &uplink.name, lan),
        _ => BTreeMap::new(),
    };
    let fast_path = lan_link.zip(uplink_link).map(|(lan, uplink)| [lan.index, uplink.index]);
    let uplink_address = usable.as_ref().map(|lease| lease.address);
    let near = near(uplink_address, routes.keys().copied());
    let filter = filter(config, lan, near, fast_path, inputs.memory_bytes);
    let sysctls = sysctls(config, inputs.memory_bytes);
    let state = NetworkState { links, routes, sysctls, forwarding: true, filter: Some(filter) };
    Plan { state, lan, uplink: usable.map(|lease| lease.address), conflict }
}

/// The uplink's address, static or leased; `None` if there is none or it can't be one.
fn offered<'a>(inputs: &Inputs<'a>) -> Option<Cow<'a, UplinkLease>> {
    let lease = match inputs.config.uplink.addressing {
        Addressing::Dhcp => Cow::Borrowed(inputs.lease?),
        Addressing::Static { address, gateway } => {
            Cow::Owned(UplinkLease { address, router: gateway, classless_routes: Vec::new(), mtu: None })
        }
    };
    let net = lease.address;
    (is_unicast(net.address()) && net.is_host(net.address())).then_some(lease)
}

/// Where the LAN is, given where the uplink is (invariant 8).
fn settle(lan: &Lan, in_use: Option<Ipv4Net>, uplink: Option<Ipv4Net>) -> (Ipv4Net, Option<Conflict>) {
    let stay = lan.alternative.filter(|alternative| in_use == Some(*alternative));
    let Some(uplink) = uplink else { return (stay.unwrap_or(lan.address), None) };
    let free = |net: &Ipv4Net| !net.overlaps(uplink);
    if let Some(chosen) = stay.filter(free).or(Some(lan.address).filter(free)) {
        let conflict = Conflict { lan: lan.address, uplink, moved_to: Some(chosen) };
        return (chosen, (!free(&lan.address)).then_some(conflict));
    }
    let moved_to = lan.alternative.filter(free);
    let chosen = moved_to.or(stay).unwrap_or(lan.address);
    (chosen, Some(Conflict { lan: lan.address, uplink, moved_to }))
}

/// A link of ours: up, with one address or none.
fn put(
    links: &mut BTreeMap<String, LinkState>,
    link: Option<&PresentLink>,
    address: Option<Ipv4Net>,
    mtu: Option<u16>,
) {
    let Some(link) = link else { return };
    // A lease without an MTU leaves the link as it is: a modem may have brought a smaller one.
    let mtu = mtu.map(u32::from).filter(|mtu| (MTU_MIN..=link.mtu_max).contains(mtu)).unwrap_or(link.mtu);
    let state = LinkState { index: link.index, up: true, mtu, addresses: address.into_iter().collect() };
    links.insert(link.name.clone(), state);
}

/// The uplink's routes: option 121, or else the router as default route. A router outside the uplink's prefix is
/// first made reachable by a route of its own.
fn routes(lease: &UplinkLease, interface: &str, lan: Ipv4Net) -> BTreeMap<Ipv4Net, Route> {
    let default = Ipv4Net::new(Ipv4Addr::UNSPECIFIED, 0).zip(lease.router);
    let asked: Vec<(Ipv4Net, Ipv4Addr)> = match lease.classless_routes.is_empty() {
        true => default.into_iter().collect(),
        false => lease.classless_routes.iter().copied().take(ROUTES_MAX).collect(),
    };
    let mut routes = BTreeMap::new();
    let mut add = |destination, via| {
        let interface = String::from(interface);
        // Of two routes to one destination the first counts.
        routes.entry(destination).or_insert(Route { interface, via });
    };
    let usable = asked.into_iter().filter_map(|(destination, router)| {
        let destination = Ipv4Net::new(destination.network(), destination.prefix())?;
        (may_route(destination, lease.address, lan) && may_be_router(router, lease.address, lan))
            .then_some((destination, router))
    });
    for (destination, router) in usable {
        if router.is_unspecified() {
            add(destination, None);
            continue;
        }
        if let Some(host) = Ipv4Net::new(router, 32).filter(|_| !lease.address.contains(router)) {
            add(host, None);
        }
        add(destination, Some(router));
    }
    routes
}

/// Whether the uplink's server may say where packets for `destination` go: not for a part of the LAN (which would
/// pull our hosts' traffic out, CVE-2024-3661), not for the uplink's own prefix (the kernel's route), not for
/// addresses that never leave a host or a link.
fn may_route(destination: Ipv4Net, uplink: Ipv4Net, lan: Ipv4Net) -> bool {
    let inside = |net: Ipv4Net| destination.prefix() >= net.prefix() && net.contains(destination.network());
    let special = [([0, 0, 0, 0], 8), ([127, 0, 0, 0], 8), ([169, 254, 0, 0], 16), ([224, 0, 0, 0], 3)];
    let special = special.iter().filter_map(|(address, prefix)| Ipv4Net::new(Ipv4Addr::from(*address), *prefix));
    let same = destination.prefix() == uplink.prefix() && uplink.contains(destination.network());
    !same && !inside(lan) && !special.into_iter().any(inside)
}

/// A router is a neighbour on the uplink: neither ourselves nor on the LAN. `0.0.0.0` stands for the link itself.
fn may_be_router(router: Ipv4Addr, uplink: Ipv4Net, lan: Ipv4Net) -> bool {
    router.is_unspecified() || (is_unicast(router) && router != uplink.address() && !lan.contains(router))
}

fn is_unicast(address: Ipv4Addr) -> bool {
    let [first, ..] = address.octets();
    first != 0 && first != 127 && first < 224
}
