//! DNS servers to ask: where each is, how it is spoken to, and for which names.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::SocketAddrV4;

/// One DNS server. The same address spoken to in another way is another server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// Where it is.
    pub address: SocketAddrV4,
    /// How it is spoken to.
    pub protocol: Protocol,
}

/// How a server is spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// UDP, and TCP for what does not fit (RFC 1035 section 4.2).
    Plain,
    /// DNS over TLS and nothing else (RFC 7858).
    Tls {
        /// The name that the server's certificate must hold.
        name: String,
    },
}

/// Servers for one domain and what is below it, instead of the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forward {
    /// The domain, without a trailing dot.
    pub domain: String,
    /// Whom to ask, the preferred one first.
    pub servers: Vec<Upstream>,
}

impl From<SocketAddrV4> for Upstream {
    /// A plain server.
    fn from(address: SocketAddrV4) -> Upstream {
        Upstream { address, protocol: Protocol::Plain }
    }
}

impl fmt::Display for Upstream {
    /// As it could stand in the configuration, the port always with it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.protocol {
            Protocol::Plain => write!(f, "{}", self.address),
            Protocol::Tls { name } => write!(f, "tls://{}#{name}", self.address),
        }
    }
}
