//! What the gateway asks to be done, and the checks of what it sends: promises are on disk, nothing of the house leaks.

use super::chaos::Doom;
use super::disk::Write;
use super::outside::{NameServer, name_of};
use super::questions::DOMAIN;
use super::world::{Event, World};
use dhcproto::Decodable;
use dhcproto::v4::{Message, MessageType};
use gatepost_core::dhcp_client::Action as UplinkAction;
use gatepost_core::dhcp_server::{Action as LanAction, DhcpServer, Expiry};
use gatepost_core::dns::{self, UpstreamKey};
use gatepost_core::gateway::{Action, Gateway};
use gatepost_core::net::{Ipv4Addr, MacAddr};
use gatepost_core::time::Duration;
use std::net::SocketAddrV4;

/// Most actions after one input.
const MAX_ACTIONS: usize = 4096;

impl World {
    /// Does what the gateway asks.
    pub(super) fn act(&mut self) {
        let mut count = 0;
        while let Some(action) = self.gateway.as_mut().and_then(Gateway::poll_action) {
            count += 1;
            assert!(count <= MAX_ACTIONS, "actions without end: {action:?}");
            match action {
                Action::LookAtKernel => self.look(),
                Action::Apply(changes) => {
                    assert!(!self.applying, "one set of changes at a time");
                    self.applying = true;
                    let at = self.real + self.dice.between(1, 200);
                    self.schedule(at, Event::Applied(changes));
                }
                Action::ServeLan { .. } => {
                    self.serving = true;
                    let now = self.now();
                    self.gateway.iter_mut().for_each(|gateway| gateway.handle_serving(Ok(()), now));
                }
                Action::Probe(address) if self.dice.one_in(40) => {
                    self.send(|| Event::UplinkNeighbour(address));
                }
                Action::LanDhcp(action) => self.lan_dhcp(action),
                Action::UplinkDhcp(UplinkAction::Broadcast { payload, .. } | UplinkAction::Unicast { payload, .. }) => {
                    if let Some(frame) = self.household.answer(&payload, MacAddr([2, 0, 0, 0, 0, 3]), &mut self.dice) {
                        self.send(|| Event::UplinkFrame(frame.clone()));
                    }
                }
                Action::Dns(action) => self.dns(action),
                Action::RememberUplink(record) => {
                    self.tally.uplink_leases += u64::from(!record.is_empty());
                    self.record = record;
                }
                _ => {}
            }
        }
    }

    fn lan_dhcp(&mut self, action: LanAction) {
        let write = match action {
            LanAction::Send { payload, .. } => return self.server_says(payload),
            LanAction::Append { sequence, bytes } => Write::Append { sequence, bytes },
            LanAction::Replace { sequence, bytes } => Write::Replace { sequence, bytes },
            _ => return,
        };
        self.disk.put(write);
        let longest = if self.dice.one_in(20) { 2000 } else { 15 };
        let at = self.real + self.dice.between(1, longest);
        self.schedule(at, Event::DiskTurn);
        if self.dice.one_in(self.trouble.dies_at_write) {
            self.doom = Some(Doom::Process);
        } else if self.dice.one_in(self.trouble.power_cut_at_write) {
            self.doom = Some(Doom::Machine);
        }
    }

    fn server_says(&mut self, payload: Vec<u8>) {
        let message = Message::from_bytes(&payload).expect("the server's messages can be read");
        match message.opts().msg_type() {
            Some(MessageType::Ack) => self.tally.acks += 1,
            Some(MessageType::Nak) => self.tally.naks += 1,
            _ => {}
        }
        let number = self.clients.iter().position(|client| client.mac == message.chaddr());
        let number = number.expect("nobody else has asked");
        // Looked at where something may go wrong with the disk: it takes longer than all the rest.
        let end = self.clients[number].would_end(&message).filter(|_| self.trouble.disk_fails > 0);
        end.into_iter().for_each(|end| self.check_promise(&message, end));
        self.send(|| Event::ToClient(number, payload.clone()));
    }

    /// Invariant 2: an acknowledgement that leaves is on disk. Another server that started from there this very moment
    /// would keep the promise. `end` is when the client takes its lease for over.
    fn check_promise(&self, message: &Message, end: u64) {
        let (address, now) = (message.yiaddr(), self.now());
        let mut heir = DhcpServer::new(self.settings.clone(), now);
        heir.restore(&self.disk.durable, now, self.wall());
        let lease = heir.leases().find(|lease| lease.address == address);
        let lease = lease.unwrap_or_else(|| panic!("invariant 2: {address} was acknowledged and is not on disk"));
        assert_eq!(lease.mac().map(|mac| mac.0.to_vec()), Some(message.chaddr().to_vec()), "{address} is another's");
        let promised = now + Duration::from_millis(end.saturating_sub(self.real));
        let kept = match lease.expiry {
            Expiry::Reserved => true,
            // Whole seconds are written.
            Expiry::At(end) => end + Duration::from_secs(1) >= promised,
        };
        assert!(kept, "invariant 2: {address} was promised until {promised}, on disk is {:?}", lease.expiry);
    }

    fn dns(&mut self, action: dns::Action) {
        match action {
            dns::Action::AskUdp { key, server, payload } => self.ask(key, server, &payload, true),
            dns::Action::AskTcp { key, server, payload } => self.ask(key, server, &payload, false),
            dns::Action::AskTls { .. } => unreachable!("no server of the configuration speaks TLS"),
            dns::Action::Close { key } => assert!(self.open.remove(&key), "an attempt is closed twice"),
            dns::Action::Answer { client, payload } => {
                self.questions.answered(&client, &payload, self.real, &self.server);
            }
            dns::Action::Note(_) => {}
        }
    }

    fn ask(&mut self, key: UpstreamKey, server: SocketAddrV4, asked: &[u8], udp: bool) {
        let name = name_of(asked);
        let leaks = name.ends_with(DOMAIN) || !name.contains('.') || name.ends_with("10.in-addr.arpa");
        assert!(!leaks, "invariant 3: {name} went upstream");
        self.open.insert(key);
        if self.real < self.server_silent_until {
            return;
        }
        // Nobody off the way can put a word into a TCP connection.
        if udp && self.dice.one_in(5) {
            let (bytes, elsewhere) = NameServer::forge(asked, &mut self.dice);
            let stranger = SocketAddrV4::new(Ipv4Addr::new(198, 51, 100, 9), 53);
            let from = if elsewhere { stranger } else { server };
            self.schedule(self.real, Event::Reply { key, from, bytes });
        }
        if self.dice.one_in(40) {
            self.schedule(self.real, Event::ReplyFailed(key));
        }
        let bytes = self.server.answer(asked, self.real, udp, &mut self.dice);
        self.send(|| Event::Reply { key, from: server, bytes: bytes.clone() });
    }
}
