//! config.txt: what the firmware is told (`config_txt/boot.adoc`, `memory.adoc`, `conditional.adoc`).
//!
//! A key that is not in [`KNOWN`] is refused. The firmware would skip it in silence, so that `kernal=` starts the default
//! kernel and nobody learns why.

use super::{Model, Start};
use anyhow::{Context, Result, bail, ensure};

/// Keys that may stand in config.txt. Add one when the card needs it, with what it does.
const KNOWN: &[&str] = &[
    "arm_64bit",      // 64-bit kernel
    "arm_boost",      // Pi 4: the clock that newer boards allow
    "auto_initramfs", // refused below: the name must be said
    "avoid_warnings", // no lightning bolt on the screen
    "boot_delay",     // seconds before the kernel, default 1
    "camera_auto_detect",
    "cmdline",     // file of the kernel's command line
    "core_freq",   // keeps the mini UART's baud rate
    "device_tree", // file of the device tree
    "disable_fw_kms_setup",
    "disable_poe_fan", // no I2C probe at start
    "disable_splash",  // no rainbow
    "display_auto_detect",
    "dtoverlay",   // overlays/NAME.dtbo
    "dtparam",     // parameter of the base device tree
    "enable_uart", // mini UART on, core clock fixed
    "fixup_file",
    "force_eeprom_read", // no probe for a HAT
    "gpu_mem",           // 16 selects the cut-down firmware
    "hdmi_blanking",
    "hdmi_force_hotplug",
    "initramfs",  // "initramfs FILE followkernel", without =
    "kernel",     // file of the kernel
    "kernel_old", // refused below: corrupts large kernels
    "os_prefix",  // put before kernel, initramfs, cmdline and device tree
    "start_file",
    "uart_2ndstage",   // firmware log on the UART
    "upstream_kernel", // mainline's device-tree names
];

/// The longest line that the firmware reads whole, in bytes.
const LINE_MAX: usize = 98;

/// What config.txt says for one board.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// The line and value of `os_prefix`.
    pub os_prefix: Option<(usize, String)>,
    /// Mainline's device-tree names.
    pub upstream_kernel: bool,
    /// Files of the initramfs, to be joined.
    pub initramfs: Vec<String>,
    /// Line and name of each overlay.
    pub overlays: Vec<(usize, String)>,
    kernel: Option<String>,
    cmdline: Option<String>,
    device_tree: Option<String>,
    arm_64bit: Option<bool>,
    gpu_mem: Option<u32>,
    start_file: Option<String>,
    fixup_file: Option<String>,
}

impl Config {
    /// Reads config.txt as `model` would on this kind of start from this partition.
    pub fn parse(text: &[u8], model: Model, start: Start, partition: u8) -> Result<Self> {
        let text = std::str::from_utf8(text).context("config.txt is no text")?;
        let mut config = Self::default();
        let mut filters = Filters::default();
        for (number, line) in (1..).zip(text.lines().map(str::trim_end)) {
            let at = || format!("config.txt line {number}, “{line}”");
            ensure!(line.len() <= LINE_MAX, "{} is {} bytes long, the firmware reads {LINE_MAX}", at(), line.len());
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(section) = line.strip_prefix('[') {
                let section = section.strip_suffix(']').context("a section ends in ]").with_context(at)?;
                filters.enter(section, model, start, partition).with_context(at)?;
                continue;
            }
            let mut scratch = Self::default();
            let target = if filters.apply() { &mut config } else { &mut scratch };
            target.line(number, line).with_context(at)?;
        }
        Ok(config)
    }

    /// One line outside the section headers. Lines for other boards are read too, so that a mistake in them shows here.
    fn line(&mut self, number: usize, line: &str) -> Result<()> {
        if let Some(rest) = line.strip_prefix("initramfs ") {
            return self.initramfs(rest);
        }
        let (key, value) = line.split_once('=').context("a line is key=value without spaces")?;
        ensure!(
            KNOWN.contains(&key),
            "“{key}” is no key that this card uses; see KNOWN in qemu/src/firmware/config.rs"
        );
        let text = || -> Result<String> {
            ensure!(!value.is_empty() && !value.contains(' '), "the value is empty or holds a space");
            Ok(value.to_owned())
        };
        match key {
            "kernel" => self.kernel = Some(text()?),
            "cmdline" => self.cmdline = Some(text()?),
            "device_tree" => self.device_tree = Some(text()?),
            "os_prefix" => self.os_prefix = Some((number, text()?)),
            "start_file" => self.start_file = Some(text()?),
            "fixup_file" => self.fixup_file = Some(text()?),
            "dtoverlay" => self.overlays.extend(overlay(value).map(|name| (number, name))),
            "arm_64bit" => self.arm_64bit = Some(number_of(value)? != 0),
            "upstream_kernel" => self.upstream_kernel = number_of(value)? != 0,
            "gpu_mem" => self.gpu_mem = Some(number_of(value)?),
            "initramfs" => bail!("initramfs takes no =; write “initramfs FILE followkernel”"),
            "auto_initramfs" => ensure!(number_of(value)? == 0, "name the initramfs instead"),
            "kernel_old" => ensure!(number_of(value)? == 0, "kernel_old=1 corrupts kernels of this size"),
            _ => {}
        }
        Ok(())
    }

