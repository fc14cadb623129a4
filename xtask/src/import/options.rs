//! `dhcp-option` of dnsmasq, as `[[dhcp.option]]`.

use super::dnsmasq::matches;
use super::draft::{DhcpOption, Draft};
use super::ledger::Fate;
use super::render::quote;
use gatepost_core::config;
use gatepost_core::dhcp_option::{self, Origin};
use gatepost_core::net::Ipv4Addr;

/// How the value of an option is written in a `gateway.toml`.
#[derive(Clone, Copy)]
enum Form {
    Addresses,
    Text,
    Number,
    Names,
    /// Pairs of network or machine and router.
    Routes,
}

/// dnsmasq's name, the number, our name, the form. Others are taken by number, as addresses, bytes or text.
const KNOWN: [(&str, u8, &str, Form); 17] = [
    ("router", 3, "router", Form::Addresses),
    ("dns-server", 6, "dns-server", Form::Addresses),
    ("ntp-server", 42, "ntp-server", Form::Addresses),
    ("netbios-ns", 44, "netbios-name-server", Form::Addresses),
    ("tftp-server-address", 150, "tftp-server-address", Form::Addresses),
    ("domain-name", 15, "domain-name", Form::Text),
    ("vendor-class", 60, "vendor-class", Form::Text),
    ("tftp-server", 66, "tftp-server-name", Form::Text),
    ("bootfile-name", 67, "boot-file-name", Form::Text),
    ("captive-portal", 114, "captive-portal", Form::Text),
    ("mtu", 26, "mtu", Form::Number),
    ("T1", 58, "renewal-time", Form::Number),
    ("T2", 59, "rebinding-time", Form::Number),
    ("ipv6-only", 108, "ipv6-only-preferred", Form::Number),
    ("domain-search", 119, "domain-search", Form::Names),
    ("static-route", 33, "static-route", Form::Routes),
    ("classless-static-route", 121, "classless-static-route", Form::Routes),
];

/// Names of dnsmasq for options that have no name here, with their numbers.
const NUMBERS: [(&str, u8); 12] = [
    ("netmask", 1),
    ("time-offset", 2),
    ("log-server", 7),
    ("lpr-server", 9),
    ("swap-server", 16),
    ("root-path", 17),
    ("broadcast", 28),
    ("nis-domain", 40),
    ("nis-server", 41),
    ("netbios-dd", 45),
    ("netbios-nodetype", 46),
    ("smtp-server", 69),
];

/// Options whose value is a number that has no name here, with its size in bytes (RFC 2132).
const SIZES: [(u8, usize); 17] = [
    (2, 4),
    (13, 2),
    (19, 1),
    (20, 1),
    (22, 2),
    (23, 1),
    (24, 4),
    (27, 1),
    (29, 1),
    (30, 1),
    (31, 1),
    (34, 1),
    (35, 4),
    (36, 1),
    (37, 1),
    (38, 4),
    (46, 1),
];

/// Options that are text even if that looks like a number or an address.
const TEXTS: [u8; 7] = [14, 17, 18, 40, 47, 62, 64];

