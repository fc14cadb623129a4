//! The kernel itself: finds it in its package and checks that it is what the Pi's firmware and QEMU can load.

use super::deb::{Content, Files};
use anyhow::{Context, Result, ensure};

const FOLDER: &str = "boot/vmlinuz-";

/// Whether a file of the package is the kernel.
pub fn keeps(path: &str) -> bool {
    path.starts_with(FOLDER)
}

/// The release that the package's name carries: `linux-image-RELEASE`.
pub fn release(package: &str) -> Result<&str> {
    package.strip_prefix("linux-image-").with_context(|| format!("{package} is not the name of a kernel package"))
}

/// The raw `Image`.
pub fn image<'a>(files: &'a Files, release: &str) -> Result<&'a [u8]> {
    let path = format!("{FOLDER}{release}");
    let Some(Content::File(data)) = files.get(&path) else {
        anyhow::bail!("the kernel package has no {path}");
    };
    check(data).with_context(|| path)?;
    Ok(data)
}

/// Documentation/arch/arm64/booting.rst of the kernel, "Call the kernel image": magic number at byte 56. A kernel that
/// unpacks itself as an EFI program (`zimg` at byte 4) is none: neither the Pi's firmware nor QEMU would start it.
fn check(data: &[u8]) -> Result<()> {
    ensure!(data.get(4..8) != Some(b"zimg"), "the kernel is an EFI zboot image; its raw Image must be unpacked first");
    ensure!(data.get(56..60) == Some(b"ARM\x64"), "the kernel is not an arm64 Image");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_raw_image_passes() {
        let mut image = vec![0; 64];
        image[56..60].copy_from_slice(b"ARM\x64");
        assert!(check(&image).is_ok());
        image[4..8].copy_from_slice(b"zimg");
        assert!(check(&image).unwrap_err().to_string().contains("zboot"));
        assert!(check(b"MZ").is_err());
    }

    #[test]
    fn the_release_stands_in_the_name() {
        assert_eq!(release("linux-image-6.12.1+deb13-arm64").unwrap(), "6.12.1+deb13-arm64");
        assert!(release("raspi-firmware").is_err());
    }
}
