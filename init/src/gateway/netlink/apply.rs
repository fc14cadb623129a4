//! One change at a time, as a request to the kernel.

use super::{Network, REQUEST_DEADLINE, flows, nft, sysctl};
use anyhow::{Context, Result, bail, ensure};
use gatepost_core::net::{Ipv4Addr, Ipv4Net};
use gatepost_core::plan::{Change, Filter, ROUTE_PROTOCOL, Route};
use netlink_packet_route::route::{RouteMessage, RouteProtocol, RouteScope};
use rtnetlink::{AddressMessageBuilder, LinkMessageBuilder, LinkUnspec, RouteMessageBuilder};

impl Network {
    pub(super) async fn apply_one(&mut self, change: &Change) -> Result<()> {
        match change {
            Change::InstallFilter(filter) => self.install(filter).await,
            Change::SetSysctl { path, value } => sysctl::write(path, value),
            Change::ForgetFlows { uplink, forwards } => flows::forget(*uplink, forwards.clone()).await,
            Change::SetForwarding(true) => {
                ensure!(self.filter.is_some(), "the packet filter is not in force");
                sysctl::set_forwarding(true)
            }
            Change::SetForwarding(false) => sysctl::set_forwarding(false),
            Change::AddAddress { interface, .. } | Change::PutRoute { route: Route { interface, .. }, .. }
                if self.unguarded.as_ref() == Some(interface) =>
            {
                bail!("the packet filter is not in force")
            }
            _ => tokio::time::timeout(REQUEST_DEADLINE, self.request(change)).await.context("no answer")?,
        }
    }

    /// nf_tables waits for the kernel's readers inside the system call, a quarter of a second on slow machines, so
    /// that happens on another thread.
    async fn install(&mut self, filter: &Filter) -> Result<()> {
        let wanted = filter.clone();
        let installed = tokio::task::spawn_blocking(move || nft::install(&wanted)).await;
        match installed.context("the thread for it ended early").flatten() {
            Ok(fast_path) => {
                self.fast_path = fast_path;
                self.filter = Some(filter.clone());
                self.unguarded = None;
                Ok(())
            }
            Err(error) => {
                // A filter of ours that was in force before still is, and guards the uplink.
                self.unguarded = filter.uplink_interface.clone().filter(|_| self.filter.is_none());
                Err(error)
            }
        }
    }

    /// What goes by route netlink.
    async fn request(&self, change: &Change) -> Result<()> {
        let (links, addresses, routes) = (self.handle.link(), self.handle.address(), self.handle.route());
        let link = |index| LinkMessageBuilder::<LinkUnspec>::new().index(index);
        match change {
            Change::SetMtu { index, mtu, .. } => done(links.set(link(*index).mtu(*mtu).build()).execute().await, &[]),
            Change::SetUp { index, up: true, .. } => done(links.set(link(*index).up().build()).execute().await, &[]),
            Change::SetUp { index, .. } => done(links.set(link(*index).down().build()).execute().await, &[]),
            Change::AddAddress { index, address, .. } => {
                let request = addresses.add(*index, address.address().into(), address.prefix());
                done(request.execute().await, &[libc::EEXIST])
            }
            Change::RemoveAddress { index, address, .. } => {
                let message = AddressMessageBuilder::<Ipv4Addr>::new()
                    .index(*index)
                    .address(address.address(), address.prefix())
                    .build();
                done(addresses.del(message).execute().await, &[libc::EADDRNOTAVAIL, libc::ENODEV])
            }
            Change::PutRoute { destination, route, index } => {
                done(routes.add(message(*destination, route, *index)).replace().execute().await, &[])
            }
            Change::RemoveRoute { destination, route, index } => {
                done(routes.del(message(*destination, route, *index)).execute().await, &[libc::ESRCH, libc::ENODEV])
            }
            Change::InstallFilter(_)
            | Change::SetSysctl { .. }
            | Change::ForgetFlows { .. }
            | Change::SetForwarding(_) => Ok(()),
        }
    }
}

fn message(destination: Ipv4Net, route: &Route, index: u32) -> RouteMessage {
    let builder = RouteMessageBuilder::<Ipv4Addr>::new()
        .destination_prefix(destination.network(), destination.prefix())
        .output_interface(index)
        .protocol(RouteProtocol::Other(ROUTE_PROTOCOL));
    match route.via {
        Some(router) => builder.gateway(router),
        None => builder.scope(RouteScope::Link),
    }
    .build()
}

/// The kernel's answer; errors of `fine` mean that things are already as they should be.
fn done(answer: Result<(), rtnetlink::Error>, fine: &[i32]) -> Result<()> {
    match answer {
        Err(rtnetlink::Error::NetlinkError(message)) => {
            let error = message.to_io();
            let fine = error.raw_os_error().is_some_and(|code| fine.contains(&code));
            ensure!(
                error.raw_os_error() != Some(libc::ERFKILL),
                "the radio is switched off (rfkill): by a switch on the device, or by its firmware"
            );
            if fine { Ok(()) } else { Err(error.into()) }
        }
        Err(error) => Err(error.into()),
        Ok(()) => Ok(()),
    }
}
