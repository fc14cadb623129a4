//! The ruleset in the words of nft(8), as `nft -s list table` prints it.

use super::{Base, Chain, ChainKind, Hook, Icmpv6Type, Policy, Protocol, Rule, Ruleset, SourceSet, Statement, TABLE};
use crate::net::Ipv4Net;
use core::fmt::{Display, Formatter, Result};

impl Display for Ruleset {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        writeln!(f, "table inet {TABLE} {{")?;
        for counter in &self.counters {
            writeln!(f, "\tcounter {} {{\n\t}}\n", counter.name())?;
        }
        for set in &self.sets {
            writeln!(f, "{set}")?;
        }
        if let Some(table) = &self.flowtable {
            let [a, b] = &table.devices;
            writeln!(f, "\tflowtable {} {{\n\t\thook ingress priority filter", table.name)?;
            writeln!(f, "\t\tdevices = {{ {a}, {b} }}\n\t}}\n")?;
        }
        for (index, chain) in self.chains.iter().enumerate() {
            let gap = if index == 0 { "" } else { "\n" };
            write!(f, "{gap}{chain}")?;
        }
        writeln!(f, "}}")
    }
}

impl Display for SourceSet {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let timeout = match self {
            SourceSet::Connections => "",
            SourceSet::Syns => ",timeout\n\t\ttimeout 1m",
        };
        writeln!(f, "\tset {} {{\n\t\ttype ipv4_addr", self.name())?;
        writeln!(f, "\t\tsize {}\n\t\tflags dynamic{timeout}\n\t}}", Self::SIZE)
    }
}

impl Display for Chain {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        writeln!(f, "\tchain {} {{", self.name)?;
        if let Some(base) = &self.base {
            writeln!(f, "\t\t{base}")?;
        }
        for rule in &self.rules {
            writeln!(f, "\t\t{rule}")?;
        }
        writeln!(f, "\t}}")
    }
}

impl Display for Base {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let kind = match self.kind {
            ChainKind::Filter => "filter",
            ChainKind::Nat => "nat",
        };
        let policy = match self.policy {
            Policy::Accept => "accept",
            Policy::Drop => "drop",
        };
        let priority = match self.priority {
            -300 => "raw",
            -100 => "dstnat",
            0 => "filter",
            100 => "srcnat",
            _ => "unknown",
        };
        write!(f, "type {kind} hook {} priority {priority}; policy {policy};", self.hook)
    }
}

impl Display for Hook {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            Hook::Prerouting => "prerouting",
            Hook::Input => "input",
            Hook::Forward => "forward",
            Hook::Output => "output",
            Hook::Postrouting => "postrouting",
        })
    }
}

impl Display for Rule {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        for (index, statement) in self.0.iter().enumerate() {
            let gap = if index == 0 { "" } else { " " };
            write!(f, "{gap}{statement}")?;
        }
        Ok(())
    }
}

