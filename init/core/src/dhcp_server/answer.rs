//! What the server does with each message: RFC 2131 section 4.3, one function a message type.

use super::ledger::Held;
use super::reply::Reply;
use super::request::Request;
use super::{Action, Cast, DhcpServer, Expiry, LeaseState, MIN_LEASE, Note};
use crate::net::Ipv4Addr;
use crate::time::{Duration, Instant};
use alloc::string::String;
use dhcproto::v4::MessageType;

const WRONG_NETWORK: &str = "address is of another network";
const NOT_OFFERED: &str = "address was not offered to you";
const NOT_YOURS: &str = "address is not leased to you";

impl DhcpServer {
    pub(super) fn answer(&mut self, request: &Request, cast: Cast, now: Instant) {
        // Only relay agents on the LAN's own subnet: for another we have no addresses (RFC 2131 section 4.3.1).
        if request.is_relayed() && !self.settings.is_client_address(request.giaddr) {
            return;
        }
        match request.kind {
            MessageType::Discover => self.discover(request, now),
            MessageType::Request => self.request(request, cast, now),
            MessageType::Decline => self.decline(request, now),
            MessageType::Release => self.release(request, now),
            MessageType::Inform => self.inform(request),
            _ => {}
        }
    }

    /// DISCOVER (section 4.3.1): the client's own address, else the one it asks for, else one that is free.
    fn discover(&mut self, request: &Request, now: Instant) {
        let client = &request.client;
        let address = match self.table.address_of(client) {
            Some(address) => address,
            None if !self.offers.admit(self.settings.offers_per_second, now) => {
                return self.note(Note::TooManyClients, now);
            }
            None => match self.table.choose(client, request.requested, now) {
                Some(address) => address,
                None => return self.note(Note::PoolExhausted, now),
            },
        };
        self.table.offer(address, client, now);
        let name = self.lease_name(request, address);
        let lease = Some(self.lease_time(request));
        let (kind, host_name) = (MessageType::Offer, name.as_deref());
        self.send(request, &Reply { kind, yiaddr: address, lease, host_name, message: None });
    }

    /// REQUEST (section 4.3.2): the client's state shows in which fields are set.
    fn request(&mut self, request: &Request, cast: Cast, now: Instant) {
        let ciaddr = Some(request.ciaddr).filter(|address| !address.is_unspecified());
        match (request.server, request.requested, ciaddr) {
            (Some(server), requested, ciaddr) => self.selecting(request, server, requested.or(ciaddr), now),
            (None, _, Some(ciaddr)) => self.renewing(request, ciaddr, cast, now),
            (None, Some(requested), None) => self.init_reboot(request, requested, now),
            (None, None, None) => {}
        }
    }

    /// SELECTING: the client takes an offer, ours or another server's.
    fn selecting(&mut self, request: &Request, server: Ipv4Addr, address: Option<Ipv4Addr>, now: Instant) {
        if server != self.settings.server_id() {
            if let Some(offered) = self.table.address_of(&request.client) {
                self.table.withdraw(offered, now);
            }
            return;
        }
        match address {
            Some(address) if self.table.belongs_to(address, &request.client) => self.grant(request, address, now),
            Some(_) => self.send(request, &Reply::nak(NOT_OFFERED)),
            None => {}
        }
    }

    /// INIT-REBOOT: the client asks whether it may use its old address again. A client that we don't know is refused
    /// and not met with silence, since no other server on the LAN could know it.
    fn init_reboot(&mut self, request: &Request, address: Ipv4Addr, now: Instant) {
        if !self.settings.lan.contains(address) {
            self.send(request, &Reply::nak(WRONG_NETWORK));
        } else if self.table.belongs_to(address, &request.client) {
            self.grant(request, address, now);
        } else {
            self.send(request, &Reply::nak(NOT_YOURS));
        }
    }

    /// RENEWING and REBINDING: the client extends its lease, by unicast to us or by broadcast to anyone.
    fn renewing(&mut self, request: &Request, address: Ipv4Addr, cast: Cast, now: Instant) {
        let client = &request.client;
        if !self.settings.lan.contains(address) {
            return self.send(request, &Reply::nak(WRONG_NETWORK));
        }
        if self.table.belongs_to(address, client) {
            return self.grant(request, address, now);
        }
        let asked_us = cast == Cast::Unicast && !request.is_relayed();
        if asked_us || self.table.address_of(client).is_some() || self.table.is_wrong_for(address, client) {
            self.send(request, &Reply::nak(NOT_YOURS));
        }
    }

    /// DECLINE (section 4.3.3): the client found someone else using the address, which stands in option 50.
    fn decline(&mut self, request: &Request, now: Instant) {
        let Some(address) = self.addressed_to_us(request).then_some(request.requested).flatten() else { return };
        let Some(entry) = self.table.get(address).filter(|entry| entry.key == Some(request.client.key)) else { return };
        if !matches!(entry.lease.state, LeaseState::Bound | LeaseState::Offered) {
            return;
        }
        let on_disk = entry.disk.is_some();
        self.table.decline(address, now + super::DECLINE_HOLD);
        if on_disk && !self.ledger.is_full() {
            self.write(address, now);
        }
        self.actions.push_back(Action::Note(Note::Declined(address)));
    }