/// Takes the value of a `dhcp-option` or `dhcp-option-force` (`always`).
pub fn take(value: &str, always: bool, draft: &mut Draft) -> Fate {
    let (mut tags, mut code, mut values) = (Vec::new(), None, Vec::new());
    for part in value.split(',').map(str::trim) {
        match part.split_once(':') {
            Some(("tag" | "net", _)) if code.is_none() => tags.push(part),
            Some(("option", name)) if code.is_none() => match number_of(name) {
                Some(number) => code = Some(number),
                None => return Fate::Left(format!("there is no name `{name}` here; write it by its number")),
            },
            Some(("option6", _)) => return Fate::Left("DHCPv6: this release leases IPv4 only".into()),
            Some(("encap" | "vi-encap" | "vendor" | "ipxe", _)) if code.is_none() => {
                return Fate::Left("options inside others: write the bytes of the outer one with `hex`".into());
            }
            _ if code.is_none() => match part.parse() {
                Ok(number) => code = Some(number),
                Err(_) => tags.push(part),
            },
            _ => values.push(part),
        }
    }
    let Some(code) = code else { return Fate::Left("no option is named; see `[[dhcp.option]]`".into()) };
    let tag = match matches::wanted(&tags) {
        Ok(tag) => tag,
        Err(advice) => return Fate::Left(advice),
    };
    if usual(code, &values, draft) {
        return Fate::Anyway("what clients get without being told".into());
    }
    if matches!(code, 3 | 6) && values.iter().all(|value| value.is_empty()) {
        let name = if code == 3 { "router" } else { "dns-server" };
        let (key, value) = ("value", "[]".into());
        draft.options.push(DhcpOption { name: Some(name), code, key, value, tag, always, place: draft.place });
        return Fate::Taken;
    }
    if let Some(advice) = impossible(code, &values) {
        return Fate::Left(advice);
    }
    let known = KNOWN.iter().find(|(_, number, ..)| *number == code);
    let Some((key, value)) = written(code, known.map(|known| known.3), &values) else {
        return Fate::Left("the value can't be read; see `[[dhcp.option]]` in gateway.toml.md".into());
    };
    // What the gateway's own check says of it comes before anything else that is read.
    let alone = format!("[[dhcp.option]]\ncode = {code}\n{key} = {value}\n");
    if let Err(problems) = config::parse(alone.as_bytes()) {
        let problem = problems.list().first().map(|problem| format!("{}; {}", problem.what, problem.cure));
        return Fate::Left(problem.unwrap_or_default());
    }
    let name = known.map(|known| known.2);
    draft.options.push(DhcpOption { name, code, key, value, tag, always, place: draft.place });
    Fate::Taken
}

/// What can't be said here, and what to do instead.
fn impossible(code: u8, values: &[&str]) -> Option<String> {
    match dhcp_option::by_code(code).map(|info| info.origin) {
        Some(Origin::Server(cure)) => return Some(format!("the gateway decides on it: {cure}")),
        Some(Origin::Client) => return Some("that is what a client sends, not a server: remove it".into()),
        Some(Origin::Config) | None => {}
    }
    if values.iter().all(|value| value.is_empty()) {
        return Some(match code {
            15 => "clients are always told the domain".into(),
            _ => "leave it out: nothing is sent that is not named".into(),
        });
    }
    values.contains(&"0.0.0.0").then(|| match code {
        3 | 6 | 42 => "write the gateway's own address in the place of 0.0.0.0".into(),
        _ => "0.0.0.0 means the machine itself to dnsmasq, and the gateway is no such server: name the one that is"
            .into(),
    })
}

fn number_of(name: &str) -> Option<u8> {
    let known = KNOWN.iter().map(|(theirs, number, ..)| (*theirs, *number));
    known.chain(NUMBERS).find(|(theirs, _)| *theirs == name).map(|(_, number)| number)
}

/// Whether this is what the gateway tells its clients anyway, as far as can be seen before everything is read: itself
/// as router, name and time server (`0.0.0.0` is dnsmasq's word for that), the netmask and the broadcast address.
fn usual(code: u8, values: &[&str], draft: &Draft) -> bool {
    let own = |value: &&str| {
        let address = value.parse::<Ipv4Addr>().ok();
        address.is_some_and(|address| address.is_unspecified() || draft.may_be_gateway(address))
    };
    match code {
        1 | 28 => true,
        3 | 6 | 42 => !values.is_empty() && values.iter().all(own),
        _ => false,
    }
}

