//! All machines composed into one gateway.

pub mod log;
