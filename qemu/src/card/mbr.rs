//! The master boot record: four primary partitions, one of which may be a chain of logical ones.
//!
//! Only what a Pi's card has: 512-byte sectors, LBA fields. The CHS fields are ignored, as every reader of this century does.

use super::SECTOR;
use anyhow::{Result, ensure};
use std::io::{Read, Seek, SeekFrom};

/// Logical partitions that are read. Linux's limit for MMC cards is far below.
const LOGICAL_MAX: u8 = 32;

/// One partition. Sectors count from the start of the card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// As Linux counts: 1 to 4 primary, from 5 logical.
    pub number: u8,
    /// The MBR's type byte: 0x0c FAT32, 0x83 Linux, 0x0f extended.
    pub kind: u8,
    /// Its first sector.
    pub first: u64,
    /// Its length in sectors.
    pub sectors: u64,
}

impl Partition {
    /// Whether the type byte says FAT (16 or 32, CHS or LBA).
    #[must_use]
    pub fn is_fat(&self) -> bool {
        matches!(self.kind, 0x01 | 0x04 | 0x06 | 0x0b | 0x0c | 0x0e)
    }

    fn is_extended(&self) -> bool {
        matches!(self.kind, 0x05 | 0x0f | 0x85)
    }
}

/// The disk signature and the partitions of a disk.
pub fn read(disk: &mut (impl Read + Seek)) -> Result<(u32, Vec<Partition>)> {
    let size = disk.seek(SeekFrom::End(0))? / SECTOR;
    let sector = record(disk, 0)?;
    let signature = u32::from_le_bytes([sector[440], sector[441], sector[442], sector[443]]);
    let mut partitions: Vec<_> = (1..=4).filter_map(|number| entry(&sector, number, number, 0)).collect();
    check_ends(&partitions, size)?;
    if let Some(extended) = partitions.iter().find(|partition| partition.is_extended()) {
        let logical = logical(disk, extended.first)?;
        check_ends(&logical, size)?;
        partitions.extend(logical);
    }
    Ok((signature, partitions))
}

/// Every partition must lie inside the image of `size` sectors.
fn check_ends(partitions: &[Partition], size: u64) -> Result<()> {
    for partition in partitions {
        let end = partition.first + partition.sectors;
        ensure!(
            end <= size,
            "partition {} ends at sector {end}, but the image has only {size} sectors",
            partition.number
        );
    }
    Ok(())
}

/// Follows the chain of extended boot records. It must lead forward, so that it ends.
fn logical(disk: &mut (impl Read + Seek), extended: u64) -> Result<Vec<Partition>> {
    let mut found = Vec::new();
    let mut at = extended;
    for number in 5..5 + LOGICAL_MAX {
        let sector = record(disk, at)?;
        found.extend(entry(&sector, 1, number, at));
        match entry(&sector, 2, number, extended) {
            Some(next) if next.first > at => at = next.first,
            Some(_) => anyhow::bail!("the chain of logical partitions leads backwards after partition {number}"),
            None => break,
        }
    }
    Ok(found)
}

/// One sector that must end in the bytes of a boot record.
fn record(disk: &mut (impl Read + Seek), at: u64) -> Result<[u8; 512]> {
    let mut sector = [0; 512];
    disk.seek(SeekFrom::Start(at * SECTOR))?;
    disk.read_exact(&mut sector)?;
    ensure!(sector[510..] == [0x55, 0xaa], "sector {at} is no boot record: it does not end in 55 aa");
    Ok(sector)
}

/// The entry in `slot` (1 to 4) of a boot record; `None` if it is unused.
fn entry(sector: &[u8; 512], slot: u8, number: u8, base: u64) -> Option<Partition> {
    let at = 446 + 16 * (usize::from(slot) - 1);
    let field = |offset: usize| {
        let at = at + offset;
        u64::from(u32::from_le_bytes([sector[at], sector[at + 1], sector[at + 2], sector[at + 3]]))
    };
    let kind = sector[at + 4];
    (kind != 0).then(|| Partition { number, kind, first: base + field(8), sectors: field(12) })
}
