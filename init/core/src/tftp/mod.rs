//! The TFTP server that machines of the LAN boot from: read-only (RFC 1350), with options (RFC 2347), block size (RFC
//! 2348), time-out and file's size (RFC 2349) and windows (RFC 7440).
//!
//! The machine knows no file and no socket: it says which name to open and which bytes of it to send in which block.
//! Each transfer has a socket of its own, connected to its client; so the kernel tells transfers apart, and what comes
//! from elsewhere never arrives.
//!
//! Nothing is sent again because of an acknowledgement that came twice (RFC 1123 section 4.2.3.1, the Sorcerer's
//! Apprentice): only the clock does that, and with windows a gap, once for each place. A client that has not said a
//! word after its request, whose address may be false, gets at most [`UNPROVEN_SENDS`] packets, of at most 516 bytes.
//!
//! Left out: writing, `netascii` and `mail`, IPv6, multicast (RFC 2090).

mod packet;
mod path;
#[cfg(test)]
mod tests;
mod transfer;

pub use packet::data_header;

use crate::time::{Duration, Instant};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddrV4;
use packet::{Code, Packet, error, shown};
use transfer::{Step, Transfer};

/// Transfers at once. When they are all taken, one whose client has not answered yet makes room for a new one.
pub const MAX_TRANSFERS: usize = 64;

/// Transfers of one client at once.
pub const MAX_PER_CLIENT: usize = 8;

/// Packets that a client gets that has not said a word after its request.
pub const UNPROVEN_SENDS: u8 = 3;

/// Requests in a second; a Pi makes some thirty when it starts. Those beyond get no answer, and clients ask again.
const MAX_REQUESTS: u32 = 512;

/// The time after which a transfer ends, whatever its client says: the largest file takes a Pi a minute.
const MAX_TIME: Duration = Duration::from_secs(600);

/// The number of a transfer; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(pub u64);

/// What the server wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Open a socket on a free port, connected to the client, and the file; then say so to [`Tftp::handle_opened`].
    Open {
        /// The transfer.
        id: Id,
        /// Its client.
        client: SocketAddrV4,
        /// Folders and file, from the served folder on: plain names, none with a dot at its beginning.
        path: Vec<String>,
    },
    /// Send this from the transfer's socket.
    Send {
        /// The transfer.
        id: Id,
        /// The packet.
        packet: Vec<u8>,
    },
    /// Send these bytes of the file behind [`data_header`] of this block.
    Data {
        /// The transfer.
        id: Id,
        /// The block's number on the wire.
        block: u16,
        /// Where in the file.
        offset: u64,
        /// How many bytes.
        length: u16,
    },
    /// Close the transfer's socket and file.
    Close {
        /// The transfer.
        id: Id,
    },
    /// Send this from a free port, once.
    Refuse {
        /// To whom.
        client: SocketAddrV4,
        /// The packet.
        packet: Vec<u8>,
    },
    /// A line for the log.
    Note(String),
}

/// Why a file was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotOpened {
    /// There is none of this name.
    NotFound,
    /// Something is wrong here.
    Trouble,
}

/// The server.
#[derive(Default)]
pub struct Tftp {
    transfers: BTreeMap<Id, Transfer>,
    last: u64,
    /// The present second, and its requests.
    requests: (u64, u32),
    actions: VecDeque<Action>,
}

impl Tftp {
    /// A packet to port 69.
    pub fn handle_request(&mut self, client: SocketAddrV4, bytes: &[u8], now: Instant) {
        let second = now.as_millis() / 1000;
        if self.requests.0 != second {
            self.requests = (second, 0);
        }
        self.requests.1 = self.requests.1.saturating_add(1);
        if self.requests.1 > MAX_REQUESTS || client.port() == 0 {
            return;
        }
        match Packet::read(bytes) {
            Some(Packet::Read { name, octets, options }) => match path::parts(name) {
                Some(_) if !octets => self.refuse(client, Code::Undefined, "only mode octet is served", name),
                Some(path) => self.begin(client, path, Transfer::new(client, shown(name), options, now)),
                None => self.refuse(client, Code::Access, "no such name is served", name),
            },
            Some(Packet::Write) => self.refuse(client, Code::Access, "nothing can be written here", b""),
            // An answer to what is no request could go on for ever between two servers.
            Some(Packet::Acknowledge(_) | Packet::Error | Packet::Other) | None => {}
        }
    }

    fn refuse(&mut self, client: SocketAddrV4, code: Code, why: &str, name: &[u8]) {
        self.actions.push_back(Action::Refuse { client, packet: error(code, why) });
        self.note(client, &format!("asked for {:?}: {why}.", shown(name)));
    }

