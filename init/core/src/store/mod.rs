//! Bytes that survive a power cut: framing and checksums for files on the config partition.
//!
//! Two shapes, both pure codecs; the shell writes, syncs and renames:
//! - [`journal`]: records that are only ever appended, for state that changes often (leases). A cut while appending
//!   costs the record being written and nothing before it.
//! - [`snapshot`]: one value in two generation-numbered copies, for state that changes rarely (the configuration). The
//!   older copy is overwritten, so a cut while writing leaves the newer one whole.
//!
//! Checksums are SHA-256: they find a torn write, a worn-out block or a flipped bit. They are no proof of who wrote
//! the file.

pub mod journal;
pub mod snapshot;
