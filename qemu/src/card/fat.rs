//! One FAT file system inside the image, through the `fatfs` crate: a stranger to the code that built it.

use super::{Partition, SECTOR};
use anyhow::{Context, Result, ensure};
use fatfs::{Dir, FileSystem, FsOptions};
use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};

/// The largest file that is read, in bytes: more than any partition of the card holds.
const FILE_MAX: u64 = 256 << 20;

pub fn read(disk: File, partition: &Partition, name: &str) -> Result<Option<Vec<u8>>> {
    let fs = open(disk, partition)?;
    let mut contents = Vec::new();
    match fs.root_dir().open_file(name) {
        Ok(file) => file.take(FILE_MAX + 1).read_to_end(&mut contents)?,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    ensure!(contents.len() as u64 <= FILE_MAX, "{name} is larger than {FILE_MAX} bytes");
    Ok(Some(contents))
}

pub fn exists(disk: File, partition: &Partition, name: &str) -> Result<bool> {
    let fs = open(disk, partition)?;
    let root = fs.root_dir();
    match root.open_file(name) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error.into()),
    }
}

pub fn write(disk: File, partition: &Partition, name: &str, contents: &[u8]) -> Result<()> {
    let fs = open(disk, partition)?;
    write_in(&fs.root_dir(), name, contents)?;
    Ok(fs.unmount()?)
}

pub fn remove(disk: File, partition: &Partition, name: &str) -> Result<()> {
    let fs = open(disk, partition)?;
    fs.root_dir().remove(name)?;
    Ok(fs.unmount()?)
}

fn write_in(root: &Dir<'_, Window>, name: &str, contents: &[u8]) -> io::Result<()> {
    let mut file = root.create_file(name)?;
    file.truncate()?;
    file.write_all(contents)?;
    file.flush()
}

fn open(disk: File, partition: &Partition) -> Result<FileSystem<Window>> {
    let window = Window { disk, start: partition.first * SECTOR, length: partition.sectors * SECTOR, at: 0 };
    FileSystem::new(window, FsOptions::new().update_accessed_date(false))
        .with_context(|| format!("partition {} holds no FAT file system", partition.number))
}

/// The bytes of one partition as if they were a file of their own.
struct Window {
    disk: File,
    start: u64,
    length: u64,
    at: u64,
}

impl Window {
    /// How much of a transfer of `wanted` bytes still lies inside the partition.
    fn clip(&self, wanted: usize) -> usize {
        let left = self.length.saturating_sub(self.at);
        wanted.min(usize::try_from(left).unwrap_or(usize::MAX))
    }
}

impl Read for Window {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.clip(buffer.len());
        self.disk.seek(SeekFrom::Start(self.start + self.at))?;
        let n = self.disk.read(&mut buffer[..length])?;
        self.at += n as u64;
        Ok(n)
    }
}

impl Write for Window {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let length = self.clip(buffer.len());
        self.disk.seek(SeekFrom::Start(self.start + self.at))?;
        let n = self.disk.write(&buffer[..length])?;
        self.at += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.disk.flush()
    }
}

impl Seek for Window {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.length.checked_add_signed(by),
        };
        self.at = at.ok_or_else(|| io::Error::new(ErrorKind::InvalidInput, "seek before the start"))?;
        Ok(self.at)
    }
}
