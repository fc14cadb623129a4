//! The guest of `bench nat`: the card's kernel, a helper beside its initramfs, and nobody else.

use crate::image::initramfs;
use crate::ingredients::nat_helper;
use crate::qemu::prepare;
use anyhow::{Context, Result, ensure};
use qemu::lab::{Namespace, Tap};
use qemu::machine::Net;
use qemu::{Machine, Nics, Vm, VmConfig};
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

/// From power on to the agent, on a busy host.
const BOOT: Duration = Duration::from_secs(240);

/// One command of the agent's.
const SOON: Duration = Duration::from_secs(60);

/// The guest executes an instruction in `1 << SHIFT` nanoseconds of its time, whatever the host's clock says.
const SHIFT: u32 = 5;

/// Where [`Clock`] was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// Hundredths of a second since the start.
    now: u64,
    /// How many of them the one processor had nothing to do.
    idle: u64,
}

impl Clock {
    /// Time since `earlier`, in hundredths of a second.
    pub fn centiseconds_since(self, earlier: Clock) -> u64 {
        self.now - earlier.now
    }

    /// Instructions executed since `earlier`, without those of the idle loop.
    pub fn instructions_since(self, earlier: Clock) -> f64 {
        let busy = (self.now - earlier.now).saturating_sub(self.idle - earlier.idle);
        busy as f64 * 1e7 / f64::from(1u32 << SHIFT)
    }
}

/// A running guest between two network namespaces. The order is that of dropping.
pub struct Guest {
    vm: Vm,
    _taps: [Tap; 2],
    /// 10.0.0.2, with the guest as default router.
    pub lan: Namespace,
    /// 192.168.77.1 and 203.0.113.80.
    pub uplink: Namespace,
    folder: TempDir,
}

impl Guest {
    /// Starts it; `files` are laid into the helper.
    pub fn start(image: &Path, files: &[(String, String)]) -> Result<Self> {
        ensure!(nix::unistd::geteuid().is_root(), "network namespaces need root");
        let folder = tempfile::Builder::new().prefix("gatepost-bench-").tempdir()?;
        let card = prepare(image, None, folder.path())?;
        let (lan, uplink) = (Namespace::new("nat-lan")?, Namespace::new("nat-uplink")?);
        let taps = [lan.run(|| Tap::open("lan0"))?, uplink.run(|| Tap::open("up0"))?];
        for (side, words) in [
            (&lan, ["addr add 10.0.0.2/24 dev lan0", "link set lan0 up", "route add default via 10.0.0.1"]),
            (&uplink, ["addr add 192.168.77.1/24 dev up0", "link set up0 up", "addr add 203.0.113.80/32 dev lo"]),
        ] {
            for words in words {
                side.ip(words)?;
            }
        }
        let [a, b] = &taps;
        let nics = Nics { lan: Net::Tap(a.descriptor()), uplink: Net::Tap(b.descriptor()) };
        let mut config = VmConfig::new(Machine::Virt, card, nics, folder.path().join("console.txt"));
        // One processor: its idle time is the only one.
        config.append = "rdinit=/lab/init maxcpus=1".into();
        config.more = vec!["-icount".into(), format!("shift={SHIFT},sleep=on").into()];
        config.overlay = Some(initramfs::archive(&nat_helper::helper(files)?)?);
        let vm = Vm::start(config)?;
        let mut guest = Self { vm, _taps: taps, lan, uplink, folder };
        guest.vm.helper()?.ready(BOOT).with_context(|| guest.told())?;
        Ok(guest)
    }

    /// Runs a shell command.
    pub fn run(&mut self, command: &str) -> Result<String> {
        let ran = self.vm.helper()?.run(command, SOON);
        ran.with_context(|| self.told())
    }

    /// Reads its clock.
    pub fn clock(&mut self) -> Result<Clock> {
        let said = self.run("clock")?;
        // Two numbers with two decimals each.
        let mut numbers = said.split_whitespace().map(|word| word.replace('.', "").parse::<u64>());
        let mut next = || numbers.next().context("two numbers")?.context("a number");
        Ok(Clock { now: next()?, idle: next()? })
    }

    fn told(&self) -> String {
        let _ = &self.folder;
        format!("the console ends with:\n{}", self.vm.console().tail(25))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_are_the_time_that_was_not_idle() {
        let (a, b) = (Clock { now: 1000, idle: 700 }, Clock { now: 1500, idle: 880 });
        // 3.2 seconds of 32 nanoseconds each.
        assert!((b.instructions_since(a) - 1e8).abs() < 1.0);
    }
}
