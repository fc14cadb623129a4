//! The config partition: an empty ext4 with a journal. PID 1 fills it on first boot.
//!
//! `mkext4` leaves the superblock at "on errors: continue"; a card that rots must not be written any further, so we set
//! "remount read-only" and renew the superblock's checksum.

use super::layout::{MIB, Partition};
use anyhow::{Context, ensure};
use mkext4::sink::VecSink;
use mkext4::{FsBuilder, Options};

/// The superblock's place in the partition and its size, both in bytes.
const SUPERBLOCK: std::ops::Range<usize> = 1024..2048;

/// Offset in the superblock of `s_errors` (u16) and its value for "remount read-only".
const ERRORS: usize = 0x3c;
const REMOUNT_READ_ONLY: u16 = 2;

/// Offset in the superblock of `s_checksum`: CRC-32C of all before it, without the final inversion.
const CHECKSUM: usize = 0x3fc;

/// One block group of 4096-byte blocks. In a larger file system copies of the superblock would have to be changed, too.
const ONE_GROUP: u64 = 128 * MIB;

/// The partition's bytes.
pub fn make(partition: &Partition, uuid: [u8; 16], epoch: u32) -> anyhow::Result<Vec<u8>> {
    ensure!(partition.size() <= ONE_GROUP, "{} is larger than {} MiB", partition.content, ONE_GROUP / MIB);
    let mut options = Options::new(partition.size(), uuid, i64::from(epoch));
    options.label = Some(partition.label.clone());
    let layout = FsBuilder::new(options).and_then(FsBuilder::seal).context("can't lay out the config partition")?;
    let mut sink = VecSink::default();
    layout.writer(&mut sink).and_then(|writer| writer.finish()).context("can't make the config partition")?;
    let mut bytes = sink.buf;
    bytes.resize(partition.size() as usize, 0);
    remount_read_only_on_errors(&mut bytes)?;
    Ok(bytes)
}

fn remount_read_only_on_errors(bytes: &mut [u8]) -> anyhow::Result<()> {
    let superblock = &mut bytes[SUPERBLOCK];
    let checksum = |superblock: &[u8]| (!crc32c::crc32c(&superblock[..CHECKSUM])).to_le_bytes();
    ensure!(superblock[CHECKSUM..] == checksum(superblock), "mkext4 has changed how it checks its superblock");
    superblock[ERRORS..ERRORS + 2].copy_from_slice(&REMOUNT_READ_ONLY.to_le_bytes());
    let renewed = checksum(superblock);
    superblock[CHECKSUM..].copy_from_slice(&renewed);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::layout::Content;

    #[test]
    fn has_a_journal_and_stops_on_errors() {
        let partition =
            Partition { content: Content::Config, label: "config".into(), range: 0..32 * MIB, note: String::new() };
        let bytes = make(&partition, [9; 16], 1_793_491_200).unwrap();
        assert!(bytes == make(&partition, [9; 16], 1_793_491_200).unwrap());
        let superblock = &bytes[SUPERBLOCK];
        assert_eq!(superblock[0x38..0x3a], [0x53, 0xef], "the magic number of ext4");
        assert_eq!(superblock[ERRORS], 2);
        assert_eq!(superblock[0x5c] & 4, 4, "COMPAT_HAS_JOURNAL");
        assert_eq!(superblock[0x68..0x78], [9; 16]);
    }
}
