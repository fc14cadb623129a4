//! Names for the LAN: a caching DNS forwarder (RFC 5625) that knows the local hosts.
