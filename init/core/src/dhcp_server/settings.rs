//! What the server serves: the validated part of the configuration that concerns it.

use super::netboot;
use crate::config::{Config, DhcpBoot, DhcpMatch, DhcpOption, Host};
use crate::net::{Ipv4Addr, Ipv4Net};
use crate::time::Duration;
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

/// Messages of one hardware address that are answered in one second, unless set otherwise. A client that repeats itself
/// as RFC 2131 section 4.1 wants sends one in four seconds.
pub const DEFAULT_PER_MAC: u32 = 10;

/// What the server serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The gateway's address on the LAN and the LAN's prefix. The address is the server identifier.
    pub lan: Ipv4Net,
    /// The other network that the LAN may be on, with the gateway's address there: clients of it hear of us under that.
    pub elsewhere: Option<Ipv4Net>,
    /// First and last address of the pool. What of it is not a host address of the LAN, is the gateway's own or is
    /// reserved for a host, is never leased from the pool.
    pub pool: (Ipv4Addr, Ipv4Addr),
    /// How long a lease lasts at most, and when the client has no wish.
    pub lease: Duration,
    /// The default router (option 3).
    pub router: Ipv4Addr,
    /// Name servers (option 6); none leaves the option out.
    pub dns: Vec<Ipv4Addr>,
    /// Time servers (option 42); none leaves the option out.
    pub ntp: Vec<Ipv4Addr>,
    /// The local domain (option 15), in lower case without a trailing dot; empty leaves the option out.
    pub domain: String,
    /// The gateway's own name, which no client gets.
    pub hostname: String,
    /// Labels of the domain that have records in the configuration, aliases of hosts among them, in lower case: no client
    /// gets one of them as its name.
    pub taken: BTreeSet<String>,
    /// Hosts that are known. One without a hardware address or client identifier sets its address itself, which is
    /// only kept out of the pool.
    pub hosts: Vec<Host>,
    /// New clients that get an address in one second.
    pub offers_per_second: u32,
    /// Messages of one hardware address that are answered in one second; see [`DEFAULT_PER_MAC`].
    pub messages_per_mac: u32,
    /// Whether the LAN is asked by ARP before an address is leased to somebody new.
    pub probe: bool,
    /// Whether a DISCOVER with option 80 is answered with an ACK (RFC 4039).
    pub rapid_commit: bool,
    /// Whether clients that are none of `hosts` are answered.
    pub unknown: bool,
    /// Whether every message is told by [`Action::Log`](super::Action::Log).
    pub log: bool,
    /// Options that are sent besides the usual or in their place. The composer may add some.
    pub options: Vec<DhcpOption>,
    /// What gives clients their tags, besides those of the hosts.
    pub matches: Vec<DhcpMatch>,
    /// What machines that boot from the network are told.
    pub boot: Vec<DhcpBoot>,
}

impl Settings {
    /// The server's part of `config`, with the gateway itself as router and name server. `lan` is the prefix in
    /// force: [`config.lan.address`](crate::config::Lan::address) or the alternative to it. On the alternative every
    /// address keeps its host part; hosts whose address does not fit there get one from the pool, and a pool that does
    /// not fit becomes the whole prefix. Addresses in options stay as they are written.
    pub fn new(config: &Config, lan: Ipv4Net) -> Self {
        let moved = |address| move_to(lan, config.lan.address, address).filter(|a| lan.is_host(*a));
        let whole = (lan.network(), lan.broadcast());
        let pool = match (moved(config.dhcp.pool.0), moved(config.dhcp.pool.1)) {
            (Some(first), Some(last)) if first <= last => (first, last),
            _ => whole,
        };
        let hosts = config.hosts.iter().filter_map(|host| {
            let address = host.address.and_then(moved);
            let is_known = !host.macs.is_empty() || host.client_id.is_some();
            (address.is_some() || is_known).then(|| Host { address, ..host.clone() })
        });
        let (mut options, mut matches) = (config.dhcp.options.clone(), config.dhcp.matches.clone());
        let mut boot = config.dhcp.boot.clone();
        netboot::add(config, lan.address(), &mut matches, &mut options, &mut boot);
        let elsewhere =
            [Some(config.lan.address), config.lan.alternative].into_iter().flatten().find(|net| *net != lan);
        Self {
            lan,
            elsewhere,
            pool,
            lease: config.dhcp.lease,
            router: lan.address(),
            dns: vec![lan.address()],
            ntp: if config.ntp.serve { vec![lan.address()] } else { Vec::new() },
            domain: config.domain.clone(),
            hostname: config.hostname.clone(),
            taken: config.dns.records.iter().filter_map(|record| label(&record.name, &config.domain)).collect(),
            hosts: hosts.collect(),
            offers_per_second: config.dhcp.offers_per_second,
            messages_per_mac: DEFAULT_PER_MAC,
            probe: config.dhcp.probe,
            rapid_commit: config.dhcp.rapid_commit,
            unknown: config.dhcp.unknown,
            log: config.dhcp.log,
            options,
            matches,
            boot,
        }
    }

    /// The server identifier (option 54).
    pub(super) fn server_id(&self) -> Ipv4Addr {
        self.lan.address()
    }

    /// The server identifier of the network that a client's address is of. Some clients take no refusal from another
    /// server than the one that they have their lease of.
    pub(super) fn server_of(&self, address: Ipv4Addr) -> Ipv4Addr {
        let elsewhere = self.elsewhere.filter(|net| net.contains(address));
        elsewhere.map_or(self.server_id(), |net| net.address())
    }

    /// Whether a client of ours may own `address`: a host of the LAN other than the gateway.
    pub(super) fn is_client_address(&self, address: Ipv4Addr) -> bool {
        self.lan.is_host(address) && address != self.lan.address()
    }
}

/// The label in lower case, if `name` is one under `domain`.
fn label(name: &str, domain: &str) -> Option<String> {
    let (label, above) = name.split_once('.')?;
    above.eq_ignore_ascii_case(domain).then(|| label.to_ascii_lowercase())
}

/// `address` of the prefix `from` with its host part moved to the prefix `to`; `None` if the host part is too long.
fn move_to(to: Ipv4Net, from: Ipv4Net, address: Ipv4Addr) -> Option<Ipv4Addr> {
    let host = address.to_bits() & !from.netmask().to_bits();
    let fits = host & to.netmask().to_bits() == 0;
    fits.then(|| Ipv4Addr::from_bits(to.network().to_bits() | host))
}
