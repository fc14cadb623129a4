//! `[[dhcp.option]]`, `[[dhcp.match]]` and `[[dhcp.boot]]`: what is sent beyond the usual, and to whom.

use super::problem::{Report, echo};
use super::raw::{At, Section, Text};
use super::{DhcpBoot, DhcpMatch, DhcpOption, Host, MAX_BOOT, MAX_MATCHES, MAX_OPTIONS, MAX_TAGS, MacPrefix, words};
use crate::dhcp_option::{self, Info, Kind, MAX_LENGTH, Origin};
use crate::net::is_ordinary;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

pub(super) const OPTION_KEYS: [&str; 6] = ["code", "name", "value", "hex", "tag", "always"];
pub(super) const MATCH_KEYS: [&str; 4] = ["tag", "vendor_class", "user_class", "mac"];
pub(super) const BOOT_KEYS: [&str; 4] = ["file", "server", "server_name", "tag"];

/// The tag that every host of the configuration has.
const KNOWN: &str = "known";

/// What every client gets unless an empty list keeps it back: router and name server.
const UNSENT: [u8; 2] = [3, 6];

/// One `[[dhcp.option]]`.
pub(super) struct RawOption {
    at: usize,
    code: Option<At<i64>>,
    name: Text,
    value: Vec<At<String>>,
    /// `value = []`: the option is not to be sent.
    unsent: bool,
    hex: Text,
    tag: Text,
    always: bool,
    /// A key is there but unusable: it has been reported.
    broken: bool,
}

/// One `[[dhcp.match]]`.
pub(super) struct RawMatch {
    at: usize,
    tag: Text,
    vendor_class: Text,
    user_class: Text,
    mac: Text,
    broken: bool,
}

/// One `[[dhcp.boot]]`.
pub(super) struct RawBoot {
    at: usize,
    file: Text,
    server: Text,
    server_name: Text,
    tag: Text,
}

pub(super) fn read_option(at: usize, section: &mut Section<'_, '_, '_>) -> RawOption {
    let option = RawOption {
        at,
        code: section.number("code"),
        name: section.text("name"),
        value: section.words("value"),
        unsent: section.is_empty_list("value"),
        hex: section.text("hex"),
        tag: section.text("tag"),
        always: section.switch("always").unwrap_or(false),
        broken: false,
    };
    let missing = [
        ("code", option.code.is_none()),
        ("name", option.name.is_none()),
        ("value", option.value.is_empty() && !option.unsent),
        ("hex", option.hex.is_none()),
    ];
    let broken = missing.iter().any(|(key, missing)| *missing && section.has(key));
    RawOption { broken, ..option }
}

pub(super) fn read_match(at: usize, section: &mut Section<'_, '_, '_>) -> RawMatch {
    let (tag, vendor_class) = (section.text("tag"), section.text("vendor_class"));
    let (user_class, mac) = (section.text("user_class"), section.text("mac"));
    let missing = [("tag", &tag), ("vendor_class", &vendor_class), ("user_class", &user_class), ("mac", &mac)];
    let broken = missing.iter().any(|(key, text)| text.is_none() && section.has(key));
    RawMatch { at, tag, vendor_class, user_class, mac, broken }
}

pub(super) fn read_boot(at: usize, section: &mut Section<'_, '_, '_>) -> RawBoot {
    RawBoot {
        at,
        file: section.text("file"),
        server: section.text("server"),
        server_name: section.text("server_name"),
        tag: section.text("tag"),
    }
}

/// A tag: written like a host name.
pub(super) fn read_tag(text: &At<String>, key: &str, report: &mut Report<'_>) -> Option<String> {
    let cure = "write a short word such as \"camera\"";
    let mut refuse =
        |what: &str| report.add(text.at, key, format!("{}: {}", echo(&text.value), what.replace("name", "tag")), cure);
    words::label(&text.value).map_err(&mut refuse).ok()
}

/// Every tag that a client can have.
pub(super) fn known_tags(hosts: &[Host], matches: &[DhcpMatch]) -> BTreeSet<String> {
    let hosts = hosts.iter().flat_map(|host| host.tags.iter().cloned());
    let matches = matches.iter().map(|entry| entry.tag.clone());
    hosts.chain(matches).chain([KNOWN.to_string()]).collect()
}

/// Whom an entry is for; the outer `None` is a tag that nobody has.
fn check_tag(text: &Text, key: &str, known: &BTreeSet<String>, report: &mut Report<'_>) -> Option<Option<String>> {
    let Some(text) = text else { return Some(None) };
    let tag = read_tag(text, key, report)?;
    if !known.contains(&tag) {
        let cure = format!("give a [[host]] tags = [\"{tag}\"], or add a [[dhcp.match]] with tag = \"{tag}\"");
        report.add(text.at, key, format!("no client has the tag {tag}"), cure);
        return None;
    }
    Some(Some(tag))
}

