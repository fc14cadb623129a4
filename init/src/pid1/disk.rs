//! Finding the card among the machine's disks: by the signature in its MBR, since names depend on the board.

use super::files;
use gatepost_core::card;
use std::fs;
use std::path::{Path, PathBuf};

const BLOCK: &str = "/sys/class/block";

/// A disk, by its kernel name such as `mmcblk0`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    name: String,
}

/// One partition of a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Its device file.
    pub node: PathBuf,
    /// `major:minor`.
    pub device: String,
}

impl Disk {
    /// The disk with this MBR signature, if it is there by now. Of two (a second card with the same image in a
    /// reader) the first by name: the built-in reader `mmcblk0` sorts before `sda`.
    pub fn find(signature: u32) -> Option<Self> {
        let mut names: Vec<String> = fs::read_dir(BLOCK)
            .ok()?
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| !["loop", "ram", "dm-", "zram"].iter().any(|other| name.starts_with(other)))
            .filter(|name| !Path::new(BLOCK).join(name).join("partition").exists())
            .collect();
        names.sort();
        names.into_iter().map(|name| Self { name }).find(|disk| {
            let sector = files::read_bounded(&disk.node(), 512).unwrap_or_default();
            card::mbr_signature(&sector) == Some(signature)
        })
    }

    /// Its device file.
    pub fn node(&self) -> PathBuf {
        Path::new("/dev").join(&self.name)
    }

    /// Partition `number`, if the kernel has it by now.
    pub fn partition(&self, number: u32) -> Option<Partition> {
        fs::read_dir(Path::new(BLOCK).join(&self.name)).ok()?.find_map(|entry| {
            let path = entry.ok()?.path();
            let found = read_line(&path.join("partition"))?.parse::<u32>().ok()?;
            let name = path.file_name().filter(|_| found == number)?;
            Some(Partition { node: Path::new("/dev").join(name), device: read_line(&path.join("dev"))? })
        })
    }
}

fn read_line(path: &Path) -> Option<String> {
    let text = files::read_bounded(path, 64).ok()?;
    Some(std::str::from_utf8(&text).ok()?.trim().to_owned())
}
