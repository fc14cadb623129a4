//! What a `gateway.toml` may say: every key with its position, nothing checked but its type.
//!
//! The file is read through the TOML crate's tree of positioned values rather than through derived types, because a
//! derived reader stops at the first mistake and its messages quote the value, which may be a passphrase.

use super::dhcp::{self, RawDhcp};
use super::hosts::{self, RawHost};
use super::ntp;
use super::problem::{Report, echo};
use super::wifi::{self, RawWifi};
use super::{block, firewall, forward, netboot, rebind, records, syntax};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value and the byte offset at which it stands.
#[derive(Clone)]
pub(super) struct At<T> {
    /// What stands there.
    pub value: T,
    /// Byte offset in the file.
    pub at: usize,
}

/// A text of the file, with its position.
pub(super) type Text = Option<At<String>>;

/// The whole file.
pub(super) struct RawConfig {
    pub hostname: Text,
    pub domain: Text,
    pub uplink: RawUplink,
    pub lan: RawLan,
    pub dhcp: RawDhcp,
    pub dns: RawDns,
    pub hosts: Vec<RawHost>,
    pub firewall: firewall::Raw,
    pub netboot: netboot::Netboot,
    pub ntp: ntp::Raw,
}

/// `[uplink]`
#[derive(Default)]
pub(super) struct RawUplink {
    pub at: usize,
    pub interface: Text,
    pub country: Text,
    pub wifi: Vec<RawWifi>,
    pub wifi_offload: bool,
    pub address: Text,
    pub gateway: Text,
}

/// `[lan]`
#[derive(Default)]
pub(super) struct RawLan {
    pub interface: Text,
    pub address: Text,
    pub alternative: Text,
}

/// `[dns]`
#[derive(Default)]
pub(super) struct RawDns {
    pub upstream: Vec<At<String>>,
    pub log_queries: Option<bool>,
    pub rebind: rebind::Raw,
    pub block: block::Raw,
    pub forwards: Vec<forward::Raw>,
    pub records: Vec<records::Raw>,
    pub keeping: super::keeping::Raw,
}

/// The keys of each section; the nameless one is the top of the file.
pub(super) const SECTIONS: &[(&str, &[&str])] = &[
    ("", &["hostname", "domain", "uplink", "lan", "dhcp", "host", "dns", "firewall", "forward", "netboot", "ntp"]),
    ("uplink", &["interface", "country", "wifi", "wifi_offload", "address", "gateway"]),
    ("lan", &["interface", "address", "alternative"]),
    ("dhcp", &dhcp::KEYS),
    ("dhcp.option", &dhcp::OPTION_KEYS),
    ("dhcp.match", &dhcp::MATCH_KEYS),
    ("dhcp.boot", &dhcp::BOOT_KEYS),
    ("host", &hosts::KEYS),
    (
        "dns",
        &[
            "upstream",
            "log_queries",
            "rebind_protection",
            "rebind_allow",
            "block",
            "block_allow",
            "block_answer",
            "stale",
            "prefetch",
            "cache_kib",
            "forward",
            "record",
        ],
    ),
    ("dns.forward", &["domain", "upstream"]),
    ("dns.record", &["name", "type", "value", "ttl"]),
    ("uplink.wifi", wifi::KEYS),
    ("firewall", &["private_networks", "allow", "block"]),
    ("firewall.allow", &["protocol", "port", "source"]),
    ("firewall.block", &["host"]),
    ("forward", &["protocol", "port", "to", "to_port"]),
    ("netboot", netboot::KEYS),
    ("ntp", ntp::KEYS),
];

/// Reads the file's structure. What has the wrong shape is reported and left out; `None` if the file is not TOML.
pub(super) fn read(text: &str, report: &mut Report<'_>) -> Option<RawConfig> {
    let (document, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        // What the parser guessed after a syntax error would only bring forth follow-up complaints.
        syntax::explain(&errors, report);
        return None;
    }
    let mut top = Section::new("", document.get_ref(), report);
    Some(RawConfig {
        hostname: top.text("hostname"),
        domain: top.text("domain"),
        uplink: read_uplink(&mut top),
        lan: top.section("lan").map(|mut lan| read_lan(&mut lan)).unwrap_or_default(),
        dhcp: top.section("dhcp").map(|mut section| dhcp::read(&mut section)).unwrap_or_default(),
        dns: top.section("dns").map(|mut dns| read_dns(&mut dns)).unwrap_or_default(),
        hosts: top.each("host", "a line [[host]], with double brackets, above the keys of each host", hosts::read),
        firewall: firewall::read(&mut top),
        netboot: top.section("netboot").map(|mut section| netboot::read(&mut section)).unwrap_or_default(),
        ntp: top.section("ntp").map(|mut section| ntp::read(&mut section)).unwrap_or_default(),
    })
}

