//! One netlink batch that puts a ruleset in force (linux/netfilter/nfnetlink.h, nf_tables.h).
//!
//! ```text
//!  BEGIN | add table | delete table | add table | counters | sets | flowtable | chains | rules | END
//! ```
//! A rule that looks something up in a list brings the list along as a set without a name, just before it.

use super::nla::{be32, be64, bytes, nest, text};
use super::{
    Base, Chain, ChainKind, Counter, Flowtable, Icmpv6Type, Policy, Rule, Ruleset, SourceSet, TABLE, expression,
};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

const NFNL_MSG_BATCH_BEGIN: u16 = 0x10;
const NFNL_MSG_BATCH_END: u16 = 0x11;
pub(super) const NFNL_SUBSYS_NFTABLES: u16 = 10;
pub(super) const NFPROTO_INET: u8 = 1;

const NEW_TABLE: u16 = 0;
const DELETE_TABLE: u16 = 2;
const NEW_CHAIN: u16 = 3;
const NEW_RULE: u16 = 6;
const NEW_SET: u16 = 9;
const NEW_SET_ELEMENTS: u16 = 12;
pub(super) const NEW_OBJECT: u16 = 18;
const NEW_FLOWTABLE: u16 = 22;

/// The kernel puts a number in the place of `%d`; until then an id within the batch stands for the set.
pub(super) const ANONYMOUS_SET: &str = "__set%d";

// Kinds of keys, as nft(8) numbers them for itself (`enum datatypes` of its sources).
const TYPE_IPV4_ADDRESS: u32 = 7;
const TYPE_ICMPV6_TYPE: u32 = 29;

// `enum nft_set_flags`
const SET_ANONYMOUS: u32 = 0x1;
const SET_CONSTANT: u32 = 0x2;
const SET_TIMEOUT: u32 = 0x10;
const SET_DYNAMIC: u32 = 0x20;

/// After so many milliseconds without a packet a source leaves the set of those who begin connections.
const SYNS_TIMEOUT: u64 = 60_000;

pub(super) const NLM_F_REQUEST: u16 = 0x01;
const NLM_F_ACK: u16 = 0x04;
const NLM_F_CREATE: u16 = 0x400;
const NLM_F_APPEND: u16 = 0x800;

/// Bytes for the kernel, and what each message in them says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// All messages; to be sent in one go.
    pub bytes: Vec<u8>,
    first_seq: u32,
    texts: Vec<String>,
}

impl Batch {
    /// What the message with this sequence number asks for, in the words of nft(8), for an error message.
    pub fn describe(&self, seq: u32) -> Option<&str> {
        let index = usize::try_from(seq.wrapping_sub(self.first_seq)).ok()?;
        self.texts.get(index).map(String::as_str)
    }

    /// The sequence number of the one message that asks for an acknowledgement: the last before the end. If no error
    /// has come when the kernel has taken the batch, and this one is acknowledged, all of it is in force. One answer
    /// instead of sixty can't overflow a socket buffer.
    pub fn acknowledged_seq(&self) -> u32 {
        // The last text is that of END.
        self.first_seq.wrapping_add(self.texts.len().saturating_sub(2) as u32)
    }
}

/// The batch that puts `ruleset` in force in place of whatever our table holds. Sequence numbers count up from
/// `first_seq`, one a message.
pub fn encode(ruleset: &Ruleset, first_seq: u32) -> Batch {
    let mut writer =
        Writer { batch: Batch { bytes: Vec::new(), first_seq, texts: Vec::new() }, last_message: 0, sets: 0 };
    writer.frame(NFNL_MSG_BATCH_BEGIN);
    for (kind, word) in [(NEW_TABLE, "add"), (DELETE_TABLE, "delete"), (NEW_TABLE, "add")] {
        writer.message(kind, 0, format!("{word} table inet {TABLE}"), |out| text(out, 1, TABLE));
    }
    for counter in &ruleset.counters {
        writer.counter(*counter);
    }
    for set in &ruleset.sets {
        writer.source_set(*set);
    }
    if let Some(table) = &ruleset.flowtable {
        writer.flowtable(table);
    }
    for chain in &ruleset.chains {
        writer.chain(chain);
    }
    for chain in &ruleset.chains {
        for rule in &chain.rules {
            writer.rule(chain, rule);
        }
    }
    writer.ask_for_acknowledgement();
    writer.frame(NFNL_MSG_BATCH_END);
    writer.batch
}

struct Writer {
    batch: Batch,
    /// Where the header of the last message starts.
    last_message: usize,
    /// Sets so far; the last one's id.
    sets: u32,
}

impl Writer {
    /// BEGIN and END: an empty message that names the subsystem.
    fn frame(&mut self, kind: u16) {
        let family = 0; // AF_UNSPEC
        let word = if kind == NFNL_MSG_BATCH_BEGIN { "begin" } else { "end" };
        self.raw(kind, NLM_F_REQUEST, family, NFNL_SUBSYS_NFTABLES, format!("{word} batch"), |_| ());
    }

    fn message(&mut self, kind: u16, flags: u16, said: String, fill: impl FnOnce(&mut Vec<u8>)) {
        let create = if kind == DELETE_TABLE { 0 } else { NLM_F_CREATE };
        let kind = NFNL_SUBSYS_NFTABLES << 8 | kind;
        self.raw(kind, NLM_F_REQUEST | create | flags, NFPROTO_INET, 0, said, fill);
    }

