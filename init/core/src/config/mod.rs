//! `gateway.toml`: what the file may say, and what the program may believe.
//!
//! A [`Config`] can only be had from [`parse`] (or [`Config::default`], which is what an empty file means), so whoever
//! holds one holds values that fit together: the pool lies inside the LAN, no two hosts share an address, names are
//! legal DNS labels.
//!
//! ```text
//! bytes ── parse.rs ──► text ── raw.rs ──► RawConfig ── check.rs, hosts.rs ──► Config
//!                                 │ syntax.rs              │ words.rs
//!                                 └──────► Problems ◄──────┘
//! ```
//!
//! Every key has a default, so that an empty file is a working wired gateway:
//!
//! | key | default |
//! |---|---|
//! | `hostname` | `"gatepost"` |
//! | `domain` | `"home.arpa"`, the domain set aside for homes (RFC 8375) |
//! | `uplink.interface` | `"eth1"`; `"wlan0"` if `uplink.wifi` is given; `"eth0"` if the LAN is on `eth1` |
//! | `uplink.wifi_offload` | `false`: the gateway does the key handshake itself |
//! | `uplink.address`, `uplink.gateway` | leased by DHCP |
//! | `lan.interface`, `lan.address` | `"eth0"`, `"10.0.0.1/24"` |
//! | `lan.alternative` | none |
//! | `dhcp.pool` | the addresses .10 to .128 of a /24, the same shares of another size, never the gateway's |
//! | `dhcp.lease` | `"12h"` |
//! | `dns.upstream` | the servers that the uplink's DHCP server names |
//! | `dns.log_queries` | `false` |
//! | `dns.stale`, `dns.prefetch`, `dns.cache_kib` | `true`, `true`, 4096 |
//! | `dns.rebind_protection`, `dns.rebind_allow` | `true`, none |
//! | `dns.block`, `dns.block_allow`, `dns.block_answer` | none, none, `"nxdomain"` |
//! | `[[dns.forward]]`, `[[dns.record]]` | none |
//! | `[[host]]`, `[[forward]]`, `[[firewall.allow]]`, `[[firewall.block]]` | none |
//! | `firewall.private_networks` | `false` |
//!
//! Left out of this release: encrypted DNS (`tls://`) is refused with a message that says so.

use crate::net::{Ipv4Addr, Ipv4Net, MacAddr};
use crate::time::Duration;
use alloc::string::String;
use alloc::vec::Vec;

mod block;
mod check;
mod domains;
mod firewall;
mod forward;
mod hosts;
mod keeping;
mod parse;
mod problem;
mod raw;
mod rebind;
mod records;
mod syntax;
#[cfg(test)]
mod tests;
mod upstream;
mod wifi;
mod words;

pub use block::{Block, BlockAnswer, MAX_LISTS};
pub use firewall::{Allow, BlockedHost, Firewall, PortForward, Ports, Transport};
pub use keeping::Keeping;
pub use parse::parse;
pub use problem::{FILE_NAME, MAX_PROBLEMS, Problem, Problems};
pub use rebind::Rebind;
pub use records::{MAX_RECORDS, Record, RecordData, moved};
pub use upstream::{Forward, Protocol, Upstream};
pub use wifi::{WifiNetwork, WifiSecurity};

/// The largest file that is looked at, in bytes. A full configuration of [`MAX_HOSTS`] hosts has about 100 KiB.
pub const MAX_CONFIG_BYTES: usize = 256 * 1024;

/// The most hosts with a name of their own: far more than a home has, and a bound on what every table must hold.
pub const MAX_HOSTS: usize = 1024;

/// The largest DHCP pool, in addresses: every one of them may become a lease in memory and on the card.
pub const MAX_POOL: u32 = 4096;

/// The most DNS servers that are asked. More only lengthen the wait when all of them are gone.
pub const MAX_UPSTREAMS: usize = 8;

/// The most Wi-Fi networks that are known.
pub const MAX_WIFI: usize = 16;

/// The shortest lease. Shorter ones only keep machines busy.
pub const MIN_LEASE: Duration = Duration::from_secs(120);

/// The longest lease. A machine that is gone for longer has moved out.
pub const MAX_LEASE: Duration = Duration::from_secs(365 * 86_400);

