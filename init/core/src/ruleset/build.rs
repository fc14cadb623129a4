//! Which rules there are, and why.
//!
//! What passes often is decided first: a packet of a translated connection that is known from both sides meets one rule
//! of three expressions in `forward`, and no chain anywhere else. What is true of a connection's first packet is true of
//! all of it, so sources, limits and port forwards are looked at once a connection, in `arriving`. That is a chain of
//! type nat: the kernel passes it only while a connection has no translation yet, and a packet dropped there leaves no
//! entry behind. Replies and later packets with a false source fall to the reverse path filter (`rp_filter=1`).
//!
//! Questions of the LAN to the gateway itself are not tracked at all: they would fill the table that its hosts share, and
//! a host that has used up its share must still get names and keep its lease.

use super::inbound::{allowed, passed_on, port_forwards};
use super::{
    Base, Chain, ChainKind, Counter, Flowtable, Hook, Icmpv6Type, Policy, Protocol, Rule, Ruleset, SourceSet, Statement,
};
use crate::config::{Allow, BlockedHost, PortForward};
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
    /// The LAN's prefix; its host bits are the gateway's own address there.
    pub lan: Ipv4Net,
    /// The uplink's interface name, at most 15 bytes. It need not exist. `None`: nothing is forwarded at all.
    pub uplink_interface: Option<&'a str>,
    /// Use the kernel's flowtable. Both interfaces must exist then, and the kernel must have it.
    pub flowtable: bool,
    /// Private networks that the uplink has a route of its own to: the one it is in, and those of its lease.
    pub near: &'a [Ipv4Net],
    /// Whether the LAN may reach private networks that are not near, by the default route.
    pub far_private: bool,
    /// Most connections that one LAN host may have at a time.
    pub connections_per_host: u32,
    /// UDP ports of the gateway that are open to the LAN besides DHCP and DNS.
    pub lan_udp: &'a [u16],
    /// What the uplink may ask of the gateway itself.
    pub allows: &'a [Allow],
    /// Ports of the gateway's uplink address that are passed on to a host of the LAN.
    pub forwards: &'a [PortForward],
    /// Hosts without internet.
    pub blocks: &'a [BlockedHost],
}

/// Ping answers per second on the uplink: enough to see that the gateway is there, too few to be of use to a flood.
const UPLINK_ECHO_PER_SECOND: u32 = 10;
/// Ping answers per second on the LAN, and ICMPv6 messages per second that pass through.
const ICMP_PER_SECOND: u32 = 1000;
/// TCP connections that one host may begin to the gateway: a second, and at once.
const SYN_RATE: (u32, u32) = (25, 50);

/// What the gateway answers over UDP without remembering the asker: DNS, DHCP and NTP.
const STATELESS: [u16; 3] = [53, 67, 123];

/// The name of the flowtable.
const FLOWTABLE: &str = "fast";

// Priorities of linux/netfilter_ipv4.h: NF_IP_PRI_RAW, NF_IP_PRI_NAT_DST, NF_IP_PRI_FILTER, NF_IP_PRI_NAT_SRC.
const RAW: i32 = -300;
const DSTNAT: i32 = -100;
const FILTER: i32 = 0;
const SRCNAT: i32 = 100;

/// Sources that no packet from the uplink may bear (RFC 6890: this network, loopback, multicast and reserved with
/// broadcast). Private networks are not among them: behind another router the uplink itself is one.
const NEVER_FROM_UPLINK: [Ipv4Net; 3] = [net([0, 0, 0, 0], 8), net([127, 0, 0, 0], 8), net([224, 0, 0, 0], 3)];

/// Networks that the internet does not route (RFC 1918, RFC 3927).
const PRIVATE: [Ipv4Net; 4] =
    [net([10, 0, 0, 0], 8), net([172, 16, 0, 0], 12), net([192, 168, 0, 0], 16), net([169, 254, 0, 0], 16)];

/// To every host of the link (RFC 919).
const EVERYBODY: Ipv4Net = net([255, 255, 255, 255], 32);

/// The source of a host that has no address yet.
const NO_ADDRESS_YET: Ipv4Net = net([0, 0, 0, 0], 32);

/// What neighbours say to each other (RFC 4890 §4.4.1). Conntrack does not track them, so their types let them in.
const NEIGHBOURS: &[Icmpv6Type] = &[
    Icmpv6Type::RouterSolicit,
    Icmpv6Type::RouterAdvert,
    Icmpv6Type::NeighbourSolicit,
    Icmpv6Type::NeighbourAdvert,
    Icmpv6Type::InverseSolicit,
    Icmpv6Type::InverseAdvert,
    Icmpv6Type::CertificationPathSolicit,
    Icmpv6Type::CertificationPathAdvert,
];

