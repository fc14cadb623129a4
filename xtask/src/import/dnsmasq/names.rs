//! The directives of dnsmasq about names and the servers that know them.

use crate::import::draft::Draft;
use crate::import::ledger::Fate;
use crate::import::render::quote;
use gatepost_core::config;
use gatepost_core::net::Ipv4Addr;

/// `[/domain/…/]address[#port][@…]`; a domain without an address is a local one.
pub fn server(value: &str, draft: &mut Draft) -> Fate {
    let Some(rest) = value.strip_prefix('/') else {
        let Some(server) = upstream(value) else { return Fate::Left(NO_SERVER.into()) };
        draft.upstream.push(server);
        return Fate::Taken;
    };
    let (domains, address) = rest.rsplit_once('/').unwrap_or((rest, ""));
    let domains = domains.split('/').filter(|domain| !domain.is_empty());
    if address.is_empty() {
        draft.locals.extend(domains.map(|domain| (domain.to_lowercase(), draft.place)));
        return Fate::Anyway("the local domain never leaves the house".into());
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
pub fn rev_server(value: &str, draft: &mut Draft) -> Fate {
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
pub fn address(value: &str, draft: &mut Draft) -> Fate {
    let Some((domains, address)) = value.strip_prefix('/').and_then(|rest| rest.rsplit_once('/')) else {
        return Fate::Left("write it as `[[dns.record]]`".into());
    };
    let kind = match address.parse() {
        Ok(std::net::IpAddr::V4(_)) => "A",
        Ok(std::net::IpAddr::V6(_)) => "AAAA",
        Err(_) => return Fate::Left("a name that is not to exist: put it into a block list".into()),
    };
    let domains = domains.split('/').filter(|domain| !domain.is_empty());
    // dnsmasq means the name and everything below it.
    let names = domains.flat_map(|domain| [domain.to_string(), format!("*.{domain}")]);
    add(names.map(|name| (name, kind, address.to_string())).collect(), draft)
}

/// `name,…,address,…[,ttl]`
pub fn host_record(value: &str, draft: &mut Draft) -> Fate {
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
    let mut records = Vec::new();
    for name in &names {
        for address in &addresses {
            let kind = if address.is_ipv4() { "A" } else { "AAAA" };
            records.push((name.clone(), kind, address.to_string()));
        }
    }
    add(records, draft)
}

/// `alias,…,target[,ttl]`
pub fn cname(value: &str, draft: &mut Draft) -> Fate {
    let mut names: Vec<&str> = value.split(',').map(str::trim).filter(|part| part.parse::<u32>().is_err()).collect();
    let Some(target) = names.pop().filter(|_| !names.is_empty()) else {
        return Fate::Left("an alias and its target are needed: see `[[dns.record]]`".into());
    };
    add(names.iter().map(|name| (name.to_lowercase(), "CNAME", target.to_lowercase())).collect(), draft)
}

/// A record whose value stands as it is.
pub fn record(kind: &'static str, parts: Option<(&str, &str)>, draft: &mut Draft) -> Fate {
    let Some((name, value)) = parts else {
        return Fate::Left("a name and a value are needed: see `[[dns.record]]`".into());
    };
    add(vec![(name.trim().to_lowercase(), kind, value.trim().trim_matches('"').to_string())], draft)
}

/// `name[,text…]`: texts with commas stand in quotes.
pub fn text(value: &str, draft: &mut Draft) -> Fate {
    let mut texts = vec![String::new()];
    let mut quoted = false;
    for c in value.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => texts.push(String::new()),
            c => texts.last_mut().into_iter().for_each(|text| text.push(c)),
        }
    }
    let name = texts.remove(0).trim().to_lowercase();
    let texts: Vec<String> = texts.iter().map(|text| quote(text.trim())).collect();
    let value = match texts.as_slice() {
        [] => quote(""),
        [one] => one.clone(),
        several => format!("[{}]", several.join(", ")),
    };
    add_written(vec![(name, "TXT", value)], draft)
}

/// `domain[,host[,preference]]`
pub fn mail(value: &str, draft: &mut Draft) -> Fate {
    let parts: Vec<&str> = value.split(',').map(str::trim).collect();
    let [name, host, rest @ ..] = parts.as_slice() else {
        return Fate::Left("name the mail host: see `[[dns.record]]`".into());
    };
    let preference = rest.first().unwrap_or(&"1");
    add(vec![(name.to_lowercase(), "MX", format!("{preference} {host}"))], draft)
}

/// `service[,target[,port[,priority[,weight]]]]`
pub fn service(value: &str, draft: &mut Draft) -> Fate {
    let parts: Vec<&str> = value.split(',').map(str::trim).collect();
    let [name, target, port, rest @ ..] = parts.as_slice() else {
        return Fate::Left("name the service's host and port: see `[[dns.record]]`".into());
    };
    let number = |at: usize| rest.get(at).copied().unwrap_or("0");
    add(vec![(name.to_lowercase(), "SRV", format!("{} {} {port} {target}", number(0), number(1)))], draft)
}

fn add(records: Vec<(String, &'static str, String)>, draft: &mut Draft) -> Fate {
    add_written(records.into_iter().map(|(name, kind, value)| (name, kind, quote(&value))).collect(), draft)
}

/// Takes the records over if the gateway would take each. Their values are TOML.
fn add_written(records: Vec<(String, &'static str, String)>, draft: &mut Draft) -> Fate {
    for (name, kind, value) in &records {
        let text = format!("[[dns.record]]\nname = {}\ntype = \"{kind}\"\nvalue = {value}\n", quote(name));
        if let Err(problems) = config::parse(text.as_bytes()) {
            let problem = problems.list().first().map(|problem| format!("{}; {}", problem.what, problem.cure));
            return Fate::Left(problem.unwrap_or_default());
        }
    }
    draft.records.extend(records);
    Fate::Taken
}