fn read_uplink(top: &mut Section<'_, '_, '_>) -> RawUplink {
    let at = top.table.get("uplink").map_or(0, |value| value.span().start);
    let Some(mut uplink) = top.section("uplink") else { return RawUplink::default() };
    RawUplink {
        at,
        interface: uplink.text("interface"),
        country: uplink.text("country"),
        wifi: uplink.each("wifi", r#"wifi = [{ ssid = "NAME", passphrase = "PASSWORD" }]"#, wifi::read),
        wifi_offload: uplink.switch("wifi_offload").unwrap_or(false),
        address: uplink.text("address"),
        gateway: uplink.text("gateway"),
    }
}

fn read_lan(lan: &mut Section<'_, '_, '_>) -> RawLan {
    RawLan { interface: lan.text("interface"), address: lan.text("address"), alternative: lan.text("alternative") }
}

fn read_dns(dns: &mut Section<'_, '_, '_>) -> RawDns {
    RawDns {
        upstream: dns.texts("upstream"),
        log_queries: dns.switch("log_queries"),
        rebind: rebind::read(dns),
        block: block::read(dns),
        forwards: dns.each("forward", "a line [[dns.forward]] above the keys of each domain", forward::read),
        records: dns.each("record", "a line [[dns.record]] above the keys of each record", records::read),
        keeping: super::keeping::read(dns),
    }
}

/// One table of the file while it is read.
pub(super) struct Section<'t, 'r, 'a> {
    path: &'static str,
    table: &'t DeTable<'t>,
    report: &'r mut Report<'a>,
}

impl<'t, 'r, 'a> Section<'t, 'r, 'a> {
    /// Opens a table and reports the keys that do not belong there.
    fn new(path: &'static str, table: &'t DeTable<'t>, report: &'r mut Report<'a>) -> Self {
        let known = SECTIONS.iter().find(|(name, _)| *name == path).map_or(&[][..], |(_, keys)| keys);
        for key in table.keys().filter(|key| !known.contains(&key.get_ref().as_ref())) {
            syntax::unknown_key(path, known, key.get_ref(), key.span().start, report);
        }
        Self { path, table, report }
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Where the key's value stands; 0 if it is not there.
    pub(super) fn place(&self, key: &str) -> usize {
        self.table.get(key).map_or(0, |value| value.span().start)
    }

    /// Whether the key is a list without anything in it.
    pub(super) fn is_empty_list(&self, key: &str) -> bool {
        self.table.get(key).is_some_and(|value| matches!(value.get_ref(), DeValue::Array(items) if items.is_empty()))
    }

    /// A key's full name, as in `dhcp.pool`.
    fn full(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_string() } else { format!("{}.{key}", self.path) }
    }

    pub(super) fn text(&mut self, key: &str) -> Text {
        let value = self.table.get(key)?;
        match value.get_ref() {
            DeValue::String(text) => Some(At { value: text.to_string(), at: value.span().start }),
            _ => {
                self.wrong_type(key, value, "text in quotes", &format!("write {key} = \"...\""));
                None
            }
        }
    }

    /// A number such as a port, or a text such as several of them.
    pub(super) fn text_or_number(&mut self, key: &str) -> Text {
        let value = self.table.get(key)?;
        match value.get_ref() {
            DeValue::String(text) => Some(At { value: text.to_string(), at: value.span().start }),
            DeValue::Integer(number) => Some(At { value: number.to_string(), at: value.span().start }),
            _ => {
                let cure = format!("write {key} = 80 or {key} = \"...\"");
                self.wrong_type(key, value, "a number, or text in quotes", &cure);
                None
            }
        }
    }

    pub(super) fn switch(&mut self, key: &str) -> Option<bool> {
        let value = self.table.get(key)?;
        match value.get_ref() {
            DeValue::Boolean(on) => Some(*on),
            _ => {
                let cure = format!("write {key} = true or {key} = false, without quotes");
                self.wrong_type(key, value, "true or false", &cure);
                None
            }
        }
    }

