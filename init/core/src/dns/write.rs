//! Writing DNS messages, with name compression that costs a bounded effort.
//!
//! Compression is where encoders were made to work quadratically (CVE-2024-8508, RUSTSEC-2026-0119): here at most
//! [`MAX_REMEMBERED`] names are remembered, at most [`MAX_SUFFIXES`] suffixes of each name are looked for, and at most
//! [`MAX_COMPARISONS`] names are compared in a whole message; after that names are written as they are.

use super::name::{Labels, Name};
use super::wire::{HEADER, Header};
use alloc::vec::Vec;

/// Places of earlier names that later ones may point to. An ordinary answer has fewer than ten.
const MAX_REMEMBERED: usize = 32;

/// Suffixes of a name that are looked for among the earlier ones. The question's own name, which nearly every
/// record repeats, is found as the first.
const MAX_SUFFIXES: usize = 8;

/// Comparisons of whole names in one message. An honest one needs about one a name; names made to collide need more.
const MAX_COMPARISONS: usize = 4096;

/// Offsets from here on cannot be pointed to (RFC 1035 section 4.1.4).
const POINTER_END: usize = 0x4000;

/// A message being written.
pub(super) struct Writer {
    bytes: Vec<u8>,
    /// Hash of a lower-case suffix and where it stands.
    remembered: heapless::Vec<(u32, u16), MAX_REMEMBERED>,
    comparisons: usize,
}

impl Writer {
    /// A message that starts with an empty header and one question, whose names may be pointed to.
    pub(super) fn new(question: &[u8]) -> Writer {
        let mut writer = Writer { bytes: Vec::with_capacity(512), remembered: heapless::Vec::new(), comparisons: 0 };
        writer.bytes.resize(HEADER, 0);
        writer.bytes.extend_from_slice(question);
        let name = question.get(..question.len().saturating_sub(4)).unwrap_or(&[]);
        for (hash, skipped) in suffixes(name) {
            writer.remember(hash, HEADER + skipped);
        }
        writer
    }

    /// How many octets are written.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// A name; with `compress` the end of it may become a pointer (RFC 3597 section 4 says in which data).
    pub(super) fn name(&mut self, name: &Name, compress: bool) {
        let start = self.bytes.len();
        let mut written = name.as_bytes();
        let mut pointer = None;
        let mut fresh = heapless::Vec::<(u32, usize), MAX_SUFFIXES>::new();
        for (hash, skipped) in suffixes(name.as_bytes()) {
            let suffix = name.as_bytes().get(skipped..).unwrap_or(&[]);
            pointer = if compress { self.find(hash, suffix) } else { None };
            if pointer.is_some() {
                written = name.as_bytes().get(..skipped).unwrap_or(&[]);
                break;
            }
            // Full when its capacity, the number of suffixes, is reached: then there is nothing more to add.
            let _ = fresh.push((hash, start + skipped));
        }
        self.bytes.extend_from_slice(written);
        if let Some(pointer) = pointer {
            self.u16(0xc000 | pointer);
        }
        for (hash, at) in fresh {
            self.remember(hash, at);
        }
    }

    /// Two octets, big endian.
    pub(super) fn u16(&mut self, value: u16) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    /// Four octets, big endian.
    pub(super) fn u32(&mut self, value: u32) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    /// Octets as they are.
    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// A record: owner, type, class and TTL in seconds, then the data that `data` writes, its length filled in.
    /// Returns where the TTL stands.
    pub(super) fn record(&mut self, owner: &Name, kind: (u16, u16), ttl: u32, data: impl FnOnce(&mut Writer)) -> usize {
        self.name(owner, true);
        self.u16(kind.0);
        self.u16(kind.1);
        let ttl_at = self.bytes.len();
        self.u32(ttl);
        let length_at = self.bytes.len();
        self.u16(0);
        data(self);
        let length = self.bytes.len() - length_at - 2;
        // Data over 65535 octets makes a message that no transport takes; the caller checks the whole length.
        let length = u16::try_from(length).unwrap_or(u16::MAX);
        self.patch(length_at, &length.to_be_bytes());
        ttl_at
    }

