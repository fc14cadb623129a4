//! Tests of `ruleset`.

use super::*;
use crate::config::{Allow, BlockedHost, PortForward, Ports, Transport};
use alloc::string::ToString;
use proptest::prelude::*;

const GOLDEN: &str = include_str!("../../../../tests/golden/ruleset.nft");
const OPEN_GOLDEN: &str = include_str!("../../../../tests/golden/ruleset_open.nft");

fn inputs() -> Inputs<'static> {
    Inputs {
        lan_interface: "eth0",
        lan: "10.0.0.1/24".parse().unwrap(),
        uplink_interface: Some("eth1"),
        flowtable: false,
        near: &[],
        far_private: false,
        connections_per_host: 8192,
        lan_udp: &[],
        allows: &[],
        forwards: &[],
        blocks: &[],
    }
}

/// With one of everything that a configuration can open and close. tests/netns/ruleset.rs has the same.
fn open(test: impl FnOnce(Inputs)) {
    let one = |port| Ports { first: port, last: port };
    let source = Some("192.168.0.0/24".parse().unwrap());
    let (to, range) = ("10.0.0.2".parse().unwrap(), Ports { first: 8000, last: 8010 });
    test(Inputs {
        near: &["192.168.0.0/24".parse().unwrap()],
        allows: &[
            Allow { transport: Transport::Tcp, ports: one(22), source },
            Allow { transport: Transport::Udp, ports: range, source: None },
        ],
        forwards: &[
            PortForward { transport: Transport::Tcp, ports: one(8080), to, to_port: Some(80) },
            PortForward { transport: Transport::Both, ports: Ports { first: 9000, last: 9010 }, to, to_port: None },
        ],
        blocks: &[BlockedHost {
            address: "10.0.0.7".parse().unwrap(),
            mac: Some("02:00:00:00:00:07".parse().unwrap()),
        }],
        lan_udp: &[123],
        ..inputs()
    });
}

/// The golden was read by `nft -f` and printed back by `nft -s list table inet gatepost` (1.0.6); tests/netns/ruleset.rs
/// repeats that with our bytes.
#[test]
fn the_text_is_the_golden() {
    assert_eq!(build(&inputs()).to_string(), GOLDEN);
    open(|inputs| assert_eq!(build(&inputs).to_string(), OPEN_GOLDEN));
}

/// Messages of a batch: kind, flags, sequence number, bytes after the two headers.
fn messages(bytes: &[u8]) -> Vec<(u16, u16, u32, &[u8])> {
    let mut rest = bytes;
    let mut found = Vec::new();
    while !rest.is_empty() {
        let length = u32::from_ne_bytes(rest[..4].try_into().unwrap()) as usize;
        let kind = u16::from_ne_bytes(rest[4..6].try_into().unwrap());
        let flags = u16::from_ne_bytes(rest[6..8].try_into().unwrap());
        let seq = u32::from_ne_bytes(rest[8..12].try_into().unwrap());
        found.push((kind, flags, seq, &rest[20..length]));
        rest = &rest[length..];
    }
    found
}

#[test]
fn a_batch_replaces_our_table_and_names_no_other() {
    let ruleset = build(&inputs());
    let batch = encode(&ruleset, 7);
    let messages = messages(&batch.bytes);
    let kinds: Vec<u16> = messages.iter().map(|m| m.0).collect();
    assert_eq!(kinds[..4], [0x10, 0x0a00, 0x0a02, 0x0a00]);
    assert_eq!(kinds.last(), Some(&0x11));
    assert!(kinds[4..kinds.len() - 1].iter().all(|kind| [0x0a12, 0x0a03, 0x0a06, 0x0a09, 0x0a0c].contains(kind)));
    for (index, message) in messages.iter().enumerate() {
        assert_eq!(message.2, 7 + index as u32, "sequence numbers count up");
        if message.0 > 0x11 {
            assert_eq!(message.3[..13], *b"\x0d\0\x01\0gatepost\0", "every message names our table first");
        }
    }
    let acknowledged: Vec<u32> = messages.iter().filter(|m| m.1 & 4 != 0).map(|m| m.2).collect();
    assert_eq!(acknowledged, [batch.acknowledged_seq()]);
    assert_eq!(batch.describe(8), Some("add table inet gatepost"));
    assert_eq!(
        batch.describe(batch.acknowledged_seq()),
        Some("leaving: oifname \"eth1\" ip saddr 10.0.0.0/24 masquerade")
    );
    assert_eq!(batch.describe(6), None);
    assert_eq!(batch.describe(7 + messages.len() as u32), None);
}

/// Everything that decides who may pass sits under a policy of drop, uplink or not.
#[test]
fn without_an_uplink_nothing_is_forwarded() {
    let ruleset = build(&Inputs { uplink_interface: None, flowtable: true, ..inputs() });
    assert_eq!(ruleset.flowtable, None);
    let forward = ruleset.chains.iter().find(|c| c.name == "forward").unwrap();
    assert_eq!(forward.base.unwrap().policy, Policy::Drop);
    assert!(!forward.rules.iter().any(|rule| rule.0.contains(&Statement::Accept)));
    assert_eq!(ruleset.chains.iter().find(|c| c.name == "input").unwrap().base.unwrap().policy, Policy::Drop);
    assert!(!ruleset.to_string().contains("eth1"));
}

