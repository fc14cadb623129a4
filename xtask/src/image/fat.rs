//! FAT32 partitions, made in memory.
//!
//! Clusters of one sector: what Raspberry Pi tests its boot ROMs with, and FAT32 at any size that we use. Files are written in the
//! order of their names, so a file is one run of clusters, and the time on each is the card's epoch.

use super::layout::{Partition, SECTOR};
use super::paths;
use crate::tree::{Node, Tree};
use anyhow::{Context, bail, ensure};
use fatfs::{Date, DateTime, FatType, FileSystem, FormatVolumeOptions, FsOptions, Time, TimeProvider};
use std::io::{Cursor, Write};

/// A thirty-second of a partition stays free: EEPROMs before 2024-01-18 mishandled files in the last clusters, and the user's
/// editor needs room.
const SLACK: u64 = 32;

/// The partition's bytes.
pub fn make(partition: &Partition, volume_id: u32, epoch: u32, tree: &Tree) -> anyhow::Result<Vec<u8>> {
    check_fits(partition, tree)?;
    let mut disk = Cursor::new(vec![0; partition.size() as usize]);
    let mut label = [b' '; 11];
    label[..partition.label.len()].copy_from_slice(partition.label.as_bytes());
    let options = FormatVolumeOptions::new()
        .fat_type(FatType::Fat32)
        .bytes_per_cluster(SECTOR as u32)
        .volume_id(volume_id)
        .volume_label(label);
    fatfs::format_volume(&mut disk, options).with_context(|| format!("can't format {}", partition.content))?;
    fill(&mut disk, clock(epoch), tree).with_context(|| format!("can't fill {}", partition.content))?;
    let mut bytes = disk.into_inner();
    set_hidden_sectors(&mut bytes, partition.range.start / SECTOR);
    Ok(bytes)
}

fn fill(disk: &mut Cursor<Vec<u8>>, clock: &'static Clock, tree: &Tree) -> anyhow::Result<()> {
    disk.set_position(0);
    let fs = FileSystem::new(disk, FsOptions::new().time_provider(clock))?;
    {
        let root = fs.root_dir();
        for directory in paths::directories(tree) {
            root.create_dir(&directory)?;
        }
        for (path, node) in tree.iter() {
            match node {
                Node::File { data, .. } => {
                    root.create_file(path)
                        .and_then(|mut file| file.write_all(data))
                        .with_context(|| path.to_string())?;
                }
                Node::Directory => {}
                Node::Symlink(_) => bail!("{path}: FAT has no symbolic links"),
            }
        }
    }
    // Counts the free clusters; unmounting then writes the number down, and no checker has to.
    fs.stats()?;
    fs.unmount()?;
    Ok(())
}

/// Says which files are the largest when they don't fit, instead of "no space left".
fn check_fits(partition: &Partition, tree: &Tree) -> anyhow::Result<()> {
    let mut sizes: Vec<_> = tree.iter().map(|(path, node)| (paths::size(node), path)).collect();
    let needed: u64 = sizes.iter().map(|(size, _)| size.next_multiple_of(SECTOR)).sum();
    // The two tables take 8 bytes for each sector of data.
    let room = (partition.size() - partition.size() / SLACK) / (SECTOR + 8) * SECTOR;
    sizes.sort_by_key(|(size, _)| std::cmp::Reverse(*size));
    let largest: Vec<_> = sizes.iter().take(3).map(|(size, path)| format!("{path} ({size} bytes)")).collect();
    ensure!(
        needed <= room,
        "{}: its files need {needed} bytes, but there is room for {room}; the largest are {}",
        partition.content,
        largest.join(", ")
    );
    Ok(())
}

/// The boot sector and its copy (sector 6) say how many sectors lie before the partition, as mkfs writes it on a real disk.
fn set_hidden_sectors(bytes: &mut [u8], start: u64) {
    for sector in [0, 6] {
        bytes[sector * SECTOR as usize + 28..][..4].copy_from_slice(&(start as u32).to_le_bytes());
    }
}