pub(super) fn check_options(raw: &[RawOption], tags: &BTreeSet<String>, report: &mut Report<'_>) -> Vec<DhcpOption> {
    let mut options: Vec<DhcpOption> = Vec::new();
    for entry in raw {
        if options.len() == MAX_OPTIONS {
            report.add(entry.at, "dhcp.option", format!("there are more than {MAX_OPTIONS} options"), "remove some");
            break;
        }
        let (code, data) = (check_code(entry, report), check_tag(&entry.tag, "dhcp.option.tag", tags, report));
        let (Some(code), Some(tag)) = (code, data) else { continue };
        let Some(data) = check_data(entry, code, report) else { continue };
        if options.iter().any(|other| other.code == code && other.tag == tag) {
            let what = format!("option {code} stands in the list twice for the same clients");
            report.add(entry.at, "dhcp.option", what, "put all its values into one list, or give one a tag");
        } else {
            options.push(DhcpOption { code, data, tag, always: entry.always });
        }
    }
    options
}

fn check_code(entry: &RawOption, report: &mut Report<'_>) -> Option<u8> {
    let (at, key, code, shown) = match (&entry.code, &entry.name) {
        (Some(_), Some(name)) => {
            report.add(name.at, "dhcp.option.name", "an option has a code or a name, not both", "remove one of them");
            return None;
        }
        (Some(code), None) => {
            let number = u8::try_from(code.value).ok().filter(|number| (1..=254).contains(number));
            (code.at, "dhcp.option.code", number, format!("{}", code.value))
        }
        (None, Some(name)) => {
            (name.at, "dhcp.option.name", dhcp_option::by_name(&name.value).map(|info| info.code), echo(&name.value))
        }
        (None, None) => {
            if !entry.broken {
                let cure = "add name = \"ntp-server\" or code = 42";
                report.add(entry.at, "dhcp.option", "an option has neither a name nor a code", cure);
            }
            return None;
        }
    };
    let Some(code) = code else {
        let what = format!("{shown} is not an option");
        report.add(at, key, what, "write a code from 1 to 254, or a name such as \"ntp-server\"");
        return None;
    };
    match dhcp_option::by_code(code).map(|info| info.origin) {
        Some(Origin::Server(cure)) => {
            report.add(at, key, format!("the server decides on {shown}"), cure);
            None
        }
        Some(Origin::Client) => {
            report.add(at, key, format!("{shown} is what a client sends, not a server"), "remove this option");
            None
        }
        Some(Origin::Config) | None => Some(code),
    }
}

/// The bytes of the option; none if it is not to be sent.
fn check_data(entry: &RawOption, code: u8, report: &mut Report<'_>) -> Option<Vec<u8>> {
    let kind = dhcp_option::kind_of(code);
    match (&entry.hex, entry.value.first()) {
        (None, None) if entry.unsent && UNSENT.contains(&code) => Some(Vec::new()),
        (None, None) if entry.unsent => {
            let what = format!("an empty list keeps options 3 and 6 from being sent, not option {code}{}", named(code));
            report.add(entry.at, "dhcp.option.value", what, "write a value, or remove the option");
            None
        }
        (Some(hex), value) if value.is_some() || entry.unsent => {
            report.add(hex.at, "dhcp.option.hex", "an option has a value or hex, not both", "remove one of them");
            None
        }
        (Some(hex), _) => check_hex(hex, code, kind, report),
        (None, Some(first)) => {
            let texts: Vec<&str> = entry.value.iter().map(|text| text.value.as_str()).collect();
            let refuse = |cure| {
                let what = format!("this is not what option {code}{} holds", named(code));
                report.add(first.at, "dhcp.option.value", what, cure);
            };
            kind.parse(&texts).map_err(refuse).ok().map(|value| value.encode())
        }
        (None, None) => {
            if !entry.broken {
                report.add(entry.at, "dhcp.option", "an option has no value", "add value = \"...\" or hex = \"...\"");
            }
            None
        }
    }
}

fn check_hex(hex: &At<String>, code: u8, kind: Kind, report: &mut Report<'_>) -> Option<Vec<u8>> {
    let key = "dhcp.option.hex";
    let Some(bytes) = words::hex(&hex.value).filter(|bytes| !bytes.is_empty() && bytes.len() <= MAX_LENGTH) else {
        let what = format!("{} is not 1 to {MAX_LENGTH} bytes in hexadecimal", echo(&hex.value));
        report.add(hex.at, key, what, "write two digits a byte, such as \"01 02 ff\"");
        return None;
    };
    if dhcp_option::decode(code, &bytes).is_none() {
        let what = format!("these bytes are not what option {code}{} holds", named(code));
        let cure = kind.parse(&[]).err().unwrap_or("write other bytes");
        report.add(hex.at, key, what, format!("{cure} as its value instead"));
        return None;
    }
    Some(bytes)
}