    /// `struct nlmsghdr` (machine's byte order), `struct nfgenmsg` (resource id in network byte order), attributes.
    fn raw(&mut self, kind: u16, flags: u16, family: u8, resource: u16, said: String, fill: impl FnOnce(&mut Vec<u8>)) {
        let seq = self.batch.first_seq.wrapping_add(self.batch.texts.len() as u32);
        let out = &mut self.batch.bytes;
        let start = out.len();
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&kind.to_ne_bytes());
        out.extend_from_slice(&flags.to_ne_bytes());
        out.extend_from_slice(&seq.to_ne_bytes());
        out.extend_from_slice(&[0; 4]); // port: the kernel knows who sends
        out.extend_from_slice(&[family, 0]);
        out.extend_from_slice(&resource.to_be_bytes());
        fill(out);
        let length = (out.len() - start) as u32;
        out[start..start + 4].copy_from_slice(&length.to_ne_bytes());
        self.last_message = start;
        self.batch.texts.push(said);
    }

    fn ask_for_acknowledgement(&mut self) {
        let at = self.last_message + 6;
        if let Some(flags) = self.batch.bytes.get_mut(at..at + 2) {
            let asked = u16::from_ne_bytes([flags[0], flags[1]]) | NLM_F_ACK;
            flags.copy_from_slice(&asked.to_ne_bytes());
        }
    }

    fn counter(&mut self, counter: Counter) {
        let said = format!("add counter inet {TABLE} {}", counter.name());
        self.message(NEW_OBJECT, 0, said, |out| {
            text(out, 1, TABLE);
            text(out, 2, &counter.name());
            be32(out, 3, 1); // NFT_OBJECT_COUNTER
            nest(out, 4, |_| ());
        });
    }

    fn flowtable(&mut self, table: &Flowtable) {
        let said = format!("add flowtable inet {TABLE} {}", table.name);
        self.message(NEW_FLOWTABLE, 0, said, |out| {
            text(out, 1, TABLE);
            text(out, 2, table.name);
            nest(out, 3, |out| {
                be32(out, 1, 0); // hook: ingress
                be32(out, 2, 0); // priority: filter
                nest(out, 3, |out| {
                    for device in &table.devices {
                        text(out, 1, device);
                    }
                });
            });
            be32(out, 7, 0); // no flags
        });
    }

    fn source_set(&mut self, set: SourceSet) {
        self.sets += 1;
        let id = self.sets;
        self.message(NEW_SET, 0, format!("add set inet {TABLE} {}", set.name()), |out| {
            let timeout = if set == SourceSet::Syns { SET_TIMEOUT } else { 0 };
            set_head(out, set.name(), SET_DYNAMIC | timeout, TYPE_IPV4_ADDRESS, 4, SourceSet::SIZE);
            be32(out, 10, id);
            if timeout != 0 {
                be64(out, 11, SYNS_TIMEOUT);
            }
        });
    }

    fn anonymous_set(&mut self, kinds: &[Icmpv6Type]) {
        self.sets += 1;
        let id = self.sets;
        self.message(NEW_SET, 0, format!("add set inet {TABLE} {ANONYMOUS_SET}"), |out| {
            let flags = SET_ANONYMOUS | SET_CONSTANT;
            set_head(out, ANONYMOUS_SET, flags, TYPE_ICMPV6_TYPE, 1, kinds.len() as u32);
            be32(out, 10, id);
        });
        self.message(NEW_SET_ELEMENTS, 0, format!("add element inet {TABLE} {ANONYMOUS_SET}"), |out| {
            text(out, 1, TABLE);
            text(out, 2, ANONYMOUS_SET);
            nest(out, 3, |out| {
                for kind in kinds {
                    nest(out, 1, |out| nest(out, 1, |out| bytes(out, 1, &[*kind as u8])));
                }
            });
            be32(out, 4, id);
        });
    }

    fn chain(&mut self, chain: &Chain) {
        let said = match &chain.base {
            Some(base) => format!("add chain inet {TABLE} {} (hook {})", chain.name, base.hook),
            None => format!("add chain inet {TABLE} {}", chain.name),
        };
        self.message(NEW_CHAIN, 0, said, |out| {
            text(out, 1, TABLE);
            text(out, 3, chain.name);
            if let Some(base) = &chain.base {
                hook(out, base);
            }
        });
    }

    fn rule(&mut self, chain: &Chain, rule: &Rule) {
        for kinds in rule.0.iter().filter_map(expression::anonymous_set) {
            self.anonymous_set(kinds);
        }
        let (said, set) = (format!("{}: {}", chain.name, rule), self.sets);
        self.message(NEW_RULE, NLM_F_APPEND, said, |out| {
            text(out, 1, TABLE);
            text(out, 2, chain.name);
            nest(out, 4, |out| {
                for statement in &rule.0 {
                    expression::statement(out, statement, set);
                }
            });
        });
    }
}

/// What makes a chain a base chain.
fn hook(out: &mut Vec<u8>, base: &Base) {
    let kind = match base.kind {
        ChainKind::Filter => "filter",
        ChainKind::Nat => "nat",
    };
    let policy = match base.policy {
        Policy::Drop => 0,
        Policy::Accept => 1,
    };
    nest(out, 4, |out| {
        be32(out, 1, base.hook as u32);
        be32(out, 2, base.priority.cast_unsigned());
    });
    be32(out, 5, policy);
    text(out, 7, kind);
}

fn set_head(out: &mut Vec<u8>, name: &str, flags: u32, key_type: u32, key_length: u32, size: u32) {
    text(out, 1, TABLE);
    text(out, 2, name);
    be32(out, 3, flags);
    be32(out, 4, key_type);
    be32(out, 5, key_length);
    nest(out, 9, |out| be32(out, 1, size));
}
