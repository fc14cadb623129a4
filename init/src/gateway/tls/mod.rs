//! Questions to DNS servers through TLS (RFC 7858), with the strict profile of RFC 8310: the server must show a
//! certificate for the name in the configuration, or nothing is asked. There is no way back to plain DNS.
//!
//! One connection for each server, opened with the first question and closed when nothing was asked for a while. Whoever
//! configures no such server pays nothing: nothing of TLS is made before the first question.

mod connection;
mod explain;
mod verify;

use super::event::{Event, EventSender};
use gatepost_core::dns::{Failure, Piped};
use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::collections::BTreeMap;
use std::net::SocketAddrV4;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Servers spoken to at one time. One more takes the place of the one that was asked the longest ago.
const MAX_CONNECTIONS: usize = 16;

/// Questions that wait for a connection to be made, or for the writer: all that the core has in flight.
const QUEUE: usize = 256;

/// Servers whose sessions are remembered, so that the next handshake is shorter.
const SESSIONS: usize = 8;

/// The protocol's name in the handshake (RFC 7858 section 6 has the port, RFC 7301's registry the name).
const ALPN: &[u8] = b"dot";

/// Certificates of authorities.
pub type Roots = Vec<CertificateDer<'static>>;

/// Reads certificates in PEM; an empty path means none.
pub fn read_roots(path: &Path) -> anyhow::Result<Roots> {
    if path.as_os_str().is_empty() {
        return Ok(Vec::new());
    }
    Ok(CertificateDer::pem_file_iter(path)?.collect::<Result<_, _>>()?)
}

/// All connections.
pub struct Tls {
    connections: BTreeMap<(SocketAddrV4, String), Connection>,
    config: Option<Arc<ClientConfig>>,
    extra_roots: Roots,
    /// The clock was compared with time servers when the connections were begun.
    clock_is_right: bool,
    /// Questions so far: who was asked the longest ago is seen by it.
    asked: u64,
    events: EventSender,
}

struct Connection {
    queue: mpsc::Sender<Piped>,
    last_asked: u64,
}

impl Tls {
    /// Nothing is open. `extra_roots` are believed besides the usual authorities; the appliance has none.
    pub fn new(extra_roots: Roots, events: EventSender) -> Self {
        Self { connections: BTreeMap::new(), config: None, extra_roots, clock_is_right: false, asked: 0, events }
    }

    /// Asks; the answer or a failure comes as an event. Whatever was agreed upon before the clock was right, sessions
    /// included, is forgotten when it is.
    pub fn ask(&mut self, mut question: Piped, server: SocketAddrV4, name: String, clock_is_right: bool) {
        if clock_is_right && !self.clock_is_right {
            // What is under way there is still answered.
            self.connections.clear();
            self.config = None;
        }
        self.clock_is_right = clock_is_right;
        let place = (server, name);
        let key = question.key();
        // A task that has just ended leaves a closed queue: then another one is begun.
        for _ in 0..2 {
            let Some(queue) = self.queue(&place) else { break };
            question = match queue.try_send(question) {
                Ok(()) => return,
                Err(mpsc::error::TrySendError::Closed(question)) => question,
                Err(mpsc::error::TrySendError::Full(_)) => break,
            };
            self.connections.remove(&place);
        }
        let events = self.events.clone();
        tokio::task::spawn_local(async move {
            let _ = events.send(Event::DnsAskFailed { key, failure: Failure::NotSent }).await;
        });
    }

    fn queue(&mut self, place: &(SocketAddrV4, String)) -> Option<&mpsc::Sender<Piped>> {
        if !self.connections.contains_key(place) {
            let queue = self.begin(place)?;
            self.connections.insert(place.clone(), Connection { queue, last_asked: 0 });
        }
        self.asked += 1;
        let connection = self.connections.get_mut(place)?;
        connection.last_asked = self.asked;
        Some(&connection.queue)
    }

    fn begin(&mut self, place: &(SocketAddrV4, String)) -> Option<mpsc::Sender<Piped>> {
        self.connections.retain(|_, connection| !connection.queue.is_closed());
        if self.connections.len() >= MAX_CONNECTIONS {
            let oldest = self.connections.iter().min_by_key(|(_, connection)| connection.last_asked);
            let oldest = oldest.map(|(place, _)| place.clone())?;
            self.connections.remove(&oldest);
        }
        let config = (self.config()?, self.clock_is_right);
        let (queue, asks) = mpsc::channel(QUEUE);
        let (server, name) = place.clone();
        tokio::task::spawn_local(connection::run(server, name, config, asks, self.events.clone()));
        Some(queue)
    }

    fn config(&mut self) -> Option<Arc<ClientConfig>> {
        if self.config.is_none() {
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let verifier = verify::verifier(&self.extra_roots, provider.clone(), self.clock_is_right).ok()?;
            let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().ok()?;
            let mut config = builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
            config.alpn_protocols = vec![ALPN.to_vec()];
            config.resumption = Resumption::in_memory_sessions(SESSIONS);
            self.config = Some(Arc::new(config));
        }
        self.config.clone()
    }
}
