//! Writing the image: a sparse file, and its compressed copy.

use super::layout::Layout;
use super::mbr;
use super::output::{self, Access};
use anyhow::{Context, ensure};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Runs of zeros of this size, in bytes, become holes in the file.
const HOLE: usize = 64 * 1024;

/// The log of the window in which zstd finds repetitions: 128 MiB. It reaches from a boot slot to its twin, so that the second one costs
/// next to nothing, and is the largest that `zstd -d` unpacks without being told to.
const WINDOW_LOG: u32 = 27;

/// The image while it is being written. It gets its name only when it is whole.
pub struct Card {
    file: File,
    unfinished: PathBuf,
    path: PathBuf,
}

impl Card {
    /// Starts an image with its partition table.
    pub fn create(path: &Path, layout: &Layout, access: Access) -> anyhow::Result<Self> {
        let unfinished = path.with_extension("img.part");
        let file = output::create(&unfinished, access)?;
        file.set_len(layout.image_size())?;
        let card = Self { file, unfinished, path: path.into() };
        for (place, sector) in mbr::sectors(layout) {
            card.file.write_all_at(&sector, place)?;
        }
        Ok(card)
    }

    /// Writes a partition's bytes at its place.
    pub fn write(&self, place: u64, bytes: &[u8]) -> anyhow::Result<()> {
        let zeros = [0; HOLE];
        for (chunk, at) in bytes.chunks(HOLE).zip((place..).step_by(HOLE)) {
            if chunk != &zeros[..chunk.len()] {
                self.file
                    .write_all_at(chunk, at)
                    .with_context(|| format!("can't write {}", self.unfinished.display()))?;
            }
        }
        Ok(())
    }

    /// Gives the image its name.
    pub fn finish(self) -> anyhow::Result<()> {
        std::fs::rename(&self.unfinished, &self.path).with_context(|| format!("can't create {}", self.path.display()))
    }
}

/// Compresses a file. Both files' SHA-256, in that order, and the size of the compressed one. `progress` is told how many
/// bytes of the image are done.
pub fn compress(
    image: &Path,
    (packed, access): (&Path, Access),
    level: i32,
    progress: &dyn Fn(u64),
) -> anyhow::Result<([u8; 32], [u8; 32], u64)> {
    let mut input = File::open(image).with_context(|| format!("can't read {}", image.display()))?;
    let length = input.metadata()?.len();
    let output = output::create(packed, access)?;
    let mut encoder = zstd::Encoder::new(Hashing { inner: output, hash: Sha256::new(), length: 0 }, level)?;
    encoder.set_pledged_src_size(Some(length))?;
    encoder.window_log(WINDOW_LOG)?;
    encoder.long_distance_matching(true)?;
    encoder.include_checksum(true)?;
    let mut hash = Sha256::new();
    let mut done = 0;
    let mut buffer = vec![0; 1 << 20];
    loop {
        let count = input.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        hash.update(&buffer[..count]);
        encoder.write_all(&buffer[..count]).with_context(|| format!("can't write {}", packed.display()))?;
        done += count as u64;
        progress(done);
    }
    let output = encoder.finish()?;
    Ok((hash.finalize().into(), output.hash.finalize().into(), output.length))
}

/// Fails when a download would be larger than we allow.
pub fn check_size(packed: u64, limit: u64) -> anyhow::Result<()> {
    ensure!(
        packed <= limit,
        "the compressed image is {packed} bytes; image/image.toml allows {limit}. Look into manifest.json for what grew"
    );
    Ok(())
}

/// Passes bytes on and hashes them.
struct Hashing<W> {
    inner: W,
    hash: Sha256,
    length: u64,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.hash.update(&bytes[..count]);
        self.length += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.inner.flush()
    }
}
