//! Port 53 over TCP (RFC 7766): connections of LAN clients, capped in number, time and queries.

use super::event::{Event, EventSender};
use gatepost_core::dns::{Frames, framed};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrIn, bind, listen, setsockopt, socket, sockopt,
};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Connections open at once. A stub resolver uses one; 64 serve a large house.
const MAX_CONNECTIONS: usize = 64;

/// Connections of one client at once, so that one host can't lock the others out.
const MAX_CONNECTIONS_PER_CLIENT: usize = 16;

/// A connection without a query for this long is closed (RFC 7766 section 6.2.3 leaves the time to the server).
const IDLE: Duration = Duration::from_secs(10);

/// Queries on one connection before it is closed (CVE-2025-30193).
const MAX_QUERIES: u32 = 10_000;

/// Queries of one connection that wait for their answer at once; more wait in the socket.
const MAX_PIPELINED: usize = 32;

/// Longest query that is read, as over UDP; whoever sends a longer one is disconnected. Bounds the memory that 64
/// connections can take.
const MAX_QUERY: usize = 4096;

/// The number of the last connection. Numbers are not used again, also when the sockets are opened anew: an answer or
/// an end that is still on its way must not reach another client's connection.
static LAST_ID: AtomicU64 = AtomicU64::new(0);

/// The listening socket and the way back to every connection.
pub struct DnsTcp {
    listener: TcpListener,
    connections: BTreeMap<u64, Connection>,
    events: EventSender,
}

struct Connection {
    client: Ipv4Addr,
    /// `None` for a query that gets no answer.
    answers: mpsc::Sender<Option<Vec<u8>>>,
}

impl DnsTcp {
    /// Opens port 53 of `address` on `interface`.
    pub fn open(interface: &str, address: Ipv4Addr, events: EventSender) -> io::Result<Self> {
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let fd = socket(AddressFamily::Inet, SockType::Stream, flags, None)?;
        setsockopt(&fd, sockopt::BindToDevice, &OsString::from(interface))?;
        setsockopt(&fd, sockopt::ReuseAddr, &true)?;
        setsockopt(&fd, sockopt::IpFreebind, &true)?;
        bind(fd.as_raw_fd(), &SockaddrIn::from(SocketAddrV4::new(address, 53)))?;
        listen(&fd, Backlog::new(64)?)?;
        let listener = TcpListener::from_std(fd.into())?;
        Ok(Self { listener, connections: BTreeMap::new(), events })
    }

    /// Waits for a client and starts its connection. One too many is closed at once.
    pub async fn accept(&mut self) -> io::Result<()> {
        let (stream, peer) = match self.listener.accept().await {
            Ok(accepted) => accepted,
            // A client that was gone before we looked, or no descriptor left for it.
            Err(_) => {
                tokio::time::sleep(Duration::from_millis(10)).await;
                return Ok(());
            }
        };
        let SocketAddr::V4(peer) = peer else { return Ok(()) };
        let of_client = self.connections.values().filter(|c| c.client == *peer.ip()).count();
        if self.connections.len() >= MAX_CONNECTIONS || of_client >= MAX_CONNECTIONS_PER_CLIENT {
            return Ok(());
        }
        let id = LAST_ID.fetch_add(1, Ordering::Relaxed) + 1;
        let (answers, outgoing) = mpsc::channel(MAX_PIPELINED);
        self.connections.insert(id, Connection { client: *peer.ip(), answers });
        let events = self.events.clone();
        tokio::task::spawn_local(async move {
            // Whatever ends the conversation, the client sees a closed connection: nothing to report.
            let _ = converse(stream, id, peer, outgoing, &events).await;
            let _ = events.send(Event::DnsTcpClosed { connection: id }).await;
        });
        Ok(())
    }

    /// Hands an answer to its connection; a client that has left loses it.
    pub fn send(&self, connection: u64, payload: Vec<u8>) {
        if let Some(connection) = self.connections.get(&connection) {
            let _ = connection.answers.try_send(Some(payload));
        }
    }

    /// Tells a connection that one of its queries gets no answer: nothing is sent, and it waits for one less.
    pub fn no_answer(&self, connection: u64) {
        if let Some(connection) = self.connections.get(&connection) {
            let _ = connection.answers.try_send(None);
        }
    }

    /// Forgets a connection that has ended.
    pub fn closed(&mut self, connection: u64) {
        self.connections.remove(&connection);
    }
}

async fn converse(
    stream: TcpStream,
    connection: u64,
    peer: SocketAddrV4,
    mut answers: mpsc::Receiver<Option<Vec<u8>>>,
    events: &EventSender,
) -> io::Result<()> {
    let (mut reader, mut writer) = stream.into_split();
    let mut waiting = 0usize;
    let mut read = 0u32;
    let mut incoming = Incoming::up_to(MAX_QUERY);
    loop {
        tokio::select! {
            query = timeout(IDLE, incoming.next(&mut reader)), if waiting < MAX_PIPELINED && read < MAX_QUERIES => {
                let Ok(Ok(query)) = query else { break };
                read += 1;
                waiting += 1;
                let event = Event::DnsTcpQuery { connection, peer, query };
                if events.send(event).await.is_err() { break }
            }
            answer = answers.recv() => {
                let Some(answer) = answer else { break };
                waiting = waiting.saturating_sub(1);
                if let Some(answer) = answer {
                    timeout(IDLE, write_message(&mut writer, &answer)).await??;
                }
                if read >= MAX_QUERIES && waiting == 0 { break }
            }
        }
    }
    // A client that has sent its last query may still wait for answers; each comes within the core's own deadline.
    while waiting > 0 {
        let Ok(Some(answer)) = timeout(IDLE, answers.recv()).await else { break };
        waiting -= 1;
        if let Some(answer) = answer {
            timeout(IDLE, write_message(&mut writer, &answer)).await??;
        }
    }
    Ok(())
}

/// Reads messages with their two-byte length, and keeps a half-read one when its reading is interrupted.
pub struct Incoming(Frames);

impl Incoming {
    /// Reads messages of at most this many bytes; a longer one is an error.
    pub fn up_to(limit: usize) -> Self {
        Self(Frames::up_to(limit))
    }

    /// The next whole message.
    pub async fn next(&mut self, reader: &mut (impl AsyncReadExt + Unpin)) -> io::Result<Vec<u8>> {
        loop {
            if let Some(message) = self.0.next_message().map_err(|_| io::ErrorKind::InvalidData)? {
                return Ok(message);
            }
            if reader.read_buf(self.0.buffer()).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

/// Writes one message with its two-byte length, in one piece.
pub async fn write_message(writer: &mut (impl AsyncWriteExt + Unpin), message: &[u8]) -> io::Result<()> {
    writer.write_all(&framed(message).ok_or(io::ErrorKind::InvalidData)?).await
}
