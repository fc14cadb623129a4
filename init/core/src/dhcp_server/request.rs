//! A client's message, decoded (RFC 2131 section 2, RFC 2132).
//!
//! The option list is read by its raw bytes: a malformed option that we don't need must not hide the ones behind it.
//! Options are joined when repeated (RFC 3396 section 7) and read from the fields `file` and `sname` when option 52
//! says so. Per option, when its length is wrong:
//!
//! | option | |
//! |---|---|
//! | 53 message type, 54 server identifier, 50 requested address, 118 subnet selection | they decide what is asked: the message is dropped |
//! | 61 client identifier, 82 relay agent | over 255 bytes the message is dropped; empty is absent |
//! | 51 lease time, 57 maximum size, 116 auto-configure, 12 and 81 names | as if absent |
//!
//! Nothing is copied unless an option came in pieces. Left out: BOOTP (no option 53), lease queries, forced renewal.

use super::client::{CHADDR_LEN, Client, Hardware};
use super::hostname;
use super::rules::Tags;
use crate::net::Ipv4Addr;
use alloc::borrow::Cow;
use alloc::string::String;
use dhcproto::v4::borrowed::Message;
use dhcproto::v4::{MAGIC, MessageType, Opcode};

/// The longest message that is looked at, in bytes: more than an Ethernet frame holds.
const MAX_MESSAGE: usize = 2048;

/// The longest client identifier and relay agent option that are kept: the longest that one option holds.
const MAX_ECHO: usize = 255;

/// The length of option 97: a type byte and a UUID (RFC 4578 section 2.3).
const MACHINE_LEN: usize = 17;

/// A client's message.
#[derive(Clone, Debug)]
pub(super) struct Request<'a> {
    /// The message as it came.
    pub(super) payload: &'a [u8],
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
    pub(super) wanted: Option<Cow<'a, [u8]>>,
    /// Option 57: the longest message that the client takes, IP and UDP headers included.
    pub(super) max_size: Option<u16>,
    /// Option 61 as it came, to be sent back (RFC 6842).
    pub(super) client_id: Option<Cow<'a, [u8]>>,
    /// Option 82 as it came, to be sent back (RFC 3046 section 2.2).
    pub(super) relay_agent: Option<Cow<'a, [u8]>>,
    /// Option 60.
    pub(super) vendor_class: Option<Cow<'a, [u8]>>,
    /// Option 77.
    pub(super) user_class: Option<Cow<'a, [u8]>>,
    /// Option 80: the client takes an ACK at once (RFC 4039).
    pub(super) rapid_commit: bool,
    /// Option 81: its flags, and the name behind them as it came (RFC 4702).
    pub(super) fqdn: Option<Fqdn<'a>>,
    /// Option 116: the client would give itself an address if it got none, and asks whether it may (RFC 2563).
    pub(super) auto_configure: bool,
    /// Option 118: the subnet that the client wants an address of (RFC 3011).
    pub(super) subnet: Option<Ipv4Addr>,
    /// Option 97 as it came: the identifier of a machine that boots from the network, to be sent back (RFC 4578 section 2.3).
    pub(super) machine: Option<Cow<'a, [u8]>>,
    /// The name asked for, made safe.
    pub(super) name: Option<String>,
    /// Filled in when the client is known.
    pub(super) tags: Tags,
}

/// Option 81 of a client.
#[derive(Clone, Debug)]
pub(super) struct Fqdn<'a> {
    pub(super) flags: u8,
    pub(super) name: Cow<'a, [u8]>,
}

/// The options that the server reads, as they came.
#[derive(Default)]
struct Options<'a> {
    name: Option<Cow<'a, [u8]>>,
    requested: Option<Cow<'a, [u8]>>,
    lease: Option<Cow<'a, [u8]>>,
    overload: Option<Cow<'a, [u8]>>,
    kind: Option<Cow<'a, [u8]>>,
    server: Option<Cow<'a, [u8]>>,
    wanted: Option<Cow<'a, [u8]>>,
    max_size: Option<Cow<'a, [u8]>>,
    vendor_class: Option<Cow<'a, [u8]>>,
    client_id: Option<Cow<'a, [u8]>>,
    user_class: Option<Cow<'a, [u8]>>,
    rapid_commit: Option<Cow<'a, [u8]>>,
    fqdn: Option<Cow<'a, [u8]>>,
    relay_agent: Option<Cow<'a, [u8]>>,
    auto_configure: Option<Cow<'a, [u8]>>,
    subnet: Option<Cow<'a, [u8]>>,
    machine: Option<Cow<'a, [u8]>>,
}

