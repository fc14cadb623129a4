//! A configuration file of dnsmasq (dnsmasq(8), up to version 2.91): every directive that it knows has its place here.

mod names;
mod others;

use super::draft::{Boot, Draft, Host, Match};
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
        "dhcp-vendorclass" => matching(value, "vendor_class", draft),
        "dhcp-userclass" => matching(value, "user_class", draft),
        "dhcp-mac" => matching(value, "mac", draft),
        "server" | "local" => names::server(value, draft),
        "rev-server" => names::rev_server(value, draft),
        "address" => names::address(value, draft),
        "host-record" => names::host_record(value, draft),
        "cname" => names::cname(value, draft),
        "txt-record" => names::record("TXT", value.split_once(','), draft),
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
        "dhcp-match" => Fate::Left("tags by an option: see `vendor_class` and `user_class` of `[[dhcp.match]]`".into()),
        _ => return None,
    })
}

fn switch(on: &mut bool) -> Fate {
    *on = true;
    Fate::Taken
}

fn interface(value: &str, draft: &mut Draft) -> Fate {
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
    draft.domain.get_or_insert_with(|| value.to_lowercase());
    Fate::Taken
}

/// `[tag:…,][set:…,]first,last|mode[,mask[,broadcast]][,lease]`
fn range(value: &str, draft: &mut Draft) -> Fate {
    if value.contains("::") || value.contains("constructor:") {
        return Fate::Left("IPv6: this release leases IPv4 only".into());
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
                return Fate::Left("addresses for known hosts only: make the pool small, hosts need none of it".into());
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
            host.tags.push(tag.into());
        } else if let Ok(address) = part.parse() {
            host.address = Some(address);
        } else if let Some(mac) = hardware(part) {
            host.macs.push(mac);
        } else if part == "ignore" {
            host.ignore = true;
        } else if part == "infinite" || part.starts_with(|c: char| c.is_ascii_digit()) && lease_time(part).is_some() {
            host.lease = lease_time(part);
        } else if part.contains(':') || part.contains('[') || part.contains('*') {
            unread.push(part);
        } else if !part.is_empty() {
            host.name = part.split('.').next().map(str::to_lowercase);
        }
    }
    draft.hosts.push(host);
    if unread.is_empty() {
        return Fate::Taken;
    }
    Fate::Left(format!(
        "the host is taken over without `{}`, which is no hardware address here; add its `mac`",
        unread.join(",")
    ))
}

fn hardware(text: &str) -> Option<MacAddr> {
    let parts: Option<Vec<u8>> = text.split([':', '-']).map(|part| u8::from_str_radix(part, 16).ok()).collect();
    parts?.try_into().ok().map(MacAddr)
}

/// `[tag:…,]file[,name[,address]]`
fn boot(value: &str, draft: &mut Draft) -> Fate {
    let (tags, words): (Vec<_>, Vec<_>) = value.split(',').map(str::trim).partition(|part| part.starts_with("tag:"));
    let word = |at: usize| words.get(at).copied().filter(|word| !word.is_empty()).map(str::to_string);
    draft.boots.push(Boot {
        tag: tags.first().map(|tag| tag.trim_start_matches("tag:").to_string()),
        file: word(0).unwrap_or_default(),
        server_name: word(1),
        server: word(2),
    });
    if tags.len() > 1 {
        return Fate::Left("taken over for the first of its tags; one tag is looked at here".into());
    }
    Fate::Taken
}

/// `[tag:…,]0,"Raspberry Pi Boot"`: without a server of its own.
fn is_pi(value: &str) -> bool {
    let words: Vec<_> = value.split(',').map(str::trim).filter(|part| !part.starts_with("tag:")).collect();
    matches!(words[..], ["0" | "x86PC", text] if text.trim_matches('"').trim_end() == "Raspberry Pi Boot")
}

/// `set:tag,what`
fn matching(value: &str, key: &'static str, draft: &mut Draft) -> Fate {
    let Some((tag, what)) = value.split_once(',') else {
        return Fate::Left("a tag and what it is for are needed: see `[[dhcp.match]]`".into());
    };
    let tag = tag.trim().trim_start_matches("set:").to_string();
    let what = what.trim().trim_end_matches('*').trim_end_matches(':').to_string();
    draft.matches.push(Match { tag, key, value: what });
    Fate::Taken
}
