//! Kernel parameters under `/proc/sys`.

use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

const FORWARDING: &str = "net/ipv4/ip_forward";

/// The values of those parameters that exist and can be written. In a network namespace some can't.
pub fn read_all<'a>(paths: impl Iterator<Item = &'a String>) -> BTreeMap<String, String> {
    paths.filter_map(|path| Some((path.clone(), read(path)?))).collect()
}

fn read(path: &str) -> Option<String> {
    let file = locate(path).ok()?;
    let writable = fs::metadata(&file).ok()?.permissions().mode() & 0o222 != 0;
    writable.then(|| fs::read_to_string(&file).ok())?.map(|value| value.trim_end().to_string())
}

/// A number that the kernel tells but does not take.
pub fn number(path: &str) -> Option<u64> {
    fs::read_to_string(locate(path).ok()?).ok()?.trim_end().parse().ok()
}

/// Whether packets are passed from one interface to another.
pub fn forwarding() -> bool {
    read(FORWARDING).is_some_and(|value| value != "0")
}

/// Sets whether packets are passed from one interface to another.
pub fn set_forwarding(on: bool) -> Result<()> {
    write(FORWARDING, if on { "1" } else { "0" })
}

/// Writes a parameter.
pub fn write(path: &str, value: &str) -> Result<()> {
    let file = locate(path)?;
    fs::write(&file, value).with_context(|| format!("write {}", file.display()))
}

/// An interface name is part of some paths; one like `..` must not lead elsewhere.
fn locate(path: &str) -> Result<PathBuf> {
    let plain = path.split('/').all(|part| !matches!(part, "" | "." | ".."));
    ensure!(plain, "{path} is not a kernel parameter");
    Ok(Path::new("/proc/sys").join(path))
}

/// The machine's memory in bytes, 0 if unknown.
pub fn memory_bytes() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib = text.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB"));
    kib.and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0).saturating_mul(1024)
}
