//! Openings and closings of the packet filter: `[firewall]`, `[[firewall.allow]]`, `[[firewall.block]]`, `[[forward]]`.

#[cfg(test)]
mod tests;

use super::problem::{Report, echo};
use super::raw::{At, Section, Text};
use super::{Host, words};
use crate::net::{Ipv4Addr, Ipv4Net, MacAddr};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// The most entries of each of the three lists: each becomes a rule or two of the packet filter.
pub const MAX_OPENINGS: usize = 128;

/// UDP ports that are the gateway's own on the uplink: the answers of the DHCP server there.
const DHCP_CLIENT: u16 = 68;

/// Services that must never answer strangers; they listen on the LAN only, so that opening them would do nothing.
const NEVER_OUTSIDE: [(u16, &str); 3] = [(53, "DNS"), (67, "DHCP"), (69, "TFTP")];

/// The packet filter's part of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Firewall {
    /// `firewall.private_networks`: whether the LAN may reach private networks behind the default route.
    pub private_networks: bool,
    /// What the uplink may ask of the gateway itself.
    pub allows: Vec<Allow>,
    /// Hosts without internet.
    pub blocks: Vec<BlockedHost>,
}

/// One `[[firewall.allow]]`: ports of the gateway that are open on the uplink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allow {
    /// TCP, UDP or both.
    pub transport: Transport,
    /// Which ports.
    pub ports: Ports,
    /// From which network only.
    pub source: Option<Ipv4Net>,
}

/// One `[[firewall.block]]`: a host that reaches the LAN and the gateway, but not the internet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockedHost {
    /// Its address.
    pub address: Ipv4Addr,
    /// Its hardware address, if it has one in the configuration.
    pub mac: Option<MacAddr>,
}

/// One `[[forward]]`: ports of the uplink's address that are passed on to a host of the LAN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortForward {
    /// TCP, UDP or both.
    pub transport: Transport,
    /// Which ports.
    pub ports: Ports,
    /// The host's address.
    pub to: Ipv4Addr,
    /// Its port, if it is another; never with a range.
    pub to_port: Option<u16>,
}

/// TCP, UDP or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TCP
    Tcp,
    /// UDP
    Udp,
    /// TCP and UDP
    Both,
}

/// One port or several in a row, never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    /// The lowest.
    pub first: u16,
    /// The highest; not below the first.
    pub last: u16,
}

impl Transport {
    fn overlaps(self, other: Transport) -> bool {
        self == other || self == Transport::Both || other == Transport::Both
    }
}

impl Ports {
    fn overlaps(self, other: Ports) -> bool {
        self.first <= other.last && other.first <= self.last
    }

    fn contains(self, port: u16) -> bool {
        self.first <= port && port <= self.last
    }
}

/// What the file says.
#[derive(Default)]
pub(super) struct Raw {
    private_networks: Option<bool>,
    allows: Vec<RawAllow>,
    blocks: Vec<RawBlock>,
    forwards: Vec<RawForward>,
}

struct RawAllow {
    at: usize,
    protocol: Text,
    port: Text,
    /// A port is there; if it is unusable, that has been reported.
    has_port: bool,
    source: Text,
}

struct RawBlock {
    at: usize,
    host: Text,
    has_host: bool,
}

struct RawForward {
    at: usize,
    protocol: Text,
    port: Text,
    has_port: bool,
    to: Text,
    has_to: bool,
    to_port: Text,
}

/// Reads the sections.
pub(super) fn read(top: &mut Section<'_, '_, '_>) -> Raw {
    let example = |name| format!("a line [[{name}]], with double brackets, above the keys of each entry");
    let forwards = top.each("forward", &example("forward"), |at, entry| RawForward {
        at,
        protocol: entry.text("protocol"),
        port: entry.text_or_number("port"),
        has_port: entry.has("port"),
        to: entry.text("to"),
        has_to: entry.has("to"),
        to_port: entry.text_or_number("to_port"),
    });
    let Some(mut firewall) = top.section("firewall") else { return Raw { forwards, ..Raw::default() } };
    Raw {
        private_networks: firewall.switch("private_networks"),
        allows: firewall.each("allow", &example("firewall.allow"), |at, entry| RawAllow {
            at,
            protocol: entry.text("protocol"),
            port: entry.text_or_number("port"),
            has_port: entry.has("port"),
            source: entry.text("source"),
        }),
        blocks: firewall.each("block", &example("firewall.block"), |at, entry| RawBlock {
            at,
            host: entry.text("host"),
            has_host: entry.has("host"),
        }),
        forwards,
    }
}

