//! Writes to the config partition, on a thread of their own: an SD card may take a second for an fsync, and nobody's
//! DNS waits for that.
//!
//! Jobs that queue up while one sync runs are written together and made durable by the next one (group commit).

use super::event::{Event, EventSender};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

/// Jobs that may wait. The core holds back its own when the disk is slow, so this is never reached in practice; a
/// full queue refuses the job rather than block the event loop.
const QUEUE: usize = 1024;

/// The leases' journal in the state folder.
pub const LEASES: &str = "leases.journal";

/// Something to write.
pub enum Job {
    /// Adds to the leases' journal.
    Append {
        /// Reported back when durable.
        sequence: u64,
        /// Whole records.
        bytes: Vec<u8>,
    },
    /// Puts a new journal in the old one's place, atomically.
    Replace {
        /// Reported back when durable.
        sequence: u64,
        /// The whole journal.
        bytes: Vec<u8>,
    },
    /// Replaces a small file, atomically.
    Write {
        /// Its name in the state folder.
        name: &'static str,
        /// Its whole content.
        bytes: Vec<u8>,
    },
}

/// The writing thread.
pub struct Disk {
    jobs: SyncSender<Job>,
}

impl Disk {
    /// Starts the thread on a state folder.
    pub fn start(state: PathBuf, events: EventSender) -> io::Result<Self> {
        let (jobs, queue) = sync_channel(QUEUE);
        thread::Builder::new().name("disk".into()).stack_size(128 * 1024).spawn(move || work(&state, &queue, &events))?;
        Ok(Self { jobs })
    }

    /// Queues a job; false if the queue is full.
    pub fn put(&self, job: Job) -> bool {
        self.jobs.try_send(job).is_ok()
    }
}

fn work(state: &Path, queue: &Receiver<Job>, events: &EventSender) {
    let mut journal = None;
    while let Ok(first) = queue.recv() {
        let mut batch = vec![first];
        batch.extend(queue.try_iter().take(QUEUE));
        let event = match write_batch(state, &mut journal, batch) {
            Ok(0) => continue,
            Ok(sequence) => Event::LeasesStored { sequence },
            Err(error) => {
                // Open it anew next time: the file may have been replaced or the partition remounted.
                journal = None;
                let message = format!(
                    "the config partition can't be written ({}: {error}); new leases are not given out until it can",
                    state.display()
                );
                Event::DiskFailed { message }
            }
        };
        if events.blocking_send(event).is_err() {
            return;
        }
    }
}

/// Writes the jobs in order and makes them durable; returns the last journal sequence, or 0 if none was among them.
fn write_batch(state: &Path, journal: &mut Option<File>, batch: Vec<Job>) -> io::Result<u64> {
    let mut last = 0;
    for job in batch {
        match job {
            Job::Append { sequence, bytes } => {
                let file = match journal {
                    Some(file) => file,
                    None => journal.insert(open_journal(state)?),
                };
                file.write_all(&bytes)?;
                last = sequence;
            }
            Job::Replace { sequence, bytes } => {
                *journal = None;
                replace(state, LEASES, &bytes)?;
                last = sequence;
            }
            Job::Write { name, bytes } => replace(state, name, &bytes)?,
        }
    }
    if let Some(file) = journal {
        file.sync_data()?;
    }
    Ok(last)
}

fn open_journal(state: &Path) -> io::Result<File> {
    let path = state.join(LEASES);
    let is_new = !path.exists();
    let file = OpenOptions::new().append(true).create(true).open(&path)?;
    if is_new {
        File::open(state)?.sync_all()?;
    }
    Ok(file)
}

/// Write aside, sync, rename, sync the folder: after a power cut either the old content or the new is there.
pub fn replace(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let aside = folder.join(format!("{name}.new"));
    let mut file = File::create(&aside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&aside, folder.join(name))?;
    File::open(folder)?.sync_all()
}

/// Reads a file of the state folder, at most `limit` bytes; a missing one is empty.
pub fn read(folder: &Path, name: &str, limit: u64) -> io::Result<Vec<u8>> {
    use std::io::Read;
    let mut bytes = Vec::new();
    match File::open(folder.join(name)) {
        Ok(file) => file.take(limit).read_to_end(&mut bytes).map(|_| bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(bytes),
        Err(error) => Err(error),
    }
}
