//! All machines composed into one gateway.
