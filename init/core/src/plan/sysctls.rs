//! Kernel parameters, with their reasons. `ip_forward` is not among them: it has its own place in the order.

use crate::config::Config;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};

/// Bytes of memory for which the connection table gets one entry. An entry costs about 320 bytes, so a full table
/// takes 2 % of the machine. (The kernel's own default on a Pi with 1 GiB is an eighth of this.)
const MEMORY_PER_CONNECTION: u64 = 16384;
/// Fewest and most entries; the kernel never goes beyond the latter by itself either.
const CONNECTIONS: (u64, u64) = (4096, 262_144);
/// The table's size is rounded down to this, so that the kernel (which rounds up to whole pages) keeps it as it is.
const CONNECTIONS_STEP: u64 = 1024;

/// What holds whatever the interfaces are called.
const FIXED: &[(&str, &str)] = &[
    // Nobody on the link tells us or is told by us where to send packets (RFC 1812 §5.2.7.2 allows to turn it off).
    ("net/ipv4/conf/all/accept_redirects", "0"),
    ("net/ipv4/conf/all/send_redirects", "0"),
    ("net/ipv4/conf/default/send_redirects", "0"),
    ("net/ipv4/conf/all/accept_source_route", "0"),
    // Strict reverse path (RFC 3704 §2.2): a second fence behind the packet filter's.
    ("net/ipv4/conf/all/rp_filter", "1"),
    ("net/ipv4/conf/all/log_martians", "1"),
    // An interface answers ARP for its own addresses only: the uplink does not learn of the LAN's.
    ("net/ipv4/conf/all/arp_ignore", "1"),
    ("net/ipv4/conf/all/arp_announce", "2"),
    ("net/ipv4/tcp_syncookies", "1"),
    ("net/ipv4/icmp_echo_ignore_broadcasts", "1"),
    ("net/ipv6/conf/all/accept_redirects", "0"),
    ("net/ipv6/conf/all/forwarding", "0"),
    // Seconds. RFC 5382 REQ-5: at least 2 h 4 min for idle TCP, where the kernel's 5 days let a table fill up.
    ("net/netfilter/nf_conntrack_tcp_timeout_established", "7440"),
    // Seconds. RFC 5382 REQ-5: at least 4 min for TCP that is not yet or no longer open.
    ("net/netfilter/nf_conntrack_tcp_timeout_syn_sent", "240"),
    ("net/netfilter/nf_conntrack_tcp_timeout_syn_recv", "240"),
    ("net/netfilter/nf_conntrack_tcp_timeout_fin_wait", "240"),
    ("net/netfilter/nf_conntrack_tcp_timeout_close_wait", "240"),
    ("net/netfilter/nf_conntrack_tcp_timeout_last_ack", "240"),
    ("net/netfilter/nf_conntrack_tcp_timeout_time_wait", "240"),
    // Seconds. RFC 4787 REQ-5: at least 2 min for UDP, better 5. To the kernel an exchange of less than two seconds is no
    // stream, though somebody may have registered for calls with it: so both must be long enough.
    ("net/netfilter/nf_conntrack_udp_timeout", "120"),
    ("net/netfilter/nf_conntrack_udp_timeout_stream", "300"),
    // Seconds. RFC 5508 REQ-2: at least 60 s for a ping.
    ("net/netfilter/nf_conntrack_icmp_timeout", "60"),
];

/// What holds for each of our two interfaces.
const PER_INTERFACE: &[(&str, &str, &str)] = &[
    // `all` does not overrule an interface here: a redirect is sent if either says so.
    ("ipv4", "send_redirects", "0"),
    // IPv6 is not routed yet: no default route and no address from whoever advertises one.
    ("ipv6", "accept_ra", "0"),
];

/// The wanted kernel parameters: path under `/proc/sys` and value.
pub fn sysctls(config: &Config, memory_bytes: u64) -> BTreeMap<String, String> {
    let mut wanted: BTreeMap<String, String> =
        FIXED.iter().map(|(path, value)| ((*path).to_string(), (*value).to_string())).collect();
    for interface in [&config.lan.interface, &config.uplink.interface] {
        for (family, name, value) in PER_INTERFACE {
            wanted.insert(format!("net/{family}/conf/{interface}/{name}"), (*value).to_string());
        }
    }
    let connections = connections_max(memory_bytes).to_string();
    wanted.insert("net/netfilter/nf_conntrack_buckets".to_string(), connections.clone());
    wanted.insert("net/netfilter/nf_conntrack_max".to_string(), connections);
    wanted
}

/// Most connections that are tracked on a machine with so much memory.
pub(super) fn connections_max(memory_bytes: u64) -> u64 {
    let connections = (memory_bytes / MEMORY_PER_CONNECTION).clamp(CONNECTIONS.0, CONNECTIONS.1);
    connections - connections % CONNECTIONS_STEP
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 5382 REQ-5, RFC 4787 REQ-5 (with the five minutes that it recommends for streams), RFC 5508 REQ-2.
    #[test]
    fn rfc4787_5382_5508_no_translation_is_forgotten_too_early() {
        let wanted = sysctls(&Config::default(), 1 << 30);
        let seconds = |name: &str| wanted[&format!("net/netfilter/nf_conntrack_{name}")].parse::<u32>().unwrap();
        assert!(seconds("tcp_timeout_established") >= 2 * 3600 + 4 * 60);
        for state in ["syn_sent", "syn_recv", "fin_wait", "close_wait", "last_ack", "time_wait"] {
            assert!(seconds(&format!("tcp_timeout_{state}")) >= 4 * 60, "{state}");
        }
        assert!(seconds("udp_timeout") >= 2 * 60 && seconds("udp_timeout_stream") >= 5 * 60);
        assert!(seconds("icmp_timeout") >= 60);
    }

    #[test]
    fn the_connection_table_grows_with_the_memory() {
        const MIB: u64 = 1 << 20;
        assert_eq!(connections_max(0), 4096);
        assert_eq!(connections_max(128 * MIB), 8192);
        assert_eq!(connections_max(1024 * MIB), 65536);
        assert_eq!(connections_max(1000 * MIB + 12345), 63488);
        assert_eq!(connections_max(u64::MAX), 262_144);
    }
}
