//! From ingredients to an image, step by step.

use super::boot::{self, SlotParts};
use super::cache::{Cache, Recipe};
use super::card::Card;
use super::layout::{Content, Layout, Slot};
use super::manifest::Manifest;
use super::output::Access;
use super::verity::{self, Verity};
use super::{ext4, fat, initramfs, kernel, paths, squashfs, step};
use crate::ingredients::Ingredients;
use crate::tree::{Node, Tree};
use anyhow::{Context, ensure};
use gatepost_core::card;
use sha2::{Digest, Sha256};
use std::path::Path;
use std::sync::Arc;

/// Mount points of the read-only root, where PID 1 hangs what lives elsewhere.
const MOUNT_POINTS: [&str; 7] = ["proc", "sys", "dev", "run", "tmp", "config", "boot"];

/// What a card is made from.
pub struct Parts<'a> {
    /// Kernel, modules, firmware, binary.
    pub ingredients: &'a Ingredients,
    /// The partitions.
    pub layout: &'a Layout,
    /// The folder `overlays/`.
    pub overlays: &'a Path,
    /// The user's configuration, checked; the starter if absent.
    pub config: Option<&'a [u8]>,
    /// The version of the build.
    pub version: &'a str,
    /// Where slow results are kept.
    pub cache: &'a Cache,
    /// Who may read the image.
    pub access: Access,
}

/// What is known about a finished image.
pub struct Built {
    /// Bytes used of each partition.
    pub used: Vec<(Content, u64)>,
    /// The manifest.
    pub manifest: Manifest,
}

/// Builds the image.
pub fn build(parts: &Parts<'_>, image: &Path) -> anyhow::Result<Built> {
    let Parts { ingredients, layout, .. } = *parts;
    let identity = &layout.identity;
    refuse_config_overlay(&parts.overlays.join("config"))?;

    kernel::check(&ingredients.kernel)?;
    let kernel = pack_kernel(parts)?;
    let initramfs_tree = initramfs_tree(ingredients);
    let initramfs = pack_initramfs(parts, &initramfs_tree)?;
    let root_tree = root_tree(parts)?;
    let (root, verity) = pack_root(parts, &root_tree)?;

    let card = Card::create(image, layout, parts.access)?;
    let mut used = Vec::new();
    let mut manifest = Manifest::new(ingredients, layout, &verity, parts.version);

    let overlay = paths::load(&parts.overlays.join("boot/selector"))?;
    let selector = boot::selector(&overlay, &ingredients.boot_firmware, &layout.selector_firmware, parts.config)?;
    write_fat(&card, layout, Content::Selector, &selector, &mut used)?;
    manifest.add("selector", &selector);

    let slot_parts = SlotParts {
        overlay: &paths::load(&parts.overlays.join("boot/slot"))?,
        firmware: &ingredients.boot_firmware,
        selector_firmware: &layout.selector_firmware,
        device_trees: &ingredients.device_trees,
        kernel: &kernel,
        initramfs: &initramfs,
    };
    for slot in Slot::ALL {
        let content = Content::Boot(slot);
        let tree = boot::slot(&slot_parts, slot, identity.disk_signature(), &verity)?;
        write_fat(&card, layout, content, &tree, &mut used)?;
        manifest.add(content.name(), &tree);
    }
    manifest.add("initramfs", &initramfs_tree);
    manifest.add("root", &root_tree);

    for slot in Slot::ALL {
        let partition = layout.partition(Content::Root(slot));
        let (size, room) = (root.len() as u64, partition.size());
        ensure!(
            size <= room,
            "{}: the root file system needs {size} bytes, but there is room for {room}",
            partition.content
        );
        card.write(partition.range.start, &root)?;
        used.push((partition.content, size));
    }
    let config = layout.partition(Content::Config);
    card.write(config.range.start, &ext4::make(config, identity.config_uuid(), layout.epoch)?)?;
    used.push((Content::Config, 0));
    card.finish()?;
    Ok(Built { used, manifest })
}

