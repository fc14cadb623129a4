//! `dhcp-option` of dnsmasq, as `[[dhcp.option]]`.

use super::draft::{DhcpOption, Draft};
use super::ledger::Fate;
use super::render::quote;
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

/// Takes the value of a `dhcp-option` or `dhcp-option-force` (`always`).
pub fn take(value: &str, always: bool, draft: &mut Draft) -> Fate {
    let (mut tag, mut code, mut values) = (None, None, Vec::new());
    for part in value.split(',').map(str::trim) {
        match part.split_once(':') {
            Some(("tag" | "net", word)) if code.is_none() => tag = Some(word.to_string()),
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
                Err(_) => tag = Some(part.to_string()),
            },
            _ => values.push(part),
        }
    }
    let Some(code) = code else { return Fate::Left("no option is named; see `[[dhcp.option]]`".into()) };
    if usual(code, &values, draft) {
        return Fate::Anyway("what clients get without being told".into());
    }
    let known = KNOWN.iter().find(|(_, number, ..)| *number == code);
    let (key, value) = match written(known.map(|known| known.3), &values) {
        Some(written) => written,
        None => return Fate::Left("the value can't be read; see `[[dhcp.option]]` in gateway.toml.md".into()),
    };
    draft.options.push(DhcpOption { name: known.map(|known| known.2), code, key, value, tag, always });
    Fate::Taken
}

fn number_of(name: &str) -> Option<u8> {
    let known = KNOWN.iter().map(|(theirs, number, ..)| (*theirs, *number));
    known.chain(NUMBERS).find(|(theirs, _)| *theirs == name).map(|(_, number)| number)
}

/// Whether this is what the gateway tells its clients anyway, as far as can be seen before everything is read: itself
/// as router and name server (`0.0.0.0` is dnsmasq's word for that), the netmask and the broadcast address.
fn usual(code: u8, values: &[&str], draft: &Draft) -> bool {
    let own = |value: &&str| {
        let address = value.parse::<Ipv4Addr>().ok();
        address.is_some_and(|address| address.is_unspecified() || draft.may_be_gateway(address))
    };
    match code {
        1 | 28 => true,
        3 | 6 => !values.is_empty() && values.iter().all(own),
        _ => false,
    }
}

fn written(form: Option<Form>, values: &[&str]) -> Option<(&'static str, String)> {
    let list = |values: &[String]| {
        let quoted: Vec<_> = values.iter().map(|value| quote(value)).collect();
        format!("[{}]", quoted.join(", "))
    };
    let all: Vec<String> = values.iter().map(|value| value.trim_matches('"').to_string()).collect();
    let text = || quote(&all.join(","));
    Some(match form {
        Some(Form::Addresses) => {
            all.iter().all(|value| value.parse::<Ipv4Addr>().is_ok()).then(|| ("value", list(&all)))?
        }
        Some(Form::Number) => ("value", all.first()?.parse::<u32>().ok()?.to_string()),
        Some(Form::Names) => ("value", list(&all)),
        Some(Form::Routes) => {
            let pairs = all.chunks(2).map(|pair| pair.join(" ")).collect::<Vec<_>>();
            all.len().is_multiple_of(2).then(|| ("value", list(&pairs)))?
        }
        Some(Form::Text) => ("value", text()),
        None => match bytes(&all) {
            Some(hex) => ("hex", quote(&hex)),
            None => ("value", text()),
        },
    })
}

/// The bytes of a value that is addresses, or hexadecimal with colons.
fn bytes(values: &[String]) -> Option<String> {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
    let addresses: Option<Vec<Ipv4Addr>> = values.iter().map(|value| value.parse().ok()).collect();
    if let Some(addresses) = addresses.filter(|addresses| !addresses.is_empty()) {
        return Some(hex(&addresses.iter().flat_map(|address| address.octets()).collect::<Vec<_>>()));
    }
    let [value] = values else { return None };
    let parts: Option<Vec<u8>> = value.split(':').map(|part| u8::from_str_radix(part, 16).ok()).collect();
    parts.filter(|parts| parts.len() > 1).map(|parts| hex(&parts))
}
