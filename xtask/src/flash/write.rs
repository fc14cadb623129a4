//! Writing an image and reading it back. Works on any file, so that it can be tested without a card.

use anyhow::{Context, bail};
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use sha2::{Digest, Sha256};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Bytes that are written, flushed and compared at a time: large enough for a card's erase blocks, small enough for a bar that moves.
const CHUNK: usize = 4 << 20;

/// Told after each chunk how many bytes are done.
pub type Progress<'a> = &'a dyn Fn(u64);

/// Opens a device for nobody else: the kernel refuses `O_EXCL` while any part of it is mounted.
pub fn open(path: &Path) -> anyhow::Result<File> {
    let exclusive = nix::libc::O_EXCL | nix::libc::O_CLOEXEC;
    OpenOptions::new().read(true).write(true).custom_flags(exclusive).open(path).map_err(|error| {
        let what = match error.kind() {
            ErrorKind::PermissionDenied => {
                // This very program, so that root has nothing to build.
                let program = std::env::current_exe().unwrap_or_else(|_| "xtask".into());
                format!("you may not write {0}; type: sudo {1} flash {0}", path.display(), program.display())
            }
            ErrorKind::ResourceBusy => format!("{} is in use by another program", path.display()),
            _ => format!("can't open {}", path.display()),
        };
        anyhow::Error::new(error).context(what)
    })
}

/// What was written: a SHA-256 for each chunk, the last of which may be short.
pub struct Written {
    digests: Vec<[u8; 32]>,
    length: u64,
}

/// Writes everything `image` has to the start of `disk`, down to the medium.
pub fn write(image: &mut impl Read, disk: &mut File, progress: Progress<'_>) -> anyhow::Result<Written> {
    let mut written = Written { digests: Vec::new(), length: 0 };
    let mut buffer = vec![0; CHUNK];
    disk.rewind()?;
    loop {
        let count = fill(image, &mut buffer).context("can't read the image")?;
        if count == 0 {
            break;
        }
        let chunk = &buffer[..count];
        disk.write_all(chunk).with_context(|| format!("writing failed at byte {}", written.length))?;
        // Without this, the bar would show how fast memory fills.
        disk.sync_data().with_context(|| format!("writing failed near byte {}", written.length))?;
        written.digests.push(Sha256::digest(chunk).into());
        written.length += count as u64;
        progress(written.length);
    }
    disk.sync_all().context("the disk did not take the last bytes")?;
    Ok(written)
}

/// Reads everything back, from the medium and not from memory, and compares.
pub fn verify(disk: &mut File, written: &Written, progress: Progress<'_>) -> anyhow::Result<()> {
    // All of it is on the medium already, so the kernel may drop every page. Length 0 means "to the end".
    posix_fadvise(&*disk, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED).context("can't empty the disk's cache")?;
    disk.rewind()?;
    let mut buffer = vec![0; CHUNK];
    let mut done = 0;
    for digest in &written.digests {
        let count = (written.length - done).min(CHUNK as u64) as usize;
        let chunk = &mut buffer[..count];
        disk.read_exact(chunk).with_context(|| format!("reading back failed at byte {done}"))?;
        if Sha256::digest(&*chunk)[..] != digest[..] {
            bail!(
                "the card gave back something else than was written, between byte {done} and {}: it is worn out or a fake; use another one",
                done + count as u64
            );
        }
        done += count as u64;
        progress(done);
    }
    Ok(())
}

/// Reads until the buffer is full or the input ends.
fn fill(input: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match input.read(&mut buffer[filled..])? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::os::unix::fs::FileExt;

    /// Two chunks and a bit, onto a larger "card" with old content.
    fn written(card: &mut File) -> (Vec<u8>, Written) {
        let image: Vec<u8> = (0..2 * CHUNK + 1000).map(|i| (i >> 9) as u8).collect();
        card.write_all(&vec![0xff; 3 * CHUNK]).unwrap();
        let told = Cell::new(0);
        let written = write(&mut &image[..], card, &|done| told.set(done)).unwrap();
        assert_eq!(told.get(), image.len() as u64);
        (image, written)
    }

    #[test]
    fn a_good_card_passes() {
        let mut card = tempfile::tempfile().unwrap();
        let (image, written) = written(&mut card);
        let told = Cell::new(0);
        verify(&mut card, &written, &|done| told.set(done)).unwrap();
        assert_eq!(told.get(), image.len() as u64);
    }

    #[test]
    fn one_flipped_bit_is_found() {
        for at in [0, CHUNK as u64 + 5, 2 * CHUNK as u64 + 999] {
            let mut card = tempfile::tempfile().unwrap();
            let (image, written) = written(&mut card);
            card.write_all_at(&[image[at as usize] ^ 0x10], at).unwrap();
            let message = verify(&mut card, &written, &|_| {}).unwrap_err().to_string();
            let chunk = at / CHUNK as u64 * CHUNK as u64;
            assert!(message.contains(&format!("between byte {chunk} and")), "{message}");
        }
    }

    #[test]
    fn a_card_that_ends_early_is_found() {
        let mut card = tempfile::tempfile().unwrap();
        let (_, written) = written(&mut card);
        card.set_len(CHUNK as u64 + 1).unwrap();
        assert!(verify(&mut card, &written, &|_| {}).unwrap_err().to_string().contains("reading back failed"));
    }

    #[test]
    fn a_missing_device_says_so() {
        let message = open(Path::new("/dev/no-such-disk")).unwrap_err().to_string();
        assert_eq!(message, "can't open /dev/no-such-disk");
    }
}