impl<'a> Options<'a> {
    /// Reads up to the end option, or to the first one that is longer than what is left.
    fn read(&mut self, mut bytes: &'a [u8]) {
        const PAD: u8 = 0;
        const END: u8 = 255;
        while let Some((code, rest)) = bytes.split_first().filter(|(code, _)| **code != END) {
            if *code == PAD {
                bytes = rest;
                continue;
            }
            let Some((length, rest)) = rest.split_first() else { return };
            let Some((data, rest)) = rest.split_at_checked(usize::from(*length)) else { return };
            bytes = rest;
            let slot = match *code {
                12 => &mut self.name,
                50 => &mut self.requested,
                51 => &mut self.lease,
                52 => &mut self.overload,
                53 => &mut self.kind,
                54 => &mut self.server,
                55 => &mut self.wanted,
                57 => &mut self.max_size,
                60 => &mut self.vendor_class,
                61 => &mut self.client_id,
                77 => &mut self.user_class,
                80 => &mut self.rapid_commit,
                81 => &mut self.fqdn,
                82 => &mut self.relay_agent,
                97 => &mut self.machine,
                116 => &mut self.auto_configure,
                118 => &mut self.subnet,
                _ => continue,
            };
            match slot {
                None => *slot = Some(Cow::Borrowed(data)),
                Some(before) => before.to_mut().extend_from_slice(data),
            }
        }
    }
}

impl<'a> Request<'a> {
    /// `None` for whatever is not a client's well-formed message. `domain` is ours, for host names.
    pub(super) fn decode(payload: &'a [u8], domain: &str) -> Option<Self> {
        let message = message(payload)?;
        let options = options_of(payload);
        let [kind] = options.kind?[..] else { return None };
        let client_id = echoed(options.client_id)?;
        let htype = *payload.get(1)?;
        let hardware = Hardware::new(htype, message.chaddr())?;
        let from_fqdn = options.fqdn.as_ref().and_then(|option| hostname::from_fqdn(option, domain));
        let from_name = || options.name.as_ref().and_then(|option| hostname::from_option(option, domain));
        Some(Self {
            payload,
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
            lease: options.lease.and_then(|bytes| Some(u32::from_be_bytes(bytes[..].try_into().ok()?))),
            server: address(options.server)?,
            wanted: options.wanted.filter(|list| !list.is_empty()),
            max_size: options.max_size.and_then(|bytes| Some(u16::from_be_bytes(bytes[..].try_into().ok()?))),
            client_id,
            relay_agent: echoed(options.relay_agent)?,
            vendor_class: options.vendor_class,
            user_class: options.user_class,
            rapid_commit: options.rapid_commit.is_some(),
            name: from_fqdn.or_else(from_name),
            fqdn: options.fqdn.and_then(fqdn),
            auto_configure: options.auto_configure.is_some_and(|bytes| bytes[..] == [1]),
            subnet: address(options.subnet)?,
            machine: options.machine.filter(|id| id.len() == MACHINE_LEN),
            tags: Tags::default(),
        })
    }

    /// Whether the client says that it wants the option.
    pub(super) fn lists(&self, code: u8) -> bool {
        self.wanted.as_ref().is_some_and(|list| list.contains(&code))
    }

    /// Whether a relay agent passed the message on.
    pub(super) fn is_relayed(&self) -> bool {
        !self.giaddr.is_unspecified()
    }
}

/// The fixed fields, if they hold together.
fn message(payload: &[u8]) -> Option<Message<'_>> {
    const HLEN: usize = 2;
    // The codec slices by `hlen` unchecked, so this stands before it is called.
    if payload.len() > MAX_MESSAGE || usize::from(*payload.get(HLEN)?) > CHADDR_LEN {
        return None;
    }
    // Without the magic number what follows is not a list of options (RFC 2131 section 3).
    let is_dhcp = payload.get(236..240)? == MAGIC;
    Message::new(payload).ok().filter(|message| message.opcode() == Opcode::BootRequest && is_dhcp)
}

/// The options of the message, those in `file` and `sname` included (RFC 2131 section 4.1).
fn options_of(payload: &[u8]) -> Options<'_> {
    let mut options = Options::default();
    options.read(payload.get(240..).unwrap_or_default());
    let overload = options.overload.as_ref().and_then(|bytes| bytes.first()).copied().unwrap_or(0);
    for (bit, field) in [(1, 108..236), (2, 44..108)] {
        if let Some(field) = payload.get(field).filter(|_| overload & bit != 0 && overload <= 3) {
            options.read(field);
        }
    }
    options
}

/// RFC 4702 section 2: flags, two bytes that mean nothing any more, a name.
fn fqdn(option: Cow<'_, [u8]>) -> Option<Fqdn<'_>> {
    let flags = *option.first_chunk::<3>()?.first()?;
    let name = match option {
        Cow::Borrowed(bytes) => Cow::Borrowed(bytes.get(3..)?),
        Cow::Owned(mut bytes) => Cow::Owned(bytes.split_off(3)),
    };
    Some(Fqdn { flags, name })
}

/// The outer `None` is a malformed option, the inner an absent one.
fn address(option: Option<Cow<'_, [u8]>>) -> Option<Option<Ipv4Addr>> {
    let Some(bytes) = option else { return Some(None) };
    let bytes: [u8; 4] = bytes[..].try_into().ok()?;
    Some(Some(Ipv4Addr::from(bytes)).filter(|address| !address.is_unspecified()))
}

/// The outer `None` is an option too long to be sent back, the inner an absent one.
fn echoed(option: Option<Cow<'_, [u8]>>) -> Option<Option<Cow<'_, [u8]>>> {
    let option = option.filter(|bytes| !bytes.is_empty());
    option.as_ref().is_none_or(|bytes| bytes.len() <= MAX_ECHO).then_some(option)
}
