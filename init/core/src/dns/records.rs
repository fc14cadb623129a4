//! Records of the configuration beside the hosts: their names, also with a star (RFC 4592), and their data in wire form.
//!
//! A name that has a record here is ours alone: other types of it are "no such record", not a question for servers. In
//! our own domain a name between the domain and a record exists without records (RFC 8020, RFC 4592 section 2.2.2).

use super::name::Name;
use super::wire::rtype;
use super::write::Writer;
use crate::config::{Record, RecordData};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// Octets of one string in a TXT record (RFC 1035 section 3.3).
const MAX_STRING: usize = 255;

/// One record, ready to be written.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) rtype: u16,
    /// Seconds.
    pub(super) ttl: u32,
    /// The data before the name.
    head: Vec<u8>,
    /// The name at the end of the data, in wire form.
    target: Option<Box<[u8]>>,
}

impl Item {
    fn new(record: &Record) -> Option<Item> {
        let (kind, head, target): (u16, Vec<u8>, Option<&str>) = match &record.data {
            RecordData::A(address) => (rtype::A, address.octets().to_vec(), None),
            RecordData::Aaaa(address) => (rtype::AAAA, address.octets().to_vec(), None),
            RecordData::Cname(target) => (rtype::CNAME, Vec::new(), Some(target)),
            RecordData::Ptr(target) => (rtype::PTR, Vec::new(), Some(target)),
            RecordData::Mx { preference, host } => (rtype::MX, preference.to_be_bytes().to_vec(), Some(host)),
            RecordData::Srv { priority, weight, port, target } => {
                (rtype::SRV, [*priority, *weight, *port].map(u16::to_be_bytes).concat(), Some(target))
            }
            RecordData::Txt(texts) => (rtype::TXT, texts.iter().flat_map(|text| strings(text)).collect(), None),
        };
        let target = match target {
            Some(target) => Some(Name::from_text(target)?.as_bytes().into()),
            None => None,
        };
        Some(Item { rtype: kind, ttl: record.ttl, head, target })
    }

    /// The name that a CNAME leads to.
    pub(super) fn alias(&self) -> Option<Name> {
        self.target.as_deref().filter(|_| self.rtype == rtype::CNAME).and_then(Name::from_wire)
    }

    /// Writes the data. RFC 3597 section 4: of these types only SRV's name is never compressed.
    pub(super) fn write(&self, writer: &mut Writer) {
        writer.raw(&self.head);
        if let Some(target) = self.target.as_deref().and_then(Name::from_wire) {
            writer.name(&target, self.rtype != rtype::SRV);
        }
    }
}

/// RFC 1035 section 3.3.14: one string, or more if the text is too long for one.
fn strings(text: &str) -> Vec<u8> {
    let mut data = Vec::new();
    let mut push = |piece: &[u8]| {
        data.push(piece.len() as u8);
        data.extend_from_slice(piece);
    };
    if text.is_empty() {
        push(&[]);
    }
    text.as_bytes().chunks(MAX_STRING).for_each(push);
    data
}

/// What a name has among the records.
#[derive(Debug)]
pub(super) enum Found<'a> {
    /// These.
    Items(&'a [Item]),
    /// Nothing itself, but there is something below it.
    Above,
}

/// All records of the configuration.
#[derive(Debug, Default)]
pub(super) struct Records {
    /// By the name's labels in reverse order and lower case: what is below a name follows it.
    by_name: BTreeMap<Vec<u8>, Vec<Item>>,
}

impl Records {
    pub(super) fn new(records: &[Record]) -> Records {
        let mut by_name: BTreeMap<Vec<u8>, Vec<Item>> = BTreeMap::new();
        for record in records {
            if let (Some(name), Some(item)) = (Name::from_text(&record.name), Item::new(record)) {
                by_name.entry(order(&name)).or_default().push(item);
            }
        }
        Records { by_name }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// What stands for this very name.
    pub(super) fn find(&self, name: &Name) -> Option<Found<'_>> {
        let key = order(name);
        let (first, items) = self.by_name.range(key.clone()..).next()?;
        if *first == key { Some(Found::Items(items)) } else { first.starts_with(&key).then_some(Found::Above) }
    }

    /// RFC 4592 section 3.3.1: what a star stands for, for a name that does not exist. `exists` knows names from elsewhere:
    /// a star is only looked for below the nearest name that exists.
    pub(super) fn find_star(&self, name: &Name, exists: impl Fn(&Name) -> bool) -> Option<&[Item]> {
        for above in 1..name.labels().count() {
            let parent = name.without(above);
            let mut star = order(&parent);
            star.extend_from_slice(b"\x01*");
            if let Some(items) = self.by_name.get(&star) {
                return Some(items);
            }
            if self.find(&parent).is_some() || exists(&parent) {
                return None;
            }
        }
        None
    }
}

/// Labels from the last to the first, each with its length before it, in lower case.
fn order(name: &Name) -> Vec<u8> {
    let lower = name.to_lower();
    let labels: Vec<&[u8]> = lower.labels().collect();
    let mut key = Vec::with_capacity(name.as_bytes().len());
    for label in labels.iter().rev() {
        key.push(label.len() as u8);
        key.extend_from_slice(label);
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn data(texts: &[&str]) -> Vec<u8> {
        let data = RecordData::Txt(texts.iter().map(|text| (*text).into()).collect());
        Item::new(&Record { name: "a.example".into(), data, ttl: 1 }).unwrap().head
    }

    #[test]
    fn rfc6763_6_several_texts_stay_apart_and_a_long_one_is_cut() {
        assert_eq!(data(&["path=/a", "", "u=b, c"]), b"\x07path=/a\0\x06u=b, c");
        assert_eq!(data(&[""]), [0]);
        let long = "a".repeat(300);
        assert_eq!(data(&[&long]), [vec![255], vec![b'a'; 255], vec![45], vec![b'a'; 45]].concat());
    }
}