/// Checks everything. `lan` is `None` when the LAN itself was refused.
pub(super) fn check(
    raw: &Raw,
    hosts: &[Host],
    lan: Option<Ipv4Net>,
    report: &mut Report<'_>,
) -> (Firewall, Vec<PortForward>) {
    let mut allows: Vec<Allow> = Vec::new();
    for entry in few(&raw.allows, "firewall.allow", |entry| entry.at, report) {
        allows.extend(check_allow(entry, &allows, report));
    }
    let mut forwards: Vec<PortForward> = Vec::new();
    for entry in few(&raw.forwards, "forward", |entry| entry.at, report) {
        forwards.extend(check_forward(entry, (&forwards, &allows), hosts, lan, report));
    }
    let mut blocks: Vec<BlockedHost> = Vec::new();
    for entry in few(&raw.blocks, "firewall.block", |entry| entry.at, report) {
        blocks.extend(check_block(entry, &blocks, hosts, lan, report).unwrap_or_default());
    }
    (Firewall { private_networks: raw.private_networks.unwrap_or(false), allows, blocks }, forwards)
}

/// The entries up to the largest number; that there are more is reported.
fn few<'e, T>(entries: &'e [T], key: &str, at: fn(&T) -> usize, report: &mut Report<'_>) -> &'e [T] {
    if let Some(surplus) = entries.get(MAX_OPENINGS) {
        report.add(at(surplus), key, format!("there are more than {MAX_OPENINGS} entries"), "remove some");
    }
    entries.get(..MAX_OPENINGS).unwrap_or(entries)
}

fn check_allow(entry: &RawAllow, others: &[Allow], report: &mut Report<'_>) -> Option<Allow> {
    let transport = read_transport(&entry.protocol, "firewall.allow.protocol", report);
    let (ports, at) = read_ports((entry.at, entry.has_port), &entry.port, "firewall.allow", report)?;
    let source = read_source(&entry.source, report);
    let key = "firewall.allow.port";
    if let Some((port, name)) = NEVER_OUTSIDE.into_iter().find(|(port, _)| ports.contains(*port)) {
        let what = format!("port {port} is {name}, which the gateway serves on the LAN only");
        report.add(at, key, what, "leave it out");
        return None;
    }
    let allow = Allow { transport: transport?, ports, source };
    if others.contains(&allow) {
        report.add(at, key, "another [[firewall.allow]] says the same", "keep one of them");
    }
    Some(allow)
}

/// `others`: forwards and openings that came before.
fn check_forward(
    entry: &RawForward,
    others: (&[PortForward], &[Allow]),
    hosts: &[Host],
    lan: Option<Ipv4Net>,
    report: &mut Report<'_>,
) -> Option<PortForward> {
    let transport = read_transport(&entry.protocol, "forward.protocol", report);
    let ports = read_ports((entry.at, entry.has_port), &entry.port, "forward", report);
    let to = read_host((entry.at, entry.has_to), &entry.to, ("forward", "to"), hosts, lan, report);
    let to_port = read_to_port(&entry.to_port, ports.map(|(ports, _)| ports), report);
    let ((ports, at), transport) = (ports?, transport?);
    let clash = |other: Transport, theirs: Ports| transport.overlaps(other) && ports.overlaps(theirs);
    let key = "forward.port";
    if transport != Transport::Tcp && ports.contains(DHCP_CLIENT) {
        let what = "UDP port 68 is the gateway's own: there it gets the uplink's address";
        report.add(at, key, what, "leave that port out");
    } else if others.0.iter().any(|other| clash(other.transport, other.ports)) {
        report.add(at, key, "another [[forward]] has this port already", "give each port to one host");
    } else if others.1.iter().any(|other| clash(other.transport, other.ports)) {
        let what = "[[firewall.allow]] opens this port for the gateway itself";
        report.add(at, key, what, "remove one of the two, or choose another port");
    }
    Some(PortForward { transport, ports, to: to?.0, to_port: to_port? })
}

fn check_block(
    entry: &RawBlock,
    others: &[BlockedHost],
    hosts: &[Host],
    lan: Option<Ipv4Net>,
    report: &mut Report<'_>,
) -> Option<Vec<BlockedHost>> {
    let (address, macs) =
        read_host((entry.at, entry.has_host), &entry.host, ("firewall.block", "host"), hosts, lan, report)?;
    if others.iter().any(|other| other.address == address) {
        report.add(entry.at, "firewall.block.host", format!("{address} is blocked already"), "keep one of them");
    }
    // One entry for each port that the host has.
    let count = macs.len().max(1);
    Some((0..count).map(|index| BlockedHost { address, mac: macs.get(index).copied() }).collect())
}

