//! A lease as others see it.

use super::client::Hardware;
use crate::net::{Ipv4Addr, MacAddr};
use crate::time::Instant;
use alloc::boxed::Box;
use alloc::string::String;

/// What is going on with an address. An address that is in no state is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LeaseState {
    /// Offered to a client that has not asked for it yet.
    Offered,
    /// Leased.
    Bound,
    /// A client found someone else using it: nobody gets it for a while.
    Declined,
    /// The lease has expired or was given back; the client would get the address again.
    Past,
    /// Kept for a host of the configuration that has not asked for it.
    Waiting,
}

/// When an address becomes free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// At this moment, unless the client renews.
    At(Instant),
    /// Never: the configuration gives it to this host.
    Reserved,
}

/// An address and who has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The address.
    pub address: Ipv4Addr,
    /// The client's hardware address as last seen, or that of the configuration.
    pub hardware: Option<Hardware>,
    /// The client identifier (option 61), if the client sends one; 2 to 255 bytes.
    pub client_id: Option<Box<[u8]>>,
    /// The name under which the host is known: one DNS label in lower case. No two leases share one.
    pub host_name: Option<String>,
    /// When it ends.
    pub expiry: Expiry,
    /// Where it stands.
    pub state: LeaseState,
}

impl Lease {
    /// The client's Ethernet address.
    pub fn mac(&self) -> Option<MacAddr> {
        self.hardware.and_then(|hardware| hardware.mac())
    }

    /// Whether a host has the address or the configuration keeps it for one.
    pub fn is_live(&self) -> bool {
        matches!(self.state, LeaseState::Bound | LeaseState::Waiting)
    }
}
