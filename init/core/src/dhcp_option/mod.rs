//! The options of DHCP (RFC 2132 and those after it) as one table, for reading and for writing: number, name, form of
//! the value, and who decides on it.
//!
//! An option that is not in the table is bytes. What the server makes of each is in `dhcp_server`; what a person may set
//! is in `config`.

mod name;
mod text;
mod value;

pub use value::{MAX_LENGTH, Resolver, Value};

/// The form of an option's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nothing: that it is there says all.
    Empty,
    /// One address.
    Address,
    /// One address or more.
    Addresses,
    /// Pairs of destination and router (RFC 2132 section 5.8).
    AddressPairs,
    /// Prefixes with their routers (RFC 3442).
    Routes,
    /// A number of one byte, from the first bound to the second.
    Byte(u8, u8),
    /// A number of two bytes, not below the bound.
    Word(u16),
    /// A number of four bytes, not below the bound.
    Long(u32),
    /// Text; at least one byte.
    Text,
    /// Domain names in the format of RFC 1035, which may be compressed (RFC 3397).
    Domains,
    /// Byte strings behind a length byte each (RFC 3004).
    Classes,
    /// Resolvers with encryption (RFC 9463 section 5).
    Resolvers,
    /// Bytes that mean something to somebody else.
    Bytes,
}

/// Who decides on an option's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Whoever configures the server may.
    Config,
    /// The server itself; the text says which key has a say.
    Server(&'static str),
    /// The client: the server only reads it.
    Client,
}

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Info {
    /// The option's number.
    pub code: u8,
    /// The option's name in a configuration.
    pub name: &'static str,
    /// The form of its value.
    pub kind: Kind,
    /// Who decides on it.
    pub origin: Origin,
}

const fn row(code: u8, name: &'static str, kind: Kind, origin: Origin) -> Info {
    Info { code, name, kind, origin }
}

const LEASE: Origin = Origin::Server("set dhcp.lease");
const NAME: Origin = Origin::Server("a [[host]] has a name");
const LAN: Origin = Origin::Server("it follows from lan.address");
const OWN: Origin = Origin::Server("the server sets it by itself");

/// The table, in the order of numbers.
pub const TABLE: [Info; 37] = [
    row(1, "netmask", Kind::Address, LAN),
    row(3, "router", Kind::Addresses, Origin::Config),
    row(6, "dns-server", Kind::Addresses, Origin::Config),
    row(12, "host-name", Kind::Text, NAME),
    row(15, "domain-name", Kind::Text, Origin::Config),
    row(26, "mtu", Kind::Word(68), Origin::Config),
    row(28, "broadcast", Kind::Address, LAN),
    row(33, "static-route", Kind::AddressPairs, Origin::Config),
    row(42, "ntp-server", Kind::Addresses, Origin::Config),
    row(43, "vendor-specific", Kind::Bytes, Origin::Config),
    row(44, "netbios-name-server", Kind::Addresses, Origin::Config),
    row(50, "requested-address", Kind::Address, Origin::Client),
    row(51, "lease-time", Kind::Long(0), LEASE),
    row(52, "overload", Kind::Byte(1, 3), OWN),
    row(53, "message-type", Kind::Byte(1, 255), OWN),
    row(54, "server-identifier", Kind::Address, LAN),
    row(55, "parameter-request-list", Kind::Bytes, Origin::Client),
    row(56, "message", Kind::Text, OWN),
    row(57, "maximum-message-size", Kind::Word(576), Origin::Client),
    row(58, "renewal-time", Kind::Long(1), Origin::Config),
    row(59, "rebinding-time", Kind::Long(1), Origin::Config),
    row(60, "vendor-class", Kind::Text, Origin::Config),
    row(61, "client-identifier", Kind::Bytes, Origin::Client),
    row(66, "tftp-server-name", Kind::Text, Origin::Config),
    row(67, "boot-file-name", Kind::Text, Origin::Config),
    row(77, "user-class", Kind::Classes, Origin::Client),
    row(80, "rapid-commit", Kind::Empty, Origin::Server("set dhcp.rapid_commit")),
    row(81, "client-fqdn", Kind::Bytes, NAME),
    row(82, "relay-agent", Kind::Bytes, OWN),
    // RFC 8925 section 3.4: MIN_V6ONLY_WAIT.
    row(108, "ipv6-only-preferred", Kind::Long(300), Origin::Config),
    row(114, "captive-portal", Kind::Text, Origin::Config),
    row(116, "auto-configure", Kind::Byte(0, 1), Origin::Config),
    row(118, "subnet-selection", Kind::Address, Origin::Client),
    row(119, "domain-search", Kind::Domains, Origin::Config),
    row(121, "classless-static-route", Kind::Routes, Origin::Config),
    row(150, "tftp-server-address", Kind::Addresses, Origin::Config),
    row(162, "encrypted-dns", Kind::Resolvers, Origin::Config),
];

/// The row of a number.
pub fn by_code(code: u8) -> Option<&'static Info> {
    TABLE.binary_search_by_key(&code, |info| info.code).ok().and_then(|at| TABLE.get(at))
}

/// The row of a name.
pub fn by_name(name: &str) -> Option<&'static Info> {
    TABLE.iter().find(|info| info.name == name)
}

/// The form of a number's value; bytes for one that is not in the table.
pub fn kind_of(code: u8) -> Kind {
    by_code(code).map_or(Kind::Bytes, |info| info.kind)
}

/// Reads what a message holds. `None` if it has not the form that the table says.
pub fn decode(code: u8, bytes: &[u8]) -> Option<Value> {
    Value::decode(kind_of(code), bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_has_no_name_twice() {
        assert!(TABLE.is_sorted_by(|a, b| a.code < b.code));
        for info in &TABLE {
            assert_eq!((by_code(info.code), by_name(info.name)), (Some(info), Some(info)));
        }
        assert_eq!((by_code(0), by_code(2), by_code(255), by_name("routers")), (None, None, None, None));
        assert_eq!(kind_of(200), Kind::Bytes);
    }
}
