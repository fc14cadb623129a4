//! What every test stands on: the image with a configuration, a lab, a running guest with its helper.

use anyhow::{Result, ensure};
use qemu::artifacts::Artifacts;
use qemu::lab::{Client, Lab, Lease, Program};
use qemu::{Card, Machine, Vm, VmConfig, wifi};
use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tempfile::TempDir;
use tests::transfer::Transfer;

/// From power on to a lease, on a busy host.
pub const BOOT: Duration = Duration::from_secs(180);

/// Anything that a running guest does.
pub const SOON: Duration = Duration::from_secs(60);

/// Bytes that a transfer must move to be one: half a second's worth.
pub const ENOUGH: u64 = 50_000;

/// One guest at a time.
static TURN: Mutex<()> = Mutex::new(());

/// A guest in its lab. The order is that of dropping.
pub struct Bed {
    pub vm: Vm,
    pub lab: Lab,
    /// Holds the card.
    _folder: TempDir,
}

/// Runs one test; its folder is kept if it fails.
pub fn test(name: &str, config: &str, body: impl FnOnce(&mut Bed) -> Result<()>) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let artifacts = Artifacts::new(name).expect("a folder for what happens");
    match Bed::new(&artifacts, config).and_then(|mut bed| body(&mut bed)) {
        Ok(()) => artifacts.passed(),
        Err(error) => {
            drop(artifacts);
            panic!("{error:#}");
        }
    }
}

impl Bed {
    fn new(artifacts: &Artifacts, config: &str) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("gatepost-test-").tempdir()?;
        let image = built("GATEPOST_IMAGE", "image/gatepost.img", "cargo xtask image")?;
        let card = Card::open(image)?.copy_to(&folder.path().join("card.img"))?;
        card.write_file(1, "gateway.toml", config.as_bytes())?;
        let lab = Lab::new(artifacts.folder())?;
        let mut config = VmConfig::new(Machine::Virt, card, lab.nics(), artifacts.file("console.txt"));
        config.memory_mib = wifi::MEMORY_MIB;
        config.append = wifi::APPEND.into();
        config.overlay =
            Some(fs::read(built("GATEPOST_WIFI_HELPER", "wifi-lab/helper.cpio", "cargo xtask test wifi")?)?);
        Ok(Self { vm: Vm::start(config)?, lab, _folder: folder })
    }

    /// Pulls the plug, edits the configuration as a laptop would, and starts again. The access points are gone afterwards.
    pub fn edited(&mut self, config: &str) -> Result<()> {
        self.vm.power_cut();
        self.vm.card().write_file(1, "gateway.toml", config.as_bytes())?;
        self.lab.drain();
        self.vm.power_on()
    }

    /// What the console answers to a key, from a word on to the answer's end.
    pub fn asked(&mut self, key: u8, word: &str) -> Result<String> {
        let mark = self.vm.console().mark();
        self.vm.console().send(&[key])?;
        let from = self.vm.wait_for(word, mark, SOON)?;
        let until = self.vm.wait_for("\n", from, SOON)?;
        let text = self.vm.console().bytes(from - word.len());
        Ok(String::from_utf8_lossy(text.get(..until - (from - word.len())).unwrap_or(&text)).into_owned())
    }

    /// Plugs a client in and waits for its lease. Its DHCP client runs as long as the third value lives.
    pub fn leased(&mut self, name: &str) -> Result<(Client, Lease, Program)> {
        let client = self.lab.client(name)?;
        let udhcpc = client.start_udhcpc(name)?;
        let lease = self.vm.until(&format!("a lease for {name}"), BOOT, |_| client.lease());
        Ok((client, lease?, udhcpc))
    }

    /// Waits until a transfer that a client begins now crosses the gateway, and gives it.
    pub fn crosses(&mut self, client: &Client) -> Result<Transfer> {
        let transfer = self.vm.until("a way to the internet", SOON, |_| Ok(Transfer::start(client, SOON).ok()))?;
        self.vm.until("a transfer under way", SOON, |_| transfer.moved(ENOUGH))?;
        Ok(transfer)
    }
}

/// What the build left, or where a variable says it lies. That it is missing is a failure: a test that was not run shows nothing.
fn built(variable: &str, path: &str, cure: &str) -> Result<PathBuf> {
    let usual = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target")).join(path);
    let path = std::env::var_os(variable).map_or(usual, PathBuf::from);
    ensure!(path.exists(), "{} is not there; make it with: {cure}", path.display());
    Ok(path)
}
