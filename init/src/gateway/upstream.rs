//! Questions to upstream DNS servers: a fresh socket, with a port of the kernel's choosing, for every one (RFC 5452
//! section 9.2), connected so that the kernel drops what comes from anywhere else.

use super::dns_tcp::{Incoming, write_message};
use super::event::{Event, EventSender};
use gatepost_core::dns::{Failure, UpstreamKey};
use gatepost_core::entropy::Entropy;
use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;
use tokio::net::{TcpSocket, UdpSocket};
use tokio::task::AbortHandle;
use tokio::time::timeout;

/// Longest time one question may keep a socket; the core gives up sooner.
const DEADLINE: Duration = Duration::from_secs(6);

/// Ports we choose from: all above the well-known and registered services that might listen.
const FIRST_PORT: u32 = 16_384;
const LAST_PORT: u32 = 65_535;

/// Largest reply that is read from a datagram; we ask for no more than 1232 bytes (RFC 9715).
const MAX_REPLY: usize = 4096;

/// Tries to find a free port before the kernel chooses.
const PORT_TRIES: usize = 8;

/// Every question under way, by the core's key.
pub struct Upstream {
    asking: BTreeMap<UpstreamKey, AbortHandle>,
    events: EventSender,
}

impl Upstream {
    /// Nothing under way.
    pub fn new(events: EventSender) -> Self {
        Self { asking: BTreeMap::new(), events }
    }

    /// Asks over UDP.
    pub fn ask_udp(&mut self, key: UpstreamKey, server: SocketAddrV4, payload: Vec<u8>, entropy: &mut impl Entropy) {
        let socket = open_udp(entropy);
        let events = self.events.clone();
        self.spawn(key, async move {
            if udp(key, socket, server, &payload, &events).await.is_err() {
                let _ = events.send(Event::DnsAskFailed { key, failure: Failure::NotSent }).await;
            }
        });
    }

    /// Asks over TCP.
    pub fn ask_tcp(&mut self, key: UpstreamKey, server: SocketAddrV4, payload: Vec<u8>) {
        let events = self.events.clone();
        self.spawn(key, async move {
            let event = match timeout(DEADLINE, tcp(server, &payload)).await {
                Ok(Ok(reply)) => Event::DnsReply { key, from: server, reply },
                Ok(Err(_)) | Err(_) => Event::DnsAskFailed { key, failure: Failure::Broken },
            };
            let _ = events.send(event).await;
        });
    }

    /// Gives up a question and closes its socket.
    pub fn close(&mut self, key: UpstreamKey) {
        if let Some(task) = self.asking.remove(&key) {
            task.abort();
        }
    }

    fn spawn(&mut self, key: UpstreamKey, task: impl Future<Output = ()> + 'static) {
        let handle = tokio::task::spawn_local(task).abort_handle();
        if let Some(older) = self.asking.insert(key, handle) {
            older.abort();
        }
    }
}

/// A socket on a port of the kernel's entropy's choice.
pub(super) fn open_udp(entropy: &mut impl Entropy) -> io::Result<std::net::UdpSocket> {
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..PORT_TRIES {
        let port = FIRST_PORT + entropy.below(LAST_PORT - FIRST_PORT + 1);
        match std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port as u16)) {
            Ok(socket) => return Ok(socket),
            Err(error) => last = error,
        }
    }
    // The kernel's own choice is random too.
    std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).map_err(|_| last)
}

/// Sends the question and hands every reply to the core, which decides whether it is the right one: a wrong reply
/// must not end the wait, nor must an ICMP error, which anybody can forge. An error means that nothing was sent.
async fn udp(
    key: UpstreamKey,
    socket: io::Result<std::net::UdpSocket>,
    server: SocketAddrV4,
    payload: &[u8],
    events: &EventSender,
) -> io::Result<()> {
    let socket = socket?;
    socket.set_nonblocking(true)?;
    let socket = UdpSocket::from_std(socket)?;
    socket.connect(server).await?;
    socket.send(payload).await?;
    let mut buffer = vec![0; MAX_REPLY];
    let listen = async {
        loop {
            let event = match socket.recv(&mut buffer).await {
                Ok(length) => {
                    let reply = buffer.get(..length).unwrap_or_default().to_vec();
                    Event::DnsReply { key, from: server, reply }
                }
                Err(_) => Event::DnsAskFailed { key, failure: Failure::Unreachable },
            };
            if events.send(event).await.is_err() {
                return;
            }
        }
    };
    // The core closes the socket sooner; this is the deadline that every wait has.
    let _ = timeout(DEADLINE, listen).await;
    Ok(())
}

async fn tcp(server: SocketAddrV4, payload: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpSocket::new_v4()?.connect(server.into()).await?;
    write_message(&mut stream, payload).await?;
    Incoming::up_to(usize::from(u16::MAX)).next(&mut stream).await
}

#[cfg(test)]
mod tests {
    use super::super::entropy::KernelEntropy;
    use super::*;
    use std::collections::BTreeSet;

    /// What an attacker must guess besides the identifier: at least 14 bits of port, evenly spread, in no order.
    #[test]
    fn cve_2021_3448_the_ports_of_questions_are_spread() {
        const QUESTIONS: usize = 4096;
        let mut entropy = KernelEntropy::new();
        let ports: Vec<u16> = (0..QUESTIONS)
            .map(|_| open_udp(&mut entropy).expect("a port is free").local_addr().expect("it is bound").port())
            .collect();
        assert!(ports.iter().all(|port| u32::from(*port) >= FIRST_PORT));
        // Of 4096 draws out of 49152 ports some 3930 differ; out of 2^14 ports only some 3620 would.
        let distinct = ports.iter().collect::<BTreeSet<_>>().len();
        assert!(distinct > 3800, "{distinct}");
        // 48 ranges of 1024 ports, 85 draws each on average, with a deviation of 9.
        let mut ranges = [0; 48];
        ports.iter().for_each(|port| ranges[usize::from(*port - FIRST_PORT as u16) / 1024] += 1);
        assert!(ranges.iter().all(|draws| (25..150).contains(draws)), "{ranges:?}");
        let near = ports.windows(2).filter(|pair| pair[0].abs_diff(pair[1]) < 16).count();
        assert!(near < 40, "{near} ports lie beside the one before");
    }
}
