//! `image/image.toml`: what the file may say ([`Raw`]), and what the program may believe ([`Layout`]).
//!
//! A layout can only be had from [`Layout::parse`], so whoever holds one holds partitions that lie where the Pi's ROM, the kernel
//! and PID 1 look for them, and that do not overlap.

use super::identity::Identity;
use anyhow::{Context, bail, ensure};
use gatepost_core::card;
pub use gatepost_core::card::{SECTOR_BYTES as SECTOR, Slot};
use serde::Deserialize;
use std::fmt;
use std::ops::Range;
use std::path::Path;

/// Bytes in a mebibyte, the unit of `image.toml`.
pub const MIB: u64 = 1 << 20;

/// The smallest FAT32 with clusters of one sector: 65525 clusters, their two tables and the reserved sectors. A smaller volume
/// would be FAT16 by Microsoft's rule, which goes by the number of clusters alone.
const FAT32_MIN: u64 = 34 * MIB;

/// What a partition holds. Each stands on the card exactly once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub enum Content {
    /// FAT: says which slot to boot, holds the user's configuration.
    Selector,
    /// FAT: firmware, kernel and first stage of a slot.
    Boot(Slot),
    /// The container of the logical partitions.
    Extended,
    /// Squashfs and its hash tree.
    Root(Slot),
    /// ext4: all that is ever written.
    Config,
}

impl Content {
    /// All of them, in the order of their numbers.
    pub const ALL: [Content; 7] = [
        Content::Selector,
        Content::Boot(Slot::A),
        Content::Boot(Slot::B),
        Content::Extended,
        Content::Root(Slot::A),
        Content::Root(Slot::B),
        Content::Config,
    ];

    /// The name in `image.toml` and in messages.
    pub fn name(self) -> &'static str {
        match self {
            Content::Selector => "selector",
            Content::Boot(Slot::A) => "boot-a",
            Content::Boot(Slot::B) => "boot-b",
            Content::Extended => "extended",
            Content::Root(Slot::A) => "root-a",
            Content::Root(Slot::B) => "root-b",
            Content::Config => "config",
        }
    }

    /// The partition number by which autoboot.txt and PID 1 know it.
    pub fn number(self) -> u32 {
        match self {
            Content::Selector => card::SELECTOR_PARTITION,
            Content::Boot(slot) => slot.boot_partition(),
            Content::Extended => card::EXTENDED_PARTITION,
            Content::Root(slot) => slot.root_partition(),
            Content::Config => card::CONFIG_PARTITION,
        }
    }

    /// The MBR type byte. 0x0c is FAT32 by LBA, 0x0f extended by LBA, 0x83 Linux: the set that Pi ROMs are known to take.
    pub fn mbr_type(self) -> u8 {
        match self {
            Content::Selector | Content::Boot(_) => 0x0c,
            Content::Extended => 0x0f,
            Content::Root(_) | Content::Config => 0x83,
        }
    }

    /// Whether it is a logical partition, inside the extended one.
    pub fn is_logical(self) -> bool {
        matches!(self, Content::Root(_) | Content::Config)
    }

    /// The label of its file system, empty where it has none. FAT takes 11 bytes, ext4 16.
    fn label(self) -> &'static str {
        match self {
            Content::Selector => card::SELECTOR_LABEL,
            Content::Boot(slot) => slot.boot_label(),
            Content::Config => card::CONFIG_LABEL,
            Content::Extended | Content::Root(_) => "",
        }
    }
}

impl TryFrom<String> for Content {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        Content::ALL.into_iter().find(|content| content.name() == name).ok_or_else(|| {
            let known = Content::ALL.map(Content::name).join(", ");
            format!("unknown content \"{name}\"; known are {known}")
        })
    }
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p{} ({})", self.number(), self.name())
    }
}

/// What the file may say.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    seed: String,
    epoch: u32,
    compressed_limit_mib: u64,
    selector_firmware: Vec<String>,
    squashfs: Squashfs,
    partition: Vec<RawPartition>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPartition {
    number: u32,
    content: Content,
    #[serde(default)]
    label: String,
    start_mib: u32,
    size_mib: u32,
    r#use: String,
}

/// How the root file system is packed.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Squashfs {
    /// Bytes that are packed, and unpacked, together; in KiB, a power of two between 4 and 1024.
    pub block_kib: u32,
    /// 1 to 22.
    pub zstd_level: u32,
}

