//! The kernel's network state as a value: what it should be, and the steps from what it is.
//!
//! ```text
//!  config, lease, links ──► plan() ──► wanted ─┐
//!                                              ├─► reconcile() ──► changes, in order ──► the shell carries them out
//!  the kernel ──► snapshot (shell) ──► actual ─┘
//! ```
//! [`reconcile`] of two equal states is empty, so a restarted gateway that finds everything in place touches nothing
//! but the packet filter, which it can't compare and replaces in one transaction.
//!
//! Only two interfaces, `lo` and routes that bear our own protocol number are ever changed. IPv4 only for now.

mod filter;
mod reconcile;
mod sysctls;
#[cfg(test)]
mod tests;
mod wanted;

pub use filter::connections_per_host;
pub use reconcile::{Change, reconcile};
pub use sysctls::sysctls;
pub use wanted::plan;

use crate::config::{Allow, BlockedHost, Config, PortForward};
use crate::net::{Ipv4Addr, Ipv4Net, MacAddr};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// `rtm_protocol` of the routes that are ours to remove. The kernel gives numbers above 4 no meaning; this one has no
/// name in iproute2's table.
pub const ROUTE_PROTOCOL: u8 = 71;

/// Most routes taken from a lease. RFC 3442 sets no bound; a home has one to three, and 64 fit any honest network.
pub const ROUTES_MAX: usize = 64;

/// What the plan depends on.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// The checked configuration.
    pub config: &'a Config,
    /// What the uplink's DHCP server granted, if it did. Ignored when the configuration has a static address.
    pub lease: Option<&'a UplinkLease>,
    /// The links that exist.
    pub links: &'a [PresentLink],
    /// The LAN's address as it stands. A LAN that had to move stays there, or a flapping uplink would renumber it again
    /// and again.
    pub lan_in_use: Option<Ipv4Net>,
    /// The machine's memory in bytes; the connection table is sized by it.
    pub memory_bytes: u64,
}

/// The uplink's part of a DHCP lease (RFC 2132 options 1, 3, 26; RFC 3442 option 121).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UplinkLease {
    /// Our address, with the prefix of the subnet mask.
    pub address: Ipv4Net,
    /// The first router of option 3.
    pub router: Option<Ipv4Addr>,
    /// Option 121: destination and router, `0.0.0.0` for a destination on the link itself. If not empty, `router` is
    /// not used (RFC 3442).
    pub classless_routes: Vec<(Ipv4Net, Ipv4Addr)>,
    /// Option 26 in bytes. Used if it is from 576 to what the link can do.
    pub mtu: Option<u16>,
}

/// A link that exists, and what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresentLink {
    /// The kernel's name.
    pub name: String,
    /// The kernel's number; a device that is plugged in again has another.
    pub index: u32,
    /// Its hardware address; zero for `lo`.
    pub mac: MacAddr,
    /// Whether the other end is there.
    pub carrier: bool,
    /// Its MTU in bytes, as it stands.
    pub mtu: u32,
    /// The largest MTU in bytes that it can be given.
    pub mtu_max: u32,
}

/// What the shell read from the kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// All links.
    pub links: Vec<PresentLink>,
    /// The part that can be compared with what is wanted.
    pub state: NetworkState,
}

/// The network state, actual or wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkState {
    /// The links that are ours to change, by name. A link that does not exist is in neither state.
    pub links: BTreeMap<String, LinkState>,
    /// Routes of ours in the main table, by destination (host bits zero).
    pub routes: BTreeMap<Ipv4Net, Route>,
    /// Kernel parameters by path under `/proc/sys`. Those that are missing in the actual state can't be set there
    /// (a kernel without IPv6, a network namespace) and are left alone.
    pub sysctls: BTreeMap<String, String>,
    /// `net.ipv4.ip_forward`; set after everything else.
    pub forwarding: bool,
    /// The packet filter. `None` in the actual state: not known; in the wanted state: leave it.
    pub filter: Option<Filter>,
}

/// How a link is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkState {
    /// The kernel's number.
    pub index: u32,
    /// Administratively up.
    pub up: bool,
    /// In bytes.
    pub mtu: u32,
    /// IPv4 addresses.
    pub addresses: BTreeSet<Ipv4Net>,
}

/// Where packets for a destination go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Out of this interface ...
    pub interface: String,
    /// ... to this router, or straight to the destination.
    pub via: Option<Ipv4Addr>,
}

/// What the packet filter depends on. The shell turns it into the inputs of the machine `ruleset`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// The LAN's interface, which need not exist.
    pub lan_interface: String,
    /// The LAN's prefix.
    pub lan: Ipv4Net,
    /// The uplink's interface, which need not exist.
    pub uplink_interface: Option<String>,
    /// Private networks that the uplink has a route of its own to.
    pub near: Vec<Ipv4Net>,
    /// Whether other private networks may be reached by the default route.
    pub far_private: bool,
    /// Most connections of one LAN host.
    pub connections_per_host: u32,
    /// UDP ports of services that the LAN may ask, besides DHCP and DNS.
    pub lan_udp: Vec<u16>,
    /// What the uplink may ask of the gateway itself.
    pub allows: Vec<Allow>,
    /// Ports that are passed on, to where the hosts are now.
    pub forwards: Vec<PortForward>,
    /// Hosts without internet, where they are now.
    pub blocks: Vec<BlockedHost>,
    /// The interface numbers of LAN and uplink if both exist: a flowtable can hook into them. They are numbers so that
    /// a device that was plugged in again makes for another filter, since the kernel has forgotten the old hook.
    pub fast_path: Option<[u32; 2]>,
}

/// The wanted state, and what was decided on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What the kernel's state should be.
    pub state: NetworkState,
    /// The LAN's address; another than configured after a conflict.
    pub lan: Ipv4Net,
    /// The uplink's address, if it has one that can be used.
    pub uplink: Option<Ipv4Net>,
    /// The uplink's network overlaps the LAN.
    pub conflict: Option<Conflict>,
}

/// The uplink handed out a network that overlaps the LAN (invariant 8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The LAN as configured.
    pub lan: Ipv4Net,
    /// The uplink's address and prefix.
    pub uplink: Ipv4Net,
    /// The LAN's alternative if it could be used. `None`: the uplink stays unused and the LAN serves on.
    pub moved_to: Option<Ipv4Net>,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "The uplink's network {} overlaps the LAN {}", self.uplink, self.lan)?;
        match self.moved_to {
            Some(alternative) => write!(f, "; the LAN has moved to {alternative}."),
            None => f.write_str(
                ". There is no internet until one of them changes: give lan.address or lan.alternative another network.",
            ),
        }
    }
}
