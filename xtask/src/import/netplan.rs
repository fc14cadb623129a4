//! A file of netplan: interfaces, their addresses, routers, name servers and Wi-Fi networks.

use super::draft::{Draft, Link};
use super::ledger::{Fate, Ledger};
use gatepost_core::net::Ipv4Net;
use saphyr::{LoadableYamlNode, MarkedYaml, Scalar, YamlData};

type Node<'a> = MarkedYaml<'a>;

/// Reads the file into the draft.
pub fn read(text: &str, draft: &mut Draft, ledger: &mut Ledger) {
    let documents = match Node::load_from_str(text) {
        Ok(documents) => documents,
        Err(error) => {
            let line = error.marker().line();
            return ledger.enter(line, "this line", Fate::Left(format!("the file is no YAML: {}", error.info())));
        }
    };
    for document in &documents {
        for (key, value) in entries(document) {
            if name(key) == "network" {
                network(value, draft, ledger);
            } else {
                ledger.enter(line(key), &name(key), Fate::Left("netplan has `network` here".into()));
            }
        }
    }
}

fn network(node: &Node<'_>, draft: &mut Draft, ledger: &mut Ledger) {
    for (key, value) in entries(node) {
        match name(key).as_str() {
            "version" | "renderer" => enter(key, ledger, Fate::Anyway("there is one way here".into())),
            "ethernets" | "wifis" => {
                enter(key, ledger, Fate::Taken);
                for (interface, settings) in entries(value) {
                    enter(interface, ledger, Fate::Taken);
                    link(&name(interface), settings, draft, ledger);
                }
            }
            _ => all_left(key, value, "only ethernets and wifis have a place here", ledger),
        }
    }
}

fn link(name_of_link: &str, node: &Node<'_>, draft: &mut Draft, ledger: &mut Ledger) {
    let mut link = Link { name: name_of_link.into(), ..Link::default() };
    for (key, value) in entries(node) {
        let fate = match name(key).as_str() {
            "dhcp4" if is_yes(value) && entries(node).any(|(key, _)| name(key) == "addresses") => Fate::Left(
                "beside `addresses` the fixed address was taken: leave `address` and `gateway` out of [uplink] to ask by DHCP"
                    .into(),
            ),
            "dhcp4" if is_yes(value) => Fate::Anyway("an uplink without `address` asks by DHCP".into()),
            "dhcp4" => Fate::Anyway("with an `address` nobody is asked".into()),
            "optional" => Fate::Anyway("nothing waits for an interface".into()),
            "addresses" => addresses(value, &mut link),
            "gateway4" => gateway(&scalar(value), &mut link),
            "routes" => routes(value, &mut link),
            "nameservers" => nameservers(value, &mut link),
            "regulatory-domain" => {
                draft.country = Some(scalar(value));
                Fate::Taken
            }
            "access-points" => {
                enter(key, ledger, Fate::Taken);
                access_points(value, &mut link, ledger);
                continue;
            }
            "dhcp6" | "accept-ra" | "gateway6" | "link-local" => {
                Fate::Left("IPv6: this release does not forward it".into())
            }
            "match" | "set-name" | "macaddress" => {
                Fate::Left("an interface is known by the kernel's name: see [uplink] and [lan] interface".into())
            }
            _ => Fate::Left("there is no such setting; see gateway.toml.md".into()),
        };
        enter(key, ledger, fate);
    }
    draft.links.push(link);
}

fn addresses(node: &Node<'_>, link: &mut Link) -> Fate {
    let texts: Vec<String> = items(node).map(scalar).collect();
    let (nets, others): (Vec<_>, Vec<_>) =
        texts.iter().map(|text| (text, text.parse::<Ipv4Net>())).partition(|(_, net)| net.is_ok());
    link.addresses.extend(nets.into_iter().filter_map(|(_, net)| net.ok()));
    if others.is_empty() {
        return Fate::Taken;
    }
    let others: Vec<&str> = others.iter().map(|(text, _)| text.as_str()).collect();
    Fate::Left(format!("left out, since it is no IPv4 address with the size of its network: {}", others.join(", ")))
}

fn gateway(text: &str, link: &mut Link) -> Fate {
    match text.parse() {
        Ok(address) => {
            link.gateway = Some(address);
            Fate::Taken
        }
        Err(_) => Fate::Left("this is no IPv4 address; write it as [uplink] gateway".into()),
    }
}

