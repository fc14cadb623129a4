//! Which rules there are, and why.

use super::{Chain, ChainKind, Counter, Flowtable, Hook, Icmpv6Type, Policy, Rule, Ruleset, Statement};
use crate::net::{Ipv4Addr, Ipv4Net};
use Statement::*;
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

/// What the rules depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inputs<'a> {
    /// The LAN's interface name, at most 15 bytes. It need not exist.
    pub lan_interface: &'a str,
    /// The LAN's prefix; host bits are ignored.
    pub lan: Ipv4Net,
    /// The uplink's interface name, at most 15 bytes. It need not exist. `None`: nothing is forwarded at all.
    pub uplink_interface: Option<&'a str>,
    /// Use the kernel's flowtable. Both interfaces must exist then, and the kernel must have it.
    pub flowtable: bool,
}

/// Ping answers per second on the uplink: enough to see that the gateway is there, too few to be of use to a flood.
const UPLINK_ECHO_PER_SECOND: u32 = 10;

/// The name of the flowtable.
const FLOWTABLE: &str = "fast";

// Priorities: `NF_IP_PRI_RAW`, `NF_IP_PRI_FILTER`, `NF_IP_PRI_NAT_SRC` of linux/netfilter_ipv4.h.
const RAW: i32 = -300;
const FILTER: i32 = 0;
const SRCNAT: i32 = 100;

/// Sources that no packet from the uplink may bear (RFC 6890: this network, loopback, multicast, reserved with
/// broadcast). Private networks are not among them: behind another router the uplink itself is one.
const NEVER_FROM_UPLINK: [Ipv4Net; 4] =
    [net([0, 0, 0, 0], 8), net([127, 0, 0, 0], 8), net([224, 0, 0, 0], 4), net([240, 0, 0, 0], 4)];

/// The source of a host that has no address yet.
const NO_ADDRESS_YET: Ipv4Net = net([0, 0, 0, 0], 32);

/// For constants only: a wrong length does not compile.
const fn net(address: [u8; 4], prefix: u8) -> Ipv4Net {
    let [a, b, c, d] = address;
    Ipv4Net::new(Ipv4Addr::new(a, b, c, d), prefix).expect("at most 32")
}

/// The rules for these inputs.
pub fn build(inputs: &Inputs) -> Ruleset {
    let flowtable = inputs
        .uplink_interface
        .filter(|_| inputs.flowtable)
        .map(|uplink| Flowtable { name: FLOWTABLE, devices: [inputs.lan_interface.to_owned(), uplink.to_owned()] });
    let mut chains = vec![
        filter("prerouting", Hook::Prerouting, RAW, Policy::Accept, prerouting(inputs)),
        filter("input", Hook::Input, FILTER, Policy::Drop, input(inputs)),
        filter("forward", Hook::Forward, FILTER, Policy::Drop, forward(inputs)),
    ];
    if let Some(uplink) = inputs.uplink_interface {
        chains.push(filter("output", Hook::Output, FILTER, Policy::Accept, output(uplink)));
        chains.push(Chain {
            name: "translate",
            kind: ChainKind::Nat,
            hook: Hook::Postrouting,
            priority: SRCNAT,
            policy: Policy::Accept,
            // Ports are kept where they are free (no `random`): RFC 4787 REQ-1 and REQ-3 want it, games and calls need it.
            rules: vec![rule([out(uplink), SourceIn(inputs.lan), Masquerade])],
        });
        // Last of all: whatever was not translated (conntrack knew nothing of it) stays at home.
        let leak = vec![rule([out(uplink), SourceIn(inputs.lan), Count(Counter::Leaks), Drop])];
        chains.push(filter("leak_guard", Hook::Postrouting, SRCNAT + 10, Policy::Accept, leak));
    }
    Ruleset { counters: Counter::ALL.to_vec(), flowtable, chains }
}

