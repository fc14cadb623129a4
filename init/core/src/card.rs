//! Where things are on the card: partition numbers, the sectors outside partitions, file names, and the words that a
//! boot slot's kernel command line says to PID 1. The image builder writes by these constants, PID 1 reads by them.
//!
//! ```text
//! LBA 0      MBR (signature at byte 440 names the card)
//! LBA 2048   boot counter, first copy       LBA 2056   boot counter, second copy
//! p1 FAT32   GATEPOST  autoboot.txt, gateway.toml, README.txt
//! p2 p3      BOOT-A BOOT-B  firmware, kernel, initramfs, cmdline.txt
//! p4         extended
//! p5 p6      root A, root B: squashfs, then its dm-verity superblock and hash tree
//! p7 ext4    config
//! ```

pub mod autoboot;
pub mod cmdline;

use crate::time::WallTime;

/// Bytes in a sector of the card: the unit of every LBA.
pub const SECTOR_BYTES: u64 = 512;

/// Partition that the user's laptop shows: the firmware's selector and the configuration file.
pub const SELECTOR_PARTITION: u32 = 1;
/// Extended partition that holds the logical ones.
pub const EXTENDED_PARTITION: u32 = 4;
/// Partition with everything that may change: leases, the last good configuration, the saved time.
pub const CONFIG_PARTITION: u32 = 7;

/// First sector of [`SELECTOR_PARTITION`] (4 MiB): the boot counter lives in the gap before it.
pub const FIRST_PARTITION_LBA: u64 = 8192;

/// Sectors (LBA) of the two copies of the boot counter. They lie 4 KiB apart so that no page or erase unit smaller
/// than that holds both, and far from the MBR so that a partitioning tool leaves them alone.
pub const COUNTER_LBAS: [u64; 2] = [2048, 2056];

/// Byte offset of the 32-bit little-endian disk signature in the MBR.
pub const MBR_SIGNATURE_OFFSET: usize = 440;

/// FAT label of [`SELECTOR_PARTITION`].
pub const SELECTOR_LABEL: &str = "GATEPOST";
/// ext4 label of [`CONFIG_PARTITION`].
pub const CONFIG_LABEL: &str = "config";

/// The file on p1 that tells the firmware which boot partition to start.
pub const AUTOBOOT_FILE: &str = "autoboot.txt";
/// The user's configuration on p1.
pub const CONFIG_FILE: &str = "gateway.toml";
/// What is wrong with [`CONFIG_FILE`], in plain words, beside it.
pub const ERRORS_FILE: &str = "gateway.errors.txt";
/// Most bytes of [`CONFIG_FILE`] that are read: ten thousand times the usual size, and small enough for RAM.
pub const CONFIG_FILE_MAX_BYTES: usize = 256 * 1024;

/// Empty file beside the copies of a folder of p1 that is handed over to the gateway: there are no more to come.
pub const HANDED_OVER: &str = ".complete";

/// Folder on p1 with the user's block lists.
pub const BLOCK_LISTS_FOLDER: &str = "blocklists";
/// Most bytes of all block lists together: a million lines of the usual length. Their copies lie in memory.
pub const MAX_BLOCK_BYTES: usize = 40 * 1024 * 1024;

/// Folder on p1 with files for machines that boot from the network.
pub const NETBOOT_FOLDER: &str = "netboot";
/// Most bytes of all of them: what p1 has room for. Their copies lie in memory.
pub const MAX_NETBOOT_BYTES: u64 = 44 * 1024 * 1024;

/// Module index, at this path in the initramfs and in the root file system.
pub const MODULES_INDEX: &str = "/lib/modules/modules.index";
/// Index of what stage one loads beside its way to the root, in the initramfs.
pub const AHEAD_INDEX: &str = "/lib/modules/ahead.index";
/// Folder that the paths in the module index start from.
pub const MODULES_DIR: &str = "/lib/modules";
/// `key=value` lines about the image: `version=`, `built=` (Unix seconds).
pub const RELEASE_FILE: &str = "/etc/gatepost-release";

/// When the image was built, as [`RELEASE_FILE`] says; the beginning of 2026 where it does not: no clock is right that is
/// behind this.
pub fn built(release: &str) -> WallTime {
    let read = |line: &str| line.strip_prefix("built=")?.trim().parse().ok().map(WallTime);
    release.lines().find_map(read).unwrap_or(WallTime(1_767_225_600))
}
/// The program, in the root file system.
pub const PROGRAM: &str = "/bin/gatepost";

/// Bytes in a data block and in a hash block of dm-verity.
pub const VERITY_BLOCK_BYTES: u64 = 4096;

/// One of the two systems on the card.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Slot {
    /// Boot partition 2, root partition 5.
    A,
    /// Boot partition 3, root partition 6.
    B,
}

impl Slot {
    /// Both slots, in the order of their partitions.
    pub const ALL: [Slot; 2] = [Slot::A, Slot::B];

    /// The slot that is not this one.
    pub const fn other(self) -> Slot {
        match self {
            Slot::A => Slot::B,
            Slot::B => Slot::A,
        }
    }

    /// Partition number of its firmware, kernel and initramfs.
    pub const fn boot_partition(self) -> u32 {
        match self {
            Slot::A => 2,
            Slot::B => 3,
        }
    }

    /// Partition number of its root file system.
    pub const fn root_partition(self) -> u32 {
        match self {
            Slot::A => 5,
            Slot::B => 6,
        }
    }

    /// FAT label of its boot partition.
    pub const fn boot_label(self) -> &'static str {
        match self {
            Slot::A => "BOOT-A",
            Slot::B => "BOOT-B",
        }
    }

    /// Its name for people: `A` or `B`.
    pub const fn name(self) -> &'static str {
        match self {
            Slot::A => "A",
            Slot::B => "B",
        }
    }
}

/// The disk signature in the first sector of a disk; `None` if that is no MBR (boot mark 55 AA) or has none (zero).
pub fn mbr_signature(sector: &[u8]) -> Option<u32> {
    if sector.get(510..512)? != [0x55, 0xaa] {
        return None;
    }
    let bytes = sector.get(MBR_SIGNATURE_OFFSET..MBR_SIGNATURE_OFFSET + 4)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?)).filter(|&signature| signature != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counter_lies_in_the_gap_and_its_copies_apart() {
        let [first, second] = COUNTER_LBAS;
        assert!(first > 0 && second < FIRST_PARTITION_LBA);
        assert!((second - first) * SECTOR_BYTES >= 4096);
    }

    #[test]
    fn slots_are_each_others_other() {
        for slot in Slot::ALL {
            assert_eq!(slot.other().other(), slot);
            assert_ne!(slot.boot_partition(), slot.other().boot_partition());
            assert_ne!(slot.root_partition(), slot.other().root_partition());
        }
    }

    #[test]
    fn the_signature_is_read_only_from_an_mbr() {
        let mut sector = [0; 512];
        sector[440..444].copy_from_slice(&[0x78, 0x56, 0x34, 0x12]);
        assert_eq!(mbr_signature(&sector), None, "no boot mark");
        sector[510..].copy_from_slice(&[0x55, 0xaa]);
        assert_eq!(mbr_signature(&sector), Some(0x1234_5678));
        assert_eq!(mbr_signature(&sector[..511]), None, "too short");
        sector[440..444].fill(0);
        assert_eq!(mbr_signature(&sector), None, "no signature");
    }
}
