//! Lists of names that nobody in the house wants: read from files of two forms, kept as hashes.
//!
//! A hosts file has lines such as `0.0.0.0 ads.example.com`, a list of domains one name a line; `*.example.com` and
//! `||example.com^` are read too. Of a name only a keyed hash of eight octets stays, in one sorted table: a million names
//! take 8 MiB, while they are read as well as afterwards. That a name that is asked for has the hash of one of a million
//! others happens once in ten million million times; the key is secret, so that nobody can choose such a name.

use super::name::Name;
use crate::entropy::Entropy;
use alloc::vec::Vec;
use core::hash::Hasher;
use core::net::IpAddr;
use siphasher::sip::SipHasher13;

/// Names kept at most, repetitions not counted.
pub const MAX_BLOCKED: usize = 1 << 20;

/// Octets of the longest line that is read; one of a hosts file may hold several names.
const MAX_LINE: usize = 1024;

/// What was read, not yet in order.
pub struct BlockListBuilder {
    key: [u64; 2],
    hashes: Vec<u64>,
    /// Sorting the table again would not make enough room.
    full: bool,
    /// The line that is being read, without its end.
    line: heapless::Vec<u8, MAX_LINE>,
    /// It is longer than that.
    too_long: bool,
    counts: BlockCounts,
}

/// What was found in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BlockCounts {
    /// Names that were taken, repetitions included.
    pub names: usize,
    /// Lines that mean nothing here.
    pub unread: usize,
    /// Names for which there was no room.
    pub left_out: usize,
}

impl BlockListBuilder {
    /// An empty one, for files of this many octets in all.
    pub fn new(octets: usize, entropy: &mut dyn Entropy) -> BlockListBuilder {
        let mut word = || u64::from(entropy.next_u32()) << 32 | u64::from(entropy.next_u32());
        let key = [word(), word()];
        let mut hashes = Vec::new();
        // A name has at least two octets with its line's end. All at once, so that the table never moves; what is not
        // used costs nothing, and if there is not enough memory the names are left out.
        let _ = hashes.try_reserve_exact(MAX_BLOCKED.min(octets / 2 + 1));
        let (line, counts) = (heapless::Vec::new(), BlockCounts::default());
        BlockListBuilder { key, hashes, full: false, line, too_long: false, counts }
    }

    /// The next octets of a file, in pieces of any size.
    pub fn read(&mut self, piece: &[u8]) {
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            let (text, ends) = part.strip_suffix(b"\n").map_or((part, false), |text| (text, true));
            if self.line.extend_from_slice(text).is_err() {
                self.too_long = true;
            }
            if ends {
                self.end_line();
            }
        }
    }

    /// The file is at its end. Returns what was in it.
    pub fn end_file(&mut self) -> BlockCounts {
        self.end_line();
        core::mem::take(&mut self.counts)
    }

    /// The list, in order.
    pub fn finish(mut self) -> BlockList {
        self.sort();
        self.hashes.shrink_to_fit();
        BlockList { key: self.key, hashes: self.hashes }
    }

    fn end_line(&mut self) {
        let line = core::mem::take(&mut self.line);
        let understood = !core::mem::take(&mut self.too_long) && self.take_line(&line);
        self.counts.unread += usize::from(!understood);
    }

    /// Returns whether the line means something here.
    fn take_line(&mut self, line: &[u8]) -> bool {
        let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        // Remarks; a filter list begins with the name of its form in brackets.
        if line.starts_with(b"!") || line.starts_with(b"[") {
            return true;
        }
        let text = line.split(|byte| *byte == b'#').next().unwrap_or(&[]);
        let Ok(text) = core::str::from_utf8(text) else { return false };
        let mut words = text.split_ascii_whitespace();
        let Some(first) = words.next() else { return true };
        if let Ok(address) = first.parse::<IpAddr>() {
            return self.take_hosts(address, words);
        }
        words.next().is_none() && self.take_rule(first)
    }

    /// A line of a hosts file. Only one that leads nowhere is meant as a block; `localhost` and its like are in every
    /// such file and no names of the internet.
    fn take_hosts<'a>(&mut self, address: IpAddr, names: impl Iterator<Item = &'a str>) -> bool {
        let leads_nowhere = address.is_unspecified() || address.is_loopback();
        leads_nowhere
            && names.fold(true, |understood, name| {
                let of_every_file = !name.contains('.') || name == "localhost.localdomain" || name == "0.0.0.0";
                (of_every_file || self.take_domain(name)) && understood
            })
    }

    fn take_rule(&mut self, rule: &str) -> bool {
        let filter = rule.strip_prefix("||").and_then(|rest| rest.strip_suffix('^'));
        match filter.or_else(|| rule.strip_prefix("*.")) {
            // Here it is clear that a whole top-level domain may be meant.
            Some(domain) => self.take_domain(domain),
            // A single word is no domain but a stray word of a page that was saved as a list.
            None => rule.trim_end_matches('.').contains('.') && self.take_domain(rule),
        }
    }

    fn take_domain(&mut self, domain: &str) -> bool {
        let domain = domain.strip_suffix('.').unwrap_or(domain);
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        let sound = domain.split('.').all(|label| label.bytes().all(plain));
        // No top-level domain is a number, but the end of an address is.
        let number = domain.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
        let name = Name::from_text(domain).filter(|name| sound && !number && *name != Name::ROOT);
        name.map(|name| self.push(hash(self.key, name.to_lower().as_bytes()))).is_some()
    }

    fn push(&mut self, hash: u64) {
        if self.hashes.len() == self.hashes.capacity() && !self.full {
            self.sort();
            // Lists repeat each other; but with hardly anything gained it is not done again.
            self.full = self.hashes.len() > self.hashes.capacity() / 16 * 15;
        }
        if self.hashes.len() < self.hashes.capacity() {
            self.hashes.push(hash);
            self.counts.names += 1;
        } else {
            self.counts.left_out += 1;
        }
    }

    /// In place: no memory is needed for it.
    fn sort(&mut self) {
        self.hashes.sort_unstable();
        self.hashes.dedup();
    }
}

