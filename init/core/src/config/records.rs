//! `[[dns.record]]` and the aliases of `[[host]]`: names and data that the gateway answers with beside its hosts.

use super::hosts::RawHost;
use super::problem::{Report, echo};
use super::raw::{At, Section, Text};
use super::{Host, domains, words};
use crate::net::{Ipv4Addr, Ipv4Net};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, Ipv6Addr};

/// The most records, aliases of hosts included.
pub const MAX_RECORDS: usize = 1024;

/// The longest text of a TXT record, in bytes: several together still fit one answer.
const MAX_TEXT: usize = 1000;

/// The longest of several texts of one TXT record, in bytes (RFC 1035 section 3.3.14).
const MAX_STRING: usize = 255;

/// Seconds that a client may keep a record when the file does not say.
const DEFAULT_TTL: u32 = 300;

/// Seconds that a client may keep an alias of a host, as for the host itself.
const ALIAS_TTL: u32 = 30;

/// A week: nobody remembers to wait longer.
const MAX_TTL: u64 = 7 * 86_400;

/// Top-level names that mean something fixed whatever anybody writes (RFC 6761, RFC 7686).
const FIXED: [&str; 3] = ["localhost", "invalid", "onion"];

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The whole name in lower case, without a dot at the end; its first label may be `*`.
    pub name: String,
    /// What it has.
    pub data: RecordData,
    /// Seconds that a client may keep it.
    pub ttl: u32,
}

/// What a record says. Names are whole and in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordData {
    /// An IPv4 address.
    A(Ipv4Addr),
    /// An IPv6 address.
    Aaaa(Ipv6Addr),
    /// Another name for this one.
    Cname(String),
    /// The name of an address.
    Ptr(String),
    /// Who takes mail.
    Mx {
        /// The smallest is tried first.
        preference: u16,
        /// The mail server.
        host: String,
    },
    /// Where a service is (RFC 2782).
    Srv {
        /// The smallest is tried first.
        priority: u16,
        /// The share among those of one priority.
        weight: u16,
        /// Its port.
        port: u16,
        /// Its host.
        target: String,
    },
    /// Texts, at most 1000 bytes together. One alone may be of any length, of several each has at most 255 bytes.
    Txt(Vec<String>),
}

impl fmt::Display for RecordData {
    /// As the file says it: the type, unless that is plain, and the value. Text is escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RecordData::A(address) => write!(f, "{address}"),
            RecordData::Aaaa(address) => write!(f, "{address}"),
            RecordData::Cname(name) => write!(f, "CNAME {name}"),
            RecordData::Ptr(name) => write!(f, "PTR {name}"),
            RecordData::Mx { preference, host } => write!(f, "MX {preference} {host}"),
            RecordData::Srv { priority, weight, port, target } => write!(f, "SRV {priority} {weight} {port} {target}"),
            RecordData::Txt(texts) => {
                f.write_str("TXT")?;
                texts.iter().try_for_each(|text| write!(f, " {}", echo(text)))
            }
        }
    }
}

/// One `[[dns.record]]`.
pub(super) struct Raw {
    at: usize,
    name: Text,
    kind: Text,
    value: Vec<At<String>>,
    ttl: Text,
    /// A key is there but unusable: it has been reported.
    broken: bool,
}

/// Reads one entry.
pub(super) fn read(at: usize, entry: &mut Section<'_, '_, '_>) -> Raw {
    let (name, kind, value, ttl) = (entry.text("name"), entry.text("type"), entry.words("value"), entry.text("ttl"));
    let unusable = entry.has("value") && value.is_empty() && !entry.is_empty_list("value");
    let broken =
        unusable || [("name", &name), ("type", &kind)].iter().any(|(key, text)| text.is_none() && entry.has(key));
    Raw { at, name, kind, value, ttl, broken }
}

/// What the names are checked against.
pub(super) struct Around<'a> {
    /// The local domain.
    pub domain: &'a str,
    /// The gateway's own label.
    pub hostname: &'a str,
    /// Hosts with a name of their own.
    pub hosts: &'a [Host],
}

