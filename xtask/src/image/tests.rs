//! Whole images from fake ingredients, looked at by strangers: fsck.fat, e2fsck, sfdisk, unsquashfs, veritysetup.

use super::build::{Built, Parts, build};
use super::cache::Cache;
use super::layout::{Content, Layout, Slot};
use super::output::Access;
use super::{card, summary, verity};
use crate::ingredients::{Ingredients, Package};
use crate::tree::{Node, Tree};
use fatfs::{FileSystem, FsOptions};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{Cursor, Read};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, Weak};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Bytes that no packer makes much smaller, always the same.
fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..length).map(|_| next()).collect()
}

/// A card's ingredients in small.
fn fake() -> Ingredients {
    let mut kernel = noise(2 << 20, 1);
    kernel[56..60].copy_from_slice(b"ARM\x64");
    let mut device_trees = Tree::new();
    for name in [
        "bcm2711-rpi-4-b.dtb",
        "bcm2711-rpi-400.dtb",
        "bcm2711-rpi-cm4-io.dtb",
        "bcm2837-rpi-3-a-plus.dtb",
        "bcm2837-rpi-3-b-plus.dtb",
        "bcm2837-rpi-3-b.dtb",
        "bcm2837-rpi-zero-2-w.dtb",
    ] {
        device_trees.file(name, noise(30_000, name.len() as u64));
    }
    let mut boot_firmware = Tree::new();
    for name in ["bootcode.bin", "start.elf", "fixup.dat", "start4.elf", "fixup4.dat"] {
        boot_firmware.file(name, noise(50_000, name.len() as u64));
    }
    let mut modules = Tree::new();
    modules.file("lib/modules/modules.index", &b"module ext4 ext4.ko\nload ext4\n"[..]);
    modules.file("lib/modules/ext4.ko", noise(700_000, 3));
    let mut firmware = Tree::new();
    firmware.file("lib/firmware/brcm/chip.bin", noise(400_000, 4));
    firmware.symlink("lib/firmware/brcm/board.bin", "chip.bin");
    Ingredients {
        kernel_release: "6.12.0-fake".into(),
        kernel: kernel.into(),
        device_trees,
        boot_firmware,
        initramfs_modules: modules.clone(),
        root_modules: modules,
        root_firmware: firmware,
        binary: noise(1_000_000, 5).into(),
        toolchain: "rustc 1.95.0".into(),
        packages: vec![Package {
            name: "linux-image-fake".into(),
            version: "6.12.0-1".into(),
            sha256: "00".repeat(32),
            licences: vec!["GPL-2".into()],
            size: 1,
        }],
    }
}

struct Lab {
    folder: tempfile::TempDir,
    layout: Layout,
    built: Built,
}

impl Lab {
    /// A card from the starter configuration, the same one for all tests that only look at it and run at the same time.
    fn shared() -> Arc<Self> {
        static LAB: Mutex<Weak<Lab>> = Mutex::new(Weak::new());
        let mut shared = LAB.lock().unwrap();
        let lab = shared.upgrade().unwrap_or_else(|| Arc::new(Self::new(None)));
        *shared = Arc::downgrade(&lab);
        lab
    }

    fn new(config: Option<&[u8]>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut layout = Layout::parse(include_str!("../../../image/image.toml"), "0.1.0").unwrap();
        layout.squashfs.zstd_level = 3;
        let cache = Cache::at(&folder.path().join("cache"));
        let ingredients = fake();
        let parts = Parts {
            ingredients: &ingredients,
            layout: &layout,
            overlays: &Path::new(ROOT).join("overlays"),
            config,
            version: "0.1.0",
            cache: &cache,
            access: config.map_or(Access::Everyone, |_| Access::Owner),
        };
        let built = build(&parts, &folder.path().join("gatepost.img")).unwrap();
        Self { folder, layout, built }
    }

    fn image(&self) -> PathBuf {
        self.folder.path().join("gatepost.img")
    }

    fn bytes(&self, content: Content) -> Vec<u8> {
        let range = self.layout.partition(content).range.clone();
        let mut bytes = vec![0; (range.end - range.start) as usize];
        File::open(self.image()).unwrap().read_exact_at(&mut bytes, range.start).unwrap();
        bytes
    }

    /// A file of its own for a tool that wants one.
    fn carve(&self, content: Content) -> String {
        let path = self.folder.path().join(content.name());
        fs::write(&path, self.bytes(content)).unwrap();
        path.to_str().unwrap().into()
    }