impl Display for Statement {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Statement::InputIs(name) => write!(f, "iifname \"{name}\""),
            Statement::InputIsNot(name) => write!(f, "iifname != \"{name}\""),
            Statement::OutputIs(name) => write!(f, "oifname \"{name}\""),
            Statement::Ipv6 => f.write_str("meta nfproto ipv6"),
            Statement::SourceIn(net) => write!(f, "ip saddr {}", Prefix(*net)),
            Statement::SourceNotIn(net) => write!(f, "ip saddr != {}", Prefix(*net)),
            Statement::DestinationIn(net) => write!(f, "ip daddr {}", Prefix(*net)),
            Statement::DestinationNotIn(net) => write!(f, "ip daddr != {}", Prefix(*net)),
            Statement::SourceIsLinkLocal => f.write_str("ip6 saddr fe80::/10"),
            Statement::MacIs(mac) => write!(f, "ether saddr {mac}"),
            Statement::SourceIsOurs => f.write_str("fib saddr type local"),
            Statement::NoWayBack => f.write_str("fib saddr . iif oif missing"),
            Statement::DestinationIsOurs => f.write_str("fib daddr type local"),
            Statement::New => f.write_str("ct state new"),
            Statement::Invalid => f.write_str("ct state invalid"),
            Statement::InvalidOrUntracked => f.write_str("ct state invalid,untracked"),
            Statement::EstablishedOrRelated => f.write_str("ct state established,related"),
            Statement::AssuredMasqueraded => f.write_str("ct status assured,snat / assured,snat"),
            Statement::AssuredPortForward => f.write_str("ct status assured,dnat / assured,dnat"),
            Statement::Translated => f.write_str("ct status snat,dnat"),
            Statement::PortForwarded => f.write_str("ct status dnat"),
            Statement::AuthenticatedIpv6 => f.write_str("ip6 nexthdr ah"),
            Statement::Is(protocol) => write!(f, "meta l4proto {protocol}"),
            Statement::To(protocol, first, last) if first == last => write!(f, "{protocol} dport {first}"),
            Statement::To(protocol, first, last) => write!(f, "{protocol} dport {first}-{last}"),
            Statement::UdpFromTo(source, destination) => write!(f, "udp sport {source} udp dport {destination}"),
            Statement::UdpFrom(port) => write!(f, "udp sport {port}"),
            Statement::TcpHandshake => f.write_str("tcp flags syn / fin,syn,rst"),
            Statement::TcpSyn => f.write_str("tcp flags syn / fin,syn,rst,ack"),
            Statement::EchoRequest => f.write_str("icmp type echo-request"),
            Statement::PortUnreachable => f.write_str("icmp type destination-unreachable icmp code port-unreachable"),
            Statement::Icmpv6([kind]) => write!(f, "icmpv6 type {kind}"),
            Statement::Icmpv6(kinds) => {
                f.write_str("icmpv6 type ")?;
                for (index, kind) in kinds.iter().enumerate() {
                    write!(f, "{} {kind}", if index == 0 { "{" } else { "," })?;
                }
                f.write_str(" }")
            }
            Statement::LimitPerSecond(rate) => write!(f, "limit rate {rate}/second"),
            Statement::FasterThan(rate, burst) => write!(f, "{}", Over(*rate, *burst)),
            Statement::SourceFasterThan(rate, burst) => {
                write!(f, "update @{} {{ ip saddr {} }}", SourceSet::Syns.name(), Over(*rate, *burst))
            }
            Statement::SourceConnectionsOver(most) => {
                write!(f, "add @{} {{ ip saddr ct count over {most} }}", SourceSet::Connections.name())
            }
            Statement::Count(counter) => write!(f, "counter name \"{}\"", counter.name()),
            Statement::ClampMss => f.write_str("tcp option maxseg size set rt mtu"),
            Statement::AddToFlowtable(name) => write!(f, "flow add @{name}"),
            Statement::Notrack => f.write_str("notrack"),
            Statement::Masquerade => f.write_str("masquerade"),
            Statement::ForwardTo(address, None) => write!(f, "dnat ip to {address}"),
            Statement::ForwardTo(address, Some(port)) => write!(f, "dnat ip to {address}:{port}"),
            Statement::Jump(chain) => write!(f, "jump {chain}"),
            Statement::Accept => f.write_str("accept"),
            Statement::Drop => f.write_str("drop"),
            Statement::RejectTcp => f.write_str("reject with tcp reset"),
            Statement::RejectPort => f.write_str("reject with icmp port-unreachable"),
            Statement::RejectNet => f.write_str("reject with icmp net-unreachable"),
            Statement::RejectProhibited => f.write_str("reject with icmp admin-prohibited"),
        }
    }
}

/// A rate that is exceeded, and the burst that is not counted.
struct Over(u32, u32);

impl Display for Over {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "limit rate over {}/second burst {} packets", self.0, self.1)
    }
}

impl Display for Protocol {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
            Protocol::Esp => "esp",
        })
    }
}

impl Display for Icmpv6Type {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            Icmpv6Type::DestinationUnreachable => "destination-unreachable",
            Icmpv6Type::PacketTooBig => "packet-too-big",
            Icmpv6Type::TimeExceeded => "time-exceeded",
            Icmpv6Type::ParameterProblem => "parameter-problem",
            Icmpv6Type::EchoRequest => "echo-request",
            Icmpv6Type::EchoReply => "echo-reply",
            Icmpv6Type::ListenerQuery => "mld-listener-query",
            Icmpv6Type::ListenerReport => "mld-listener-report",
            Icmpv6Type::ListenerDone => "mld-listener-done",
            Icmpv6Type::RouterSolicit => "nd-router-solicit",
            Icmpv6Type::RouterAdvert => "nd-router-advert",
            Icmpv6Type::NeighbourSolicit => "nd-neighbor-solicit",
            Icmpv6Type::NeighbourAdvert => "nd-neighbor-advert",
            Icmpv6Type::InverseSolicit => "ind-neighbor-solicit",
            Icmpv6Type::InverseAdvert => "ind-neighbor-advert",
            Icmpv6Type::ListenerReport2 => "mld2-listener-report",
            // nft has no words for these.
            other => return write!(f, "{}", *other as u8),
        })
    }
}

/// A prefix without its host bits; a single address without its length.
struct Prefix(Ipv4Net);

impl Display for Prefix {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self.0.prefix() {
            32 => write!(f, "{}", self.0.address()),
            length => write!(f, "{}/{length}", self.0.network()),
        }
    }
}
