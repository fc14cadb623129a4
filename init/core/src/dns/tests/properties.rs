//! What holds whatever comes.

use super::*;
use alloc::collections::BTreeMap;
use core::ops::ControlFlow;
use proptest::prelude::*;

/// A message with some of its octets changed, or cut, or lengthened.
fn mutate(mut bytes: Vec<u8>, changes: &[(u16, u8)], cut: Option<u16>) -> Vec<u8> {
    for (at, value) in changes {
        let at = usize::from(*at) % bytes.len().max(1);
        if let Some(byte) = bytes.get_mut(at) {
            *byte = *value;
        }
    }
    if let Some(cut) = cut {
        bytes.resize(usize::from(cut) % (bytes.len() + 20), 0xc0);
    }
    bytes
}

fn changes() -> impl Strategy<Value = Vec<(u16, u8)>> {
    prop::collection::vec((any::<u16>(), any::<u8>()), 0..8)
}

/// An answer that names everything once, as food for mutation.
fn rich(ask: &Ask) -> Vec<u8> {
    let records = [
        cname("www.example.net", 300, "web.example.org"),
        a("web.example.org", 300, 9),
        ("web.example.org", 46, 300, [vec![0; 18], wire_name("example.org"), vec![7; 8]].concat()),
    ];
    let authority = [soa("example.org", 300, 300), ("a.example.org", 47, 300, wire_name("b.example.org"))];
    let additional = [("web.example.org", 35, 300, vec![0, 1, 0, 1, 1, b's', 0, 0, 0])];
    reply(ask, OK, [&records, &authority, &additional])
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_queries_never_panic_and_answers_are_messages(
        bytes in prop::collection::vec(any::<u8>(), 0..600), edits in changes(), cut in any::<Option<u16>>(), tcp: bool,
    ) {
        let mut lab = lab();
        let from = if tcp { tcp_client(5) } else { client(5) };
        let known = with_opt(query(1, "rpi1.mydomain.net", A), 1232, 0, 0x8000, &[0, 10, 0, 2, 1, 2]);
        for bytes in [bytes, mutate(known, &edits, cut)] {
            if let Some(answer) = lab.query(from, &bytes) {
                prop_assert!(answer.len() >= 12 && answer[2] & 0x80 != 0 && answer[..2] == bytes[..2]);
                prop_assert!(tcp || answer.len() <= 1232);
            }
        }
    }

    #[test]
    fn arbitrary_replies_never_panic_and_give_at_most_one_answer(
        bytes in prop::collection::vec(any::<u8>(), 0..600), edits in changes(), cut in any::<Option<u16>>(),
    ) {
        let mut lab = lab();
        let ask = lab.forward(client(5), &with_opt(query(1, "www.example.net", A), 1232, 0, 0x8000, &[]));
        lab.reply(&ask, &bytes);
        lab.reply(&ask, &mutate(rich(&ask), &edits, cut));
        for _ in 0..6 {
            lab.sleep(1000);
        }
        prop_assert_eq!(lab.answers.len(), 1);
        prop_assert!(Message::from_vec(&lab.answers[0].1).is_ok() || !edits.is_empty());
        prop_assert_eq!(lab.asks.len() + 1, lab.closed.len());
    }

    #[test]
    fn invariant_4_the_cache_never_exceeds_its_bounds_nor_the_ttl(
        entries in 0_usize..20, bytes in 0_usize..4000, steps in prop::collection::vec((0_u8..40, 1_u32..20, 0_u16..4000), 1..120),
    ) {
        let mut lab = lab();
        // What is given past its time is marked as such; tests/keeping.rs holds that apart.
        let (stale, prefetch) = (false, false);
        lab.dns.set_settings(Settings { cache_entries: entries, cache_bytes: bytes, stale, prefetch, ..settings() });
        let mut until = BTreeMap::new();
        for (number, ttl, pause) in steps {
            let name = format!("n{number}.example.net");
            match lab.dig(&name, A) {
                Some(_) => prop_assert!(until.get(&number).is_some_and(|end| lab.now < *end)),
                None => {
                    let ask = lab.asks.pop().unwrap();
                    lab.reply(&ask, &reply(&ask, OK, [&[a(&name, ttl, number)], &[], &[]]));
                    until.insert(number, lab.now + Duration::from_secs(ttl.into()));
                }
            }
            let stats = lab.dns.stats();
            prop_assert!(stats.cache_entries <= entries && stats.cache_bytes <= bytes);
            lab.sleep(pause.into());
        }
    }

    /// Queries, replies good and bad, failures and time in any order: each accepted query gets exactly one answer within
    /// five seconds, and every socket is closed.
    #[test]
    fn invariant_4_exactly_one_answer_for_each_query(
        seed: u64, steps in prop::collection::vec((0_u8..10, any::<u8>(), 0_u16..900), 1..150),
    ) {
        let mut lab = lab();
        lab.entropy = SeededEntropy::new(seed);
        let mut waiting = BTreeMap::new();
        for (id, (what, which, pause)) in (0_u16..).zip(steps) {
            if drive(&mut lab, &mut waiting, id, what, which).is_break() {
                continue;
            }
            lab.sleep(pause.into());
            settle(&mut lab, &mut waiting)?;
        }
        for _ in 0..6 {
            lab.sleep(1000);
            settle(&mut lab, &mut waiting)?;
        }
        prop_assert!(waiting.is_empty());
        prop_assert_eq!(lab.asks.len(), lab.closed.len());
        prop_assert_eq!(lab.dns.poll_timeout(), None);
    }
}

/// Does one thing; `Break` if there was nothing to do it to.
fn drive(lab: &mut Lab, waiting: &mut BTreeMap<u16, Instant>, id: u16, what: u8, which: u8) -> ControlFlow<()> {
    let ask = lab.asks.get(usize::from(which) % lab.asks.len().max(1)).cloned();
    let name = format!("n{}.example.net", which % 8);
    match (what, ask) {
        (0..4, _) => {
            if lab.query(client(which % 3 + 5), &query(id, &name, A)).is_none() {
                waiting.insert(id, lab.now);
            }
        }
        (4, Some(ask)) => lab.reply(&ask, &reply(&ask, NX, [&[], &[soa("example.net", 2, 2)], &[]])),
        (5, Some(ask)) => lab.reply(&ask, &reply(&ask, OK | 0x0200, [&[], &[], &[]])),
        (6, Some(ask)) => lab.reply(&ask, &reply(&ask, 0x8182, [&[], &[], &[]])),
        (7, Some(ask)) => {
            lab.fail(&ask, [Failure::NotSent, Failure::Unreachable, Failure::Broken][usize::from(which % 3)])
        }
        (8, Some(ask)) => lab.reply(&ask, &ask.payload),
        (9, _) if which.is_multiple_of(16) => {
            lab.dns.set_upstreams(&[TWO.into(), ONE.into()][..usize::from(which / 16 % 3)])
        }
        _ => return ControlFlow::Break(()),
    }
    ControlFlow::Continue(())
}

fn settle(lab: &mut Lab, waiting: &mut BTreeMap<u16, Instant>) -> Result<(), TestCaseError> {
    for (_, answer) in core::mem::take(&mut lab.answers) {
        let asked = waiting.remove(&u16::from_be_bytes([answer[0], answer[1]]));
        prop_assert!(asked.is_some_and(|asked| lab.now.since(asked) <= TOTAL + Duration::from_secs(1)));
    }
    Ok(())
}
