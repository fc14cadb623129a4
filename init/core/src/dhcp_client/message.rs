//! DHCP messages of the client: building its own, and deciding which of the others' to believe.
//!
//! Left out: the broadcast flag is never set, since the shell receives on a packet socket and needs no address of its
//! own for that (RFC 2131 section 4.1); FORCERENEW (RFC 3203) is ignored, because nobody can prove that he sent it.

use super::lease::{Lease, Route, Terms};
use super::options::{COOKIE, HEADER, Options};
use crate::net::{Ipv4Addr, Ipv4Net, MacAddr, is_ordinary};
use crate::time::Duration;
use alloc::string::String;
use alloc::vec::Vec;
use dhcproto::v4::{DhcpOption, HType, Message, MessageType, Opcode, OptionCode};
use dhcproto::{Decodable, Encodable};

/// The largest message that the server may send, in bytes with all headers (option 57): what fits into an Ethernet
/// frame even if a server forgets to count the IP and UDP headers.
const MAX_MESSAGE: u16 = 1472;

/// Shorter messages are dropped by some relays, which still expect a BOOTP message of this size (RFC 1542 section 2.1).
const MIN_MESSAGE: usize = 300;

/// A server that lists more routers or DNS servers than this is not more useful for it.
const MAX_SERVERS: usize = 4;

/// Each classless route becomes one in the kernel; a full option could ask for fifty.
const MAX_ROUTES: usize = 32;

/// What the client asks for (option 55). Option 121 stands before 3, as RFC 3442 demands.
const REQUESTED: [OptionCode; 12] = [
    OptionCode::SubnetMask,
    OptionCode::ClasslessStaticRoute,
    OptionCode::Router,
    OptionCode::DomainNameServer,
    OptionCode::DomainName,
    OptionCode::InterfaceMtu,
    OptionCode::AddressLeaseTime,
    OptionCode::ServerIdentifier,
    OptionCode::Renewal,
    OptionCode::Rebinding,
    OptionCode::CaptivePortal,
    OptionCode::NtpServers,
];

/// A header of zeroes and the magic cookie.
const BLANK: [u8; HEADER + 4] = {
    let mut blank = [0; HEADER + 4];
    let (_, cookie) = blank.split_at_mut(HEADER);
    cookie.copy_from_slice(&COOKIE);
    blank
};

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The uplink's hardware address; also the client identifier (option 61, type 1).
    pub mac: MacAddr,
    /// The host name that is told to the server (option 12); one DNS label.
    pub hostname: String,
}

/// The kinds of message that a client sends, with what is special to each (RFC 2131 table 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Who has an address for me; I liked this one.
    Discover { hint: Option<Ipv4Addr> },
    /// I take this offer (SELECTING).
    Select { address: Ipv4Addr, server: Ipv4Addr },
    /// I had this address before (INIT-REBOOT).
    Reboot { address: Ipv4Addr },
    /// I have this address and want to keep it (RENEWING, REBINDING).
    Extend { address: Ipv4Addr },
    /// Somebody else has that address.
    Decline { address: Ipv4Addr, server: Ipv4Addr },
}

/// Builds a message; `secs` is the time since the client began, in seconds.
pub(super) fn build(identity: &Identity, kind: Kind, xid: u32, secs: u16) -> Vec<u8> {
    // Message::default() would draw a transaction identifier from a generator of the codec's own.
    let mut message = Message::from_bytes(&BLANK).unwrap_or_default();
    message.set_opcode(Opcode::BootRequest).set_htype(HType::Eth).set_xid(xid).set_secs(secs);
    message.set_chaddr(&identity.mac.0);
    let (message_type, requested, server) = match kind {
        Kind::Discover { hint } => (MessageType::Discover, hint, None),
        Kind::Select { address, server } => (MessageType::Request, Some(address), Some(server)),
        Kind::Reboot { address } => (MessageType::Request, Some(address), None),
        Kind::Extend { address } => {
            message.set_ciaddr(address);
            (MessageType::Request, None, None)
        }
        Kind::Decline { address, server } => (MessageType::Decline, Some(address), Some(server)),
    };
    let mut client = alloc::vec![1];
    client.extend_from_slice(&identity.mac.0);
    let options = message.opts_mut();
    options.insert(DhcpOption::MessageType(message_type));
    options.insert(DhcpOption::ClientIdentifier(client));
    requested.map(|address| options.insert(DhcpOption::RequestedIpAddress(address)));
    server.map(|server| options.insert(DhcpOption::ServerIdentifier(server)));
    // A DECLINE carries nothing else (RFC 2131 table 5).
    if message_type != MessageType::Decline {
        options.insert(DhcpOption::Hostname(identity.hostname.clone()));
        options.insert(DhcpOption::MaxMessageSize(MAX_MESSAGE));
        options.insert(DhcpOption::ParameterRequestList(REQUESTED.to_vec()));
    }
    // Writing into a vector has no way to fail; an empty message would simply be lost like one on the wire.
    let mut payload = message.to_vec().unwrap_or_default();
    payload.resize(payload.len().max(MIN_MESSAGE), 0);
    payload
}

