//! The uplink's address: a DHCP client (RFC 2131).
