//! Forgetting connections, through ctnetlink. Which ones the core decides.

use anyhow::{Context, Result, bail};
use gatepost_core::config::PortForward;
use gatepost_core::net::Ipv4Addr;
use gatepost_core::ruleset::{FLOWS_MAX, Flow, flows_request, read_flows};
use netlink_sys::protocols::NETLINK_NETFILTER;
use netlink_sys::{Socket, SocketAddr};

/// Datagrams of an answer that are read: the kernel puts some twenty flows into one, and tracks at most 262,144.
const DATAGRAMS_MAX: usize = 16_384;
/// How often it is looked for more: this many times [`FLOWS_MAX`] is more than the connection table of any Pi.
const ROUNDS_MAX: usize = 65;
/// Deletions sent at once.
const BATCH: usize = 64;

/// Forgets the connections of port forwards that none of these would make. A full table takes a while, so that
/// happens on another thread.
pub async fn forget(uplink: Option<Ipv4Addr>, forwards: Vec<PortForward>) -> Result<()> {
    let work = tokio::task::spawn_blocking(move || {
        for _ in 0..ROUNDS_MAX {
            let stale = look(|flow| flow.is_stale(uplink, &forwards))?;
            delete(&stale)?;
            if stale.len() < FLOWS_MAX {
                break;
            }
        }
        Ok(())
    });
    work.await.context("the thread for it ended early").flatten()
}

/// The stale ones of the connections whose destination was translated.
fn look(is_stale: impl Fn(&Flow) -> bool) -> Result<Vec<Flow>> {
    let socket = open()?;
    socket.send_to(&flows_request(), &SocketAddr::new(0, 0), 0).context("ask for the connections")?;
    let mut flows = Vec::new();
    let mut buffer = [0; 8192];
    for _ in 0..DATAGRAMS_MAX {
        let (length, sender) = socket.recv_from(&mut &mut buffer[..], 0).context("read the connections")?;
        let datagram = buffer.get(..length).unwrap_or(&buffer);
        if sender.port_number() == 0 && read_flows(datagram, &mut flows, &is_stale) || flows.len() >= FLOWS_MAX {
            return Ok(flows);
        }
    }
    bail!("the kernel does not come to an end")
}

/// One that has ended meanwhile is an error of the kernel's that nobody waits for.
fn delete(flows: &[Flow]) -> Result<()> {
    for batch in flows.chunks(BATCH) {
        // A socket of its own, whose receive buffer holds the errors of one batch, unread.
        let messages: Vec<u8> = batch.iter().flat_map(Flow::deletion).collect();
        open()?.send_to(&messages, &SocketAddr::new(0, 0), 0).context("delete connections")?;
    }
    Ok(())
}

/// The kernel answers a part of a dump within each call, so nothing is ever waited for.
fn open() -> Result<Socket> {
    let mut socket = Socket::new(NETLINK_NETFILTER).context("open a netfilter socket")?;
    socket.bind_auto().context("bind a netfilter socket")?;
    socket.set_non_blocking(true).context("make a netfilter socket non-blocking")?;
    Ok(socket)
}
