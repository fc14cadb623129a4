//! The air of a guest with the Wi-Fi lab's helper (tests/wifi/lab): access points, somebody else's station, and an attacker.
//! Every function speaks to the helper over [`crate::Vm::helper`]; its programs are Debian's.

mod access_point;
mod forger;
mod stranger;

pub use access_point::{Air, Security};
pub use forger::Forger;
pub use stranger::{Known, Stranger};

use crate::vm::Vm;
use anyhow::{Context, Result};
use std::time::Duration;

/// What the kernel appends to start the helper first.
pub const APPEND: &str = "rdinit=/lab/init";

/// Memory of such a guest, MiB: the helper with its libraries lies beside the card's own system.
pub const MEMORY_MIB: u32 = 384;

/// From power on until the helper listens, on a busy host.
const BOOT: Duration = Duration::from_secs(180);

/// Anything that the helper does.
const SOON: Duration = Duration::from_secs(60);

/// Runs a shell command on the access points' side of the guest.
///
/// # Errors
/// It fails or takes longer than a minute.
pub fn run(vm: &mut Vm, command: &str) -> Result<String> {
    vm.helper()?.ready(BOOT)?;
    let said = vm.helper()?.run(command, SOON);
    said.with_context(|| format!("the console ends with:\n{}", vm.console().tail(25)))
}

/// Writes a file of the helper's.
fn write(vm: &mut Vm, path: &str, contents: &[u8]) -> Result<()> {
    let byte = |byte: &u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b' ' | b'=' | b'.' | b'-' | b'_' | b'"' => {
            char::from(*byte).to_string()
        }
        // As busybox's printf reads it: \0 and three octal digits.
        other => format!("\\0{other:03o}"),
    };
    let text: String = contents.iter().map(byte).collect();
    run(vm, &format!("printf '%b' '{text}' >{path}")).map(drop)
}
