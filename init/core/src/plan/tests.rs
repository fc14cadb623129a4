//! Tests of `plan`.

use super::*;
use crate::config::{Addressing, Dhcp, Dns, Lan, Ports, Transport, Uplink};
use alloc::string::ToString;
use alloc::vec;
use proptest::prelude::*;

fn net(text: &str) -> Ipv4Net {
    text.parse().unwrap()
}

fn ip(text: &str) -> Ipv4Addr {
    text.parse().unwrap()
}

fn config(addressing: Addressing, alternative: Option<&str>) -> Config {
    Config {
        hostname: "gate".into(),
        domain: "home.arpa".into(),
        uplink: Uplink { interface: "eth1".into(), country: None, wifi: vec![], wifi_offload: false, addressing },
        lan: Lan { interface: "eth0".into(), address: net("10.0.0.1/24"), alternative: alternative.map(net) },
        dhcp: Dhcp::new((ip("10.0.0.10"), ip("10.0.0.20"))),
        dns: Dns::default(),
        ..Config::default()
    }
}

fn links() -> Vec<PresentLink> {
    let link = |index, name: &str| PresentLink {
        name: name.into(),
        index,
        mac: MacAddr([2, 0, 0, 0, 0, index as u8]),
        carrier: true,
        mtu: 1500,
        mtu_max: 9000,
    };
    vec![link(1, "lo"), link(2, "eth0"), link(3, "eth1"), link(4, "usb0")]
}

fn lease(address: &str, router: Option<&str>) -> UplinkLease {
    UplinkLease { address: net(address), router: router.map(ip), classless_routes: vec![], mtu: None }
}

fn planned(config: &Config, lease: Option<&UplinkLease>, links: &[PresentLink]) -> Plan {
    plan(&Inputs { config, lease, links, lan_in_use: None, memory_bytes: 1 << 30 })
}

/// Routes as text, one a line.
fn routes(plan: &Plan) -> Vec<String> {
    plan.state.routes.iter().map(|(destination, route)| alloc::format!("{destination}{route}")).collect()
}

#[test]
fn nothing_is_needed_for_the_lan() {
    let config = config(Addressing::Dhcp, None);
    let plan = planned(&config, None, &links());
    assert_eq!(plan.lan, net("10.0.0.1/24"));
    assert_eq!(plan.state.links["eth0"].addresses, BTreeSet::from([net("10.0.0.1/24")]));
    assert!(plan.state.links["eth1"].addresses.is_empty() && plan.state.links["eth1"].up);
    assert!(plan.state.routes.is_empty() && plan.state.forwarding);
    assert!(!plan.state.links.contains_key("usb0"), "not ours");

    let none = planned(&config, Some(&lease("192.168.0.51/24", Some("192.168.0.1"))), &[]);
    assert!(none.state.links.is_empty() && none.state.routes.is_empty());
    let filter = none.state.filter.unwrap();
    assert_eq!((filter.lan_interface.as_str(), filter.fast_path), ("eth0", None));
}

#[test]
fn static_and_leased_uplinks_get_a_default_route() {
    let addressing = Addressing::Static { address: net("192.168.0.51/24"), gateway: Some(ip("192.168.0.1")) };
    let fixed = planned(&config(addressing, None), None, &links());
    let leased = lease("192.168.0.51/24", Some("192.168.0.1"));
    let leased = planned(&config(Addressing::Dhcp, None), Some(&leased), &links());
    assert_eq!(fixed.state, leased.state);
    assert_eq!(routes(&fixed), ["0.0.0.0/0 by 192.168.0.1 on eth1"]);
    assert_eq!(fixed.uplink, Some(net("192.168.0.51/24")));
    assert_eq!(fixed.state.filter.unwrap().fast_path, Some([2, 3]));
}

