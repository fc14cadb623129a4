//! What a DHCP server granted.

use crate::net::{Ipv4Addr, Ipv4Net};
use crate::time::Duration;
use alloc::string::String;
use alloc::vec::Vec;

/// An address and everything that came with it. Every part has passed the checks of [`super::message`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The address and the network's prefix, /8 to /32. Ordinary: not loopback, link-local, multicast or reserved.
    pub address: Ipv4Net,
    /// Default routers, the preferred one first (option 3); at most four. Empty when `routes` is not: a client that is
    /// given classless routes must not look at option 3 (RFC 3442).
    pub routers: Vec<Ipv4Addr>,
    /// Classless static routes (option 121, RFC 3442), the default route among them; at most 32. None of them covers
    /// loopback or multicast. Whether one covers the LAN only the caller can know.
    pub routes: Vec<Route>,
    /// DNS servers, the preferred one first (option 6); at most four.
    pub dns: Vec<Ipv4Addr>,
    /// The network's domain in lower case (option 15), if it is a legal one.
    pub domain: Option<String>,
    /// The link's MTU in bytes (option 26), 576 to 9216.
    pub mtu: Option<u16>,
    /// Where people log in before this network lets them out (option 114, RFC 8910): an address of the web, at most 255
    /// bytes of printable ASCII. `None` also where the network says that there is no such place.
    pub portal: Option<String>,
    /// Time servers (option 42); at most four.
    pub ntp: Vec<Ipv4Addr>,
    /// The server's identifier (option 54), to which renewals go.
    pub server: Ipv4Addr,
    /// How long it lasts, and when it is renewed.
    pub terms: Terms,
}

impl Lease {
    /// The router for everything that no other route covers.
    pub fn default_router(&self) -> Option<Ipv4Addr> {
        let routed = self.routes.iter().find(|route| route.destination.prefix() == 0).and_then(|route| route.gateway);
        routed.or_else(|| self.routers.first().copied())
    }
}

/// A classless static route (RFC 3442).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// The network behind it, without host bits.
    pub destination: Ipv4Net,
    /// The neighbour to send to; `None` means that the destination is on the link itself.
    pub gateway: Option<Ipv4Addr>,
}

/// How long a lease lasts, counted from the moment at which it was asked for (RFC 2131 section 4.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Terms {
    /// For ever: nothing is renewed (RFC 2131 section 3.3).
    Infinite,
    /// For a time; `renew < rebind < lasts`.
    Limited {
        /// The lease ends after this time (option 51).
        lasts: Duration,
        /// T1: the server that granted it is asked to extend it (option 58, else half of it).
        renew: Duration,
        /// T2: any server is asked (option 59, else seven eighths of it).
        rebind: Duration,
    },
}
