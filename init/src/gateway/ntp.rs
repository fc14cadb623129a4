//! Sockets for the time: one for each question to a time server, with a random port (RFC 9109), and port 123 of the LAN.

use super::bound_udp::bound_udp;
use super::clock;
use super::event::{Event, EventSender};
use super::upstream::open_udp;
use gatepost_core::entropy::Entropy;
use gatepost_core::ntp::{MAX_SIZE, PATIENCE};
use gatepost_core::time::Reading;
use std::io;
use std::io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use tokio::net::UdpSocket;
use tokio::time::timeout;

const PORT: u16 = 123;

/// Messages that one question's socket takes: the answer, and some that were not it.
const MAX_HEARD: usize = 16;

/// Asks a server; what it says comes as events until its time is over. Nothing tells of a failure: the core waits no
/// longer than we do.
pub fn ask(server: Ipv4Addr, payload: [u8; gatepost_core::ntp::SIZE], events: EventSender, entropy: &mut impl Entropy) {
    let socket = open_udp(entropy);
    tokio::task::spawn_local(async move {
        let _ = timeout(PATIENCE, exchange(socket, server, &payload, &events)).await;
    });
}

async fn exchange(
    socket: io::Result<std::net::UdpSocket>,
    server: Ipv4Addr,
    payload: &[u8],
    events: &EventSender,
) -> io::Result<()> {
    let socket = socket?;
    socket.set_nonblocking(true)?;
    let socket = UdpSocket::from_std(socket)?;
    socket.connect((server, PORT)).await?;
    let sent = clock::reading().boot;
    socket.send(payload).await?;
    let mut buffer = [0; MAX_SIZE + 1];
    for _ in 0..MAX_HEARD {
        // An ICMP error may be forged: the wait goes on.
        let Ok(length) = socket.recv(&mut buffer).await else { continue };
        let at = clock::reading();
        let payload = buffer.get(..length).unwrap_or_default().to_vec();
        if events.send(Event::TimeReply { from: server, payload, sent, at }).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// The LAN's time server.
pub struct LanTime(UdpSocket);

impl LanTime {
    /// Opens port 123 of `address` on `interface`.
    pub fn open(interface: &str, address: Ipv4Addr) -> io::Result<Self> {
        let socket = bound_udp(interface, SocketAddrV4::new(address, PORT))?;
        Ok(Self(UdpSocket::from_std(socket)?))
    }

    /// Waits for a message; who sent it, and what the clocks said when it came.
    pub async fn receive(&mut self) -> io::Result<(Vec<u8>, SocketAddrV4, Reading)> {
        let mut buffer = [0; MAX_SIZE + 1];
        loop {
            match self.0.recv_from(&mut buffer).await {
                Ok((length, SocketAddr::V4(peer))) => {
                    return Ok((buffer.get(..length).unwrap_or_default().to_vec(), peer, clock::reading()));
                }
                Ok((_, SocketAddr::V6(_))) => {}
                // An ICMP error of an earlier answer; the client's loss, not ours.
                Err(error) if matches!(error.kind(), ConnectionRefused | HostUnreachable | NetworkUnreachable) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Sends an answer.
    pub fn send(&self, peer: SocketAddrV4, payload: &[u8]) {
        // A full queue or a client that left: the client asks again.
        let _ = self.0.try_send_to(payload, peer.into());
    }
}