/// Who listens to which group, from link-local addresses only (RFC 4890 §4.4.1). Without answers a switch stops passing
/// neighbour solicitations on.
const LISTENERS: &[Icmpv6Type] = &[
    Icmpv6Type::ListenerQuery,
    Icmpv6Type::ListenerReport,
    Icmpv6Type::ListenerDone,
    Icmpv6Type::ListenerReport2,
    Icmpv6Type::MulticastRouterAdvert,
    Icmpv6Type::MulticastRouterSolicit,
    Icmpv6Type::MulticastRouterTermination,
];

/// What must pass from one side to the other (RFC 4890 §4.3.1). Neighbours' and listeners' messages never do.
const PASSING: &[Icmpv6Type] = &[
    Icmpv6Type::DestinationUnreachable,
    Icmpv6Type::PacketTooBig,
    Icmpv6Type::TimeExceeded,
    Icmpv6Type::ParameterProblem,
    Icmpv6Type::EchoRequest,
    Icmpv6Type::EchoReply,
];

/// For constants only: a wrong length does not compile.
pub(super) const fn net(address: [u8; 4], prefix: u8) -> Ipv4Net {
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
        base("questions", ChainKind::Filter, Hook::Prerouting, RAW, Policy::Accept, questions(inputs)),
        called("stateless", STATELESS.map(|port| rule([udp(port), Notrack])).into()),
        base("answers", ChainKind::Filter, Hook::Output, RAW, Policy::Accept, answers(inputs)),
        base("arriving", ChainKind::Nat, Hook::Prerouting, DSTNAT, Policy::Accept, arriving(inputs)),
        base("input", ChainKind::Filter, Hook::Input, FILTER, Policy::Drop, input(inputs)),
        called("pings", pings(inputs)),
        called("from_lan", from_lan(inputs)),
        called("input_ipv6", input_ipv6(inputs)),
        base("forward", ChainKind::Filter, Hook::Forward, FILTER, Policy::Drop, forward(inputs)),
    ];
    if let Some(uplink) = inputs.uplink_interface {
        chains.push(called("from_uplink", from_uplink(inputs)));
        chains.push(called("forward_ipv6", forward_ipv6(inputs.lan_interface, uplink)));
        chains.push(base(
            "output",
            ChainKind::Filter,
            Hook::Output,
            FILTER,
            Policy::Accept,
            output(uplink, inputs.lan),
        ));
        let leaving = leaving(inputs, uplink);
        chains.push(base("leaving", ChainKind::Nat, Hook::Postrouting, SRCNAT, Policy::Accept, leaving));
        if !inputs.forwards.is_empty() {
            chains.push(called("port_forwards", port_forwards(inputs.forwards)));
        }
    }
    let allows = (1..).zip(inputs.allows).map(|(number, _)| Counter::Allow(number));
    let forwards = (1..).zip(inputs.forwards).map(|(number, _)| Counter::Forward(number));
    let counters = Counter::ALWAYS.into_iter().chain(allows).chain(forwards).collect();
    Ruleset { counters, sets: vec![SourceSet::Connections, SourceSet::Syns], flowtable, chains }
}

/// What the LAN asks of the gateway itself. A packet from any other source stays tracked, so that `arriving` sees it; the
/// gateway's own address as a source is a martian to the kernel.
fn questions(inputs: &Inputs) -> Vec<Rule> {
    let (lan, gateway) = (inputs.lan, host(inputs.lan.address()));
    // The destination first: every packet that is only passed on meets this rule, and is done with it at once.
    vec![rule([DestinationIn(gateway), from(inputs.lan_interface), SourceIn(lan), Jump("stateless")])]
}

/// What the gateway answers to them.
fn answers(inputs: &Inputs) -> Vec<Rule> {
    let gateway = host(inputs.lan.address());
    let answer = |port| rule([out(inputs.lan_interface), SourceIn(gateway), UdpFrom(port), Notrack]);
    STATELESS.map(answer).into()
}

/// The first packet of every connection: addresses that can't be true (BCP 38 and its mirror image), hosts that take
/// more than their share, ports that are passed on.
fn arriving(inputs: &Inputs) -> Vec<Rule> {
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
    rules.push(spoofed(vec![NoWayBack]));
    // A client that rebinds asks everybody (RFC 2131 §4.4.5), and must be heard.
    rules.push(rule([from(lan), DestinationIn(EVERYBODY), udp(67), Accept]));
    let too_many = SourceConnectionsOver(inputs.connections_per_host);
    rules.push(rule([from(lan), SourceIn(inputs.lan), too_many, Count(Counter::HostLimit), Drop]));
    if inputs.uplink_interface.is_some() && !inputs.forwards.is_empty() {
        // By the kind of the address, not by the address: it may change (and is the LAN hosts' way, too, by hairpin).
        // What the LAN asks of the gateway's LAN address is for the gateway itself.
        rules.push(rule([DestinationIsOurs, DestinationNotIn(inputs.lan), Jump("port_forwards")]));
    }
    rules
}