/// Sources and destinations that can't be true, before conntrack spends memory on them (BCP 38 and its mirror image).
fn prerouting(inputs: &Inputs) -> Vec<Rule> {
    let spoofed = |matches: Vec<Statement>| Rule([matches, vec![Count(Counter::Spoofed), Drop]].concat());
    let lan = inputs.lan_interface;
    let mut rules = vec![
        spoofed(vec![InputIsNot("lo".to_owned()), SourceIsOurs]),
        // A host without an address yet asks for one from 0.0.0.0.
        spoofed(vec![from(lan), SourceNotIn(inputs.lan), SourceNotIn(NO_ADDRESS_YET)]),
    ];
    if let Some(uplink) = inputs.uplink_interface {
        rules.push(spoofed(vec![from(uplink), SourceIn(inputs.lan)]));
        // Answers to the LAN bear the uplink's address here, since translation back comes later: this one is not asked for.
        rules.push(spoofed(vec![from(uplink), DestinationIn(inputs.lan)]));
        for net in NEVER_FROM_UPLINK {
            rules.push(spoofed(vec![from(uplink), SourceIn(net)]));
        }
    }
    rules
}

/// What the gateway itself answers.
fn input(inputs: &Inputs) -> Vec<Rule> {
    let lan = inputs.lan_interface;
    let mut rules = vec![rule([from("lo"), Accept]), rule([Invalid, Count(Counter::Invalid), Drop])];
    // This also lets in the ICMP errors that belong to a flow of ours, and no others.
    rules.push(rule([EstablishedOrRelated, Accept]));
    // The first packets of IPv6 neighbours: conntrack does not track them.
    let neighbours = [Icmpv6Type::ListenerQuery, Icmpv6Type::NeighbourSolicit, Icmpv6Type::NeighbourAdvert];
    rules.extend(neighbours.map(|kind| rule([Icmpv6(kind), Accept])));
    rules.push(rule([from(lan), UdpTo(67), Accept]));
    for question in [UdpTo(53), TcpTo(53), EchoRequest] {
        rules.push(rule([from(lan), SourceIn(inputs.lan), question, Accept]));
    }
    // A host of the LAN that knocks at a closed port is told so at once and need not wait for a time-out.
    rules.push(rule([from(lan), SourceIn(inputs.lan), Tcp, RejectTcp]));
    rules.push(rule([from(lan), SourceIn(inputs.lan), Reject]));
    if let Some(uplink) = inputs.uplink_interface {
        // An answer to a renewal may come from another server than the one asked (RFC 2131 §4.4.5, rebinding).
        rules.push(rule([from(uplink), UdpFromTo(67, 68), Accept]));
        rules.push(rule([from(uplink), EchoRequest, LimitPerSecond(UPLINK_ECHO_PER_SECOND), Accept]));
        rules.push(rule([from(uplink), Count(Counter::UplinkRefused), Drop]));
    }
    rules
}

/// What passes through.
fn forward(inputs: &Inputs) -> Vec<Rule> {
    let mut rules = vec![rule([Invalid, Count(Counter::Invalid), Drop])];
    if let Some(uplink) = inputs.uplink_interface {
        // Both directions: `rt mtu` takes the smaller of the two ways, and nothing else is ever forwarded.
        rules.push(rule([TcpSyn, ClampMss]));
        if inputs.flowtable {
            rules.push(rule([Established, AddToFlowtable(FLOWTABLE)]));
        }
        rules.push(rule([EstablishedOrRelated, Accept]));
        rules.push(rule([from(inputs.lan_interface), out(uplink), SourceIn(inputs.lan), Accept]));
    }
    rules.push(rule([Count(Counter::ForwardRefused), Drop]));
    rules
}

/// The gateway's own words. A port of ours that is closed says nothing on the uplink, so that neither a scan nor a
/// count of our ICMP errors (CVE-2020-25705) tells which ports are open.
fn output(uplink: &str) -> Vec<Rule> {
    vec![rule([out(uplink), PortUnreachable, Drop])]
}

fn filter(name: &'static str, hook: Hook, priority: i32, policy: Policy, rules: Vec<Rule>) -> Chain {
    Chain { name, kind: ChainKind::Filter, hook, priority, policy, rules }
}

fn rule<const N: usize>(statements: [Statement; N]) -> Rule {
    Rule(statements.into())
}

fn from(interface: &str) -> Statement {
    InputIs(String::from(interface))
}

fn out(interface: &str) -> Statement {
    OutputIs(String::from(interface))
}
