//! The name that a client asks for: option 12 (RFC 2132 section 3.14) or option 81 (RFC 4702), made safe.
//!
//! What comes out is one DNS label of letters, digits and hyphens in lower case, or nothing. Nothing else of the
//! client's text goes on, so it is inert wherever a name is shown or looked up (CVE-2018-1111).

use alloc::string::String;
use alloc::vec::Vec;

/// The longest DNS label, in bytes (RFC 1035 section 2.3.4).
const MAX_LABEL: usize = 63;

/// Names that a client may not have: whoever answers to them is believed by others. `wpad` and `isatap` hand out
/// proxies and tunnels, `localhost` and `gateway` mean something already.
const RESERVED: [&str; 4] = ["gateway", "isatap", "localhost", "wpad"];

/// Whether no client may have the name, whatever the configuration says.
pub(super) fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name)
}

/// The name in option 12. A name with dots counts only if what follows the first is `domain`, ours.
pub(super) fn from_option(text: &[u8], domain: &str) -> Option<String> {
    let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
    let text = text.get(..end)?;
    let text = text.strip_suffix(b".").unwrap_or(text);
    match text.iter().position(|byte| *byte == b'.') {
        None => sanitise(text),
        Some(dot) => {
            let ours = text.get(dot + 1..)?.eq_ignore_ascii_case(domain.as_bytes());
            sanitise(text.get(..dot).filter(|_| ours)?)
        }
    }
}

/// The name in option 81: flags, two bytes that mean nothing any more, and a name. Bit E of the flags says that the
/// name is in the format of RFC 1035 section 3.1, else it is text. A wire name need not end with the root's label.
pub(super) fn from_fqdn(option: &[u8], domain: &str) -> Option<String> {
    const ENCODED: u8 = 0x04;
    let ([flags, ..], mut name) = option.split_first_chunk::<3>()?;
    if flags & ENCODED == 0 {
        return from_option(name, domain);
    }
    let mut text = Vec::with_capacity(name.len());
    while let Some((length, rest)) = name.split_first().filter(|(length, _)| **length > 0) {
        let length = usize::from(*length);
        if length > MAX_LABEL {
            return None;
        }
        let label = rest.get(..length)?;
        if label.contains(&b'.') || label.contains(&0) {
            return None;
        }
        if !text.is_empty() {
            text.push(b'.');
        }
        text.extend_from_slice(label);
        name = rest.get(length..)?;
    }
    from_option(&text, domain)
}

/// Lower case; blanks and underscores become hyphens, everything else that no label may hold is left out.
fn sanitise(text: &[u8]) -> Option<String> {
    let legal = text.iter().filter_map(|byte| match byte {
        b'a'..=b'z' | b'0'..=b'9' | b'-' => Some(char::from(*byte)),
        b'A'..=b'Z' => Some(char::from(byte.to_ascii_lowercase())),
        b' ' | b'_' => Some('-'),
        _ => None,
    });
    let label: String = legal.skip_while(|c| *c == '-').take(MAX_LABEL).collect();
    let label = label.trim_end_matches('-');
    (!label.is_empty()).then(|| label.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn option(text: &[u8]) -> Option<String> {
        from_option(text, "mydomain.net")
    }

    #[test]
    fn option_12_becomes_one_label() {
        for (text, name) in [
            (&b"rpi2"[..], "rpi2"),
            (b"RPI2", "rpi2"),
            (b"John's iPhone", "johns-iphone"),
            (b"_under_score_", "under-score"),
            (b"rpi2\0", "rpi2"),
            (b"rpi2.", "rpi2"),
            (b"rpi2.MyDomain.net", "rpi2"),
            (b"caf\xc3\xa9", "caf"),
            (b"caf\xe9", "caf"),
            (b"x'$(reboot);\n", "xreboot"),
        ] {
            assert_eq!(option(text).as_deref(), Some(name), "{text:?}");
        }
    }

    #[test]
    fn cve_2025_11232_nothing_but_illegal_characters_is_no_name() {
        for text in [&b""[..], b"\0", b".", b"..", b"---", b"'$(;\n", b"\xff\xfe\xfd", b"!@#.mydomain.net"] {
            assert_eq!(option(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_foreign_domain_is_no_name() {
        assert_eq!(option(b"pc.corp.example"), None);
        assert_eq!(option(b"pc.mydomain.net.example"), None);
        assert_eq!(from_option(b"pc.", ""), Some("pc".into()));
    }

    #[test]
    fn long_names_are_cut_to_a_label() {
        assert_eq!(option(&[b'a'; 255]).unwrap().len(), 63);
        let mut text = [b'a'; 80];
        text[60..63].fill(b'-');
        assert_eq!(option(&text).unwrap().len(), 60, "no hyphen at the cut");
    }

    #[test]
    fn option_81_in_both_formats() {
        let fqdn = |bytes: &[u8]| from_fqdn(bytes, "mydomain.net");
        assert_eq!(fqdn(b"\0\0\0rpi2.mydomain.net").as_deref(), Some("rpi2"));
        assert_eq!(fqdn(b"\x04\0\0\x04rpi2\x08mydomain\x03net\0").as_deref(), Some("rpi2"));
        assert_eq!(fqdn(b"\x05\0\0\x04Rpi2").as_deref(), Some("rpi2"));
        for bad in [&b""[..], b"\x04\0", b"\x04\0\0", b"\x04\0\0\0", b"\x04\0\0\x05rpi2", b"\x04\0\0\xc0\x03"] {
            assert_eq!(fqdn(bad), None, "{bad:?}");
        }
        assert_eq!(fqdn(b"\x04\0\0\x03a.b\0"), None, "a dot inside a label is no boundary");
    }

    #[test]
    fn cve_2022_2929_a_label_of_64_is_no_name() {
        let mut option = alloc::vec![4, 0, 0, 64];
        option.extend([b'a'; 64]);
        assert_eq!(from_fqdn(&option, ""), None);
    }
}
