//! What the server does with each message: RFC 2131 section 4.3, one function a message type.

use super::ledger::Held;
use super::reply::{Reply, Source};
use super::request::Request;
use super::table::NoAddress;
use super::{Action, Cast, DhcpServer, Expiry, LeaseState, MIN_LEASE, Note};
use crate::net::Ipv4Addr;
use crate::time::{Duration, Instant};
use alloc::string::String;
use dhcproto::v4::MessageType;

const WRONG_NETWORK: &str = "address is of another network";
const NOT_OFFERED: &str = "address was not offered to you";
const NOT_YOURS: &str = "address is not leased to you";

impl DhcpServer {
    pub(super) fn answer(&mut self, request: &Request<'_>, cast: Cast, now: Instant) {
        // Only relay agents on the LAN's own subnet: for another we have no addresses (RFC 2131 section 4.3.1). The
        // same goes for a client that wants an address of another (RFC 3011).
        if request.is_relayed() && !self.settings.is_client_address(request.giaddr)
            || request.subnet.is_some_and(|subnet| !self.settings.lan.contains(subnet))
        {
            return;
        }
        match request.kind {
            MessageType::Discover => self.discover(request, cast, now),
            MessageType::Request => self.request(request, cast, now),
            MessageType::Decline => self.decline(request, now),
            MessageType::Release => self.release(request, now),
            MessageType::Inform => self.inform(request),
            _ => {}
        }
    }

    /// DISCOVER (section 4.3.1): the client's own address, else the one it asks for, else one that is free.
    fn discover(&mut self, request: &Request<'_>, cast: Cast, now: Instant) {
        let client = &request.client;
        // RFC 8925 section 3.3: a client that can do without IPv4 is told so and gets no address, not even set aside.
        if request.lists(108) && self.rules.option(108, request.tags, &self.settings).is_some() {
            return self.send(request, &Reply::no_address());
        }
        let known = self.table.address_of(client);
        let address = match known {
            Some(address) => address,
            None if !self.limits.admit_offer(self.settings.offers_per_second, now) => {
                return self.note(Note::TooManyClients, now);
            }
            None => match self.table.choose(client, request.requested, now) {
                Ok(address) => address,
                Err(why) => return self.refuse_address(request, why, now),
            },
        };
        self.table.offer(address, client, now);
        if known.is_none() {
            self.start_probe(address, now);
        }
        if request.rapid_commit && self.settings.rapid_commit {
            return self.grant(request, address, cast, now);
        }
        let name = self.lease_name(request, address);
        let lease = Some(self.lease_time(request));
        let (kind, host_name) = (MessageType::Offer, name.as_deref());
        self.send(request, &Reply { kind, yiaddr: address, lease, host_name, message: None });
    }

    /// There is no address for the client. If it would give itself one, it is told whether it may (RFC 2563 section 2.3).
    fn refuse_address(&mut self, request: &Request<'_>, why: NoAddress, now: Instant) {
        let note = match why {
            NoAddress::Exhausted => Note::PoolExhausted,
            NoAddress::TooMany => Note::OneMachine(request.client.hardware.mac().unwrap_or_default()),
        };
        self.note(note, now);
        if request.auto_configure && self.rules.option(116, request.tags, &self.settings).is_some() {
            self.send(request, &Reply::no_address());
        }
    }

    /// REQUEST (section 4.3.2): the client's state shows in which fields are set.
    fn request(&mut self, request: &Request<'_>, cast: Cast, now: Instant) {
        let ciaddr = Some(request.ciaddr).filter(|address| !address.is_unspecified());
        match (request.server, request.requested, ciaddr) {
            (Some(server), requested, ciaddr) => self.selecting(request, server, requested.or(ciaddr), cast, now),
            (None, _, Some(ciaddr)) => self.renewing(request, ciaddr, cast, now),
            (None, Some(requested), None) => self.init_reboot(request, requested, cast, now),
            (None, None, None) => {}
        }
    }

    /// SELECTING: the client takes an offer, ours or another server's.
    fn selecting(
        &mut self,
        request: &Request<'_>,
        server: Ipv4Addr,
        address: Option<Ipv4Addr>,
        cast: Cast,
        now: Instant,
    ) {
        if server != self.settings.server_id() {
            self.notice_server(server, now);
            if let Some(offered) = self.table.address_of(&request.client) {
                self.table.withdraw(offered, now);
            }
            return;
        }
        match address {
            Some(address) if self.table.belongs_to(address, &request.client) => self.grant(request, address, cast, now),
            Some(_) => self.send(request, &Reply::nak(NOT_OFFERED)),
            None => {}
        }
    }