/// What a server may say to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Here is an address for you.
    Offer(Lease),
    /// It is yours.
    Ack(Lease),
    /// You may not have it, says this server.
    Nak(Ipv4Addr),
}

/// Reads a message if it is a well-formed answer for this hardware address. Returns its transaction identifier too.
pub(super) fn read(payload: &[u8], mac: MacAddr) -> Option<(u32, Answer)> {
    let header = payload.get(..HEADER)?;
    // The codec indexes chaddr by hlen without looking, so the length is checked before anything else.
    if header.get(..3) != Some(&[2, 1, 6]) || header.get(28..34) != Some(&mac.0) {
        return None;
    }
    let options = Options::gather(payload)?;
    let message = Message::from_bytes(payload.get(..HEADER + 4)?).ok()?;
    // Every answer carries the server's identifier (RFC 2131 table 3); one without it cannot be told from a forgery.
    let Some(DhcpOption::ServerIdentifier(server)) = options.get(OptionCode::ServerIdentifier) else { return None };
    let server = *server;
    if !is_ordinary(server) {
        return None;
    }
    let Some(DhcpOption::MessageType(kind)) = options.get(OptionCode::MessageType) else { return None };
    let answer = match kind {
        MessageType::Offer => Answer::Offer(read_lease(&message, &options, server)?),
        MessageType::Ack => Answer::Ack(read_lease(&message, &options, server)?),
        MessageType::Nak => Answer::Nak(server),
        _ => return None,
    };
    Some((message.xid(), answer))
}

/// The lease in an OFFER or ACK; `None` if the address cannot be used.
fn read_lease(message: &Message, options: &Options, server: Ipv4Addr) -> Option<Lease> {
    let yours = message.yiaddr();
    let address = match options.get(OptionCode::SubnetMask) {
        Some(DhcpOption::SubnetMask(mask)) => Ipv4Net::from_netmask(yours, *mask)?,
        _ => Ipv4Net::new(yours, class_prefix(yours))?,
    };
    if !is_ordinary(yours) || address.prefix() < 8 || !address.is_host(yours) {
        return None;
    }
    let routes = read_routes(options);
    let routers = match options.get(OptionCode::Router) {
        Some(DhcpOption::Router(routers)) if routes.is_empty() => usable(routers, yours),
        _ => Vec::new(),
    };
    let dns = match options.get(OptionCode::DomainNameServer) {
        Some(DhcpOption::DomainNameServer(servers)) => usable(servers, yours),
        _ => Vec::new(),
    };
    let ntp = match options.get(OptionCode::NtpServers) {
        Some(DhcpOption::NtpServers(servers)) => usable(servers, yours),
        _ => Vec::new(),
    };
    let domain = match options.get(OptionCode::DomainName) {
        Some(DhcpOption::DomainName(domain)) => legal_domain(domain),
        _ => None,
    };
    let mtu = match options.get(OptionCode::InterfaceMtu) {
        Some(DhcpOption::InterfaceMtu(mtu)) => Some(*mtu).filter(|mtu| (576..=9216).contains(mtu)),
        _ => None,
    };
    let portal = match options.get(OptionCode::CaptivePortal) {
        Some(DhcpOption::CaptivePortal(address)) => web_address(address),
        _ => None,
    };
    Some(Lease { address, routers, routes, dns, domain, mtu, portal, ntp, server, terms: read_terms(options)? })
}

