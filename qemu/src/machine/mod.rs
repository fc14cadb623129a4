//! The machines that QEMU offers, and the exact arguments for each.
//!
//! | machine | stands for | proves | does not prove |
//! |---|---|---|---|
//! | `virt` | a fast board with PCI | the system: links, DHCP, DNS, NAT, storage, watchdog (i6300esb) | any Pi driver |
//! | `raspi3b` | Pi 3B | DTB, SD host, mini UART console, USB, the Pi's reset | Ethernet chip, Wi-Fi |
//! | `raspi4b` | Pi 4B | DTB (patched), SD, PL011 | GENET, PCIe, Wi-Fi |
//!
//! All run with `-no-reboot`: when the guest resets, QEMU exits and [`crate::Vm`] plays the firmware again, as a board would.

mod dtb;

pub use dtb::handover;

use crate::card::Card;
use crate::firmware::Model;
use anyhow::{Context, Result, bail};
use std::ffi::OsString;
use std::fmt;
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;

/// The emulator.
pub const QEMU: &str = "qemu-system-aarch64";

/// A machine of QEMU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Machine {
    /// QEMU's own board, with virtio devices; starts as a Pi 4B would.
    Virt,
    /// Raspberry Pi 3B.
    Raspi3b,
    /// Raspberry Pi 4B, in QEMU 9.0 and later.
    Raspi4b,
}

/// Where one of the guest's network interfaces leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Net {
    /// A tap device, by its file descriptor in this process.
    Tap(RawFd),
    /// QEMU's own NAT with a DHCP and a DNS server; no root needed.
    User {
        /// Nothing leaves the host.
        restrict: bool,
    },
    /// Ethernet frames as datagrams between two Unix sockets; no root needed.
    Datagrams {
        /// QEMU's own socket.
        local: PathBuf,
        /// Where QEMU sends to.
        remote: PathBuf,
    },
}

/// The guest's two wired interfaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nics {
    /// `eth0`, the LAN.
    pub lan: Net,
    /// `eth1`, the uplink.
    pub uplink: Net,
}

impl Nics {
    /// The file descriptors that QEMU must inherit.
    pub fn descriptors(&self) -> impl Iterator<Item = RawFd> + '_ {
        [&self.lan, &self.uplink].into_iter().filter_map(|net| match net {
            Net::Tap(fd) => Some(*fd),
            Net::User { .. } | Net::Datagrams { .. } => None,
        })
    }
}

/// What one start of QEMU needs to know.
#[derive(Clone, Debug)]
pub struct Hardware<'a> {
    /// The card, padded to a power of two.
    pub card: &'a Card,
    /// Guest memory in MiB; the raspi machines have a fixed size and ignore it.
    pub memory_mib: u32,
    /// The interfaces.
    pub nics: &'a Nics,
    /// A watchdog that resets (`virt` only; the Pi models of QEMU reset as soon as theirs is armed).
    pub watchdog: bool,
}

/// The files that the firmware stand-in wrote for QEMU, and its sockets.
#[derive(Clone, Debug)]
pub struct Handover<'a> {
    /// The kernel, as on the card: QEMU unpacks gzip'd arm64 Images itself.
    pub kernel: &'a Path,
    /// The initial RAM file system.
    pub initramfs: Option<&'a Path>,
    /// The device tree; `virt` makes its own.
    pub dtb: &'a Path,
    /// The kernel's command line.
    pub cmdline: &'a str,
    /// Socket where this process waits for the console.
    pub console: &'a Path,
    /// Socket where this process waits for QMP.
    pub qmp: &'a Path,
    /// Socket where this process waits for a helper inside the guest (`virt` only).
    pub helper: Option<&'a Path>,
}

