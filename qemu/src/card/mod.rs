//! The image of a card as a laptop and the Pi's boot ROM see it: an MBR, its FAT file systems, raw sectors.
//!
//! Everything that writes is meant for a *copy* of the image ([`Card::copy_to`]); the tests never change the file that a
//! user flashes.

mod fat;
mod mbr;

pub use mbr::Partition;

use anyhow::{Context, Result, bail, ensure};
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Bytes in a sector. SD cards know no other size.
pub const SECTOR: u64 = 512;

/// An image file and its partition table.
#[derive(Clone, Debug)]
pub struct Card {
    path: PathBuf,
    signature: u32,
    partitions: Vec<Partition>,
}

impl Card {
    /// Opens an image and reads its partition table, the logical partitions included.
    ///
    /// # Errors
    /// The file can't be read, is no MBR disk, or a partition lies outside it.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        let mut file = File::open(&path).with_context(|| format!("can't open the image {}", path.display()))?;
        let (signature, partitions) =
            mbr::read(&mut file).with_context(|| format!("{} is not the image of a card", path.display()))?;
        Ok(Self { path, signature, partitions })
    }

    /// The image file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The MBR's disk signature, which names the disk on the kernel's command line.
    #[must_use]
    pub fn signature(&self) -> u32 {
        self.signature
    }

    /// The partitions in order of their number.
    #[must_use]
    pub fn partitions(&self) -> &[Partition] {
        &self.partitions
    }

    /// Partition `number`, as Linux counts: 1 to 4 primary, from 5 logical.
    ///
    /// # Errors
    /// There is no such partition.
    pub fn partition(&self, number: u8) -> Result<&Partition> {
        self.partitions.iter().find(|partition| partition.number == number).with_context(|| {
            let known: Vec<_> = self.partitions.iter().map(|partition| partition.number.to_string()).collect();
            format!("the card has no partition {number}, only {}", known.join(", "))
        })
    }

    /// The FAT partitions in order of their number: what the boot ROM and a laptop can read.
    pub fn fat_partitions(&self) -> impl Iterator<Item = &Partition> {
        self.partitions.iter().filter(|partition| partition.is_fat())
    }

    /// A file of a FAT partition; `None` if it does not exist. Names are compared without regard to case, as FAT does.
    ///
    /// # Errors
    /// The partition is no readable FAT file system, or the file is larger than 256 MiB.
    pub fn find_file(&self, partition: u8, name: &str) -> Result<Option<Vec<u8>>> {
        let file = File::open(&self.path)?;
        fat::read(file, self.fat(partition)?, name).with_context(|| format!("reading {name} on partition {partition}"))
    }

    /// A file of a FAT partition.
    ///
    /// # Errors
    /// As [`Card::find_file`], and when the file does not exist.
    pub fn read_file(&self, partition: u8, name: &str) -> Result<Vec<u8>> {
        self.find_file(partition, name)?.with_context(|| format!("there is no {name} on partition {partition}"))
    }

    /// Whether a FAT partition has this file.
    ///
    /// # Errors
    /// The partition is no readable FAT file system.
    pub fn has_file(&self, partition: u8, name: &str) -> Result<bool> {
        fat::exists(File::open(&self.path)?, self.fat(partition)?, name)
    }

    /// Writes a file of a FAT partition, as a person with a laptop would. Folders must exist.
    ///
    /// # Errors
    /// The partition is no FAT file system or has no room.
    pub fn write_file(&self, partition: u8, name: &str, contents: &[u8]) -> Result<()> {
        let file = self.writable()?;
        fat::write(file, self.fat(partition)?, name, contents)
            .with_context(|| format!("writing {name} on partition {partition} of {}", self.path.display()))
    }

    /// Removes a file of a FAT partition.
    ///
    /// # Errors
    /// It does not exist, or the partition is no FAT file system.
    pub fn remove_file(&self, partition: u8, name: &str) -> Result<()> {
        fat::remove(self.writable()?, self.fat(partition)?, name)
            .with_context(|| format!("removing {name} on partition {partition}"))
    }

    /// Reads `count` sectors from sector `first` of the whole card.
    ///
    /// # Errors
    /// The range lies outside the image.
    pub fn read_sectors(&self, first: u64, count: u64) -> Result<Vec<u8>> {
        let length = usize::try_from(count * SECTOR)?;
        let mut bytes = vec![0; length];
        File::open(&self.path)?
            .read_exact_at(&mut bytes, first * SECTOR)
            .with_context(|| format!("reading {count} sectors from sector {first}"))?;
        Ok(bytes)
    }

    /// Writes whole sectors from sector `first` of the card.
    ///
    /// # Errors
    /// The bytes are no whole number of sectors, or the file can't be written.
    pub fn write_sectors(&self, first: u64, bytes: &[u8]) -> Result<()> {
        ensure!((bytes.len() as u64).is_multiple_of(SECTOR), "{} bytes are no whole number of sectors", bytes.len());
        Ok(self.writable()?.write_all_at(bytes, first * SECTOR)?)
    }

    /// Flips one bit of a partition: what a worn card does.
    ///
    /// # Errors
    /// The byte lies outside the partition.
    pub fn flip_bit(&self, partition: u8, byte: u64, bit: u8) -> Result<()> {
        let partition = self.partition(partition)?;
        ensure!(byte < partition.sectors * SECTOR, "byte {byte} lies outside partition {}", partition.number);
        let file = self.writable()?;
        let at = partition.first * SECTOR + byte;
        let mut cell = [0];
        file.read_exact_at(&mut cell, at)?;
        cell[0] ^= 1 << (bit % 8);
        Ok(file.write_all_at(&cell, at)?)
    }

    /// Copies one partition into a file of its own, for tools such as `e2fsck` that want a file system and no disk.
    ///
    /// # Errors
    /// Reading or writing fails.
    pub fn extract(&self, partition: u8, to: &Path) -> Result<()> {
        let partition = self.partition(partition)?;
        let mut from = File::open(&self.path)?;
        from.seek(SeekFrom::Start(partition.first * SECTOR))?;
        let length = partition.sectors * SECTOR;
        sparse_copy(&mut from.take(length), &File::create(to)?, length)
    }

    /// Copies the image, leaving holes where it is empty, and pads the copy to a power of two, the only sizes that QEMU's
    /// SD card knows. The padding is a hole too and costs no space.
    ///
    /// # Errors
    /// Reading or writing fails.
    pub fn copy_to(&self, to: &Path) -> Result<Self> {
        let mut from = File::open(&self.path)?;
        let length = from.metadata()?.len();
        if length == 0 {
            bail!("{} is empty", self.path.display());
        }
        let copy = File::create(to).with_context(|| format!("can't write {}", to.display()))?;
        sparse_copy(&mut from, &copy, length.next_power_of_two())
            .with_context(|| format!("copying {} to {}", self.path.display(), to.display()))?;
        Self::open(to)
    }

    fn fat(&self, number: u8) -> Result<&Partition> {
        let partition = self.partition(number)?;
        ensure!(partition.is_fat(), "partition {number} is of type {:#04x}, not FAT", partition.kind);
        Ok(partition)
    }

    fn writable(&self) -> Result<File> {
        OpenOptions::new()
            .read(true)
            .write(true)
            .open(&self.path)
            .with_context(|| format!("can't write {}", self.path.display()))
    }
}

/// Copies `from` to its end into an empty file, skipping blocks of zeros, and makes the file `length` bytes long.
fn sparse_copy(from: &mut impl Read, to: &File, length: u64) -> Result<()> {
    const BLOCK: usize = 64 * 1024;
    let mut block = vec![0; BLOCK];
    let mut at = 0;
    loop {
        let mut filled = 0;
        while filled < BLOCK {
            match from.read(&mut block[filled..])? {
                0 => break,
                n => filled += n,
            }
        }
        let data = &block[..filled];
        if data.iter().any(|byte| *byte != 0) {
            to.write_all_at(data, at)?;
        }
        at += filled as u64;
        if filled < BLOCK {
            break;
        }
    }
    to.set_len(length)?;
    let mut to = to;
    Ok(to.flush()?)
}

#[cfg(test)]
pub(crate) mod tests;