/// RFC 3442: option 121 replaces option 3; a router of 0.0.0.0 is the link itself.
#[test]
fn classless_routes_replace_the_router() {
    let mut lease = lease("100.64.0.2/32", Some("192.168.0.1"));
    lease.classless_routes = vec![
        (net("0.0.0.0/0"), ip("100.64.0.1")),
        (net("172.16.0.9/12"), ip("0.0.0.0")),
        (net("0.0.0.0/0"), ip("100.64.0.77")),
    ];
    let plan = planned(&config(Addressing::Dhcp, None), Some(&lease), &links());
    assert_eq!(
        routes(&plan),
        ["0.0.0.0/0 by 100.64.0.1 on eth1", "100.64.0.1/32 on eth1", "100.64.0.77/32 on eth1", "172.16.0.0/12 on eth1"]
    );
    let changes = reconcile(&NetworkState { links: plan.state.links.clone(), ..Default::default() }, &plan.state);
    let order: Vec<String> = changes.iter().map(Change::to_string).filter(|text| text.contains("route")).collect();
    assert_eq!(order.last().unwrap(), "set the route to 0.0.0.0/0 by 100.64.0.1 on eth1", "its router comes first");
}

/// CVE-2024-3661 (TunnelVision) and its relatives.
#[test]
fn a_lease_cannot_route_what_is_ours() {
    let mut lease = lease("192.168.0.51/24", None);
    lease.classless_routes = vec![
        (net("10.0.0.0/24"), ip("192.168.0.1")),
        (net("10.0.0.7/32"), ip("192.168.0.1")),
        (net("127.0.0.0/8"), ip("192.168.0.1")),
        (net("192.168.0.0/24"), ip("192.168.0.66")),
        (net("224.0.0.0/4"), ip("192.168.0.1")),
        (net("8.8.8.8/32"), ip("10.0.0.5")),
        (net("9.9.9.9/32"), ip("192.168.0.51")),
        (net("1.1.1.1/32"), ip("255.255.255.255")),
        (net("10.0.0.0/8"), ip("192.168.0.1")),
    ];
    let plan = planned(&config(Addressing::Dhcp, None), Some(&lease), &links());
    assert_eq!(routes(&plan), ["10.0.0.0/8 by 192.168.0.1 on eth1"], "wider than the LAN is fine");
}

#[test]
fn a_lease_cannot_fill_the_routing_table() {
    let mut lease = lease("192.168.0.51/24", None);
    let destination = |n: u32| Ipv4Net::new(Ipv4Addr::from_bits(0x0800_0000 + n), 32).unwrap();
    lease.classless_routes = (0..200).map(|n| (destination(n), ip("192.168.0.1"))).collect();
    let plan = planned(&config(Addressing::Dhcp, None), Some(&lease), &links());
    assert_eq!(plan.state.routes.len(), ROUTES_MAX);
}

#[test]
fn impossible_addresses_are_not_taken() {
    for bad in ["0.0.0.0/24", "127.0.0.1/8", "224.0.0.1/24", "192.168.0.0/24", "192.168.0.255/24", "255.255.255.255/32"]
    {
        let plan = planned(&config(Addressing::Dhcp, None), Some(&lease(bad, Some("192.168.0.1"))), &links());
        assert_eq!((plan.uplink, plan.state.routes.len()), (None, 0), "{bad}");
    }
}

#[test]
fn the_mtu_of_a_lease_has_bounds() {
    let mtu = |wanted| {
        let lease = UplinkLease { mtu: wanted, ..lease("192.168.0.51/24", None) };
        planned(&config(Addressing::Dhcp, None), Some(&lease), &links()).state.links["eth1"].mtu
    };
    assert_eq!([mtu(None), mtu(Some(1400)), mtu(Some(576)), mtu(Some(9000))], [1500, 1400, 576, 9000]);
    assert_eq!([mtu(Some(0)), mtu(Some(575)), mtu(Some(9001))], [1500, 1500, 1500]);
}