fn written(code: u8, form: Option<Form>, values: &[&str]) -> Option<(&'static str, String)> {
    let list = |values: &[String]| {
        let quoted: Vec<_> = values.iter().map(|value| quote(value)).collect();
        format!("[{}]", quoted.join(", "))
    };
    let all: Vec<String> = values.iter().map(|value| value.trim_matches('"').to_string()).collect();
    let text = || {
        let text = unescaped(&all.join(","));
        let plain = !text.chars().any(char::is_control);
        if plain { ("value", quote(&text)) } else { ("hex", quote(&hex(text.as_bytes()))) }
    };
    Some(match form {
        Some(Form::Addresses) => {
            all.iter().all(|value| value.parse::<Ipv4Addr>().is_ok()).then(|| ("value", list(&all)))?
        }
        Some(Form::Number) => match all.as_slice() {
            [number] => ("value", seconds(number, code)?.to_string()),
            _ => return None,
        },
        Some(Form::Names) => ("value", list(&all)),
        Some(Form::Routes) => {
            let pairs = all.chunks(2).map(|pair| pair.join(" ")).collect::<Vec<_>>();
            all.len().is_multiple_of(2).then(|| ("value", list(&pairs)))?
        }
        Some(Form::Text) => text(),
        None if TEXTS.contains(&code) || values.iter().any(|value| value.starts_with('"')) => text(),
        None => match SIZES.iter().find(|(number, _)| *number == code) {
            Some((_, size)) => ("hex", quote(&hex(&numbers(&all, Some(*size))?))),
            None => match addresses_or_hex(&all).or_else(|| numbers(&all, None)) {
                Some(bytes) => ("hex", quote(&hex(&bytes))),
                None => text(),
            },
        },
    })
}

/// A number; for the times of a lease also one with `m`, `h`, `d` or `w`.
fn seconds(text: &str, code: u8) -> Option<u32> {
    let unit = match text.chars().last() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3600,
        Some('d') => 86_400,
        Some('w') => 604_800,
        _ => return text.parse().ok(),
    };
    let digits = text.get(..text.len().checked_sub(1)?)?;
    digits.parse::<u32>().ok()?.checked_mul(unit).filter(|_| matches!(code, 58 | 59))
}

/// dnsmasq's numbers: of the size that the option has or `b`, `s` or `i` say, else of the smallest that holds the first.
fn numbers(values: &[String], size: Option<usize>) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for value in values {
        let digits = value.trim_end_matches(['b', 's', 'i']);
        let said = match value.get(digits.len()..)? {
            "" => None,
            "b" => Some(1),
            "s" => Some(2),
            "i" => Some(4),
            _ => return None,
        };
        let number: u32 = match digits.strip_prefix('-') {
            Some(_) => digits.parse::<i32>().ok()?.cast_unsigned(),
            None => digits.parse().ok()?,
        };
        let smallest = if number > 0xffff {
            4
        } else if number > 0xff {
            2
        } else {
            1
        };
        let size = said.or(size).unwrap_or(smallest);
        let whole = number.to_be_bytes();
        bytes.extend(whole.get(4usize.checked_sub(size)?..)?);
        if size < smallest && !digits.starts_with('-') {
            return None;
        }
    }
    (!bytes.is_empty()).then_some(bytes)
}

/// The bytes of a value that is addresses, or hexadecimal with colons.
fn addresses_or_hex(values: &[String]) -> Option<Vec<u8>> {
    let addresses: Option<Vec<Ipv4Addr>> = values.iter().map(|value| value.parse().ok()).collect();
    if let Some(addresses) = addresses.filter(|addresses| !addresses.is_empty()) {
        return Some(addresses.iter().flat_map(|address| address.octets()).collect());
    }
    let [value] = values else { return None };
    let parts: Option<Vec<u8>> = value.split(':').map(|part| u8::from_str_radix(part, 16).ok()).collect();
    parts.filter(|parts| parts.len() > 1)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

/// dnsmasq's escapes.
fn unescaped(text: &str) -> String {
    let (mut out, mut chars) = (String::new(), text.chars());
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some('b') => out.push('\u{8}'),
            Some('e') => out.push('\u{1b}'),
            Some(other) => out.push(other),
            None => out.push('\\'),
        }
    }
    out
}
