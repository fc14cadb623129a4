//! DHCP messages (RFC 2131), byte by byte: no codec stands between the dice and the wire.

use gatepost_core::net::Ipv4Addr;
use tests::mutate::Mutator;

/// The magic cookie before the options.
pub const COOKIE: [u8; 4] = [99, 130, 83, 99];

/// Hardware addresses that ask. More than the pool has addresses, so that it runs dry.
const CLIENTS: u32 = 300;

pub const DISCOVER: u8 = 1;
pub const OFFER: u8 = 2;
pub const REQUEST: u8 = 3;
pub const DECLINE: u8 = 4;
pub const ACK: u8 = 5;
pub const NAK: u8 = 6;
pub const RELEASE: u8 = 7;
pub const INFORM: u8 = 8;

/// A message under construction; starts as a header with its kind.
pub struct Message(Vec<u8>);

impl Message {
    /// `op` is 1 from clients and 2 from servers.
    pub fn new(op: u8, kind: u8, xid: [u8; 4], mac: [u8; 6]) -> Self {
        let mut bytes = vec![0; 236];
        bytes[..4].copy_from_slice(&[op, 1, 6, 0]);
        bytes[4..8].copy_from_slice(&xid);
        bytes[28..34].copy_from_slice(&mac);
        bytes.extend(COOKIE);
        Self(bytes).option(53, &[kind])
    }

    /// Writes into the header.
    pub fn set(mut self, at: usize, bytes: &[u8]) -> Self {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
        self
    }

    /// Adds an option.
    pub fn option(mut self, code: u8, value: &[u8]) -> Self {
        self.0.extend([code, value.len() as u8]);
        self.0.extend(value);
        self
    }

    /// The whole message.
    pub fn end(mut self) -> Vec<u8> {
        self.0.push(255);
        self.0.resize(self.0.len().max(300), 0);
        self.0
    }
}

/// The kind of a well-formed message (option 53).
pub fn kind_of(message: &[u8]) -> Option<u8> {
    let mut options = message.get(240..)?;
    while let [code, length, rest @ ..] = options {
        match (code, rest.first()) {
            (53, Some(kind)) => return Some(*kind),
            _ => options = rest.get(usize::from(*length)..)?,
        }
    }
    None
}

/// Addresses that the server has offered or confirmed lately, by client.
#[derive(Default)]
pub struct Heard(Vec<([u8; 6], Ipv4Addr)>);

impl Heard {
    /// Notes what a server's message gives to whom.
    pub fn note(&mut self, message: &[u8]) {
        let (Some(mac), Some(address)) = (message.get(28..34), message.get(16..20)) else { return };
        let (mac, address) = (mac.try_into().unwrap(), <[u8; 4]>::try_from(address).unwrap());
        self.0.retain(|(known, _)| *known != mac);
        self.0.push((mac, Ipv4Addr::from(address)));
        if self.0.len() > 32 {
            self.0.remove(0);
        }
    }

    fn any(&self, stream: &mut Mutator) -> Option<([u8; 6], Ipv4Addr)> {
        // The latest is the likeliest.
        let back = stream.below(4).min(stream.below(32)) as usize;
        self.0.len().checked_sub(1 + back).map(|at| self.0[at])
    }
}

/// What one of many clients might say to the server `server` now.
pub fn from_client(stream: &mut Mutator, heard: &Heard, server: Ipv4Addr) -> Vec<u8> {
    let known = heard.any(stream);
    let kind = stream
        .pick(&[DISCOVER, DISCOVER, DISCOVER, REQUEST, REQUEST, REQUEST, REQUEST, REQUEST, DECLINE, RELEASE, INFORM]);
    let stranger = stream.below(CLIENTS) as u16;
    let [high, low] = stranger.to_be_bytes();
    let (mac, address) = match known {
        Some(known) if kind != DISCOVER => known,
        _ => ([2, 0, 0, 1, high, low], Ipv4Addr::new(10, 0, 0, low)),
    };
    let octets = address.octets();
    let flags = if stream.one_in(2) { 0x80 } else { 0 };
    let mut message = Message::new(1, kind, [1, 2, high, low], mac).set(10, &[flags]);
    // RFC 2131 table 5: which field names the address, and who names the server.
    message = match (kind, stream.below(4)) {
        (REQUEST, 0) | (INFORM | RELEASE, _) => message.set(12, &octets),
        (REQUEST, 1) => message.option(50, &octets),
        (REQUEST | DECLINE, _) => message.option(50, &octets).option(54, &server.octets()),
        (_, 0) => message.option(50, &octets),
        _ => message,
    };
    if kind == RELEASE {
        message = message.option(54, &server.octets());
    }
    extras(stream, message, mac).end()
}

