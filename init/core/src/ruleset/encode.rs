//! One netlink batch that puts a ruleset in force (linux/netfilter/nfnetlink.h, nf_tables.h).
//!
//! ```text
//!  BEGIN | add table | delete table | add table | counters | flowtable | chains | rules | END
//! ```

use super::nla::{be32, nest, text};
use super::{Chain, ChainKind, Counter, Flowtable, Policy, Rule, Ruleset, TABLE, expression};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

const NFNL_MSG_BATCH_BEGIN: u16 = 0x10;
const NFNL_MSG_BATCH_END: u16 = 0x11;
const NFNL_SUBSYS_NFTABLES: u16 = 10;
const NFPROTO_INET: u8 = 1;

const NEW_TABLE: u16 = 0;
const DELETE_TABLE: u16 = 2;
const NEW_CHAIN: u16 = 3;
const NEW_RULE: u16 = 6;
const NEW_OBJECT: u16 = 18;
const NEW_FLOWTABLE: u16 = 22;

const NLM_F_REQUEST: u16 = 0x01;
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
    let mut writer = Writer { batch: Batch { bytes: Vec::new(), first_seq, texts: Vec::new() }, last_message: 0 };
    writer.frame(NFNL_MSG_BATCH_BEGIN);
    for (kind, word) in [(NEW_TABLE, "add"), (DELETE_TABLE, "delete"), (NEW_TABLE, "add")] {
        writer.message(kind, 0, format!("{word} table inet {TABLE}"), |out| text(out, 1, TABLE));
    }
    for counter in &ruleset.counters {
        writer.counter(*counter);
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
            text(out, 2, counter.name());
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

    fn chain(&mut self, chain: &Chain) {
        let kind = match chain.kind {
            ChainKind::Filter => "filter",
            ChainKind::Nat => "nat",
        };
        let policy = match chain.policy {
            Policy::Drop => 0,
            Policy::Accept => 1,
        };
        let said = format!("add chain inet {TABLE} {} (hook {})", chain.name, chain.hook);
        self.message(NEW_CHAIN, 0, said, |out| {
            text(out, 1, TABLE);
            text(out, 3, chain.name);
            nest(out, 4, |out| {
                be32(out, 1, chain.hook as u32);
                be32(out, 2, chain.priority.cast_unsigned());
            });
            be32(out, 5, policy);
            text(out, 7, kind);
        });
    }

    fn rule(&mut self, chain: &Chain, rule: &Rule) {
        let said = format!("{}: {}", chain.name, rule);
        self.message(NEW_RULE, NLM_F_APPEND, said, |out| {
            text(out, 1, TABLE);
            text(out, 2, chain.name);
            nest(out, 4, |out| {
                for statement in &rule.0 {
                    expression::statement(out, statement);
                }
            });
        });
    }
}
