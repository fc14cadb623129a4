//! Small texts of the configuration and how they are read: names, spans of time, address ranges. Each returns what is
//! wrong as a plain sentence part, so that the caller adds place and cure.

use crate::net::{Ipv4Addr, Ipv4Net};
use crate::time::Duration;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddrV4;

/// The longest DNS label (RFC 1035 section 2.3.4).
const MAX_LABEL: usize = 63;

/// The longest local domain, in bytes: with the longest label before it a name still fits into 253 characters.
const MAX_DOMAIN: usize = 253 - MAX_LABEL - 1;

/// Names with a meaning of their own. A host that took one could read along (wpad: proxy discovery, isatap: tunnel
/// discovery) or would be unreachable (localhost, gateway).
pub(super) const RESERVED_NAMES: [&str; 4] = ["localhost", "gateway", "wpad", "isatap"];

/// Top names that never mean a network's own domain (RFC 6761, 6762, 7686).
const RESERVED_DOMAINS: [&str; 4] = ["local", "localhost", "invalid", "onion"];

/// A host name: one label of letters, digits and inner hyphens (RFC 1123 section 2.1), returned in lower case.
pub(super) fn label(text: &str) -> Result<String, &'static str> {
    if text.is_empty() {
        return Err("the name is empty");
    }
    if text.contains('.') {
        return Err("a host name has no dots");
    }
    if text.len() > MAX_LABEL {
        return Err("the name is longer than 63 characters");
    }
    if !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return Err("a name may only hold the letters a to z, digits and hyphens");
    }
    if text.starts_with('-') || text.ends_with('-') {
        return Err("a name may not begin or end with a hyphen");
    }
    Ok(text.to_ascii_lowercase())
}

/// A domain of one or more labels, returned in lower case without a trailing dot.
pub(super) fn domain(text: &str) -> Result<String, &'static str> {
    let text = text.strip_suffix('.').unwrap_or(text);
    if text.len() > MAX_DOMAIN {
        return Err("the domain is longer than 189 characters");
    }
    let mut last = "";
    for part in text.split('.') {
        label(part).map_err(|_| "a domain is made of names with single dots between them")?;
        last = part;
    }
    if last.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("the last part of a domain is never a number");
    }
    if RESERVED_DOMAINS.iter().any(|reserved| last.eq_ignore_ascii_case(reserved)) {
        return Err("this ending has a fixed meaning of its own and cannot be a network's domain");
    }
    Ok(text.to_ascii_lowercase())
}

/// The kernel's rule for interface names: 1 to 15 bytes, no slash, no blank, no colon.
pub(super) fn interface(text: &str) -> Result<String, &'static str> {
    if text.is_empty() || text.len() > 15 {
        return Err("an interface name has 1 to 15 characters");
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/' && byte != b':') || text == "." || text == ".."
    {
        return Err("this is not the name of a network interface");
    }
    if text == "lo" {
        return Err("lo is the machine's connection to itself");
    }
    Ok(String::from(text))
}

/// A number and a unit, as in `90s`, `30m`, `12h` or `7d`.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let seconds: u64 = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let number: u64 = number.parse().ok().filter(|_| digits)?;
    Some(Duration::from_secs(number.checked_mul(seconds)?))
}

/// Bytes in hexadecimal, two digits each, with blanks, colons or hyphens between them or nothing.
pub(super) fn hex(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for part in text.split([':', '-', ' ']) {
        let (pairs, rest) = part.as_bytes().as_chunks::<2>();
        if !rest.is_empty() {
            return None;
        }
        for [high, low] in pairs {
            let digit = |byte: u8| char::from(byte).to_digit(16);
            bytes.push((digit(*high)? << 4 | digit(*low)?) as u8);
        }
    }
    Some(bytes)
}

/// Two addresses with a hyphen between them. Order and place are not checked.
pub(super) fn range(text: &str) -> Option<(Ipv4Addr, Ipv4Addr)> {
    let (first, last) = text.split_once('-')?;
    Some((first.trim().parse().ok()?, last.trim().parse().ok()?))
}

/// A DNS server: an IPv4 address, with `:port` if it is not 53.
pub(super) fn server(text: &str) -> Option<SocketAddrV4> {
    let address = text.parse().ok().map(|address| SocketAddrV4::new(address, 53));
    address.or_else(|| text.parse().ok()).filter(|server| server.port() != 0)
}

