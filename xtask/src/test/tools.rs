//! The programs that the tests call as witnesses, and how to get them.

use anyhow::{Result, bail};
use nix::unistd::Uid;
use std::env;
use std::path::Path;
use std::process::Command;

/// A program and the Debian package it comes in.
const TOOLS: [(&str, &str); 26] = [
    ("/lib/systemd/systemd-networkd", "systemd"),
    ("atftp", "atftp"),
    ("busybox", "busybox"),
    ("curl", "curl"),
    ("dhclient", "isc-dhcp-client"),
    ("dhcpcd", "dhcpcd-base"),
    ("dig", "bind9-dnsutils"),
    ("dnsmasq", "dnsmasq-base"),
    ("dumpe2fs", "e2fsprogs"),
    ("e2fsck", "e2fsprogs"),
    ("file", "file"),
    ("fsck.fat", "dosfstools"),
    ("ip", "iproute2"),
    ("nft", "nftables"),
    ("ntpdig", "ntpsec-ntpdig"),
    ("ping", "iputils-ping"),
    ("qemu-system-aarch64", "qemu-system-arm"),
    ("sfdisk", "fdisk"),
    ("socat", "socat"),
    ("tcpdump", "tcpdump"),
    ("tftp", "tftp-hpa"),
    ("udhcpc", "udhcpc"),
    ("unsquashfs", "squashfs-tools"),
    ("veritysetup", "cryptsetup-bin"),
    ("wget", "wget"),
    ("zstd", "zstd"),
];

/// Installs what is missing when root, else says what to type.
pub fn ensure(needed: bool) -> Result<()> {
    if needed { install(&TOOLS, "the tests") } else { Ok(()) }
}

/// The same for other programs that `who` needs, each with its package.
pub fn install(tools: &[(&str, &str)], who: &str) -> Result<()> {
    let mut packages: Vec<_> =
        tools.iter().filter(|(tool, _)| !is_installed(tool)).map(|(_, package)| *package).collect();
    packages.sort_unstable();
    packages.dedup();
    if packages.is_empty() {
        return Ok(());
    }
    let install = format!("apt-get install --yes --no-install-recommends {}", packages.join(" "));
    if !Uid::effective().is_root() {
        bail!("{who} can not do without a few programs; type\n\n    sudo {install}\n\nand start again");
    }
    eprintln!("installing {}", packages.join(", "));
    if !apt_get(&["update", "-qq"])?
        || !apt_get(&[&["install", "--yes", "-qq", "--no-install-recommends"], packages.as_slice()].concat())?
    {
        bail!("`{install}` failed: its output is above");
    }
    Ok(())
}

fn apt_get(arguments: &[&str]) -> Result<bool> {
    Ok(Command::new("apt-get").args(arguments).env("DEBIAN_FRONTEND", "noninteractive").status()?.success())
}

/// Looks in PATH and in the folders that a plain user's PATH leaves out.
fn is_installed(tool: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/sbin"].map(Into::into);
    env::split_paths(&path).chain(system).any(|folder: std::path::PathBuf| Path::new(&folder).join(tool).exists())
}
