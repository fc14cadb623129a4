//! Opening `/config`, whatever state its partition is in: mounted as it is, else made anew with the old one kept aside
//! ([`rescue`]), else a file system in RAM. It never stops the boot.

use super::disk::{Disk, Partition};
use super::watchdog::Watchdog;
use super::{clock, files, loader, machine, mounts, rescue};
use gatepost_core::card;
use gatepost_core::modules::Index;
use gatepost_core::time::Duration;
use nix::mount::{MsFlags, mount};
use nix::sys::statvfs::{FsFlags, statvfs};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};
use std::fs::{self, OpenOptions};
use std::io::{Seek, SeekFrom};
use std::path::Path;

/// Mount point.
pub const POINT: &str = "/config";
/// The gateway's folder in it, and PID 1's own.
const GATEWAY_FOLDER: &str = "/config/gateway";
const INIT_FOLDER: &str = "/config/init";
/// Owner of the gateway's files.
pub const GATEWAY_ID: u32 = 100;

/// ext4: any error makes it read-only (and is remembered in the superblock, see [`has_errors`]); a power cut costs at
/// most five seconds of what was not synced.
const OPTIONS: &str = "errors=remount-ro,commit=5";
/// Making the partition anew takes a slow card some ten seconds.
const RESCUE_LIMIT: Duration = Duration::from_secs(120);

/// How `/config` came up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    /// As it was left.
    Fine,
    /// Made anew.
    Recreated,
    /// In RAM: nothing outlives the next restart.
    Ram,
}

/// Opens it.
pub fn open(disk: &Disk, index: &Index, watchdog: Option<&mut Watchdog>) -> Opened {
    loader::load(index, ["ext4"]);
    let Some(partition) = disk.partition(card::CONFIG_PARTITION) else { return in_ram() };
    if !has_errors(&partition.node) {
        for _ in 0..2 {
            if mount_and_prove(&partition.node) {
                return Opened::Fine;
            }
        }
    }
    if recreate(&partition, watchdog) && mount_and_prove(&partition.node) { Opened::Recreated } else { in_ram() }
}

/// Mounts and makes sure that the folders are there and can be listed; unmounts again if not.
fn mount_and_prove(node: &Path) -> bool {
    let flags = mounts::NO_PROGRAMS | MsFlags::MS_NOATIME;
    if mount(Some(node), POINT, Some("ext4"), flags, Some(OPTIONS)).is_err() {
        return false;
    }
    let writable = || statvfs(POINT).is_ok_and(|stat| !stat.flags().contains(FsFlags::ST_RDONLY));
    let listed = |folder: &str| fs::read_dir(folder).is_ok_and(|mut entries| entries.all(|entry| entry.is_ok()));
    let proved = writable() && listed(POINT) && folders().is_ok() && listed(GATEWAY_FOLDER) && writable();
    if !proved {
        mounts::unmount(POINT);
    }
    proved
}

fn folders() -> std::io::Result<()> {
    for (folder, owner, mode) in [(GATEWAY_FOLDER, GATEWAY_ID, 0o750), (INIT_FOLDER, 0, 0o700)] {
        if !Path::new(folder).is_dir() {
            fs::create_dir(folder)?;
        }
        std::os::unix::fs::chown(folder, Some(owner), Some(owner))?;
        fs::set_permissions(folder, std::os::unix::fs::PermissionsExt::from_mode(mode))?;
    }
    Ok(())
}

fn in_ram() -> Opened {
    let _ = mount(Some("tmpfs"), POINT, Some("tmpfs"), mounts::NO_PROGRAMS, Some("mode=0755,size=4m,nr_inodes=1k"));
    let _ = folders();
    Opened::Ram
}

/// Whether ext4's superblock says that errors were found and not repaired (`s_state`, bit 1): the image has no fsck,
/// and to go on writing would spread the damage.
fn has_errors(node: &Path) -> bool {
    let start = files::read_bounded(node, 2048).unwrap_or_default();
    let field = |at: usize| {
        start.get(1024 + at..1024 + at + 2).and_then(|bytes| Some(u16::from_le_bytes(bytes.try_into().ok()?)))
    };
    field(0x38) == Some(0xef53) && field(0x3a).is_some_and(|state| state & 2 != 0)
}

/// In a child, since it works on arbitrary bytes; with a deadline, and the watchdog fed meanwhile.
fn recreate(partition: &Partition, mut watchdog: Option<&mut Watchdog>) -> bool {
    // SAFETY: PID 1 has one thread, so the child's memory is consistent and it may do what the parent may.
    let child = match unsafe { fork() } {
        Ok(ForkResult::Child) => {
            let done = recreate_in_child(partition).is_ok();
            // SAFETY: ends the child without running the parent's destructors.
            unsafe { libc::_exit(i32::from(!done)) }
        }
        Ok(ForkResult::Parent { child }) => child,
        Err(_) => return false,
    };
    let deadline = machine::now() + RESCUE_LIMIT;
    while machine::now() < deadline {
        if let Some(done) = ended(child) {
            return done;
        }
        if let Some(watchdog) = watchdog.as_deref_mut() {
            watchdog.feed();
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let _ = nix::sys::signal::kill(child, nix::sys::signal::Signal::SIGKILL);
    false
}

fn ended(child: Pid) -> Option<bool> {
    match waitpid(child, Some(WaitPidFlag::WNOHANG)) {
        Ok(WaitStatus::StillAlive) => None,
        Ok(status) => Some(matches!(status, WaitStatus::Exited(_, 0))),
        Err(nix::errno::Errno::EINTR) => None,
        Err(_) => Some(false),
    }
}

fn recreate_in_child(partition: &Partition) -> mkext4::Result<usize> {
    let mut device = OpenOptions::new().read(true).write(true).open(&partition.node)?;
    let size = device.seek(SeekFrom::End(0))?;
    let text = files::read_text("/proc/sys/kernel/random/uuid", 64)?;
    let mut digits = text.chars().filter_map(|c| c.to_digit(16));
    let uuid = std::array::from_fn(|_| {
        let mut nibble = || digits.next().unwrap_or(0) as u8;
        nibble() << 4 | nibble()
    });
    rescue::recreate(&device, size, uuid, clock::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_flag_is_seen() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut start = vec![0; 2048];
        let mut check = |magic: [u8; 2], state: [u8; 2]| {
            start[1024 + 0x38..1024 + 0x3a].copy_from_slice(&magic);
            start[1024 + 0x3a..1024 + 0x3c].copy_from_slice(&state);
            fs::write(file.path(), &start).unwrap();
            has_errors(file.path())
        };
        assert!(!check([0x53, 0xef], [1, 0]));
        assert!(check([0x53, 0xef], [3, 0]));
        assert!(!check([0, 0], [3, 0]), "no ext4: mounting will say so");
        assert!(!has_errors(Path::new("/nonexistent")));
    }
}
