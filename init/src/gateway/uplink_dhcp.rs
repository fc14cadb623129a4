//! The DHCP client's sockets on the uplink: raw, since there is no address yet, and since a renewal must work
//! whatever state the interface is in.

use super::event::{Event, EventSender};
use super::raw::{Listen, RawSocket};
use gatepost_core::frame::{Arp, Datagram};
use gatepost_core::net::{Ipv4Addr, MacAddr};
use std::io;
use std::net::SocketAddrV4;
use std::rc::Rc;
use tokio::task::AbortHandle;

const SERVER_PORT: u16 = 67;
const CLIENT_PORT: u16 = 68;

/// The client's sockets; closing them ends their listening tasks.
pub struct UplinkDhcp {
    interface: String,
    index: u32,
    raw: Rc<RawSocket>,
    listening: AbortHandle,
    probing: Option<AbortHandle>,
    events: EventSender,
}

impl UplinkDhcp {
    /// Starts to listen for DHCP messages on the interface.
    pub fn open(interface: &str, index: u32, mac: MacAddr, events: EventSender) -> io::Result<Self> {
        let raw = Rc::new(RawSocket::open(index, mac, Listen::DhcpClient)?);
        let listening = listen(raw.clone(), events.clone(), |frame| Event::UplinkDhcp { frame });
        Ok(Self { interface: interface.into(), index, raw, listening, probing: None, events })
    }

    /// Sends to every server on the link.
    pub fn broadcast(&self, source: Ipv4Addr, payload: &[u8]) -> io::Result<()> {
        let frame = Datagram {
            source_mac: self.raw.mac,
            destination_mac: MacAddr::BROADCAST,
            source,
            destination: Ipv4Addr::BROADCAST,
            source_port: CLIENT_PORT,
            destination_port: SERVER_PORT,
            payload,
        }
        .build();
        frame.map_or(Ok(()), |frame| self.raw.send(&frame))
    }

    /// Sends to one server from the address that is to be renewed (RFC 2131 section 4.3.6); the kernel routes it.
    pub fn unicast(&self, from: Ipv4Addr, server: Ipv4Addr, payload: &[u8]) -> io::Result<()> {
        let socket = super::bound_udp::bound_udp(&self.interface, SocketAddrV4::new(from, CLIENT_PORT))?;
        // The reply is read from the raw socket like every other. The runtime's own socket would refuse to send before
        // it has waited for the kernel to call it ready.
        match socket.send_to(payload, SocketAddrV4::new(server, SERVER_PORT)) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(()),
        }
    }

    /// Asks the link who uses `address`; answers come as events until [`Self::stop_probing`].
    pub fn probe(&mut self, address: Ipv4Addr) -> io::Result<()> {
        if self.probing.is_none() {
            let socket = Rc::new(RawSocket::open(self.index, self.raw.mac, Listen::Arp)?);
            self.probing = Some(listen(socket, self.events.clone(), |frame| Event::UplinkArp { frame }));
        }
        self.raw.send(&Arp::probe(self.raw.mac, address).build())
    }

    /// No probe is under way any more.
    pub fn stop_probing(&mut self) {
        if let Some(task) = self.probing.take() {
            task.abort();
        }
    }
}

impl Drop for UplinkDhcp {
    fn drop(&mut self) {
        self.listening.abort();
        self.stop_probing();
    }
}

/// Puts every frame that the socket gives into the queue, until the task is ended.
pub fn listen(socket: Rc<RawSocket>, events: EventSender, wrap: impl Fn(Vec<u8>) -> Event + 'static) -> AbortHandle {
    let task = async move {
        loop {
            match socket.receive().await {
                Ok(frame) => {
                    if events.send(wrap(frame)).await.is_err() {
                        return;
                    }
                }
                // The interface went down or away: the kernel tells netlink too, which decides what happens. Until
                // then, don't spin.
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(100)).await,
            }
        }
    };
    tokio::task::spawn_local(task).abort_handle()
}
