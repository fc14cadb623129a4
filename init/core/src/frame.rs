//! Ethernet frames that the gateway builds and reads itself, for moments when the kernel's own stack can't: a DHCP
//! client has no address yet (RFC 2131 section 4.1), an address is probed before it is used (RFC 5227).
//!
//! Only what those need: Ethernet II, ARP for IPv4, IPv4 without fragments, UDP. A frame that is anything else, or
//! whose lengths don't agree, is `None`; nothing here can fail otherwise.

use crate::net::{Ipv4Addr, MacAddr};
use alloc::vec::Vec;

const ETHERTYPE_IPV4: [u8; 2] = [0x08, 0x00];
const ETHERTYPE_ARP: [u8; 2] = [0x08, 0x06];
const ETHERNET_HEADER: usize = 14;
const IPV4_HEADER: usize = 20;
const UDP_HEADER: usize = 8;
const PROTOCOL_UDP: u8 = 17;

/// Default IPv4 time to live (RFC 1700).
const TTL: u8 = 64;

/// A UDP datagram together with the addresses below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// Sender's hardware address.
    pub source_mac: MacAddr,
    /// Receiver's hardware address.
    pub destination_mac: MacAddr,
    /// Sender's address.
    pub source: Ipv4Addr,
    /// Receiver's address.
    pub destination: Ipv4Addr,
    /// Sender's port.
    pub source_port: u16,
    /// Receiver's port.
    pub destination_port: u16,
    /// What UDP carries; at most 65,507 bytes.
    pub payload: &'a [u8],
}

impl<'a> Datagram<'a> {
    /// Reads a frame. The UDP checksum is not verified: a frame from a virtual link carries one that the hardware was
    /// to finish, and what matters in DHCP is checked by the machines (transaction, hardware address, server).
    pub fn parse(frame: &'a [u8]) -> Option<Self> {
        let (ethernet, packet) = frame.split_at_checked(ETHERNET_HEADER)?;
        if ethernet.get(12..14)? != ETHERTYPE_IPV4 {
            return None;
        }
        let version_and_length = *packet.first()?;
        let header_length = usize::from(version_and_length & 0x0f) * 4;
        let total_length = usize::from(word(packet, 2)?);
        let more_fragments_or_offset = word(packet, 6)? & 0x3fff;
        if version_and_length >> 4 != 4 || header_length < IPV4_HEADER || more_fragments_or_offset != 0 {
            return None;
        }
        if *packet.get(9)? != PROTOCOL_UDP || checksum(&[packet.get(..header_length)?]) != 0 {
            return None;
        }
        let udp = packet.get(header_length..total_length)?;
        let udp_length = usize::from(word(udp, 4)?);
        Some(Datagram {
            source_mac: mac(ethernet, 6)?,
            destination_mac: mac(ethernet, 0)?,
            source: address(packet, 12)?,
            destination: address(packet, 16)?,
            source_port: word(udp, 0)?,
            destination_port: word(udp, 2)?,
            payload: udp.get(UDP_HEADER..udp_length)?,
        })
    }

    /// The frame, checksums and all; `None` if the payload is larger than IPv4 can carry.
    pub fn build(&self) -> Option<Vec<u8>> {
        let udp_length = u16::try_from(UDP_HEADER + self.payload.len()).ok()?;
        let total_length = udp_length.checked_add(IPV4_HEADER as u16)?;

        let mut ip = [0; IPV4_HEADER];
        ip[0] = 0x45;
        ip[2..4].copy_from_slice(&total_length.to_be_bytes());
        ip[8] = TTL;
        ip[9] = PROTOCOL_UDP;
        ip[12..16].copy_from_slice(&self.source.octets());
        ip[16..20].copy_from_slice(&self.destination.octets());
        let sum = checksum(&[&ip]);
        ip[10..12].copy_from_slice(&sum.to_be_bytes());

        let mut udp = [0; UDP_HEADER];
        udp[0..2].copy_from_slice(&self.source_port.to_be_bytes());
        udp[2..4].copy_from_slice(&self.destination_port.to_be_bytes());
        udp[4..6].copy_from_slice(&udp_length.to_be_bytes());
        let pseudo_header = [&[0, PROTOCOL_UDP], &udp_length.to_be_bytes()[..]].concat();
        let sum = match checksum(&[&ip[12..20], &pseudo_header, &udp, self.payload]) {
            0 => 0xffff, // Zero would say "no checksum" (RFC 768).
            sum => sum,
        };
        udp[6..8].copy_from_slice(&sum.to_be_bytes());

        Some([&self.destination_mac.0[..], &self.source_mac.0, &ETHERTYPE_IPV4, &ip, &udp, self.payload].concat())
    }
}

/// An ARP packet for IPv4 over Ethernet (RFC 826).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arp {
    /// Whether it is a request (operation 1) or a reply (operation 2).
    pub is_request: bool,
    /// Sender's hardware address.
    pub sender_mac: MacAddr,
    /// Sender's address; unspecified in a probe.
    pub sender: Ipv4Addr,
    /// Receiver's hardware address; zero in a request.
    pub target_mac: MacAddr,
    /// The address asked for.
    pub target: Ipv4Addr,
}

/// Hardware type Ethernet, protocol IPv4, address lengths 6 and 4.
const ARP_ETHERNET_IPV4: [u8; 6] = [0, 1, 8, 0, 6, 4];

impl Arp {
    /// The question "does anybody use `target`?" without claiming an address oneself (RFC 5227 section 2.1.1).
    pub fn probe(sender_mac: MacAddr, target: Ipv4Addr) -> Self {
        Arp { is_request: true, sender_mac, sender: Ipv4Addr::UNSPECIFIED, target_mac: MacAddr::default(), target }
    }

