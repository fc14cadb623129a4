//! The boot counter's two sectors on the card: see [`gatepost_core::slots`].

use gatepost_core::card::{COUNTER_LBAS, SECTOR_BYTES, Slot};
use gatepost_core::slots::{self, Counter, Found, SECTOR};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Reads both copies.
///
/// # Errors
/// Only if the disk cannot be opened; a copy that cannot be read counts as broken.
pub fn read(disk: &Path) -> io::Result<Found> {
    Ok(read_copies(&File::open(disk)?))
}

/// Reads the counter, lets `change` decide, writes it if `change` says that there is something to write, and returns
/// what `change` returned beside.
///
/// # Errors
/// Those of opening, writing and syncing. The decision is lost then.
pub fn update<T>(disk: &Path, change: impl FnOnce(&mut Counter) -> (bool, T)) -> io::Result<T> {
    let file = OpenOptions::new().read(true).write(true).open(disk)?;
    let Found { mut counter, write_to, .. } = read_copies(&file);
    let (dirty, answer) = change(&mut counter);
    if dirty {
        let lba = COUNTER_LBAS.get(write_to).copied().unwrap_or(COUNTER_LBAS[0]);
        file.write_all_at(&counter.encode_next(), lba * SECTOR_BYTES)?;
        file.sync_all()?;
    }
    Ok(answer)
}

/// Notes why this start fails, if the card lets us.
pub fn note(disk: &Path, slot: Slot, reason: slots::Reason) {
    let _ = update(disk, |counter| (counter.note(slot, reason), ()));
}

fn read_copies(file: &File) -> Found {
    let copies = COUNTER_LBAS.map(|lba| {
        let mut sector = [0; SECTOR];
        // 0xff is neither blank nor valid.
        file.read_exact_at(&mut sector, lba * SECTOR_BYTES).unwrap_or_else(|_| sector = [0xff; SECTOR]);
        sector
    });
    slots::read([&copies[0], &copies[1]])
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatepost_core::slots::Verdict;

    #[test]
    fn starts_are_counted_on_the_card() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(8 << 20).unwrap();
        let start = || update(file.path(), |counter| (true, counter.start(Slot::A))).unwrap();
        for _ in 0..slots::MAX_STARTS {
            assert_eq!(start(), Verdict::GoOn);
        }
        assert_eq!(start(), Verdict::SwitchTo(Slot::B));
        file.as_file().write_all_at(&[0x5a; SECTOR], COUNTER_LBAS[1] * SECTOR_BYTES).unwrap();
        assert_eq!(read(file.path()).unwrap().counter.slot(Slot::A).starts, 3, "the older copy has it too");
        note(file.path(), Slot::A, slots::Reason::Damaged);
        assert_eq!(read(file.path()).unwrap().counter.slot(Slot::A).reason, slots::Reason::Damaged);
    }
}