/// TCP if nothing is said.
fn read_transport(text: &Text, key: &str, report: &mut Report<'_>) -> Option<Transport> {
    let Some(At { value, at }) = text else { return Some(Transport::Tcp) };
    match value.as_str() {
        "tcp" => Some(Transport::Tcp),
        "udp" => Some(Transport::Udp),
        "both" => Some(Transport::Both),
        _ => {
            let what = format!("{} is not a protocol that has ports", echo(value));
            report.add(*at, key, what, "write \"tcp\", \"udp\" or \"both\"");
            None
        }
    }
}

/// The ports and where they stand.
fn read_ports(
    (entry, given): (usize, bool),
    text: &Text,
    section: &str,
    report: &mut Report<'_>,
) -> Option<(Ports, usize)> {
    let key = format!("{section}.port");
    let Some(At { value, at }) = text else {
        if given {
            return None;
        }
        report.add(entry, &key, "this entry has no port", "add port = 8080, or port = \"8000-8010\" for several");
        return None;
    };
    let (first, last) = value.split_once('-').unwrap_or((value, value));
    let port = |text: &str| text.trim().parse::<u16>().ok().filter(|port| *port != 0);
    let (what, cure) = match (port(first), port(last)) {
        (Some(first), Some(last)) if first <= last => return Some((Ports { first, last }, *at)),
        (Some(first), Some(last)) => {
            (format!("the first port {first} is above the last one {last}"), format!("write \"{last}-{first}\""))
        }
        _ => (
            format!("{} is not a port from 1 to 65535", echo(value)),
            String::from("write a number such as 8080, or first and last with a hyphen, as in \"8000-8010\""),
        ),
    };
    report.add(*at, &key, what, cure);
    None
}

/// Outer `None`: it was refused.
fn read_to_port(text: &Text, ports: Option<Ports>, report: &mut Report<'_>) -> Option<Option<u16>> {
    let Some(At { value, at }) = text else { return Some(None) };
    let key = "forward.to_port";
    match value.parse::<u16>() {
        Ok(port) if port != 0 => {
            if ports.is_some_and(|ports| ports.first != ports.last) {
                report.add(*at, key, "several ports keep their numbers", "leave to_port out");
                return None;
            }
            Some(Some(port))
        }
        _ => {
            let what = format!("{} is not a port from 1 to 65535", echo(value));
            report.add(*at, key, what, "write one number such as 80");
            None
        }
    }
}

fn read_source(text: &Text, report: &mut Report<'_>) -> Option<Ipv4Net> {
    let At { value, at } = text.as_ref()?;
    let host = || value.parse::<Ipv4Addr>().ok().and_then(|address| Ipv4Net::new(address, 32));
    let net = value.parse::<Ipv4Net>().ok().or_else(host);
    if net.is_none() {
        let what = format!("{} is neither a network nor an address", echo(value));
        report.add(*at, "firewall.allow.source", what, "write for instance \"192.168.0.0/24\" or \"192.168.0.7\"");
    }
    net
}

/// A host by its name in the file, or by an address of the LAN.
fn read_host(
    (entry, given): (usize, bool),
    text: &Text,
    (section, key): (&str, &str),
    hosts: &[Host],
    lan: Option<Ipv4Net>,
    report: &mut Report<'_>,
) -> Option<(Ipv4Addr, Vec<MacAddr>)> {
    let full = format!("{section}.{key}");
    let Some(At { value, at }) = text else {
        if given {
            return None;
        }
        report.add(entry, &full, "this entry names no host", format!("add {key} = \"rpi2\", or an address of the LAN"));
        return None;
    };
    let Ok(address) = value.parse::<Ipv4Addr>() else {
        let name = words::label(value).ok();
        let host = hosts.iter().find(|host| Some(&host.name) == name.as_ref());
        let own = host.and_then(|host| Some((host.address?, host.macs.clone())));
        if own.is_none() {
            let what = format!("{} is neither a [[host]] of this file nor an address", echo(value));
            report.add(*at, &full, what, "add a [[host]] with this name and an address, or write its address here");
        }
        return own;
    };
    let lan = lan?;
    if !lan.contains(address) || !lan.is_host(address) || address == lan.address() {
        let what = format!("{address} is not a host of the LAN {lan}");
        report.add(*at, &full, what, "write the address of a machine of the LAN");
        return None;
    }
    let owner = hosts.iter().find(|host| host.address == Some(address));
    Some((address, owner.map(|host| host.macs.clone()).unwrap_or_default()))
}