    /// RELEASE (section 4.3.4): the client gives back the address in `ciaddr`.
    fn release(&mut self, request: &Request, now: Instant) {
        let address = request.ciaddr;
        let held = self.table.get(address).filter(|entry| entry.lease.state == LeaseState::Bound);
        let own = held.is_some_and(|entry| entry.key == Some(request.client.key));
        // With no room to write it down the lease just runs on.
        if own && self.addressed_to_us(request) && !self.ledger.is_full() {
            self.table.end(address, now);
            self.write(address, now);
        }
    }

    /// INFORM (section 4.3.5): the client has an address and wants the options only.
    fn inform(&mut self, request: &Request) {
        let address = request.ciaddr;
        if !self.settings.is_client_address(address) {
            return;
        }
        let own = self.table.get(address).filter(|entry| entry.key == Some(request.client.key));
        let name = own.and_then(|entry| entry.lease.host_name.clone());
        let (kind, host_name) = (MessageType::Ack, name.as_deref());
        self.send(request, &Reply { kind, yiaddr: Ipv4Addr::UNSPECIFIED, lease: None, host_name, message: None });
    }

    /// Leases an address that belongs to the client, and acknowledges it once that is on disk.
    fn grant(&mut self, request: &Request, address: Ipv4Addr, now: Instant) {
        let client = &request.client;
        let granted = self.lease_time(request);
        let name = self.lease_name(request, address);
        let covered = self.covering_write(request, address, name.as_deref(), now + granted);
        let answerable = match covered {
            Some(sequence) => self.ledger.is_stored(sequence) || self.ledger.can_hold(address),
            None => !self.ledger.is_full() && self.ledger.can_hold(address),
        };
        if !answerable {
            return self.note(Note::StoreStalled, now);
        }
        self.table.bind(address, client, name.clone(), now, granted);
        let sequence = covered.unwrap_or_else(|| self.write(address, now));
        let (kind, host_name) = (MessageType::Ack, name.as_deref());
        let reply = Reply { kind, yiaddr: address, lease: Some(granted), host_name, message: None };
        if self.ledger.is_stored(sequence) {
            return self.send(request, &reply);
        }
        let destination = reply.destination(request, &self.settings);
        if let Ok(payload) = reply.encode(request, &self.settings) {
            self.ledger.hold(Held { sequence, address, key: client.key, destination, payload });
        }
    }

    /// The write that already holds this lease well enough: unchanged, and with its grace not ending before `until`.
    fn covering_write(&self, request: &Request, address: Ipv4Addr, name: Option<&str>, until: Instant) -> Option<u64> {
        let entry = self.table.get(address).filter(|entry| entry.lease.state == LeaseState::Bound)?;
        let same_client = entry.client().as_ref() == Some(&request.client);
        let disk = entry.disk.filter(|disk| until <= disk.expiry + disk.grace)?;
        (same_client && entry.lease.host_name.as_deref() == name).then_some(disk.sequence)
    }

    /// How long: what the client asks for, but not longer than configured and not shorter than [`MIN_LEASE`].
    fn lease_time(&self, request: &Request) -> Duration {
        let most = self.settings.lease.max(MIN_LEASE);
        let wish = request.lease.map_or(most, |secs| Duration::from_secs(secs.into()));
        Duration::from_secs(wish.clamp(MIN_LEASE, most).as_secs())
    }

    /// The name for the client's lease of `address`: the one that it asks for now if it may have it, else the one
    /// that it has.
    fn lease_name(&self, request: &Request, address: Ipv4Addr) -> Option<String> {
        let asked = request.name.clone().filter(|name| self.is_allowed(name));
        let name = self.table.name_for(address, &request.client, asked);
        let entry = self.table.get(address).filter(|entry| entry.key == Some(request.client.key));
        name.or_else(|| entry?.lease.host_name.clone())
    }

    /// Whether the message names us as its server; one that names nobody counts.
    fn addressed_to_us(&self, request: &Request) -> bool {
        request.server.is_none_or(|server| server == self.settings.server_id())
    }

    fn send(&mut self, request: &Request, reply: &Reply<'_>) {
        let destination = reply.destination(request, &self.settings);
        // The encoder fails on nothing that we give it; if it did, the client asks again.
        if let Ok(payload) = reply.encode(request, &self.settings) {
            self.actions.push_back(Action::Send { destination, payload });
        }
    }
}

impl Expiry {
    /// When the address becomes free; `None` if never.
    pub fn at(self) -> Option<Instant> {
        match self {
            Expiry::At(at) => Some(at),
            Expiry::Reserved => None,
        }
    }
}
