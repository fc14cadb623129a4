//! What the packet filter has counted, and how full the connection table is. Only reading.

use super::sysctl;
use anyhow::{Context, Result, bail};
use gatepost_core::gateway::Connections;
use gatepost_core::ruleset::{Reading, counters_request, read_counters};
use netlink_sys::protocols::NETLINK_NETFILTER;
use netlink_sys::{Socket, SocketAddr};

/// Datagrams of an answer that are read; two hold the counters of the largest configuration.
const DATAGRAMS_MAX: usize = 64;

/// The counters of our table; none while there is no table.
pub fn counters() -> Result<Vec<Reading>> {
    let mut socket = Socket::new(NETLINK_NETFILTER).context("open a netfilter socket")?;
    socket.bind_auto().context("bind a netfilter socket")?;
    // The kernel answers a part of a dump within each call, so nothing is ever waited for.
    socket.set_non_blocking(true).context("make a netfilter socket non-blocking")?;
    socket.send_to(&counters_request(), &SocketAddr::new(0, 0), 0).context("ask for the counters")?;
    let mut readings = Vec::new();
    let mut buffer = [0; 8192];
    for _ in 0..DATAGRAMS_MAX {
        let (length, sender) = socket.recv_from(&mut &mut buffer[..], 0).context("read the counters")?;
        if sender.port_number() == 0 && read_counters(buffer.get(..length).unwrap_or(&buffer), &mut readings) {
            return Ok(readings);
        }
    }
    bail!("the kernel does not come to an end")
}

/// How full the connection table is; `None` while connections are not tracked.
pub fn connections() -> Option<Connections> {
    let number = |name: &str| sysctl::number(&format!("net/netfilter/nf_conntrack_{name}"));
    Some(Connections { tracked: number("count")?, room: number("max")? })
}