    /// A whole number, with its position.
    pub(super) fn number(&mut self, key: &str) -> Option<At<i64>> {
        let value = self.table.get(key)?;
        let DeValue::Integer(number) = value.get_ref() else {
            self.wrong_type(key, value, "a whole number", &format!("write {key} = 1, without quotes"));
            return None;
        };
        // A number too large for the type is as wrong as the largest that fits.
        let number = i64::from_str_radix(number.as_str(), number.radix()).unwrap_or(i64::MAX);
        Some(At { value: number, at: value.span().start })
    }

    /// One text or number, or a list of them, each as text.
    pub(super) fn words(&mut self, key: &str) -> Vec<At<String>> {
        let Some(value) = self.table.get(key) else { return Vec::new() };
        let items = match value.get_ref() {
            DeValue::Array(items) => items.iter().collect(),
            _ => alloc::vec![value],
        };
        let mut words = Vec::new();
        for item in items {
            let word = match item.get_ref() {
                DeValue::String(text) => text.to_string(),
                DeValue::Integer(number) if number.radix() == 10 => number.as_str().to_string(),
                _ => {
                    let cure = format!("write {key} = \"...\" or {key} = [\"...\", \"...\"]");
                    self.wrong_type(key, item, "text in quotes or a list of texts", &cure);
                    continue;
                }
            };
            words.push(At { value: word, at: item.span().start });
        }
        words
    }

    pub(super) fn texts(&mut self, key: &str) -> Vec<At<String>> {
        let Some(value) = self.table.get(key) else { return Vec::new() };
        let DeValue::Array(items) = value.get_ref() else {
            self.wrong_type(key, value, "a list", &format!("put it in square brackets: {key} = [\"...\"]"));
            return Vec::new();
        };
        let mut texts = Vec::new();
        for item in items.iter() {
            match item.get_ref() {
                DeValue::String(text) => texts.push(At { value: text.to_string(), at: item.span().start }),
                _ => self.wrong_type(key, item, "a list of texts in quotes", "put each entry in quotes"),
            }
        }
        texts
    }

    pub(super) fn section(&mut self, key: &'static str) -> Option<Section<'t, '_, 'a>> {
        let value = self.table.get(key)?;
        match value.get_ref() {
            DeValue::Table(table) => Some(Section::new(key, table, self.report)),
            DeValue::Array(items) if items.iter().all(|item| matches!(item.get_ref(), DeValue::Table(_))) => {
                let at = value.span().start;
                let what = format!("there is only one [{key}] section");
                self.report.add(at, key, what, format!("write [{key}] with single brackets, once"));
                None
            }
            _ => {
                self.wrong_type(
                    key,
                    value,
                    "a section",
                    &format!("write a line [{key}] and the section's keys below it"),
                );
                None
            }
        }
    }

    /// A list of tables, each read by `read`.
    pub(super) fn each<T>(
        &mut self,
        key: &str,
        example: &str,
        read: fn(usize, &mut Section<'_, '_, '_>) -> T,
    ) -> Vec<T> {
        let Some(value) = self.table.get(key) else { return Vec::new() };
        let full = self.full(key);
        let path = SECTIONS.iter().map(|(path, _)| *path).find(|path| *path == full).unwrap_or_default();
        let DeValue::Array(items) = value.get_ref() else {
            self.wrong_type(key, value, "a list of entries", &format!("write {example}"));
            return Vec::new();
        };
        let mut entries = Vec::new();
        for item in items.iter() {
            match item.get_ref() {
                DeValue::Table(table) => {
                    entries.push(read(item.span().start, &mut Section::new(path, table, self.report)));
                }
                _ => self.wrong_type(key, item, "a list of entries in braces", &format!("write {example}")),
            }
        }
        entries
    }

    /// Says what stands there instead, but never its value: it may be a passphrase.
    fn wrong_type(&mut self, key: &str, value: &Spanned<DeValue<'_>>, wanted: &str, cure: &str) {
        let found = match value.get_ref() {
            DeValue::String(_) => "text",
            DeValue::Integer(_) | DeValue::Float(_) => "a number without quotes",
            DeValue::Boolean(_) => "true or false without quotes",
            DeValue::Datetime(_) => "a date without quotes",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a section",
        };
        let what = format!("this must be {wanted}, but is {found}");
        self.report.add(value.span().start, &self.full(key), what, cure);
    }
}

/// A key of the file as messages show it.
pub(super) fn shown_key(key: &str) -> String {
    let plain = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if plain && key.len() <= 32 { key.to_string() } else { echo(key) }
}
