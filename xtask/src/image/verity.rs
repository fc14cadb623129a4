//! The dm-verity hash tree that lies behind the root file system (Linux Documentation/admin-guide/device-mapper/verity.rst and
//! cryptsetup's on-disk format, version 1): every read of a block is checked against the root hash on the kernel command line.
//!
//! ```text
//! block  0 … data_blocks-1   the squashfs
//! block  data_blocks         superblock (512 bytes, rest zero)
//! block  data_blocks+1 …     the tree, its topmost level first
//! ```
//!
//! A hash block holds the SHA-256 digests of 128 blocks of the level below. Every digest is taken over the salt and then the
//! block. Without secure boot this finds rot and damage; it is no proof of who made the card.

use gatepost_core::card::VERITY_BLOCK_BYTES;
use sha2::{Digest, Sha256};

/// Bytes of a data block and of a hash block. The kernel's page size: larger ones can't be mapped.
pub const BLOCK: usize = VERITY_BLOCK_BYTES as usize;

/// Digests that fit into a hash block.
const DIGESTS: usize = BLOCK / 32;

/// What PID 1 needs to open the partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verity {
    /// How many blocks of the partition are data.
    pub data_blocks: u64,
    /// Goes into each digest before the block.
    pub salt: [u8; 32],
    /// The digest of the topmost block.
    pub root_hash: [u8; 32],
}

impl Verity {
    /// The value of `gatepost.verity=` on the kernel command line.
    pub fn argument(&self) -> String {
        format!("{},{},{}", self.data_blocks, hex(&self.salt), hex(&self.root_hash))
    }
}

/// Appends superblock and tree to the data.
///
/// # Panics
/// If the data is empty or not a whole number of blocks.
pub fn append(data: &mut Vec<u8>, salt: [u8; 32], uuid: [u8; 16]) -> Verity {
    assert!(!data.is_empty() && data.len().is_multiple_of(BLOCK), "verity needs whole blocks");
    let data_blocks = (data.len() / BLOCK) as u64;
    let mut digests = hash_blocks(data, &salt);
    let mut levels = Vec::new();
    while digests.len() > 1 {
        let level = pack(&digests);
        digests = hash_blocks(&level, &salt);
        levels.push(level);
    }
    data.extend_from_slice(&superblock(data_blocks, &salt, uuid));
    for level in levels.iter().rev() {
        data.extend_from_slice(level);
    }
    Verity { data_blocks, salt, root_hash: digests[0] }
}

fn hash_blocks(data: &[u8], salt: &[u8; 32]) -> Vec<[u8; 32]> {
    data.chunks(BLOCK).map(|block| Sha256::new().chain_update(salt).chain_update(block).finalize().into()).collect()
}

/// Digests side by side in whole blocks, zeros behind the last one.
fn pack(digests: &[[u8; 32]]) -> Vec<u8> {
    let mut level = digests.concat();
    level.resize(digests.len().div_ceil(DIGESTS) * BLOCK, 0);
    level
}

/// The superblock, in a block of its own. PID 1 takes its numbers from the command line; this one is for `veritysetup`.
fn superblock(data_blocks: u64, salt: &[u8; 32], uuid: [u8; 16]) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"verity\0\0");
    put(8, &1u32.to_le_bytes()); // format version
    put(12, &1u32.to_le_bytes()); // hash type 1: salt first, digests packed
    put(16, &uuid);
    put(32, b"sha256");
    put(64, &(BLOCK as u32).to_le_bytes()); // data block size
    put(68, &(BLOCK as u32).to_le_bytes()); // hash block size
    put(72, &data_blocks.to_le_bytes());
    put(80, &(salt.len() as u16).to_le_bytes());
    put(88, salt);
    block
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree_of(blocks: usize) -> (Vec<u8>, Verity) {
        let mut data: Vec<u8> = (0..blocks * BLOCK).map(|i| (i / BLOCK + i) as u8).collect();
        let verity = append(&mut data, [7; 32], [1; 16]);
        (data, verity)
    }

    #[test]
    fn the_tree_has_as_many_blocks_as_it_needs() {
        // superblock, then the levels: none, 1, 1, 1+2
        for (blocks, total) in [(1, 2), (2, 4), (128, 130), (129, 133)] {
            assert_eq!(tree_of(blocks).0.len() / BLOCK, total, "{blocks} blocks");
        }
    }

    #[test]
    fn the_root_hash_covers_every_byte() {
        let (_, whole) = tree_of(130);
        for at in [0, BLOCK, 130 * BLOCK - 1] {
            let mut data: Vec<u8> = (0..130 * BLOCK).map(|i| (i / BLOCK + i) as u8).collect();
            data[at] ^= 1;
            assert_ne!(append(&mut data, [7; 32], [1; 16]).root_hash, whole.root_hash);
        }
    }
}