/// The kernel, gzip'd: the slowest step, and the one that changes least.
fn pack_kernel(parts: &Parts<'_>) -> anyhow::Result<Node> {
    let kernel = &parts.ingredients.kernel;
    step("Packing the kernel (gzip)", || {
        let recipe = Recipe { kind: "kernel-gz", settings: "gzip 1, level 9", input: Sha256::digest(kernel).into() };
        let made = parts.cache.get(&recipe, || kernel::compress(kernel))?;
        Ok((file(&made.bytes), made.words()))
    })
}

fn initramfs_tree(ingredients: &Ingredients) -> Tree {
    let mut tree = ingredients.initramfs_modules.clone();
    tree.program("init", ingredients.binary.clone());
    tree
}

fn pack_initramfs(parts: &Parts<'_>, tree: &Tree) -> anyhow::Result<Node> {
    step("Packing the first stage (cpio, zstd)", || {
        let archive = initramfs::archive(tree)?;
        let recipe = Recipe { kind: "initramfs", settings: "zstd 1, level 19", input: Sha256::digest(&archive).into() };
        let made = parts.cache.get(&recipe, || initramfs::compress(&archive))?;
        Ok((file(&made.bytes), made.words()))
    })
}

/// The read-only root.
fn root_tree(parts: &Parts<'_>) -> anyhow::Result<Tree> {
    let Parts { ingredients, layout, .. } = *parts;
    let mut tree = ingredients.root_modules.clone();
    tree.overlay(ingredients.root_firmware.clone());
    tree.program(inside(card::PROGRAM), ingredients.binary.clone());
    let release = format!("version={}\nbuilt={}\n", parts.version, layout.epoch);
    tree.file(inside(card::RELEASE_FILE), release.into_bytes());
    for path in MOUNT_POINTS {
        tree.directory(path);
    }
    tree.overlay(paths::load(&parts.overlays.join("root"))?);
    Ok(tree)
}

/// Squashfs and hash tree, as they lie on the partition.
fn pack_root(parts: &Parts<'_>, tree: &Tree) -> anyhow::Result<(Vec<u8>, Verity)> {
    let Layout { squashfs: how, epoch, identity, .. } = parts.layout;
    let mut root = step("Packing the root file system (squashfs)", || {
        // The archive of a tree says all that the file system says: names, modes, contents.
        let input = Sha256::digest(initramfs::archive(tree)?).into();
        let settings = format!("squashfs 1, {} KiB, level {}, time {epoch}", how.block_kib, how.zstd_level);
        let recipe = Recipe { kind: "root", settings: &settings, input };
        let made = parts.cache.get(&recipe, || squashfs::make(tree, *how, *epoch))?;
        let words = made.words();
        Ok((made.bytes, words))
    })?;
    let verity = verity::append(&mut root, identity.verity_salt(), identity.verity_uuid());
    Ok((root, verity))
}

/// A path of PID 1's as a tree has it.
fn inside(path: &str) -> &str {
    path.trim_start_matches('/')
}

fn write_fat(
    card: &Card,
    layout: &Layout,
    content: Content,
    tree: &Tree,
    used: &mut Vec<(Content, u64)>,
) -> anyhow::Result<()> {
    let partition = layout.partition(content);
    let bytes = paths::total(tree);
    step(&format!("Filling {content}"), || {
        let volume = fat::make(partition, layout.identity.volume_id(content), layout.epoch, tree)?;
        card.write(partition.range.start, &volume)?;
        Ok(((), format!("{bytes} bytes")))
    })?;
    used.push((content, bytes));
    Ok(())
}

fn refuse_config_overlay(folder: &Path) -> anyhow::Result<()> {
    let tree = paths::load(folder)?;
    if let Some((path, _)) = tree.iter().next() {
        return Err(anyhow::anyhow!("{}", folder.join(path).display()))
            .context("the config partition ships empty (overlays/config/README.md says why)");
    }
    Ok(())
}

fn file(data: &[u8]) -> Node {
    Node::File { data: Arc::from(data), executable: false }
}
