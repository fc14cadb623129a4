//! Writes to the config partition, on a thread of their own: an SD card may take a second for an fsync, and nobody's
//! DNS waits for that.
//!
//! Jobs that queue up while one sync runs are written together and made durable by the next one (group commit). A card
//! wears by each sync and a fast disk would be asked for one a lease, so under load they begin at least [`PAUSE`] apart;
//! a job that comes alone is written at once.

use super::event::{Event, EventSender};
use gatepost_core::wifi::Secret;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// Jobs that may wait. The core holds back its own when the disk is slow, so this is never reached in practice; a
/// full queue refuses the job rather than block the event loop.
const QUEUE: usize = 1024;

/// From the begin of one write to that of the next.
const PAUSE: Duration = Duration::from_millis(5);

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
    /// The same for keys, which are erased from memory afterwards.
    WriteSecret {
        /// Its name in the state folder.
        name: &'static str,
        /// Its whole content.
        bytes: Secret,
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
    /// A job for the journal did not fit into the queue: what is appended now would stand behind a gap.
    gap: bool,
}

impl Disk {
    /// Starts the thread on a state folder.
    pub fn start(state: PathBuf, events: EventSender) -> io::Result<Self> {
        let (jobs, queue) = sync_channel(QUEUE);
        thread::Builder::new()
            .name("disk".into())
            .stack_size(128 * 1024)
            .spawn(move || work(&state, &queue, &events))?;
        Ok(Self { jobs, gap: false })
    }

    /// Queues a job; false if the queue is full, and from then on for every [`Job::Append`] until a [`Job::Replace`]
    /// has been queued.
    pub fn put(&mut self, job: Job) -> bool {
        let (appends, replaces) = (matches!(job, Job::Append { .. }), matches!(job, Job::Replace { .. }));
        if appends && self.gap {
            return false;
        }
        let queued = self.jobs.try_send(job).is_ok();
        self.gap = if replaces { !queued } else { self.gap || appends && !queued };
        queued
    }
}

fn work(state: &Path, queue: &Receiver<Job>, events: &EventSender) {
    let mut journal = Journal::Closed;
    let mut next = Instant::now();
    while let Ok(first) = queue.recv() {
        thread::sleep(next.saturating_duration_since(Instant::now()));
        next = Instant::now() + PAUSE;
        let mut batch = vec![first];
        batch.extend(queue.try_iter().take(QUEUE));
        let event = match write_batch(state, &mut journal, batch) {
            Ok(0) => continue,
            Ok(sequence) => Event::LeasesStored { sequence },
            Err(error) => {
                journal = Journal::Doubtful;
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

/// The leases' journal as this thread sees it.
enum Journal {
    Closed,
    Open(File),
    /// A write failed, so its last record may be half there. What is appended behind it could not be read back, so
    /// nothing is, and nothing is reported, until the whole journal is replaced.
    Doubtful,
}

/// Writes the jobs in order and makes them durable; returns the last journal sequence, or 0 if none was among them.
fn write_batch(state: &Path, journal: &mut Journal, batch: Vec<Job>) -> io::Result<u64> {
    let mut last = 0;
    let mut batch = batch.into_iter().peekable();
    while let Some(job) = batch.next() {
        match job {
            Job::Append { mut sequence, mut bytes } => {
                while let Some(Job::Append { sequence: later, bytes: more }) =
                    batch.next_if(|job| matches!(job, Job::Append { .. }))
                {
                    sequence = later;
                    bytes.extend(more);
                }
                if matches!(journal, Journal::Closed) {
                    *journal = Journal::Open(open_journal(state)?);
                }
                if let Journal::Open(file) = journal {
                    file.write_all(&bytes)?;
                    last = sequence;
                }
            }
            Job::Replace { sequence, bytes } => {
                replace(state, LEASES, &bytes)?;
                *journal = Journal::Closed;
                last = sequence;
            }
            Job::Write { name, bytes } => replace(state, name, &bytes)?,
            Job::WriteSecret { name, bytes } => replace(state, name, bytes.expose())?,
        }
    }
    if let Journal::Open(file) = journal {
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

/// Write aside, sync, rename, sync the folder: after a power cut either the old content or the new is there. Nobody else
/// may read it: there are passphrases and keys among these files.
pub fn replace(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let aside = folder.join(format!("{name}.new"));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn append(sequence: u64) -> Job {
        Job::Append { sequence, bytes: vec![b'0' + sequence as u8] }
    }

    #[test]
    fn invariant_2_nothing_is_appended_or_confirmed_behind_a_write_that_failed() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        let mut journal = Journal::Closed;
        assert!(write_batch(&state, &mut journal, vec![append(1)]).is_err(), "there is no folder yet");
        journal = Journal::Doubtful;
        fs::create_dir(&state).unwrap();
        assert_eq!(write_batch(&state, &mut journal, vec![append(2)]).unwrap(), 0, "not confirmed");
        assert!(!state.join(LEASES).exists());

        let whole = Job::Replace { sequence: 3, bytes: b"whole".to_vec() };
        assert_eq!(write_batch(&state, &mut journal, vec![append(2), whole, append(4)]).unwrap(), 4);
        assert_eq!(fs::read(state.join(LEASES)).unwrap(), b"whole4");
        assert_eq!(write_batch(&state, &mut journal, vec![append(5), append(6)]).unwrap(), 6);
        assert_eq!(fs::read(state.join(LEASES)).unwrap(), b"whole456", "those that came together, in their order");
    }

    #[test]
    fn keys_and_passphrases_are_for_nobody_else_to_read() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let job = Job::WriteSecret { name: "wifi.keys", bytes: Secret::new(b"key".to_vec()) };
        write_batch(folder.path(), &mut Journal::Closed, vec![job]).unwrap();
        let written = folder.path().join("wifi.keys");
        assert_eq!(fs::read(&written).unwrap(), b"key");
        assert_eq!(fs::metadata(&written).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_full_queue_leaves_no_gap_in_the_journal() {
        let (jobs, queue) = sync_channel(1);
        let mut disk = Disk { jobs, gap: false };
        assert!(disk.put(append(1)) && !disk.put(append(2)));
        queue.recv().unwrap();
        assert!(!disk.put(append(3)), "2 is missing");
        assert!(disk.put(Job::Replace { sequence: 4, bytes: Vec::new() }));
        queue.recv().unwrap();
        assert!(disk.put(append(5)));
    }
}
