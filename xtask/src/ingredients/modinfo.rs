//! What a kernel module says about itself in its `.modinfo` section: `key=value` strings with a zero byte after each.

use super::elf::Elf;
use anyhow::{Context, Result};

/// The parts that decide when and after what a module is loaded. Module names are written with underscores.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModInfo {
    /// Its name, as the kernel shows it.
    pub name: String,
    /// Modules whose symbols it uses.
    pub depends: Vec<String>,
    /// Modules or aliases that should be there first (`softdep=pre: …`); as written.
    pub before: Vec<String>,
    /// Hardware and other names under which it may be asked for.
    pub aliases: Vec<String>,
}

impl ModInfo {
    /// Reads the section out of an uncompressed module.
    pub fn of_module(bytes: &[u8]) -> Result<Self> {
        let section = Elf::parse(bytes)?.section(".modinfo")?.context("a kernel module without .modinfo")?;
        Ok(Self::parse(section))
    }

    fn parse(section: &[u8]) -> Self {
        let mut info = Self::default();
        for (key, value) in pairs(section) {
            match key {
                "name" => info.name = underscored(value),
                "depends" => info.depends.extend(value.split(',').filter(|name| !name.is_empty()).map(underscored)),
                "softdep" => info.before.extend(before(value)),
                "alias" => info.aliases.push(value.to_owned()),
                _ => {}
            }
        }
        info
    }
}

/// The `key=value` strings of a section, or of modules.builtin.modinfo. What is not UTF-8 is passed over.
pub fn pairs(section: &[u8]) -> impl Iterator<Item = (&str, &str)> {
    section.split(|byte| *byte == 0).filter_map(|text| std::str::from_utf8(text).ok()?.split_once('='))
}

/// File names have dashes where the kernel has underscores; both mean the same module.
pub fn underscored(name: &str) -> String {
    name.replace('-', "_")
}

/// `pre: a b post: c` gives a, b. What comes after the module is its user's business.
fn before(softdep: &str) -> Vec<String> {
    let mut pre = false;
    let mut found = Vec::new();
    for word in softdep.split_whitespace() {
        match word {
            "pre:" => pre = true,
            "post:" => pre = false,
            _ if pre => found.push(word.to_owned()),
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingredients::elf::tests::with_section;

    #[test]
    fn fields_of_a_module() {
        let section = b"license=GPL\0\0softdep=post: z pre: mdio-bcm-unimac crc32c\0alias=of:N*T*Cbrcm,x\0alias=of:N*T*Cbrcm,xC*\0\
                        depends=libphy,mii-x\0name=genet\0\xff=1\0vermagic=6.12 SMP\0";
        let info = ModInfo::of_module(&with_section(".modinfo", section)).unwrap();
        assert_eq!(info.name, "genet");
        assert_eq!(info.depends, ["libphy", "mii_x"]);
        assert_eq!(info.before, ["mdio-bcm-unimac", "crc32c"]);
        assert_eq!(info.aliases, ["of:N*T*Cbrcm,x", "of:N*T*Cbrcm,xC*"]);
    }

    #[test]
    fn a_file_without_the_section_is_no_module() {
        assert!(ModInfo::of_module(&with_section(".text", b"")).is_err());
    }
}
