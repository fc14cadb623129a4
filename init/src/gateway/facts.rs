//! What only the kernel and PID 1 know, for the status.

use std::fmt::Write;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// PID 1's sentence about the card's two systems, in the run folder.
const SYSTEM: &str = "system.txt";

/// Longest sentence that is shown.
const MAX_SYSTEM: usize = 200;

/// Where the facts are read. The files of `/proc` are opened before Landlock closes that folder.
pub struct Facts {
    gateway: Option<File>,
    init: Option<File>,
    system: PathBuf,
}

impl Facts {
    /// Opens them.
    pub fn open(run_folder: &Path) -> Self {
        let open = |process| File::open(format!("/proc/{process}/statm")).ok();
        Self { gateway: open("self"), init: open("1"), system: run_folder.join(SYSTEM) }
    }

    /// Lines for the status.
    pub fn lines(&self, fast_path: bool) -> String {
        let mut text = String::new();
        if let (Some(gateway), Some(init)) = (resident_kib(self.gateway.as_ref()), resident_kib(self.init.as_ref())) {
            let _ = writeln!(text, "memory   gateway {gateway} KiB, PID 1 {init} KiB resident");
        }
        let forwarding =
            if fast_path { "through the kernel's flowtable" } else { "packet by packet, without a flowtable" };
        let _ = writeln!(text, "packets  forwarded {forwarding}");
        if let Ok(system) = fs::read_to_string(&self.system) {
            let line: String = system.lines().next().unwrap_or_default().chars().take(MAX_SYSTEM).collect();
            let _ = writeln!(text, "system   {line}");
        }
        text
    }
}

/// The second number of `/proc/PID/statm`: resident pages.
fn resident_kib(statm: Option<&File>) -> Option<u64> {
    let mut text = [0; 128];
    let length = statm?.read_at(&mut text, 0).ok()?;
    let pages: u64 = std::str::from_utf8(text.get(..length)?).ok()?.split(' ').nth(1)?.parse().ok()?;
    let page = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).ok()??;
    Some(pages * u64::try_from(page).ok()? / 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_and_system_are_told() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(SYSTEM), "System A runs.\nmore\n").unwrap();
        let text = Facts::open(folder.path()).lines(true);
        assert!(text.contains("memory   gateway ") && text.contains("system   System A runs.\n"), "{text}");
    }
}
