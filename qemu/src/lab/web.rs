//! A web server of one file: it notes who came, answers `/`, and streams `/stream` for as long as the client reads.

use anyhow::Result;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// What `/` answers.
pub const PAGE: &str = "hello from the uplink\n";

/// One piece of `/stream`; its bytes count up from 0 so that a reader sees a hole at once.
const PIECE: usize = 1024;

/// Pause between two pieces, about 100 kB/s: long transfers with little load.
const PACE: Duration = Duration::from_millis(10);

/// How long a client may stay silent.
const PATIENCE: Duration = Duration::from_secs(30);

/// The server. It ends when this is dropped.
#[derive(Debug)]
pub struct Web {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    peers: Mutex<Vec<SocketAddr>>,
    stop: AtomicBool,
}

impl Web {
    /// Listens on port 80 of `address` in the calling thread's namespace.
    pub(super) fn start(address: Ipv4Addr) -> Result<Self> {
        let listener = TcpListener::bind((address, 80))?;
        listener.set_nonblocking(true)?;
        let shared = Arc::new(Shared::default());
        let serving = Arc::clone(&shared);
        let thread = thread::Builder::new().name("web".into()).spawn(move || serve(&listener, &serving))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// The addresses that connected so far, as the server saw them.
    #[must_use]
    pub fn peers(&self) -> Vec<SocketAddr> {
        self.shared.peers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(listener: &TcpListener, shared: &Arc<Shared>) {
    while !shared.stop.load(Ordering::Relaxed) {
        match listener.accept() {
            Ok((stream, peer)) => {
                shared.peers.lock().unwrap_or_else(PoisonError::into_inner).push(peer);
                let shared = Arc::clone(shared);
                thread::spawn(move || answer(stream, &shared));
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(PACE),
            Err(_) => return,
        }
    }
}

/// Answers one request; a client that goes away is no error.
fn answer(stream: TcpStream, shared: &Shared) -> Option<()> {
    stream.set_nonblocking(false).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.set_write_timeout(Some(PATIENCE)).ok()?;
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut request = String::new();
    reader.read_line(&mut request).ok()?;
    let mut header = String::new();
    while reader.read_line(&mut header).ok()? > 2 {
        header.clear();
    }
    let mut stream = stream;
    match request.split(' ').nth(1) {
        Some("/stream") => {
            stream.write_all(b"HTTP/1.0 200 OK\r\nContent-Type: application/octet-stream\r\n\r\n").ok()?;
            let piece: Vec<u8> = (0..PIECE).map(|at| (at % 251) as u8).collect();
            while !shared.stop.load(Ordering::Relaxed) {
                stream.write_all(&piece).ok()?;
                thread::sleep(PACE);
            }
        }
        Some("/") => write!(stream, "HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n{PAGE}", PAGE.len()).ok()?,
        _ => stream.write_all(b"HTTP/1.0 404 Not Found\r\n\r\n").ok()?,
    }
    Some(())
}
