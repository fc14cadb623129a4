//! What is mounted where. Nothing but the root may hold programs, devices or set-uid files.

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use std::path::Path;

/// One kernel file system.
pub struct Mount {
    /// Mount point.
    pub target: &'static str,
    /// File system type; also what the kernel lists as source.
    pub kind: &'static str,
    /// Flags beside nosuid.
    pub flags: MsFlags,
    /// Options.
    pub data: &'static str,
}

/// Mounted by stage one and moved into the root. `/run` holds sockets and the copy of the configuration.
pub const KERNEL: [Mount; 4] = [
    Mount { target: "/proc", kind: "proc", flags: MsFlags::MS_NODEV.union(MsFlags::MS_NOEXEC), data: "" },
    Mount { target: "/sys", kind: "sysfs", flags: MsFlags::MS_NODEV.union(MsFlags::MS_NOEXEC), data: "" },
    Mount { target: "/dev", kind: "devtmpfs", flags: MsFlags::MS_NOEXEC, data: "mode=0755,size=256k" },
    Mount { target: "/run", kind: "tmpfs", flags: NO_PROGRAMS, data: "mode=0755,size=4m,nr_inodes=1k" },
];

/// Mounted by stage two.
pub const TMP: Mount =
    Mount { target: "/tmp", kind: "tmpfs", flags: NO_PROGRAMS, data: "mode=1777,size=4m,nr_inodes=1k" };

/// Data only.
pub const NO_PROGRAMS: MsFlags = MsFlags::MS_NOSUID.union(MsFlags::MS_NODEV).union(MsFlags::MS_NOEXEC);

/// Options of the FAT partitions: the code pages named, so that exactly these modules are needed ([`FAT_MODULES`]), and
/// `flush` for short writes that reach the card soon.
const FAT_OPTIONS: &str = "codepage=437,iocharset=ascii,utf8,flush";
/// What mounting FAT needs.
pub const FAT_MODULES: [&str; 3] = ["vfat", "nls_cp437", "nls_ascii"];

impl Mount {
    /// Mounts it, making the mount point if that is missing (the initramfs has none).
    ///
    /// # Errors
    /// That of mount(2).
    pub fn mount(&self) -> nix::Result<()> {
        let _ = std::fs::create_dir(self.target);
        mount(Some(self.kind), self.target, Some(self.kind), self.flags | MsFlags::MS_NOSUID, Some(self.data))
    }
}

/// Mounts a FAT partition.
///
/// # Errors
/// That of mount(2).
pub fn fat(node: &Path, target: &str, read_only: bool) -> nix::Result<()> {
    let read_only = if read_only { MsFlags::MS_RDONLY } else { MsFlags::empty() };
    mount(Some(node), target, Some("vfat"), NO_PROGRAMS | MsFlags::MS_NOATIME | read_only, Some(FAT_OPTIONS))
}

/// Unmounts; if something still uses it, at least takes it out of sight so that it goes when the user goes.
pub fn unmount(target: &str) {
    if umount2(target, MntFlags::empty()).is_err() {
        let _ = umount2(target, MntFlags::MNT_DETACH);
    }
}
