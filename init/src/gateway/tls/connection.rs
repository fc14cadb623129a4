//! One server's connection: made when there is something to ask, shared by all questions, which need not be answered in
//! their order (RFC 7766 section 6.2.1.1), closed when nothing was asked for a while.

use super::super::clock;
use super::super::dns_tcp::{Incoming, write_message};
use super::super::event::{Event, EventSender};
use super::explain::explain;
use gatepost_core::dns::{Failure, Piped, Pipeline, UpstreamKey};
use nix::sys::socket::{setsockopt, sockopt};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::io;
use std::net::SocketAddrV4;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// For connecting and the handshake, and for a question to leave: the core waits no longer for an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// A connection without questions is closed after this time: long enough for the next page, short enough to cost the
/// server nothing (RFC 7858 section 3.4).
const IDLE: Duration = Duration::from_secs(20);

/// What was sent and that the server's kernel does not acknowledge for this long ends the connection: the uplink has moved,
/// or a translator on the way has forgotten us. A server that only thinks for long is waited for (RFC 5482 has the idea).
const UNACKNOWLEDGED: Duration = Duration::from_secs(2);

/// For the farewell at a connection's end.
const FAREWELL: Duration = Duration::from_millis(100);

/// After a failure: the first wait before the next try, which doubles up to the longest.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// Serves the queue until nothing is asked any more, or the other end of the queue is dropped and all is answered.
pub async fn run(
    server: SocketAddrV4,
    name: String,
    (config, clock_is_right): (Arc<ClientConfig>, bool),
    asks: mpsc::Receiver<Piped>,
    events: EventSender,
) {
    let shown = format!("tls://{server}#{name}");
    let mut line = Line { server, shown, asks, events, pipeline: Pipeline::default(), back: Vec::new(), proved: false };
    let mut wait = BACKOFF.0;
    // The first question is there already; a queue that stays empty for a while ends the task.
    while let Some(first) = line.next_ask().await {
        match timeout(PATIENCE, connect(server, &name, &config)).await.unwrap_or_else(|_| Err(timed_out())) {
            Ok(stream) => {
                if line.converse(stream, first).await {
                    wait = BACKOFF.0;
                } else if line.back.is_empty() {
                    line.rest("it takes questions and answers none".into(), &mut wait).await;
                }
            }
            Err(error) => {
                line.back.push(first);
                line.rest(explain(&error, &name, clock::wall(), clock_is_right), &mut wait).await;
            }
        }
    }
}

/// Sends a question at once; what TLS holds back is pushed out.
async fn send(writer: &mut (impl AsyncWriteExt + Unpin), message: &[u8]) -> io::Result<()> {
    write_message(writer, message).await?;
    writer.flush().await
}

fn timed_out() -> io::Error {
    io::ErrorKind::TimedOut.into()
}

async fn connect(server: SocketAddrV4, name: &str, config: &Arc<ClientConfig>) -> io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
    let stream = TcpSocket::new_v4()?.connect(server.into()).await?;
    // A question is one small piece that shall leave at once.
    stream.set_nodelay(true)?;
    setsockopt(&stream, sockopt::TcpUserTimeout, &(UNACKNOWLEDGED.as_millis() as u32))?;
    TlsConnector::from(config.clone()).connect(name, stream).await
}

/// The questions of one server.
struct Line {
    server: SocketAddrV4,
    /// The server as it stands in the configuration.
    shown: String,
    asks: mpsc::Receiver<Piped>,
    events: EventSender,
    /// Those on the way.
    pipeline: Pipeline,
    /// Those that a closing server left unanswered, for the next connection.
    back: Vec<Piped>,
    /// It has answered since it last failed.
    proved: bool,
}

impl Line {
    /// The next question; `None` after a while without any.
    async fn next_ask(&mut self) -> Option<Piped> {
        match self.back.pop() {
            Some(ask) => Some(ask),
            None => timeout(IDLE, self.asks.recv()).await.ok().flatten(),
        }
    }

    /// Talks until the connection ends, whoever ends it. Whether anything was answered.
    async fn converse(&mut self, stream: TlsStream<TcpStream>, first: Piped) -> bool {
        let (mut reader, mut writer) = tokio::io::split(stream);
        let mut incoming = Incoming::up_to(usize::from(u16::MAX));
        let (mut next, mut heard, mut answered, mut wanted) = (Some(first), clock::now(), false, true);
        while wanted || !self.pipeline.is_empty() {
            if let Some(ask) = next.take().or_else(|| self.back.pop()) {
                match self.pipeline.ask(ask) {
                    Err(ask) => self.fail(ask.key()).await,
                    Ok(message) => {
                        if !timeout(PATIENCE, send(&mut writer, &message)).await.is_ok_and(|sent| sent.is_ok()) {
                            break;
                        }
                    }
                }
                continue;
            }
            let now = clock::now();
            self.pipeline.forget_old(now);
            let until = self.pipeline.deadline(heard).unwrap_or(heard + IDLE);
            tokio::select! {
                message = incoming.next(&mut reader) => match message {
                    Ok(message) => {
                        (heard, answered) = (clock::now(), true);
                        self.take_in(message).await;
                    }
                    Err(_) => break,
                },
                ask = self.asks.recv(), if wanted => match ask {
                    Some(ask) => next = Some(ask),
                    None => wanted = false,
                },
                // Nothing asked, or nothing heard, for too long.
                () = sleep(until.since(now)) => break,
            }
        }
        // The polite end (RFC 8446 section 6.1); a peer that is gone does not mind.
        let _ = timeout(FAREWELL, writer.shutdown()).await;
        let lost = self.pipeline.lose(clock::now());
        self.back.extend(lost.again);
        for key in lost.failed {
            self.fail(key).await;
        }
        answered
    }

    /// Hands an answer to the core.
    async fn take_in(&mut self, message: Vec<u8>) {
        let Some((key, reply)) = self.pipeline.answered(message) else { return };
        if !self.proved {
            self.proved = true;
            self.tell(None).await;
        }
        let _ = self.events.send(Event::DnsReply { key, from: self.server, reply }).await;
    }

    async fn fail(&self, key: UpstreamKey) {
        let _ = self.events.send(Event::DnsAskFailed { key, failure: Failure::Broken }).await;
    }

    /// Says what is wrong and answers every question with a failure for a while, so that the core asks others. The next
    /// wait is longer.
    async fn rest(&mut self, why: String, wait: &mut Duration) {
        self.proved = false;
        self.tell(Some(why)).await;
        for ask in std::mem::take(&mut self.back) {
            self.fail(ask.key()).await;
        }
        let until = tokio::time::Instant::now() + *wait;
        *wait = (*wait * 2).min(BACKOFF.1);
        while let Ok(Some(ask)) = tokio::time::timeout_at(until, self.asks.recv()).await {
            self.fail(ask.key()).await;
        }
    }

    /// Tells the core what is wrong with the server, or that nothing is any more.
    async fn tell(&self, trouble: Option<String>) {
        let _ = self.events.send(Event::TlsTrouble { server: self.shown.clone(), trouble }).await;
    }
}
