//! What every test stands on: a copy of the image with a configuration, a lab, a running guest.

use anyhow::{Context, Result, ensure};
use qemu::artifacts::Artifacts;
use qemu::lab::{Client, Lab, Lease, Program};
use qemu::{Card, Machine, Vm, VmConfig};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tempfile::TempDir;

/// From power on to a lease, on a busy host; ordinary is a tenth of it.
pub const BOOT: Duration = Duration::from_secs(150);

/// Anything that a running gateway does for a client.
pub const SOON: Duration = Duration::from_secs(30);

/// The set-up of the tests: the reserved host is the lab's second client.
pub const CONFIG: &str = r#"
hostname = "rpi1"
domain = "mydomain.net"

[uplink]
interface = "eth1"

[lan]
interface = "eth0"
address = "10.0.0.1/24"

[dhcp]
pool = "10.0.0.10-10.0.0.128"
lease = "12h"

[[host]]
name = "rpi2"
mac = "02:67:70:00:00:02"
address = "10.0.0.2"
"#;

/// One guest at a time.
static TURN: Mutex<()> = Mutex::new(());

/// What a test wants different.
pub struct Plan {
    pub machine: Machine,
    pub memory_mib: u32,
    pub config: String,
    pub append: String,
    /// Changes to the card before the first start.
    pub change: fn(&Card) -> Result<()>,
}

impl Plan {
    pub fn new(machine: Machine) -> Self {
        Self { machine, memory_mib: 256, config: CONFIG.into(), append: String::new(), change: |_| Ok(()) }
    }
}

/// A guest in its lab. The order is that of dropping.
pub struct Bed {
    pub vm: Vm,
    pub lab: Lab,
    pub folder: TempDir,
}

/// Runs one test; its folder is kept if it fails.
pub fn test(name: &str, plan: Plan, body: impl FnOnce(&mut Bed) -> Result<()>) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let artifacts = Artifacts::new(name).expect("a folder for what happens");
    match Bed::new(&artifacts, plan).and_then(|mut bed| body(&mut bed)) {
        Ok(()) => artifacts.passed(),
        Err(error) => {
            drop(artifacts);
            panic!("{error:#}");
        }
    }
}

/// The image under test. That it is missing is a failure: a test that was not run shows nothing.
pub fn image() -> Result<Card> {
    let path = std::env::var_os("GATEPOST_IMAGE").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/image/gatepost.img")),
        PathBuf::from,
    );
    ensure!(path.exists(), "there is no image at {}; build it with: cargo xtask image", path.display());
    Card::open(path)
}

impl Bed {
    fn new(artifacts: &Artifacts, plan: Plan) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("gatepost-test-").tempdir()?;
        let card = image()?.copy_to(&folder.path().join("card.img"))?;
        card.write_file(1, "gateway.toml", plan.config.as_bytes())?;
        (plan.change)(&card)?;
        let lab = Lab::new(artifacts.folder())?;
        let mut config = VmConfig::new(plan.machine, card, lab.nics(), artifacts.file("console.txt"));
        config.memory_mib = plan.memory_mib;
        config.append = plan.append;
        Ok(Self { vm: Vm::start(config)?, lab, folder })
    }

    /// Plugs a client in and waits for its lease. Its DHCP client runs as long as the third value lives.
    pub fn leased(&mut self, name: &str) -> Result<(Client, Lease, Program)> {
        let client = self.lab.client(name)?;
        let udhcpc = client.start_udhcpc(name)?;
        let lease = self.vm.until(&format!("a lease for {name}"), BOOT, |_| client.lease());
        Ok((client, lease?, udhcpc))
    }

    /// Waits until the gateway leased an address on its uplink and gives it.
    pub fn uplink_address(&mut self) -> Result<std::net::Ipv4Addr> {
        let lab = &self.lab;
        self.vm.until("the gateway's uplink lease", BOOT, |_| Ok(lab.uplink().gateway_address()))
    }

    /// Runs a program on a client until it succeeds with an answer, for things that come up some time after the LAN.
    pub fn eventually(&mut self, client: &Client, words: &[&str]) -> Result<String> {
        let (program, words) = words.split_first().context("a program")?;
        self.vm.until(&format!("{program} {}", words.join(" ")), SOON, |_| {
            let said = client.run(program, words, SOON).unwrap_or_default();
            Ok((!said.trim().is_empty()).then(|| said.trim().to_owned()))
        })
    }
}