/// Checks all records and aliases. Of several mistakes in one entry the first is reported.
pub(super) fn check(raw: &[Raw], raw_hosts: &[RawHost], around: &Around<'_>, report: &mut Report<'_>) -> Vec<Record> {
    let mut records: Vec<Record> = Vec::new();
    // Of each name, whether it is an alias.
    let mut names: BTreeMap<String, bool> = BTreeMap::new();
    let entries = raw.iter().map(|entry| (entry.at, "dns.record", read_record(entry, around)));
    let aliases = raw_hosts.iter().flat_map(|host| host.aliases.iter().map(move |alias| (host, alias)));
    let aliases = aliases.map(|(host, alias)| (alias.at, "host.aliases", read_alias(host, alias, around)));
    for (at, key, record) in entries.chain(aliases) {
        let refused = match record.and_then(|record| fits(record, &mut names, around)) {
            Ok(_) if records.len() == MAX_RECORDS => {
                report.add(at, key, format!("there are more than {MAX_RECORDS} records and aliases"), "remove some");
                break;
            }
            Ok(record) => {
                records.push(record);
                continue;
            }
            Err(refused) => refused,
        };
        if let Some(Refused { at: place, key: part, what, cure }) = refused {
            let key = if part.is_empty() { key.to_string() } else { format!("{key}.{part}") };
            report.add(place.unwrap_or(at), &key, what, cure);
        }
    }
    records
}

/// A mistake; `None` if it has been reported already.
type Checked<T> = Result<T, Option<Refused>>;

struct Refused {
    /// Where, if not at the entry itself.
    at: Option<usize>,
    key: &'static str,
    what: String,
    cure: String,
}

fn refuse<T>(at: Option<usize>, key: &'static str, what: impl Into<String>, cure: impl Into<String>) -> Checked<T> {
    Err(Some(Refused { at, key, what: what.into(), cure: cure.into() }))
}

fn read_alias(host: &RawHost, alias: &At<String>, around: &Around<'_>) -> Checked<Record> {
    // A host without a name has been reported.
    let Some(At { value: target, .. }) = &host.name else { return Err(None) };
    let cure = "write names such as [\"www\", \"git\"]";
    let Some(name) = whole(&alias.value, around.domain).filter(|name| !name.starts_with('*')) else {
        return refuse(None, "", format!("{} is not a name", echo(&alias.value)), cure);
    };
    let data = RecordData::Cname(format!("{}.{}", target.to_ascii_lowercase(), around.domain));
    Ok(Record { name, data, ttl: ALIAS_TTL })
}

fn read_record(raw: &Raw, around: &Around<'_>) -> Checked<Record> {
    let missing = |key, example: &str| {
        if raw.broken {
            Err(None)
        } else {
            refuse(None, key, format!("this record has no {key}"), format!("add {key} = \"{example}\" to it"))
        }
    };
    let Some(name) = &raw.name else { return missing("name", "www") };
    let Some(kind) = &raw.kind else { return missing("type", "A") };
    let data = match raw.value.as_slice() {
        [] => return missing("value", "10.0.0.5"),
        texts if kind.value.eq_ignore_ascii_case("TXT") => read_texts(texts)?,
        [value] => read_data(kind, value, around.domain)?,
        [_, second, ..] => {
            let what = format!("only a TXT record has several values, not {}", kind.value.to_ascii_uppercase());
            return refuse(Some(second.at), "value", what, "write a [[dns.record]] for each");
        }
    };
    let whole = match (&data, name.value.parse::<IpAddr>()) {
        (RecordData::Ptr(_), Ok(address)) => Some(reverse(address)),
        (_, Ok(_)) => None,
        (_, Err(_)) => whole(&name.value, around.domain),
    };
    let Some(whole) = whole else {
        let cure =
            "write a name such as \"www\", \"www.example.com\" or \"*.apps\"; an address only with type = \"PTR\"";
        return refuse(Some(name.at), "name", format!("{} is not a name", echo(&name.value)), cure);
    };
    Ok(Record { name: whole, data, ttl: read_ttl(&raw.ttl)? })
}

