//! TFTP's packets (RFC 1350 section 5) and the options of a request (RFC 2347, 2348, 2349, 7440).
//!
//! An option that is not known, stands there twice or has a value outside its bounds is passed over, as RFC 2347 wants.

use crate::time::Duration;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// The longest request that is read (RFC 2347: "at most 512 octets"), with some mercy.
const MAX_REQUEST: usize = 1024;

/// A block's length without an option.
pub(super) const USUAL_BLOCK: u16 = 512;

/// The longest block that is sent: with its headers an Ethernet frame. A client that asks for more gets this (RFC 2348
/// lets the server answer less), since fragments are lost together.
pub(super) const MAX_BLOCK: u16 = 1468;

/// Most blocks in a row without an acknowledgement (RFC 7440 lets the server answer less than was asked for).
pub(super) const MAX_WINDOW: u16 = 32;

/// The longest time-out that is agreed to; RFC 2349 allows 255 s, for which a dead client would keep its place.
const MAX_TIMEOUT: u64 = 30;

/// Why not (RFC 1350, appendix).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    Undefined = 0,
    NotFound = 1,
    Access = 2,
    Illegal = 4,
}

/// What a client says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Packet<'a> {
    Read {
        name: &'a [u8],
        octets: bool,
        options: Options,
    },
    Write,
    Acknowledge(u16),
    Error,
    /// Data, which nobody may send here, or nothing that is known.
    Other,
}

/// What a request asks for beyond the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Options {
    /// Those that are agreed to, in the client's order.
    agreed: Vec<Agreed>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Agreed {
    BlockSize(u16),
    TransferSize,
    Timeout(u64),
    WindowSize(u16),
}

impl Agreed {
    fn name(self) -> &'static str {
        match self {
            Agreed::BlockSize(_) => "blksize",
            Agreed::TransferSize => "tsize",
            Agreed::Timeout(_) => "timeout",
            Agreed::WindowSize(_) => "windowsize",
        }
    }

    fn read(name: &[u8], value: &[u8]) -> Option<Self> {
        let number: u64 = core::str::from_utf8(value).ok()?.parse().ok()?;
        let at_most = |most: u16| u16::try_from(number).unwrap_or(u16::MAX).min(most);
        if name.eq_ignore_ascii_case(b"blksize") {
            (8..=65_464).contains(&number).then(|| Agreed::BlockSize(at_most(MAX_BLOCK)))
        } else if name.eq_ignore_ascii_case(b"windowsize") {
            (1..=65_535).contains(&number).then(|| Agreed::WindowSize(at_most(MAX_WINDOW)))
        } else if name.eq_ignore_ascii_case(b"timeout") {
            (1..=MAX_TIMEOUT).contains(&number).then_some(Agreed::Timeout(number))
        } else if name.eq_ignore_ascii_case(b"tsize") {
            Some(Agreed::TransferSize)
        } else {
            None
        }
    }
}

impl Options {
    fn read<'a>(mut words: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut agreed: Vec<Agreed> = Vec::new();
        while let (Some(name), Some(value)) = (words.next(), words.next()) {
            if let Some(option) = Agreed::read(name, value)
                && !agreed.iter().any(|other| other.name() == option.name())
            {
                agreed.push(option);
            }
        }
        Self { agreed }
    }

    /// Whether there is none to agree to: then the first packet is data.
    pub(super) fn is_empty(&self) -> bool {
        self.agreed.is_empty()
    }

    /// Bytes in a block.
    pub(super) fn block(&self) -> u16 {
        let size = |option: &Agreed| if let Agreed::BlockSize(size) = option { Some(*size) } else { None };
        self.agreed.iter().find_map(size).unwrap_or(USUAL_BLOCK)
    }

    /// Blocks before an acknowledgement.
    pub(super) fn window(&self) -> u16 {
        let size = |option: &Agreed| if let Agreed::WindowSize(size) = option { Some(*size) } else { None };
        self.agreed.iter().find_map(size).unwrap_or(1)
    }

    /// The client's own time-out.
    pub(super) fn timeout(&self) -> Option<Duration> {
        let time = |option: &Agreed| if let Agreed::Timeout(secs) = option { Some(*secs) } else { None };
        self.agreed.iter().find_map(time).map(Duration::from_secs)
    }

    /// What is agreed to, as a packet (RFC 2347).
    pub(super) fn acknowledge(&self, file: u64) -> Vec<u8> {
        let mut packet = Vec::from([0, 6]);
        for option in &self.agreed {
            let value = match option {
                Agreed::BlockSize(size) | Agreed::WindowSize(size) => size.to_string(),
                Agreed::Timeout(secs) => secs.to_string(),
                Agreed::TransferSize => file.to_string(),
            };
            put(option.name(), &mut packet);
            put(&value, &mut packet);
        }
        packet
    }
}

fn put(text: &str, packet: &mut Vec<u8>) {
    packet.extend_from_slice(text.as_bytes());
    packet.push(0);
}

impl<'a> Packet<'a> {
    /// Reads a packet. `None` for what has not the form of one.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let (code, rest) = bytes.split_first_chunk::<2>()?;
        match u16::from_be_bytes(*code) {
            1 if bytes.len() <= MAX_REQUEST => {
                // Every word ends with a zero byte, so what follows the last is empty, or a word that was cut off.
                let mut words = rest.split(|byte| *byte == 0);
                let (name, mode) = (words.next()?, words.next()?);
                let whole = rest.last() == Some(&0) && !name.is_empty() && !mode.is_empty();
                let octets = mode.eq_ignore_ascii_case(b"octet");
                whole.then(|| Packet::Read { name, octets, options: Options::read(words) })
            }
            2 => Some(Packet::Write),
            4 => rest.first_chunk::<2>().map(|block| Packet::Acknowledge(u16::from_be_bytes(*block))),
            5 => Some(Packet::Error),
            _ => Some(Packet::Other),
        }
    }
}

/// A refusal.
pub(super) fn error(code: Code, text: &str) -> Vec<u8> {
    let mut packet = Vec::from([0, 5, 0, code as u8]);
    put(text, &mut packet);
    packet
}

/// The four bytes before the data of a block.
#[must_use]
pub fn data_header(block: u16) -> [u8; 4] {
    let [high, low] = block.to_be_bytes();
    [0, 3, high, low]
}

/// A name as it may be logged: what is not plain becomes a question mark, and it is cut.
pub(super) fn shown(name: &[u8]) -> String {
    let plain = |byte: &u8| if byte.is_ascii_graphic() { char::from(*byte) } else { '?' };
    name.iter().take(80).map(plain).collect()
}
