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
//! Rules follow RFC 2827 and RFC 3704 (BCP 38 and 84: only our own sources leave), RFC 5382 and RFC 4787 (NAT),
//! RFC 4890 and RFC 6092 (which ICMPv6 and which IPv6 pass; the kernel forwards no IPv6 yet). Left out: IPv6 beyond
//! that, helpers of conntrack (an attack surface that nobody asked for).

mod build;
mod counter;
mod encode;
mod expression;
mod flows;
mod inbound;
mod nla;
mod readings;
mod statement;
#[cfg(test)]
mod tests;
mod text;

pub use build::{Inputs, build};
pub use counter::Counter;
pub use encode::{Batch, encode};
pub use flows::{FLOWS_MAX, Flow, flows_request, read_flows};
pub use readings::{Reading, counters_request, read_counters, table};
pub use statement::{Icmpv6Type, Protocol, Statement};

use alloc::string::String;
use alloc::vec::Vec;

/// The name of our table, of family `inet`. No other table is ever read or written.
pub const TABLE: &str = "gatepost";

/// Everything in our table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruleset {
    /// Named counters that rules refer to.
    pub counters: Vec<Counter>,
    /// Sets that rules fill while packets pass.
    pub sets: Vec<SourceSet>,
    /// The kernel's short cut for established flows, where it has one.
    pub flowtable: Option<Flowtable>,
    /// The chains, base chains and those that they jump to.
    pub chains: Vec<Chain>,
}

/// A set of IPv4 sources, each with a state of its own (connections, a rate). When it is full, further sources are
/// not limited until one leaves: whoever fills it gains nothing for the addresses that are in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceSet {
    /// How many connections each LAN host has. A host leaves when its last connection ends.
    Connections,
    /// How often each LAN host begins a TCP connection to the gateway. A host leaves after a minute of silence.
    Syns,
}

impl SourceSet {
    /// Most sources in it: as many as the largest pool has leases.
    pub const SIZE: u32 = 4096;

    /// Its name in the kernel.
    pub const fn name(self) -> &'static str {
        match self {
            SourceSet::Connections => "connections",
            SourceSet::Syns => "syns",
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

/// A list of rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Its name.
    pub name: &'static str,
    /// Where packets enter it; `None`: only by a jump from another chain.
    pub base: Option<Base>,
    /// The rules, first match first.
    pub rules: Vec<Rule>,
}

/// A point of the packet path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Base {
    /// What kind of chain the kernel makes.
    pub kind: ChainKind,
    /// The point of the packet path.
    pub hook: Hook,
    /// The order among chains of the same hook; lower goes first.
    pub priority: i32,
    /// What happens to a packet that no rule decided about.
    pub policy: Policy,
}

/// The kind of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainKind {
    /// Lets packets pass or not.
    Filter,
    /// Sees the first packet of a flow and may translate it.
    Nat,
}

/// Points of the packet path (`enum nf_inet_hooks`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// Whatever arrives.
    Prerouting = 0,
    /// What is for us.
    Input = 1,
    /// What is for others.
    Forward = 2,
    /// What we send.
    Output = 3,
    /// Whatever leaves.
    Postrouting = 4,
}

/// The fate of a packet that no rule decided about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// It is dropped.
    Drop,
    /// It passes.
    Accept,
}

/// Statements, evaluated until one does not match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule(pub Vec<Statement>);
