//! A client's message, decoded (RFC 2131 section 2, RFC 2132).
//!
//! The option list is read by its raw bytes: a malformed option that we don't need must not hide the ones behind it.
//! Options are joined when repeated (RFC 3396 section 7) and read from the fields `file` and `sname` when option 52
//! says so. Per option, when its length is wrong:
//!
//! | option | |
//! |---|---|
//! | 53 message type, 54 server identifier, 50 requested address | they decide what is asked: the message is dropped |
//! | 61 client identifier, 82 relay agent | over 255 bytes the message is dropped; empty is absent |
//! | 51 lease time, 57 maximum size, 12 and 81 names | as if absent |
//!
//! Left out: BOOTP (no option 53), rapid commit, lease queries, forced renewal.

use super::client::{CHADDR_LEN, Client, Hardware};
use super::hostname;
use crate::net::Ipv4Addr;
use alloc::string::String;
use alloc::vec::Vec;
use dhcproto::v4::borrowed::{DhcpOptionIterator, Message};
use dhcproto::v4::{MessageType, Opcode};

/// The longest message that is looked at, in bytes: more than an Ethernet frame holds.
const MAX_MESSAGE: usize = 2048;

/// The longest client identifier and relay agent option that are kept: the longest that one option holds.
const MAX_ECHO: usize = 255;

/// A client's message.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) kind: MessageType,
    pub(super) client: Client,
    pub(super) htype: u8,
    pub(super) hlen: u8,
    pub(super) xid: u32,
    pub(super) secs: u16,
    pub(super) flags: u16,
    pub(super) ciaddr: Ipv4Addr,
    pub(super) giaddr: Ipv4Addr,
    /// The whole field, what lies behind `hlen` included.
    pub(super) chaddr: [u8; CHADDR_LEN],
    /// Option 50.
    pub(super) requested: Option<Ipv4Addr>,
    /// Option 51, in seconds.
    pub(super) lease: Option<u32>,
    /// Option 54.
    pub(super) server: Option<Ipv4Addr>,
    /// Option 55; `None` when the client does not say what it wants.
    pub(super) wanted: Option<Vec<u8>>,
    /// Option 57: the longest message that the client takes, IP and UDP headers included.
    pub(super) max_size: Option<u16>,
    /// Option 61 as it came, to be sent back (RFC 6842).
    pub(super) client_id: Option<Vec<u8>>,
    /// Option 82 as it came, to be sent back (RFC 3046 section 2.2).
    pub(super) relay_agent: Option<Vec<u8>>,
    /// The name asked for, made safe.
    pub(super) name: Option<String>,
}

/// The options that the server reads, as they came.
#[derive(Default)]
struct Options {
    name: Option<Vec<u8>>,
    requested: Option<Vec<u8>>,
    lease: Option<Vec<u8>>,
    overload: Option<Vec<u8>>,
    kind: Option<Vec<u8>>,
    server: Option<Vec<u8>>,
    wanted: Option<Vec<u8>>,
    max_size: Option<Vec<u8>>,
    client_id: Option<Vec<u8>>,
    fqdn: Option<Vec<u8>>,
    relay_agent: Option<Vec<u8>>,
}

impl Options {
    fn read(&mut self, options: DhcpOptionIterator<'_>) {
        for option in options {
            let slot = match u8::from(option.code()) {
                12 => &mut self.name,
                50 => &mut self.requested,
                51 => &mut self.lease,
                52 => &mut self.overload,
                53 => &mut self.kind,
                54 => &mut self.server,
                55 => &mut self.wanted,
                57 => &mut self.max_size,
                61 => &mut self.client_id,
                81 => &mut self.fqdn,
                82 => &mut self.relay_agent,
                _ => continue,
            };
            slot.get_or_insert_default().extend_from_slice(option.data());
        }
    }
}

impl Request {
    /// `None` for whatever is not a client's well-formed message. `domain` is ours, for host names.
    pub(super) fn decode(payload: &[u8], domain: &str) -> Option<Self> {
        const HLEN: usize = 2;
        // The codec slices by `hlen` unchecked, so this stands before it is called.
        if payload.len() > MAX_MESSAGE || usize::from(*payload.get(HLEN)?) > CHADDR_LEN {
            return None;
        }
        let message = Message::new(payload).ok().filter(|message| message.opcode() == Opcode::BootRequest)?;
        let options = options_of(payload, &message);
        let [kind] = options.kind?[..] else { return None };
        let client_id = echoed(options.client_id)?;
        let htype = *payload.get(1)?;
        let hardware = Hardware::new(htype, message.chaddr())?;
        let from_fqdn = options.fqdn.and_then(|option| hostname::from_fqdn(&option, domain));
        let from_name = || options.name.and_then(|option| hostname::from_option(&option, domain));
        Some(Self {
            kind: MessageType::from(kind),
            client: Client::new(hardware, client_id.as_deref())?,
            htype,
            hlen: message.hlen(),
            xid: message.xid(),
            secs: message.secs(),
            flags: message.flags().into(),
            ciaddr: message.ciaddr(),
            giaddr: message.giaddr(),
            chaddr: *payload.get(28..)?.first_chunk()?,
            requested: address(options.requested)?,
            lease: options.lease.and_then(|bytes| Some(u32::from_be_bytes(bytes.try_into().ok()?))),
            server: address(options.server)?,
            wanted: options.wanted.filter(|list| !list.is_empty()),
            max_size: options.max_size.and_then(|bytes| Some(u16::from_be_bytes(bytes.try_into().ok()?))),
            client_id,
            relay_agent: echoed(options.relay_agent)?,
            name: from_fqdn.or_else(from_name),
        })
    }

    /// Whether the client wants the option told: it asked, or it does not say what it wants.
    pub(super) fn wants(&self, code: u8) -> bool {
        self.wanted.as_ref().is_none_or(|list| list.contains(&code))
    }

    /// Whether a relay agent passed the message on.
    pub(super) fn is_relayed(&self) -> bool {
        !self.giaddr.is_unspecified()
    }
}

/// The options of the message, those in `file` and `sname` included (RFC 2131 section 4.1).
fn options_of(payload: &[u8], message: &Message<'_>) -> Options {
    let mut options = Options::default();
    options.read(message.opts());
    let overload = options.overload.as_ref().and_then(|bytes| bytes.first()).copied().unwrap_or(0);
    for (bit, field) in [(1, 108..236), (2, 44..108)] {
        if let Some(field) = payload.get(field).filter(|_| overload & bit != 0 && overload <= 3) {
            options.read(DhcpOptionIterator::new(field));
        }
    }
    options
}

/// The outer `None` is a malformed option, the inner an absent one.
fn address(option: Option<Vec<u8>>) -> Option<Option<Ipv4Addr>> {
    let Some(bytes) = option else { return Some(None) };
    let bytes: [u8; 4] = bytes.try_into().ok()?;
    Some(Some(Ipv4Addr::from(bytes)).filter(|address| !address.is_unspecified()))
}

/// The outer `None` is an option too long to be sent back, the inner an absent one.
fn echoed(option: Option<Vec<u8>>) -> Option<Option<Vec<u8>>> {
    let option = option.filter(|bytes| !bytes.is_empty());
    option.as_ref().is_none_or(|bytes| bytes.len() <= MAX_ECHO).then_some(option)
}
