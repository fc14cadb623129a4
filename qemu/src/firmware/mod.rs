//! A stand-in for the Pi's boot firmware: it finds on the card what the board would start.
//!
//! The order is the firmware's (Raspberry Pi documentation, `config_txt/autoboot.adoc`, `boot.adoc`, `conditional.adoc`):
//!
//! 1. the ROM of the Pi 3 family loads bootcode.bin from the first FAT partition; the Pi 4 has that stage in its EEPROM;
//! 2. autoboot.txt on the first FAT partition names the boot partition;
//! 3. config.txt there names firmware, kernel, initramfs, device tree and command line;
//! 4. each of those must exist, or the board stays dark.
//!
//! It is stricter than a board: where the firmware silently skips a wrong line and goes on with something else, this one
//! stops and says what is wrong. Left out: overlays and `dtparam` are checked for their files but not applied, `include`
//! is refused, and so is everything that needs a monitor, a GPIO or a serial number to decide.

mod autoboot;
mod config;
mod model;

pub use model::Model;

use crate::Card;
use anyhow::{Context, Result, bail, ensure};
use config::Config;
use flate2::read::GzDecoder;
use std::io::Read;

/// Which kind of start the board makes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// Power on, or an ordinary reset.
    #[default]
    Normal,
    /// The one start after `reboot "0 tryboot"`.
    Tryboot,
}

/// What the firmware hands over to the kernel: the very bytes of the card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Boot {
    /// The partition that was picked.
    pub partition: u8,
    /// The kernel, as it is in the file: an arm64 Image, gzip'd or not.
    pub kernel: NamedFile,
    /// The initial RAM file system, if config.txt names one. Several files are joined, as the firmware does.
    pub initramfs: Option<NamedFile>,
    /// The device tree.
    pub dtb: NamedFile,
    /// The kernel's command line without the line's end.
    pub cmdline: String,
}

/// A file of the boot partition.
#[derive(Clone, PartialEq, Eq)]
pub struct NamedFile {
    /// Its path inside the partition.
    pub name: String,
    /// What is in it.
    pub bytes: Vec<u8>,
}

impl std::fmt::Debug for NamedFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({} bytes)", self.name, self.bytes.len())
    }
}

/// Plays the firmware of `model` on a card.
///
/// # Errors
/// Whatever would leave the board dark or start something else than the card's author meant.
pub fn start(card: &Card, model: Model, start: Start) -> Result<Boot> {
    let partition = boot_partition(card, model, start)?;
    from_partition(card, partition, model, start)
        .with_context(|| format!("a {model} would not start from partition {partition}"))
}

/// Steps 1 and 2: which partition to start from.
fn boot_partition(card: &Card, model: Model, start: Start) -> Result<u8> {
    let first = card.fat_partitions().next().context("the card has no FAT partition")?.number;
    if let Some(rom) = model.rom_file() {
        ensure!(
            card.has_file(first, rom)?,
            "there is no {rom} on partition {first}: the ROM of a {model} finds nothing to start there"
        );
    }
    match card.find_file(first, "autoboot.txt")? {
        Some(text) => {
            let picked = autoboot::boot_partition(&text, start)
                .with_context(|| format!("autoboot.txt on partition {first} is wrong"))?;
            let picked = picked.unwrap_or(first);
            let partition = card.partition(picked).context("autoboot.txt names a partition that is not there")?;
            ensure!(partition.is_fat(), "autoboot.txt says boot_partition={picked}, but that is no FAT partition");
            Ok(picked)
        }
        None => first_with_firmware(card, model),
    }
}

/// Without an autoboot.txt the firmware takes the first FAT partition that it can start from.
fn first_with_firmware(card: &Card, model: Model) -> Result<u8> {
    for partition in card.fat_partitions() {
        let number = partition.number;
        if card.has_file(number, "config.txt")? && card.has_file(number, model.start_files().0)? {
            return Ok(number);
        }
    }
    bail!("there is no autoboot.txt, and no FAT partition holds both config.txt and {}", model.start_files().0)
}

/// Steps 3 and 4.
fn from_partition(card: &Card, partition: u8, model: Model, start: Start) -> Result<Boot> {
    let text = card.read_file(partition, "config.txt")?;
    let config = Config::parse(&text, model, start, partition)?;
    check_firmware(card, partition, model, &config)?;
    ensure!(
        config.is_64_bit(model),
        "config.txt asks for no 64-bit kernel: a {model} needs arm_64bit=1 or a kernel named kernel8.img"
    );
    check_overlays(card, partition, &config)?;
    let prefix = prefix(card, partition, model, &config)?;
    let kernel = named(card, partition, format!("{prefix}{}", config.kernel()), "kernel")?;
    check_kernel(&kernel)?;
    Ok(Boot {
        partition,
        kernel,
        initramfs: initramfs(card, partition, &prefix, &config)?,
        dtb: device_tree(card, partition, &prefix, model, &config)?,
        cmdline: cmdline(card, partition, &prefix, &config)?,
    })
}