fn read_ttl(text: &Text) -> Checked<u32> {
    let Some(At { value, at }) = text else { return Ok(DEFAULT_TTL) };
    let seconds = words::duration(value).map(|ttl| ttl.as_secs()).filter(|seconds| *seconds <= MAX_TTL);
    seconds.and_then(|seconds| u32::try_from(seconds).ok()).map_or_else(
        || {
            let cure = "write a number and s, m, h or d, such as \"5m\", at most \"7d\"";
            refuse(Some(*at), "ttl", format!("{} is not a time up to 7 days", echo(value)), cure)
        },
        Ok,
    )
}

fn read_data(kind: &At<String>, value: &At<String>, domain: &str) -> Checked<RecordData> {
    let text = value.value.as_str();
    let name = |text: &str| whole(text, domain).filter(|name| !name.starts_with('*'));
    let mut words = text.split_ascii_whitespace();
    let mut number = || words.next().and_then(|word| word.parse::<u16>().ok());
    let (data, example) = match kind.value.to_ascii_uppercase().as_str() {
        "A" => (text.parse().ok().map(RecordData::A), "\"10.0.0.5\""),
        "AAAA" => (text.parse().ok().map(RecordData::Aaaa), "\"fd00::5\""),
        "CNAME" => (name(text).map(RecordData::Cname), "the other name, such as \"rpi2\" or \"www.example.com\""),
        "PTR" => (name(text).map(RecordData::Ptr), "the name that the address has, such as \"printer\""),
        "MX" => {
            let preference = number();
            let host = words.next().filter(|_| words.next().is_none()).and_then(name);
            let mx = preference.zip(host).map(|(preference, host)| RecordData::Mx { preference, host });
            (mx, "preference and mail server, such as \"10 mail\"")
        }
        "SRV" => {
            let numbers = (number(), number(), number());
            let target = words.next().filter(|_| words.next().is_none()).and_then(name);
            let srv = match (numbers, target) {
                ((Some(priority), Some(weight), Some(port)), Some(target)) => {
                    Some(RecordData::Srv { priority, weight, port, target })
                }
                _ => None,
            };
            (srv, "priority, weight, port and host, such as \"0 0 8080 rpi2\"")
        }
        _ => {
            let cure = "write one of \"A\", \"AAAA\", \"CNAME\", \"PTR\", \"MX\", \"SRV\", \"TXT\"";
            return refuse(
                Some(kind.at),
                "type",
                format!("{} is no type of record that is known here", echo(&kind.value)),
                cure,
            );
        }
    };
    let what = || format!("{} does not suit the type {}", echo(text), kind.value.to_ascii_uppercase());
    data.map_or_else(|| refuse(Some(value.at), "value", what(), format!("write {example}")), Ok)
}

/// One text, which may be cut into pieces on its way, or several as they are: what DNS-SD keeps apart (RFC 6763 section 6).
fn read_texts(texts: &[At<String>]) -> Checked<RecordData> {
    let mut room = MAX_TEXT;
    for text in texts {
        let longest = if texts.len() > 1 { room.min(MAX_STRING) } else { room };
        if text.value.len() > longest {
            let what = format!("{} does not suit the type TXT", echo(&text.value));
            let cure =
                "write a text of at most 1000 bytes, or a list of texts of at most 255 bytes each and 1000 together";
            return refuse(Some(text.at), "value", what, cure);
        }
        // Each of several has a length before it, and is at least that long.
        room = room.saturating_sub(text.value.len() + 1);
    }
    Ok(RecordData::Txt(texts.iter().map(|text| text.value.clone()).collect()))
}

/// A name as it is answered to: under the local domain if it is one label, or ends like a service (`_http._tcp`).
fn whole(text: &str, domain: &str) -> Option<String> {
    let (star, rest) = match text.strip_prefix('*') {
        Some("") => return Some(format!("*.{domain}")),
        Some(rest) => ("*.", rest.strip_prefix('.')?),
        None => ("", text),
    };
    let name = domains::domain(rest)?;
    let last = name.rsplit('.').next().unwrap_or_default();
    let relative = !rest.ends_with('.') && (!name.contains('.') || last.starts_with('_'));
    let whole = if relative { format!("{star}{name}.{domain}") } else { format!("{star}{name}") };
    let number = last.bytes().all(|byte| byte.is_ascii_digit());
    (whole.len() <= 253 && (relative || !number)).then_some(whole)
}