fn extras(stream: &mut Mutator, mut message: Message, mac: [u8; 6]) -> Message {
    if mac[5] & 1 == 0 {
        message = message.option(61, &[&[1], &mac[..]].concat());
    }
    if stream.one_in(2) {
        let name = format!("host-{}", mac[5] & 31);
        message = message.option(12, name.as_bytes());
    }
    match stream.below(8) {
        0 => message.option(55, &[1, 3, 6, 15, 28, 51, 58, 59]),
        1 => message.option(51, &stream.below(100_000).to_be_bytes()).option(57, &[2, 64]),
        2 => message.option(81, b"\x05\0\0\x06kettle\x04home\x04arpa\0"),
        3 => message.option(82, &[1, 4, 0, 0, 0, 9]).set(24, &[10, 0, 0, 3]),
        // Options 12 and 55 in the fields for file and server name (RFC 2131 section 4.1).
        4 => message.set(108, &[12, 3, b'a', b'b', b'c', 255]).set(44, &[55, 2, 1, 3, 255]).option(52, &[3]),
        _ => message,
    }
}

/// Makes a bent message look like one for `xid` and `mac` again, and mostly like DHCP at all.
pub fn mend(stream_dice: u32, message: &mut [u8], good: &[u8]) {
    // One in eight stays as it was bent.
    if stream_dice.is_multiple_of(8) {
        return;
    }
    for range in [0..3, 4..8, 28..34, 236..240] {
        if let (Some(to), Some(from)) = (message.get_mut(range.clone()), good.get(range)) {
            to.copy_from_slice(from);
        }
    }
}

/// What a server might answer to the client's message `asked`.
pub fn from_server(stream: &mut Mutator, asked: &[u8]) -> Option<Vec<u8>> {
    let (xid, mac) = (asked.get(4..8)?.try_into().ok()?, asked.get(28..34)?.try_into().ok()?);
    let kind = match (kind_of(asked)?, stream.below(12)) {
        (_, 0) => NAK,
        (_, 1) => OFFER,
        (DISCOVER, _) => OFFER,
        _ => ACK,
    };
    let server = stream.pick(&[[192, 168, 77, 1], [192, 168, 77, 1], [192, 168, 77, 1], [192, 168, 77, 2]]);
    let host = stream.pick(&[50, 50, 50, 51]);
    let lease = stream.pick(&[1, 60, 600, 3600, 86_400, u32::MAX]);
    let message = Message::new(2, kind, xid, mac)
        .set(16, &[192, 168, 77, host])
        .option(54, &server)
        .option(51, &lease.to_be_bytes())
        .option(1, &[255, 255, 255, 0])
        .option(3, &[192, 168, 77, 1])
        .option(6, &[192, 168, 77, 1, 192, 168, 77, 2]);
    Some(more_terms(stream, message, lease).end())
}

fn more_terms(stream: &mut Mutator, message: Message, lease: u32) -> Message {
    match stream.below(6) {
        0 => message.option(58, &(lease / 2).to_be_bytes()).option(59, &(lease / 4).to_be_bytes()),
        1 => message.option(121, &[0, 192, 168, 77, 1, 24, 10, 9, 8, 192, 168, 77, 7, 32, 1, 2, 3, 4, 0, 0, 0, 0]),
        2 => message.option(15, b"lan.example").option(26, &[5, 220]),
        3 => message.set(108, &[58, 4, 0, 0, 0, 30, 255]).set(44, &[59, 4, 0, 0, 0, 40, 255]).option(52, &[3]),
        _ => message,
    }
}