    /// Fills the header in and hands the message out.
    pub(super) fn finish(mut self, header: Header) -> Vec<u8> {
        self.patch(0, &header_bytes(header));
        self.bytes
    }

    /// The message after the header, for whoever writes the header later.
    pub(super) fn into_body(mut self) -> Vec<u8> {
        self.bytes.drain(..HEADER);
        self.bytes
    }

    fn patch(&mut self, at: usize, new: &[u8]) {
        if let Some(old) = self.bytes.get_mut(at..at + new.len()) {
            old.copy_from_slice(new);
        }
    }

    fn remember(&mut self, hash: u32, at: usize) {
        if at < POINTER_END {
            // When full, later names are compressed less; that is the bound.
            let _ = self.remembered.push((hash, at as u16));
        }
    }

    fn find(&mut self, hash: u32, suffix: &[u8]) -> Option<u16> {
        for (_, at) in self.remembered.iter().filter(|(other, _)| *other == hash) {
            self.comparisons += 1;
            if self.comparisons > MAX_COMPARISONS {
                return None;
            }
            let (name, _) = Name::read(&self.bytes, usize::from(*at))?;
            if name.as_bytes().eq_ignore_ascii_case(suffix) {
                return Some(*at);
            }
        }
        None
    }
}

/// The first few suffixes of a name in wire form, longest first, root left out: hash and octets skipped.
fn suffixes(name: &[u8]) -> impl Iterator<Item = (u32, usize)> {
    let mut rest = Labels(name);
    core::iter::from_fn(move || {
        let at = rest.0;
        rest.next()?;
        Some((hash(at), name.len() - at.len()))
    })
    .take(MAX_SUFFIXES)
}

/// FNV-1a over the lower-case name. A collision costs one comparison, so it need not be secret.
fn hash(name: &[u8]) -> u32 {
    name.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte.to_ascii_lowercase())).wrapping_mul(0x0100_0193))
}

/// The twelve octets of a header.
pub(super) fn header_bytes(header: Header) -> [u8; HEADER] {
    let [questions, answers, authority, additional] = header.counts;
    let words = [header.id, header.flags, questions, answers, authority, additional];
    let mut bytes = [0; HEADER];
    for (two, word) in bytes.chunks_exact_mut(2).zip(words) {
        two.copy_from_slice(&word.to_be_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::String;

    #[test]
    fn names_shrink_to_pointers_and_read_back() {
        let mut writer = Writer::new(b"\x03www\x07example\x03net\x00\x00\x01\x00\x01");
        let start = writer.len();
        let names = ["www.EXAMPLE.net", "mail.example.net", "mail.example.net", "other.org", "x.other.org"];
        for text in names {
            writer.name(&Name::from_text(text).unwrap(), true);
        }
        let bytes = writer.finish(Header { id: 1, flags: 0, counts: [1, 0, 0, 0] });
        let mut at = start;
        for text in names {
            let (name, after) = Name::read(&bytes, at).unwrap();
            assert_eq!(name, Name::from_text(text).unwrap());
            at = after;
        }
        assert_eq!(at, bytes.len());
        assert_eq!(bytes.len() - start, 2 + 7 + 2 + 11 + 4);
    }

    #[test]
    fn cve_2024_8508_many_distinct_names_are_written_with_bounded_memory() {
        let mut writer = Writer::new(b"\x00\x00\x01\x00\x01");
        for number in 0..2000 {
            let text: String = format!("{number}.a.b.c.d.e.f.g.h.i.j.k{number}.example");
            writer.name(&Name::from_text(&text).unwrap(), true);
        }
        assert!(writer.remembered.len() <= MAX_REMEMBERED);
    }

    #[test]
    fn cve_2024_8508_names_are_compared_so_often_and_then_written_whole() {
        let mut writer = Writer::new(b"\x07example\x00\x00\x01\x00\x01");
        let name = Name::from_text("example").unwrap();
        let mut grown = || {
            let before = writer.len();
            writer.name(&name, true);
            writer.len() - before
        };
        assert!((0..MAX_COMPARISONS).all(|_| grown() == 2));
        assert_eq!(grown(), 9);
    }
}
