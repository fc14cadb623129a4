//! What the server sends (RFC 2131 section 4.1 and table 3) and where to.
//!
//! ```text
//! fixed fields | 53 54 51 80 | what the client asked for, in its order | 52 | what is sent back: 56 61 81 97 118, 82 last | 255
//! ```
//!
//! The message type comes first, the netmask before the router (RFC 2132 section 3.3), option 82 last and byte for byte
//! as it came (RFC 3046 section 2.2). What does not fit into the message goes into the fields `file` and `sname`, if they
//! are not in use (option 52); what fits nowhere is left out, what the client named last first. A value over 255 bytes
//! goes in pieces (RFC 3396).

use super::Destination;
use super::request::Request;
use super::rules::Rules;
use super::settings::Settings;
use super::timers::timers;
use crate::config::DhcpBoot;
use crate::net::Ipv4Addr;
use crate::time::Duration;
use alloc::borrow::Cow;
use alloc::vec::Vec;
use dhcproto::v4::{MAGIC, MessageType};

/// Shorter messages are padded to this, in bytes: BOOTP's fixed size (RFC 1542 section 2.1), which old clients and
/// relay agents insist on.
const MIN_MESSAGE: usize = 300;

/// What every client takes, IP and UDP headers included (RFC 2131 section 2).
const MIN_MAX_SIZE: u16 = 576;

/// What an Ethernet frame holds.
const MAX_MAX_SIZE: u16 = 1500;

/// IP and UDP headers, in bytes.
const HEADERS: u16 = 28;

const BROADCAST_FLAG: u16 = 0x8000;

/// Where the fields `sname` and `file` are, in bytes from the start.
const SNAME: core::ops::Range<usize> = 44..108;
const FILE: core::ops::Range<usize> = 108..236;

/// The fixed fields and the magic number.
const FIXED: usize = 240;

/// What a client gets that does not say what it wants, in this order.
const USUAL: [u8; 9] = [1, 3, 6, 58, 59, 28, 15, 42, 12];

/// An answer before it is bytes.
#[derive(Clone, Debug)]
pub(super) struct Reply<'a> {
    pub(super) kind: MessageType,
    /// The address given; unspecified in a NAK and in the answer to an INFORM.
    pub(super) yiaddr: Ipv4Addr,
    /// How long the address is given for.
    pub(super) lease: Option<Duration>,
    pub(super) host_name: Option<&'a str>,
    /// Why not, for people (option 56).
    pub(super) message: Option<&'a str>,
}

/// What goes into an answer.
#[derive(Clone, Copy)]
pub(super) struct Source<'s> {
    pub(super) settings: &'s Settings,
    pub(super) rules: &'s Rules,
}

