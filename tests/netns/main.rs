//! The gateway process on this machine's kernel, between two network namespaces, judged by other people's programs:
//! dnsmasq as the uplink's DHCP and DNS server, udhcpc, dhclient, dhcpcd and systemd-networkd as clients, dig, nft.
//!
//! Needs root; every address lives in namespaces that the test makes and removes.

mod bad_config;
mod blocking;
mod changes;
mod clients;
mod dns_load;
mod firewall;
mod flood;
mod memory;
mod moving;
mod names;
mod netboot;
mod restart;
mod time;
mod tls;
mod world;