fn routes(node: &Node<'_>, link: &mut Link) -> Fate {
    let mut others = Vec::new();
    for route in items(node) {
        let field = |wanted: &str| entries(route).find(|(key, _)| name(key) == wanted).map(|(_, value)| scalar(value));
        match (field("to").as_deref(), field("via").and_then(|via| via.parse().ok())) {
            (Some("default" | "0.0.0.0/0"), Some(via)) => link.gateway = Some(via),
            (to, _) => others.push(to.unwrap_or("?").to_string()),
        }
    }
    if others.is_empty() {
        return Fate::Taken;
    }
    Fate::Left(format!("a route to {} has no place: let the router on the uplink know it", others.join(", ")))
}

fn nameservers(node: &Node<'_>, link: &mut Link) -> Fate {
    let mut left = Vec::new();
    for (key, value) in entries(node) {
        match name(key).as_str() {
            "addresses" => {
                let (four, other): (Vec<_>, Vec<_>) =
                    items(value).map(scalar).partition(|text| text.parse::<std::net::Ipv4Addr>().is_ok());
                link.dns.extend(four);
                left.extend(other);
            }
            other => left.push(other.to_string()),
        }
    }
    if left.is_empty() {
        return Fate::Taken;
    }
    Fate::Left(format!(
        "left out, since only IPv4 servers are asked and `domain` is the search list: {}",
        left.join(", ")
    ))
}

fn access_points(node: &Node<'_>, link: &mut Link, ledger: &mut Ledger) {
    for (ssid, settings) in entries(node) {
        let mut passphrase = None;
        enter(ssid, ledger, Fate::Taken);
        for (key, value) in entries(settings) {
            let fate = match name(key).as_str() {
                "password" => {
                    passphrase = Some(scalar(value));
                    Fate::Taken
                }
                "auth" => Fate::Left("networks with a passphrase have a place: write it as [uplink] wifi".into()),
                "mode" if scalar(value) == "infrastructure" => Fate::Anyway("there is one way here".into()),
                _ => Fate::Left("there is no such setting of a network".into()),
            };
            enter(key, ledger, fate);
        }
        link.wifi.push((name(ssid), passphrase));
    }
}

/// Everything below a key that has no place.
fn all_left(key: &Node<'_>, node: &Node<'_>, advice: &str, ledger: &mut Ledger) {
    enter(key, ledger, Fate::Left(advice.into()));
    for (key, value) in entries(node) {
        all_left(key, value, advice, ledger);
    }
}

fn enter(key: &Node<'_>, ledger: &mut Ledger, fate: Fate) {
    // The key alone: the value may be a password.
    ledger.enter(line(key), &name(key), fate);
}

fn entries<'n, 'a>(node: &'n Node<'a>) -> impl Iterator<Item = (&'n Node<'a>, &'n Node<'a>)> {
    let mapping = if let YamlData::Mapping(mapping) = &node.data { Some(mapping) } else { None };
    mapping.into_iter().flatten()
}

fn items<'n, 'a>(node: &'n Node<'a>) -> impl Iterator<Item = &'n Node<'a>> {
    let sequence = if let YamlData::Sequence(sequence) = &node.data { Some(sequence) } else { None };
    sequence.into_iter().flatten()
}

fn line(node: &Node<'_>) -> usize {
    node.span.start.line()
}

fn name(node: &Node<'_>) -> String {
    scalar(node)
}

/// The text of a value, whatever YAML takes it for.
fn scalar(node: &Node<'_>) -> String {
    match &node.data {
        YamlData::Value(Scalar::String(text)) => text.to_string(),
        YamlData::Value(Scalar::Integer(number)) => number.to_string(),
        YamlData::Value(Scalar::Boolean(on)) => on.to_string(),
        YamlData::Value(Scalar::FloatingPoint(number)) => number.to_string(),
        YamlData::Representation(text, ..) => text.to_string(),
        _ => String::new(),
    }
}

/// netplan reads YAML 1.1, where `yes` and `on` are true.
fn is_yes(node: &Node<'_>) -> bool {
    matches!(scalar(node).to_lowercase().as_str(), "true" | "yes" | "on" | "y")
}
