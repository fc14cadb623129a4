//! Requests and their answers, and the events that come in between (generic netlink, nl80211).

use super::attribute;
use super::message::{Body, Request, messages};
use super::transport::{Received, Transport};
use gatepost_core::net::MacAddr;
use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

/// How long the kernel may take for a request. brcmfmac waits up to 4.1 s until a frame was acknowledged on the air.
const DEADLINE: Duration = Duration::from_secs(6);

/// Most events that wait while a request is under way. The oldest go: a radio that sends more is beyond help.
const MAX_WAITING: usize = 512;

/// Most messages of one list that are looked at: a scan of a block of flats has some hundreds.
const MAX_LIST: usize = 4096;

/// The controller of the families (`GENL_ID_CTRL`) and what it is asked.
const CONTROLLER: u16 = 0x10;
const GETFAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;
const CTRL_ATTR_MCAST_GROUPS: u16 = 7;
const GROUP_NAME: u16 = 1;
const GROUP_ID: u16 = 2;

/// The groups whose events are wanted.
const GROUPS: [&[u8]; 3] = [b"mlme", b"scan", b"regulatory"];

/// A command of the family and its attributes.
pub type Reply = (u8, Vec<u8>);

/// The kernel's refusal: a positive error number, and nothing of what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused(pub i32);

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        Refused(error.raw_os_error().unwrap_or(libc::EIO))
    }
}

/// What came unasked.
#[derive(Debug, PartialEq, Eq)]
pub enum Unasked {
    /// An event of nl80211.
    Event(Reply),
    /// An EAPOL frame from the packet socket.
    Eapol(MacAddr, Vec<u8>),
    /// There is work.
    Woken,
    /// Nothing until then.
    Nothing,
}

/// The conversation with nl80211.
pub struct Conversation<T> {
    transport: T,
    family: u16,
    sequence: u32,
    waiting: VecDeque<Unasked>,
    buffer: Vec<u8>,
}

impl<T: Transport> Conversation<T> {
    /// Finds nl80211 and listens to its events. `ENOENT`: the kernel has no Wi-Fi (yet).
    pub fn start(transport: T) -> Result<Self, Refused> {
        let waiting = VecDeque::new();
        let mut conversation = Self { transport, family: CONTROLLER, sequence: 0, waiting, buffer: Vec::new() };
        let answer = conversation.ask(Request::new(GETFAMILY).put(CTRL_ATTR_FAMILY_NAME, b"nl80211\0"))?;
        let (_, family) = answer.first().ok_or(Refused(libc::ENOENT))?;
        conversation.family = attribute::get_u16(family, CTRL_ATTR_FAMILY_ID).ok_or(Refused(libc::EPROTO))?;
        for (_, group) in attribute::all(attribute::get(family, CTRL_ATTR_MCAST_GROUPS).unwrap_or_default()) {
            let name = attribute::get(group, GROUP_NAME).map(|name| name.strip_suffix(b"\0").unwrap_or(name));
            let wanted = name.is_some_and(|name| GROUPS.contains(&name));
            if let Some(id) = attribute::get_u32(group, GROUP_ID).filter(|_| wanted) {
                conversation.transport.join(id)?;
            }
        }
        Ok(conversation)
    }

    /// EAPOL goes over a packet socket on this interface.
    pub fn open_eapol(&mut self, index: u32) -> Result<(), Refused> {
        Ok(self.transport.open_eapol(index)?)
    }

    /// Sends an EAPOL frame over the packet socket.
    pub fn send_eapol(&mut self, to: MacAddr, frame: &[u8]) -> Result<(), Refused> {
        Ok(self.transport.send_eapol(to, frame)?)
    }

    /// Carries a command out.
    pub fn command(&mut self, request: Request) -> Result<(), Refused> {
        self.ask(request).map(drop)
    }

    /// Asks and collects the answers, at most some thousand.
    pub fn ask(&mut self, request: Request) -> Result<Vec<Reply>, Refused> {
        self.sequence = self.sequence.checked_add(1).unwrap_or(1);
        self.transport.send(&request.finish(self.family, self.sequence))?;
        let until = Instant::now() + DEADLINE;
        let mut replies = Vec::new();
        loop {
            let mut end = None;
            match self.transport.receive(until, &mut self.buffer) {
                Ok(Received::Netlink) => {
                    for message in messages(&self.buffer) {
                        match message.body {
                            Body::Data { command, attributes } if message.sequence == 0 => {
                                let event = Unasked::Event((command, attributes.to_vec()));
                                put(&mut self.waiting, event);
                            }
                            Body::Data { command, attributes }
                                if message.sequence == self.sequence && replies.len() < MAX_LIST =>
                            {
                                replies.push((command, attributes.to_vec()));
                            }
                            Body::End(error) if message.sequence == self.sequence => end = Some(error),
                            // The answer to a request that was given up.
                            _ => {}
                        }
                    }
                }
                Ok(Received::Eapol(from)) => put(&mut self.waiting, Unasked::Eapol(from, self.buffer.clone())),
                Ok(Received::Woken) => put(&mut self.waiting, Unasked::Woken),
                Ok(Received::Nothing) => return Err(Refused(libc::ETIMEDOUT)),
                Err(error) => return Err(error.into()),
            }
            match end {
                Some(0) => return Ok(replies),
                Some(error) => return Err(Refused(error)),
                None => {}
            }
        }
    }

    /// The next thing that comes unasked. An error means that events may have been lost.
    pub fn next(&mut self, until: Instant) -> Result<Unasked, Refused> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Ok(event);
            }
            match self.transport.receive(until, &mut self.buffer)? {
                Received::Eapol(from) => return Ok(Unasked::Eapol(from, self.buffer.clone())),
                Received::Woken => return Ok(Unasked::Woken),
                Received::Nothing => return Ok(Unasked::Nothing),
                Received::Netlink => {
                    for message in messages(&self.buffer) {
                        if let (0, Body::Data { command, attributes }) = (message.sequence, message.body) {
                            put(&mut self.waiting, Unasked::Event((command, attributes.to_vec())));
                        }
                    }
                }
            }
        }
    }
}

fn put(waiting: &mut VecDeque<Unasked>, event: Unasked) {
    if waiting.len() >= MAX_WAITING {
        waiting.pop_front();
    }
    waiting.push_back(event);
}
