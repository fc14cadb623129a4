//! What the server serves: the validated part of the configuration that concerns it.

use crate::config::Config;
use crate::net::{Ipv4Addr, Ipv4Net, MacAddr};
use crate::time::Duration;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

/// New clients that get an offer in one second, unless set otherwise: far more than any LAN has, few enough that a
/// flood of invented clients leaves the processor of the smallest Pi to the others.
pub const DEFAULT_OFFERS_PER_SECOND: u32 = 2000;

/// What the server serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The gateway's address on the LAN and the LAN's prefix. The address is the server identifier.
    pub lan: Ipv4Net,
    /// First and last address of the pool. What of it is not a host address of the LAN, is the gateway's own or is
    /// reserved for a host, is never leased from the pool.
    pub pool: (Ipv4Addr, Ipv4Addr),
    /// How long a lease lasts at most, and when the client has no wish.
    pub lease: Duration,
    /// The default router (option 3).
    pub router: Ipv4Addr,
    /// Name servers (option 6); none leaves the option out.
    pub dns: Vec<Ipv4Addr>,
    /// The local domain (option 15), in lower case without a trailing dot; empty leaves the option out.
    pub domain: String,
    /// The gateway's own name, which no client gets.
    pub hostname: String,
    /// Hosts with a name and address of their own.
    pub hosts: Vec<StaticHost>,
    /// New clients that get an offer in one second; see [`DEFAULT_OFFERS_PER_SECOND`].
    pub offers_per_second: u32,
}

/// A host with a name and address of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaticHost {
    /// One DNS label in lower case.
    pub name: String,
    /// Its hardware address; without one it sets its address itself, and the address is only kept out of the pool.
    pub mac: Option<MacAddr>,
    /// Its address.
    pub address: Ipv4Addr,
}

impl Settings {
    /// The server's part of `config`, with the gateway itself as router and name server. `lan` is the prefix in
    /// force: [`config.lan.address`](crate::config::Lan::address) or the alternative to it. On the alternative every
    /// address keeps its host part; hosts that don't fit there lose their reservation, and a pool that does not fit
    /// becomes the whole prefix.
    pub fn new(config: &Config, lan: Ipv4Net) -> Self {
        let moved = |address| move_to(lan, config.lan.address, address).filter(|a| lan.is_host(*a));
        let whole = (lan.network(), lan.broadcast());
        let pool = match (moved(config.dhcp.pool.0), moved(config.dhcp.pool.1)) {
            (Some(first), Some(last)) if first <= last => (first, last),
            _ => whole,
        };
        let hosts = config.hosts.iter().filter_map(|host| {
            Some(StaticHost { name: host.name.clone(), mac: host.mac, address: moved(host.address)? })
        });
        Self {
            lan,
            pool,
            lease: config.dhcp.lease,
            router: lan.address(),
            dns: vec![lan.address()],
            domain: config.domain.clone(),
            hostname: config.hostname.clone(),
            hosts: hosts.collect(),
            offers_per_second: DEFAULT_OFFERS_PER_SECOND,
        }
    }

    /// The server identifier (option 54).
    pub(super) fn server_id(&self) -> Ipv4Addr {
        self.lan.address()
    }

    /// Whether a client of ours may own `address`: a host of the LAN other than the gateway.
    pub(super) fn is_client_address(&self, address: Ipv4Addr) -> bool {
        self.lan.is_host(address) && address != self.lan.address()
    }

    /// Hosts with a hardware address. The first of two hosts with one hardware address counts.
    pub(super) fn by_mac(&self) -> BTreeMap<MacAddr, StaticHost> {
        let known = |host: &&StaticHost| self.is_client_address(host.address);
        let pairs = self.hosts.iter().filter(known).rev().filter_map(|host| Some((host.mac?, host.clone())));
        pairs.collect()
    }
}

/// `address` of the prefix `from` with its host part moved to the prefix `to`; `None` if the host part is too long.
fn move_to(to: Ipv4Net, from: Ipv4Net, address: Ipv4Addr) -> Option<Ipv4Addr> {
    let host = address.to_bits() & !from.netmask().to_bits();
    let fits = host & to.netmask().to_bits() == 0;
    fits.then(|| Ipv4Addr::from_bits(to.network().to_bits() | host))
}
