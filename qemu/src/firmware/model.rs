//! The boards: which sections of config.txt each reads, and how its files are called.

use std::fmt;

/// A 64-bit board that Debian 13's kernel supports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Model {
    /// Raspberry Pi 3 Model B
    Pi3B,
    /// Raspberry Pi 3 Model B+
    Pi3BPlus,
    /// Raspberry Pi 3 Model A+
    Pi3APlus,
    /// Raspberry Pi Zero 2 W
    Zero2W,
    /// Raspberry Pi 4 Model B
    Pi4B,
    /// Raspberry Pi 400
    Pi400,
    /// Raspberry Pi Compute Module 4
    Cm4,
}

impl Model {
    /// Every board that the card must start.
    pub const ALL: [Self; 7] =
        [Self::Pi3B, Self::Pi3BPlus, Self::Pi3APlus, Self::Zero2W, Self::Pi4B, Self::Pi400, Self::Cm4];

    /// The model filters of config.txt that this board passes (`conditional.adoc`, the table of model filters).
    #[must_use]
    pub fn sections(self) -> &'static [&'static str] {
        match self {
            Self::Pi3B => &["pi3"],
            Self::Pi3BPlus | Self::Pi3APlus => &["pi3", "pi3+"],
            Self::Zero2W => &["pi0", "pi0w", "pi02"],
            Self::Pi4B => &["pi4"],
            Self::Pi400 => &["pi4", "pi400"],
            Self::Cm4 => &["pi4", "cm4"],
        }
    }

    /// The board type in the revision code, for `[board-type=0x11]`.
    #[must_use]
    pub fn board_type(self) -> u8 {
        match self {
            Self::Pi3B => 0x08,
            Self::Pi3BPlus => 0x0d,
            Self::Pi3APlus => 0x0e,
            Self::Zero2W => 0x12,
            Self::Pi4B => 0x11,
            Self::Pi400 => 0x13,
            Self::Cm4 => 0x14,
        }
    }

    /// Whether the board has a BCM2711: boot code in an EEPROM, and a 64-bit kernel by default.
    #[must_use]
    pub fn is_bcm2711(self) -> bool {
        matches!(self, Self::Pi4B | Self::Pi400 | Self::Cm4)
    }

    /// What the boot ROM loads from the first FAT partition, if it has no EEPROM.
    #[must_use]
    pub fn rom_file(self) -> Option<&'static str> {
        (!self.is_bcm2711()).then_some("bootcode.bin")
    }

    /// The GPU's program and its fixup file.
    #[must_use]
    pub fn start_files(self) -> (&'static str, &'static str) {
        if self.is_bcm2711() { ("start4.elf", "fixup4.dat") } else { ("start.elf", "fixup.dat") }
    }

    /// The same without codecs, which `gpu_mem=16` selects.
    #[must_use]
    pub fn cut_down_files(self) -> (&'static str, &'static str) {
        if self.is_bcm2711() { ("start4cd.elf", "fixup4cd.dat") } else { ("start_cd.elf", "fixup_cd.dat") }
    }

    /// The device tree that the firmware looks for: mainline's name with `upstream_kernel=1`, else Raspberry Pi's own.
    #[must_use]
    pub fn device_tree(self, upstream: bool) -> &'static str {
        match (self, upstream) {
            (Self::Pi3B, true) => "bcm2837-rpi-3-b.dtb",
            (Self::Pi3B, false) => "bcm2710-rpi-3-b.dtb",
            (Self::Pi3BPlus, true) => "bcm2837-rpi-3-b-plus.dtb",
            (Self::Pi3BPlus, false) => "bcm2710-rpi-3-b-plus.dtb",
            (Self::Pi3APlus, true) => "bcm2837-rpi-3-a-plus.dtb",
            (Self::Pi3APlus, false) => "bcm2710-rpi-3-a-plus.dtb",
            (Self::Zero2W, true) => "bcm2837-rpi-zero-2-w.dtb",
            (Self::Zero2W, false) => "bcm2710-rpi-zero-2-w.dtb",
            (Self::Pi4B, _) => "bcm2711-rpi-4-b.dtb",
            (Self::Pi400, _) => "bcm2711-rpi-400.dtb",
            (Self::Cm4, true) => "bcm2711-rpi-cm4-io.dtb",
            (Self::Cm4, false) => "bcm2711-rpi-cm4.dtb",
        }
    }
}

impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pi3B => "Pi 3B",
            Self::Pi3BPlus => "Pi 3B+",
            Self::Pi3APlus => "Pi 3A+",
            Self::Zero2W => "Pi Zero 2 W",
            Self::Pi4B => "Pi 4B",
            Self::Pi400 => "Pi 400",
            Self::Cm4 => "Compute Module 4",
        })
    }
}
