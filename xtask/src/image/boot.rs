//! The FAT partitions' files: the selector (p1) and the two boot slots (p2, p3).

use super::layout::Slot;
use super::verity::Verity;
use crate::tree::{Node, Tree};
use anyhow::{Context, bail, ensure};
use gatepost_core::card::cmdline::BootWords;
use gatepost_core::card::{AUTOBOOT_FILE, CONFIG_FILE, autoboot};
use std::collections::BTreeSet;

/// The longest line of config.txt that the firmware reads, in bytes; it ignores the rest without a word.
const CONFIG_LINE: usize = 80;

/// What lies in both slots alike.
pub struct SlotParts<'a> {
    /// `overlays/boot/slot`.
    pub overlay: &'a Tree,
    /// All of the Pi's firmware.
    pub firmware: &'a Tree,
    /// Files of the firmware that stand on the selector instead.
    pub selector_firmware: &'a [String],
    /// The boards' device trees.
    pub device_trees: &'a Tree,
    /// kernel8.img.
    pub kernel: &'a Node,
    /// initramfs.zst.
    pub initramfs: &'a Node,
}

/// The files of one slot.
pub fn slot(parts: &SlotParts<'_>, slot: Slot, disk_signature: u32, verity: &Verity) -> anyhow::Result<Tree> {
    let mut tree = Tree::new();
    for (name, node) in parts.firmware.iter() {
        if !parts.selector_firmware.iter().any(|file| file == name) {
            put(&mut tree, name, node)?;
        }
    }
    tree.overlay(parts.device_trees.clone());
    put(&mut tree, "kernel8.img", parts.kernel)?;
    put(&mut tree, "initramfs.zst", parts.initramfs)?;
    tree.overlay(parts.overlay.clone());
    let template = text(&tree, "cmdline.txt")?;
    tree.file("cmdline.txt", command_line(template, slot, disk_signature, verity)?.into_bytes());
    check_config_txt(&tree)?;
    Ok(tree)
}

/// The files of the selector. `config` replaces the starter `gateway.toml`.
pub fn selector(overlay: &Tree, firmware: &Tree, wanted: &[String], config: Option<&[u8]>) -> anyhow::Result<Tree> {
    let mut tree = overlay.clone();
    for name in wanted {
        let node = firmware.get(name).with_context(|| format!("the Pi's firmware has no file {name}"))?;
        put(&mut tree, name, node)?;
    }
    if let Some(config) = config {
        tree.file(CONFIG_FILE, config);
    }
    for name in [CONFIG_FILE, "README.txt"] {
        text(&tree, name)?;
    }
    // By the same code that PID 1 changes slots with.
    ensure!(tree.get(AUTOBOOT_FILE).is_none(), "{AUTOBOOT_FILE} does not belong into overlays/boot/selector");
    tree.file(AUTOBOOT_FILE, autoboot::text(Slot::A).into_bytes());
    Ok(tree)
}

fn put(tree: &mut Tree, path: &str, node: &Node) -> anyhow::Result<()> {
    match node {
        Node::File { data, .. } => {
            tree.file(path, data.clone());
            Ok(())
        }
        Node::Symlink(_) | Node::Directory => bail!("{path} is not a file"),
    }
}

fn text<'a>(tree: &'a Tree, path: &str) -> anyhow::Result<&'a str> {
    match tree.get(path) {
        Some(Node::File { data, .. }) => std::str::from_utf8(data).with_context(|| format!("{path} is not UTF-8")),
        _ => bail!("{path} is missing from overlays/boot"),
    }
}

/// Fills in the template. The kernel takes one line; so does the firmware.
fn command_line(template: &str, slot: Slot, disk_signature: u32, verity: &Verity) -> anyhow::Result<String> {
    let line = template
        .trim()
        .replace("{slot}", &slot.name().to_lowercase())
        .replace("{disk}", &format!("{disk_signature:08x}"))
        .replace("{verity}", &verity.argument());
    ensure!(
        !line.contains(['{', '}', '\n']),
        "cmdline.txt must be one line with {{slot}}, {{disk}} and {{verity}}: {line}"
    );
    let words = BootWords::parse(&line)?;
    ensure!(
        (words.slot, words.disk) == (slot, disk_signature) && words.verity.data_blocks == verity.data_blocks,
        "PID 1 would misread cmdline.txt: {line}"
    );
    Ok(line + "\n")
}

