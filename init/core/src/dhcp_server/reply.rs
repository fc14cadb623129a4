//! What the server sends (RFC 2131 section 4.1 and table 3) and where to.
//!
//! The message is written field by field with dhcproto's encoder rather than through its message type, which would
//! sort the options and parse option 82: the message type comes first, the netmask before the router (RFC 2132
//! section 3.3), option 82 last and byte for byte as it came (RFC 3046 section 2.2).

use super::Destination;
use super::request::Request;
use super::settings::Settings;
use crate::net::Ipv4Addr;
use crate::time::Duration;
use alloc::vec;
use alloc::vec::Vec;
use dhcproto::error::EncodeResult;
use dhcproto::v4::{DhcpOption, MAGIC, MessageType, OptionCode, encode_long_opt_bytes};
use dhcproto::{Encodable, Encoder};

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

impl Reply<'_> {
    /// The refusal of a request. It holds nothing but its type, the server, the reason and what is sent back.
    pub(super) fn nak(message: &str) -> Reply<'_> {
        let (kind, yiaddr) = (MessageType::Nak, Ipv4Addr::UNSPECIFIED);
        Reply { kind, yiaddr, lease: None, host_name: None, message: Some(message) }
    }

    /// Where the answer goes (RFC 2131 section 4.1).
    pub(super) fn destination(&self, request: &Request, settings: &Settings) -> Destination {
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

    /// The message's bytes. Options that the client wants but has no room for are left out, the least needed first.
    pub(super) fn encode(&self, request: &Request, settings: &Settings) -> EncodeResult<Vec<u8>> {
        let max_size = request.max_size.unwrap_or(MIN_MAX_SIZE).clamp(MIN_MAX_SIZE, MAX_MAX_SIZE);
        let limit = usize::from(max_size - HEADERS);
        let mut tail = Vec::new();
        self.write_tail(request, &mut Encoder::new(&mut tail))?;
        let mut out = Vec::with_capacity(limit);
        self.write_head(request, settings, &mut Encoder::new(&mut out))?;
        let mut option = Vec::new();
        for wanted in self.wanted_options(request, settings) {
            option.clear();
            wanted.encode(&mut Encoder::new(&mut option))?;
            if out.len() + option.len() + tail.len() <= limit {
                out.extend_from_slice(&option);
            }
        }
        out.extend_from_slice(&tail);
        out.resize(out.len().max(MIN_MESSAGE), 0);
        Ok(out)
    }

    /// The fixed fields and the options that every answer of this type has.
    fn write_head(&self, request: &Request, settings: &Settings, e: &mut Encoder<'_>) -> EncodeResult<()> {
        const BOOT_REPLY: u8 = 2;
        let nak = self.kind == MessageType::Nak;
        let relay_broadcasts = if nak && request.is_relayed() { BROADCAST_FLAG } else { 0 };
        let ciaddr = if self.kind == MessageType::Ack { request.ciaddr } else { Ipv4Addr::UNSPECIFIED };
        e.write([BOOT_REPLY, request.htype, request.hlen, 0])?;
        e.write_u32(request.xid)?;
        e.write_u16(request.secs)?;
        e.write_u16(request.flags | relay_broadcasts)?;
        for address in [ciaddr, self.yiaddr, Ipv4Addr::UNSPECIFIED, request.giaddr] {
            e.write(address.octets())?;
        }
        e.write(request.chaddr)?;
        e.write([0; 64 + 128])?;
        e.write(MAGIC)?;
        DhcpOption::MessageType(self.kind).encode(e)?;
        DhcpOption::ServerIdentifier(settings.server_id()).encode(e)?;
        if let Some(lease) = self.lease {
            DhcpOption::AddressLeaseTime(secs(lease)).encode(e)?;
        }
        Ok(())
    }

    /// The options that are sent back as they came, and the end.
    fn write_tail(&self, request: &Request, e: &mut Encoder<'_>) -> EncodeResult<()> {
        if let Some(message) = self.message {
            DhcpOption::Message(message.into()).encode(e)?;
        }
        if let Some(id) = &request.client_id {
            encode_long_opt_bytes(OptionCode::ClientIdentifier, id, e)?;
        }
        if let Some(relay) = &request.relay_agent {
            encode_long_opt_bytes(OptionCode::RelayAgentInformation, relay, e)?;
        }
        DhcpOption::End.encode(e)
    }

    /// What is sent if the client wants it, the most needed first.
    fn wanted_options(&self, request: &Request, settings: &Settings) -> Vec<DhcpOption> {
        if self.kind == MessageType::Nak {
            return Vec::new();
        }
        let mut options = vec![
            DhcpOption::SubnetMask(settings.lan.netmask()),
            DhcpOption::Router(vec![settings.router]),
            DhcpOption::DomainNameServer(settings.dns.clone()),
        ];
        if let Some(lease) = self.lease {
            // RFC 2131 section 4.4.5: half and seven eighths of the lease.
            options.push(DhcpOption::Renewal(secs(lease) / 2));
            options.push(DhcpOption::Rebinding(secs(lease) - secs(lease) / 8));
        }
        options.push(DhcpOption::BroadcastAddr(settings.lan.broadcast()));
        options.push(DhcpOption::DomainName(settings.domain.clone()));
        options.extend(self.host_name.map(|name| DhcpOption::Hostname(name.into())));
        options.retain(|option| {
            let empty = match option {
                DhcpOption::DomainNameServer(list) => list.is_empty(),
                DhcpOption::DomainName(name) => name.is_empty(),
                _ => false,
            };
            !empty && request.wants(OptionCode::from(option).into())
        });
        options
    }
}

fn secs(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}
