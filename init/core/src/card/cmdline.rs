//! What the kernel command line of a boot slot tells PID 1:
//! `gatepost.slot=a gatepost.disk=<8 hex digits> gatepost.verity=<data blocks>,<salt hex>,<root hash hex>`.

use super::Slot;
use alloc::string::String;
use core::fmt;

/// The three `gatepost.` words of the command line, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootWords {
    /// The slot that this kernel belongs to.
    pub slot: Slot,
    /// MBR signature of the card.
    pub disk: u32,
    /// How to check the root file system.
    pub verity: Verity,
}

/// Parameters of the root partition's dm-verity tree: SHA-256, 4096-byte blocks, superblock at block `data_blocks`
/// of the same partition, tree from the block after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verity {
    /// Blocks of 4096 bytes that are covered; at least 1, at most [`MAX_DATA_BLOCKS`].
    pub data_blocks: u64,
    /// Salt, lower-case hexadecimal, at most 512 digits, or `-` for none: as the kernel's table wants it.
    pub salt: String,
    /// Root hash: 64 lower-case hexadecimal digits.
    pub root_hash: String,
}

/// A root file system of 4 TiB: far beyond any card, and small enough that no sum overflows.
pub const MAX_DATA_BLOCKS: u64 = 1 << 30;

/// Which word is missing or wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadWord(pub &'static str);

impl fmt::Display for BadWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cmdline.txt has no valid {}= word", self.0)
    }
}

impl core::error::Error for BadWord {}

impl BootWords {
    /// Reads the words out of `/proc/cmdline`. If one stands there twice the first counts.
    ///
    /// # Errors
    /// The first word that is missing or malformed.
    pub fn parse(cmdline: &str) -> Result<Self, BadWord> {
        let value = |key: &'static str| {
            let found =
                cmdline.split_ascii_whitespace().find_map(|word| word.split_once('=').filter(|(k, _)| *k == key));
            found.map(|(_, value)| value).ok_or(BadWord(key))
        };
        let slot = match value("gatepost.slot")? {
            "a" => Slot::A,
            "b" => Slot::B,
            _ => return Err(BadWord("gatepost.slot")),
        };
        let disk = value("gatepost.disk")?;
        let disk = u32::from_str_radix(disk, 16).ok().filter(|_| disk.len() == 8 && is_hex(disk));
        Ok(Self {
            slot,
            disk: disk.ok_or(BadWord("gatepost.disk"))?,
            verity: Verity::parse(value("gatepost.verity")?).ok_or(BadWord("gatepost.verity"))?,
        })
    }
}

impl Verity {
    /// From `<data blocks>,<salt>,<root hash>`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut fields = text.split(',');
        let (blocks, salt, hash) = (fields.next()?, fields.next()?, fields.next()?);
        let data_blocks = blocks.parse().ok().filter(|blocks| (1..=MAX_DATA_BLOCKS).contains(blocks))?;
        let salt_ok = salt == "-" || (is_hex(salt) && salt.len() <= 512 && salt.len().is_multiple_of(2));
        let hash_ok = is_hex(hash) && hash.len() == 64;
        (fields.next().is_none() && salt_ok && hash_ok && blocks.bytes().all(|b| b.is_ascii_digit())).then(|| Self {
            data_blocks,
            salt: salt.to_ascii_lowercase(),
            root_hash: hash.to_ascii_lowercase(),
        })
    }
}

fn is_hex(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    const HASH: &str = "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF";

    #[test]
    fn reads_a_real_line() {
        let line = format!(
            "console=tty0 panic=10 gatepost.slot=b gatepost.disk=1234abcd gatepost.verity=3072,aa55,{HASH} quiet\n"
        );
        let words = BootWords::parse(&line).unwrap();
        assert_eq!((words.slot, words.disk, words.verity.data_blocks), (Slot::B, 0x1234_abcd, 3072));
        assert_eq!((words.verity.salt.as_str(), words.verity.root_hash), ("aa55", HASH.to_ascii_lowercase()));
    }

    #[test]
    fn names_the_word_that_is_wrong() {
        let line = |slot: &str, disk: &str, verity: &str| {
            BootWords::parse(&format!("gatepost.slot={slot} gatepost.disk={disk} gatepost.verity={verity}"))
        };
        let good = format!("1,-,{HASH}");
        assert!(line("a", "00000001", &good).is_ok());
        assert_eq!(BootWords::parse("").unwrap_err(), BadWord("gatepost.slot"));
        assert_eq!(line("c", "00000001", &good).unwrap_err(), BadWord("gatepost.slot"));
        for disk in ["", "1", "+0000001", "0000000g", "000000001"] {
            assert_eq!(line("a", disk, &good).unwrap_err(), BadWord("gatepost.disk"), "{disk}");
        }
        for verity in ["", "1,-", "0,-,{H}", "+1,-,{H}", "1,abc,{H}", "1,-,{H}0", "1,-,{H},", "99999999999,-,{H}"] {
            let verity = verity.replace("{H}", HASH);
            assert_eq!(line("a", "00000001", &verity).unwrap_err(), BadWord("gatepost.verity"), "{verity}");
        }
    }
}
