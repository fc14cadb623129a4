//! The first stage's archive: cpio "newc" (Linux Documentation/driver-api/early-userspace/buffer-format.rst), zstd'd.

use super::paths;
use crate::tree::{Node, Tree};
use anyhow::Context;
use cpio::newc::{Builder, ModeFileType, trailer};
use std::io::Write;

/// zstd's level. It costs seconds once; unpacking is as fast as at any other level, and the window (8 MiB at most) is far below
/// the 128 MiB that the kernel's unpacker takes.
const LEVEL: i32 = 19;

/// The archive, unpacked: entries in the order of their names with parents first, time 0, owner root.
pub fn archive(tree: &Tree) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut inode = 0;
    let mut entry = |name: &str, kind: ModeFileType, mode: u32, data: &[u8]| {
        inode += 1;
        let size = u32::try_from(data.len()).context("larger than 4 GiB")?;
        let entry = Builder::new(name).ino(inode).mode(mode).set_mode_file_type(kind);
        let mut writer = entry.write(&mut bytes, size);
        writer.write_all(data)?;
        writer.finish()?;
        anyhow::Ok(())
    };
    for directory in paths::directories(tree) {
        entry(&directory, ModeFileType::Directory, 0o755, &[])?;
    }
    for (path, node) in tree.iter() {
        match node {
            Node::File { data, executable } => {
                let mode = if *executable { 0o755 } else { 0o644 };
                entry(path, ModeFileType::Regular, mode, data)
            }
            Node::Symlink(target) => entry(path, ModeFileType::Symlink, 0o777, target.as_bytes()),
            Node::Directory => Ok(()),
        }
        .with_context(|| path.to_string())?;
    }
    trailer(&mut bytes)?;
    Ok(bytes)
}

/// The archive as it lies on the card.
pub fn compress(archive: &[u8]) -> anyhow::Result<Vec<u8>> {
    zstd::bulk::compress(archive, LEVEL).context("can't compress the initramfs")
}

#[cfg(test)]
mod tests {
    use super::*;
    use cpio::newc::Reader;

    #[test]
    fn parents_first_and_no_trace_of_the_builder() {
        let mut tree = Tree::new();
        tree.program("init", &b"elf"[..]).file("lib/modules/modules.index", &b"load x\n"[..]);
        let bytes = archive(&tree).unwrap();
        let mut names = Vec::new();
        let mut rest = &bytes[..];
        loop {
            let reader = Reader::new(rest).unwrap();
            let entry = reader.entry();
            if entry.is_trailer() {
                break;
            }
            assert_eq!((entry.mtime(), entry.uid(), entry.gid()), (0, 0, 0));
            names.push((entry.name().to_string(), entry.mode()));
            rest = reader.finish().unwrap();
        }
        let wanted =
            [("lib", 0o40755), ("lib/modules", 0o40755), ("init", 0o100755), ("lib/modules/modules.index", 0o100644)];
        assert_eq!(names, wanted.map(|(name, mode)| (name.to_string(), mode)));
        assert_eq!(zstd::bulk::decompress(&compress(&bytes).unwrap(), 1 << 20).unwrap(), bytes);
    }
}
