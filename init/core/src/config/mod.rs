//! `gateway.toml`: what the file may say, and what the program may believe.
//!
//! A [`Config`] can only be had from [`parse`] (or [`Config::default`], which is what an empty file means), so whoever
//! holds one holds values that fit together: the pool lies inside the LAN, no two hosts share an address, names are
//! legal DNS labels.
//!
//! ```text
//! bytes ── parse.rs ──► text ── raw.rs ──► RawConfig ── check.rs, a file a topic ──► Config
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
//! | `dhcp.probe`, `dhcp.rapid_commit`, `dhcp.unknown` | `true` |
//! | `dhcp.log` | `false` |
//! | `dhcp.offers_per_second` | 2000 |
//! | `[[dhcp.option]]`, `[[dhcp.match]]`, `[[dhcp.boot]]` | none |
//! | `dns.upstream` | the servers that the uplink's DHCP server names |
//! | `dns.log_queries` | `false` |
//! | `dns.stale`, `dns.prefetch`, `dns.cache_kib` | `true`, `true`, 4096 |
//! | `dns.rebind_protection`, `dns.rebind_allow` | `true`, none |
//! | `dns.block`, `dns.block_allow`, `dns.block_answer` | none, none, `"nxdomain"` |
//! | `[[dns.forward]]`, `[[dns.record]]` | none |
//! | `[[host]]`, `[[forward]]`, `[[firewall.allow]]`, `[[firewall.block]]` | none |
//! | `firewall.private_networks` | `false` |
//! | `netboot.serve` | `false` |
//! | `ntp.servers` | `"time.cloudflare.com"`, `"ntp.se"`, and those that the uplink's DHCP server names |
//! | `ntp.serve` | `true` |

use crate::net::{Ipv4Addr, Ipv4Net, MacAddr};
use crate::time::Duration;
use alloc::string::String;
use alloc::vec::Vec;

mod block;
mod check;
mod dhcp;
mod dhcp_lists;
mod domains;
mod firewall;
mod forward;
mod hosts;
mod keeping;
mod netboot;
mod ntp;
mod parse;
mod problem;
mod raw;
mod rebind;
mod records;
mod syntax;
#[cfg(test)]
mod tests;
mod tls;
mod upstream;
mod wifi;
mod words;

pub use block::{Block, BlockAnswer, MAX_LISTS};
pub use firewall::{Allow, BlockedHost, Firewall, PortForward, Ports, Transport};
pub use keeping::Keeping;
pub use netboot::Netboot;
pub use ntp::Ntp;
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

/// The largest DHCP pool, in addresses, a /16 of them: every one may become a lease, which takes some 0.5 KB of memory
/// and 0.1 KB of the card.
pub const MAX_POOL: u32 = 65_536;

/// New clients that get an address in one second, unless set otherwise: far more than any LAN has, few enough that a
/// flood of invented clients leaves the processor of the smallest Pi to the others.
pub const DEFAULT_OFFERS: u32 = 2000;

/// The most that [`Dhcp::offers_per_second`] may be.
pub const MAX_OFFERS: u32 = 100_000;

/// The most options of one's own. More than any message holds.
pub const MAX_OPTIONS: usize = 128;

/// The most rules that give a client a tag; each is tried for each message.
pub const MAX_MATCHES: usize = 64;

/// The most boot files: one for each kind of machine.
pub const MAX_BOOT: usize = 16;

/// The most different tags of hosts, and of matches.
pub const MAX_TAGS: usize = 31;