/// The GPU's own program and its memory split: they must be there and belong together.
fn check_firmware(card: &Card, partition: u8, model: Model, config: &Config) -> Result<()> {
    let (start, fixup) = config.start_files(model)?;
    for name in [&start, &fixup] {
        ensure!(card.has_file(partition, name)?, "there is no {name}, which a {model} needs");
    }
    Ok(())
}

fn check_overlays(card: &Card, partition: u8, config: &Config) -> Result<()> {
    for (line, name) in &config.overlays {
        let path = format!("overlays/{name}.dtbo");
        ensure!(
            card.has_file(partition, &path)?,
            "config.txt line {line} says dtoverlay={name}, but there is no {path}"
        );
    }
    Ok(())
}

/// `os_prefix`, which the firmware takes only if kernel and device tree are there.
fn prefix(card: &Card, partition: u8, model: Model, config: &Config) -> Result<String> {
    let wanted = match &config.os_prefix {
        Some((_, prefix)) => prefix.as_str(),
        None if config.upstream_kernel => "upstream/",
        None => return Ok(String::new()),
    };
    let kernel = format!("{wanted}{}", config.kernel());
    let dtb = format!("{wanted}{}", config.device_tree(model));
    let mut missing = Vec::new();
    for name in [kernel, dtb] {
        if !card.has_file(partition, &name)? {
            missing.push(name);
        }
    }
    match &config.os_prefix {
        _ if missing.is_empty() => Ok(wanted.to_owned()),
        None => Ok(String::new()),
        Some((line, _)) => bail!(
            "config.txt line {line} says os_prefix={wanted}, which the firmware would ignore: there is no {}",
            missing.join(" and no ")
        ),
    }
}

fn named(card: &Card, partition: u8, name: String, key: &str) -> Result<NamedFile> {
    let bytes = card
        .find_file(partition, &name)?
        .with_context(|| format!("config.txt says {key}={name}, but there is no such file"))?;
    Ok(NamedFile { name, bytes })
}

/// The header of an arm64 Image (Linux, `Documentation/arch/arm64/booting.rst`): "ARM\x64" at byte 56.
fn check_kernel(kernel: &NamedFile) -> Result<()> {
    let mut head = [0; 64];
    let read = if kernel.bytes.starts_with(&[0x1f, 0x8b]) {
        GzDecoder::new(kernel.bytes.as_slice()).read_exact(&mut head)
    } else {
        kernel.bytes.as_slice().read_exact(&mut head)
    };
    read.with_context(|| format!("{} is cut off or no gzip file", kernel.name))?;
    ensure!(head[4..8] != *b"zimg", "{} is an EFI zboot kernel, which the firmware can't unpack", kernel.name);
    ensure!(head[56..60] == *b"ARM\x64", "{} is no arm64 kernel Image", kernel.name);
    Ok(())
}

fn initramfs(card: &Card, partition: u8, prefix: &str, config: &Config) -> Result<Option<NamedFile>> {
    if config.initramfs.is_empty() {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    for name in &config.initramfs {
        bytes.extend(named(card, partition, format!("{prefix}{name}"), "initramfs")?.bytes);
    }
    Ok(Some(NamedFile {
        name: config.initramfs.iter().map(|name| format!("{prefix}{name}")).collect::<Vec<_>>().join(","),
        bytes,
    }))
}

fn device_tree(card: &Card, partition: u8, prefix: &str, model: Model, config: &Config) -> Result<NamedFile> {
    let dtb = named(card, partition, format!("{prefix}{}", config.device_tree(model)), "device_tree")?;
    ensure!(dtb.bytes.starts_with(&[0xd0, 0x0d, 0xfe, 0xed]), "{} is no device tree", dtb.name);
    Ok(dtb)
}

/// The firmware takes the first line only, so anything behind it is a mistake of the author.
fn cmdline(card: &Card, partition: u8, prefix: &str, config: &Config) -> Result<String> {
    /// Bytes that the arm64 kernel takes (`COMMAND_LINE_SIZE`).
    const CMDLINE_MAX: usize = 2048;
    let file = named(card, partition, format!("{prefix}{}", config.cmdline()), "cmdline")?;
    let text = String::from_utf8(file.bytes).with_context(|| format!("{} is no text", file.name))?;
    let mut lines = text.lines();
    let line = lines.next().unwrap_or_default().trim().to_owned();
    ensure!(!line.is_empty(), "the first line of {} is empty: the kernel would get no command line", file.name);
    ensure!(
        lines.all(|rest| rest.trim().is_empty()),
        "{} has more than one line; the firmware takes only the first",
        file.name
    );
    ensure!(line.len() < CMDLINE_MAX, "{} is {} bytes long, the kernel takes {CMDLINE_MAX}", file.name, line.len());
    Ok(line)
}

#[cfg(test)]
mod tests;
