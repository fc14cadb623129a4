//! Bytes that survive a power cut: framing and checksums for files on the config partition.
