//! The `[[host]]` list: names, hardware addresses and addresses that belong to one machine each.

use super::problem::{Report, echo};
use super::raw::{At, Section, Text};
use super::{Host, MAX_HOST_MACS, MAX_HOSTS, MAX_TAGS, dhcp, dhcp_lists, words};
use crate::net::{Ipv4Addr, Ipv4Net, MacAddr};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

pub(super) const KEYS: [&str; 8] = ["name", "mac", "client_id", "address", "lease", "ignore", "tags", "aliases"];

/// One `[[host]]`.
pub(super) struct RawHost {
    pub at: usize,
    pub name: Text,
    macs: Vec<At<String>>,
    client_id: Text,
    pub address: Text,
    lease: Text,
    ignore: bool,
    tags: Vec<At<String>>,
    pub aliases: Vec<At<String>>,
    /// A key is there but unusable: it has been reported, so its absence is not.
    broken: bool,
}

pub(super) fn read(at: usize, host: &mut Section<'_, '_, '_>) -> RawHost {
    let raw = RawHost {
        at,
        name: host.text("name"),
        macs: host.words("mac"),
        client_id: host.text("client_id"),
        address: host.text("address"),
        lease: host.text("lease"),
        ignore: host.switch("ignore").unwrap_or(false),
        tags: host.words("tags"),
        aliases: host.texts("aliases"),
        broken: false,
    };
    let missing = [
        ("name", raw.name.is_none()),
        ("mac", raw.macs.is_empty()),
        ("client_id", raw.client_id.is_none()),
        ("address", raw.address.is_none()),
    ];
    let broken = missing.iter().any(|(key, missing)| *missing && host.has(key));
    RawHost { broken, ..raw }
}

/// Checks all hosts, each by itself and against those above it. `lan` is `None` when the LAN itself was refused.
pub(super) fn check(raw: &[RawHost], hostname: &str, lan: Option<Ipv4Net>, report: &mut Report<'_>) -> Vec<Host> {
    let mut hosts = Vec::new();
    let mut taken = Taken::default();
    for entry in raw {
        if hosts.len() == MAX_HOSTS {
            report.add(entry.at, "host", format!("there are more than {MAX_HOSTS} hosts"), "remove some");
            break;
        }
        let name = check_name(entry, hostname, &mut taken, report);
        let macs = check_macs(entry, &mut taken, report);
        let client_id = check_client_id(entry, &mut taken, report);
        let address = check_address(entry, lan, &mut taken, report);
        let lease = dhcp::check_lease(&entry.lease, "host.lease", report);
        let tags = check_tags(entry, &mut taken, report);
        let is_known = !macs.is_empty() || client_id.is_some();
        if entry.ignore && !is_known && !entry.broken {
            let cure = "add mac = \"...\" so that it can be told from others";
            report.add(entry.at, "host.ignore", "this host can't be told from others, so it can't be ignored", cure);
        }
        if let Some(name) = name
            && (address.is_some() || is_known)
        {
            hosts.push(Host { name, macs, client_id, address, lease, ignore: entry.ignore, tags });
        }
    }
    hosts
}

/// What the hosts above have taken.
#[derive(Default)]
struct Taken {
    names: BTreeSet<String>,
    macs: BTreeSet<MacAddr>,
    client_ids: BTreeSet<Vec<u8>>,
    tags: BTreeSet<String>,
    addresses: BTreeMap<Ipv4Addr, String>,
}

fn check_name(entry: &RawHost, hostname: &str, taken: &mut Taken, report: &mut Report<'_>) -> Option<String> {
    let Some(At { value, at }) = &entry.name else {
        if !entry.broken {
            report.add(entry.at, "host.name", "this host has no name", "add name = \"rpi2\" to it");
        }
        return None;
    };
    let name = match words::label(value) {
        Ok(name) => name,
        Err(what) => {
            report.add(*at, "host.name", format!("{}: {what}", echo(value)), "write a short name such as \"rpi2\"");
            return None;
        }
    };
    let refused = if name == hostname {
        let cure = "remove this host: the gateway is in the list of names by itself";
        Some((format!("{name} is the gateway's own name"), cure))
    } else if words::RESERVED_NAMES.contains(&name.as_str()) {
        Some((format!("{name} has a meaning of its own and cannot name a host"), "choose another name"))
    } else if taken.names.contains(&name) {
        Some((format!("another host is called {name} already"), "give each host a name of its own"))
    } else {
        None
    };
    if let Some((what, cure)) = refused {
        report.add(*at, "host.name", what, cure);
        return None;
    }
    taken.names.insert(name.clone());
    Some(name)
}