impl Reply<'_> {
    /// The refusal of a request. It holds nothing but its type, the server, the reason and what is sent back.
    pub(super) fn nak(message: &str) -> Reply<'_> {
        let (kind, yiaddr) = (MessageType::Nak, Ipv4Addr::UNSPECIFIED);
        Reply { kind, yiaddr, lease: None, host_name: None, message: Some(message) }
    }

    /// An offer of no address, for what its options say.
    pub(super) fn no_address() -> Reply<'static> {
        let (kind, yiaddr) = (MessageType::Offer, Ipv4Addr::UNSPECIFIED);
        Reply { kind, yiaddr, lease: None, host_name: None, message: None }
    }

    /// Where the answer goes (RFC 2131 section 4.1).
    pub(super) fn destination(&self, request: &Request<'_>, settings: &Settings) -> Destination {
        let own = settings.is_client_address(request.ciaddr);
        if request.is_relayed() {
            return Destination::Relay(request.giaddr);
        }
        match request.client.hardware.mac() {
            _ if self.kind == MessageType::Nak => Destination::Broadcast,
            _ if own => Destination::Unicast(request.ciaddr),
            Some(mac) if request.flags & BROADCAST_FLAG == 0 && settings.is_client_address(self.yiaddr) => {
                Destination::Hardware { address: self.yiaddr, mac }
            }
            _ => Destination::Broadcast,
        }
    }

    /// The message's bytes.
    pub(super) fn encode(&self, request: &Request<'_>, source: Source<'_>) -> Vec<u8> {
        let max_size = request.max_size.unwrap_or(MIN_MAX_SIZE).clamp(MIN_MAX_SIZE, MAX_MAX_SIZE);
        let limit = usize::from(max_size - HEADERS);
        let boot = self.boot(request, source);
        let tail = self.tail(request, source.settings);
        let mut out = Vec::with_capacity(limit);
        self.write_fixed(request, boot, source.settings, &mut out);
        self.write_head(request, source.settings, &mut out);
        // Room for option 52, for the tail and for the end.
        let room = limit.saturating_sub(tail.len() + 1);
        let mut overload = Overload { open: boot.is_none(), ..Overload::default() };
        if self.kind != MessageType::Nak {
            self.write_wanted(request, source, room, &mut overload, &mut out);
        }
        overload.finish(&mut out);
        out.extend_from_slice(&tail);
        out.push(255);
        out.resize(out.len().max(MIN_MESSAGE), 0);
        out
    }

    fn boot<'s>(&self, request: &Request<'_>, source: Source<'s>) -> Option<&'s DhcpBoot> {
        let refuses = self.kind == MessageType::Nak;
        source.rules.boot(request.tags, source.settings).filter(|_| !refuses)
    }

    fn write_fixed(&self, request: &Request<'_>, boot: Option<&DhcpBoot>, settings: &Settings, out: &mut Vec<u8>) {
        const BOOT_REPLY: u8 = 2;
        let nak = self.kind == MessageType::Nak;
        let relay_broadcasts = if nak && request.is_relayed() { BROADCAST_FLAG } else { 0 };
        let ciaddr = if self.kind == MessageType::Ack { request.ciaddr } else { Ipv4Addr::UNSPECIFIED };
        let next = boot.map_or(Ipv4Addr::UNSPECIFIED, |boot| boot.server.unwrap_or(settings.server_id()));
        out.extend_from_slice(&[BOOT_REPLY, request.htype, request.hlen, 0]);
        out.extend_from_slice(&request.xid.to_be_bytes());
        out.extend_from_slice(&request.secs.to_be_bytes());
        out.extend_from_slice(&(request.flags | relay_broadcasts).to_be_bytes());
        for address in [ciaddr, self.yiaddr, next, request.giaddr] {
            out.extend_from_slice(&address.octets());
        }
        out.extend_from_slice(&request.chaddr);
        out.resize(FIXED - MAGIC.len(), 0);
        if let Some(boot) = boot {
            // Each leaves room for the zero byte at its end: the configuration is checked for that.
            for (field, text) in [(SNAME, &boot.server_name), (FILE, &boot.file)] {
                let bytes = text.as_bytes().iter().take(field.len() - 1);
                out.iter_mut().skip(field.start).zip(bytes).for_each(|(to, from)| *to = *from);
            }
        }
        out.extend_from_slice(&MAGIC);
    }

    /// The options that every answer of this type has.
    fn write_head(&self, request: &Request<'_>, settings: &Settings, out: &mut Vec<u8>) {
        put(53, &[u8::from(self.kind)], out);
        let server = match self.kind {
            MessageType::Nak => settings.server_of(request.ciaddr),
            _ => settings.server_id(),
        };
        put(54, &server.octets(), out);
        if let Some(lease) = self.lease {
            put(51, &secs(lease).to_be_bytes(), out);
        }
        // RFC 4039 section 4: an ACK to a DISCOVER says so.
        if request.kind == MessageType::Discover && self.kind == MessageType::Ack {
            put(80, &[], out);
        }
    }

    /// The options that are sent back, in the form that they came in.
    fn tail(&self, request: &Request<'_>, settings: &Settings) -> Vec<u8> {
        let mut tail = Vec::new();
        if let Some(message) = self.message {
            put(56, message.as_bytes(), &mut tail);
        }
        if let Some(id) = &request.client_id {
            put(61, id, &mut tail);
        }
        if self.kind != MessageType::Nak {
            if let Some(fqdn) = self.fqdn(request, settings) {
                put(81, &fqdn, &mut tail);
            }
            if let Some(machine) = &request.machine {
                put(97, machine, &mut tail);
            }
            if let Some(subnet) = request.subnet {
                put(118, &subnet.octets(), &mut tail);
            }
        }
        if let Some(relay) = &request.relay_agent {
            put(82, relay, &mut tail);
        }
        tail
    }

    /// RFC 4702 section 4: what becomes of the name that the client asked for. We answer for it forwards and backwards,
    /// so S is set, and O says whether the client wanted that; without a name nothing is done, which N says. The name
    /// is in the client's own encoding.
    fn fqdn(&self, request: &Request<'_>, settings: &Settings) -> Option<Vec<u8>> {
        const S: u8 = 1;
        const O: u8 = 2;
        const E: u8 = 4;
        const N: u8 = 8;
        let asked = request.fqdn.as_ref()?;
        let encoding = asked.flags & E;
        let Some(name) = self.host_name else {
            let overrides = if asked.flags & S != 0 { O } else { 0 };
            let mut out = Vec::from([encoding | N | overrides, 255, 255]);
            out.extend_from_slice(asked.name.get(..asked.name.len().min(255 - 3)).unwrap_or_default());
            return Some(out);
        };
        let overrides = if asked.flags & S == 0 { O } else { 0 };
        let mut out = Vec::from([encoding | S | overrides, 255, 255]);
        let labels = core::iter::once(name).chain(settings.domain.split('.').filter(|label| !label.is_empty()));
        for (index, label) in labels.enumerate() {
            if encoding != 0 {
                // A checked label has 63 bytes at most.
                out.push(label.len() as u8);
            } else if index > 0 {
                out.push(b'.');
            }
            out.extend_from_slice(label.as_bytes());
        }
        if encoding != 0 {
            out.push(0);
        }
        Some(out)
    }

    /// What the client asked for, in its order (RFC 2132 section 9.8), then what is sent unasked.
    fn write_wanted(
        &self,
        request: &Request<'_>,
        source: Source<'_>,
        room: usize,
        overload: &mut Overload,
        out: &mut Vec<u8>,
    ) {
        let mut seen = Seen::default();
        let mut write = |code: u8, seen: &mut Seen| {
            if seen.insert(code)
                && let Some(data) = self.data(code, request, source)
            {
                overload.put(code, &data, room, out);
            }
        };
        let asked: &[u8] = request.wanted.as_deref().unwrap_or(&USUAL);
        for &code in asked {
            if code == 3 && asked.contains(&1) {
                write(1, &mut seen);
            }
            write(code, &mut seen);
            // RFC 3442: a client that does not know option 121 still needs a router; one that does ignores it.
            if code == 121 && self.data(121, request, source).is_some() {
                write(3, &mut seen);
            }
        }
        let configured = source.settings.options.iter();
        for option in configured.filter(|option| option.always || request.wanted.is_none()) {
            write(option.code, &mut seen);
        }
        if request.auto_configure {
            write(116, &mut seen);
        }
    }

    /// The value of an option for this client: the configured one, else our own.
    fn data<'s>(&self, code: u8, request: &Request<'_>, source: Source<'s>) -> Option<Cow<'s, [u8]>> {
        let settings = source.settings;
        // RFC 8925 section 3.3: only for those who ask.
        let asked = code != 108 || request.lists(108);
        if matches!(code, 58 | 59) {
            return self.timer(code, request, source);
        }
        if let Some(option) = source.rules.option(code, request.tags, settings).filter(|_| asked) {
            return (!option.data.is_empty()).then_some(Cow::Borrowed(&option.data));
        }
        let address = |address: Ipv4Addr| Some(Cow::Owned(Vec::from(address.octets())));
        match code {
            1 => address(settings.lan.netmask()),
            3 => address(settings.router),
            6 if !settings.dns.is_empty() => {
                Some(Cow::Owned(settings.dns.iter().flat_map(|server| server.octets()).collect()))
            }
            12 => self.host_name.map(|name| Cow::Owned(name.as_bytes().into())),
            15 if !settings.domain.is_empty() => Some(Cow::Borrowed(settings.domain.as_bytes())),
            28 => address(settings.lan.broadcast()),
            42 if !settings.ntp.is_empty() => {
                Some(Cow::Owned(settings.ntp.iter().flat_map(|server| server.octets()).collect()))
            }
            _ => None,
        }
    }

    /// T1 or T2. What comes with the lease is not for those who get none.
    fn timer<'s>(&self, code: u8, request: &Request<'_>, source: Source<'s>) -> Option<Cow<'s, [u8]>> {
        let wish = |code| {
            let option = source.rules.option(code, request.tags, source.settings)?;
            option.data.as_slice().try_into().ok().map(u32::from_be_bytes)
        };
        let (renewal, rebinding) = timers(secs(self.lease?), wish(58), wish(59));
        let seconds = if code == 58 { renewal } else { rebinding };
        Some(Cow::Owned(seconds.to_be_bytes().into()))
    }
}