    /// INIT-REBOOT: the client asks whether it may use its old address again. A client that we don't know is refused
    /// and not met with silence, since no other server on the LAN could know it.
    fn init_reboot(&mut self, request: &Request<'_>, address: Ipv4Addr, cast: Cast, now: Instant) {
        if !self.settings.lan.contains(address) {
            self.send(request, &Reply::nak(WRONG_NETWORK));
        } else if self.table.belongs_to(address, &request.client) {
            self.grant(request, address, cast, now);
        } else {
            self.send(request, &Reply::nak(NOT_YOURS));
        }
    }

    /// RENEWING and REBINDING: the client extends its lease, by unicast to us or by broadcast to anyone.
    fn renewing(&mut self, request: &Request<'_>, address: Ipv4Addr, cast: Cast, now: Instant) {
        let client = &request.client;
        if !self.settings.lan.contains(address) {
            return self.send(request, &Reply::nak(WRONG_NETWORK));
        }
        if self.table.belongs_to(address, client) {
            return self.grant(request, address, cast, now);
        }
        let asked_us = cast == Cast::Unicast && !request.is_relayed();
        if asked_us || self.table.address_of(client).is_some() || self.table.is_wrong_for(address, client) {
            self.send(request, &Reply::nak(NOT_YOURS));
        }
    }

    /// DECLINE (section 4.3.3): the client found someone else using the address, which stands in option 50.
    fn decline(&mut self, request: &Request<'_>, now: Instant) {
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
    fn release(&mut self, request: &Request<'_>, now: Instant) {
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
    fn inform(&mut self, request: &Request<'_>) {
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
    fn grant(&mut self, request: &Request<'_>, address: Ipv4Addr, cast: Cast, now: Instant) {
        if self.waits_for_probe(address, request.payload, cast) {
            return;
        }
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
        let payload = reply.encode(request, self.source());
        self.ledger.hold(Held { sequence, address, key: client.key, destination, payload });
    }

    /// The write that already holds this lease well enough: unchanged, and with its grace not ending before `until`.
    fn covering_write(
        &self,
        request: &Request<'_>,
        address: Ipv4Addr,
        name: Option<&str>,
        until: Instant,
    ) -> Option<u64> {
        let entry = self.table.get(address).filter(|entry| entry.lease.state == LeaseState::Bound)?;
        let same_client = entry.client().as_ref() == Some(&request.client);
        let disk = entry.disk.filter(|disk| until <= disk.expiry + disk.grace)?;
        (same_client && entry.lease.host_name.as_deref() == name).then_some(disk.sequence)
    }

    /// How long: what the client asks for, but not longer than configured or capped and not shorter than [`MIN_LEASE`].
    fn lease_time(&self, request: &Request<'_>) -> Duration {
        let host = self.table.host_of(&request.client);
        let most = host.and_then(|host| host.lease).unwrap_or(self.settings.lease);
        let most = self.lease_cap.map_or(most, |cap| most.min(cap)).max(MIN_LEASE);
        let wish = request.lease.map_or(most, |secs| Duration::from_secs(secs.into()));
        Duration::from_secs(wish.clamp(MIN_LEASE, most).as_secs())
    }

    /// The name for the client's lease of `address`: the one that it asks for now if it may have it, else the one
    /// that it has.
    fn lease_name(&self, request: &Request<'_>, address: Ipv4Addr) -> Option<String> {
        let asked = request.name.clone().filter(|name| self.is_allowed(name));
        let name = self.table.name_for(address, &request.client, asked);
        let entry = self.table.get(address).filter(|entry| entry.key == Some(request.client.key));
        name.or_else(|| entry?.lease.host_name.clone())
    }

    /// Whether the message names us as its server; one that names nobody counts.
    fn addressed_to_us(&self, request: &Request<'_>) -> bool {
        request.server.is_none_or(|server| server == self.settings.server_id())
    }

    fn send(&mut self, request: &Request<'_>, reply: &Reply<'_>) {
        let destination = reply.destination(request, &self.settings);
        let payload = reply.encode(request, self.source());
        self.push_send(destination, payload);
    }

    fn source(&self) -> Source<'_> {
        Source { settings: &self.settings, rules: &self.rules }
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
