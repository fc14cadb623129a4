//! Reads the whole root file system once after each start, before the start is confirmed: so a damaged block counts as
//! a failed start even if no program ever touches it. Stage one does the same before it goes on if the last start
//! failed. It is read through a verity device of its own that fails a read instead of stopping the machine, so that we
//! can say in plain words what is wrong and go down in order.

use super::disk::Disk;
use super::dm::{self, OnDamage};
use gatepost_core::card::{Slot, VERITY_BLOCK_BYTES, cmdline::BootWords};
use gatepost_core::slots::MAX_STARTS;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsRawFd;

/// Verdict, and exit status of the child that checks: every block is sound.
pub const SOUND: u8 = 0;
/// A block could not be read or does not match its checksum.
pub const DAMAGED: u8 = 1;
/// The check could not be made.
pub const UNKNOWN: u8 = 2;

/// What is said about a damaged system.
pub fn sentence(slot: Slot) -> String {
    format!(
        "System {} is damaged: a part of it does not match its checksum. Restarting; after {MAX_STARTS} failed starts the \
         other system is used.",
        slot.name()
    )
}

const NAME: &str = "gatepost-check";
const CHUNK_BYTES: usize = 128 * 1024;

/// The work of the child: the check, at the lowest priority.
pub fn run_in_child(disk: &Disk, words: &BootWords) -> u8 {
    super::machine::step_back();
    run(disk, words)
}

/// Checks the root of the slot that `words` describe.
pub fn run(disk: &Disk, words: &BootWords) -> u8 {
    let Some(partition) = disk.partition(words.slot.root_partition()) else { return UNKNOWN };
    let Ok(node) = dm::open_verity(NAME, &partition.device, &words.verity, OnDamage::Fail) else { return UNKNOWN };
    let total = words.verity.data_blocks.saturating_mul(VERITY_BLOCK_BYTES);
    let verdict = match File::open(node).and_then(|file| read_all(file, total)) {
        Ok(true) => SOUND,
        Ok(false) => UNKNOWN,
        Err(_) => DAMAGED,
    };
    let _ = dm::close(NAME);
    verdict
}

/// Whether all `total` bytes could be read. What was read is dropped from the page cache again: a small machine needs
/// the room.
fn read_all(mut file: File, total: u64) -> io::Result<bool> {
    let mut buffer = vec![0; CHUNK_BYTES];
    let mut done = 0_u64;
    loop {
        let len = file.read(&mut buffer)? as u64;
        if len == 0 {
            return Ok(done >= total);
        }
        // SAFETY: advice about an open descriptor; touches no memory of ours.
        unsafe { libc::posix_fadvise(file.as_raw_fd(), done as i64, len as i64, libc::POSIX_FADV_DONTNEED) };
        done = done.saturating_add(len);
    }
}
