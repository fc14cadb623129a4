//! The packet filter and address translation as a value, and its netlink encoding.
