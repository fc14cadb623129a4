//! Other DHCP servers on the LAN: an access point that was left in router mode, or somebody who wants the LAN's traffic.
//! They can't be stopped from here, but they can be named.
//!
//! What gives one away is a REQUEST that takes its offer: every client broadcasts it (RFC 2131 section 4.4.1) and names
//! the server, so that the others know. The server's own answers are not looked for: most are unicast, a switch keeps
//! them from us, and a socket for the rest would have the kernel look at every packet that is routed.

use super::{DhcpServer, Note};
use crate::net::Ipv4Addr;
use crate::time::{Duration, Instant};

/// How long another server is shown after it was last heard of.
pub const FOREIGN_HOLD: Duration = Duration::from_secs(3600);

impl DhcpServer {
    /// A message named this server.
    pub(super) fn notice_server(&mut self, server: Ipv4Addr, now: Instant) {
        if server == self.settings.server_id() || !crate::net::is_ordinary(server) {
            return;
        }
        self.foreign = Some((server, now));
        self.note(Note::ForeignServer(server), now);
    }

    /// Another DHCP server of the LAN, and how long ago it was heard of.
    pub fn foreign_server(&self, now: Instant) -> Option<(Ipv4Addr, Duration)> {
        let (server, heard) = self.foreign?;
        Some((server, now.since(heard))).filter(|(_, ago)| *ago < FOREIGN_HOLD)
    }
}
