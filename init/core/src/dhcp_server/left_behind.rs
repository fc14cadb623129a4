//! Clients that were left behind: the LAN is on another network now, and they hold leases of the one before.
//!
//! Nothing tells them. Their renewals go to an address that nobody has any more; near the end of the lease they ask
//! everybody, still from the old address, and RFC 2131 section 4.3.2 has the server refuse, so that they begin anew. But
//! the kernel drops what comes from outside the LAN's network before it is at our socket. So the shell listens in another
//! way for as long as [`DhcpServer::has_left_behind`]; nothing but a refusal comes of what it hears there.
//!
//! How long that is, the longest of those leases says, which stays in the journal: a restart goes on with it, and one that
//! brings another `lan.address` begins with it.

use super::request::Request;
use super::table::Entry;
use super::{Cast, DhcpServer, LeaseState};
use crate::net::Ipv4Addr;
use crate::time::{Instant, WallTime};
use dhcproto::v4::MessageType;

impl DhcpServer {
    /// Whether a client may hold a lease of a network that was served before.
    pub fn has_left_behind(&self) -> bool {
        self.left_behind.is_some()
    }

    /// A datagram came to port 67, on the LAN but from an address outside its network.
    pub fn handle_left_behind(&mut self, source: Ipv4Addr, payload: &[u8], now: Instant, wall: WallTime) {
        let outside = !self.settings.lan.contains(source) && !source.is_unspecified();
        let extends = |request: Request<'_>| {
            let (kind, server) = (request.kind, request.server);
            kind == MessageType::Request && server.is_none() && request.ciaddr == source && !request.is_relayed()
        };
        if outside && self.has_left_behind() && Request::decode(payload, "").is_some_and(extends) {
            self.handle_packet(payload, Cast::Broadcast, now, wall);
        }
    }

    /// Keeps a lease in mind that runs on outside the LAN. The longest is enough.
    pub(super) fn leave_behind(&mut self, entry: Entry) {
        let runs = entry.lease.state == LeaseState::Bound && !self.settings.lan.contains(entry.lease.address);
        if runs && self.left_behind.as_ref().is_none_or(|other| other.due < entry.due) {
            self.left_behind = Some(entry);
        }
    }
}