/// One partition, checked.
#[derive(Clone, Debug)]
pub struct Partition {
    /// What it holds, and thereby its number and type.
    pub content: Content,
    /// The file system's label; empty where there is none.
    pub label: String,
    /// Its bytes on the card.
    pub range: Range<u64>,
    /// One line for people.
    pub note: String,
}

impl Partition {
    /// Size in bytes.
    pub fn size(&self) -> u64 {
        self.range.end - self.range.start
    }
}

/// The whole card, checked.
#[derive(Clone, Debug)]
pub struct Layout {
    /// Ids of everything.
    pub identity: Identity,
    /// The time on every file, in unix seconds.
    pub epoch: u32,
    /// The largest compressed image, in bytes.
    pub compressed_limit: u64,
    /// Files of the Pi's firmware that go onto the selector partition.
    pub selector_firmware: Vec<String>,
    /// How the root file system is packed.
    pub squashfs: Squashfs,
    /// In the order of their numbers; one for each [`Content`].
    partitions: Vec<Partition>,
}

impl Layout {
    /// Reads and checks `image.toml`. `version` is that of the build.
    pub fn read(path: &Path, version: &str) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("can't read {}", path.display()))?;
        let mut layout = Self::parse(&text, version).with_context(|| format!("in {}", path.display()))?;
        if let Ok(epoch) = std::env::var("SOURCE_DATE_EPOCH") {
            layout.epoch = epoch.parse().context("SOURCE_DATE_EPOCH must be a number of seconds since 1970")?;
        }
        Ok(layout)
    }

    /// Checks the text of `image.toml`.
    pub fn parse(text: &str, version: &str) -> anyhow::Result<Self> {
        let raw: Raw = toml::from_str(text)?;
        ensure!(!raw.seed.is_empty(), "seed: must not be empty");
        let Squashfs { block_kib, zstd_level } = raw.squashfs;
        ensure!(
            block_kib.is_power_of_two() && (4..=1024).contains(&block_kib),
            "squashfs.block_kib: {block_kib} is not a power of two between 4 and 1024"
        );
        ensure!((1..=22).contains(&zstd_level), "squashfs.zstd_level: {zstd_level} is not between 1 and 22");
        let mut partitions = Vec::new();
        for content in Content::ALL {
            let mut found = raw.partition.iter().filter(|raw| raw.content == content);
            let raw = found.next().with_context(|| format!("no partition has content = \"{}\"", content.name()))?;
            ensure!(found.next().is_none(), "two partitions have content = \"{}\"", content.name());
            partitions.push(partition(raw)?);
        }
        check_places(&partitions)?;
        Ok(Self {
            identity: Identity::new(&raw.seed, version),
            epoch: raw.epoch,
            compressed_limit: raw.compressed_limit_mib * MIB,
            selector_firmware: raw.selector_firmware,
            squashfs: raw.squashfs,
            partitions,
        })
    }

    /// All partitions in the order of their numbers.
    pub fn partitions(&self) -> &[Partition] {
        &self.partitions
    }

    /// The partition that holds this.
    pub fn partition(&self, content: Content) -> &Partition {
        // `parse` pushed one of each, in the order of `Content::ALL`.
        &self.partitions[content.number() as usize - 1]
    }

    /// Bytes of the whole image: the end of the last partition.
    pub fn image_size(&self) -> u64 {
        self.partitions.iter().map(|partition| partition.range.end).max().unwrap_or(0)
    }
}

