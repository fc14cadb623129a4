//! From the initramfs to the real root: moves the kernel's file systems over, frees the initramfs's memory, and makes
//! the new root the root of this process and of the kernel's threads, which share it.

use super::mounts;
use anyhow::Context;
use nix::mount::{MsFlags, mount};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Makes `new_root` the root. There is no way back: the initramfs is empty afterwards.
///
/// # Errors
/// Those of moving and changing; some file systems may have moved already.
pub fn to(new_root: &str) -> anyhow::Result<()> {
    for part in mounts::KERNEL.iter().map(|mount| mount.target) {
        mount(Some(part), format!("{new_root}{part}").as_str(), None::<&str>, MsFlags::MS_MOVE, None::<&str>)
            .with_context(|| format!("{part} cannot be moved to the new root"))?;
    }
    free_initramfs();
    std::env::set_current_dir(new_root)?;
    mount(Some("."), "/", None::<&str>, MsFlags::MS_MOVE, None::<&str>).context("the root cannot be moved")?;
    nix::unistd::chroot(".")?;
    std::env::set_current_dir("/")?;
    Ok(())
}

/// Removes everything that lies in the initramfs itself, and nothing of what is mounted on it.
fn free_initramfs() {
    let Ok(root) = fs::metadata("/") else { return };
    for entry in fs::read_dir("/").into_iter().flatten().flatten() {
        let path = entry.path();
        if fs::symlink_metadata(&path).is_ok_and(|meta| meta.dev() == root.dev()) {
            remove(&path, root.dev());
        }
    }
}

fn remove(path: &Path, device: u64) {
    let Ok(meta) = fs::symlink_metadata(path) else { return };
    if meta.dev() != device {
        return;
    }
    if !meta.is_dir() {
        let _ = fs::remove_file(path);
        return;
    }
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        remove(&entry.path(), device);
    }
    let _ = fs::remove_dir(path);
}