    fn initramfs(&mut self, rest: &str) -> Result<()> {
        let (files, address) = rest.split_once(' ').context("write “initramfs FILE followkernel”")?;
        ensure!(
            address == "followkernel" || address.starts_with("0x"),
            "the word after the file is “followkernel” or an address such as 0x00800000"
        );
        self.initramfs = files.split(',').map(str::to_owned).collect();
        ensure!(self.initramfs.iter().all(|file| !file.is_empty()), "a file name is empty");
        Ok(())
    }

    /// The kernel's file name.
    pub fn kernel(&self) -> &str {
        self.kernel.as_deref().unwrap_or("kernel8.img")
    }

    /// The command line's file name.
    pub fn cmdline(&self) -> &str {
        self.cmdline.as_deref().unwrap_or("cmdline.txt")
    }

    /// The device tree's file name.
    pub fn device_tree(&self, model: Model) -> &str {
        self.device_tree.as_deref().unwrap_or_else(|| model.device_tree(self.upstream_kernel))
    }

    /// `arm_64bit` is the default on the Pi 4 family; elsewhere the name kernel8.img implies it.
    pub fn is_64_bit(&self, model: Model) -> bool {
        self.arm_64bit.unwrap_or(model.is_bcm2711() || self.kernel.as_deref() == Some("kernel8.img"))
    }

    /// The GPU's program and its fixup file, which must be named together.
    pub fn start_files(&self, model: Model) -> Result<(String, String)> {
        let (start, fixup) = match self.gpu_mem {
            Some(0..=16) => model.cut_down_files(),
            _ => model.start_files(),
        };
        match (&self.start_file, &self.fixup_file) {
            (None, None) => Ok((start.to_owned(), fixup.to_owned())),
            (Some(start), Some(fixup)) => Ok((start.clone(), fixup.clone())),
            _ => bail!("start_file and fixup_file belong together; config.txt names only one"),
        }
    }
}

/// The overlay's name without its parameters; an empty value only ends the parameters of the one before.
fn overlay(value: &str) -> Option<String> {
    let name = value.split([',', ':']).next().unwrap_or_default();
    (!name.is_empty()).then(|| name.to_owned())
}

fn number_of(value: &str) -> Result<u32> {
    value.parse().ok().context("the value is a whole number")
}

/// Filters of one type replace each other, filters of different types are combined, `[all]` ends them all.
#[derive(Debug)]
struct Filters {
    model: bool,
    tryboot: bool,
    partition: bool,
    board: bool,
}

impl Default for Filters {
    fn default() -> Self {
        Self { model: true, tryboot: true, partition: true, board: true }
    }
}

impl Filters {
    /// Model filters that the firmware knows, beside those of our boards.
    const OTHER_MODELS: &[&str] = &["pi1", "pi2", "cm0", "cm1", "cm3", "cm3+", "cm4s", "pi5", "pi500", "cm5"];

    fn apply(&self) -> bool {
        self.model && self.tryboot && self.partition && self.board
    }

