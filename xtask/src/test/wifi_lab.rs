//! Writes the Wi-Fi lab's helper where the tests look for it.

use crate::image::initramfs;
use crate::ingredients::lab;
use crate::progress;
use anyhow::{Context, Result};
use std::fs;

/// The archive, relative to the top of the source tree.
pub const HELPER: &str = "target/wifi-lab/helper.cpio";

/// Builds the helper.
pub fn build() -> Result<()> {
    let tree = lab::helper()?;
    let step = progress::step("Packing the Wi-Fi lab's helper");
    // Not compressed: a guest without hardware acceleration reads it faster so.
    let archive = initramfs::archive(&tree)?;
    fs::create_dir_all("target/wifi-lab")?;
    fs::write(HELPER, &archive).with_context(|| format!("writing {HELPER}"))?;
    step.done(format!("{} MiB", archive.len() >> 20));
    Ok(())
}