    fn file(&self, content: Content, path: &str) -> Vec<u8> {
        let fs = FileSystem::new(Cursor::new(self.bytes(content)), FsOptions::new()).unwrap();
        let mut bytes = Vec::new();
        fs.root_dir().open_file(path).unwrap().read_to_end(&mut bytes).unwrap();
        bytes
    }
}

/// Runs a stranger's tool, which must succeed. `None`, and a line why, if it is not installed.
fn stranger(program: &str, args: &[&str]) -> Option<String> {
    let found = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"].iter().map(|folder| Path::new(folder).join(program));
    let Some(path) = found.into_iter().find(|path| path.exists()) else {
        eprintln!("skipped: {program} is not installed");
        return None;
    };
    let output = Command::new(path).args(args).env("LC_ALL", "C").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {args:?}: {}\n{text}", output.status);
    Some(text.into_owned())
}

fn sha256(path: &Path) -> Vec<u8> {
    Sha256::digest(fs::read(path).unwrap()).to_vec()
}

#[test]
fn the_same_twice_and_sparse() {
    let (one, two) = (Lab::new(None), Lab::new(None));
    assert_eq!(sha256(&one.image()), sha256(&two.image()));
    assert_eq!(one.built.manifest.text().unwrap(), two.built.manifest.text().unwrap());
    let metadata = fs::metadata(one.image()).unwrap();
    assert_eq!(metadata.len(), one.layout.image_size());
    assert!(metadata.blocks() * 512 < metadata.len() / 4, "{} blocks are no sparse file", metadata.blocks());
}

#[test]
fn strangers_find_no_fault() {
    let lab = Lab::shared();
    for content in [Content::Selector, Content::Boot(Slot::A), Content::Boot(Slot::B)] {
        if let Some(text) = stranger("fsck.fat", &["-n", "-v", &lab.carve(content)]) {
            assert!(!["differ", "wrong", "uninitialized"].iter().any(|bad| text.contains(bad)), "{text}");
        }
    }
    let config = lab.carve(Content::Config);
    stranger("e2fsck", &["-f", "-n", &config]);
    if let Some(text) = stranger("dumpe2fs", &["-h", &config]) {
        let has =
            |line: &str| text.lines().any(|l| l.split_whitespace().collect::<Vec<_>>().join(" ").starts_with(line));
        assert!(has("Errors behavior: Remount read-only"), "{text}");
        assert!(has("Filesystem volume name: config") && text.contains("has_journal"), "{text}");
    }
    if let Some(text) = stranger("unsquashfs", &["-ll", &lab.carve(Content::Root(Slot::B))]) {
        assert!(text.contains("-rwxr-xr-x root/root") && text.contains("squashfs-root/bin/gatepost"), "{text}");
        assert!(text.contains("squashfs-root/config\n"), "{text}");
    }
}

#[test]
fn sfdisk_reads_the_table() {
    let lab = Lab::shared();
    let image = lab.image();
    let image = image.to_str().unwrap();
    if let Some(text) = stranger("sfdisk", &["-V", image]) {
        assert!(text.contains("No errors detected"), "{text}");
    }
    let Some(text) = stranger("sfdisk", &["-d", image]) else { return };
    assert!(text.contains(&format!("label-id: 0x{:08x}", lab.layout.identity.disk_signature())), "{text}");
    let lines: Vec<String> = text.lines().map(|line| line.replace(' ', "")).collect();
    for partition in lab.layout.partitions() {
        let (start, size, content) = (partition.range.start / 512, partition.size() / 512, partition.content);
        let wanted = format!("img{}:start={start},size={size},type={:x}", content.number(), content.mbr_type());
        assert!(lines.iter().any(|line| line.ends_with(&wanted)), "{wanted} not in\n{text}");
    }
}

#[test]
fn veritysetup_agrees_and_sees_a_flipped_bit() {
    let lab = Lab::shared();
    let line = String::from_utf8(lab.file(Content::Boot(Slot::A), "cmdline.txt")).unwrap();
    let verity = line.split_whitespace().find_map(|word| word.strip_prefix("gatepost.verity=")).unwrap();
    let [blocks, _salt, root_hash] = verity.split(',').collect::<Vec<_>>()[..] else { panic!("{line}") };
    let offset = blocks.parse::<u64>().unwrap() * verity::BLOCK as u64;
    let root = lab.carve(Content::Root(Slot::A));
    let verify = format!("--hash-offset={offset}");
    stranger("veritysetup", &["verify", &root, &root, root_hash, &verify]);
    let mut bytes = fs::read(&root).unwrap();
    bytes[100_000] ^= 1;
    fs::write(&root, bytes).unwrap();
    if Path::new("/usr/sbin/veritysetup").exists() {
        let status = Command::new("/usr/sbin/veritysetup").args(["verify", &root, &root, root_hash, &verify]).output();
        assert!(!status.unwrap().status.success(), "a flipped bit went unseen");
    }
}

