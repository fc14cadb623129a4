//! `manifest.json`: what is on the card, where it came from and under which licence, file by file.

use super::layout::{Layout, MIB};
use super::paths;
use super::verity::{Verity, hex};
use crate::ingredients::Ingredients;
use crate::tree::{Node, Tree};
use serde::Serialize;
use sha2::{Digest, Sha256};

/// The whole page. Fields are written in this order, lists in the order of the card: the same card, the same text.
#[derive(Serialize)]
pub struct Manifest {
    name: &'static str,
    version: String,
    epoch: u32,
    toolchain: String,
    kernel: String,
    disk_signature: String,
    root_hash: String,
    partitions: Vec<PartitionEntry>,
    packages: Vec<PackageEntry>,
    files: Vec<FileEntry>,
}

#[derive(Serialize)]
struct PartitionEntry {
    number: u32,
    content: &'static str,
    label: String,
    start_mib: u64,
    size_mib: u64,
}

#[derive(Serialize)]
struct PackageEntry {
    name: String,
    version: String,
    size: u64,
    sha256: String,
    licences: Vec<String>,
}

#[derive(Serialize)]
struct FileEntry {
    place: &'static str,
    path: String,
    size: u64,
    sha256: String,
}

impl Manifest {
    /// Everything but the files.
    pub fn new(ingredients: &Ingredients, layout: &Layout, verity: &Verity, version: &str) -> Self {
        let partitions = layout.partitions().iter().map(|partition| PartitionEntry {
            number: partition.content.number(),
            content: partition.content.name(),
            label: partition.label.clone(),
            start_mib: partition.range.start / MIB,
            size_mib: partition.size() / MIB,
        });
        let packages = ingredients.packages.iter().map(|package| PackageEntry {
            name: package.name.clone(),
            version: package.version.clone(),
            size: package.size,
            sha256: package.sha256.clone(),
            licences: package.licences.clone(),
        });
        Self {
            name: "gatepost",
            version: version.into(),
            epoch: layout.epoch,
            toolchain: ingredients.toolchain.clone(),
            kernel: ingredients.kernel_release.clone(),
            disk_signature: format!("{:08x}", layout.identity.disk_signature()),
            root_hash: hex(&verity.root_hash),
            partitions: partitions.collect(),
            packages: packages.collect(),
            files: Vec::new(),
        }
    }

    /// Adds the files of a place: a partition, or the archive inside one.
    pub fn add(&mut self, place: &'static str, tree: &Tree) {
        for (path, node) in tree.iter() {
            if let Node::File { data, .. } = node {
                let sha256 = hex(&Sha256::digest(data));
                self.files.push(FileEntry { place, path: path.into(), size: paths::size(node), sha256 });
            }
        }
    }

    /// The text of the file.
    pub fn text(&self) -> anyhow::Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }
}