#[test]
fn an_overlapping_uplink_moves_the_lan_or_is_left_out() {
    let same = lease("10.0.0.51/16", Some("10.0.0.254"));
    let alone = planned(&config(Addressing::Dhcp, None), Some(&same), &links());
    assert_eq!((alone.lan, alone.uplink), (net("10.0.0.1/24"), None));
    assert_eq!(alone.conflict.unwrap().moved_to, None);
    assert!(alone.state.routes.is_empty() && alone.state.links["eth1"].addresses.is_empty());
    assert!(alone.conflict.unwrap().to_string().contains("lan.alternative"));

    let moved = planned(&config(Addressing::Dhcp, Some("172.30.0.1/24")), Some(&same), &links());
    assert_eq!((moved.lan, moved.uplink), (net("172.30.0.1/24"), Some(net("10.0.0.51/16"))));
    assert_eq!(moved.conflict.unwrap().moved_to, Some(net("172.30.0.1/24")));
    assert_eq!(moved.state.filter.as_ref().unwrap().lan, net("172.30.0.1/24"));

    let both = planned(&config(Addressing::Dhcp, Some("10.0.9.1/24")), Some(&same), &links());
    assert_eq!((both.lan, both.uplink), (net("10.0.0.1/24"), None));
}

/// An uplink that comes and goes does not renumber the LAN each time.
#[test]
fn a_moved_lan_stays_where_it_is() {
    let config = config(Addressing::Dhcp, Some("172.30.0.1/24"));
    let with = |lease: Option<&UplinkLease>| {
        let lan_in_use = Some(net("172.30.0.1/24"));
        plan(&Inputs { config: &config, lease, links: &links(), lan_in_use, memory_bytes: 0 })
    };
    assert_eq!(with(None).lan, net("172.30.0.1/24"));
    let harmless = with(Some(&lease("192.168.0.51/24", None)));
    assert_eq!((harmless.lan, harmless.conflict), (net("172.30.0.1/24"), None));
    let still = with(Some(&lease("10.0.0.51/24", None)));
    assert_eq!((still.lan, still.conflict.unwrap().moved_to), (net("172.30.0.1/24"), Some(net("172.30.0.1/24"))));
    let back = with(Some(&lease("172.30.0.9/16", None)));
    assert_eq!((back.lan, back.conflict), (net("10.0.0.1/24"), None));
}

#[test]
fn forwarding_comes_after_the_filter_and_everything_else() {
    let config = config(Addressing::Dhcp, None);
    let wanted = planned(&config, Some(&lease("192.168.0.51/24", Some("192.168.0.1"))), &links()).state;
    let down = |link: &PresentLink| LinkState { index: link.index, up: false, mtu: 1500, addresses: BTreeSet::new() };
    let actual = NetworkState {
        links: links().iter().map(|link| (link.name.clone(), down(link))).collect(),
        sysctls: BTreeMap::from([("net/ipv4/tcp_syncookies".into(), "0".into())]),
        ..Default::default()
    };
    let texts: Vec<String> = reconcile(&actual, &wanted).iter().map(Change::to_string).collect();
    assert_eq!(
        texts,
        [
            "switch eth0 on",
            "give 10.0.0.1/24 to eth0",
            "install the packet filter",
            "set net/ipv4/tcp_syncookies to 1",
            "switch eth1 on",
            "switch lo on",
            "give 192.168.0.51/24 to eth1",
            "give 127.0.0.1/8 to lo",
            "set the route to 0.0.0.0/0 by 192.168.0.1 on eth1",
            "forget the connections of port forwards that are gone",
            "switch forwarding on",
        ]
    );
}

