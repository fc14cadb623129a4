//! Everything that goes onto the card, gathered and checked, before anything is assembled: Debian's packages, the
//! kernel and its modules, the boards' firmware, and our own binary.

mod apt;
mod cache;
mod closure;
mod copyright;
mod deb;
mod deb822;
mod debian_toolchain;
mod elf;
mod fetch;
mod firmware;
mod kernel;
pub mod lab;
mod modinfo;
mod modules;
pub mod nat_helper;
mod sources;
mod toolchain;
mod userland;
mod wanted;

pub use apt::Record;

use crate::lock::{CARD, Lock, Locked, Pair};
use crate::progress;
use crate::tree::Tree;
use anyhow::{Context, Result};
use cache::Cache;
use deb::{Content, Files};
use modules::Place;
use std::sync::Arc;

/// Where packages come from.
pub struct Options {
    /// A Debian mirror to use instead of the host's own.
    pub mirror: Option<String>,
}

/// The parts of a card.
pub struct Ingredients {
    /// The kernel's release, such as `6.12.107+deb13-arm64`.
    pub kernel_release: String,
    /// The kernel as a raw arm64 `Image`.
    pub kernel: Arc<[u8]>,
    /// The Raspberry Pi boards' device trees, by plain file name.
    pub device_trees: Tree,
    /// The Pi's own boot firmware (start4.elf, fixup4.dat, bootcode.bin, …), by plain file name.
    pub boot_firmware: Tree,
    /// `lib/modules/…` with its modules.index, for the initramfs.
    pub initramfs_modules: Tree,
    /// `lib/modules/…` with its modules.index, for the root file system.
    pub root_modules: Tree,
    /// `lib/firmware/…` for the root file system.
    pub root_firmware: Tree,
    /// The static arm64 binary.
    pub binary: Arc<[u8]>,
    /// The compiler and the C library that made the binary, with their versions, for the manifest.
    pub toolchain: String,
    /// What was taken from where, for the manifest.
    pub packages: Vec<Package>,
}

/// One Debian package that the card contains parts of.
pub struct Package {
    /// Binary package name.
    pub name: String,
    /// Debian version.
    pub version: String,
    /// SHA-256 of the .deb, in hexadecimal.
    pub sha256: String,
    /// Licences, as its copyright file names them.
    pub licences: Vec<String>,
    /// Of the .deb, in bytes.
    pub size: u64,
}

/// Fetches, verifies, unpacks and builds everything. Works offline when the cache holds what the lock names.
pub fn gather(options: &Options) -> Result<Ingredients> {
    let cache = Cache::open()?;
    let (list, lock) = (wanted::read(CARD.list)?, Lock::read(CARD)?);
    fetch::all(&cache, CARD, &list, &lock, options.mirror.as_deref())?;

    let kernel = kernel_of(&lock)?;
    let release = kernel::release(&kernel.name)?.to_owned();
    let firmware = firmware::List::read(&release)?;
    let unpacked = unpack(&cache, &lock, &firmware)?;
    let files = |listed: &str| unpacked.iter().find(|(locked, _)| locked.listed_as() == listed).map(|(_, files)| files);
    let kernel_files = files(kernel.listed_as()).context("the kernel was not unpacked")?;

    let step = progress::step("Choosing kernel modules and firmware");
    let modules = modules::List::read()?;
    let all = modules::Kernel::new(kernel_files)?;
    let mut initramfs_modules = all.tree(&modules, Place::Initramfs)?;
    initramfs_modules.overlay(all.tree(&modules, Place::Ahead)?);
    let root_modules = all.tree(&modules, Place::Root)?;
    let trees = firmware.lay_out(files)?;
    let count = |tree: &Tree| tree.iter().filter(|(path, _)| path.ends_with(".ko")).count();
    step.done(format!("{} for the initramfs, {} for the root", count(&initramfs_modules), count(&root_modules)));

    let toolchain = toolchain::find(&cache, options.mirror.as_deref())?;
    let binary = userland::build(&toolchain)?.into();
    Ok(Ingredients {
        kernel: kernel::image(kernel_files, &release)?.into(),
        kernel_release: release,
        device_trees: trees.device_trees,
        boot_firmware: trees.boot,
        initramfs_modules,
        root_modules,
        root_firmware: trees.root,
        binary,
        toolchain: toolchain.description,
        packages: packages(&list, &unpacked)?,
    })
}

