//! A DHCP client of the LAN (RFC 2131 section 4.4), of one of several manners. The codec is dhcproto's.

use super::dice::Dice;
use dhcproto::v4::{DhcpOption, Message, MessageType, Opcode, OptionCode};
use dhcproto::{Decodable, Encodable};
use gatepost_core::dhcp_server::Cast;
use gatepost_core::net::Ipv4Addr;

/// First wait for an answer; it doubles with each try (RFC 2131 section 4.1).
const RETRY_MS: u64 = 4000;

/// Tries before a client begins anew.
const TRIES: u32 = 4;

/// The least time between giving an address up and asking anew: longer than any message is under way, as nobody can
/// tell a late DHCPRELEASE from a new one. RFC 2131 section 3.1 step 5 wants it after a DHCPDECLINE.
const REST_MS: u64 = 10_000;

/// What is special to a client.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Renews at T1, keeps its address.
    Steady,
    /// Switched off and on; remembers its address (INIT-REBOOT).
    Restarts,
    /// Comes back knowing nothing, with the same identity.
    Forgets,
    /// Gives its address back now and then.
    Releases,
    /// Finds its address in use now and then.
    Declines,
    /// Claims addresses that it was never given.
    Claims,
    /// Never renews, and comes again when its lease is over.
    Lapses,
}

pub const MANNERS: [Manner; 7] = [
    Manner::Steady,
    Manner::Restarts,
    Manner::Forgets,
    Manner::Releases,
    Manner::Declines,
    Manner::Claims,
    Manner::Lapses,
];

/// An address that a server has promised, as the client counts: from the moment when it asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    pub address: Ipv4Addr,
    pub server: Ipv4Addr,
    pub asked: u64,
    pub end: u64,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Resting,
    Selecting,
    Requesting { address: Ipv4Addr, server: Ipv4Addr },
    Rebooting { address: Ipv4Addr },
    Bound,
    Renewing,
}

/// A message to the server.
pub struct Sent {
    pub cast: Cast,
    pub payload: Vec<u8>,
}

pub struct LanClient {
    pub mac: [u8; 6],
    pub manner: Manner,
    /// Option 61, for those who send one.
    id: Option<Vec<u8>>,
    pub name: Option<String>,
    state: State,
    xid: u32,
    tries: u32,
    /// When the present question was first asked.
    asked: u64,
    pub held: Option<Held>,
    /// When something is to be done next, in real milliseconds.
    pub due: u64,
}

impl LanClient {
    /// Client `number`, which wakes up within the first minute.
    pub fn new(number: u16, dice: &mut Dice) -> Self {
        let [high, low] = number.to_be_bytes();
        Self {
            mac: [2, 0, 0, 1, high, low],
            manner: MANNERS[usize::from(number) % MANNERS.len()],
            id: number.is_multiple_of(3).then(|| vec![0xff, 1, high, low]),
            name: (!number.is_multiple_of(5)).then(|| format!("node{number}")),
            state: State::Resting,
            xid: 0,
            tries: 0,
            asked: 0,
            held: None,
            due: dice.between(0, 60_000),
        }
    }

    /// Its time has come.
    pub fn act(&mut self, real: u64, dice: &mut Dice) -> Option<Sent> {
        if self.held.is_some_and(|held| held.end <= real) {
            self.held = None;
            self.state = State::Resting;
        }
        match self.state {
            State::Resting => self.begin(real, dice),
            State::Bound => self.live(real, dice),
            _ if self.tries >= TRIES => {
                self.state = if self.held.is_some() { State::Bound } else { State::Resting };
                self.due = real + dice.between(1000, 30_000);
                None
            }
            _ => self.ask_again(real, dice),
        }
    }

    fn begin(&mut self, real: u64, dice: &mut Dice) -> Option<Sent> {
        self.state = match (self.manner, self.held) {
            (Manner::Claims, None) if dice.one_in(3) => {
                State::Rebooting { address: Ipv4Addr::new(10, 0, 0, dice.below(256) as u8) }
            }
            (_, Some(held)) => State::Rebooting { address: held.address },
            (_, None) => State::Selecting,
        };
        self.ask(real, dice)
    }

    fn ask(&mut self, real: u64, dice: &mut Dice) -> Option<Sent> {
        (self.xid, self.tries, self.asked) = (dice.bits(), 0, real);
        self.ask_again(real, dice)
    }

    fn ask_again(&mut self, real: u64, dice: &mut Dice) -> Option<Sent> {
        self.due = real + (RETRY_MS << self.tries) + dice.between(0, 1000);
        self.tries += 1;
        let mut message = self.message(match self.state {
            State::Selecting => MessageType::Discover,
            _ => MessageType::Request,
        });
        let mut cast = Cast::Broadcast;
        match self.state {
            State::Requesting { address, server } => {
                message.opts_mut().insert(DhcpOption::RequestedIpAddress(address));
                message.opts_mut().insert(DhcpOption::ServerIdentifier(server));
            }
            State::Rebooting { address } => {
                message.opts_mut().insert(DhcpOption::RequestedIpAddress(address));
            }
            State::Renewing => {
                let held = self.held?;
                message.set_ciaddr(held.address);
                // RENEWING up to T2, then REBINDING.
                if real < held.asked + (held.end - held.asked) / 8 * 7 {
                    cast = Cast::Unicast;
                }
            }
            State::Selecting | State::Bound | State::Resting => {}
        }
        Some(Sent { cast, payload: bytes(&message) })
    }