/// The name that an address has in the DNS (RFC 1035 section 3.5, RFC 3596 section 2.5).
fn reverse(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(address) => {
            let nibbles = address.octets().into_iter().rev().map(|octet| format!("{:x}.{:x}.", octet & 15, octet >> 4));
            nibbles.chain([String::from("ip6.arpa")]).collect()
        }
    }
}

/// Whether the record can stand beside all others, and the hosts.
fn fits(record: Record, names: &mut BTreeMap<String, bool>, around: &Around<'_>) -> Checked<Record> {
    let alias = matches!(record.data, RecordData::Cname(_));
    let label = record.name.strip_suffix(around.domain).and_then(|rest| rest.strip_suffix('.')).unwrap_or_default();
    let own = label == around.hostname || around.hosts.iter().any(|host| host.name == label);
    let last = record.name.rsplit('.').next().unwrap_or_default();
    let (what, cure) = if own && (alias || matches!(record.data, RecordData::A(_))) {
        (format!("{label} is a machine of this network, whose address is known already"), "choose another name")
    } else if FIXED.contains(&last) || words::RESERVED_NAMES.contains(&label) {
        (format!("{} has a meaning of its own and cannot get a record", record.name), "choose another name")
    } else if record.name == around.domain && alias {
        (
            format!("{} is the local domain, which cannot be another name for something", record.name),
            "choose another name",
        )
    } else {
        match names.insert(record.name.clone(), alias) {
            Some(other) if alias || other => (
                format!("{} has another record, and an alias can have none beside it", record.name),
                "keep one of them",
            ),
            _ => return Ok(record),
        }
    };
    refuse(None, "", what, cure)
}

/// The records as they are when the LAN has moved from one network to another: addresses of the one become the same
/// machines' addresses in the other, and so do their names.
pub fn moved(records: &[Record], from: Ipv4Net, to: Ipv4Net) -> Vec<Record> {
    let shift = |address: Ipv4Addr| {
        let host = address.to_bits() - from.network().to_bits();
        Ipv4Addr::from_bits(to.network().to_bits().saturating_add(host))
    };
    let mut records = records.to_vec();
    if from.network() == to.network() {
        return records;
    }
    for record in &mut records {
        match &mut record.data {
            RecordData::A(address) if from.contains(*address) => *address = shift(*address),
            RecordData::Ptr(_) => {
                let address = forward(&record.name).filter(|address| from.contains(*address));
                if let Some(address) = address {
                    record.name = reverse(IpAddr::V4(shift(address)));
                }
            }
            _ => {}
        }
    }
    records
}

