//! The host name: `gatepost` until the gateway, which may not set it, writes the configured one to a file.

use super::files;
use std::path::Path;

/// The name before anything is known.
pub const FIRST: &str = "gatepost";
/// Where the gateway writes the name, one line.
pub const FILE: &str = "/run/gatepost/hostname";
/// RFC 1035 section 2.3.4: a label has at most 63 octets.
const MAX_BYTES: usize = 63;

/// Sets the kernel's host name; failure is of no consequence.
pub fn set(name: &str) {
    let _ = nix::unistd::sethostname(name);
}

/// Applies the gateway's file if there is a proper name in it.
pub fn apply() {
    if let Ok(bytes) = files::read_untrusted(Path::new(FILE), MAX_BYTES + 2)
        && let Some(name) = checked(&bytes)
    {
        set(name);
    }
}

/// A single label of letters, digits and hyphens (RFC 952, RFC 1123 section 2.1), a line end allowed.
fn checked(bytes: &[u8]) -> Option<&str> {
    let name = std::str::from_utf8(bytes).ok()?.trim_end_matches(['\r', '\n']);
    let ldh = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    let ok = !name.is_empty() && name.len() <= MAX_BYTES && name.bytes().all(ldh);
    (ok && !name.starts_with('-') && !name.ends_with('-')).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_proper_names_pass() {
        assert_eq!(checked(b"rpi1\n"), Some("rpi1"));
        assert_eq!(checked(&[b'a'; 63]), Some("a".repeat(63).as_str()));
        for bad in [&b""[..], b"\n", b"-a", b"a-", b"a.b", b"a b", b"a\nb", b"\xff", &[b'a'; 64]] {
            assert_eq!(checked(bad), None, "{bad:?}");
        }
    }
}