/// The option's name behind its number, if it has one.
fn named(code: u8) -> String {
    dhcp_option::by_code(code).map_or_else(String::new, |Info { name, .. }| format!(" ({name})"))
}

pub(super) fn check_matches(raw: &[RawMatch], report: &mut Report<'_>) -> Vec<DhcpMatch> {
    let mut matches = Vec::new();
    let mut tags = BTreeSet::new();
    for entry in raw {
        if matches.len() == MAX_MATCHES {
            report.add(entry.at, "dhcp.match", format!("there are more than {MAX_MATCHES} matches"), "remove some");
            break;
        }
        let Some(tag) = &entry.tag else {
            if !entry.broken {
                report.add(entry.at, "dhcp.match", "a match gives no tag", "add tag = \"camera\" or another word");
            }
            continue;
        };
        let Some(name) = read_tag(tag, "dhcp.match.tag", report) else { continue };
        tags.insert(name.clone());
        if tags.len() > MAX_TAGS {
            report.add(tag.at, "dhcp.match.tag", format!("there are more than {MAX_TAGS} tags"), "use some again");
            break;
        }
        let mac = entry.mac.as_ref().and_then(|mac| check_prefix(mac, report));
        let class = |text: &Text| text.as_ref().map(|text| text.value.clone()).filter(|text| !text.is_empty());
        let (vendor_class, user_class) = (class(&entry.vendor_class), class(&entry.user_class));
        if vendor_class.is_none() && user_class.is_none() && mac.is_none() {
            if !entry.broken && entry.mac.is_none() {
                let cure = "add vendor_class, user_class or mac = \"b8:27:eb\"";
                report.add(entry.at, "dhcp.match", "a match says nothing of the client", cure);
            }
            continue;
        }
        matches.push(DhcpMatch { tag: name, vendor_class, user_class, mac });
    }
    matches
}

/// The first one to six bytes of a hardware address.
fn check_prefix(text: &At<String>, report: &mut Report<'_>) -> Option<MacPrefix> {
    let prefix = words::hex(&text.value).and_then(|bytes| MacPrefix::new(&bytes));
    if prefix.is_none() {
        let what = format!("{} is not the beginning of a hardware address", echo(&text.value));
        report.add(text.at, "dhcp.match.mac", what, "write it as in \"b8:27:eb\"");
    }
    prefix
}

/// The longest boot file and server name: fixed fields of the message, with a zero byte at the end.
const MAX_FILE: usize = 127;
const MAX_SERVER_NAME: usize = 63;

pub(super) fn check_boot(raw: &[RawBoot], tags: &BTreeSet<String>, report: &mut Report<'_>) -> Vec<DhcpBoot> {
    let mut boot: Vec<DhcpBoot> = Vec::new();
    for entry in raw {
        if boot.len() == MAX_BOOT {
            report.add(entry.at, "dhcp.boot", format!("there are more than {MAX_BOOT} boot files"), "remove some");
            break;
        }
        let Some(tag) = check_tag(&entry.tag, "dhcp.boot.tag", tags, report) else { continue };
        let file = check_field(&entry.file, "dhcp.boot.file", MAX_FILE, report);
        let server_name = check_field(&entry.server_name, "dhcp.boot.server_name", MAX_SERVER_NAME, report);
        let server = entry.server.as_ref().and_then(|text| {
            let address = text.value.parse().ok().filter(|address| is_ordinary(*address));
            if address.is_none() {
                let what = format!("{} is not the address of a server", echo(&text.value));
                report.add(text.at, "dhcp.boot.server", what, "write an address such as \"10.0.0.5\"");
            }
            address
        });
        if boot.iter().any(|other| other.tag == tag) {
            let what = "there are two boot files for the same clients";
            report.add(entry.at, "dhcp.boot", what, "remove one, or give it a tag");
        } else if file.is_empty() && server.is_none() && server_name.is_empty() {
            let cure = "add file = \"...\" and server = \"...\"";
            report.add(entry.at, "dhcp.boot", "a boot entry names neither a file nor a server", cure);
        } else {
            boot.push(DhcpBoot { server, server_name, file, tag });
        }
    }
    boot
}

fn check_field(text: &Text, key: &str, longest: usize, report: &mut Report<'_>) -> String {
    let Some(At { value, at }) = text else { return String::new() };
    if value.len() > longest || !value.bytes().all(|byte| byte.is_ascii_graphic()) {
        let what = format!("{} has no place in the message", echo(value));
        report.add(*at, key, what, format!("write at most {longest} letters, digits and signs, without blanks"));
        return String::new();
    }
    value.clone()
}