/// The lease when the file names none.
pub const DEFAULT_LEASE: Duration = Duration::from_secs(12 * 3600);

/// The LAN when the file names none.
const DEFAULT_LAN: Ipv4Net = match Ipv4Net::new(Ipv4Addr::new(10, 0, 0, 1), 24) {
    Some(lan) => lan,
    None => panic!("checked when compiled: a /24 is a prefix"),
};

/// The whole configuration, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The gateway's own host name: one DNS label in lower case.
    pub hostname: String,
    /// The local domain, in lower case, without a trailing dot. Never asked upstream.
    pub domain: String,
    /// The way to the internet.
    pub uplink: Uplink,
    /// The network that is served.
    pub lan: Lan,
    /// Address leases on the LAN.
    pub dhcp: Dhcp,
    /// Names on the LAN.
    pub dns: Dns,
    /// Hosts with a name and address of their own.
    pub hosts: Vec<Host>,
    /// What the packet filter opens and closes.
    pub firewall: Firewall,
    /// Ports of the uplink's address that are passed on to hosts of the LAN.
    pub forwards: Vec<PortForward>,
}

impl Default for Config {
    /// What an empty file means; the table above gives every value.
    fn default() -> Self {
        let address = DEFAULT_LAN;
        Config {
            hostname: String::from("gatepost"),
            domain: String::from("home.arpa"),
            uplink: Uplink {
                interface: String::from("eth1"),
                country: None,
                wifi: Vec::new(),
                wifi_offload: false,
                addressing: Addressing::Dhcp,
            },
            lan: Lan { interface: String::from("eth0"), address, alternative: None },
            dhcp: Dhcp { pool: words::default_pool(address), lease: DEFAULT_LEASE },
            dns: Dns::default(),
            hosts: Vec::new(),
            firewall: Firewall::default(),
            forwards: Vec::new(),
        }
    }
}

/// The way to the internet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uplink {
    /// The kernel's name of the interface, such as `eth1` or `wlan0`; at most 15 bytes.
    pub interface: String,
    /// ISO 3166-1 alpha-2 country of the Wi-Fi regulatory domain.
    pub country: Option<[u8; 2]>,
    /// Known Wi-Fi networks.
    pub wifi: Vec<WifiNetwork>,
    /// Let the Wi-Fi firmware do the key handshake where it offers to.
    pub wifi_offload: bool,
    /// Where the uplink's own address comes from.
    pub addressing: Addressing,
}

/// Where an uplink address comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addressing {
    /// Leased from the network's DHCP server.
    Dhcp,
    /// Written in the configuration.
    Static {
        /// The interface address.
        address: Ipv4Net,
        /// The default router, a neighbour on the uplink.
        gateway: Option<Ipv4Addr>,
    },
}

/// The network that is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lan {
    /// The kernel's name of the interface, such as `eth0`; at most 15 bytes.
    pub interface: String,
    /// The gateway's address on the LAN and the LAN's prefix; /8 to /30.
    pub address: Ipv4Net,
    /// Used instead of `address` when the uplink turns out to be on an overlapping network.
    pub alternative: Option<Ipv4Net>,
}

/// Address leases on the LAN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dhcp {
    /// First and last address of the pool, both inside the LAN.
    pub pool: (Ipv4Addr, Ipv4Addr),
    /// How long a lease lasts; 2 minutes to 365 days.
    pub lease: Duration,
}

/// Names on the LAN.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dns {
    /// Servers to ask; empty means those that the uplink's DHCP server names.
    pub upstream: Vec<Upstream>,
    /// Write every query to the log ring.
    pub log_queries: bool,
    /// What keeps names of the internet from meaning machines of the house.
    pub rebind: Rebind,
    /// Names that nobody in the house wants.
    pub block: Block,
    /// Domains with servers of their own.
    pub forwards: Vec<Forward>,
    /// Records beside the hosts, the hosts' aliases among them.
    pub records: Vec<Record>,
    /// What is kept of answers from outside.
    pub keeping: Keeping,
}

/// A host with a name and address of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// One DNS label in lower case.
    pub name: String,
    /// Its hardware address, when it gets its address by DHCP.
    pub mac: Option<MacAddr>,
    /// Its address, inside the LAN.
    pub address: Ipv4Addr,
}