impl Machine {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Virt, Self::Raspi3b, Self::Raspi4b];

    /// The board whose firmware is played.
    #[must_use]
    pub fn model(self) -> Model {
        match self {
            Self::Raspi3b => Model::Pi3B,
            Self::Virt | Self::Raspi4b => Model::Pi4B,
        }
    }

    /// Fails with a plain sentence if the installed QEMU does not have this machine.
    ///
    /// # Errors
    /// QEMU is missing or too old.
    pub fn check(self) -> Result<()> {
        let output = Command::new(QEMU)
            .args(["-M", "help"])
            .output()
            .with_context(|| format!("{QEMU} does not start; on Debian: apt-get install qemu-system-arm"))?;
        let listed = String::from_utf8_lossy(&output.stdout)
            .lines()
            .any(|line| line.split_whitespace().next() == Some(&self.to_string()));
        if !listed {
            bail!("the installed QEMU has no machine {self}: it says {}", version()?);
        }
        Ok(())
    }

    /// The interface's hardware address as the guest sees it. `usb-net` always puts 40 into the first byte.
    #[must_use]
    pub fn mac(self, interface: u8) -> [u8; 6] {
        let first = if self == Self::Virt { 0x52 } else { 0x40 };
        [first, 0x54, 0x00, 0x47, 0x50, interface]
    }

    /// Everything behind the program's name.
    #[must_use]
    pub fn arguments(self, hardware: &Hardware<'_>, handover: &Handover<'_>) -> Vec<OsString> {
        let mut arguments = Arguments::default();
        arguments.words("-nodefaults -nographic -no-reboot");
        match self {
            Self::Virt => self.virt(&mut arguments, hardware),
            Self::Raspi3b | Self::Raspi4b => self.raspi(&mut arguments, hardware, handover),
        }
        arguments.option("-kernel", handover.kernel);
        if let Some(initramfs) = handover.initramfs {
            arguments.option("-initrd", initramfs);
        }
        arguments.option("-append", handover.cmdline);
        arguments.option("-chardev", format!("socket,id=console,path={}", escaped(handover.console)));
        arguments.option("-chardev", format!("socket,id=qmp,path={}", escaped(handover.qmp)));
        arguments.option("-mon", "chardev=qmp,mode=control");
        if let Some(helper) = handover.helper {
            arguments.option("-chardev", format!("socket,id=helper,path={}", escaped(helper)));
            arguments.words("-device virtio-serial-pci,addr=9 -device virtserialport,chardev=helper,name=helper");
        }
        arguments.0
    }

    fn virt(self, arguments: &mut Arguments, hardware: &Hardware<'_>) {
        arguments.words("-M virt,acpi=off -cpu cortex-a53 -smp 2");
        arguments.option("-m", hardware.memory_mib.to_string());
        arguments.option("-drive", format!("if=none,id=card,format=raw,file={}", escaped(hardware.card.path())));
        arguments.option("-device", "virtio-blk-pci,drive=card,addr=1");
        // The kernel names virtio interfaces in the order of their slots.
        for (number, name, net) in hardware.nics.numbered() {
            arguments.option("-netdev", net.argument(name));
            let mac = text(self.mac(number));
            let slot = 2 + number;
            arguments.option("-device", format!("virtio-net-pci,netdev={name},mac={mac},addr={slot},romfile="));
        }
        if hardware.watchdog {
            arguments.option("-device", "i6300esb,addr=8");
            arguments.words("-action watchdog=reset");
        }
        arguments.option("-serial", "chardev:console");
    }

    fn raspi(self, arguments: &mut Arguments, hardware: &Hardware<'_>, handover: &Handover<'_>) {
        // The three parked cores spin, so one host thread for all is several times faster than one each.
        arguments.words("-accel tcg,thread=single");
        arguments.option("-M", self.to_string());
        arguments.option("-dtb", handover.dtb);
        arguments.option("-drive", format!("if=sd,format=raw,file={}", escaped(hardware.card.path())));
        // One hub and fixed ports, because the kernel names USB interfaces in the order in which the hub finds them.
        arguments.words("-usb -device usb-hub,port=1");
        for (number, name, net) in hardware.nics.numbered() {
            arguments.option("-netdev", net.argument(name));
            let mac = text(self.mac(number));
            let port = 1 + number;
            arguments.option("-device", format!("usb-net,netdev={name},mac={mac},port=1.{port}"));
        }
        // The card's console is the mini UART, ttyS1, QEMU's second serial port.
        arguments.words("-serial null -serial chardev:console");
    }
}

impl Nics {
    fn numbered(&self) -> [(u8, &'static str, &Net); 2] {
        [(0, "lan", &self.lan), (1, "uplink", &self.uplink)]
    }
}

impl Net {
    fn argument(&self, id: &str) -> String {
        match self {
            Self::Tap(fd) => format!("tap,id={id},fd={fd}"),
            Self::User { restrict } => {
                let restrict = if *restrict { "on" } else { "off" };
                format!("user,id={id},restrict={restrict},ipv6=off")
            }
            Self::Datagrams { local, remote } => format!(
                "dgram,id={id},local.type=unix,local.path={},remote.type=unix,remote.path={}",
                escaped(local),
                escaped(remote)
            ),
        }
    }
}

/// The first line of `qemu --version`.
///
/// # Errors
/// QEMU is not installed.
pub fn version() -> Result<String> {
    let output = Command::new(QEMU).arg("--version").output().with_context(|| format!("{QEMU} does not start"))?;
    Ok(String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_owned())
}

/// A path inside one of QEMU's comma-separated options.
fn escaped(path: &Path) -> String {
    path.to_string_lossy().replace(',', ",,")
}

fn text(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

#[derive(Default)]
struct Arguments(Vec<OsString>);

impl Arguments {
    fn words(&mut self, words: &str) {
        self.0.extend(words.split(' ').map(OsString::from));
    }

    fn option(&mut self, name: &str, value: impl Into<OsString>) {
        self.0.push(name.into());
        self.0.push(value.into());
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Virt => "virt",
            Self::Raspi3b => "raspi3b",
            Self::Raspi4b => "raspi4b",
        })
    }
}

impl FromStr for Machine {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|machine| machine.to_string() == text)
            .with_context(|| format!("there is no machine {text}; choose virt, raspi3b or raspi4b"))
    }
}

#[cfg(test)]
mod tests;
