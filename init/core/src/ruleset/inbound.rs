//! What the configuration opens towards the uplink: ports of the gateway itself, and ports passed on to a LAN host.

use super::build::rule;
use super::{Counter, Protocol, Rule, Statement};
use crate::config::{Allow, PortForward, Ports, Transport};
use Statement::*;
use alloc::vec;
use alloc::vec::Vec;

/// Connections to the gateway itself that `[[firewall.allow]]` lets in.
pub fn allowed(allows: &[Allow]) -> impl Iterator<Item = Rule> {
    (1..).zip(allows).flat_map(|(number, allow)| {
        each(allow.transport, allow.ports).map(move |port| {
            let source = allow.source.map(SourceIn);
            let tail = [port, Count(Counter::Allow(number)), Accept];
            Rule(source.into_iter().chain(tail).collect())
        })
    })
}

/// The destinations of `[[forward]]`: the port is kept, or a single one exchanged.
pub fn port_forwards(forwards: &[PortForward]) -> Vec<Rule> {
    let rules = (1..).zip(forwards).flat_map(|(number, forward)| {
        each(forward.transport, forward.ports)
            .map(move |port| rule([port, Count(Counter::Forward(number)), ForwardTo(forward.to, forward.to_port)]))
    });
    rules.collect()
}

/// In `forward`: only the port forwards translate a destination, so whatever bears the mark was let in by one.
pub fn passed_on() -> Rule {
    rule([New, PortForwarded, Accept])
}

fn each(transport: Transport, ports: Ports) -> impl Iterator<Item = Statement> {
    let protocols = match transport {
        Transport::Tcp => vec![Protocol::Tcp],
        Transport::Udp => vec![Protocol::Udp],
        Transport::Both => vec![Protocol::Tcp, Protocol::Udp],
    };
    protocols.into_iter().map(move |protocol| To(protocol, ports.first, ports.last))
}
