//! What was needed to come up is not needed to stay up: PID 1 hands back the memory of its start.
//!
//! The kernel maps a program in pieces of 64 KiB around each page that is used, so the start, which runs through much
//! of the code once, leaves most of the program mapped. Those pages are clean and belong to the read-only root: dropping
//! them loses nothing, and what the loop still runs comes back by itself.

use super::files;
use gatepost_core::card;
use nix::sys::mman::{MmapAdvise, madvise};
use std::ffi::c_void;
use std::ptr::NonNull;

/// The list of a process's mappings is short here; a longer one is not read to its end.
const MAX_MAPS: usize = 64 * 1024;

/// Hands back the heap's free pages and the pages of the program that nobody writes.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: returns free heap pages to the kernel; touches no live memory.
    unsafe {
        libc::malloc_trim(0);
    }
    let maps = files::read_text("/proc/self/maps", MAX_MAPS).unwrap_or_default();
    for (start, length) in maps.lines().filter_map(unwritten) {
        if let Some(start) = NonNull::new(std::ptr::without_provenance_mut::<c_void>(start)) {
            // SAFETY: a mapping of this process's own program that cannot be written: the kernel reads its pages again
            // from the same file, unchanged, when they are next used.
            let _ = unsafe { madvise(start, length, MmapAdvise::MADV_DONTNEED) };
        }
    }
}

/// Where a line of `maps` (proc(5)) tells of the program's code or constants: their start and length in bytes. Constants are
/// told by their place at the file's head: further back lies what the loader wrote addresses into and then closed (RELRO),
/// which looks alike and must be kept.
fn unwritten(line: &str) -> Option<(usize, usize)> {
    let mut words = line.split_ascii_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let (rights, offset) = (words.next()?, words.next()?);
    let path = words.nth(2)?;
    let is_unwritten = match rights {
        "r-xp" => true,
        "r--p" => u64::from_str_radix(offset, 16).ok()? == 0,
        _ => false,
    };
    let (start, end) = (usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?);
    (path == card::PROGRAM && is_unwritten).then_some((start, end.checked_sub(start)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_never_written_is_dropped() {
        let of = |rights: &str, offset: &str, path: &str| {
            unwritten(&format!("00303000-005d6000 {rights} {offset} fe:00 3      {path}"))
        };
        let whole = Some((0x30_3000, 0x2d_3000));
        assert_eq!(of("r-xp", "000f3000", card::PROGRAM), whole);
        assert_eq!(of("r--p", "00000000", card::PROGRAM), whole);
        assert_eq!(of("r--p", "003c5000", card::PROGRAM), None, "addresses that the loader wrote");
        assert_eq!(of("rw-p", "00000000", card::PROGRAM), None);
        assert_eq!(of("r--s", "00000000", card::PROGRAM), None);
        assert_eq!(of("r-xp", "00000000", "[vdso]"), None);
        assert_eq!(of("r-xp", "00000000", ""), None);
        assert_eq!(unwritten("5-4 r-xp 0 0 0 /bin/gatepost"), None);
        assert_eq!(unwritten(""), None);
    }
}
