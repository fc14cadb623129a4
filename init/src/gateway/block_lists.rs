//! The block lists on their way into memory, on a thread of their own: nobody's lease or name waits for them.
//!
//! PID 1 hands the files over, unread, some time after the start. They are read piece by piece, and at most
//! [`MAX_BLOCK_BYTES`] in all. A list that is missing, or has no name in it, is said and left out.

use super::entropy::KernelEntropy;
use super::event::{Event, EventSender};
use gatepost_core::card::{HANDED_OVER, MAX_BLOCK_BYTES};
use gatepost_core::dns::{BlockCounts, BlockList, BlockListBuilder};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// How long PID 1 may take to hand the files over: a slow card needs a few seconds.
const PATIENCE: Duration = Duration::from_secs(90);

/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(250);

/// Octets read at a time.
const PIECE: usize = 64 * 1024;

/// Reads the lists in the background; the outcome is one event.
pub fn start(folder: PathBuf, names: Vec<String>, events: EventSender) -> io::Result<()> {
    thread::Builder::new().name("lists".into()).stack_size(128 * 1024).spawn(move || {
        let (list, troubles) = load(&folder, &names);
        // Without a receiver the process is ending.
        let _ = events.blocking_send(Event::BlockLists { list, troubles });
    })?;
    Ok(())
}

fn load(folder: &Path, names: &[String]) -> (BlockList, Vec<String>) {
    if !folder.is_dir() {
        let what = "There is no folder blocklists on the drive GATEPOST: nothing is blocked. Make it, and put the lists of dns.block into it.";
        return (BlockList::default(), vec![what.into()]);
    }
    await_files(folder, names);
    let paths = || names.iter().map(|name| folder.join(name));
    let octets: u64 = paths().filter_map(|path| path.metadata().ok()).map(|file| file.len()).sum();
    let octets = usize::try_from(octets).unwrap_or(usize::MAX).min(MAX_BLOCK_BYTES);
    let mut builder = BlockListBuilder::new(octets, &mut KernelEntropy::new());
    let (mut left, mut troubles) = (MAX_BLOCK_BYTES as u64, Vec::new());
    for (name, path) in names.iter().zip(paths()) {
        match read(&path, &mut left, &mut builder) {
            Ok((counts, whole)) => troubles.extend(trouble(name, counts, whole)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                troubles.push(format!(
                    "The block list {name} is not in the folder blocklists of the drive GATEPOST: it is left out."
                ));
            }
            Err(error) => {
                builder.end_file();
                troubles
                    .push(format!("The block list {name} can't be read: {error}. What could be read of it counts."));
            }
        }
    }
    (builder.finish(), troubles)
}

/// Waits until all files are there, or PID 1 has no more to hand over.
fn await_files(folder: &Path, names: &[String]) {
    let until = Instant::now() + PATIENCE;
    let there = || folder.join(HANDED_OVER).exists() || names.iter().all(|name| folder.join(name).exists());
    while !there() && Instant::now() < until {
        thread::sleep(PAUSE);
    }
}

/// Reads one file; tells what was in it, and whether that was all.
fn read(path: &Path, left: &mut u64, builder: &mut BlockListBuilder) -> io::Result<(BlockCounts, bool)> {
    let mut file = File::open(path)?.take(*left);
    let mut piece = vec![0; PIECE];
    loop {
        let length = match file.read(&mut piece) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        builder.read(piece.get(..length).unwrap_or_default());
    }
    *left = file.limit();
    let whole = file.into_inner().read(&mut piece)? == 0;
    Ok((builder.end_file(), whole))
}

/// What is to be said of a list that was read.
fn trouble(name: &str, counts: BlockCounts, whole: bool) -> Option<String> {
    let BlockCounts { names, unread, left_out } = counts;
    if !whole {
        let limit = MAX_BLOCK_BYTES >> 20;
        Some(format!(
            "The block lists are longer than {limit} MiB in all: {name} counts only in part. Take shorter lists."
        ))
    } else if left_out > 0 {
        Some(format!("The block lists hold too many names: {left_out} of {name} are left out. Take shorter lists."))
    } else if names == 0 {
        Some(format!(
            "The block list {name} holds no name: it must be a hosts file (\"0.0.0.0 ads.example.com\") or a list of domains, one a line."
        ))
    } else if unread > names {
        Some(format!(
            "The block list {name} is mostly not understood: {unread} lines mean nothing here, {names} names were taken."
        ))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn lists(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn lists_are_read_and_what_is_wrong_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("ads.txt", "0.0.0.0 a.example\nb.example\n");
        write("page.html", "<html>\n<body>\n");
        write(HANDED_OVER, "");
        let (list, troubles) = load(folder.path(), &lists(&["ads.txt", "gone.txt", "page.html"]));
        assert_eq!(list.len(), 2);
        assert_eq!(troubles.len(), 2, "{troubles:?}");
        assert!(
            troubles[0].contains("gone.txt is not in the folder") && troubles[1].contains("page.html holds no name")
        );
        let (list, troubles) = load(&folder.path().join("none"), &lists(&["ads.txt"]));
        assert!(list.is_empty() && troubles[0].starts_with("There is no folder blocklists"));
    }

    #[test]
    fn lists_are_read_as_soon_as_they_are_all_there() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), "a.example").unwrap();
        let began = Instant::now();
        assert_eq!(load(folder.path(), &lists(&["a"])).0.len(), 1);
        assert!(began.elapsed() < PATIENCE);
    }

    #[test]
    fn a_list_over_the_limit_counts_in_part() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "a.example\nb.example\n").unwrap();
        let mut builder = BlockListBuilder::new(100, &mut KernelEntropy::new());
        let mut left = 12;
        let (counts, whole) = read(&path, &mut left, &mut builder).unwrap();
        assert_eq!((counts.names, whole, left), (1, false, 0));
        assert!(trouble("a", counts, whole).unwrap().contains("counts only in part"));
    }
}
