//! The kernel as the Pi's firmware takes it: a raw arm64 `Image`, gzip'd. The firmware knows gzip by its magic number and no other
//! compression.

use anyhow::{Context, ensure};
use flate2::{Compression, GzBuilder};
use std::io::Write;

/// "ARM\x64" at offset 56: an arm64 `Image` (Linux Documentation/arch/arm64/booting.rst §4).
const IMAGE_MAGIC: (usize, &[u8]) = (56, b"ARM\x64");

/// "zimg" at offset 4: an EFI program that unpacks itself, which only EFI can start.
const ZBOOT_MAGIC: (usize, &[u8]) = (4, b"zimg");

/// Refuses what the Pi's firmware could not start.
pub fn check(image: &[u8]) -> anyhow::Result<()> {
    let has = |(at, magic): (usize, &[u8])| image.get(at..at + magic.len()) == Some(magic);
    ensure!(
        !has(ZBOOT_MAGIC),
        "this kernel is an EFI zboot image (CONFIG_EFI_ZBOOT); the Pi's firmware needs the raw Image inside it"
    );
    ensure!(has(IMAGE_MAGIC), "this kernel is not a raw arm64 Image: \"ARM\\x64\" is missing at offset 56");
    Ok(())
}

/// gzip at its best level, without name and time in the header.
pub fn compress(image: &[u8]) -> anyhow::Result<Vec<u8>> {
    // 255: "unknown" system, so that the header says nothing about the host.
    let mut gzip = GzBuilder::new().mtime(0).operating_system(255).write(Vec::new(), Compression::best());
    gzip.write_all(image).and_then(|()| gzip.finish()).context("can't compress the kernel")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn image() -> Vec<u8> {
        let mut image = vec![0; 4096];
        image[56..60].copy_from_slice(b"ARM\x64");
        image
    }

    #[test]
    fn only_a_raw_image_is_taken() {
        check(&image()).unwrap();
        assert!(check(&[0; 4096]).unwrap_err().to_string().contains("not a raw arm64 Image"));
        assert!(check(&[]).is_err());
        let mut zboot = image();
        zboot[4..8].copy_from_slice(b"zimg");
        assert!(check(&zboot).unwrap_err().to_string().contains("zboot"));
    }

    #[test]
    fn the_header_names_neither_time_nor_system() {
        let packed = compress(&image()).unwrap();
        assert_eq!(packed[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 255]);
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut unpacked).unwrap();
        assert_eq!(unpacked, image());
    }
}