fn kernel_of(lock: &Lock) -> Result<&Locked> {
    let kernel = lock.packages.iter().find(|locked| locked.name.starts_with("linux-image-"));
    kernel.context("image/packages.lock names no kernel: run `cargo xtask lock`")
}

/// The newest packages that the mirror has, for a new lock.
pub fn newest(options: &Options, pair: Pair) -> Result<Lock> {
    let cache = Cache::open()?;
    let _guard = cache.lock()?;
    let list = wanted::read(pair.list)?;
    let apt = fetch::target_apt(&cache, pair, &list, &sources::Mirror::find(options.mirror.as_deref())?)?;
    apt.update()?;
    let packages = list
        .iter()
        .map(|wanted| Ok(Locked::new(&wanted.name, wanted::newest(&apt, wanted)?)))
        .collect::<Result<_>>()?;
    Ok(Lock { toolchain: userland::host_compiler(), packages })
}

/// Unpacks what is needed of each package.
fn unpack<'a>(cache: &Cache, lock: &'a Lock, firmware: &firmware::List) -> Result<Vec<(&'a Locked, Files)>> {
    let step = progress::step("Unpacking");
    let mut unpacked = Vec::new();
    for locked in &lock.packages {
        let keep = |path: &str| {
            path == copyright_of(locked)
                || firmware.keeps(locked.listed_as(), path)
                || kernel::keeps(path)
                || modules::Kernel::keeps(path)
        };
        unpacked.push((locked, deb::unpack(&cache.package(&locked.sha256), keep)?));
    }
    step.done(format!("{} packages", unpacked.len()));
    Ok(unpacked)
}

fn copyright_of(locked: &Locked) -> String {
    format!("usr/share/doc/{}/copyright", locked.name)
}

/// The manifest's lines about the packages.
fn packages(list: &[wanted::Wanted], unpacked: &[(&Locked, Files)]) -> Result<Vec<Package>> {
    let package = |(locked, files): &(&Locked, Files)| {
        let Some(Content::File(text)) = files.get(&copyright_of(locked)) else {
            anyhow::bail!("the package {} has no copyright file", locked.name);
        };
        let wanted = list.iter().find(|wanted| wanted.name == locked.listed_as());
        let patterns = wanted.map(|wanted| wanted.copyright.as_slice()).unwrap_or_default();
        Ok(Package {
            name: locked.name.clone(),
            version: locked.version.clone(),
            sha256: locked.sha256.clone(),
            licences: copyright::licences(&String::from_utf8_lossy(text), patterns),
            size: locked.size,
        })
    };
    unpacked.iter().map(package).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Node;

    /// Everything, from the mirror or the cache. Slow and not for every day: `cargo test -p xtask gathers -- --ignored`.
    #[test]
    #[ignore = "fetches packages and builds the binary"]
    fn gathers() {
        std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).unwrap();
        let started = std::time::Instant::now();
        let all = gather(&Options { mirror: None }).unwrap();
        let size = |tree: &Tree| -> (usize, usize) {
            tree.iter().fold((0, 0), |(count, bytes), (_, node)| match node {
                Node::File { data, .. } => (count + 1, bytes + data.len()),
                _ => (count + 1, bytes),
            })
        };
        println!("{} in {:.1} s with {}", all.kernel_release, started.elapsed().as_secs_f32(), all.toolchain);
        println!("kernel {} binary {}", all.kernel.len(), all.binary.len());
        for (name, tree) in [
            ("device trees", &all.device_trees),
            ("boot firmware", &all.boot_firmware),
            ("initramfs modules", &all.initramfs_modules),
            ("root modules", &all.root_modules),
            ("root firmware", &all.root_firmware),
        ] {
            println!("{name}: {:?}", size(tree));
        }
        for package in &all.packages {
            println!("{} {} {:?}", package.name, package.version, package.licences);
        }
        for tree in [&all.initramfs_modules, &all.root_modules] {
            let Some(Node::File { data, .. }) = tree.get("lib/modules/modules.index") else { panic!("no index") };
            println!("{}", String::from_utf8_lossy(data));
        }
    }
}
