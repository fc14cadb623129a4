//! The control socket: one line in, text out. Nothing can be changed but whether a log is written until the next start.

use super::event::{Event, EventSender};
use std::io;
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;

/// Connections served at once; more wait.
const MAX_CONNECTIONS: usize = 8;

/// Longest time one connection may take.
const DEADLINE: Duration = Duration::from_secs(2);

/// Longest question.
const MAX_QUESTION: u64 = 64;

/// Opens the socket and answers until the process ends.
pub fn open(path: &Path, events: EventSender) -> io::Result<()> {
    // One that an earlier process left behind.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    tokio::task::spawn_local(async move {
        let places = std::sync::Arc::new(Semaphore::new(MAX_CONNECTIONS));
        loop {
            let Ok(place) = places.clone().acquire_owned().await else { return };
            let Ok((stream, _)) = listener.accept().await else {
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let events = events.clone();
            tokio::task::spawn_local(async move {
                // A client that is too slow or leaves early gets no answer; nothing depends on it.
                let _ = timeout(DEADLINE, converse(stream, &events)).await;
                drop(place);
            });
        }
    });
    Ok(())
}

async fn converse(stream: UnixStream, events: &EventSender) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut question = String::new();
    BufReader::new(reader).take(MAX_QUESTION).read_line(&mut question).await?;
    let (answer, text) = oneshot::channel();
    let event = Event::Control { question: question.trim().into(), answer };
    if events.send(event).await.is_err() {
        return Ok(());
    }
    if let Ok(text) = text.await {
        writer.write_all(text.as_bytes()).await?;
    }
    Ok(())
}
