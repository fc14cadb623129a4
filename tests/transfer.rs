//! A long download on a client of the LAN from the uplink's web server, whose bytes are checked as they come: what a
//! person notices of a gateway that fails.

use anyhow::{Context, Result, bail, ensure};
use qemu::lab::{Client, uplink};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How long the web server may take to take the call.
const CALL: Duration = Duration::from_secs(5);

/// A download under way.
#[derive(Debug)]
pub struct Transfer {
    bytes: Arc<AtomicU64>,
    thread: JoinHandle<Result<()>>,
    call: TcpStream,
}

impl Drop for Transfer {
    /// Hangs up.
    fn drop(&mut self) {
        let _ = self.call.shutdown(Shutdown::Both);
    }
}

impl Transfer {
    /// Calls the web server; `patience` is the longest silence that does not end the transfer.
    ///
    /// # Errors
    /// The server does not answer the call.
    pub fn start(client: &Client, patience: Duration) -> Result<Self> {
        let mut stream = client.namespace().run(|| Ok(TcpStream::connect_timeout(&(uplink::WEB, 80).into(), CALL)?))?;
        stream.set_read_timeout(Some(patience))?;
        stream.write_all(b"GET /stream HTTP/1.0\r\n\r\n")?;
        let call = stream.try_clone()?;
        let bytes = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&bytes);
        let thread = thread::spawn(move || {
            skip_header(&mut stream)?;
            let mut piece = [0; 1024];
            // It goes on until the server stops; that the pieces are whole shows that no byte was lost.
            while stream.read_exact(&mut piece).is_ok() {
                let whole = piece.iter().enumerate().all(|(at, byte)| usize::from(*byte) == at % 251);
                ensure!(whole, "the stream has a hole");
                counter.fetch_add(piece.len() as u64, Ordering::Relaxed);
            }
            bail!("the transfer broke off")
        });
        Ok(Self { bytes, thread, call })
    }

    /// Bytes so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Whether so many bytes came.
    ///
    /// # Errors
    /// The transfer ended, or a byte of it was wrong.
    pub fn moved(&self, wanted: u64) -> Result<Option<()>> {
        ensure!(!self.thread.is_finished(), "the transfer broke off after {} bytes", self.bytes());
        Ok((self.bytes() >= wanted).then_some(()))
    }
}

fn skip_header(stream: &mut TcpStream) -> Result<()> {
    let mut last = [0; 4];
    while last != *b"\r\n\r\n" {
        last.rotate_left(1);
        stream.read_exact(&mut last[3..]).context("the web server's header")?;
    }
    Ok(())
}
