//! The packet filter and the translation of addresses, as a value.
//!
//! [`build`] turns a few facts (which interface is which, which prefix is served) into a [`Ruleset`]; [`encode`] turns
//! that into one netlink batch for nf_tables. The batch replaces our own table and touches nothing else: it adds the
//! table (so that there is one to delete), deletes it, and writes it anew, all in one transaction. Sending it twice
//! therefore changes nothing, and a batch that fails leaves the old table in force.
//!
//! `Display` of a [`Ruleset`] is what `nft -s list table inet gatepost` prints for it; a test in a network namespace
//! holds the two against each other.
//!
//! Rules follow RFC 2827 (BCP 38: only our own sources leave), RFC 5382 and RFC 4787 (NAT), RFC 4890 §4.4.1 (which
//! ICMPv6 a node needs). Left out: forwarding of IPv6, port forwards (`ct status dnat accept` will stand in `forward`),
//! limits per LAN host, helpers of conntrack (an attack surface that nobody asked for).

mod build;
mod encode;
mod expression;
mod nla;
#[cfg(test)]
mod tests;
mod text;

pub use build::{Inputs, build};
pub use encode::{Batch, encode};

use crate::net::Ipv4Net;
use alloc::string::String;
use alloc::vec::Vec;

/// The name of our table, of family `inet`. No other table is ever read or written.
pub const TABLE: &str = "gatepost";

/// Everything in our table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruleset {
    /// Named counters that rules refer to.
    pub counters: Vec<Counter>,
    /// The kernel's short cut for established flows, where it has one.
    pub flowtable: Option<Flowtable>,
    /// The chains, each hooked into the packet path.
    pub chains: Vec<Chain>,
}

/// A named counter of packets and bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// Packets whose source address can't be true on the interface they came in by.
    Spoofed,
    /// Packets that conntrack can't make sense of.
    Invalid,
    /// Packets from the uplink to the gateway itself that nobody asked for.
    UplinkRefused,
    /// Packets that were to be forwarded and may not.
    ForwardRefused,
    /// Packets that would have left by the uplink with an untranslated LAN address. Expected to stay 0.
    Leaks,
}

impl Counter {
    /// All of them, in the order in which they are created.
    pub const ALL: [Counter; 5] =
        [Counter::Spoofed, Counter::Invalid, Counter::UplinkRefused, Counter::ForwardRefused, Counter::Leaks];

    /// Its name in the kernel.
    pub const fn name(self) -> &'static str {
        match self {
            Counter::Spoofed => "spoofed",
            Counter::Invalid => "invalid",
            Counter::UplinkRefused => "uplink_refused",
            Counter::ForwardRefused => "forward_refused",
            Counter::Leaks => "leaks",
        }
    }
}

/// The kernel's short cut: packets of flows in it go from one device to the other without passing the chains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flowtable {
    /// Its name.
    pub name: &'static str,
    /// The devices that it hooks into; all must exist when it is created.
    pub devices: [String; 2],
}

/// A list of rules at one point of the packet path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Its name.
    pub name: &'static str,
    /// What kind of chain the kernel makes.
    pub kind: ChainKind,
    /// The point of the packet path.
    pub hook: Hook,
    /// The order among chains of the same hook; lower goes first.
    pub priority: i32,
    /// What happens to a packet that no rule decided about.
    pub policy: Policy,
    /// The rules, first match first.
    pub rules: Vec<Rule>,
}

/// The kind of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainKind {
    /// Lets packets pass or not.
    Filter,
    /// Sees the first packet of a flow and may translate it.
    Nat,
}

/// A point of the packet path (`enum nf_inet_hooks`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// Every packet that comes in, before the routing decision.
    Prerouting,
    /// Packets for the gateway itself.
    Input,
    /// Packets on their way from one interface to another.
    Forward,
    /// Packets that the gateway itself makes.
    Output,
    /// Every packet that goes out, after the routing decision.
    Postrouting,
}

/// The end of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Let it pass.
    Accept,
    /// Throw it away.
    Drop,
}

/// One rule: if all matches among its statements hold, the rest is carried out, from left to right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule(pub Vec<Statement>);

/// One match or action. The text is what nft(8) calls it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Statement {
    /// `iifname "eth0"`. By name, not index, so that it holds for a device that is plugged in later.
    InputIs(String),
    /// `iifname != "lo"`
    InputIsNot(String),
    /// `oifname "eth0"`
    OutputIs(String),
    /// `ip saddr 10.0.0.0/24`
    SourceIn(Ipv4Net),
    /// `ip saddr != 10.0.0.0/24`
    SourceNotIn(Ipv4Net),
    /// `ip daddr 10.0.0.0/24`
    DestinationIn(Ipv4Net),
    /// `fib saddr type local`: the source is an address of ours.
    SourceIsOurs,
    /// `ct state invalid`
    Invalid,
    /// `ct state established`
    Established,
    /// `ct state established,related`
    EstablishedOrRelated,
    /// `meta l4proto tcp`
    Tcp,
    /// `tcp dport 53`
    TcpTo(u16),
    /// `udp dport 53`
    UdpTo(u16),
    /// `udp sport 67 udp dport 68`
    UdpFromTo(u16, u16),
    /// `tcp flags syn / fin,syn,rst`: the SYN and the SYN-ACK of a handshake.
    TcpSyn,
    /// `icmp type echo-request`
    EchoRequest,
    /// `icmp type destination-unreachable icmp code port-unreachable`
    PortUnreachable,
    /// `icmpv6 type nd-neighbor-solicit`
    Icmpv6(Icmpv6Type),
    /// `limit rate 10/second`, with a burst of 5 packets (nft's default, which it leaves out when it prints).
    LimitPerSecond(u32),
    /// `counter name "spoofed"`
    Count(Counter),
    /// `tcp option maxseg size set rt mtu`: lowers the MSS to what both ways of the flow can carry.
    ClampMss,
    /// `flow add @fast`
    AddToFlowtable(&'static str),
    /// `masquerade`
    Masquerade,
    /// `accept`
    Accept,
    /// `drop`
    Drop,
    /// `reject with tcp reset`
    RejectTcp,
    /// `reject with icmp port-unreachable`
    Reject,
}

/// The ICMPv6 messages without which a link-local address harms its neighbours (RFC 4890 §4.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Icmpv6Type {
    /// A switch asks which groups are listened to; without an answer it stops passing on neighbour solicitations.
    ListenerQuery = 130,
    /// Someone looks for our hardware address, or checks that an address is free.
    NeighbourSolicit = 135,
    /// The answer to ours.
    NeighbourAdvert = 136,
}
