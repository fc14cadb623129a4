//! Addresses for the LAN: a DHCP server (RFC 2131) and its lease table.
