//! Names: read from messages that strangers wrote, compared, shown (RFC 1035 sections 3.1 and 4.1.4, RFC 4343).
//!
//! A name is at most [`MAX_NAME`] octets; a compression pointer must lead strictly backwards and never into the header,
//! and the pointers in one name are counted, so that reading ends soon whatever the octets are (RFC 9267 section 2).

use super::wire::{HEADER, MAX_NAME, be16};
use core::fmt;

/// Pointers followed within one name. A name has at most 127 labels, so an honest compressor never needs more.
const MAX_POINTERS: usize = 127;

/// A name in wire form, whole and uncompressed, in the case it was read in.
#[derive(Clone, Copy)]
pub(super) struct Name {
    length: u8,
    bytes: [u8; MAX_NAME],
}

impl Name {
    /// The name without labels.
    pub(super) const ROOT: Name = Name { length: 1, bytes: [0; MAX_NAME] };

    /// The name at `at`, pointers followed, and the first octet after it. `None` if it runs past the end, is too
    /// long, uses a reserved label type, or has a pointer that does not lead strictly backwards.
    pub(super) fn read(msg: &[u8], at: usize) -> Option<(Name, usize)> {
        let mut name = Name { length: 0, bytes: [0; MAX_NAME] };
        let (mut at, mut segment, mut after, mut pointers) = (at, at, None, 0);
        loop {
            let length = usize::from(*msg.get(at)?);
            match length {
                0 => {
                    name.push(&[0])?;
                    return Some((name, after.unwrap_or(at + 1)));
                }
                1..=63 => {
                    name.push(msg.get(at..at + 1 + length)?)?;
                    at += 1 + length;
                }
                0xc0.. => {
                    let target = usize::from(be16(msg, at)? & 0x3fff);
                    pointers += 1;
                    if target >= segment || target < HEADER || pointers > MAX_POINTERS {
                        return None;
                    }
                    after = after.or(Some(at + 2));
                    (at, segment) = (target, target);
                }
                _ => return None,
            }
        }
    }

    /// From labels with dots between them, a dot at the end allowed; `None` if a label is empty or over 63 octets or
    /// the whole is too long.
    pub(super) fn from_text(text: &str) -> Option<Name> {
        let mut name = Name { length: 0, bytes: [0; MAX_NAME] };
        let text = text.strip_suffix('.').unwrap_or(text);
        for label in text.split('.').filter(|_| !text.is_empty()) {
            let length = u8::try_from(label.len()).ok().filter(|length| (1..=63).contains(length))?;
            name.push(&[length])?;
            name.push(label.as_bytes())?;
        }
        name.push(&[0])?;
        Some(name)
    }

    /// The name `label` under `zone`.
    pub(super) fn under(label: &str, zone: &Name) -> Option<Name> {
        let mut name = Name { length: 0, bytes: [0; MAX_NAME] };
        let length = u8::try_from(label.len()).ok().filter(|length| (1..=63).contains(length))?;
        name.push(&[length])?;
        name.push(label.as_bytes())?;
        name.push(zone.as_bytes())?;
        Some(name)
    }

    /// The name whose uncompressed wire form is `bytes`, which [`question`] has checked.
    pub(super) fn from_wire(bytes: &[u8]) -> Option<Name> {
        let mut name = Name { length: 0, bytes: [0; MAX_NAME] };
        name.push(bytes)?;
        Some(name)
    }

    fn push(&mut self, more: &[u8]) -> Option<()> {
        let start = usize::from(self.length);
        let end = start + more.len();
        self.bytes.get_mut(start..end)?.copy_from_slice(more);
        self.length = u8::try_from(end).ok()?;
        Some(())
    }

    /// The wire form, the root's zero octet included.
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or(&[])
    }

    /// The same name with the letters A to Z made small (RFC 4343).
    pub(super) fn to_lower(mut self) -> Name {
        // A length octet is at most 63 and no letter is below 65, so the whole form can be treated at once.
        self.bytes.make_ascii_lowercase();
        self
    }

    /// Its labels, the root left out.
    pub(super) fn labels(&self) -> Labels<'_> {
        Labels(self.as_bytes())
    }

    /// Whether it is `zone` or lies below it, whatever the case.
    pub(super) fn is_within(&self, zone: &Name) -> bool {
        let mut rest = self.labels();
        loop {
            if rest.0.eq_ignore_ascii_case(zone.as_bytes()) {
                return true;
            }
            if rest.0.len() <= zone.as_bytes().len() || rest.next().is_none() {
                return false;
            }
        }
    }

    /// The name without its first `count` labels; the root if there are fewer.
    pub(super) fn without(&self, count: usize) -> Name {
        let mut rest = self.labels();
        for _ in 0..count {
            rest.next();
        }
        let mut name = Name { length: 0, bytes: [0; MAX_NAME] };
        name.push(rest.0).map_or(Name::ROOT, |()| name)
    }
}

