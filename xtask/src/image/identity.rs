//! Every id on the card, derived instead of drawn, so that two builds of the same sources are the same card.
//!
//! What has to stay the same for the life of a card (the disk signature by which the kernel command line names the disk, the
//! config partition's UUID) comes from the seed alone: an update writes a slot of a newer version onto an older card. What
//! belongs to one build (volume ids of the FAT partitions, the salt of the hash tree) also depends on the version.

use super::layout::Content;
use sha2::{Digest, Sha256};

/// The ids of one card.
#[derive(Clone, Debug)]
pub struct Identity {
    seed: String,
    version: String,
}

impl Identity {
    /// The ids that follow from the product's seed word and the version of this build.
    pub fn new(seed: &str, version: &str) -> Self {
        Self { seed: seed.into(), version: version.into() }
    }

    /// The disk signature at offset 440 of the MBR; never 0, which means "none".
    pub fn disk_signature(&self) -> u32 {
        first_u32(&derive(&[&self.seed, "disk signature"])).max(1)
    }

    /// The UUID of the config partition's file system.
    pub fn config_uuid(&self) -> [u8; 16] {
        uuid(&derive(&[&self.seed, "config uuid"]))
    }

    /// The serial number of a FAT partition.
    pub fn volume_id(&self, content: Content) -> u32 {
        first_u32(&derive(&[&self.seed, &self.version, content.name(), "volume id"]))
    }

    /// The UUID in the verity superblock.
    pub fn verity_uuid(&self) -> [u8; 16] {
        uuid(&derive(&[&self.seed, &self.version, "verity uuid"]))
    }

    /// The salt of the hash tree. The same in both slots: their bytes are equal, and the second one costs nothing to download.
    pub fn verity_salt(&self) -> [u8; 32] {
        derive(&[&self.seed, &self.version, "verity salt"])
    }
}

/// A hash of the words, each with its length before it so that no two lists collide.
fn derive(words: &[&str]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for word in words {
        hash.update((word.len() as u64).to_le_bytes());
        hash.update(word);
    }
    hash.finalize().into()
}

fn first_u32(bytes: &[u8; 32]) -> u32 {
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

/// The first 16 bytes as a name-based UUID (RFC 9562 §5.8, version 8: made by a rule of our own).
fn uuid(bytes: &[u8; 32]) -> [u8; 16] {
    let mut uuid = [0; 16];
    uuid.copy_from_slice(&bytes[..16]);
    uuid[6] = (uuid[6] & 0x0f) | 0x80;
    uuid[8] = (uuid[8] & 0x3f) | 0x80;
    uuid
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_the_card_outlives_the_version() {
        let (old, new) = (Identity::new("gatepost", "0.1.0"), Identity::new("gatepost", "0.2.0"));
        assert_eq!(old.disk_signature(), new.disk_signature());
        assert_eq!(old.config_uuid(), new.config_uuid());
        assert_ne!(old.verity_salt(), new.verity_salt());
        assert_ne!(old.volume_id(Content::Selector), new.volume_id(Content::Selector));
    }

    #[test]
    fn no_two_partitions_share_an_id() {
        let id = Identity::new("gatepost", "0.1.0");
        let ids = Content::ALL.map(|content| id.volume_id(content));
        for (i, a) in ids.iter().enumerate() {
            assert!(!ids[..i].contains(a));
        }
    }
}
