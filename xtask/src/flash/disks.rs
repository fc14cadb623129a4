//! The disks of this computer, as Linux's sysfs and /proc describe them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A whole disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Disk {
    /// The kernel's name, such as `sdb` or `mmcblk0`.
    pub name: String,
    /// What its maker calls it; empty if unknown.
    pub model: String,
    /// In bytes; 0 for a card reader without a card.
    pub size: u64,
    /// Whether it can be taken out: what the kernel marks so, and every SD card.
    pub removable: bool,
    /// Whether its write switch is on.
    pub read_only: bool,
    /// Where it, or a part of it, is mounted, or what else uses it (swap, LVM, RAID).
    pub uses: Vec<String>,
    /// Whether the running system's root lies on it.
    pub holds_root: bool,
}

impl Disk {
    /// Its device node.
    pub fn path(&self) -> PathBuf {
        Path::new("/dev").join(&self.name)
    }
}

/// Kinds of block device that are never a card: RAM, loop, optical, floppy, network, device-mapper and RAID on top of others.
const NEVER: [&str; 9] = ["loop", "ram", "zram", "sr", "fd", "nbd", "dm-", "md", "mtdblock"];

/// All disks, sorted by name. `sys` and `proc` are /sys and /proc, or stand-ins in a test.
pub fn list(sys: &Path, proc: &Path) -> Vec<Disk> {
    let Ok(entries) = fs::read_dir(sys.join("block")) else { return Vec::new() };
    let mut names: Vec<String> = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into()).collect();
    // mmcblk0boot0 and its like are hidden areas of a soldered eMMC.
    names.retain(|name| !NEVER.iter().any(|never| name.starts_with(never)) && !name.contains("boot"));
    names.sort();
    let mounts = mounts(proc);
    names.into_iter().map(|name| read(sys, &mounts, name)).collect()
}

/// A block device's number and what it is used for.
struct Mount {
    device: String,
    place: String,
}

fn read(sys: &Path, mounts: &[Mount], name: String) -> Disk {
    let folder = sys.join("block").join(&name);
    let text = |file: &str| fs::read_to_string(folder.join(file)).unwrap_or_default().trim().to_string();
    let mut devices = BTreeSet::new();
    let mut uses = Vec::new();
    collect(sys, &folder, &mut devices, &mut uses);
    for mount in mounts.iter().filter(|mount| devices.contains(&mount.device)) {
        uses.push(mount.place.clone());
    }
    uses.dedup();
    let model = if text("device/model").is_empty() { text("device/name") } else { text("device/model") };
    Disk {
        model,
        // sysfs counts in sectors of 512 bytes whatever the disk does.
        size: text("size").parse::<u64>().unwrap_or(0).saturating_mul(512),
        removable: text("removable") == "1" || text("device/type") == "SD",
        read_only: text("ro") == "1",
        holds_root: uses.iter().any(|place| place == "/"),
        uses,
        name,
    }
}

/// The device numbers of a disk, its partitions and everything built on them (encryption, LVM, RAID).
fn collect(sys: &Path, folder: &Path, devices: &mut BTreeSet<String>, uses: &mut Vec<String>) {
    let Ok(number) = fs::read_to_string(folder.join("dev")) else { return };
    if !devices.insert(number.trim().to_string()) {
        return;
    }
    for holder in fs::read_dir(folder.join("holders")).into_iter().flatten().flatten() {
        let name = holder.file_name().to_string_lossy().into_owned();
        collect(sys, &sys.join("block").join(&name), devices, uses);
        uses.push(name);
    }
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.path().join("partition").exists() {
            collect(sys, &entry.path(), devices, uses);
        }
    }
}

/// Mounted file systems (proc(5), mountinfo: field 3 is the device's number, field 5 the place) and swap.
fn mounts(proc: &Path) -> Vec<Mount> {
    let read = |file: &str| fs::read_to_string(proc.join(file)).unwrap_or_default();
    let mut found = Vec::new();
    for line in read("self/mountinfo").lines() {
        let fields: Vec<_> = line.split(' ').collect();
        if let (Some(device), Some(place)) = (fields.get(2), fields.get(4)) {
            found.push(Mount { device: device.to_string(), place: place.to_string() });
        }
    }
    for line in read("swaps").lines().skip(1) {
        let Some(path) = line.split_whitespace().next() else { continue };
        if let Some(device) = device_number(Path::new(path)) {
            found.push(Mount { device, place: "swap".into() });
        }
    }
    found
}

/// `major:minor` of a device node.
fn device_number(path: &Path) -> Option<String> {
    use std::os::unix::fs::{FileTypeExt, MetadataExt};
    let metadata = fs::metadata(path).ok().filter(|metadata| metadata.file_type().is_block_device())?;
    let number = metadata.rdev();
    Some(format!("{}:{}", nix::sys::stat::major(number), nix::sys::stat::minor(number)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn reads_what_linux_says() {
        let root = tempfile::tempdir().unwrap();
        let (sys, proc) = (root.path().join("sys"), root.path().join("proc"));
        for (path, text) in [
            ("block/sda/dev", "8:0\n"),
            ("block/sda/size", "2000409264\n"),
            ("block/sda/removable", "0\n"),
            ("block/sda/device/model", "FAST SSD   \n"),
            ("block/sda/sda2/dev", "8:2\n"),
            ("block/sda/sda2/partition", "2\n"),
            ("block/sda/sda2/holders/dm-0/x", ""),
            ("block/dm-0/dev", "253:0\n"),
            ("block/sdb/dev", "8:16\n"),
            ("block/sdb/size", "62333952\n"),
            ("block/sdb/removable", "1\n"),
            ("block/sdb/sdb1/dev", "8:17\n"),
            ("block/sdb/sdb1/partition", "1\n"),
            ("block/mmcblk0/dev", "179:0\n"),
            ("block/mmcblk0/size", "62333952\n"),
            ("block/mmcblk0/removable", "0\n"),
            ("block/mmcblk0/device/type", "SD\n"),
            ("block/mmcblk0/device/name", "SC32G\n"),
            ("block/loop0/dev", "7:0\n"),
        ] {
            put(&sys, path, text);
        }
        put(
            &proc,
            "self/mountinfo",
            "22 1 253:0 / / rw shared:1 - ext4 /dev/mapper/root rw\n30 22 8:17 / /media/me/GATEPOST rw - vfat /dev/sdb1 rw\n",
        );
        let disks = list(&sys, &proc);
        assert_eq!(disks.iter().map(|disk| disk.name.as_str()).collect::<Vec<_>>(), ["mmcblk0", "sda", "sdb"]);
        let [card, system, stick] = &disks[..] else { unreachable!() };
        assert!(card.removable && card.uses.is_empty() && card.model == "SC32G");
        assert_eq!((system.holds_root, system.removable, system.size), (true, false, 1_024_209_543_168));
        assert_eq!(system.uses, ["dm-0", "/"]);
        assert_eq!(stick.uses, ["/media/me/GATEPOST"]);
        assert!(!stick.holds_root);
    }
}