#[test]
fn services_are_never_open_on_the_uplink() {
    let ruleset = build(&inputs());
    let services = [(Protocol::Udp, 53), (Protocol::Tcp, 53), (Protocol::Udp, 67)];
    for (protocol, port) in services {
        let service = Statement::To(protocol, port, port);
        let to_all = Statement::DestinationIn("255.255.255.255/32".parse().unwrap());
        let lets_in = |rule: &Rule| {
            rule.0.contains(&service) && !rule.0.contains(&Statement::Notrack) && !rule.0.contains(&to_all)
        };
        let open = ruleset.chains.iter().filter(|chain| chain.rules.iter().any(lets_in));
        assert_eq!(open.map(|chain| chain.name).collect::<Vec<_>>(), ["from_lan"]);
    }
    let jumps = |rule: &&Rule| rule.0.contains(&Statement::Jump("from_lan"));
    let jumps: Vec<&Rule> = ruleset.chains.iter().flat_map(|chain| &chain.rules).filter(jumps).collect();
    assert_eq!(jumps.len(), 1);
    assert_eq!(jumps[0].0[0], Statement::InputIs("eth0".into()));
}

/// What the bench counts on: a packet of a connection known from both sides meets one rule, before any other.
#[test]
fn known_connections_are_decided_first() {
    let ruleset = build(&inputs());
    let forward = ruleset.chains.iter().find(|c| c.name == "forward").unwrap();
    assert_eq!(forward.rules[0].0, [Statement::AssuredMasqueraded, Statement::Accept]);
    let per_packet = |chain: &&Chain| chain.base.is_some_and(|base| base.kind == ChainKind::Filter);
    let chains: Vec<&str> = ruleset.chains.iter().filter(per_packet).map(|chain| chain.name).collect();
    assert_eq!(chains, ["questions", "answers", "input", "forward", "output"]);
    // Of these a forwarded packet meets one other, and there no more than a look at its destination.
    let questions = ruleset.chains.iter().find(|c| c.name == "questions").unwrap();
    assert_eq!(questions.rules.len(), 1);
    assert!(matches!(questions.rules[0].0[0], Statement::DestinationIn(to) if to.prefix() == 32));
}

/// Attributes as seen by `strace -x -e trace=sendmsg nft -f FILE` (nft 1.0.6) with this file:
///
/// ```text
/// table inet gatepost {
///     flowtable fast { hook ingress priority 0; devices = { eth0, eth1 }; }
/// }
/// ```
const FLOWTABLE_BYTES: &[u8] = b"\x0d\0\x01\0gatepost\0\0\0\0\x09\0\x02\0fast\0\0\0\0\
    \x30\0\x03\x80\x08\0\x01\0\0\0\0\0\x08\0\x02\0\0\0\0\0\
    \x1c\0\x03\x80\x09\0\x01\0eth1\0\0\0\0\x09\0\x01\0eth0\0\0\0\0\x08\0\x07\0\0\0\0\0";

#[test]
#[cfg(target_endian = "little")]
fn a_flowtable_is_encoded_as_nft_does() {
    // nft turned the two devices round.
    let inputs = Inputs { flowtable: true, lan_interface: "eth1", uplink_interface: Some("eth0"), ..inputs() };
    let ruleset = build(&inputs);
    let batch = encode(&ruleset, 0);
    let flowtable = messages(&batch.bytes).into_iter().find(|m| m.0 == 0x0a16).unwrap();
    assert_eq!(flowtable.3, FLOWTABLE_BYTES);
    let rule = "ct status assured,snat / assured,snat flow add @fast";
    assert!(ruleset.to_string().contains(rule));
    assert!((0..90).any(|seq| batch.describe(seq) == Some(&alloc::format!("forward: {rule}"))));
}

proptest! {
    /// Any names and prefixes: well-formed messages of whole attributes, each a multiple of 4 long.
    #[test]
    fn batches_are_well_formed(lan in "[a-z0-9.]{1,15}", uplink in proptest::option::of("[a-z0-9.]{1,15}"),
                               address: [u8; 4], prefix in 0u8..=32, flowtable: bool) {
        let lan_net = crate::net::Ipv4Net::new(address.into(), prefix).unwrap();
        let inputs = Inputs { lan_interface: &lan, lan: lan_net, uplink_interface: uplink.as_deref(), flowtable, ..inputs() };
        let batch = encode(&build(&inputs), u32::MAX - 3);
        for (_, _, _, body) in messages(&batch.bytes) {
            check_attributes(body)?;
        }
    }
}

fn check_attributes(mut body: &[u8]) -> Result<(), TestCaseError> {
    while !body.is_empty() {
        prop_assert!(body.len() >= 4 && body.len().is_multiple_of(4));
        let length = usize::from(u16::from_ne_bytes([body[0], body[1]]));
        prop_assert!(length >= 4 && length <= body.len());
        if body[3] & 0x80 != 0 {
            check_attributes(&body[4..length])?;
        }
        body = &body[length.next_multiple_of(4)..];
    }
    Ok(())
}