/// Checks what can be said about one partition alone.
fn partition(raw: &RawPartition) -> anyhow::Result<Partition> {
    let content = raw.content;
    ensure!(
        raw.number == content.number(),
        "partition \"{}\" has number {}, but PID 1 and autoboot.txt look for it at {}",
        content.name(),
        raw.number,
        content.number()
    );
    ensure!(raw.size_mib > 0, "{content}: size_mib must not be 0");
    ensure!(raw.label == content.label(), "{content}: the label is \"{}\", not \"{}\"", content.label(), raw.label);
    let start = u64::from(raw.start_mib) * MIB;
    let size = u64::from(raw.size_mib) * MIB;
    if matches!(content, Content::Selector | Content::Boot(_)) {
        ensure!(
            size >= FAT32_MIN,
            "{content}: {} MiB is too small for FAT32; {} at least",
            raw.size_mib,
            FAT32_MIN / MIB
        );
    }
    Ok(Partition { content, label: raw.label.clone(), range: start..start + size, note: raw.r#use.clone() })
}

/// Checks how the partitions lie to each other.
fn check_places(partitions: &[Partition]) -> anyhow::Result<()> {
    let (logical, primary): (Vec<_>, Vec<_>) = partitions.iter().partition(|partition| partition.content.is_logical());
    for partition in partitions {
        // An MBR counts sectors in 32 bits.
        ensure!(partition.range.end / SECTOR <= u64::from(u32::MAX), "{} ends beyond 2 TiB", show(partition));
    }
    // The gap before it holds the boot counter. The others come behind it, or overlap.
    let first = card::FIRST_PARTITION_LBA * SECTOR;
    ensure!(
        primary.first().is_some_and(|partition| partition.range.start == first),
        "{} must start at {} MiB: the boot counter lies before it",
        Content::Selector,
        first / MIB
    );
    no_overlap(&primary, 0)?;
    // The MiB before a logical partition holds the sector that describes it.
    no_overlap(&logical, MIB)?;
    let Some(extended) = primary.iter().find(|partition| partition.content == Content::Extended) else {
        bail!("no extended partition")
    };
    for partition in logical {
        let inside = partition.range.start >= extended.range.start + MIB && partition.range.end <= extended.range.end;
        ensure!(inside, "{} is not inside {}, with 1 MiB before it", show(partition), show(extended));
    }
    Ok(())
}

/// Checks that no two ranges meet when each starts `before` bytes early, and that they stand in the order of their numbers.
fn no_overlap(partitions: &[&Partition], before: u64) -> anyhow::Result<()> {
    for pair in partitions.windows(2) {
        let (first, second) = (pair[0], pair[1]);
        if second.range.start < first.range.end + before {
            let room = if before == 0 { "" } else { " (with the 1 MiB that a logical partition needs before it)" };
            bail!("{} and {} overlap or are out of order{room}", show(first), show(second));
        }
    }
    Ok(())
}

/// A partition and its place, for messages.
fn show(partition: &Partition) -> String {
    format!("{} at {}..{} MiB", partition.content, partition.range.start / MIB, partition.range.end / MIB)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REAL: &str = include_str!("../../../image/image.toml");

    fn refused(from: &str, to: &str) -> String {
        assert!(REAL.contains(from), "the test no longer fits image.toml: {from}");
        format!("{:#}", Layout::parse(&REAL.replacen(from, to, 1), "0").unwrap_err())
    }

    #[test]
    fn the_real_card_is_right() {
        let layout = Layout::parse(REAL, "0.1.0").unwrap();
        assert_eq!(layout.image_size(), 311 * MIB);
        assert_eq!(layout.partition(Content::Root(Slot::B)).range, 230 * MIB..278 * MIB);
        assert_eq!(Content::ALL.map(Content::number), [1, 2, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn overlap_names_both_ranges() {
        let message = refused("start_mib = 52", "start_mib = 51");
        assert!(message.contains("p1 (selector) at 4..52 MiB and p2 (boot-a) at 51..115 MiB overlap"), "{message}");
        let message = refused("start_mib = 230", "start_mib = 229");
        assert!(message.contains("p5 (root-a) at 181..229 MiB and p6 (root-b) at 229..277 MiB"), "{message}");
    }

    #[test]
    fn what_the_card_cannot_be_is_refused() {
        assert!(refused("start_mib = 4\n", "start_mib = 1\n").contains("boot counter"));
        assert!(refused("size_mib = 131", "size_mib = 130").contains("p7 (config) at 279..311 MiB is not inside p4"));
        assert!(refused("number = 5", "number = 6").contains("look for it at 5"));
        assert!(refused("content = \"root-b\"", "content = \"root-a\"").contains("root-a"));
        assert!(refused("content = \"root-b\"", "content = \"rot\"").contains("unknown content \"rot\""));
        assert!(refused("label = \"BOOT-A\"", "label = \"boot-a\"").contains("the label is \"BOOT-A\""));
        assert!(refused("size_mib = 48", "size_mib = 20").contains("too small for FAT32"));
        assert!(refused("size_mib = 48", "size = 48").contains("unknown field"));
        assert!(refused("block_kib = 32", "block_kib = 100").contains("power of two"));
    }
}
