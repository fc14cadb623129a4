//! A new config partition in place of one that the kernel refuses: with every file that can still be read back in its
//! place, and the old partition's bytes kept aside as `/config/damaged.img` for whoever wants to look.
//!
//! Works on any file or device, so the tests need no root. The old journal is not replayed: what the last seconds
//! before the damage changed may come back in its older state, which the gateway's own checksums tell apart.
//! Runs in a forked child: whatever the bytes do to the reader, PID 1 lives on.

use gatepost_core::card;
use gatepost_core::time::WallTime;
use mkext4::reader::Fs;
use mkext4::spec::{ROOT_INO, file_type};
use mkext4::{FsBuilder, InodeHandle, Meta, Options, ROOT, RegionSink, SparseSeg};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Where the old bytes are kept, below the root of the new file system.
const KEPT: &str = "damaged.img";
/// Most old bytes kept that are not zero: they wait in RAM while the new file system is made. A third of the smallest
/// partition; a used one of 32 MiB has some 5 MiB.
const MAX_RAW_BYTES: usize = 10 << 20;
/// Most of the partition that is looked at.
const MAX_SCAN_BYTES: u64 = 64 << 20;
/// Most files brought over, and most bytes in them: ten times what the gateway keeps.
const MAX_FILES: usize = 256;
const MAX_FILE_BYTES: u64 = 1 << 20;
const MAX_TOTAL_BYTES: u64 = 4 << 20;
const MAX_DEPTH: usize = 5;
const BLOCK: usize = 4096;

/// Makes the new file system over `device` of `size` bytes, known by `uuid`. Returns how many files were brought over.
///
/// # Errors
/// Those of writing; the partition is then not mountable, and the next start tries again.
pub fn recreate(device: &File, size: u64, uuid: [u8; 16], now: WallTime) -> mkext4::Result<usize> {
    let old = Tree::read(device);
    let raw = Raw::read(device, size.min(MAX_SCAN_BYTES));
    let time = (i64::try_from(now.0).unwrap_or(0), 0);
    let mut options = Options::new(size - size % BLOCK as u64, uuid, time.0);
    options.label = Some(card::CONFIG_LABEL.into());
    let mut builder = FsBuilder::new(options)?;
    let mut fills: Vec<(InodeHandle, &[u8])> = Vec::new();
    let files = old.declare(&mut builder, ROOT, &mut fills);
    let kept = builder.file_sparse(ROOT, KEPT, Meta::new(0o400, 0, 0, time), &raw.segments)?;
    fills.push((kept, &raw.bytes));
    let layout = builder.seal()?;
    let mut sink = DeviceSink { device, head: vec![0; BLOCK] };
    let mut writer = layout.writer(&mut sink)?;
    for (handle, mut bytes) in fills {
        writer.fill(handle, &mut bytes)?;
    }
    writer.finish()?;
    sink.finish()?;
    Ok(files)
}

/// Writes everything but the first block, and that last: a half-made file system has no superblock.
struct DeviceSink<'a> {
    device: &'a File,
    head: Vec<u8>,
}

impl DeviceSink<'_> {
    fn finish(self) -> io::Result<()> {
        self.device.sync_all()?;
        self.device.write_all_at(&self.head, 0)?;
        self.device.sync_all()
    }
}

impl RegionSink for DeviceSink<'_> {
    fn data(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let head = self.head.get_mut(usize::try_from(offset).unwrap_or(usize::MAX)..).unwrap_or_default();
        let held = head.len().min(bytes.len());
        let (first, rest) = bytes.split_at_checked(held).unwrap_or((&[], bytes));
        head.iter_mut().zip(first).for_each(|(to, from)| *to = *from);
        self.device.write_all_at(rest, offset.saturating_add(held as u64))
    }

    fn zeros(&mut self, mut offset: u64, len: u64) -> io::Result<()> {
        const ZEROS: &[u8] = &[0; 64 * 1024];
        let end = offset.saturating_add(len);
        while offset < end {
            let piece = usize::try_from(end - offset).unwrap_or(usize::MAX).min(ZEROS.len());
            self.data(offset, ZEROS.get(..piece).unwrap_or_default())?;
            offset = offset.saturating_add(piece as u64);
        }
        Ok(())
    }
}