/// The most hardware addresses of one host: more than any machine has ports.
pub const MAX_HOST_MACS: usize = 8;

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
    /// Booting from the gateway.
    pub netboot: Netboot,
    /// The time.
    pub ntp: Ntp,
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
            dhcp: Dhcp::new(words::default_pool(address)),
            dns: Dns::default(),
            hosts: Vec::new(),
            firewall: Firewall::default(),
            forwards: Vec::new(),
            netboot: Netboot::default(),
            ntp: Ntp::default(),
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
    /// Write every message to the log ring.
    pub log: bool,
    /// Ask by ARP whether an address is free before it is leased for the first time.
    pub probe: bool,
    /// Lease with two messages instead of four to clients that want it (RFC 4039).
    pub rapid_commit: bool,
    /// Serve clients that are no host of the configuration.
    pub unknown: bool,
    /// New clients that get an address in one second; 1 to [`MAX_OFFERS`].
    pub offers_per_second: u32,
    /// Options beyond the usual.
    pub options: Vec<DhcpOption>,
    /// What gives clients their tags, besides [`Host::tags`].
    pub matches: Vec<DhcpMatch>,
    /// What machines that boot from the network are told.
    pub boot: Vec<DhcpBoot>,
}

impl Dhcp {
    /// The defaults, with this pool.
    pub fn new(pool: (Ipv4Addr, Ipv4Addr)) -> Self {
        Dhcp {
            pool,
            lease: DEFAULT_LEASE,
            log: false,
            probe: true,
            rapid_commit: true,
            unknown: true,
            offers_per_second: DEFAULT_OFFERS,
            options: Vec::new(),
            matches: Vec::new(),
            boot: Vec::new(),
        }
    }
}

/// An option that the server sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DhcpOption {
    /// The option's number, 1 to 254.
    pub code: u8,
    /// Its value as it is sent, at most 1024 bytes; empty if it is not to be sent.
    pub data: Vec<u8>,
    /// Only for clients with this tag, in the place of what others get; `None` for all.
    pub tag: Option<String>,
    /// Also for clients that did not ask for it.
    pub always: bool,
}

/// Gives a tag to the clients that fit everything that it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DhcpMatch {
    /// The tag.
    pub tag: String,
    /// How the vendor class (option 60) begins.
    pub vendor_class: Option<String>,
    /// One of the user classes (option 77).
    pub user_class: Option<String>,
    /// How the hardware address begins.
    pub mac: Option<MacPrefix>,
}

/// The first bytes of a hardware address; three of them name the maker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MacPrefix {
    bytes: [u8; 6],
    length: usize,
}

impl MacPrefix {
    /// `None` unless there are 1 to 6 bytes.
    pub fn new(prefix: &[u8]) -> Option<Self> {
        let mut bytes = [0; 6];
        let length = Some(prefix.len()).filter(|length| (1..=6).contains(length))?;
        bytes.iter_mut().zip(prefix).for_each(|(to, from)| *to = *from);
        Some(Self { bytes, length })
    }

    /// Whether a hardware address begins so.
    pub fn fits(&self, mac: MacAddr) -> bool {
        self.bytes.iter().zip(mac.0).take(self.length).all(|(a, b)| *a == b)
    }
}

/// What machines that boot from the network are told, in the fixed fields of the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DhcpBoot {
    /// Where the file is (`siaddr`); `None` for the gateway itself.
    pub server: Option<Ipv4Addr>,
    /// The server's name (`sname`), at most 63 bytes; may be empty.
    pub server_name: String,
    /// The file (`file`), at most 127 bytes; may be empty.
    pub file: String,
    /// Only for clients with this tag, in the place of what others are told; `None` for all.
    pub tag: Option<String>,
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

/// A host that is known by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// One DNS label in lower case.
    pub name: String,
    /// Its hardware addresses, when it gets its address by DHCP: those of all its ports.
    pub macs: Vec<MacAddr>,
    /// The client identifier (option 61) by which it is known as well; 2 to 255 bytes.
    pub client_id: Option<Vec<u8>>,
    /// Its address, inside the LAN; `None` for one from the pool, which it then has under its name.
    pub address: Option<Ipv4Addr>,
    /// How long its lease lasts, if not as long as others'.
    pub lease: Option<Duration>,
    /// Its DHCP messages are not answered.
    pub ignore: bool,
    /// What [`DhcpOption::tag`] and [`DhcpBoot::tag`] may name.
    pub tags: Vec<String>,
}