/// Every file that config.txt names must be there: on a real board a wrong name is a dark screen.
fn check_config_txt(slot: &Tree) -> anyhow::Result<()> {
    let config = text(slot, "config.txt")?;
    let mut named = BTreeSet::new();
    for line in config.lines() {
        ensure!(
            line.len() <= CONFIG_LINE,
            "config.txt: the firmware reads only {CONFIG_LINE} characters of \"{line}\""
        );
        if let Some(("kernel" | "device_tree" | "start_file" | "fixup_file", file)) = line.split_once('=') {
            named.insert(file);
        }
        if let Some(files) = line.strip_prefix("initramfs ") {
            named.extend(files.split(' ').next());
        }
    }
    // With 16 MB of graphics memory the firmware takes its cut-down pair instead, by itself.
    named.extend(match config.lines().any(|line| line == "gpu_mem=16") {
        true => ["start_cd.elf", "fixup_cd.dat", "start4cd.elf", "fixup4cd.dat"],
        false => ["start.elf", "fixup.dat", "start4.elf", "fixup4.dat"],
    });
    for file in named {
        ensure!(slot.get(file).is_some(), "config.txt needs {file}, but the boot slot has no such file");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::paths;
    use std::path::Path;

    fn verity() -> Verity {
        Verity { data_blocks: 1500, salt: [0xab; 32], root_hash: [0xcd; 32] }
    }

    #[test]
    fn the_command_line_is_the_one_that_pid_1_reads() {
        let template = include_str!("../../../overlays/boot/slot/cmdline.txt");
        let (salt, root) = ("ab".repeat(32), "cd".repeat(32));
        assert_eq!(
            command_line(template, Slot::B, 0x00c0_ffee, &verity()).unwrap(),
            format!(
                "console=ttyAMA0,115200 console=ttyS1,115200 console=tty0 loglevel=4 panic=10 oops=panic \
                 gatepost.slot=b gatepost.disk=00c0ffee gatepost.verity=1500,{salt},{root}\n"
            )
        );
        assert!(command_line("quiet", Slot::A, 1, &verity()).unwrap_err().to_string().contains("gatepost.slot="));
        assert!(command_line("{slots}", Slot::A, 1, &verity()).is_err());
    }

    #[test]
    fn a_file_that_config_txt_names_must_be_there() {
        let mut tree = Tree::new();
        tree.file("config.txt", &b"# kernel=no.img\nkernel=kernel8.img\ninitramfs initramfs.zst followkernel\n"[..]);
        for name in ["kernel8.img", "start.elf", "fixup.dat", "start4.elf", "fixup4.dat"] {
            tree.file(name, &b""[..]);
        }
        assert!(check_config_txt(&tree).unwrap_err().to_string().contains("needs initramfs.zst"));
        tree.file("initramfs.zst", &b""[..]);
        check_config_txt(&tree).unwrap();
        tree.file("config.txt", &b"gpu_mem=16\n"[..]);
        assert!(check_config_txt(&tree).unwrap_err().to_string().contains("needs fixup4cd.dat"));
        tree.file("config.txt", vec![b'#'; 81]);
        assert!(check_config_txt(&tree).unwrap_err().to_string().contains("80 characters"));
    }

    #[test]
    fn the_selector_is_ours_and_takes_the_users_config() {
        let overlay =
            paths::load(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../overlays/boot/selector"))).unwrap();
        let mut firmware = Tree::new();
        firmware.file("bootcode.bin", &b"rom"[..]);
        let wanted = ["bootcode.bin".to_string()];
        let tree = selector(&overlay, &firmware, &wanted, Some(b"hostname = \"x\"\n")).unwrap();
        assert_eq!(text(&tree, "gateway.toml").unwrap(), "hostname = \"x\"\n");
        assert_eq!(autoboot::selected(text(&tree, AUTOBOOT_FILE).unwrap()), Some(Slot::A));
        assert!(
            selector(&overlay, &Tree::new(), &wanted, None).unwrap_err().to_string().contains("no file bootcode.bin")
        );
    }

    #[test]
    fn the_starter_config_is_the_minimal_one() {
        let starter = include_str!("../../../overlays/boot/selector/gateway.toml");
        let effective: Vec<_> = starter.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
        assert_eq!(effective, ["[uplink]", "interface = \"eth1\""]);
        let config = gatepost_core::config::parse(starter.as_bytes()).unwrap();
        assert_eq!(config.uplink.interface, "eth1");
        // What the comments propose must be right, too.
        let uncommented: String = starter
            .lines()
            .map(|line| {
                line.strip_prefix("# ").filter(|line| line.starts_with('[') || line.contains(" = ")).unwrap_or(line)
            })
            .map(|line| format!("{line}\n"))
            .collect();
        let config = gatepost_core::config::parse(uncommented.as_bytes()).unwrap();
        assert_eq!((config.hosts.len(), config.dns.upstream.len()), (1, 2));
    }
}