/// The old bytes as a sparse file.
#[derive(Default)]
struct Raw {
    segments: Vec<SparseSeg>,
    bytes: Vec<u8>,
}

impl Raw {
    /// What cannot be read counts as zeroes.
    fn read(device: &File, size: u64) -> Self {
        let mut raw = Self::default();
        let mut block = [0; BLOCK];
        for at in 0..size / BLOCK as u64 {
            let read = device.read_exact_at(&mut block, at.saturating_mul(BLOCK as u64));
            let full = raw.bytes.len().saturating_add(BLOCK) > MAX_RAW_BYTES;
            if read.is_ok() && !full && block.iter().any(|&byte| byte != 0) {
                raw.bytes.extend_from_slice(&block);
                raw.extend(SparseSeg::Data(BLOCK as u64));
            } else {
                raw.extend(SparseSeg::Hole(BLOCK as u64));
            }
        }
        raw
    }

    fn extend(&mut self, next: SparseSeg) {
        match (self.segments.last_mut(), next) {
            (Some(SparseSeg::Data(len)), SparseSeg::Data(more)) => *len = len.saturating_add(more),
            (Some(SparseSeg::Hole(len)), SparseSeg::Hole(more)) => *len = len.saturating_add(more),
            _ => self.segments.push(next),
        }
    }
}

/// What could be read of the old tree.
#[derive(Default)]
struct Tree {
    entries: Vec<(String, Meta, Node)>,
}

enum Node {
    Folder(Tree),
    File(Vec<u8>),
}

/// How much may still be brought over.
struct Budget {
    files: usize,
    bytes: u64,
}

impl Tree {
    fn read(device: &File) -> Self {
        let mut budget = Budget { files: MAX_FILES, bytes: MAX_TOTAL_BYTES };
        match Fs::open(device) {
            Ok(fs) => Self::folder(&fs, ROOT_INO, &mut budget, 0),
            Err(_) => Self::default(),
        }
    }

    fn folder(fs: &Fs<&File>, inode: u32, budget: &mut Budget, depth: usize) -> Self {
        let mut tree = Self::default();
        for entry in fs.read_dir(inode).unwrap_or_default() {
            let Ok(name) = String::from_utf8(entry.name) else { continue };
            let ours = depth == 0 && (name == KEPT || name == "lost+found");
            if name == "." || name == ".." || ours || budget.files == 0 {
                continue;
            }
            budget.files = budget.files.saturating_sub(1);
            let Ok(found) = fs.inode(entry.inode) else { continue };
            let meta = Meta::new(found.mode & 0o777, found.uid, found.gid, (i64::from(found.mtime), 0));
            let node = match entry.file_type {
                file_type::DIR if depth < MAX_DEPTH => Node::Folder(Self::folder(fs, entry.inode, budget, depth + 1)),
                file_type::REG if found.size <= MAX_FILE_BYTES.min(budget.bytes) => match fs.read_file(entry.inode) {
                    Ok(bytes) => Node::File(bytes),
                    Err(_) => continue,
                },
                _ => continue,
            };
            if let Node::File(bytes) = &node {
                budget.bytes = budget.bytes.saturating_sub(bytes.len() as u64);
            }
            tree.entries.push((name, meta, node));
        }
        tree
    }

    /// Declares the tree below `parent`; returns the number of files. A name that does not fit is left out.
    fn declare<'t>(
        &'t self,
        builder: &mut FsBuilder,
        parent: InodeHandle,
        fills: &mut Vec<(InodeHandle, &'t [u8])>,
    ) -> usize {
        let mut files = 0_usize;
        for (name, meta, node) in &self.entries {
            match node {
                Node::Folder(tree) => {
                    if let Ok(folder) = builder.mkdir(parent, name, *meta) {
                        files = files.saturating_add(tree.declare(builder, folder, fills));
                    }
                }
                Node::File(bytes) => {
                    if let Ok(file) = builder.file(parent, name, *meta, bytes.len() as u64) {
                        fills.push((file, bytes));
                        files = files.saturating_add(1);
                    }
                }
            }
        }
        files
    }
}

#[cfg(test)]
mod tests;