    /// What a client with an address does when its time has come.
    fn live(&mut self, real: u64, dice: &mut Dice) -> Option<Sent> {
        let held = self.held?;
        match self.manner {
            Manner::Releases if dice.one_in(3) => return self.give_up(MessageType::Release, real),
            Manner::Lapses => {
                self.due = held.end;
                return None;
            }
            Manner::Restarts if dice.one_in(2) => {
                self.state = State::Rebooting { address: held.address };
            }
            Manner::Forgets if dice.one_in(2) => {
                self.held = None;
                self.state = State::Selecting;
            }
            _ => self.state = State::Renewing,
        }
        self.ask(real, dice)
    }

    fn give_up(&mut self, kind: MessageType, real: u64) -> Option<Sent> {
        let held = self.held.take()?;
        let mut message = self.message(kind);
        message.opts_mut().insert(DhcpOption::ServerIdentifier(held.server));
        let cast = if kind == MessageType::Release {
            message.set_ciaddr(held.address);
            Cast::Unicast
        } else {
            message.opts_mut().insert(DhcpOption::RequestedIpAddress(held.address));
            Cast::Broadcast
        };
        self.state = State::Resting;
        self.due = real + REST_MS;
        Some(Sent { cast, payload: bytes(&message) })
    }

    /// The server says something. Returns what the client says to that.
    pub fn hear(&mut self, payload: &[u8], real: u64, dice: &mut Dice) -> Option<Sent> {
        let message = Message::from_bytes(payload).expect("the server's messages can be read");
        if message.xid() != self.xid {
            return None;
        }
        let yours = message.yiaddr();
        let server = match message.opts().get(OptionCode::ServerIdentifier) {
            Some(DhcpOption::ServerIdentifier(server)) => *server,
            _ => panic!("RFC 2131 table 3: each of the server's messages names it"),
        };
        match (message.opts().msg_type()?, self.state) {
            (MessageType::Offer, State::Selecting) => {
                self.state = State::Requesting { address: yours, server };
                (self.tries, self.asked) = (0, real);
                self.ask_again(real, dice)
            }
            (MessageType::Ack, State::Requesting { .. } | State::Rebooting { .. } | State::Renewing) => {
                let lease = lease_of(&message);
                self.held = Some(Held { address: yours, server, asked: self.asked, end: self.asked + lease });
                self.state = State::Bound;
                self.due = real.max(self.asked + lease / 2) + dice.between(0, 2000);
                if self.manner == Manner::Declines && dice.one_in(6) {
                    return self.give_up(MessageType::Decline, real);
                }
                None
            }
            (MessageType::Nak, State::Requesting { .. } | State::Rebooting { .. } | State::Renewing) => {
                self.held = None;
                self.state = State::Resting;
                self.due = real + dice.between(10, 20_000);
                None
            }
            _ => None,
        }
    }

    /// When the lease of this acknowledgement would end, if the client still waits for it: counted from the question
    /// (RFC 2131 section 4.4.1), as the answer may have waited for the server's disk.
    pub fn would_end(&self, message: &Message) -> Option<u64> {
        let is_ours = message.opts().msg_type() == Some(MessageType::Ack) && message.xid() == self.xid;
        is_ours.then(|| self.asked + lease_of(message))
    }

    fn message(&self, kind: MessageType) -> Message {
        let unspecified = Ipv4Addr::UNSPECIFIED;
        let mut message = Message::new_with_id(self.xid, unspecified, unspecified, unspecified, unspecified, &self.mac);
        message.set_opcode(Opcode::BootRequest);
        let options = message.opts_mut();
        options.insert(DhcpOption::MessageType(kind));
        if let Some(id) = &self.id {
            options.insert(DhcpOption::ClientIdentifier(id.clone()));
        }
        if !matches!(kind, MessageType::Release | MessageType::Decline) {
            let wanted = vec![OptionCode::SubnetMask, OptionCode::Router, OptionCode::DomainNameServer];
            options.insert(DhcpOption::ParameterRequestList(wanted));
            if let Some(name) = &self.name {
                options.insert(DhcpOption::Hostname(name.clone()));
            }
        }
        message
    }
}

fn bytes(message: &Message) -> Vec<u8> {
    message.to_vec().expect("a vector takes everything")
}

/// The lease that a DHCPACK promises, in milliseconds.
fn lease_of(message: &Message) -> u64 {
    match message.opts().get(OptionCode::AddressLeaseTime) {
        Some(DhcpOption::AddressLeaseTime(secs)) => u64::from(*secs) * 1000,
        _ => panic!("RFC 2131 table 3: an acknowledgement says how long the lease lasts"),
    }
}
