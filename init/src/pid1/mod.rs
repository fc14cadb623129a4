//! PID 1: the first process of the appliance, single-threaded at rest, and the only one that runs as root.
//!
//! It runs twice. [`stage_one`] is `/init` of the initramfs: it loads the storage drivers, finds the card, counts the
//! start, opens the root file system behind dm-verity and hands over. [`stage_two`] is the same program from that
//! root: it mounts what may change, starts the gateway process and watches over it until the power goes.
//!
//! Rules: no byte from the network is parsed here; a panic here is a kernel panic, so nothing unwraps or indexes;
//! nothing waits without a deadline; slow work (loading modules, writing to the user's partition, reading the whole
//! root) is done by short-lived forked children ([`task`]), so that the loop and the watchdog never wait for a card.
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::unreachable)
)]

mod backoff;
mod block_lists;
mod clock;
mod config_copy;
mod config_partition;
mod console;
mod counter;
mod disk;
mod dm;
mod duties;
mod event_loop;
mod files;
mod handover;
mod health;
mod host_name;
mod loader;
mod machine;
mod memory;
mod mounts;
mod netboot;
mod query;
mod rescue;
mod root_check;
mod selector;
mod shutdown;
mod spawn;
mod stage_one;
mod stage_two;
mod supervisor;
mod switch_root;
mod task;
mod text;
mod uevent;
mod watchdog;

use std::process::ExitCode;

/// Second argument of stage two; stage one, started by the kernel, has none.
const STAGE_TWO: &str = "stage-two";

/// Runs the stage that this call is for. Returns only if nothing is left to do but to let the kernel panic, which
/// restarts the machine (`panic=10` on the command line).
pub fn main() -> ExitCode {
    if std::process::id() != 1 {
        // Not `eprintln!`: that panics when standard error is closed.
        let _ = std::io::Write::write_all(&mut std::io::stderr(), b"init is the first process of the appliance\n");
        return ExitCode::from(2);
    }
    if std::env::args_os().any(|arg| arg == STAGE_TWO) {
        stage_two::run();
    } else {
        stage_one::run();
    }
    ExitCode::FAILURE
}
