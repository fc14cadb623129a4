//! Tests of `modules`.

use super::*;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use proptest::prelude::*;

const INDEX: &str = "\
# the initramfs
module crc32c_generic kernel/crypto/crc32c_generic.ko
module ext4 kernel/fs/ext4/ext4.ko jbd2 mbcache crc32c_generic
module jbd2 kernel/fs/jbd2/jbd2.ko crc32c_generic
module mbcache kernel/fs/mbcache.ko
module virtio_net kernel/drivers/net/virtio_net.ko net_failover builtin_thing
module net_failover kernel/drivers/net/net_failover.ko
alias virtio:d00000001v* virtio_net
load ext4
load virtio_net
";

fn names(steps: &[Step]) -> String {
    steps.iter().map(|step| step.name).collect::<Vec<_>>().join(" ")
}

#[test]
fn dependencies_come_first_and_once() {
    let index = Index::parse(INDEX);
    assert_eq!(index.bad_lines(), 0);
    let steps = index.order(index.load().iter().copied());
    assert_eq!(names(&steps), "crc32c_generic jbd2 mbcache ext4 net_failover virtio_net");
    assert_eq!(steps[3].after, vec![1, 2, 0]);
    assert_eq!(steps[5].after, vec![4], "an unknown dependency is built in");
    assert_eq!(names(&index.order(["mbcache", "nonsense", "mbcache"])), "mbcache");
}

#[test]
fn hardware_finds_its_module() {
    let index = Index::parse(INDEX);
    assert_eq!(index.for_hardware("virtio:d00000001v00001AF4").collect::<Vec<_>>(), ["virtio_net"]);
    assert_eq!(index.for_hardware("virtio:d00000002v00001AF4").count(), 0);
}

#[test]
fn bad_lines_are_counted_and_skipped() {
    let bad =
        "module\nmodule x\nmodule x /abs\nmodule x ../up\nmodule x a//b\nalias a\nalias a b c\nload\nload a b\nfoo x\n";
    let index = Index::parse(bad);
    assert_eq!(index.bad_lines(), bad.lines().count());
    assert!(!index.has("x") && index.load().is_empty());
}

#[test]
fn a_circle_ends() {
    let index = Index::parse("module a a.ko b\nmodule b b.ko c\nmodule c c.ko a c\n");
    assert_eq!(names(&index.order(["a"])), "c b a");
}

#[test]
fn the_tables_have_a_cap() {
    let mut text = String::new();
    for at in 0..MAX_MODULES + 1 {
        text.push_str(&format!("module m{at} m{at}.ko m{}\n", at + 1));
    }
    for _ in 0..MAX_ALIASES + 1 {
        text.push_str("alias a m1\n");
    }
    text.push_str(&format!("module wide wide.ko{}\n", " d".repeat(MAX_DEPS + 1)));
    let index = Index::parse(&text);
    assert_eq!(index.bad_lines(), 3);
    assert_eq!(index.for_hardware("a").count(), MAX_ALIASES);
    assert_eq!(index.order(["m0"]).len(), MAX_MODULES, "a deep chain needs no deep stack");
}

proptest! {
    #[test]
    fn any_text_returns(text: String, name: String) {
        let index = Index::parse(&text);
        index.order([name.as_str()]);
        let _ = index.for_hardware(&name).count();
    }

    /// Random graphs, circles included: every step comes after the steps that it names, and each module once.
    #[test]
    fn order_is_an_order(edges in proptest::collection::vec((0_u8..12, 0_u8..12), 0..40)) {
        let mut text = String::new();
        for node in 0..12 {
            text.push_str(&format!("module m{node} m{node}.ko"));
            edges.iter().filter(|(from, _)| *from == node).for_each(|(_, to)| text.push_str(&format!(" m{to}")));
            text.push('\n');
        }
        let index = Index::parse(&text);
        let steps = index.order(["m3", "m0", "m7"]);
        for (at, step) in steps.iter().enumerate() {
            prop_assert!(step.after.iter().all(|&before| before < at));
            prop_assert_eq!(steps.iter().filter(|other| other.name == step.name).count(), 1);
        }
    }
}