/// The names, each standing for itself and all below it.
#[derive(Default)]
pub struct BlockList {
    key: [u64; 2],
    /// In order, each once.
    hashes: Vec<u64>,
}

impl BlockList {
    /// How many names there are.
    pub fn len(&self) -> usize {
        self.hashes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    /// How many labels of `name` lie below the listed domain that it belongs to; the uppermost such domain counts.
    pub(super) fn depth_below(&self, name: &Name) -> Option<usize> {
        if self.is_empty() {
            return None;
        }
        let lower = name.to_lower();
        let mut rest = lower.labels();
        let mut found = None;
        for depth in 0.. {
            let suffix = rest.0;
            if rest.next().is_none() {
                break;
            }
            if self.hashes.binary_search(&hash(self.key, suffix)).is_ok() {
                found = Some(depth);
            }
        }
        found
    }
}

/// The hash of a name in wire form and lower case.
fn hash(key: [u64; 2], name: &[u8]) -> u64 {
    let [first, second] = key;
    let mut hasher = SipHasher13::new_with_keys(first, second);
    hasher.write(name);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SeededEntropy;
    use alloc::format;
    use proptest::prelude::*;

    fn list(text: &str) -> (BlockList, BlockCounts) {
        let mut builder = BlockListBuilder::new(text.len(), &mut SeededEntropy::new(1));
        builder.read(text.as_bytes());
        let counts = builder.end_file();
        (builder.finish(), counts)
    }

    fn blocks(list: &BlockList, name: &str) -> bool {
        list.depth_below(&Name::from_text(name).unwrap()).is_some()
    }

    #[test]
    fn hosts_files_are_read() {
        let (list, counts) = list(
            "\u{feff}# title\r\n127.0.0.1 localhost localhost.localdomain\r\n::1 ip6-localhost\n0.0.0.0 0.0.0.0\n\
             0.0.0.0 Ads.Example.COM # remark\r\n127.0.0.1\tone.example two.example\n:: three.example.\n\n\
             10.0.0.2 nas.example\nff02::1 ip6-allnodes",
        );
        assert_eq!(counts, BlockCounts { names: 4, unread: 2, left_out: 0 });
        for name in ["ads.example.com", "one.example", "two.example", "three.example", "a.b.ADS.example.com"] {
            assert!(blocks(&list, name), "{name}");
        }
        for name in ["example.com", "badads.example.com", "nas.example", "localhost", "localhost.localdomain", "com"] {
            assert!(!blocks(&list, name), "{name}");
        }
    }

    #[test]
    fn lists_of_domains_are_read() {
        let (list, counts) = list(
            "! title\n[Adblock Plus]\nads.example\n*.wild.example\n||filter.example^\n||zip^\n_tcp.odd_name.example\n\
             html\n<a href=x.example>\n@@||good.example^\n||part.example^$third-party\n||pa*th.example^\n1.2.3.4\n\
             two words.example\na..b\ncaf\u{e9}.example\n",
        );
        assert_eq!(counts, BlockCounts { names: 5, unread: 9, left_out: 0 });
        for name in
            ["ads.example", "x.wild.example", "wild.example", "filter.example", "a.zip", "_tcp.odd_name.example"]
        {
            assert!(blocks(&list, name), "{name}");
        }
        assert!(!blocks(&list, "html") && !blocks(&list, "good.example") && !blocks(&list, "part.example"));
    }

    #[test]
    fn a_long_line_is_skipped_whole_and_a_file_may_end_without_a_line_end() {
        let long = format!("long.example{}\nnext.example", " ".repeat(MAX_LINE));
        let (list, counts) = list(&long);
        assert_eq!((counts, list.len()), (BlockCounts { names: 1, unread: 1, left_out: 0 }, 1));
    }

    #[test]
    fn repetitions_make_room_and_what_is_over_the_cap_is_counted() {
        let mut builder = BlockListBuilder::new(200, &mut SeededEntropy::new(1));
        let room = builder.hashes.capacity();
        for _ in 0..10 {
            (0..room / 2).for_each(|n| builder.read(format!("n{n}.example\n").as_bytes()));
        }
        assert_eq!(builder.end_file(), BlockCounts { names: room / 2 * 10, unread: 0, left_out: 0 });
        (0..room * 2).for_each(|n| builder.read(format!("n{n}.example\n").as_bytes()));
        let counts = builder.end_file();
        assert!(counts.left_out >= room && counts.names + counts.left_out == room * 2, "{counts:?}");
        assert_eq!(builder.hashes.capacity(), room, "the table never moves");
        assert!(builder.finish().len() <= room);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn files_in_pieces_mean_the_same_as_whole(text in "[a-c.|^*#! \n0:]{0,200}", cuts in prop::collection::vec(0_usize..200, 0..5)) {
            let (whole, counts) = list(&text);
            let mut builder = BlockListBuilder::new(text.len(), &mut SeededEntropy::new(1));
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).chain([0, text.len()]).collect();
            cuts.sort_unstable();
            cuts.windows(2).for_each(|two| builder.read(&text.as_bytes()[two[0]..two[1]]));
            prop_assert_eq!(builder.end_file(), counts);
            prop_assert_eq!(builder.finish().hashes, whole.hashes);
        }
    }
}