/// Lease time, T1 and T2. Times of the server that are out of order are replaced (RFC 2131 section 4.4.5).
fn read_terms(options: &Options) -> Option<Terms> {
    let Some(DhcpOption::AddressLeaseTime(seconds)) = options.get(OptionCode::AddressLeaseTime) else { return None };
    if *seconds == u32::MAX {
        return Some(Terms::Infinite);
    }
    let lasts = Some(Duration::from_secs(u64::from(*seconds))).filter(|time| !time.is_zero())?;
    let renew = match options.get(OptionCode::Renewal) {
        Some(DhcpOption::Renewal(seconds)) => Some(Duration::from_secs(u64::from(*seconds))),
        _ => None,
    };
    let rebind = match options.get(OptionCode::Rebinding) {
        Some(DhcpOption::Rebinding(seconds)) => Some(Duration::from_secs(u64::from(*seconds))),
        _ => None,
    };
    Some(Terms::limited(lasts, renew, rebind))
}

impl Terms {
    /// Terms with T1 < T2 < end, whatever the server said.
    pub(super) fn limited(lasts: Duration, renew: Option<Duration>, rebind: Option<Duration>) -> Self {
        let rebind = rebind.filter(|time| *time < lasts && !time.is_zero()).unwrap_or(lasts * 7 / 8);
        let half = if lasts / 2 < rebind { lasts / 2 } else { rebind / 2 };
        let renew = renew.filter(|time| *time < rebind && !time.is_zero()).unwrap_or(half);
        Terms::Limited { lasts, renew, rebind }
    }
}

/// Option 121. Routes that would catch the machine's own or special addresses are dropped: CVE-2024-3661 shows what a
/// stranger's routes are good for.
fn read_routes(options: &Options) -> Vec<Route> {
    let Some(DhcpOption::ClasslessStaticRoute(routes)) = options.get(OptionCode::ClasslessStaticRoute) else {
        return Vec::new();
    };
    let routes = routes.iter().filter_map(|(destination, gateway)| {
        let prefix = destination.prefix_len();
        let network = Ipv4Net::new(destination.addr(), prefix)?.network();
        let destination = Ipv4Net::new(network, prefix)?;
        let special = RESERVED.iter().any(|(first, prefix)| {
            Ipv4Net::new(Ipv4Addr::new(*first, 0, 0, 0), *prefix).is_some_and(|net| net.overlaps(destination))
        });
        let sound = (prefix == 0 || !special) && (gateway.is_unspecified() || is_ordinary(*gateway));
        let gateway = Some(*gateway).filter(|gateway| !gateway.is_unspecified());
        sound.then_some(Route { destination, gateway })
    });
    routes.take(MAX_ROUTES).collect()
}

/// First octet and prefix length of what no route may cover: loopback, multicast and the reserved rest above it.
const RESERVED: [(u8, u8); 2] = [(127, 8), (224, 3)];

/// The ordinary addresses of a list, without our own.
fn usable(addresses: &[Ipv4Addr], yours: Ipv4Addr) -> Vec<Ipv4Addr> {
    addresses.iter().copied().filter(|address| is_ordinary(*address) && *address != yours).take(MAX_SERVERS).collect()
}

/// The prefix of the address's class, for servers that send no mask (RFC 950 section 2.1).
fn class_prefix(address: Ipv4Addr) -> u8 {
    match address.octets() {
        [0..128, ..] => 8,
        [128..192, ..] => 16,
        _ => 24,
    }
}

/// The longest address of a log-in page, in bytes: as long as one option.
const MAX_PORTAL: usize = 255;

/// An address of the web, to be shown to people. `urn:ietf:params:capport:unrestricted`, a network's word that nobody needs to
/// log in (RFC 8910 section 2), is none.
fn web_address(text: &str) -> Option<String> {
    let text = text.trim_end_matches('\0');
    let web = ["https://", "http://"].iter().any(|scheme| text.len() > scheme.len() && text.starts_with(scheme));
    (web && text.len() <= MAX_PORTAL && text.bytes().all(|byte| byte.is_ascii_graphic())).then(|| String::from(text))
}

/// A domain of letters, digits, hyphens and dots, in lower case. The text comes from a stranger and is shown to people.
fn legal_domain(text: &str) -> Option<String> {
    let text = text.trim_end_matches(['\0', '.']);
    let legal = |label: &str| {
        (1..=63).contains(&label.len()) && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    (text.len() <= 253 && text.split('.').all(legal)).then(|| text.to_ascii_lowercase())
}
