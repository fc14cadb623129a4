//! A hosts file (hosts(5)): names of machines, the gateway's own among them.

use super::draft::Draft;
use super::ledger::{Fate, Ledger};
use super::render::quote;
use gatepost_core::net::Ipv4Addr;
use std::net::IpAddr;

/// Reads the file into the draft.
pub fn read(text: &str, draft: &mut Draft, ledger: &mut Ledger) {
    for (line, number) in text.lines().zip(1..) {
        let words: Vec<&str> = line.split('#').next().unwrap_or_default().split_whitespace().collect();
        if let [address, names @ ..] = words.as_slice() {
            let fate = take(address, names, draft);
            ledger.enter(number, line, fate);
        }
    }
}

fn take(address: &str, names: &[&str], draft: &mut Draft) -> Fate {
    let address = match address.parse() {
        Ok(IpAddr::V4(address)) => address,
        Ok(IpAddr::V6(address)) if address.is_loopback() || address.is_multicast() => {
            return Fate::Anyway("localhost and its like are answered without being told".into());
        }
        Ok(IpAddr::V6(address)) if (address.segments()[0] & 0xffc0) == 0xfe80 => {
            return Fate::Anyway("a link-local address is of no use to another machine".into());
        }
        Ok(IpAddr::V6(address)) => return records(address.to_string(), "AAAA", names, draft),
        Err(_) => return Fate::Left("this is not an address; correct the line".into()),
    };
    if address.is_loopback() {
        // Debian gives a machine its own name here.
        if let Some(name) = names.iter().map(|name| first_label(name)).find(|name| *name != "localhost") {
            draft.hostname.get_or_insert_with(|| name.to_lowercase());
        }
        return Fate::Anyway("localhost is answered without being told".into());
    }
    host(address, names, draft)
}

fn host(address: Ipv4Addr, names: &[&str], draft: &mut Draft) -> Fate {
    let domain = draft.domain.clone().map(|domain| format!(".{domain}"));
    let short = |name: &str| {
        let name = name.to_lowercase();
        let label = domain.as_deref().and_then(|domain| name.strip_suffix(domain));
        label.map_or_else(|| name.clone(), str::to_string)
    };
    let Some(first) = names.first() else { return Fate::Left("there is no name on the line".into()) };
    let label = first_label(first).to_lowercase();
    let host = match draft.hosts.iter().position(|host| host.address == Some(address)) {
        Some(at) => &mut draft.hosts[at],
        None => draft.host_named(&label),
    };
    host.address.get_or_insert(address);
    let own = host.name.get_or_insert(label).clone();
    for name in names.iter().map(|name| short(name)) {
        if name != own && !host.aliases.contains(&name) {
            host.aliases.push(name);
        }
    }
    Fate::Taken
}

fn records(value: String, kind: &'static str, names: &[&str], draft: &mut Draft) -> Fate {
    for name in names {
        draft.records.push((name.to_lowercase(), kind, quote(&value)));
    }
    Fate::Taken
}

fn first_label(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}
