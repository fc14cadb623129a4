//! `gateway.toml`: what the file may say, and what the program may believe.
//!
//! A [`Config`] can only be had from [`parse`] (or [`Config::default`], which is what an empty file means), so whoever
//! holds one holds values that fit together: the pool lies inside the LAN, no two hosts share an address, names are
//! legal DNS labels.

use crate::net::{Ipv4Addr, Ipv4Net, MacAddr};
use crate::time::Duration;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddrV4;

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
}

/// The way to the internet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uplink {
    /// The kernel's name of the interface, such as `eth1` or `wlan0`; at most 15 bytes.
    pub interface: String,
    /// ISO 3166-1 alpha-2 country of the Wi-Fi regulatory domain.
    pub country: Option<[u8; 2]>,
    /// Known Wi-Fi networks, the preferred one first.
    pub wifi: Vec<WifiNetwork>,
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

/// One Wi-Fi network that may be joined.
#[derive(Clone, PartialEq, Eq)]
pub struct WifiNetwork {
    /// The network's name, 1 to 32 bytes.
    pub ssid: String,
    /// The passphrase, 8 to 63 characters; `None` for an open network.
    pub passphrase: Option<String>,
}

impl core::fmt::Debug for WifiNetwork {
    /// Secrets never reach a log, not even a debug one.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let passphrase = self.passphrase.as_ref().map(|_| "(secret)");
        f.debug_struct("WifiNetwork").field("ssid", &self.ssid).field("passphrase", &passphrase).finish()
    }
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dns {
    /// Servers to ask; empty means those that the uplink's DHCP server names.
    pub upstream: Vec<SocketAddrV4>,
    /// Write every query to the log ring.
    pub log_queries: bool,
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
