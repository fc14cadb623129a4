//! What the packet filter has done, for a person, and the warning before the connection table is full.

use super::Gateway;
use crate::config::{Ports, Transport};
use crate::plan::connections_per_host;
use crate::ruleset::{Counter, Reading, table};
use crate::time::Instant;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// How full the connection table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connections {
    /// Connections in it.
    pub tracked: u64,
    /// Room for so many.
    pub room: u64,
}

impl Gateway {
    /// The answer to `firewall`: how full the connection table is, and what each counter has seen since the rules were
    /// put in force. `None`: the kernel does not tell.
    pub fn firewall(&self, connections: Option<Connections>, readings: &[Reading]) -> String {
        let share = connections_per_host(self.memory_bytes);
        let filled = connections.map_or_else(
            || String::from("not known"),
            |connections| format!("{} of {}, at most {share} for one LAN host", connections.tracked, connections.room),
        );
        format!("connections  {filled}\n\n{}", table(&self.counters(), readings))
    }

    /// Looks how full the connection table is: at four fifths it is said, once, until it has room again.
    pub fn handle_connections(&mut self, connections: Connections, now: Instant) {
        let Connections { tracked, room } = connections;
        if !self.crowded && tracked >= room / 5 * 4 && room > 0 {
            self.crowded = true;
            let text =
                format!("The connection table is nearly full: {tracked} of {room}. Some machine opens very many.");
            self.say(now, &text);
        } else if self.crowded && tracked < room / 5 * 3 {
            self.crowded = false;
            self.say(now, "The connection table has room again.");
        }
    }

    /// The counters of the rules in force, with what they stand for.
    fn counters(&self) -> Vec<(Counter, String)> {
        let always = Counter::ALWAYS.into_iter().map(|counter| (counter, counter.meaning()));
        let allows = (1..).zip(&self.config.firewall.allows).map(|(number, allow)| {
            let counter = Counter::Allow(number);
            (counter, format!("{}: {}", counter.meaning(), ports(allow.transport, allow.ports)))
        });
        let forwards = (1..).zip(&self.config.forwards).map(|(number, forward)| {
            let counter = Counter::Forward(number);
            let port = forward.to_port.map_or_else(String::new, |port| format!(":{port}"));
            let ports = ports(forward.transport, forward.ports);
            (counter, format!("{}: {ports} to {}{port}", counter.meaning(), forward.to))
        });
        always.chain(allows).chain(forwards).collect()
    }
}

fn ports(transport: Transport, ports: Ports) -> String {
    let transport = match transport {
        Transport::Tcp => "TCP",
        Transport::Udp => "UDP",
        Transport::Both => "TCP and UDP",
    };
    let Ports { first, last } = ports;
    if first == last { format!("{transport} {first}") } else { format!("{transport} {first}-{last}") }
}
