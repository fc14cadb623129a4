//! The `[[host]]` list: names, hardware addresses and addresses that belong to one machine each.

use super::problem::{Report, echo};
use super::raw::{At, RawHost};
use super::{Host, MAX_HOSTS, words};
use crate::net::{Ipv4Addr, Ipv4Net, MacAddr};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

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
        let mac = check_mac(entry, &mut taken, report);
        let address = check_address(entry, lan, &mut taken, report);
        if let (Some(name), Some(address)) = (name, address) {
            hosts.push(Host { name, mac, address });
        }
    }
    hosts
}

/// What the hosts above have taken.
#[derive(Default)]
struct Taken {
    names: BTreeSet<String>,
    macs: BTreeSet<MacAddr>,
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

fn check_mac(entry: &RawHost, taken: &mut Taken, report: &mut Report<'_>) -> Option<MacAddr> {
    let At { value, at } = entry.mac.as_ref()?;
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

fn check_address(
    entry: &RawHost,
    lan: Option<Ipv4Net>,
    taken: &mut Taken,
    report: &mut Report<'_>,
) -> Option<Ipv4Addr> {
    let Some(At { value, at }) = &entry.address else {
        if !entry.broken {
            let cure = "add address = \"...\" with an address of the LAN, or remove the host: every machine gets an address by itself";
            report.add(entry.at, "host.address", "this host has no address", cure);
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
