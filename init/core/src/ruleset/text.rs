//! The ruleset in the words of nft(8), as `nft -s list table` prints it.

use super::{Chain, ChainKind, Hook, Icmpv6Type, Policy, Rule, Ruleset, Statement, TABLE};
use crate::net::Ipv4Net;
use core::fmt::{Display, Formatter, Result};

impl Display for Ruleset {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        writeln!(f, "table inet {TABLE} {{")?;
        for counter in &self.counters {
            writeln!(f, "\tcounter {} {{\n\t}}\n", counter.name())?;
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

impl Display for Chain {
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
            0 => "filter",
            100 => "srcnat",
            110 => "srcnat + 10",
            _ => "unknown",
        };
        writeln!(f, "\tchain {} {{", self.name)?;
        writeln!(f, "\t\ttype {kind} hook {} priority {priority}; policy {policy};", self.hook)?;
        for rule in &self.rules {
            writeln!(f, "\t\t{rule}")?;
        }
        writeln!(f, "\t}}")
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
            Statement::SourceIn(net) => write!(f, "ip saddr {}", Prefix(*net)),
            Statement::SourceNotIn(net) => write!(f, "ip saddr != {}", Prefix(*net)),
            Statement::DestinationIn(net) => write!(f, "ip daddr {}", Prefix(*net)),
            Statement::SourceIsOurs => f.write_str("fib saddr type local"),
            Statement::Invalid => f.write_str("ct state invalid"),
            Statement::Established => f.write_str("ct state established"),
            Statement::EstablishedOrRelated => f.write_str("ct state established,related"),
            Statement::Tcp => f.write_str("meta l4proto tcp"),
            Statement::TcpTo(port) => write!(f, "tcp dport {port}"),
            Statement::UdpTo(port) => write!(f, "udp dport {port}"),
            Statement::UdpFromTo(source, destination) => write!(f, "udp sport {source} udp dport {destination}"),
            Statement::TcpSyn => f.write_str("tcp flags syn / fin,syn,rst"),
            Statement::EchoRequest => f.write_str("icmp type echo-request"),
            Statement::PortUnreachable => f.write_str("icmp type destination-unreachable icmp code port-unreachable"),
            Statement::Icmpv6(kind) => write!(f, "icmpv6 type {kind}"),
            Statement::LimitPerSecond(rate) => write!(f, "limit rate {rate}/second"),
            Statement::Count(counter) => write!(f, "counter name \"{}\"", counter.name()),
            Statement::ClampMss => f.write_str("tcp option maxseg size set rt mtu"),
            Statement::AddToFlowtable(name) => write!(f, "flow add @{name}"),
            Statement::Masquerade => f.write_str("masquerade"),
            Statement::Accept => f.write_str("accept"),
            Statement::Drop => f.write_str("drop"),
            Statement::RejectTcp => f.write_str("reject with tcp reset"),
            Statement::Reject => f.write_str("reject with icmp port-unreachable"),
        }
    }
}

impl Display for Icmpv6Type {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            Icmpv6Type::ListenerQuery => "mld-listener-query",
            Icmpv6Type::NeighbourSolicit => "nd-neighbor-solicit",
            Icmpv6Type::NeighbourAdvert => "nd-neighbor-advert",
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