/// The pool for a LAN when the file names none: in a /24 the addresses .10 to .128, in other sizes the same shares.
/// Only one side of the gateway is used when it stands in the middle, the larger one.
pub(super) fn default_pool(lan: Ipv4Net) -> (Ipv4Addr, Ipv4Addr) {
    let network = lan.network().to_bits();
    let size = lan.broadcast().to_bits().saturating_sub(network).saturating_add(1);
    let (low, high) = if size >= 256 { (10, 128) } else { ((size * 10 / 256).max(1), size / 2) };
    let (first, last) = (network.saturating_add(low), network.saturating_add(high));
    let gateway = lan.address().to_bits();
    let (first, last) = if gateway < first || gateway > last {
        (first, last)
    } else if gateway - first > last - gateway {
        (first, gateway - 1)
    } else {
        (gateway.saturating_add(1), last)
    };
    (Ipv4Addr::from_bits(first), Ipv4Addr::from_bits(last))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn durations_have_a_number_and_a_unit() {
        for (text, seconds) in [("90s", 90), ("30m", 1800), ("12h", 43_200), ("7d", 604_800)] {
            assert_eq!(duration(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        for bad in ["", "h", "12", "12 h", "-1h", "+1h", "1w", "99999999999999999999h", "18446744073709551615d", "1é"]
        {
            assert_eq!(duration(bad), None, "{bad}");
        }
    }

    #[test]
    fn hexadecimal_has_two_digits_a_byte() {
        for (text, bytes) in [("", &[][..]), ("ff", &[255]), ("01:2a-Ff 00", &[1, 42, 255, 0]), ("0a0b", &[10, 11])] {
            assert_eq!(hex(text).as_deref(), Some(bytes), "{text}");
        }
        for bad in ["f", "01:2", "0x10", "gg", "é"] {
            assert_eq!(hex(bad), None, "{bad}");
        }
    }

    #[test]
    fn default_pools_fit_every_lan() {
        for (lan, pool) in [
            ("10.0.0.1/24", "10.0.0.10 10.0.0.128"),
            ("10.0.0.20/24", "10.0.0.21 10.0.0.128"),
            ("10.0.0.120/24", "10.0.0.10 10.0.0.119"),
            ("192.168.0.1/16", "192.168.0.10 192.168.0.128"),
            ("10.0.0.1/8", "10.0.0.10 10.0.0.128"),
            ("10.0.0.129/25", "10.0.0.133 10.0.0.192"),
            ("10.0.0.1/29", "10.0.0.2 10.0.0.4"),
            ("10.0.0.1/30", "10.0.0.2 10.0.0.2"),
            ("10.0.0.2/30", "10.0.0.1 10.0.0.1"),
        ] {
            let (first, last) = default_pool(lan.parse().unwrap());
            assert_eq!(alloc::format!("{first} {last}"), pool, "{lan}");
        }
    }

    #[test]
    fn default_pools_never_hold_the_gateway() {
        for prefix in 8..=30 {
            for host in 1..=300u32 {
                let address = Ipv4Addr::from_bits(0x0a00_0000 + host);
                let lan = Ipv4Net::new(address, prefix).unwrap();
                if !lan.is_host(address) {
                    continue;
                }
                let (first, last) = default_pool(lan);
                assert!(first <= last && lan.is_host(first) && lan.is_host(last), "{lan}: {first} {last}");
                assert!(address < first || address > last, "{lan}: {first} {last}");
            }
        }
    }

    #[test]
    fn names_are_checked_and_lowered() {
        assert_eq!(label("RPi-1").unwrap(), "rpi-1");
        assert!(label("-a").is_err() && label("a_b").is_err() && label("").is_err() && label(&"a".repeat(64)).is_err());
        assert_eq!(domain("MyDomain.net.").unwrap(), "mydomain.net");
        assert!(
            domain("").is_err()
                && domain("a..b").is_err()
                && domain("10.0.0.1").is_err()
                && domain("my.local").is_err()
        );
        assert_eq!(server("9.9.9.9").map(|s| s.to_string()).as_deref(), Some("9.9.9.9:53"));
        assert_eq!(server("9.9.9.9:0"), None);
    }
}