/// The options that were looked at.
#[derive(Default)]
struct Seen([u64; 4]);

impl Seen {
    /// Whether the option is new. Those that stand elsewhere in the message never are.
    fn insert(&mut self, code: u8) -> bool {
        let elsewhere = matches!(code, 0 | 50..=57 | 61 | 80..=82 | 118 | 255);
        let Some(word) = self.0.get_mut(usize::from(code / 64)) else { return false };
        let bit = 1 << (code % 64);
        let new = *word & bit == 0 && !elsewhere;
        *word |= bit;
        new
    }
}

/// The fields `file` and `sname` as further room for options.
#[derive(Default)]
struct Overload {
    /// Nothing else is in the fields.
    open: bool,
    file: usize,
    sname: usize,
}

impl Overload {
    /// Option 52 with its value.
    const COST: usize = 3;

    /// Puts an option where there is room for all of it, or nowhere.
    fn put(&mut self, code: u8, data: &[u8], room: usize, out: &mut Vec<u8>) {
        let cost = data.len() + 2 * data.len().div_ceil(255).max(1);
        // Where the fields can be used, option 52 may still come.
        let reserve = if self.open { Self::COST } else { 0 };
        if out.len() + cost + reserve <= room {
            return put(code, data, out);
        }
        if !self.open {
            return;
        }
        for (used, field) in [(&mut self.file, FILE), (&mut self.sname, SNAME)] {
            // One byte of the field is its end.
            if *used + cost < field.len() {
                let mut option = Vec::with_capacity(cost);
                put(code, data, &mut option);
                let place = out.iter_mut().skip(field.start + *used);
                place.zip(option.iter().chain(&[255])).for_each(|(to, from)| *to = *from);
                *used += cost;
                return;
            }
        }
    }

    /// Says which fields are used.
    fn finish(&self, out: &mut Vec<u8>) {
        let value = u8::from(self.file > 0) | u8::from(self.sname > 0) << 1;
        if value != 0 {
            put(52, &[value], out);
        }
    }
}

/// One option, in pieces if it is long (RFC 3396 section 5).
fn put(code: u8, data: &[u8], out: &mut Vec<u8>) {
    if data.is_empty() {
        out.extend_from_slice(&[code, 0]);
    }
    for piece in data.chunks(255) {
        out.extend_from_slice(&[code, piece.len() as u8]);
        out.extend_from_slice(piece);
    }
}

fn secs(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}
