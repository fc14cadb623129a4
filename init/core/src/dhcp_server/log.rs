//! A line for every message, for somebody who looks for a fault. Off unless asked for: a line costs more than an answer.

use super::request::Request;
use super::{Action, Destination, DhcpServer};
use crate::net::Ipv4Addr;
use alloc::format;
use alloc::string::String;
use core::fmt::Write;
use dhcproto::v4::MessageType;

/// Where the address given stands in an answer, and where the first option's value does.
const YIADDR: core::ops::Range<usize> = 16..20;
const KIND: usize = 242;

impl DhcpServer {
    /// Whether every message is told.
    pub fn is_logging(&self) -> bool {
        self.logging
    }

    /// Tells every message from now on, or none any more. Holds until the next [`Self::reconfigure`] and beyond.
    pub fn set_logging(&mut self, on: bool) {
        self.logging = on;
    }

    pub(super) fn log_message(&mut self, request: &Request<'_>) {
        if !self.logging {
            return;
        }
        let mut line = format!("DHCP: {} from {}", kind(request.kind), who(request));
        if let Some(name) = &request.name {
            let _ = write!(line, " ({name})");
        }
        let asked = request.requested.or(Some(request.ciaddr).filter(|address| !address.is_unspecified()));
        if let Some(address) = asked {
            let _ = write!(line, " for {address}");
        }
        if let Some(server) = request.server {
            let _ = write!(line, " of server {server}");
        }
        if request.is_relayed() {
            let _ = write!(line, " by relay {}", request.giaddr);
        }
        self.actions.push_back(Action::Log(line));
    }

    pub(super) fn log_answer(&mut self, destination: Destination, payload: &[u8]) {
        if !self.logging {
            return;
        }
        let given = payload.get(YIADDR).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok()).map(Ipv4Addr::from);
        let mut line = format!("DHCP: {}", payload.get(KIND).map_or("answer", |code| kind((*code).into())));
        if let Some(address) = given.filter(|address| !address.is_unspecified()) {
            let _ = write!(line, " {address}");
        }
        let _ = match destination {
            Destination::Relay(relay) => write!(line, " to relay {relay}"),
            Destination::Unicast(address) => write!(line, " to {address}"),
            Destination::Hardware { mac, .. } => write!(line, " to {mac}"),
            Destination::Broadcast => write!(line, " to all"),
        };
        self.actions.push_back(Action::Log(line));
    }
}

fn who(request: &Request<'_>) -> String {
    match request.client.hardware.mac() {
        Some(mac) => format!("{mac}"),
        None => format!("hardware of type {}", request.htype),
    }
}

fn kind(kind: MessageType) -> &'static str {
    match kind {
        MessageType::Discover => "DISCOVER",
        MessageType::Offer => "OFFER",
        MessageType::Request => "REQUEST",
        MessageType::Decline => "DECLINE",
        MessageType::Ack => "ACK",
        MessageType::Nak => "NAK",
        MessageType::Release => "RELEASE",
        MessageType::Inform => "INFORM",
        _ => "message",
    }
}
