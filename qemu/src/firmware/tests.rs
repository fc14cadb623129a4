//! Whole starts from synthetic cards: one that is right, and each file or line that can be wrong.

use super::*;
use crate::card::tests::synthetic;
use std::io::Write;

const AUTOBOOT: &str = "[all]\ntryboot_a_b=1\nboot_partition=2\n[tryboot]\nboot_partition=3\n";
const CONFIG: &str = "arm_64bit=1\nupstream_kernel=1\nkernel=kernel8.img\ninitramfs initramfs.zst followkernel\n";

/// A gzip'd file with the header of an arm64 Image.
fn kernel() -> Vec<u8> {
    let mut image = vec![0; 128];
    image[56..60].copy_from_slice(b"ARM\x64");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&image).unwrap();
    gzip.finish().unwrap()
}

/// The files of a good card, by partition and name.
fn good() -> Vec<(u8, &'static str, Vec<u8>)> {
    let mut files = vec![(1, "autoboot.txt", AUTOBOOT.into()), (1, "bootcode.bin", vec![1])];
    for (slot, name) in [(2, "a"), (3, "b")] {
        files.extend([
            (slot, "config.txt", CONFIG.into()),
            (slot, "cmdline.txt", format!("console=tty0 gatepost.slot={name}\n").into_bytes()),
            (slot, "kernel8.img", kernel()),
            (slot, "initramfs.zst", format!("initramfs {name}").into_bytes()),
            (slot, "bcm2837-rpi-3-b.dtb", vec![0xd0, 0x0d, 0xfe, 0xed, 3]),
            (slot, "bcm2711-rpi-4-b.dtb", vec![0xd0, 0x0d, 0xfe, 0xed, 4]),
        ]);
        files.extend(["start.elf", "fixup.dat", "start4.elf", "fixup4.dat"].map(|name| (slot, name, vec![1])));
    }
    files
}

/// Changes files of the good card (`None` removes one) and starts it.
fn boot(changes: &[(u8, &'static str, Option<&[u8]>)], model: Model, kind: Start) -> Result<Boot, String> {
    let mut files = good();
    for (partition, name, contents) in changes {
        files.retain(|file| (file.0, file.1) != (*partition, name));
        files.extend(contents.map(|contents| (*partition, *name, contents.to_vec())));
    }
    let borrowed: Vec<_> = files.iter().map(|(partition, name, bytes)| (*partition, *name, bytes.as_slice())).collect();
    let folder = tempfile::tempdir().unwrap();
    let card = synthetic(&folder.path().join("card.img"), &borrowed);
    start(&card, model, kind).map_err(|error| format!("{error:#}"))
}

#[test]
fn the_bytes_of_the_slot_are_handed_over() {
    let a = boot(&[], Model::Pi3B, Start::Normal).unwrap();
    assert_eq!((a.partition, a.cmdline.as_str()), (2, "console=tty0 gatepost.slot=a"));
    assert_eq!(a.kernel.bytes, kernel());
    assert_eq!(a.initramfs.unwrap().bytes, b"initramfs a");
    assert_eq!(a.dtb.name, "bcm2837-rpi-3-b.dtb");
    let b = boot(&[], Model::Pi4B, Start::Tryboot).unwrap();
    assert_eq!((b.partition, b.cmdline.as_str()), (3, "console=tty0 gatepost.slot=b"));
    assert_eq!(b.dtb.bytes[4], 4);
}

#[test]
fn a_missing_file_leaves_the_board_dark() {
    for (partition, name, wanted) in [
        (1, "bootcode.bin", "the ROM of a Pi 3B finds nothing"),
        (2, "start.elf", "there is no start.elf, which a Pi 3B needs"),
        (2, "fixup.dat", "there is no fixup.dat"),
        (2, "config.txt", "there is no config.txt on partition 2"),
        (2, "kernel8.img", "kernel=kernel8.img, but there is no such file"),
        (2, "initramfs.zst", "initramfs=initramfs.zst, but there is no such file"),
        (2, "bcm2837-rpi-3-b.dtb", "device_tree=bcm2837-rpi-3-b.dtb, but"),
        (2, "cmdline.txt", "cmdline=cmdline.txt, but"),
    ] {
        let error = boot(&[(partition, name, None)], Model::Pi3B, Start::Normal).unwrap_err();
        assert!(error.contains(wanted), "{name}: {error}");
    }
}

#[test]
fn a_wrong_line_is_told() {
    let with = |text: &str| format!("{CONFIG}{text}\n").into_bytes();
    let cases: [(u8, &str, Vec<u8>, &str); 9] = [
        (1, "autoboot.txt", b"boot_partition=7\n".into(), "the card has no partition 7"),
        (1, "autoboot.txt", b"boot_partition=5\n".into(), "no FAT partition"),
        (1, "autoboot.txt", b"boot_partitoin=2\n".into(), "autoboot.txt on partition 1 is wrong"),
        (2, "config.txt", with("os_prefix=slot/"), "line 5 says os_prefix=slot/, which the firmware would ignore"),
        (2, "config.txt", with("dtoverlay=disable-bt"), "there is no overlays/disable-bt.dtbo"),
        (2, "config.txt", with("arm_64bit=0"), "no 64-bit kernel"),
        (2, "cmdline.txt", b"\nconsole=tty0\n".into(), "first line of cmdline.txt is empty"),
        (2, "cmdline.txt", b"a\nb\n".into(), "more than one line"),
        (2, "kernel8.img", vec![0; 100], "no arm64 kernel Image"),
    ];
    for (partition, name, contents, wanted) in &cases {
        let error = boot(&[(*partition, name, Some(contents))], Model::Pi3B, Start::Normal).unwrap_err();
        assert!(error.contains(wanted), "{error}");
    }
}

#[test]
fn without_autoboot_the_first_partition_with_firmware_starts() {
    assert_eq!(boot(&[(1, "autoboot.txt", None)], Model::Pi4B, Start::Normal).unwrap().partition, 2);
    let changes = [(1, "autoboot.txt", None), (2, "start4.elf", None)];
    assert_eq!(boot(&changes, Model::Pi4B, Start::Normal).unwrap().partition, 3);
}

#[test]
fn a_prefix_is_put_before_every_name() {
    let config = format!("{CONFIG}os_prefix=new-\n");
    let mut changes: Vec<(u8, &'static str, Option<&[u8]>)> = vec![(2, "config.txt", Some(config.as_bytes()))];
    let kernel = kernel();
    changes.push((2, "new-kernel8.img", Some(&kernel)));
    changes.push((2, "new-bcm2711-rpi-4-b.dtb", Some(&[0xd0, 0x0d, 0xfe, 0xed])));
    changes.push((2, "new-initramfs.zst", Some(b"new")));
    changes.push((2, "new-cmdline.txt", Some(b"new line")));
    let boot = boot(&changes, Model::Pi4B, Start::Normal).unwrap();
    assert_eq!((boot.kernel.name.as_str(), boot.cmdline.as_str()), ("new-kernel8.img", "new line"));
    assert_eq!(boot.initramfs.unwrap().bytes, b"new");
}
