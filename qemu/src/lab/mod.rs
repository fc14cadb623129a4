//! The network lab: a LAN and an uplink for one guest, each in network namespaces of their own.
//!
//! ```text
//!  gp-<pid>-<n>-alice   eth0 ─┐                               gp-<pid>-<n>-uplink
//!  gp-<pid>-<n>-bob     eth0 ─┤ veth                          up0 192.168.77.1: dnsmasq
//!                             br0 in gp-<pid>-<n>-lan         lo  203.0.113.80: web server
//!                             tap lan0 ── eth0 QEMU eth1 ── tap up0
//! ```
//!
//! No namespace has a way to the host's network, so no packet of a test leaves it. Everything goes away when the lab is
//! dropped; what a killed run left behind is swept by the next one. Both sides are recorded by tcpdump.

mod client;
mod namespace;
mod program;
mod tap;
pub mod uplink;
mod web;

pub use client::{Client, Lease};
pub use namespace::Namespace;
pub use program::{Program, finish, run};
pub use tap::Tap;
pub use uplink::{House, Uplink};
pub use web::{PAGE, Web};

use crate::machine::{Net, Nics};
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// How long tcpdump may take to listen.
const START: Duration = Duration::from_secs(20);

/// Labs that this process made, so that each has names of its own.
static LABS: AtomicU32 = AtomicU32::new(0);

/// A LAN and an uplink.
#[derive(Debug)]
pub struct Lab {
    // The order is that of dropping: programs before the devices and namespaces that they use.
    captures: Vec<Program>,
    uplink: Uplink,
    taps: [Tap; 2],
    lan: Namespace,
    folder: PathBuf,
    number: u32,
    clients: u8,
}

impl Lab {
    /// Builds the lab; logs and packet captures go into `folder`.
    ///
    /// # Errors
    /// The caller is not root, or a program (ip, dnsmasq, tcpdump) is missing.
    pub fn new(folder: &Path) -> Result<Self> {
        ensure!(nix::unistd::geteuid().is_root(), "the network lab needs root, because it makes network namespaces");
        namespace::sweep();
        let number = LABS.fetch_add(1, Ordering::Relaxed);
        let lan = Namespace::new(&format!("{number}-lan"))?;
        let lan_tap = lan.run(|| Tap::open("lan0"))?;
        // No spanning tree: a new port forwards at once.
        lan.ip("link add br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0")?;
        lan.ip("link set lan0 master br0 up")?;
        lan.ip("link set br0 up")?;
        let outside = Namespace::new(&format!("{number}-uplink"))?;
        let uplink_tap = outside.run(|| Tap::open("up0"))?;
        let uplink = Uplink::start(&outside, folder)?;
        let captures = vec![capture(&lan, "br0", folder, "lan")?, capture(&outside, "up0", folder, "uplink")?];
        let taps = [lan_tap, uplink_tap];
        Ok(Self { captures, uplink, taps, lan, folder: folder.to_owned(), number, clients: 0 })
    }

    /// How QEMU is connected.
    #[must_use]
    pub fn nics(&self) -> Nics {
        let [lan, uplink] = &self.taps;
        Nics { lan: Net::Tap(lan.descriptor()), uplink: Net::Tap(uplink.descriptor()) }
    }

    /// Plugs a client into the LAN.
    ///
    /// # Errors
    /// The name is taken or too long (9 bytes).
    pub fn client(&mut self, name: &str) -> Result<Client> {
        self.clients = self.clients.checked_add(1).context("too many clients")?;
        let namespace = Namespace::new(&format!("{}-{name}", self.number))?;
        let mac = [0x02, 0x67, 0x70, 0, 0, self.clients];
        let address = mac.map(|byte| format!("{byte:02x}")).join(":");
        let peer = namespace.name();
        self.lan.ip(&format!("link add c-{name} type veth peer name eth0 address {address} netns {peer}"))?;
        self.lan.ip(&format!("link set c-{name} master br0 up"))?;
        namespace.ip("link set eth0 up")?;
        Client::new(namespace, mac, self.folder.join(name))
    }

    /// The side of the internet.
    #[must_use]
    pub fn uplink(&self) -> &Uplink {
        &self.uplink
    }

    /// The side of the internet, to change it.
    pub fn uplink_mut(&mut self) -> &mut Uplink {
        &mut self.uplink
    }

    /// The LAN's switch.
    #[must_use]
    pub fn lan(&self) -> &Namespace {
        &self.lan
    }

    /// Throws away what was sent to a guest that was off.
    pub fn drain(&self) {
        self.taps.iter().for_each(Tap::drain);
    }

    /// Programs that record packets: one for each side.
    #[must_use]
    pub fn captures(&self) -> usize {
        self.captures.len()
    }
}

fn capture(namespace: &Namespace, interface: &str, folder: &Path, side: &str) -> Result<Program> {
    let mut command = namespace.command("tcpdump");
    command.args(["-i", interface, "-U", "-n", "-Z", "root", "-w"]).arg(folder.join(format!("{side}.pcap")));
    let mut program = Program::start(command, &folder.join(format!("{side}-tcpdump.log")))?;
    program.wait_for("listening on", START)?;
    Ok(program)
}

#[cfg(test)]
mod tests;
