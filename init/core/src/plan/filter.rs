//! What the packet filter depends on, from the configuration and where LAN and uplink stand.

use super::sysctls::connections_max;
use super::{Filter, ROUTES_MAX};
use crate::config::{BlockedHost, Config, PortForward};
use crate::net::{Ipv4Addr, Ipv4Net};
use alloc::vec::Vec;

/// One host of the LAN may have this part of the connections that are tracked: several of them have to go mad at once
/// before the others suffer.
const SHARE_OF_A_HOST: u64 = 8;

/// The filter's inputs. Hosts keep their part of the address when the LAN has moved; those that don't fit there are
/// left out.
pub fn filter(config: &Config, lan: Ipv4Net, near: Vec<Ipv4Net>, fast_path: Option<[u32; 2]>, memory: u64) -> Filter {
    let moved = |address| moved(address, config.lan.address, lan);
    let forwards = config.forwards.iter().filter_map(|rule| Some(PortForward { to: moved(rule.to)?, ..*rule }));
    let blocks = config.firewall.blocks.iter().filter_map(|block| {
        let address = moved(block.address)?;
        Some(BlockedHost { address, ..*block })
    });
    Filter {
        lan_interface: config.lan.interface.clone(),
        lan,
        uplink_interface: Some(config.uplink.interface.clone()),
        near,
        lan_udp: lan_udp(config),
        far_private: config.firewall.private_networks,
        connections_per_host: connections_per_host(memory),
        allows: config.firewall.allows.clone(),
        forwards: forwards.collect(),
        blocks: blocks.collect(),
        fast_path,
    }
}

/// Most connections of one LAN host on a machine with so much memory in bytes.
pub fn connections_per_host(memory: u64) -> u32 {
    u32::try_from(connections_max(memory) / SHARE_OF_A_HOST).unwrap_or(u32::MAX)
}

/// The uplink's own network and those of its routes, as far as they lie in private space (RFC 1918); not the default
/// route, and nothing wider than private space itself.
pub fn near(uplink: Option<Ipv4Net>, routes: impl Iterator<Item = Ipv4Net>) -> Vec<Ipv4Net> {
    let nets = uplink.into_iter().chain(routes);
    let private = nets.filter(|net| net.address().is_private() && net.prefix() >= 8);
    let mut near: Vec<Ipv4Net> =
        private.filter_map(|net| Ipv4Net::new(net.network(), net.prefix())).take(2 * ROUTES_MAX).collect();
    near.sort_unstable();
    near.dedup();
    near
}

/// `address` of the prefix `from` with its host part in the prefix `to`; `None` if it is no host there.
fn moved(address: Ipv4Addr, from: Ipv4Net, to: Ipv4Net) -> Option<Ipv4Addr> {
    let host = address.to_bits() & !from.netmask().to_bits();
    let there = Ipv4Addr::from_bits(to.network().to_bits() | host);
    (to.contains(there) && to.is_host(there) && there != to.address()).then_some(there)
}

/// Ports of the services for the LAN that the configuration switches on.
fn lan_udp(config: &Config) -> Vec<u16> {
    const TFTP: u16 = 69;
    const TIME: u16 = 123;
    let mut ports = Vec::new();
    // Transfers go on between ports that the gateway's first packet makes known to conntrack.
    ports.extend(config.netboot.serve.then_some(TFTP));
    ports.extend(config.ntp.serve.then_some(TIME));
    ports
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn hosts_move_with_the_lan() {
        let (from, to): (Ipv4Net, Ipv4Net) = ("10.0.0.1/24".parse().unwrap(), "172.20.0.1/24".parse().unwrap());
        assert_eq!(moved("10.0.0.2".parse().unwrap(), from, to), Some("172.20.0.2".parse().unwrap()));
        assert_eq!(moved("10.0.0.2".parse().unwrap(), from, from), Some("10.0.0.2".parse().unwrap()));
        let narrow = "172.20.0.9/29".parse().unwrap();
        assert_eq!(moved("10.0.0.77".parse().unwrap(), from, narrow), None, "does not fit");
        assert_eq!(moved("10.0.0.9".parse().unwrap(), from, "172.20.0.9/24".parse().unwrap()), None, "the gateway");
    }

    #[test]
    fn near_networks_are_private_and_have_a_route() {
        let nets = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<Ipv4Net>>();
        let routes = nets(&["0.0.0.0/0", "10.9.0.0/16", "8.8.8.0/24", "10.9.0.0/16"]);
        let uplink = "192.168.0.51/24".parse().unwrap();
        assert_eq!(near(Some(uplink), routes.into_iter()), nets(&["10.9.0.0/16", "192.168.0.0/24"]));
        assert_eq!(near(None, core::iter::empty()), vec![]);
    }
}