#[test]
fn the_slots_differ_in_one_word() {
    let lab = Lab::shared();
    assert!(lab.bytes(Content::Root(Slot::A)) == lab.bytes(Content::Root(Slot::B)));
    let line = |slot| String::from_utf8(lab.file(Content::Boot(slot), "cmdline.txt")).unwrap();
    assert_eq!(line(Slot::A).replace("gatepost.slot=a", "gatepost.slot=b"), line(Slot::B));
    assert_eq!(lab.file(Content::Boot(Slot::A), "kernel8.img"), lab.file(Content::Boot(Slot::B), "kernel8.img"));
    let gap = fs::read(lab.image()).unwrap()[512..4 << 20].iter().all(|byte| *byte == 0);
    assert!(gap, "the boot counter must be blank in the factory state");
}

#[test]
fn the_users_config_is_on_the_selector() {
    let lab = Lab::new(Some(b"[uplink]\ninterface = \"wlan0\"\n"));
    assert_eq!(fs::metadata(lab.image()).unwrap().mode() & 0o777, 0o600, "a passphrase may stand in it");
    assert_eq!(lab.file(Content::Selector, "gateway.toml"), b"[uplink]\ninterface = \"wlan0\"\n");
    assert!(lab.file(Content::Selector, "README.txt").starts_with(b"GATEPOST"));
    let Some(Node::File { data, .. }) = fake().boot_firmware.get("bootcode.bin").cloned() else { panic!() };
    assert_eq!(lab.file(Content::Selector, "bootcode.bin"), data[..]);
}

#[test]
fn the_download_unpacks_to_the_image_and_holds_the_second_slot_for_nothing() {
    let lab = Lab::shared();
    let packed = lab.folder.path().join("gatepost.img.zst");
    let (image_hash, packed_hash, size) =
        card::compress(&lab.image(), (&packed, Access::Everyone), 3, &|_| {}).unwrap();
    assert_eq!(image_hash.to_vec(), sha256(&lab.image()));
    assert_eq!((packed_hash.to_vec(), size), (sha256(&packed), fs::metadata(&packed).unwrap().len()));
    // 2 MiB of kernel and what a slot needs besides, once: under 6 MB; twice would be over 9.
    assert!(size < 6_500_000, "{size} bytes");
    let unpacked = zstd::decode_all(File::open(&packed).unwrap()).unwrap();
    assert_eq!(Sha256::digest(unpacked).to_vec(), image_hash);
    assert!(card::check_size(size, size).is_ok() && card::check_size(size, size - 1).is_err());
}

#[test]
fn manifest_and_table_tell_what_is_there() {
    let lab = Lab::shared();
    let manifest: serde_json::Value = serde_json::from_str(&lab.built.manifest.text().unwrap()).unwrap();
    assert_eq!(manifest["packages"][0]["licences"][0], "GPL-2");
    let files = manifest["files"].as_array().unwrap();
    let gatepost = files.iter().find(|file| file["path"] == "bin/gatepost" && file["place"] == "root").unwrap();
    assert_eq!(gatepost["size"], 1_000_000);
    assert_eq!(gatepost["sha256"], verity::hex(&Sha256::digest(noise(1_000_000, 5))));
    for (place, path) in [("selector", "gateway.toml"), ("boot-b", "kernel8.img"), ("initramfs", "init")] {
        assert!(files.iter().any(|file| file["place"] == place && file["path"] == path), "{place}: {path}");
    }
    let output = summary::Output { path: Path::new("target/image/gatepost.img"), size: 311 << 20, sha256: "ab" };
    let table = summary::text(&lab.layout, &lab.built, &output, &output, "cargo xtask qemu");
    assert!(table.lines().any(|line| line.trim_start().starts_with("p1 ") && line.contains("GATEPOST")), "{table}");
    assert!(table.contains("Next: cargo xtask qemu"), "{table}");
}
