//! One target a decoder or machine.

use crate::fuzz;
use gatepost_core::frame::{Arp, Datagram};
use gatepost_core::net::{Ipv4Addr, MacAddr};

const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);

#[test]
fn frames() {
    let datagram = Datagram {
        source_mac: MAC,
        destination_mac: MacAddr::BROADCAST,
        source: Ipv4Addr::UNSPECIFIED,
        destination: Ipv4Addr::BROADCAST,
        source_port: 68,
        destination_port: 67,
        payload: &[0; 300],
    };
    let seeds = vec![datagram.build().unwrap(), Arp::probe(MAC, Ipv4Addr::new(10, 0, 0, 1)).build()];
    fuzz("frames", seeds, 1500, |packet| {
        let _ = Datagram::parse(packet);
        let _ = Arp::parse(packet);
    });
}
