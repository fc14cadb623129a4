//! The root file system: squashfs with zstd, everything owned by root, one time on everything.

use super::layout::Squashfs;
use super::paths;
use super::verity::BLOCK;
use crate::tree::{Node, Tree};
use anyhow::Context;
use backhand::compression::{CompressionOptions, Compressor, Zstd};
use backhand::{FilesystemCompressor, FilesystemWriter, NodeHeader};
use std::io::Cursor;

/// The file system's bytes, a whole number of verity blocks.
pub fn make(tree: &Tree, how: Squashfs, epoch: u32) -> anyhow::Result<Vec<u8>> {
    let mut writer = FilesystemWriter::default();
    writer.set_time(epoch);
    writer.set_block_size(how.block_kib * 1024);
    writer.set_only_root_id();
    writer.set_root_mode(0o755);
    writer.set_kib_padding((BLOCK / 1024) as u32);
    let zstd = CompressionOptions::Zstd(Zstd { compression_level: how.zstd_level });
    writer.set_compressor(FilesystemCompressor::new(Compressor::Zstd, Some(zstd))?);
    let header = |permissions| NodeHeader::new(permissions, 0, 0, epoch);
    for directory in paths::directories(tree) {
        writer.push_dir(&directory, header(0o755)).with_context(|| directory.clone())?;
    }
    for (path, node) in tree.iter() {
        match node {
            Node::File { data, executable } => {
                let mode = if *executable { 0o755 } else { 0o644 };
                writer.push_file(Cursor::new(data.clone()), path, header(mode))
            }
            Node::Symlink(target) => writer.push_symlink(target, path, header(0o777)),
            Node::Directory => Ok(()),
        }
        .with_context(|| path.to_string())?;
    }
    let mut bytes = Cursor::new(Vec::new());
    writer.write(&mut bytes).context("can't pack the root file system")?;
    let mut bytes = bytes.into_inner();
    bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use backhand::{FilesystemReader, InnerNode};
    use std::io::Read;

    #[test]
    fn what_was_put_in_comes_out_and_twice_the_same() {
        let mut tree = Tree::new();
        tree.program("bin/gatepost", (0..300_000u32).map(|i| (i / 7) as u8).collect::<Vec<_>>());
        tree.file("etc/gatepost-release", &b"version=1\n"[..]);
        tree.symlink("lib/firmware/board.bin", "chip.bin");
        tree.directory("proc");
        let make = || make(&tree, Squashfs { block_kib: 128, zstd_level: 3 }, 1_793_491_200).unwrap();
        let bytes = make();
        assert!(bytes == make());
        assert!(bytes.len().is_multiple_of(BLOCK));
        let reader = FilesystemReader::from_reader(Cursor::new(bytes)).unwrap();
        let mut seen = Vec::new();
        for node in reader.files() {
            let path = node.fullpath.to_str().unwrap().trim_start_matches('/').to_string();
            assert_eq!((node.header.uid, node.header.gid), (0, 0));
            if let (InnerNode::File(file), Some(Node::File { data, executable })) = (&node.inner, tree.get(&path)) {
                let mut read = Vec::new();
                reader.file(file).reader().read_to_end(&mut read).unwrap();
                assert_eq!(read[..], data[..]);
                assert_eq!(node.header.permissions & 0o111 != 0, *executable);
                assert_eq!(node.header.mtime, 1_793_491_200);
            }
            seen.push(path);
        }
        for path in ["", "bin", "bin/gatepost", "etc/gatepost-release", "lib/firmware/board.bin", "proc"] {
            assert!(seen.iter().any(|seen| seen == path), "{path} is missing");
        }
    }
}