/// What the gateway itself answers.
fn input(inputs: &Inputs) -> Vec<Rule> {
    let mut rules = vec![
        // Before what is established: all pings of one sender are one flow to conntrack, however many they are.
        rule([EchoRequest, Jump("pings")]),
        rule([Icmpv6(&[Icmpv6Type::EchoRequest]), Jump("pings")]),
        // This also lets in the ICMP errors that belong to a flow of ours, and no others.
        rule([EstablishedOrRelated, Accept]),
        rule([from("lo"), Accept]),
        // Conntrack calls some of what neighbours say invalid.
        rule([Ipv6, Jump("input_ipv6")]),
        rule([Invalid, Count(Counter::Invalid), Drop]),
        rule([from(inputs.lan_interface), Jump("from_lan")]),
    ];
    if let Some(uplink) = inputs.uplink_interface {
        rules.push(rule([from(uplink), Jump("from_uplink")]));
    }
    rules
}

/// Pings of the gateway; what comes faster is not answered.
fn pings(inputs: &Inputs) -> Vec<Rule> {
    let mut rules =
        vec![rule([from("lo"), Accept]), rule([from(inputs.lan_interface), LimitPerSecond(ICMP_PER_SECOND), Accept])];
    if let Some(uplink) = inputs.uplink_interface {
        rules.push(rule([from(uplink), LimitPerSecond(UPLINK_ECHO_PER_SECOND), Accept]));
    }
    rules.push(rule([Drop]));
    rules
}

/// The LAN's questions to the gateway.
fn from_lan(inputs: &Inputs) -> Vec<Rule> {
    let lan = inputs.lan;
    let (rate, burst) = SYN_RATE;
    let mut rules = vec![
        rule([udp(67), Accept]),
        rule([SourceNotIn(lan), Count(Counter::LanRefused), Drop]),
        rule([udp(53), Accept]),
        rule([TcpSyn, SourceFasterThan(rate, burst), Count(Counter::SynFlood), Drop]),
        rule([To(Protocol::Tcp, 53, 53), Accept]),
    ];
    rules.extend(inputs.lan_udp.iter().map(|port| rule([udp(*port), Accept])));
    // A host of the LAN that knocks at a closed port is told so at once and need not wait for a time-out.
    rules.push(rule([Is(Protocol::Tcp), Count(Counter::LanRefused), RejectTcp]));
    rules.push(rule([SourceIn(lan), Is(Protocol::Udp), Count(Counter::LanRefused), RejectPort]));
    rules.push(rule([Count(Counter::LanRefused), Drop]));
    rules
}

/// What the uplink may say unasked.
fn from_uplink(inputs: &Inputs) -> Vec<Rule> {
    let mut rules = vec![
        // An answer to a renewal may come from another server than the one asked (RFC 2131 §4.4.5, rebinding).
        rule([UdpFromTo(67, 68), Accept]),
    ];
    if !inputs.allows.is_empty() {
        let (rate, burst) = SYN_RATE;
        rules.push(rule([TcpSyn, FasterThan(rate, burst), Count(Counter::SynFlood), Drop]));
        rules.extend(allowed(inputs.allows));
    }
    rules.push(rule([Count(Counter::UplinkRefused), Drop]));
    rules
}

/// IPv6 for the gateway itself, besides pings: what links need, and no service yet. Redirects (type 137) are never taken.
fn input_ipv6(inputs: &Inputs) -> Vec<Rule> {
    let mut rules = vec![rule([Icmpv6(NEIGHBOURS), Accept]), rule([SourceIsLinkLocal, Icmpv6(LISTENERS), Accept])];
    if let Some(uplink) = inputs.uplink_interface {
        rules.push(rule([from(uplink), Count(Counter::UplinkRefused), Drop]));
    }
    rules.push(rule([Count(Counter::LanRefused), Drop]));
    rules
}

