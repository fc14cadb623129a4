//! A configuration file of dnsmasq (dnsmasq(8), up to version 2.91): every directive that it knows has its place here.

use super::draft::{Boot, Draft, Host, Match};
use super::ledger::{Fate, Ledger};
use super::options;
use gatepost_core::net::{Ipv4Addr, MacAddr};

/// What the gateway does, or never does, without being told.
const ANYWAY: [(&[&str], &str); 9] = [
    (&["domain-needed"], "single labels never leave the house"),
    (&["bogus-priv"], "names of private addresses never leave the house"),
    (&["expand-hosts"], "every host answers by its label and by its full name"),
    (&["dhcp-authoritative"], "it is the only DHCP server of the LAN and says so"),
    (
        &["no-resolv", "no-poll", "resolv-file", "no-hosts", "dhcp-leasefile", "leasefile-ro"],
        "there is no such file here",
    ),
    (
        &[
            "bind-interfaces",
            "bind-dynamic",
            "local-service",
            "except-interface",
            "no-dhcp-interface",
            "listen-address",
            "localise-queries",
        ],
        "only the LAN is served, by sockets that are bound to it",
    ),
    (
        &["user", "group", "pid-file", "log-facility", "log-async", "no-daemon", "keep-in-foreground", "log-debug"],
        "the gateway process has its own user and its log is in memory",
    ),
    (
        &[
            "stop-dns-rebind",
            "dns-loop-detect",
            "edns-packet-max",
            "dns-forward-max",
            "cache-size",
            "min-port",
            "max-port",
            "port-limit",
            "rebind-localhost-ok",
            "fast-dns-retry",
            "no-ident",
            "do-0x20-encode",
            "max-tcp-connections",
        ],
        "it is so, with bounds of its own: see SECURITY.md and gateway.toml.md",
    ),
    (&["all-servers", "strict-order"], "the servers are asked in turn, those that answer first"),
];

/// What has no counterpart, and what to do instead.
const LEFT: [(&[&str], &str); 21] = [
    (&["conf-file", "conf-dir", "servers-file"], "import those files too: --dnsmasq may be given several times"),
    (&["addn-hosts", "hostsdir"], "import those files with --hosts"),
    (
        &["dhcp-hostsfile", "dhcp-hostsdir", "dhcp-optsfile", "dhcp-optsdir", "read-ethers"],
        "write its lines as `dhcp-host` or `dhcp-option` into the file and import that",
    ),
    (
        &[
            "enable-tftp",
            "tftp-root",
            "tftp-secure",
            "tftp-no-fail",
            "tftp-unique-root",
            "tftp-lowercase",
            "tftp-max",
            "tftp-mtu",
            "tftp-no-blocksize",
            "tftp-port-range",
            "tftp-single-port",
            "pxe-prompt",
            "pxe-service",
            "dhcp-no-override",
        ],
        "files for booting come from a TFTP server on the LAN: name it with `[[dhcp.boot]] server`",
    ),
    (
        &["dhcp-script", "dhcp-luascript", "dhcp-scriptuser", "script-arp", "script-on-renewal"],
        "no program runs on a lease: there is no other program on the card",
    ),
    (
        &["enable-ra", "ra-param", "dhcp-duid", "dhcp-prefix-class"],
        "IPv6: this release neither leases nor announces it",
    ),
    (
        &[
            "dnssec",
            "dnssec-check-unsigned",
            "dnssec-no-timecheck",
            "dnssec-timestamp",
            "dnssec-limits",
            "trust-anchor",
            "proxy-dnssec",
        ],
        "answers are not validated; use a server that does",
    ),
    (
        &["auth-server", "auth-zone", "auth-soa", "auth-sec-servers", "auth-peer", "auth-ttl"],
        "it is no server for the internet; keep such a zone elsewhere",
    ),
    (
        &["ipset", "nftset", "connmark-allowlist", "connmark-allowlist-enable", "conntrack"],
        "names do not change the packet filter; see `[[firewall.block]]`",
    ),
    (
        &["add-mac", "add-subnet", "add-cpe-id", "umbrella", "strip-mac", "strip-subnet"],
        "nothing about a client is told to a server",
    ),
    (
        &[
            "bogus-nxdomain",
            "ignore-address",
            "filterwin2k",
            "filter-A",
            "filter-AAAA",
            "filter-rr",
            "no-round-robin",
            "alias",
        ],
        "answers are passed on as they are; use another upstream server",
    ),
    (
        &[
            "no-negcache",
            "neg-ttl",
            "max-ttl",
            "local-ttl",
            "min-cache-ttl",
            "max-cache-ttl",
            "use-stale-cache",
            "no-0x20-encode",
            "dhcp-ttl",
            "cache-rr",
        ],
        "times follow the answers and RFC 2308; a record of yours has its own `ttl`",
    ),
    (
        &[
            "query-port",
            "port",
            "interface-name",
            "dynamic-host",
            "synth-domain",
            "naptr-record",
            "caa-record",
            "dns-rr",
        ],
        "there is no such thing; see `[[dns.record]]` for what there is",
    ),
    (
        &[
            "dhcp-relay",
            "dhcp-split-relay",
            "dhcp-proxy",
            "bridge-interface",
            "shared-network",
            "dhcp-alternate-port",
            "leasequery",
        ],
        "one LAN is served, directly",
    ),
    (&["dhcp-lease-max"], "the pool is the bound: make it smaller"),
    (
        &[
            "dhcp-generate-names",
            "dhcp-ignore-names",
            "dhcp-client-update",
            "dhcp-fqdn",
            "dhcp-ignore-clid",
            "bootp-dynamic",
            "dhcp-sequential-ip",
            "dhcp-broadcast",
            "dhcp-pxe-vendor",
            "dhcp-name-match",
            "dhcp-circuitid",
            "dhcp-remoteid",
            "dhcp-subscrid",
            "dhcp-reply-delay",
        ],
        "leave it out; if a client needs it, tell us",
    ),
    (&["mx-target", "localmx", "selfmx"], "write the mail host as a `[[dns.record]]` of type MX"),
    (&["dhcp-ignore"], "write `ignore = true` into the `[[host]]` that is meant"),
    (
        &[
            "enable-dbus",
            "enable-ubus",
            "dumpfile",
            "dumpmask",
            "quiet-dhcp",
            "quiet-dhcp6",
            "quiet-ra",
            "quiet-tftp",
            "dns-rr",
            "version",
            "test",
            "help",
        ],
        "there is no such thing; the console and `gatepost log` show what happens",
    ),
    (&["resolv-retry", "clear-on-reload", "conf-script", "dhcp-hostsdir"], "there is no such thing"),
    (&["rev-server-file", "log-malloc"], "there is no such thing"),
];

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
        let fate = take(key, value, draft).unwrap_or_else(|| listed(key));
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

