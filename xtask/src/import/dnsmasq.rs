//! A configuration file of dnsmasq (dnsmasq(8), up to version 2.91): every directive that it knows has its place here.

pub mod matches;
mod names;
mod others;

use super::draft::{Boot, Draft, Host};
use super::ledger::{Fate, Ledger};
use super::options;
use gatepost_core::net::{Ipv4Addr, MacAddr};

/// Reads the file into the draft.
pub fn read(text: &str, draft: &mut Draft, ledger: &mut Ledger) {
    for (line, number) in text.lines().zip(1..) {
        let directive = without_comment(line);
        if directive.is_empty() {
            continue;
        }
        let (key, value) = match directive.split_once('=') {
            Some((key, value)) => (key.trim(), value.trim()),
            None => (directive, ""),
        };
        draft.place = ledger.next();
        *draft.stop_rebind.get_or_insert_default() |= key == "stop-dns-rebind";
        let fate = take(key, value, draft).unwrap_or_else(|| others::listed(key));
        ledger.enter(number, directive, fate);
    }
}

/// The line up to a `#` that begins it or follows a blank, outside of quotes.
fn without_comment(line: &str) -> &str {
    let (mut quoted, mut before) = (false, ' ');
    for (at, c) in line.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '#' if !quoted && before.is_whitespace() => return line[..at].trim(),
            _ => {}
        }
        before = c;
    }
    line.trim()
}

/// Takes a directive into the draft; `None` for those that have no place there.
fn take(key: &str, value: &str, draft: &mut Draft) -> Option<Fate> {
    Some(match key {
        "interface" => interface(value, draft),
        "domain" => domain(value, draft),
        "dhcp-range" => range(value, draft),
        "dhcp-host" => host(value, draft),
        "dhcp-option" => options::take(value, false, draft),
        "dhcp-option-force" => options::take(value, true, draft),
        "dhcp-boot" => boot(value, draft),
        "enable-tftp" => switch(&mut draft.netboot),
        "tftp-root" => Fate::Left("put its files into the folder `netboot` on the drive GATEPOST".into()),
        "pxe-service" if is_pi(value) => Fate::Anyway("with `[netboot] serve` a Pi is told so".into()),
        "dhcp-vendorclass" => matches::vendor_class(value, draft),
        "dhcp-userclass" => matches::user_class(value, draft),
        "dhcp-mac" => matches::mac(value, draft),
        "dhcp-match" => matches::option(value, draft),
        "dhcp-ignore" => ignored(value, draft),
        "server" | "local" => names::server(value, draft),
        "rev-server" => names::rev_server(value, draft),
        "address" => names::address(value, draft),
        "host-record" => names::host_record(value, draft),
        "cname" => names::cname(value, draft),
        "txt-record" => names::text(value, draft),
        "ptr-record" => names::record("PTR", value.split_once(','), draft),
        "mx-host" => names::mail(value, draft),
        "srv-host" => names::service(value, draft),
        "rebind-domain-ok" => {
            draft.rebind_allow.extend(value.split('/').filter(|part| !part.is_empty()).map(str::to_string));
            Fate::Taken
        }
        "log-queries" => switch(&mut draft.log_queries),
        "log-dhcp" => switch(&mut draft.log_dhcp),
        "no-ping" => switch(&mut draft.no_probe),
        "dhcp-rapid-commit" => Fate::Anyway("clients that want it get it".into()),
        _ => return None,
    })
}

fn switch(on: &mut bool) -> Fate {
    *on = true;
    Fate::Taken
}

/// `tag:…`: clients with these tags are not answered.
fn ignored(value: &str, draft: &mut Draft) -> Fate {
    if matches!(value, "tag:!known" | "net:#known" | "#known") {
        draft.known_only = Some(draft.place);
        return Fate::Taken;
    }
    let advice = "write `ignore = true` into the `[[host]]` that is meant, or `unknown = false` into [dhcp] to serve known \
                  machines only";
    Fate::Left(advice.into())
}