    fn enter(&mut self, section: &str, model: Model, start: Start, partition: u8) -> Result<()> {
        let known = |name: &str| Model::ALL.iter().any(|model| model.sections().contains(&name));
        match section.split_once('=') {
            None if section == "all" => *self = Self::default(),
            None if section == "none" => self.model = false,
            None if section == "tryboot" => self.tryboot = start == Start::Tryboot,
            None if known(section) => self.model = model.sections().contains(&section),
            None if Self::OTHER_MODELS.contains(&section) => self.model = false,
            Some(("boot_partition", value)) => self.partition = number_of(value)? == u32::from(partition),
            Some(("board-type", value)) => {
                let number = value.strip_prefix("0x").and_then(|hex| u8::from_str_radix(hex, 16).ok());
                self.board = number.context("a board type is written like 0x11")? == model.board_type();
            }
            _ => bail!("[{section}] is no section that the firmware stand-in knows"),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, model: Model) -> Result<Config, String> {
        Config::parse(text.as_bytes(), model, Start::Normal, 2).map_err(|error| format!("{error:#}"))
    }

    const BOARDS: &str = "arm_64bit=1\nkernel=kernel8.img\ninitramfs initramfs.zst followkernel\n\
        [pi3]\ndevice_tree=bcm2837-rpi-3-b.dtb\n[pi3+]\ndevice_tree=bcm2837-rpi-3-b-plus.dtb\n\
        [pi4]\ndevice_tree=bcm2711-rpi-4-b.dtb\n[pi400]\ndevice_tree=bcm2711-rpi-400.dtb\n[all]\nenable_uart=1\n";

    #[test]
    fn each_board_reads_its_sections() {
        for (model, wanted) in [
            (Model::Pi3B, "bcm2837-rpi-3-b.dtb"),
            (Model::Pi3BPlus, "bcm2837-rpi-3-b-plus.dtb"),
            (Model::Pi4B, "bcm2711-rpi-4-b.dtb"),
            (Model::Pi400, "bcm2711-rpi-400.dtb"),
            (Model::Cm4, "bcm2711-rpi-4-b.dtb"),
        ] {
            let config = parse(BOARDS, model).unwrap();
            assert_eq!(config.device_tree(model), wanted, "{model}");
            assert_eq!(config.initramfs, ["initramfs.zst"]);
        }
        assert_eq!(parse(BOARDS, Model::Zero2W).unwrap().device_tree(Model::Zero2W), "bcm2710-rpi-zero-2-w.dtb");
    }

    #[test]
    fn upstream_names_follow_the_key() {
        let config = parse("upstream_kernel=1\n", Model::Pi3B).unwrap();
        assert_eq!(config.device_tree(Model::Pi3B), "bcm2837-rpi-3-b.dtb");
        assert_eq!(config.device_tree(Model::Cm4), "bcm2711-rpi-cm4-io.dtb");
    }

    #[test]
    fn filters_of_different_types_are_combined() {
        let text =
            "[boot_partition=2]\n[pi4]\ncmdline=both.txt\n[all]\n[tryboot]\ncmdline=try.txt\n[none]\ncmdline=no.txt\n";
        assert_eq!(parse(text, Model::Pi4B).unwrap().cmdline(), "both.txt");
        assert_eq!(parse(text, Model::Pi3B).unwrap().cmdline(), "cmdline.txt");
        let third = Config::parse(text.as_bytes(), Model::Pi4B, Start::Tryboot, 3).unwrap();
        assert_eq!(third.cmdline(), "try.txt");
    }

    #[test]
    fn sixty_four_bits_as_the_firmware_decides() {
        assert!(parse("", Model::Pi4B).unwrap().is_64_bit(Model::Pi4B));
        assert!(!parse("", Model::Pi3B).unwrap().is_64_bit(Model::Pi3B));
        assert!(parse("kernel=kernel8.img", Model::Pi3B).unwrap().is_64_bit(Model::Pi3B));
        assert!(!parse("arm_64bit=0", Model::Pi4B).unwrap().is_64_bit(Model::Pi4B));
    }

    #[test]
    fn little_gpu_memory_selects_the_cut_down_firmware() {
        let config = parse("gpu_mem=16", Model::Pi4B).unwrap();
        assert_eq!(config.start_files(Model::Pi4B).unwrap().0, "start4cd.elf");
        assert_eq!(config.start_files(Model::Pi3B).unwrap().1, "fixup_cd.dat");
        assert!(parse("start_file=a.elf", Model::Pi4B).unwrap().start_files(Model::Pi4B).is_err());
    }

    #[test]
    fn a_wrong_line_is_named() {
        for (text, wanted) in [
            ("arm_64bit=1\nkernal=kernel8.img", "line 2, “kernal=kernel8.img”: “kernal” is no key"),
            ("[pi5]\nkernal=x", "line 2"),
            ("initramfs=initramfs.zst", "takes no ="),
            ("initramfs initramfs.zst", "followkernel"),
            ("initramfs a.zst folowkernel", "followkernel"),
            ("[pi6]\n", "[pi6] is no section"),
            ("[pi4\n", "ends in ]"),
            ("kernel = kernel8.img", "is no key"),
            ("kernel=kernel8.img # the kernel", "holds a space"),
            ("kernel_old=1", "corrupts"),
            ("arm_64bit=yes", "whole number"),
        ] {
            let error = parse(text, Model::Pi4B).unwrap_err();
            assert!(error.contains(wanted), "{text}: {error}");
        }
        assert!(parse(&format!("cmdline={}", "a".repeat(100)), Model::Pi4B).unwrap_err().contains("bytes long"));
    }
}