fn listed(key: &str) -> Fate {
    let find = |table: &[(&[&str], &str)]| {
        table.iter().find(|(keys, _)| keys.contains(&key)).map(|(_, advice)| advice.to_string())
    };
    let anyway = find(&ANYWAY).map(Fate::Anyway);
    anyway.or_else(|| find(&LEFT).map(Fate::Left)).unwrap_or_else(|| {
        Fate::Left("dnsmasq up to 2.91 has no such directive, or it is new; see gateway.toml.md".into())
    })
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
        "dhcp-vendorclass" => matching(value, "vendor_class", draft),
        "dhcp-userclass" => matching(value, "user_class", draft),
        "dhcp-mac" => matching(value, "mac", draft),
        "server" | "local" => server(value, draft),
        "rev-server" => rev_server(value, draft),
        "address" => address(value, draft),
        "host-record" => host_record(value, draft),
        "cname" => cname(value, draft),
        "txt-record" => record("TXT", value.split_once(','), draft),
        "ptr-record" => record("PTR", value.split_once(','), draft),
        "mx-host" => mail(value, draft),
        "srv-host" => service(value, draft),
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

/// `[/domain/…/]address[#port][@…]`; a domain without an address is a local one.
fn server(value: &str, draft: &mut Draft) -> Fate {
    let Some(rest) = value.strip_prefix('/') else {
        let Some(server) = upstream(value) else { return Fate::Left(NO_SERVER.into()) };
        draft.upstream.push(server);
        return Fate::Taken;
    };
    let (domains, address) = rest.rsplit_once('/').unwrap_or((rest, ""));
    let domains = domains.split('/').filter(|domain| !domain.is_empty());
    if address.is_empty() {
        let own = draft.domain.clone();
        let others: Vec<&str> = domains.filter(|domain| own.as_deref() != Some(domain)).collect();
        return match (others.as_slice(), own) {
            ([], _) => Fate::Anyway("the local domain never leaves the house".into()),
            ([only], None) => {
                draft.domain = Some(only.to_lowercase());
                Fate::Taken
            }
            _ => Fate::Left("besides `domain`, only the special names of the RFCs stay in the house".into()),
        };
    }
    let Some(server) = upstream(address) else { return Fate::Left(NO_SERVER.into()) };
    for domain in domains {
        add_forward(domain, &server, draft);
    }
    Fate::Taken
}

const NO_SERVER: &str = "this is no IPv4 address of a server; write one into [dns] upstream";

fn add_forward(domain: &str, server: &str, draft: &mut Draft) {
    let domain = domain.trim_start_matches("*.").to_lowercase();
    match draft.forwards.iter_mut().find(|(known, _)| *known == domain) {
        Some((_, servers)) => servers.push(server.into()),
        None => draft.forwards.push((domain, vec![server.into()])),
    }
}

/// An address, with a port behind `#`. Which interface it is reached by (`@`) is the routes' matter.
fn upstream(text: &str) -> Option<String> {
    let (address, port) = text.split('@').next()?.split_once('#').unwrap_or((text.split('@').next()?, ""));
    let address: Ipv4Addr = address.trim().parse().ok()?;
    let port = if port.is_empty() { 53 } else { port.parse::<u16>().ok()? };
    Some(if port == 53 { address.to_string() } else { format!("{address}:{port}") })
}

/// `network/bits,server`
fn rev_server(value: &str, draft: &mut Draft) -> Fate {
    let parts = value.split_once(',').and_then(|(net, server)| Some((net.split_once('/')?, upstream(server)?)));
    let Some(((address, bits), server)) = parts else { return Fate::Left(NO_SERVER.into()) };
    let (Ok(address), Ok(bits @ (8 | 16 | 24))) = (address.parse::<Ipv4Addr>(), bits.parse::<usize>()) else {
        return Fate::Left("write the reverse zone as `[[dns.forward]] domain`".into());
    };
    let labels: Vec<String> = address.octets()[..bits / 8].iter().rev().map(u8::to_string).collect();
    add_forward(&format!("{}.in-addr.arpa", labels.join(".")), &server, draft);
    Fate::Taken
}

/// `/domain/…/address`
fn address(value: &str, draft: &mut Draft) -> Fate {
    let Some((domains, address)) = value.strip_prefix('/').and_then(|rest| rest.rsplit_once('/')) else {
        return Fate::Left("write it as `[[dns.record]]`".into());
    };
    let kind = match address.parse() {
        Ok(std::net::IpAddr::V4(_)) => "A",
        Ok(std::net::IpAddr::V6(_)) => "AAAA",
        Err(_) => return Fate::Left("a name that is not to exist: put it into a block list".into()),
    };
    for domain in domains.split('/').filter(|domain| !domain.is_empty()) {
        // dnsmasq means the name and everything below it.
        for name in [domain.to_string(), format!("*.{domain}")] {
            draft.records.push((name, kind, address.to_string()));
        }
    }
    Fate::Taken
}

/// `name,…,address,…[,ttl]`
fn host_record(value: &str, draft: &mut Draft) -> Fate {
    let (mut names, mut addresses) = (Vec::new(), Vec::new());
    for part in value.split(',').map(str::trim) {
        match part.parse::<std::net::IpAddr>() {
            Ok(address) => addresses.push(address),
            Err(_) if part.parse::<u32>().is_err() => names.push(part.to_lowercase()),
            Err(_) => {}
        }
    }
    if names.is_empty() || addresses.is_empty() {
        return Fate::Left("a name and an address are needed: see `[[dns.record]]`".into());
    }
    for name in &names {
        for address in &addresses {
            let kind = if address.is_ipv4() { "A" } else { "AAAA" };
            draft.records.push((name.clone(), kind, address.to_string()));
        }
    }
    Fate::Taken
}

/// `alias,…,target[,ttl]`
fn cname(value: &str, draft: &mut Draft) -> Fate {
    let mut names: Vec<&str> = value.split(',').map(str::trim).filter(|part| part.parse::<u32>().is_err()).collect();
    let Some(target) = names.pop().filter(|_| !names.is_empty()) else {
        return Fate::Left("an alias and its target are needed: see `[[dns.record]]`".into());
    };
    draft.records.extend(names.iter().map(|name| (name.to_lowercase(), "CNAME", target.to_lowercase())));
    Fate::Taken
}

fn record(kind: &'static str, parts: Option<(&str, &str)>, draft: &mut Draft) -> Fate {
    let Some((name, value)) = parts else {
        return Fate::Left("a name and a value are needed: see `[[dns.record]]`".into());
    };
    let value = value.trim().trim_matches('"').to_string();
    draft.records.push((name.trim().to_lowercase(), kind, value));
    Fate::Taken
}

/// `domain[,host[,preference]]`
fn mail(value: &str, draft: &mut Draft) -> Fate {
    let parts: Vec<&str> = value.split(',').map(str::trim).collect();
    let [name, host, rest @ ..] = parts.as_slice() else {
        return Fate::Left("name the mail host: see `[[dns.record]]`".into());
    };
    let preference = rest.first().unwrap_or(&"1");
    draft.records.push((name.to_lowercase(), "MX", format!("{preference} {host}")));
    Fate::Taken
}

/// `service[,target[,port[,priority[,weight]]]]`
fn service(value: &str, draft: &mut Draft) -> Fate {
    let parts: Vec<&str> = value.split(',').map(str::trim).collect();
    let [name, target, port, rest @ ..] = parts.as_slice() else {
        return Fate::Left("name the service's host and port: see `[[dns.record]]`".into());
    };
    let number = |at: usize| rest.get(at).copied().unwrap_or("0");
    draft.records.push((name.to_lowercase(), "SRV", format!("{} {} {port} {target}", number(0), number(1))));
    Fate::Taken
}
