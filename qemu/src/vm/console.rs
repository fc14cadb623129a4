//! The guest's serial console: everything it prints, in memory and in a file, over all reboots of one [`crate::Vm`].

use anyhow::{Context, Result};
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// A listener that also sees what arrives, such as a terminal.
pub type Tee = Box<dyn FnMut(&[u8]) + Send>;

/// What the guest printed.
#[derive(Clone)]
pub struct Console {
    shared: Arc<Shared>,
    path: PathBuf,
}

struct Shared {
    state: Mutex<State>,
    arrived: Condvar,
}

struct State {
    bytes: Vec<u8>,
    log: File,
    tee: Option<Tee>,
    guest: Option<UnixStream>,
}

impl Console {
    /// An empty console that keeps its text in `path`.
    pub(super) fn new(path: &Path, tee: Option<Tee>) -> Result<Self> {
        let log = File::create(path).with_context(|| format!("can't write {}", path.display()))?;
        let state = State { bytes: Vec::new(), log, tee, guest: None };
        let shared = Shared { state: Mutex::new(state), arrived: Condvar::new() };
        Ok(Self { shared: Arc::new(shared), path: path.to_owned() })
    }

    /// Follows one run of QEMU until it closes the line.
    pub(super) fn attach(&self, stream: UnixStream) -> Result<()> {
        self.lock().guest = Some(stream.try_clone()?);
        let console = self.clone();
        let mut stream = stream;
        thread::Builder::new().name("console".into()).spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(n @ 1..) = stream.read(&mut buffer) {
                console.push(&buffer[..n]);
            }
        })?;
        Ok(())
    }

    /// Adds a line of our own, such as what the firmware stand-in picked.
    pub fn note(&self, text: &str) {
        self.push(format!("\r\n[{text}]\r\n").as_bytes());
    }

    fn push(&self, bytes: &[u8]) {
        let mut state = self.lock();
        state.bytes.extend_from_slice(bytes);
        let _ = state.log.write_all(bytes);
        if let Some(tee) = &mut state.tee {
            tee(bytes);
        }
        self.shared.arrived.notify_all();
    }

    /// Types on the guest's serial line.
    ///
    /// # Errors
    /// No guest runs.
    pub fn send(&self, bytes: &[u8]) -> Result<()> {
        let state = self.lock();
        let mut guest = state.guest.as_ref().context("the guest is off")?;
        Ok(guest.write_all(bytes)?)
    }

    /// How many bytes came so far: a mark for [`Console::find`].
    #[must_use]
    pub fn mark(&self) -> usize {
        self.lock().bytes.len()
    }

    /// Where `text` stands at or behind a mark, as the position of its first byte.
    #[must_use]
    pub fn find(&self, text: &str, mark: usize) -> Option<usize> {
        let state = self.lock();
        let bytes = state.bytes.get(mark..)?;
        bytes.windows(text.len().max(1)).position(|window| window == text.as_bytes()).map(|at| mark + at)
    }

    /// The bytes from a mark on.
    #[must_use]
    pub fn bytes(&self, mark: usize) -> Vec<u8> {
        self.lock().bytes.get(mark..).unwrap_or_default().to_vec()
    }

    /// Everything from a mark on, as text.
    #[must_use]
    pub fn text(&self, mark: usize) -> String {
        let state = self.lock();
        String::from_utf8_lossy(state.bytes.get(mark..).unwrap_or_default()).into_owned()
    }

    /// The last lines, for an error message.
    #[must_use]
    pub fn tail(&self, lines: usize) -> String {
        let text = self.text(0);
        let all: Vec<_> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }

    /// The file that keeps the text.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Waits until something more than `mark` bytes arrived, at most `timeout`.
    pub fn wait_beyond(&self, mark: usize, timeout: Duration) {
        let deadline = Instant::now() + timeout;
        let mut state = self.lock();
        while state.bytes.len() <= mark {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            state = self.shared.arrived.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_found_behind_a_mark_and_kept_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("console.txt");
        let console = Console::new(&path, None).unwrap();
        let (ours, theirs) = UnixStream::pair().unwrap();
        console.attach(ours).unwrap();
        let mut guest = theirs;
        guest.write_all(b"up\r\nup again\r\n").unwrap();
        console.wait_beyond(13, Duration::from_secs(5));
        assert_eq!(console.find("up", 0), Some(0));
        assert_eq!(console.find("up", 1), Some(4));
        assert_eq!(console.find("down", 0), None);
        assert_eq!(console.tail(1), "up again");
        console.send(b"s").unwrap();
        let mut typed = [0];
        guest.read_exact(&mut typed).unwrap();
        assert_eq!(typed, *b"s");
        assert_eq!(std::fs::read(&path).unwrap(), b"up\r\nup again\r\n");
    }
}