/// The address that a reverse name means.
fn forward(name: &str) -> Option<Ipv4Addr> {
    let mut octets: Vec<&str> = name.strip_suffix(".in-addr.arpa")?.split('.').collect();
    octets.reverse();
    octets.join(".").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    fn records(text: &str) -> Vec<Record> {
        parse(text.as_bytes()).unwrap_or_else(|problems| panic!("{problems}")).dns.records
    }

    #[track_caller]
    fn check(text: &str, message: &str) {
        let refused = parse(text.as_bytes()).expect_err(text).to_string();
        assert_eq!(refused, format!("gateway.toml:{message}"), "\nfor the file:\n{text}");
    }

    fn entry(name: &str, kind: &str, value: &str) -> String {
        format!("[[dns.record]]\nname = \"{name}\"\ntype = \"{kind}\"\nvalue = \"{value}\"\n")
    }

    #[test]
    fn names_are_made_whole_and_data_is_read() {
        for (name, kind, value, whole, data) in [
            ("WWW", "a", "10.0.0.5", "www.home.arpa", RecordData::A(Ipv4Addr::new(10, 0, 0, 5))),
            ("www.Example.com.", "AAAA", "fd00::5", "www.example.com", RecordData::Aaaa("fd00::5".parse().unwrap())),
            ("*.apps.home.arpa", "CNAME", "rpi2", "*.apps.home.arpa", RecordData::Cname("rpi2.home.arpa".into())),
            ("*", "CNAME", "b.example", "*.home.arpa", RecordData::Cname("b.example".into())),
            ("*.apps", "CNAME", "b.example.", "*.apps.home.arpa", RecordData::Cname("b.example".into())),
            ("10.0.0.9", "PTR", "tv", "9.0.0.10.in-addr.arpa", RecordData::Ptr("tv.home.arpa".into())),
            (
                "_http._tcp",
                "SRV",
                "0 5 80 tv",
                "_http._tcp.home.arpa",
                RecordData::Srv { priority: 0, weight: 5, port: 80, target: "tv.home.arpa".into() },
            ),
            (
                "home.arpa",
                "MX",
                "10 mail",
                "home.arpa",
                RecordData::Mx { preference: 10, host: "mail.home.arpa".into() },
            ),
            ("a", "TXT", "v=spf1  -all", "a.home.arpa", RecordData::Txt(alloc::vec!["v=spf1  -all".into()])),
        ] {
            let read = records(&entry(name, kind, value));
            assert_eq!(read, [Record { name: whole.into(), data, ttl: 300 }]);
        }
        let six = records(&entry("fd00::1", "PTR", "tv"));
        assert_eq!(six[0].name, format!("1.{}0.0.d.f.ip6.arpa", "0.".repeat(27)));
        assert_eq!(records(&(entry("a", "A", "10.0.0.5") + "ttl = \"2h\""))[0].ttl, 7200);
    }

    #[test]
    fn a_txt_record_holds_one_text_or_several() {
        let texts = |value: &str| format!("[[dns.record]]\nname = \"a\"\ntype = \"txt\"\nvalue = {value}\n");
        let read = records(&texts("[\"txtvers=1\", \"\", \"x\"]"));
        assert_eq!(read[0].data, RecordData::Txt(alloc::vec!["txtvers=1".into(), "".into(), "x".into()]));
        assert_eq!(read[0].data.to_string(), "TXT \"txtvers=1\" \"\" \"x\"");
        assert_eq!(records(&texts(&format!("\"{}\"", "a".repeat(1000)))).len(), 1);
        let cure = "write a text of at most 1000 bytes, or a list of texts of at most 255 bytes each and 1000 together";
        for value in [
            format!("\"{}\"", "a".repeat(1001)),
            format!("[\"b\", \"{}\"]", "a".repeat(256)),
            format!("[{}]", alloc::vec![format!("\"{}\"", "a".repeat(250)); 4].join(", ")),
        ] {
            let refused = parse(texts(&value).as_bytes()).unwrap_err().to_string();
            assert!(refused.contains("does not suit the type TXT") && refused.ends_with(cure), "{refused}");
        }
        check(
            &texts("[\"10.0.0.5\", \"10.0.0.6\"]").replace("txt", "A"),
            "4:22: dns.record.value: only a TXT record has several values, not A; write a [[dns.record]] for each",
        );
        check(&texts("[]"), "1:1: dns.record.value: this record has no value; add value = \"10.0.0.5\" to it");
        check(
            &texts("true"),
            "4:9: dns.record.value: this must be text in quotes or a list of texts, but is true or false without quotes; write value = \"...\" or value = [\"...\", \"...\"]",
        );
    }

    #[test]
    fn aliases_of_hosts_are_other_names_for_them() {
        let text = "[[host]]\nname = \"RPI2\"\naddress = \"10.0.0.2\"\naliases = [\"www\", \"git.example.com\"]\n";
        let names: Vec<String> = records(text).into_iter().map(|record| record.name).collect();
        assert_eq!(names, ["www.home.arpa", "git.example.com"]);
        assert_eq!(records(text)[0].data, RecordData::Cname("rpi2.home.arpa".into()));
        check(
            "[[host]]\nname = \"rpi2\"\naddress = \"10.0.0.2\"\naliases = [\"*.www\"]\n",
            "4:12: host.aliases: \"*.www\" is not a name; write names such as [\"www\", \"git\"]",
        );
        check(
            "[[host]]\nname = \"rpi2\"\naddress = \"10.0.0.2\"\naliases = [\"www\", \"www\"]\n",
            "4:19: host.aliases: www.home.arpa has another record, and an alias can have none beside it; keep one of them",
        );
    }

    #[test]
    fn records_that_do_not_fit_are_explained() {
        for (name, kind, value, message) in [
            (
                "a b",
                "A",
                "10.0.0.5",
                "2:8: dns.record.name: \"a b\" is not a name; write a name such as \"www\", \"www.example.com\" or \"*.apps\"; an address only with type = \"PTR\"",
            ),
            (
                "10.0.0.9",
                "A",
                "10.0.0.9",
                "2:8: dns.record.name: \"10.0.0.9\" is not a name; write a name such as \"www\", \"www.example.com\" or \"*.apps\"; an address only with type = \"PTR\"",
            ),
            (
                "a",
                "NS",
                "b",
                "3:8: dns.record.type: \"NS\" is no type of record that is known here; write one of \"A\", \"AAAA\", \"CNAME\", \"PTR\", \"MX\", \"SRV\", \"TXT\"",
            ),
            ("a", "A", "fd00::5", "4:9: dns.record.value: \"fd00::5\" does not suit the type A; write \"10.0.0.5\""),
            (
                "a",
                "MX",
                "mail",
                "4:9: dns.record.value: \"mail\" does not suit the type MX; write preference and mail server, such as \"10 mail\"",
            ),
            (
                "a",
                "SRV",
                "0 0 b 80",
                "4:9: dns.record.value: \"0 0 b 80\" does not suit the type SRV; write priority, weight, port and host, such as \"0 0 8080 rpi2\"",
            ),
            (
                "gatepost",
                "A",
                "10.0.0.5",
                "1:1: dns.record: gatepost is a machine of this network, whose address is known already; choose another name",
            ),
            (
                "wpad",
                "A",
                "10.0.0.5",
                "1:1: dns.record: wpad.home.arpa has a meaning of its own and cannot get a record; choose another name",
            ),
            (
                "a.localhost",
                "A",
                "10.0.0.5",
                "1:1: dns.record: a.localhost has a meaning of its own and cannot get a record; choose another name",
            ),
            (
                "home.arpa",
                "CNAME",
                "b",
                "1:1: dns.record: home.arpa is the local domain, which cannot be another name for something; choose another name",
            ),
        ] {
            check(&entry(name, kind, value), message);
        }
        check(
            &(entry("a", "A", "10.0.0.5") + "ttl = \"8d\""),
            "5:7: dns.record.ttl: \"8d\" is not a time up to 7 days; write a number and s, m, h or d, such as \"5m\", at most \"7d\"",
        );
        check(
            "[[dns.record]]\ntype = \"A\"\nvalue = \"10.0.0.5\"",
            "1:1: dns.record.name: this record has no name; add name = \"www\" to it",
        );
        check(
            &(entry("a", "CNAME", "b") + &entry("a", "A", "10.0.0.5")),
            "5:1: dns.record: a.home.arpa has another record, and an alias can have none beside it; keep one of them",
        );
        let host = "[[host]]\nname = \"tv\"\naddress = \"10.0.0.9\"\n";
        check(
            &(entry("tv", "CNAME", "b") + host),
            "1:1: dns.record: tv is a machine of this network, whose address is known already; choose another name",
        );
        assert_eq!(records(&(entry("tv", "TXT", "b") + host)).len(), 1);
        assert!(parse(b"[dns]\nrecord = [1]").unwrap_err().to_string().contains("write a line [[dns.record]]"));
    }

    #[test]
    fn the_list_has_an_end() {
        let many: String = (0..=MAX_RECORDS).map(|n| entry(&format!("n{n}"), "A", "10.0.0.5")).collect();
        check(&many, "4097:1: dns.record: there are more than 1024 records and aliases; remove some");
    }

    #[test]
    fn records_move_with_the_lan() {
        let read =
            records(&(entry("a", "A", "10.0.0.5") + &entry("b", "A", "10.0.1.5") + &entry("10.0.0.5", "PTR", "a")));
        let moved = moved(&read, "10.0.0.1/24".parse().unwrap(), "172.20.7.1/24".parse().unwrap());
        assert_eq!(moved[0].data, RecordData::A(Ipv4Addr::new(172, 20, 7, 5)));
        assert_eq!((&moved[1], moved[2].name.as_str()), (&read[1], "5.7.20.172.in-addr.arpa"));
    }
}
