//! Block lists: files of a user, or of whoever makes such lists.

use crate::{MILLION, counting, fuzz, stream};
use gatepost_core::dns::{BlockListBuilder, MAX_BLOCKED};
use gatepost_core::entropy::SeededEntropy;

const FILE: &[u8] =
    b"# hosts\n0.0.0.0 ads.example.com www.example.net\n127.0.0.1 localhost\n::1 ip6\n||a.example^\n*.b.example\n\
c.example\r\n! remark\n[Adblock]\n1.2.3.4 x.example\n@@||d.example^\nbad..name\n_tcp.e.example # end\n";

fn builder(octets: usize) -> BlockListBuilder {
    BlockListBuilder::new(octets, &mut SeededEntropy::new(9))
}

#[test]
fn block_lists() {
    let words: [&[u8]; 6] = [b"\n", b"||", b"^\n", b"0.0.0.0 ", b"\xef\xbb\xbf", b"::"];
    let stream = stream("block lists", vec![FILE.to_vec()], 2048).with_words(&words);
    let mut open = builder(4096);
    fuzz("block lists", MILLION, stream, |stream| {
        let end = stream.one_in(8);
        open.read(stream.next_packet());
        if !end {
            return true;
        }
        let counts = open.end_file();
        let list = std::mem::replace(&mut open, builder(4096)).finish();
        assert!(list.len() <= 4096 / 2 + 1 && list.len() <= counts.names);
        counts.names > 0
    });
}

/// The bound of the design: a million names in 16 MiB, while they are read as well as afterwards.
#[test]
fn a_million_blocked_names_take_less_than_16_mib() {
    let name = |n: usize| format!("0.0.0.0 {n:x}.tracker{}.example.com\n", n % 977);
    let octets = (0..MAX_BLOCKED).map(|n| name(n).len()).sum();
    let before = counting::live_bytes();
    let (mut builder, mut peak) = (builder(octets), 0);
    for n in 0..MAX_BLOCKED {
        builder.read(name(n).as_bytes());
        if n.is_multiple_of(1024) {
            peak = counting::live_bytes().max(peak);
        }
    }
    assert_eq!(builder.end_file().left_out, 0);
    let list = builder.finish();
    peak = counting::live_bytes().max(peak) - before;
    let after = counting::live_bytes() - before;
    println!("{} names: {after} bytes, at most {peak} while they were read", list.len());
    assert_eq!(list.len(), MAX_BLOCKED);
    assert!(peak <= 16 << 20 && after <= 16 << 20, "{peak}, then {after}");
}
