//! `tls://9.9.9.9#dns.quad9.net`: a DNS server that is asked through TLS (RFC 7858), and the name that its certificate must
//! hold (RFC 8310).

use super::{Protocol, Upstream};
use crate::net::Ipv4Addr;
use alloc::string::String;
use core::net::SocketAddrV4;

/// What such an entry begins with.
pub(super) const SCHEME: &str = "tls://";

/// DNS over TLS (RFC 7858 section 3.1).
const PORT: u16 = 853;

/// How it is written.
pub(super) const EXAMPLE: &str = "write it as \"tls://9.9.9.9#dns.quad9.net\", the server's address and the name that its \
                                  certificate holds";

/// Reads an entry that begins with [`SCHEME`]; what is wrong is the end of a sentence.
pub(super) fn read(text: &str) -> Result<Upstream, &'static str> {
    let rest = text.strip_prefix(SCHEME).unwrap_or(text);
    let (place, name) = rest.split_once('#').ok_or("the name of the server's certificate is missing")?;
    if place.matches(':').count() > 1 {
        return Err("IPv6 comes in a later release");
    }
    let address = place.parse::<Ipv4Addr>().map(|address| SocketAddrV4::new(address, PORT));
    let address = address.or_else(|_| place.parse()).map_err(|_| "this is not the address of a server")?;
    if address.port() == 0 {
        return Err("no server has port 0");
    }
    Ok(Upstream { address, protocol: Protocol::Tls { name: server_name(name)? } })
}

/// A host name with at least one dot, in lower case.
fn server_name(text: &str) -> Result<String, &'static str> {
    let wrong = "behind the # must stand the name of the server's certificate";
    let text = text.strip_suffix('.').unwrap_or(text);
    let legal = |label: &str| super::words::label(label).is_ok();
    let is_address = text.parse::<Ipv4Addr>().is_ok();
    let fits = text.len() <= 253 && text.contains('.') && !is_address && text.split('.').all(legal);
    if fits { Ok(text.to_ascii_lowercase()) } else { Err(wrong) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;
    use alloc::format;
    use alloc::string::ToString;

    #[test]
    fn rfc7858_servers_are_written_with_address_and_name() {
        let shown = |text: &str| read(text).map(|server| server.to_string());
        assert_eq!(shown("tls://9.9.9.9#DNS.quad9.net.").unwrap(), "tls://9.9.9.9:853#dns.quad9.net");
        assert_eq!(shown("tls://9.9.9.9:8853#dns.quad9.net").unwrap(), "tls://9.9.9.9:8853#dns.quad9.net");
        let read = |entry: &str| parse(format!("[dns]\nupstream = [\"{entry}\"]\n").as_bytes());
        assert!(read("tls://9.9.9.9#dns.quad9.net").is_ok());
        for (entry, part) in [
            ("tls://9.9.9.9", "certificate is missing"),
            ("tls://#dns.quad9.net", "not the address"),
            ("tls://dns.quad9.net", "certificate is missing"),
            ("tls://dns.quad9.net#dns.quad9.net", "not the address"),
            ("tls://[2620:fe::fe]#dns.quad9.net", "IPv6 comes in a later release"),
            ("tls://9.9.9.9:0#dns.quad9.net", "port 0"),
            ("tls://9.9.9.9#", "behind the #"),
            ("tls://9.9.9.9#9.9.9.9", "behind the #"),
            ("tls://9.9.9.9#quad9", "behind the #"),
            ("tls://10.0.0.1#gate.example", "the gateway itself"),
            ("tls://127.0.0.1#gate.example", "special meaning"),
            ("https://dns.quad9.net/dns-query", "DNS over HTTPS and QUIC"),
        ] {
            let said = read(entry).unwrap_err().to_string();
            assert!(said.contains(part), "{entry}: {said}");
        }
    }
}