fn interface(value: &str, draft: &mut Draft) -> Fate {
    if value.is_empty() {
        return Fate::Left("no interface is named: see [lan] interface".into());
    }
    if value == "lo" {
        return Fate::Anyway("nothing on the card asks by loopback".into());
    }
    if draft.served.as_deref().is_some_and(|served| served != value) {
        return Fate::Left("one LAN is served; this second interface is not".into());
    }
    draft.served = Some(value.into());
    Fate::Taken
}

fn domain(value: &str, draft: &mut Draft) -> Fate {
    if value.contains(',') {
        return Fate::Left("one domain is served, for the whole LAN; the first plain `domain` is taken".into());
    }
    if value == "#" {
        return Fate::Left("write the domain itself".into());
    }
    if *draft.domain.get_or_insert_with(|| value.to_lowercase()) != value.to_lowercase() {
        return Fate::Left("one domain is served, for the whole LAN; the first plain `domain` is taken".into());
    }
    Fate::Taken
}

/// `[tag:…,][set:…,]first,last|mode[,mask[,broadcast]][,lease]`
fn range(value: &str, draft: &mut Draft) -> Fate {
    if value.contains("::") || value.contains("constructor:") {
        return Fate::Left("IPv6: this release leases IPv4 only".into());
    }
    if value.split(',').any(|part| part.trim().starts_with("tag:") || part.trim().starts_with("net:")) {
        return Fate::Left(
            "a pool for some clients only has no counterpart: give those a `[[host]]` with an address".into(),
        );
    }
    if draft.pool.is_some() {
        return Fate::Left("there is one pool; make the first one larger, or give hosts addresses of their own".into());
    }
    let parts = value.split(',').map(str::trim).filter(|part| !part.contains(':'));
    let (mut addresses, mut lease) = (Vec::new(), None);
    for part in parts {
        match part.parse::<Ipv4Addr>() {
            Ok(address) => addresses.push(address),
            Err(_) if part == "static" => {
                let advice = "write `unknown = false` into [dhcp]: then only machines of a `[[host]]` get an address";
                return Fate::Left(advice.into());
            }
            Err(_) => lease = Some(part),
        }
    }
    let [first, last, rest @ ..] = addresses.as_slice() else {
        return Fate::Left("a pool needs its first and its last address: [dhcp] pool".into());
    };
    if let Some(lease) = lease {
        match lease_time(lease) {
            Some(lease) => draft.lease = Some(lease),
            None => return Fate::Left(format!("`{lease}` is no time for a lease: [dhcp] lease = \"12h\"")),
        }
    }
    // With one pool its tags are everybody's.
    draft.pool_tags = value.split(',').filter_map(|part| part.trim().strip_prefix("set:")).map(matches::tag).collect();
    draft.pool = Some((*first, *last));
    draft.pool_prefix = rest.first().map(|mask| u32::from(*mask).count_ones() as u8);
    Fate::Taken
}

/// A time of dnsmasq: seconds, or a number with `m`, `h`, `d` or `w`.
fn lease_time(text: &str) -> Option<String> {
    if text == "infinite" {
        return Some("365d".into());
    }
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
    Some(match unit {
        "" | "s" => format!("{}s", number.max(120)),
        "m" | "h" | "d" => text.into(),
        "w" => format!("{}d", number.saturating_mul(7)),
        _ => return None,
    })
}