/// What passes through.
fn forward(inputs: &Inputs) -> Vec<Rule> {
    let Some(uplink) = inputs.uplink_interface else { return vec![rule([Count(Counter::ForwardRefused), Drop])] };
    let lan = inputs.lan_interface;
    let mut rules = Vec::new();
    let known = [Some(AssuredMasqueraded), (!inputs.forwards.is_empty()).then_some(AssuredPortForward)];
    for known in known.into_iter().flatten() {
        if inputs.flowtable {
            // Where the kernel can't take a flow (no TCP or UDP, or it is ending), the next rule counts.
            rules.push(rule([known.clone(), AddToFlowtable(FLOWTABLE)]));
        }
        rules.push(rule([known, Accept]));
    }
    // Translation passes over what conntrack can't make sense of: it would leave with a LAN address.
    rules.push(rule([Invalid, Count(Counter::Invalid), Drop]));
    // Both directions: `rt mtu` takes the smaller of the two ways. No handshake is assured yet, so none passed above.
    rules.push(rule([TcpHandshake, ClampMss]));
    rules.push(rule([EstablishedOrRelated, Translated, Accept]));
    rules.push(rule([Ipv6, Jump("forward_ipv6")]));
    let outward = || [from(lan), out(uplink)];
    for block in inputs.blocks {
        // By both: an address may be taken by hand, a hardware address made up.
        let mac = block.mac.map(|mac| vec![SourceIn(inputs.lan), MacIs(mac)]);
        let address = Ipv4Net::new(block.address, 32).map(|host| vec![SourceIn(host)]);
        for who in [mac, address].into_iter().flatten() {
            let refuse = [Count(Counter::Blocked), RejectProhibited];
            rules.push(Rule(outward().into_iter().chain(who).chain(refuse).collect()));
        }
    }
    if !inputs.far_private {
        let near = inputs.near.iter().map(|net| [New, SourceIn(inputs.lan), DestinationIn(*net), Accept]);
        rules.extend(near.map(|rest| Rule(outward().into_iter().chain(rest).collect())));
        let far = PRIVATE.map(|net| [DestinationIn(net), Count(Counter::PrivateRefused), RejectNet]);
        rules.extend(far.map(|rest| Rule(outward().into_iter().chain(rest).collect())));
    }
    rules.push(rule([from(lan), out(uplink), New, SourceIn(inputs.lan), Accept]));
    if !inputs.forwards.is_empty() {
        rules.push(passed_on());
    }
    rules.push(rule([Count(Counter::ForwardRefused), Drop]));
    rules
}

/// IPv6 from one side to the other: stateful, closed to the inside (RFC 6092) but for IPsec (REC-21 to REC-24) and the
/// ICMPv6 without which paths break. The kernel's forwarding of IPv6 is off; this stands here so that it never is
/// switched on without a filter.
fn forward_ipv6(lan: &str, uplink: &str) -> Vec<Rule> {
    let mut rules = vec![
        rule([EstablishedOrRelated, Accept]),
        rule([Icmpv6(PASSING), LimitPerSecond(ICMP_PER_SECOND), Accept]),
        rule([from(lan), out(uplink), Accept]),
    ];
    let ipsec = [Is(Protocol::Esp), AuthenticatedIpv6, udp(500), udp(4500)];
    rules.extend(ipsec.map(|kind| rule([from(uplink), out(lan), kind, Accept])));
    rules.push(rule([Count(Counter::ForwardRefused), Drop]));
    rules
}

/// The gateway's own words. A port of ours that is closed says nothing on the uplink, so that neither a scan nor a
/// count of our ICMP errors (CVE-2020-25705) tells which ports are open. And what translation passes over must not
/// tell the uplink our LAN address; what is forwarded is guarded in `forward`.
fn output(uplink: &str, lan: Ipv4Net) -> Vec<Rule> {
    vec![
        rule([out(uplink), PortUnreachable, Drop]),
        rule([out(uplink), SourceIn(lan), InvalidOrUntracked, Count(Counter::Leaks), Drop]),
    ]
}

/// Sources on the way out.
fn leaving(inputs: &Inputs, uplink: &str) -> Vec<Rule> {
    // Ports are kept where they are free (no `random`): RFC 4787 REQ-1 and REQ-3 want it, games and calls need it.
    let mut rules = vec![rule([out(uplink), SourceIn(inputs.lan), Masquerade])];
    if !inputs.forwards.is_empty() {
        // Hairpin (RFC 4787 REQ-9): the answer must come back through us, or the client would not know who sends it.
        rules.push(rule([from(inputs.lan_interface), out(inputs.lan_interface), PortForwarded, Masquerade]));
    }
    rules
}

/// One address; 32 is no wrong length.
const fn host(address: Ipv4Addr) -> Ipv4Net {
    net(address.octets(), 32)
}

fn base(name: &'static str, kind: ChainKind, hook: Hook, priority: i32, policy: Policy, rules: Vec<Rule>) -> Chain {
    Chain { name, base: Some(Base { kind, hook, priority, policy }), rules }
}

fn called(name: &'static str, rules: Vec<Rule>) -> Chain {
    Chain { name, base: None, rules }
}

pub(super) fn rule<const N: usize>(statements: [Statement; N]) -> Rule {
    Rule(statements.into())
}

fn udp(port: u16) -> Statement {
    To(Protocol::Udp, port, port)
}

fn from(interface: &str) -> Statement {
    InputIs(String::from(interface))
}

fn out(interface: &str) -> Statement {
    OutputIs(String::from(interface))
}
