//! Everything that listens on the LAN: opened together, closed together, opened anew when the interface or its
//! address is another.

use super::dns_tcp::DnsTcp;
use super::dns_udp::DnsUdp;
use super::event::EventSender;
use super::lan_dhcp::LanDhcp;
use super::ntp::LanTime;
use gatepost_core::net::{Ipv4Net, MacAddr};
use std::io;

/// The LAN's sockets.
pub struct Lan {
    /// Which interface, with which number and hardware address, at which address.
    place: (String, u32, MacAddr, Ipv4Net),
    /// DHCP.
    pub dhcp: LanDhcp,
    /// DNS over UDP.
    pub udp: DnsUdp,
    /// DNS over TCP.
    pub tcp: DnsTcp,
    /// The time, if the LAN may ask for it.
    pub time: Option<LanTime>,
}

impl Lan {
    /// Opens all of them; the time's only if `time` says so.
    pub fn open(
        interface: &str,
        index: u32,
        mac: MacAddr,
        lan: Ipv4Net,
        time: bool,
        events: EventSender,
    ) -> io::Result<Self> {
        Ok(Self {
            place: (interface.into(), index, mac, lan),
            dhcp: LanDhcp::open(interface, index, mac, lan.address(), events.clone())?,
            udp: DnsUdp::open(interface, lan.address())?,
            tcp: DnsTcp::open(interface, lan.address(), events)?,
            time: time.then(|| LanTime::open(interface, lan.address())).transpose()?,
        })
    }

    /// Whether they stand where they should.
    pub fn is_at(&self, interface: &str, index: u32, mac: MacAddr, lan: Ipv4Net) -> bool {
        (self.place.0.as_str(), self.place.1, self.place.2, self.place.3) == (interface, index, mac, lan)
    }
}