/// With its only address the kernel takes an interface's routes away; they are set again even if they looked right.
#[test]
fn a_new_address_sets_its_routes_again() {
    let config = config(Addressing::Dhcp, None);
    let old = planned(&config, Some(&lease("192.168.0.51/24", Some("192.168.0.1"))), &links()).state;
    let new = planned(&config, Some(&lease("192.168.0.52/24", Some("192.168.0.1"))), &links()).state;
    let texts: Vec<String> = reconcile(&old, &new).iter().map(Change::to_string).collect();
    assert_eq!(
        texts,
        [
            "take 192.168.0.51/24 from eth1",
            "give 192.168.0.52/24 to eth1",
            "set the route to 0.0.0.0/0 by 192.168.0.1 on eth1"
        ]
    );
}

#[test]
fn flows_of_port_forwards_are_looked_at_when_address_or_filter_is_new() {
    let forward = PortForward {
        transport: Transport::Tcp,
        ports: Ports { first: 80, last: 80 },
        to: "10.0.0.2".parse().unwrap(),
        to_port: None,
    };
    let plain = config(Addressing::Dhcp, None);
    let open = Config { forwards: vec![forward], ..plain.clone() };
    let at = |config: &Config, address: &str| planned(config, Some(&lease(address, None)), &links()).state;
    let forgotten = |actual: &NetworkState, wanted: &NetworkState| {
        reconcile(actual, wanted).into_iter().find_map(|change| match change {
            Change::ForgetFlows { uplink, forwards } => {
                Some((uplink.map_or("none".into(), |uplink| uplink.to_string()), forwards.len()))
            }
            _ => None,
        })
    };
    let (old, new) = (at(&open, "192.168.0.51/24"), at(&open, "192.168.0.52/24"));
    assert_eq!(forgotten(&old, &old), None);
    assert_eq!(forgotten(&old, &new), Some(("192.168.0.52".into(), 1)), "another address");
    assert_eq!(
        forgotten(&old, &at(&plain, "192.168.0.51/24")),
        Some(("192.168.0.51".into(), 0)),
        "the last one is gone"
    );
    let restarted = NetworkState { filter: None, ..old.clone() };
    assert_eq!(forgotten(&restarted, &old), Some(("192.168.0.51".into(), 1)), "what an earlier process let in");
    let nowhere = planned(&open, None, &links()).state;
    assert_eq!(forgotten(&old, &nowhere), Some(("none".into(), 1)), "by the forwards alone until there is an address");
    assert_eq!(forgotten(&nowhere, &new), Some(("192.168.0.52".into(), 1)));
    let (old, new) = (at(&plain, "192.168.0.51/24"), at(&plain, "192.168.0.52/24"));
    assert_eq!(forgotten(&old, &new), None, "nothing to look at without port forwards");
    let restarted = NetworkState { filter: None, ..old.clone() };
    assert_eq!(forgotten(&restarted, &old), Some(("192.168.0.51".into(), 0)), "an earlier process may have had some");
}

/// A kernel in miniature. With any address of an interface it forgets that interface's routes.
fn apply(state: &mut NetworkState, change: &Change) {
    match change.clone() {
        Change::InstallFilter(filter) => state.filter = Some(filter),
        Change::SetSysctl { path, value } => drop(state.sysctls.insert(path, value)),
        Change::RemoveRoute { destination, .. } => assert!(state.routes.remove(&destination).is_some()),
        Change::RemoveAddress { interface, address, .. } => {
            assert!(state.links.get_mut(&interface).unwrap().addresses.remove(&address));
            state.routes.retain(|_, route| route.interface != interface);
        }
        Change::SetMtu { interface, mtu, .. } => state.links.get_mut(&interface).unwrap().mtu = mtu,
        Change::SetUp { interface, up, .. } => state.links.get_mut(&interface).unwrap().up = up,
        Change::AddAddress { interface, address, .. } => {
            assert!(state.links.get_mut(&interface).unwrap().addresses.insert(address));
        }
        Change::PutRoute { destination, route, index } => {
            assert_eq!(state.links[&route.interface].index, index);
            state.routes.insert(destination, route);
        }
        Change::ForgetFlows { .. } => {}
        Change::SetForwarding(on) => {
            assert!(!on || state.filter.is_some(), "forwarding without a filter");
            state.forwarding = on;
        }
    }
}