    fn begin(&mut self, client: SocketAddrV4, path: Vec<String>, transfer: Transfer) {
        if let Some((id, old)) = self.transfers.iter().find(|(_, old)| old.client == client) {
            // The client repeats itself: the clock of the first answer is running. Or it has given the file up.
            if !old.proven && old.name == transfer.name {
                return;
            }
            self.close(*id);
        }
        let of_client = self.transfers.values().filter(|other| other.client.ip() == client.ip()).count();
        let full = self.transfers.len() >= MAX_TRANSFERS;
        if full || of_client >= MAX_PER_CLIENT {
            let may_go = |other: &Transfer| !other.proven && (full || other.client.ip() == client.ip());
            // In the order of their numbers: the oldest first.
            let Some(id) = self.transfers.iter().find(|(_, other)| may_go(other)).map(|(id, _)| *id) else { return };
            self.close(id);
        }
        self.last += 1;
        let id = Id(self.last);
        self.transfers.insert(id, transfer);
        self.actions.push_back(Action::Open { id, client, path });
    }

    /// The file is open and has so many bytes, or is not.
    pub fn handle_opened(&mut self, id: Id, opened: Result<u64, NotOpened>, now: Instant) {
        let Some(transfer) = self.transfers.get_mut(&id) else { return };
        match opened {
            Ok(size) => {
                let step = transfer.start(size, now);
                self.take(id, step);
            }
            Err(why) => {
                let (code, text) = match why {
                    NotOpened::NotFound => (Code::NotFound, "there is no such file"),
                    NotOpened::Trouble => (Code::Undefined, "the file can't be read"),
                };
                self.fail(id, code, text);
            }
        }
    }

    /// A packet on a transfer's socket.
    pub fn handle_packet(&mut self, id: Id, bytes: &[u8], now: Instant) {
        let Some(transfer) = self.transfers.get_mut(&id) else { return };
        match Packet::read(bytes) {
            Some(Packet::Acknowledge(block)) => {
                let step = transfer.acknowledged(block, now);
                self.take(id, step);
            }
            // Usual when a client only wanted to know the size.
            Some(Packet::Error) => self.close(id),
            Some(_) => self.fail(id, Code::Illegal, "only acknowledgements are expected here"),
            None => {}
        }
    }

    /// The file can't be read any more, or the client's machine says that nobody listens there.
    pub fn handle_failed(&mut self, id: Id) {
        if self.transfers.contains_key(&id) {
            self.close(id);
        }
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        let due: Vec<Id> = self.transfers.iter().filter(|(_, one)| one.due() <= now).map(|(id, _)| *id).collect();
        for id in due {
            let Some(transfer) = self.transfers.get_mut(&id) else { continue };
            let step = transfer.timed_out(now);
            self.take(id, step);
        }
    }

    /// When [`Self::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.transfers.values().map(Transfer::due).min()
    }

    /// What to do next.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    fn take(&mut self, id: Id, step: Step) {
        let Some(transfer) = self.transfers.get(&id) else { return };
        match step {
            Step::Nothing => {}
            Step::Offer => self.actions.push_back(Action::Send { id, packet: transfer.offer() }),
            Step::Blocks(blocks) => {
                for number in blocks {
                    let (offset, length) = transfer.place(number);
                    // Numbers begin anew after 65535, from 0, as all who send large files do.
                    let block = (number & 0xffff) as u16;
                    self.actions.push_back(Action::Data { id, block, offset, length });
                }
            }
            Step::Done => {
                let (client, line) = (transfer.client, format!("has {} ({} bytes).", transfer.name, transfer.size()));
                self.close(id);
                self.note(client, &line);
            }
            Step::GiveUp => {
                let (client, line) = (transfer.client, format!("stopped answering in {}.", transfer.name));
                let proven = transfer.proven;
                self.close(id);
                if proven {
                    self.note(client, &line);
                }
            }
        }
    }

    fn fail(&mut self, id: Id, code: Code, why: &str) {
        let Some(transfer) = self.transfers.get(&id) else { return };
        let (client, line) = (transfer.client, format!("asked for {}: {why}.", transfer.name));
        self.actions.push_back(Action::Send { id, packet: error(code, why) });
        self.close(id);
        self.note(client, &line);
    }

    fn close(&mut self, id: Id) {
        self.transfers.remove(&id);
        self.actions.push_back(Action::Close { id });
    }

    fn note(&mut self, client: SocketAddrV4, line: &str) {
        self.actions.push_back(Action::Note(format!("Network boot: {} {line}", client.ip())));
    }
}
