//! Tests of `rescue`.

use super::*;
use std::process::Command;

const SIZE: u64 = 32 << 20;
const UUID: [u8; 16] = [7; 16];
const NOW: WallTime = WallTime(1_800_000_000);

/// A partition as the image builder makes it, with the gateway's files in it.
fn partition() -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut builder = FsBuilder::new(Options::new(SIZE, [1; 16], 1_700_000_000)).unwrap();
    let gateway = builder.mkdir(ROOT, "gateway", Meta::new(0o750, 100, 100, (1_700_000_000, 0))).unwrap();
    let leases = builder.file(gateway, "leases.a", Meta::new(0o640, 100, 100, (1_700_000_000, 0)), 6000).unwrap();
    let layout = builder.seal().unwrap();
    file.as_file().set_len(SIZE).unwrap();
    let mut sink = DeviceSink { device: file.as_file(), head: vec![0; BLOCK] };
    let mut writer = layout.writer(&mut sink).unwrap();
    writer.fill(leases, &mut &[0x5a_u8; 6000][..]).unwrap();
    writer.finish().unwrap();
    sink.finish().unwrap();
    file
}

fn content(file: &File, path: &str) -> Option<Vec<u8>> {
    let fs = Fs::open(file).ok()?;
    fs.read_file(fs.resolve(path).ok()?).ok()
}

/// The stranger's opinion, where the tool is installed.
fn e2fsck(path: &std::path::Path) {
    for tool in ["/usr/sbin/e2fsck", "/sbin/e2fsck"] {
        if let Ok(output) = Command::new(tool).arg("-fn").arg(path).output() {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
            return;
        }
    }
}

#[test]
fn readable_files_come_back_in_place() {
    let file = partition();
    let before = std::fs::read(file.path()).unwrap();
    assert_eq!(recreate(file.as_file(), SIZE, UUID, NOW).unwrap(), 1);
    e2fsck(file.path());
    assert_eq!(content(file.as_file(), "/gateway/leases.a").unwrap(), [0x5a; 6000]);
    assert_eq!(content(file.as_file(), "/damaged.img").unwrap(), before, "the old partition, byte for byte");
    let fs = Fs::open(file.as_file()).unwrap();
    let inode = fs.inode(fs.resolve("/gateway/leases.a").unwrap()).unwrap();
    assert_eq!((inode.uid, inode.gid, inode.mode & 0o777), (100, 100, 0o640));
    assert_eq!(recreate(file.as_file(), SIZE, UUID, NOW).unwrap(), 1, "twice: the kept image is not kept again");
    e2fsck(file.path());
}

#[test]
fn a_partition_of_noise_becomes_an_empty_one() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let noise: Vec<u8> = (0..SIZE as u32 / 4).flat_map(|n| n.wrapping_mul(0x9e37_79b9).to_le_bytes()).collect();
    std::fs::write(file.path(), &noise).unwrap();
    assert_eq!(recreate(file.as_file(), SIZE, UUID, NOW).unwrap(), 0);
    e2fsck(file.path());
    let kept = content(file.as_file(), "/damaged.img").unwrap();
    assert_eq!(kept[..MAX_RAW_BYTES], noise[..MAX_RAW_BYTES]);
    assert!(kept[MAX_RAW_BYTES..].iter().all(|&byte| byte == 0), "bounded");
}

#[test]
fn damage_anywhere_still_gives_a_sound_partition() {
    for at in [1024 + 56, 1024 + 4, 4096, 8192, 5 * 4096, 100 * 4096] {
        let file = partition();
        file.as_file().write_all_at(&[0xff; 3000], at).unwrap();
        recreate(file.as_file(), SIZE, UUID, NOW).unwrap();
        e2fsck(file.path());
    }
}