impl PartialEq for Name {
    /// Whatever the case (RFC 4343).
    fn eq(&self, other: &Name) -> bool {
        self.as_bytes().eq_ignore_ascii_case(other.as_bytes())
    }
}

impl fmt::Display for Name {
    /// With dots between the labels and none at the end; what is not a plain character is escaped (RFC 1035
    /// section 5.1), so that a hostile name stays inert in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.length <= 1 {
            return f.write_str(".");
        }
        for (index, label) in self.labels().enumerate() {
            if index > 0 {
                f.write_str(".")?;
            }
            for &byte in label {
                match byte {
                    b'-' | b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => write!(f, "{}", char::from(byte))?,
                    _ => write!(f, "\\{byte:03}")?,
                }
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The labels of a name, first to last; the rest of the name is in wire form at any moment.
#[derive(Clone)]
pub(super) struct Labels<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Labels<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (&length, rest) = self.0.split_first()?;
        let (label, rest) = rest.split_at_checked(usize::from(length)).filter(|_| length != 0)?;
        self.0 = rest;
        Some(label)
    }
}

#[cfg(test)]
mod tests {
    use super::super::wire::question;
    use super::*;
    use alloc::string::ToString;
    use alloc::vec;
    use alloc::vec::Vec;

    fn message(body: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; HEADER];
        bytes.extend_from_slice(body);
        bytes
    }

    /// RUSTSEC-2018-0007: a pointer to itself.
    #[test]
    fn rfc1035_4_1_4_pointers_are_followed_backwards_only() {
        let msg = message(b"\x03www\x07example\x00\x04mail\xc0\x10\xc0\x19\xc0\x1b");
        let (name, after) = Name::read(&msg, 25).unwrap();
        assert_eq!((name.to_string().as_str(), after), ("mail.example", 32));
        // RUSTSEC-2018-0007: a pointer to itself; RFC 9267 section 2: forwards, and into the header.
        assert!(Name::read(&message(b"\xc0\x0c"), 12).is_none());
        assert!(Name::read(&message(b"\xc0\x0e\x00"), 12).is_none());
        assert!(Name::read(&message(b"\xc0\x00"), 12).is_none());
        // Two pointers that point at each other, and one that leads back into its own labels.
        assert!(Name::read(&message(b"\xc0\x0e\xc0\x0c"), 14).is_none());
        assert!(Name::read(&message(b"\x01a\xc0\x0c"), 12).is_none());
    }

    #[test]
    fn rfc9267_lengths_and_label_types_are_checked() {
        assert!(Name::read(&message(b"\x05abc"), 12).is_none());
        assert!(Name::read(&message(b"\x40abc\x00"), 12).is_none());
        assert!(Name::read(&message(b"\x80abc\x00"), 12).is_none());
        let mut long = Vec::new();
        for _ in 0..4 {
            long.push(63);
            long.extend_from_slice(&[b'a'; 63]);
        }
        long.push(0);
        assert!(Name::read(&message(&long), 12).is_none(), "257 octets");
        assert!(question(&message(&long)).is_none());
    }

    #[test]
    fn cve_2026_2291_a_full_name_of_escaped_bytes_round_trips() {
        let mut body = Vec::new();
        for length in [63_u8, 63, 63, 61] {
            body.push(length);
            body.extend(core::iter::repeat_n(0xff, usize::from(length)));
        }
        body.push(0);
        assert_eq!(body.len(), MAX_NAME);
        let (name, _) = Name::read(&message(&body), 12).unwrap();
        assert_eq!(name.as_bytes(), &body[..]);
        assert_eq!(name.to_string().len(), 250 * 4 + 3);
        body.extend_from_slice(&[0, 1, 0, 1]);
        assert_eq!(question(&message(&body)).unwrap().len(), MAX_NAME + 4);
    }

    #[test]
    fn names_compare_by_labels_and_without_case() {
        let name = |text| Name::from_text(text).unwrap();
        assert!(name("A.Example.NET").is_within(&name("example.net")));
        assert!(name("example.net").is_within(&name("example.net")));
        assert!(!name("badexample.net").is_within(&name("example.net")));
        assert!(!name("net").is_within(&name("example.net")));
        assert!(name("anything").is_within(&Name::ROOT));
        assert_eq!(name("a.b.c").without(2), name("c"));
        assert_eq!(name("a.b.c").without(9), Name::ROOT);
        assert!(Name::from_text("a..b").is_none());
    }

    /// CVE-2026-42005 and its kind: labels with tags, quotes and control characters.
    #[test]
    fn hostile_names_stay_inert_as_text() {
        let (name, _) = Name::read(&message(b"\x06a.\n$('\x00"), 12).unwrap();
        assert_eq!(name.to_string(), "a\\046\\010\\036\\040\\039");
    }
}