fn check_macs(entry: &RawHost, taken: &mut Taken, report: &mut Report<'_>) -> Vec<MacAddr> {
    if let Some(extra) = entry.macs.get(MAX_HOST_MACS) {
        let what = format!("a host has at most {MAX_HOST_MACS} hardware addresses");
        report.add(extra.at, "host.mac", what, "remove some");
    }
    entry.macs.iter().take(MAX_HOST_MACS).filter_map(|text| check_mac(text, taken, report)).collect()
}

fn check_mac(text: &At<String>, taken: &mut Taken, report: &mut Report<'_>) -> Option<MacAddr> {
    let At { value, at } = text;
    let cure = "write it as on the machine's label, such as \"dc:a6:32:00:00:02\"";
    let (what, cure) = match value.parse::<MacAddr>() {
        Err(_) => (format!("{} is not a hardware address", echo(value)), cure),
        Ok(mac) if !mac.is_unicast() => (format!("{mac} is not the address of one machine"), cure),
        Ok(mac) if !taken.macs.insert(mac) => {
            (format!("another host has the hardware address {mac} already"), "give each host its own")
        }
        Ok(mac) => return Some(mac),
    };
    report.add(*at, "host.mac", what, cure);
    None
}

/// Option 61: bytes in hexadecimal with colons between them, else the text itself.
fn check_client_id(entry: &RawHost, taken: &mut Taken, report: &mut Report<'_>) -> Option<Vec<u8>> {
    let At { value, at } = entry.client_id.as_ref()?;
    let bytes = words::hex(value).filter(|_| value.contains(':')).unwrap_or_else(|| value.as_bytes().into());
    let (what, cure) = if !(2..=255).contains(&bytes.len()) {
        ("a client identifier has 2 to 255 bytes", "write it as in \"ff:12:34:56:78\", or as text")
    } else if !taken.client_ids.insert(bytes.clone()) {
        ("another host has this client identifier already", "give each host its own")
    } else {
        return Some(bytes);
    };
    report.add(*at, "host.client_id", what, cure);
    None
}

fn check_tags(entry: &RawHost, taken: &mut Taken, report: &mut Report<'_>) -> Vec<String> {
    let mut tags = Vec::new();
    for text in &entry.tags {
        let Some(tag) = dhcp_lists::read_tag(text, "host.tags", report) else { continue };
        taken.tags.insert(tag.clone());
        if taken.tags.len() > MAX_TAGS {
            report.add(text.at, "host.tags", format!("there are more than {MAX_TAGS} tags"), "use some again");
            break;
        }
        tags.push(tag);
    }
    tags
}

fn check_address(
    entry: &RawHost,
    lan: Option<Ipv4Net>,
    taken: &mut Taken,
    report: &mut Report<'_>,
) -> Option<Ipv4Addr> {
    let Some(At { value, at }) = &entry.address else {
        if !entry.broken && entry.macs.is_empty() && entry.client_id.is_none() {
            let cure =
                "add address = \"...\" with an address of the LAN, or mac = \"...\" to name the machine that has it";
            report.add(entry.at, "host.address", "this host has neither an address nor a hardware address", cure);
        }
        return None;
    };
    let key = "host.address";
    let Ok(address) = value.parse::<Ipv4Addr>() else {
        report.add(
            *at,
            key,
            format!("{} is not an address", echo(value)),
            "write one of the LAN, such as \"10.0.0.2\"",
        );
        return None;
    };
    let refused = match lan {
        Some(lan) if !lan.contains(address) => {
            Some((format!("{address} lies outside the LAN {lan}"), String::from("write an address of the LAN")))
        }
        Some(lan) if address == lan.address() => {
            Some((format!("{address} is the gateway's own address"), String::from("choose another address of the LAN")))
        }
        Some(lan) if !lan.is_host(address) => {
            let what = format!("{address} is the first or last address of the LAN {lan}, which no machine may have");
            Some((what, String::from("choose another address of the LAN")))
        }
        _ => taken.addresses.get(&address).map(|other| {
            (
                format!("{address} belongs to the host {other} already"),
                String::from("give each host an address of its own"),
            )
        }),
    };
    if let Some((what, cure)) = refused {
        report.add(*at, key, what, cure);
        return None;
    }
    let owner = entry.name.as_ref().map_or_else(|| String::from("above"), |name| echo(&name.value));
    taken.addresses.insert(address, owner);
    Some(address)
}
