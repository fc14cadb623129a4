//! What good clients and servers say, for the targets to bend.

pub mod dhcp;
pub mod dns;
pub mod wifi;
