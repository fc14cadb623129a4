//! Links, addresses and routes, read through route netlink (rtnetlink(7)).

use anyhow::{Context, Result};
use futures_util::{StreamExt, TryStreamExt, pin_mut};
use gatepost_core::net::{Ipv4Addr, Ipv4Net, MacAddr};
use gatepost_core::plan::{LinkState, PresentLink, ROUTE_PROTOCOL, Route, Snapshot};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteType};
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{AsyncSocket, AsyncSocketExt, SocketAddr, TokioSocket};
use rtnetlink::{Handle, RouteMessageBuilder};
use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

/// Most links read, and most addresses and routes. A Pi has a handful; a driver gone mad must not fill the memory.
const ENTRIES_MAX: usize = 1024;
/// After the first sign of a change, so much time for those that come with it (a link that comes up sends five).
const SETTLE: Duration = Duration::from_millis(20);
/// Most notifications thrown away in one go, so that a storm of them can't hold up the event loop.
const DRAIN_MAX: usize = 1000;

/// So many bytes of a notification are read; what they say does not matter, and the rest is dropped.
const NOTIFICATION_MAX: usize = 512;

/// Multicast groups of `NETLINK_ROUTE` as bits (linux/rtnetlink.h).
const RTMGRP_LINK: u32 = 0x1;
const RTMGRP_IPV4_IFADDR: u32 = 0x10;
const RTMGRP_IPV4_ROUTE: u32 = 0x40;

/// Tells when links, IPv4 addresses or IPv4 routes have changed.
pub struct Monitor {
    socket: TokioSocket,
    /// Something changed that nobody was told yet; they are at this moment. It stands still while the wait for it is
    /// interrupted, or a busy event loop would never get there.
    pending: Option<tokio::time::Instant>,
}

impl Monitor {
    /// Listens from now on. To be called inside a tokio runtime.
    pub fn open() -> io::Result<Self> {
        let mut socket = TokioSocket::new(NETLINK_ROUTE)?;
        let groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE;
        socket.socket_mut().bind(&SocketAddr::new(0, groups))?;
        Ok(Self { socket, pending: None })
    }

    /// Returns when something may have changed since the last return. Safe to cancel (`select!`): nothing is lost.
    pub async fn changed(&mut self) -> io::Result<()> {
        let settled = match self.pending {
            Some(settled) => settled,
            None => {
                let mut first = Vec::with_capacity(NOTIFICATION_MAX);
                sign_of_change(self.socket.recv(&mut first).await)?;
                *self.pending.insert(tokio::time::Instant::now() + SETTLE)
            }
        };
        // A timer made anew at each call does not fire while the event loop never rests; the clock is read besides.
        if tokio::time::Instant::now() < settled {
            tokio::time::sleep_until(settled).await;
        }
        self.drain()?;
        self.pending = None;
        Ok(())
    }

    /// Throws away what waits in the socket.
    fn drain(&self) -> io::Result<()> {
        let mut buffer = [0; NOTIFICATION_MAX];
        for _ in 0..DRAIN_MAX {
            match self.socket.socket_ref().recv(&mut &mut buffer[..], 0) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                other => sign_of_change(other.map(|_| ()))?,
            }
        }
        Ok(())
    }
}

/// That the kernel had to drop notifications is as good a sign of change as one that arrived.
fn sign_of_change(received: io::Result<()>) -> io::Result<()> {
    match received {
        Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => Ok(()),
        other => other,
    }
}

/// All links, and how `lo` and those of `managed` are set; routes of ours over the latter.
pub async fn snapshot(handle: &Handle, managed: &[&str]) -> Result<Snapshot> {
    let mut snapshot = Snapshot::default();
    let mut names = BTreeMap::new();
    let links = handle.link().get().execute().take(ENTRIES_MAX);
    pin_mut!(links);
    while let Some(message) = links.try_next().await.context("read the links")? {
        let Some(link) = present(&message) else { continue };
        if link.name == "lo" || managed.contains(&link.name.as_str()) {
            let up = message.header.flags.contains(LinkFlags::Up);
            let state = LinkState { index: link.index, up, mtu: link.mtu, addresses: Default::default() };
            names.insert(link.index, link.name.clone());
            snapshot.state.links.insert(link.name.clone(), state);
        }
        snapshot.links.push(link);
    }

    let addresses = handle.address().get().execute().take(ENTRIES_MAX);
    pin_mut!(addresses);
    while let Some(message) = addresses.try_next().await.context("read the addresses")? {
        let link = names.get(&message.header.index).and_then(|name| snapshot.state.links.get_mut(name));
        if let Some((link, address)) = link.zip(address(&message)) {
            link.addresses.insert(address);
        }
    }

    let request = RouteMessageBuilder::<Ipv4Addr>::new().build();
    let routes = handle.route().get(request).execute().take(ENTRIES_MAX);
    pin_mut!(routes);
    while let Some(message) = routes.try_next().await.context("read the routes")? {
        if let Some((destination, route)) = our_route(&message, &names) {
            snapshot.state.routes.insert(destination, route);
        }
    }
    Ok(snapshot)
}

fn present(message: &LinkMessage) -> Option<PresentLink> {
    let mut link = PresentLink {
        name: String::new(),
        index: message.header.index,
        mac: MacAddr::default(),
        carrier: message.header.flags.contains(LinkFlags::LowerUp),
        mtu: 0,
        mtu_max: 0,
    };
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name.clone_from(name),
            LinkAttribute::Mtu(mtu) => link.mtu = *mtu,
            LinkAttribute::MaxMtu(mtu) => link.mtu_max = *mtu,
            LinkAttribute::Address(bytes) => {
                link.mac = bytes.as_slice().try_into().map(MacAddr).unwrap_or_default();
            }
            _ => (),
        }
    }
    // 0 stands for no limit; a driver that says nothing can at least do what it does now.
    link.mtu_max = if link.mtu_max == 0 { link.mtu } else { link.mtu_max };
    (!link.name.is_empty()).then_some(link)
}

fn address(message: &AddressMessage) -> Option<Ipv4Net> {
    // On a point-to-point link IFA_ADDRESS is the other end; IFA_LOCAL is always ours.
    let local = message.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Local(IpAddr::V4(address)) => Some(*address),
        _ => None,
    });
    Ipv4Net::new(local?, message.header.prefix_len)
}

fn our_route(message: &RouteMessage, names: &BTreeMap<u32, String>) -> Option<(Ipv4Net, Route)> {
    let header = &message.header;
    let ours = header.address_family == AddressFamily::Inet
        && header.protocol == RouteProtocol::Other(ROUTE_PROTOCOL)
        && header.table == RouteHeader::RT_TABLE_MAIN
        && header.kind == RouteType::Unicast;
    if !ours {
        return None;
    }
    let (mut to, mut via, mut interface) = (Ipv4Addr::UNSPECIFIED, None, None);
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Destination(RouteAddress::Inet(address)) => to = *address,
            RouteAttribute::Gateway(RouteAddress::Inet(address)) => via = Some(*address),
            RouteAttribute::Oif(index) => interface = names.get(index).cloned(),
            _ => (),
        }
    }
    let destination = Ipv4Net::new(to, header.destination_prefix_length)?;
    Some((destination, Route { interface: interface?, via }))
}