prop_compose! {
    fn any_net()(address in 0u32..6, prefix in 29u8..=32) -> Ipv4Net {
        Ipv4Net::new(Ipv4Addr::from_bits(0x0a00_0000 + address), prefix).unwrap()
    }
}

prop_compose! {
    fn any_link(index: u32)(up: bool, mtu in 1400u32..1403, addresses in proptest::collection::btree_set(any_net(), 0..3))
                           -> LinkState {
        LinkState { index, up, mtu, addresses }
    }
}

prop_compose! {
    /// A state over the same three links, two of which always exist.
    fn any_state()(a in any_link(2), b in any_link(3), sysctl in "[01]", forwarding: bool, filter in any_net(),
                   routes in proptest::collection::btree_map(any_net(), (any::<bool>(), any::<bool>()), 0..4))
                  -> NetworkState {
        let route = |(first, direct): (bool, bool)| Route {
            interface: if first { "eth0" } else { "eth1" }.into(),
            via: (!direct).then_some(Ipv4Addr::new(10, 9, 9, 9)),
        };
        NetworkState {
            links: BTreeMap::from([("eth0".into(), a), ("eth1".into(), b)]),
            routes: routes.into_iter().map(|(net, parts)| (net, route(parts))).collect(),
            sysctls: BTreeMap::from([("net/ipv4/tcp_syncookies".into(), sysctl)]),
            forwarding,
            filter: Some(Filter {
                lan_interface: "eth0".into(), lan: filter, uplink_interface: Some("eth1".into()), near: vec![],
                far_private: false, connections_per_host: 9, lan_udp: vec![], allows: vec![], forwards: vec![], blocks: vec![],
                fast_path: None,
            }),
        }
    }
}

proptest! {
    /// Invariant 5.
    #[test]
    fn equal_states_need_no_change(state in any_state()) {
        prop_assert_eq!(reconcile(&state, &state), vec![]);
    }

    #[test]
    fn the_changes_lead_to_the_wanted_state(actual in any_state(), wanted in any_state(), fresh: bool) {
        let mut state = if fresh { NetworkState { filter: None, forwarding: false, ..actual } } else { actual };
        for change in reconcile(&state.clone(), &wanted) {
            apply(&mut state, &change);
        }
        prop_assert_eq!(&state, &wanted);
        prop_assert_eq!(reconcile(&state, &wanted), vec![]);
    }

    /// Whatever a server on the uplink says: no panic, the LAN has its address, and the uplink does not overlap it.
    #[test]
    fn any_lease_leaves_the_lan_alone(address: [u8; 4], prefix in 0u8..=32, router: Option<[u8; 4]>, mtu: Option<u16>,
                                      more in proptest::collection::vec((any::<[u8; 4]>(), 0u8..=32, any::<[u8; 4]>()), 0..80)) {
        let net = |address: [u8; 4], prefix| Ipv4Net::new(address.into(), prefix).unwrap();
        let classless_routes = more.into_iter().map(|(a, prefix, via)| (net(a, prefix), via.into())).collect();
        let lease = UplinkLease { address: net(address, prefix), router: router.map(Into::into), classless_routes, mtu };
        let plan = planned(&config(Addressing::Dhcp, None), Some(&lease), &links());
        prop_assert_eq!(&plan.state.links["eth0"].addresses, &BTreeSet::from([plan.lan]));
        prop_assert!(plan.uplink.is_none_or(|uplink| !uplink.overlaps(plan.lan)));
        prop_assert!(plan.state.routes.len() <= 2 * ROUTES_MAX);
        prop_assert!(plan.state.routes.keys().all(|to| to.prefix() < 24 || !to.overlaps(plan.lan)));
    }
}