/// The same time for everything.
#[derive(Debug)]
struct Clock(DateTime);

impl TimeProvider for Clock {
    fn get_current_date(&self) -> Date {
        self.0.date
    }

    fn get_current_date_time(&self) -> DateTime {
        self.0
    }
}

/// FAT counts from 1980 and has no time zone; UTC it is. `fatfs` wants its clock to live for ever: 16 bytes are given up for it.
fn clock(epoch: u32) -> &'static Clock {
    let (year, month, day) = civil_date(epoch / 86_400);
    let seconds = epoch % 86_400;
    let time =
        Time { hour: (seconds / 3600) as u16, min: (seconds / 60 % 60) as u16, sec: (seconds % 60) as u16, millis: 0 };
    Box::leak(Box::new(Clock(DateTime { date: Date { year: year.max(1980), month, day }, time })))
}

/// Year, month and day of a day counted from 1970-01-01.
fn civil_date(mut day: u32) -> (u16, u16, u16) {
    let leap = |year: u32| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let mut year = 1970;
    while day >= 365 + u32::from(leap(year)) {
        day -= 365 + u32::from(leap(year));
        year += 1;
    }
    let mut month = 1;
    for length in [31, 28 + u32::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if day < length {
            break;
        }
        day -= length;
        month += 1;
    }
    (year as u16, month, day as u16 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::layout::{Content, MIB, Slot};
    use std::io::Read;

    fn partition() -> Partition {
        Partition {
            content: Content::Boot(Slot::A),
            label: "BOOT-A".into(),
            range: 4 * MIB..40 * MIB,
            note: String::new(),
        }
    }

    fn tree() -> Tree {
        let mut tree = Tree::new();
        tree.file("bootcode.bin", &b"rom"[..]);
        tree.file("bcm2711-rpi-4-b.dtb", vec![0xd0; 1000]);
        tree.file("overlays/deep/x.dtbo", vec![7; 5000]);
        tree.directory("empty");
        tree
    }

    #[test]
    fn what_was_put_in_comes_out() {
        let bytes = make(&partition(), 0x1234_5678, 1_793_491_200, &tree()).unwrap();
        let fs = FileSystem::new(Cursor::new(bytes), FsOptions::new()).unwrap();
        assert_eq!(fs.fat_type(), FatType::Fat32);
        assert_eq!((fs.volume_id(), fs.volume_label().as_str(), fs.cluster_size()), (0x1234_5678, "BOOT-A", 512));
        for (path, node) in tree().iter() {
            let Node::File { data, .. } = node else { continue };
            let mut read = Vec::new();
            fs.root_dir().open_file(path).unwrap().read_to_end(&mut read).unwrap();
            assert_eq!(read[..], data[..], "{path}");
        }
        let entry = fs.root_dir().iter().map(Result::unwrap).find(|entry| entry.file_name() == "bootcode.bin").unwrap();
        assert_eq!(entry.short_file_name(), "BOOTCODE.BIN", "the Pi 3's ROM reads short names only");
        assert_eq!(entry.modified().date, Date { year: 2026, month: 11, day: 1 });
        fs.root_dir().open_dir("empty").unwrap();
    }

    #[test]
    fn the_same_twice() {
        let make = || make(&partition(), 1, 1_793_491_200, &tree()).unwrap();
        assert!(make() == make());
    }

    #[test]
    fn too_much_names_the_largest() {
        let mut tree = tree();
        tree.file("kernel8.img", vec![1; 36 << 20]);
        let message = make(&partition(), 1, 0, &tree).unwrap_err().to_string();
        assert!(message.contains("the largest are kernel8.img (37748736 bytes)"), "{message}");
    }

    #[test]
    fn dates() {
        assert_eq!(civil_date(0), (1970, 1, 1));
        assert_eq!(civil_date(59), (1970, 3, 1));
        assert_eq!(civil_date(11_016), (2000, 2, 29));
        assert_eq!(civil_date(20_758), (2026, 11, 1));
        assert_eq!(civil_date(20_818), (2026, 12, 31));
    }
}
