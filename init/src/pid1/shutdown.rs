//! The orderly end: the gateway first, then the time, then the file systems.

use super::event_loop::System;
use super::machine::{self, End};
use super::{clock, config_partition, mounts, selector};
use gatepost_core::time::Duration;
use nix::mount::{MsFlags, mount};
use nix::sys::signal::Signal;

/// How long the gateway may take to put its things away.
const GATEWAY_LIMIT: Duration = Duration::from_secs(3);

/// Brings everything to rest. The watchdog stays armed for a restart, in case that hangs; for power-off it is disarmed,
/// or it would start the machine again.
pub fn run(system: &mut System, end: End) {
    system.say(match end {
        End::Restart => "Restarting.",
        End::PowerOff => "Shutting down.",
    });
    system.stop_gateway(Signal::SIGTERM, machine::now() + GATEWAY_LIMIT);
    system.stop_gateway(Signal::SIGKILL, machine::now() + Duration::from_secs(1));
    system.tasks.kill_all();
    let _ = clock::save();
    nix::unistd::sync();
    mounts::unmount(selector::POINT);
    // Read-only first: also good if something keeps it from being unmounted.
    let read_only = MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
    let _ = mount(None::<&str>, config_partition::POINT, None::<&str>, read_only, None::<&str>);
    mounts::unmount(config_partition::POINT);
    if let Some(mut watchdog) = system.watchdog.take() {
        match end {
            End::Restart => {
                watchdog.feed();
                // Closing it without the magic letter would make the kernel complain on the screen.
                let _ = watchdog.hand_over();
            }
            End::PowerOff => watchdog.disarm(),
        }
    }
    system.consoles.drain(std::time::Duration::from_secs(2));
}
