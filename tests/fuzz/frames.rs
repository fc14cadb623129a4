//! Raw Ethernet frames.

use crate::{MILLION, decode, fuzz, stream};
use gatepost_core::frame::{Arp, Datagram};
use gatepost_core::net::{Ipv4Addr, MacAddr};

const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);

fn seeds() -> Vec<Vec<u8>> {
    let datagram = Datagram {
        source_mac: MAC,
        destination_mac: MacAddr::BROADCAST,
        source: Ipv4Addr::UNSPECIFIED,
        destination: Ipv4Addr::BROADCAST,
        source_port: 68,
        destination_port: 67,
        payload: &[0; 300],
    };
    let mut with_options = datagram.build().unwrap();
    // An IP header of the greatest length.
    with_options.splice(34..34, [1; 40]);
    with_options[14] = 0x4f;
    vec![datagram.build().unwrap(), with_options, Arp::probe(MAC, Ipv4Addr::new(10, 0, 0, 1)).build()]
}

#[test]
fn frames() {
    decode("frames", 10 * MILLION, stream("frames", seeds(), 1500), |frame| {
        Datagram::parse(frame).is_some() | Arp::parse(frame).is_some()
    });
}

#[test]
fn frames_with_a_right_checksum() {
    let name = "frames with a right checksum";
    fuzz(name, 10 * MILLION, stream(name, seeds(), 1500), |stream| {
        let frame = stream.next_packet();
        mend_checksum(frame);
        Datagram::parse(frame).is_some_and(|datagram| datagram.payload.len() <= frame.len())
    });
}

/// Makes the IPv4 header's checksum right (RFC 1071), whatever the header says its length is.
fn mend_checksum(frame: &mut [u8]) {
    let Some(length) = frame.get(14).map(|first| usize::from(first & 15) * 4) else { return };
    let Some(header) = frame.get_mut(14..14 + length).filter(|header| header.len() >= 20) else { return };
    header[10..12].fill(0);
    let sum: u32 = header.chunks_exact(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let sum = !((folded & 0xffff) + (folded >> 16)) as u16;
    header[10..12].copy_from_slice(&sum.to_be_bytes());
}
