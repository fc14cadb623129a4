//! Domain names as options hold them: labels behind their lengths (RFC 1035 section 3.1), compressed in option 119
//! (RFC 3397 section 2).

use alloc::string::String;
use alloc::vec::Vec;

/// The longest name on the wire, in bytes.
const MAX_NAME: usize = 255;

/// The longest label, in bytes.
const MAX_LABEL: usize = 63;

/// Whether the text is a domain name that can be written: labels of letters, digits, hyphens and underscores.
pub(super) fn is_name(text: &str) -> bool {
    let plain = |label: &str| {
        (1..=MAX_LABEL).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    text.len() + 2 <= MAX_NAME && text.split('.').all(plain)
}

/// Writes a name that [`is_name`] allows, uncompressed.
pub(super) fn write(text: &str, out: &mut Vec<u8>) {
    for label in text.split('.') {
        // A label has 63 bytes at most.
        out.push(label.len() as u8);
        out.extend_from_slice(label.as_bytes());
    }
    out.push(0);
}

/// Reads the name that begins at `at`; gives it with the place behind it. A pointer must point backwards, so reading
/// ends; a name with nothing in it, or with anything in it that [`is_name`] refuses, is none.
pub(super) fn read(bytes: &[u8], at: usize) -> Option<(String, usize)> {
    let (mut at, mut low, mut behind) = (at, at, None);
    let mut text = String::new();
    loop {
        let length = usize::from(*bytes.get(at)?);
        match length {
            0 => break,
            1..=MAX_LABEL => {
                let label = bytes.get(at + 1..at + 1 + length)?;
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(core::str::from_utf8(label).ok().filter(|label| !label.contains('.'))?);
                at += 1 + length;
                if text.len() > MAX_NAME {
                    return None;
                }
            }
            0xc0..=0xff => {
                let target = (length & 0x3f) << 8 | usize::from(*bytes.get(at + 1)?);
                if target >= low {
                    return None;
                }
                behind = behind.or(Some(at + 2));
                (at, low) = (target, target);
            }
            _ => return None,
        }
    }
    is_name(&text).then_some((text, behind.unwrap_or(at + 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3397_2_1_the_example_is_read() {
        // "eng.apple.com." and "marketing.apple.com.", the second pointing into the first.
        let bytes = b"\x03eng\x05apple\x03com\0\x09marketing\xc0\x04";
        let (first, behind) = read(bytes, 0).unwrap();
        let (second, end) = read(bytes, behind).unwrap();
        assert_eq!((first.as_str(), second.as_str(), end), ("eng.apple.com", "marketing.apple.com", bytes.len()));
    }

    #[test]
    fn pointers_that_do_not_point_backwards_end_nothing() {
        for bad in [&b"\xc0\0"[..], b"\x01a\xc0\0", b"\x01a\xc0\x02", b"\x01a\xc0\x09", b"\x01a", b"\x40a\0", b"\0"] {
            assert_eq!(read(bad, 0), None, "{bad:?}");
        }
    }
}