    /// Whether this packet says that somebody other than `own` uses, or is about to use, `address` (RFC 5227
    /// section 2.1.1).
    pub fn conflicts_with(&self, address: Ipv4Addr, own: MacAddr) -> bool {
        let probed_by_another = self.is_request && self.sender.is_unspecified() && self.target == address;
        self.sender_mac != own && (self.sender == address || probed_by_another)
    }

    /// Reads a frame.
    pub fn parse(frame: &[u8]) -> Option<Self> {
        let (ethernet, arp) = frame.split_at_checked(ETHERNET_HEADER)?;
        if ethernet.get(12..14)? != ETHERTYPE_ARP || arp.get(..6)? != ARP_ETHERNET_IPV4 {
            return None;
        }
        let is_request = match word(arp, 6)? {
            1 => true,
            2 => false,
            _ => return None,
        };
        Some(Arp {
            is_request,
            sender_mac: mac(arp, 8)?,
            sender: address(arp, 14)?,
            target_mac: mac(arp, 18)?,
            target: address(arp, 24)?,
        })
    }

    /// The frame, to everyone on the link.
    pub fn build(&self) -> Vec<u8> {
        let operation: [u8; 2] = if self.is_request { [0, 1] } else { [0, 2] };
        [
            &MacAddr::BROADCAST.0[..],
            &self.sender_mac.0,
            &ETHERTYPE_ARP,
            &ARP_ETHERNET_IPV4,
            &operation,
            &self.sender_mac.0,
            &self.sender.octets(),
            &self.target_mac.0,
            &self.target.octets(),
        ]
        .concat()
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    let pair = bytes.get(at..)?.first_chunk()?;
    Some(u16::from_be_bytes(*pair))
}

fn mac(bytes: &[u8], at: usize) -> Option<MacAddr> {
    Some(MacAddr(*bytes.get(at..)?.first_chunk()?))
}

fn address(bytes: &[u8], at: usize) -> Option<Ipv4Addr> {
    let octets: [u8; 4] = *bytes.get(at..)?.first_chunk()?;
    Some(Ipv4Addr::from(octets))
}

/// The internet checksum over the parts laid end to end (RFC 1071). Every part but the last must have an even length.
fn checksum(parts: &[&[u8]]) -> u16 {
    let mut sum: u32 = 0;
    for part in parts {
        for pair in part.chunks(2) {
            let high = pair.first().copied().unwrap_or(0);
            let low = pair.get(1).copied().unwrap_or(0);
            sum += u32::from(u16::from_be_bytes([high, low]));
            sum = (sum & 0xffff) + (sum >> 16);
        }
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HERE: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
    const THERE: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);

    fn datagram(payload: &[u8]) -> Datagram<'_> {
        Datagram {
            source_mac: HERE,
            destination_mac: THERE,
            source: Ipv4Addr::new(10, 0, 0, 1),
            destination: Ipv4Addr::new(10, 0, 0, 20),
            source_port: 67,
            destination_port: 68,
            payload,
        }
    }

    #[test]
    fn udp_checksum_is_right() {
        let frame = datagram(&[1, 2, 3]).build().unwrap();
        let udp = &frame[ETHERNET_HEADER + IPV4_HEADER..];
        let pseudo = [&frame[26..34], &[0, 17, 0, 11]].concat();
        assert_eq!(checksum(&[&pseudo, udp]), 0, "a frame with its checksum in place sums to zero");
    }

    #[test]
    fn a_fragment_is_refused() {
        let mut frame = datagram(b"x").build().unwrap();
        frame[ETHERNET_HEADER + 6] = 0x20; // more fragments
        assert_eq!(Datagram::parse(&frame), None);
    }

    #[test]
    fn cve_2015_8605_lengths_that_disagree_are_refused() {
        for (at, value) in [(ETHERNET_HEADER + 3, 0xff), (ETHERNET_HEADER + 3, 21), (38, 0), (39, 7), (39, 0xff)] {
            let mut frame = datagram(b"payload").build().unwrap();
            frame[at] = value;
            // A changed total length also breaks the header checksum: mend it so that the length itself is judged.
            frame[24..26].copy_from_slice(&[0, 0]);
            let sum = checksum(&[&frame[14..34]]);
            frame[24..26].copy_from_slice(&sum.to_be_bytes());
            if at == 38 {
                continue; // the high byte of the length was zero already
            }
            assert_eq!(Datagram::parse(&frame), None, "byte {at} = {value}");
        }
    }

    #[test]
    fn rfc5227_conflicts() {
        let address = Ipv4Addr::new(192, 168, 0, 51);
        let answer = Arp { is_request: false, sender_mac: THERE, sender: address, target_mac: HERE, target: address };
        assert!(answer.conflicts_with(address, HERE));
        assert!(Arp::probe(THERE, address).conflicts_with(address, HERE), "two stations probe at once");
        assert!(!Arp::probe(HERE, address).conflicts_with(address, HERE), "our own probe, come back");
        assert!(!answer.conflicts_with(Ipv4Addr::new(192, 168, 0, 52), HERE));
    }

    proptest! {
        #[test]
        fn what_is_built_is_read_back(payload in proptest::collection::vec(any::<u8>(), 0..1500), trailer in 0usize..20) {
            let sent = datagram(&payload);
            let mut frame = sent.build().unwrap();
            frame.resize(frame.len() + trailer, 0); // Ethernet pads short frames
            prop_assert_eq!(Datagram::parse(&frame), Some(sent));
            let probe = Arp::probe(HERE, Ipv4Addr::new(10, 0, 0, 9));
            prop_assert_eq!(Arp::parse(&probe.build()), Some(probe));
        }

        #[test]
        fn any_bytes_return(frame in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = Datagram::parse(&frame);
            let _ = Arp::parse(&frame);
        }
    }
}
