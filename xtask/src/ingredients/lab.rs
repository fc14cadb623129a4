//! What the Wi-Fi lab's helper is made of: an initramfs that a test lays beside the card's own. It holds the emulated radio of
//! the very kernel on the card, and Debian's access point and station. The scripts lie in tests/wifi/lab.

use super::cache::Cache;
use super::deb::{self, Content, Files};
use super::{fetch, kernel_of, modules, wanted};
use crate::lock::{CARD, Lock, Locked, WIFI_LAB};
use crate::tree::Tree;
use anyhow::{Context, Result};
use std::fs;

/// The scripts, relative to the top of the source tree.
const SCRIPTS: &str = "tests/wifi/lab";

/// Where everything lies in the archive, so that nothing of it covers a file of the card's initramfs.
const HOME: &str = "lab";

/// The radios with the ciphers that mac80211 asks the kernel for, and what ties an access point to the uplink.
const MODULES: [&str; 8] = ["virtio_net", "ccm", "gcm", "cmac", "mac80211", "mac80211_hwsim", "bridge", "macvlan"];

/// Programs by their place in their packages.
const PROGRAMS: [&str; 7] = [
    "usr/bin/busybox",
    "usr/sbin/hostapd",
    "usr/sbin/hostapd_cli",
    "usr/sbin/wpa_supplicant",
    "usr/sbin/wpa_cli",
    "usr/sbin/iw",
    "usr/sbin/nft",
];

/// Fetches, verifies and unpacks all of it.
pub fn helper() -> Result<Tree> {
    let cache = Cache::open()?;
    let (card, lab) = (Lock::read(CARD)?, Lock::read(WIFI_LAB)?);
    fetch::all(&cache, CARD, &wanted::read(CARD.list)?, &card, None)?;
    fetch::all(&cache, WIFI_LAB, &wanted::read(WIFI_LAB.list)?, &lab, None)?;

    let mut tree = Tree::new();
    for script in ["init", "agent"] {
        let text = fs::read(format!("{SCRIPTS}/{script}")).with_context(|| format!("reading {SCRIPTS}/{script}"))?;
        tree.program(format!("{HOME}/{script}"), text);
    }
    // Programs look for their loader in /lib.
    tree.symlink(format!("{HOME}/lib"), "usr/lib");
    for locked in &lab.packages {
        place(&mut tree, deb::unpack(&cache.package(&locked.sha256), wanted_file)?);
    }
    for program in PROGRAMS {
        tree.get(&format!("{HOME}/{program}")).with_context(|| format!("no package of the lab holds {program}"))?;
    }
    kernel_parts(&mut tree, &cache, &card)?;
    Ok(tree)
}

fn wanted_file(path: &str) -> bool {
    let library = path.strip_prefix("usr/lib/aarch64-linux-gnu/").is_some_and(|name| !name.contains('/'));
    PROGRAMS.contains(&path) || library || path.starts_with("usr/lib/ld-linux-")
}

fn place(tree: &mut Tree, files: Files) {
    for (path, content) in files {
        let path = format!("{HOME}/{path}");
        match content {
            Content::File(data) => tree.program(path, data),
            Content::Symlink(target) => tree.symlink(path, target),
        };
    }
}

/// The modules, numbered in the order of loading, and the table of channels, which cfg80211 reads as soon as it is loaded.
fn kernel_parts(tree: &mut Tree, cache: &Cache, card: &Lock) -> Result<()> {
    let kernel = deb::unpack(&cache.package(&kernel_of(card)?.sha256), modules::Kernel::keeps)?;
    let modules = modules::Kernel::new(&kernel)?.in_order(&modules::List::read()?, &MODULES)?;
    for (number, (name, data)) in modules.into_iter().enumerate() {
        tree.file(format!("{HOME}/modules/{number:02}-{name}"), data);
    }
    let listed = |locked: &&Locked| locked.listed_as() == "wireless-regdb";
    let regdb = card.packages.iter().find(listed).context("image/packages.lock names no wireless-regdb")?;
    let channels = deb::unpack(&cache.package(&regdb.sha256), |path| path.contains("firmware/regulatory.db"))?;
    for name in ["regulatory.db", "regulatory.db.p7s"] {
        let debian = format!("{name}-debian");
        let data = channels.iter().find_map(|(path, content)| match content {
            Content::File(data) if path.ends_with(&format!("/{debian}")) => Some(data.clone()),
            _ => None,
        });
        tree.file(format!("lib/firmware/{name}"), data.with_context(|| format!("wireless-regdb holds no {debian}"))?);
    }
    Ok(())
}