/// `[mac…][,id:…][,set:…][,address][,name][,lease][,ignore]`, in any order.
fn host(value: &str, draft: &mut Draft) -> Fate {
    let (mut host, mut unread) = (Host::default(), Vec::new());
    for part in value.split(',').map(str::trim) {
        if let Some(id) = part.strip_prefix("id:") {
            host.client_id = Some(id.trim_matches('"').into()).filter(|id| id != "*");
        } else if let Some(tag) = part.strip_prefix("set:").or_else(|| part.strip_prefix("net:")) {
            host.tags.push(matches::tag(tag));
        } else if let Ok(address) = part.parse() {
            host.address = Some(address);
        } else if let Some(mac) = hardware(part) {
            host.macs.push(mac);
        } else if part == "ignore" {
            host.ignore = true;
        } else if part == "infinite" || part.starts_with(|c: char| c.is_ascii_digit()) && lease_time(part).is_some() {
            host.lease = lease_time(part);
        } else if part.contains([':', '[', '*']) {
            unread.push(part);
        } else if !part.is_empty() {
            host.name = part.split('.').next().map(str::to_lowercase);
        }
    }
    let known = !host.macs.is_empty() || host.client_id.is_some();
    match (unread.as_slice(), host.tags.as_slice()) {
        ([], _) if known => {}
        ([], _) if host.address.is_none() || host.name.is_none() => {
            return Fate::Left(
                "a machine is known by its hardware address here: write a `[[host]]` with its `mac`".into(),
            );
        }
        ([], _) => {
            draft.hosts.push(host);
            let difference = "the name is taken over; the machine gets this address only with its `mac`, not by the name that it sends: add it";
            return Fate::Nearly(difference.into());
        }
        ([pattern], [tag]) if !known && host.address.is_none() && host.name.is_none() && pattern.contains('*') => {
            return matches::hardware(tag.clone(), pattern, draft);
        }
        (parts, _) if host.address.is_none() && parts.iter().any(|part| part.contains('[')) => {
            return Fate::Left("IPv6: this release leases IPv4 only".into());
        }
        _ if !known && (host.address.is_none() || host.name.is_none()) => {
            return Fate::Left(format!(
                "`{}` is no hardware address here: write a `[[host]]` with its `mac`",
                unread.join(",")
            ));
        }
        _ => {
            draft.hosts.push(host);
            return Fate::Nearly(format!(
                "the host is taken over without `{}`, which is no hardware address here; add its `mac`",
                unread.join(",")
            ));
        }
    }
    draft.hosts.push(host);
    Fate::Taken
}

/// The address of one machine: those of groups are none, which examples like to use.
fn hardware(text: &str) -> Option<MacAddr> {
    let parts: Option<Vec<u8>> = text.split([':', '-']).map(|part| u8::from_str_radix(part, 16).ok()).collect();
    let mac: [u8; 6] = parts?.try_into().ok()?;
    (mac[0] & 1 == 0 && mac != [0; 6]).then_some(MacAddr(mac))
}

/// `[tag:…,]file[,name[,address]]`
fn boot(value: &str, draft: &mut Draft) -> Fate {
    let (tags, words): (Vec<_>, Vec<_>) =
        value.split(',').map(str::trim).partition(|part| part.starts_with("tag:") || part.starts_with("net:"));
    let word = |at: usize| words.get(at).copied().filter(|word| !word.is_empty()).map(str::to_string);
    let tag = match matches::wanted(&tags) {
        Ok(tag) => tag,
        Err(advice) => return Fate::Left(advice),
    };
    let server = word(2).filter(|server| server != "0.0.0.0");
    if server.as_ref().is_some_and(|server| server.parse::<Ipv4Addr>().is_err()) {
        return Fate::Left("a boot server is named by its address here: see `[[dhcp.boot]] server`".into());
    }
    let Some(file) = word(0) else { return Fate::Left("no boot file is named: see `[[dhcp.boot]]`".into()) };
    draft.boots.push(Boot { tag, file, server_name: word(1), server, place: draft.place });
    Fate::Taken
}

/// `[tag:…,]0,"Raspberry Pi Boot"`: without a server of its own.
fn is_pi(value: &str) -> bool {
    let words: Vec<_> = value.split(',').map(str::trim).filter(|part| !part.starts_with("tag:")).collect();
    matches!(words[..], ["0" | "x86PC", text] if text.trim_matches('"').trim_end() == "Raspberry Pi Boot")
}
