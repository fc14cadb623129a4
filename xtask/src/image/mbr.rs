//! The partition table: an MBR with four primary entries, and one more table sector (EBR) before each logical partition.
//!
//! An MBR entry is 16 bytes: status, first sector as CHS, type, last sector as CHS, first sector as LBA, number of sectors.
//! An EBR holds two: the logical partition (its start counted from this EBR) and a link to the next EBR (its start counted from
//! the start of the extended partition). No boot code: the Pi's ROM never runs any.

use super::layout::{Content, Layout, MIB, Partition, SECTOR};
use gatepost_core::card::MBR_SIGNATURE_OFFSET;

/// A sector of 512 bytes and where it belongs on the card, in bytes.
pub type PlacedSector = (u64, [u8; 512]);

/// The type byte of the link from one EBR to the next.
const EBR_LINK: u8 = 0x05;

/// All table sectors of a card.
pub fn sectors(layout: &Layout) -> Vec<PlacedSector> {
    let mut mbr = [0; 512];
    mbr[MBR_SIGNATURE_OFFSET..][..4].copy_from_slice(&layout.identity.disk_signature().to_le_bytes());
    let (logical, primary): (Vec<_>, Vec<_>) =
        layout.partitions().iter().partition(|partition| partition.content.is_logical());
    for (index, partition) in primary.iter().enumerate() {
        let (start, size) = (partition.range.start / SECTOR, partition.size() / SECTOR);
        write_entry(&mut mbr, index, partition.content.mbr_type(), start, size, start);
    }
    sign(&mut mbr);
    let mut sectors = vec![(0, mbr)];
    let container = layout.partition(Content::Extended).range.start;
    for (index, partition) in logical.iter().enumerate() {
        let place = ebr_place(index, partition, container);
        let next = logical.get(index + 1).map(|next| (ebr_place(index + 1, next, container), next.range.end));
        sectors.push((place, ebr(place, partition, next, container)));
    }
    sectors
}

/// Where the table sector of a logical partition lies: the first one at the very start of the extended partition, as the
/// MBR says; the others one MiB before what they describe, which keeps the partitions aligned.
fn ebr_place(index: usize, partition: &Partition, container: u64) -> u64 {
    if index == 0 { container } else { partition.range.start - MIB }
}

/// One EBR. `next` is the place of the following EBR and the end of what that one describes.
fn ebr(place: u64, partition: &Partition, next: Option<(u64, u64)>, container: u64) -> [u8; 512] {
    let mut sector = [0; 512];
    let start = partition.range.start;
    write_entry(
        &mut sector,
        0,
        partition.content.mbr_type(),
        (start - place) / SECTOR,
        partition.size() / SECTOR,
        start / SECTOR,
    );
    if let Some((next_place, next_end)) = next {
        let (relative, size) = ((next_place - container) / SECTOR, (next_end - next_place) / SECTOR);
        write_entry(&mut sector, 1, EBR_LINK, relative, size, next_place / SECTOR);
    }
    sign(&mut sector);
    sector
}

/// Writes entry `index`. `start` is what the table says, `absolute` the same sector counted from the start of the card.
/// [`Layout`] has checked that all of them fit into 32 bits.
fn write_entry(sector: &mut [u8; 512], index: usize, kind: u8, start: u64, size: u64, absolute: u64) {
    let entry = &mut sector[446 + 16 * index..][..16];
    entry[1..4].copy_from_slice(&chs(absolute));
    entry[4] = kind;
    entry[5..8].copy_from_slice(&chs(absolute + size - 1));
    entry[8..12].copy_from_slice(&(start as u32).to_le_bytes());
    entry[12..16].copy_from_slice(&(size as u32).to_le_bytes());
}

/// A sector number in the geometry that every tool assumes, 255 heads of 63 sectors; the largest value beyond its 8 GiB.
/// Nothing reads it any more, but a table without it makes partitioning tools complain.
fn chs(lba: u64) -> [u8; 3] {
    let cylinder = lba / (255 * 63);
    if cylinder > 1023 {
        return [0xfe, 0xff, 0xff];
    }
    let (head, sector) = (lba / 63 % 255, lba % 63 + 1);
    [head as u8, sector as u8 | ((cylinder >> 8) as u8) << 6, cylinder as u8]
}

/// The two bytes that make a sector a partition table.
fn sign(sector: &mut [u8; 512]) {
    sector[510..].copy_from_slice(&[0x55, 0xaa]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::ops::Range;

    const REAL: &str = include_str!("../../../image/image.toml");

    /// Follows the chain as a kernel does: (number, type, bytes).
    fn walk(sectors: &BTreeMap<u64, [u8; 512]>) -> Vec<(u32, u8, Range<u64>)> {
        let entry = |sector: &[u8; 512], index: usize| {
            let e = &sector[446 + 16 * index..][..16];
            let number = |at: usize| u64::from(u32::from_le_bytes(e[at..at + 4].try_into().unwrap())) * SECTOR;
            (e[4], number(8), number(12))
        };
        let mut found = Vec::new();
        let mut container = None;
        for index in 0..4 {
            let (kind, start, size) = entry(&sectors[&0], index);
            found.push((index as u32 + 1, kind, start..start + size));
            if kind == 0x0f {
                container = Some(start);
            }
        }
        let container = container.unwrap();
        let mut place = container;
        for number in 5.. {
            let sector = &sectors[&place];
            assert_eq!(&sector[510..], [0x55, 0xaa]);
            let (kind, start, size) = entry(sector, 0);
            found.push((number, kind, place + start..place + start + size));
            let (link, next, _) = entry(sector, 1);
            if link == 0 {
                return found;
            }
            place = container + next;
        }
        unreachable!()
    }

    #[test]
    fn the_chain_leads_to_every_partition() {
        let layout = Layout::parse(REAL, "0.1.0").unwrap();
        let found = walk(&sectors(&layout).into_iter().collect());
        let wanted: Vec<_> = layout
            .partitions()
            .iter()
            .map(|partition| (partition.content.number(), partition.content.mbr_type(), partition.range.clone()))
            .collect();
        assert_eq!(found, wanted);
    }

    #[test]
    fn the_signature_is_where_the_kernel_reads_it() {
        let layout = Layout::parse(REAL, "0.1.0").unwrap();
        let (place, mbr) = sectors(&layout)[0];
        assert_eq!(place, 0);
        assert_eq!(mbr[440..444], layout.identity.disk_signature().to_le_bytes());
    }

    #[test]
    fn chs_of_known_sectors() {
        assert_eq!(chs(0), [0, 1, 0]);
        assert_eq!(chs(63), [1, 1, 0]);
        // 4 MiB, as sfdisk writes it.
        assert_eq!(chs(8192), [0x82, 0x03, 0x00]);
        assert_eq!(chs(u64::from(u32::MAX)), [0xfe, 0xff, 0xff]);
    }
}
