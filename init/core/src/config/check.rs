//! From what the file says to what the program may believe: every value is read, and what does not fit together is
//! reported with the cure.

use super::ntp;
use super::problem::{Report, echo};
use super::raw::{At, RawConfig, RawDns, RawLan, RawUplink, Text};
use super::{Addressing, Config, Dns, Lan, MAX_UPSTREAMS, Uplink, Upstream};
use super::{block, dhcp, firewall, forward, hosts, rebind, records, tls, wifi, words};
use crate::net::{Ipv4Addr, Ipv4Net, is_ordinary};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// Checks everything. A value that was refused is replaced by its default while the rest is looked at; the result
/// counts only if nothing was reported.
pub(super) fn check(raw: &RawConfig, report: &mut Report<'_>) -> Config {
    let default = Config::default();
    let hostname = read_name(&raw.hostname, report).unwrap_or(default.hostname);
    let domain = read_domain(&raw.domain, report).unwrap_or(default.domain);
    let (lan, lan_is_sound) = check_lan(&raw.lan, default.lan, report);
    let uplink = check_uplink(&raw.uplink, default.uplink, &lan, report);
    check_sides(raw, &uplink, &lan, lan_is_sound, report);
    // With a LAN address that was refused, every address in it would be refused too: one complaint is enough.
    let within = lan_is_sound.then_some(lan.address);
    let hosts = hosts::check(&raw.hosts, &hostname, within, report);
    let dhcp = dhcp::check(&raw.dhcp, &hosts, lan.address, within, report);
    let mut dns = check_dns(&raw.dns, lan.address, report);
    dns.forwards = forward::check(&raw.dns.forwards, &domain, lan.address, report);
    let around = records::Around { domain: &domain, hostname: &hostname, hosts: &hosts };
    dns.records = records::check(&raw.dns.records, &raw.hosts, &around, report);
    let (firewall, forwards) = firewall::check(&raw.firewall, &hosts, within, report);
    let ntp = ntp::check(&raw.ntp, lan.address.address(), report);
    Config { hostname, domain, uplink, lan, dhcp, dns, hosts, firewall, forwards, netboot: raw.netboot, ntp }
}

fn read_name(text: &Text, report: &mut Report<'_>) -> Option<String> {
    let At { value, at } = text.as_ref()?;
    let cure = "write one short name such as \"gatepost\"";
    match words::label(value) {
        Ok(name) if words::RESERVED_NAMES.contains(&name.as_str()) => {
            report.add(*at, "hostname", format!("{name} has a meaning of its own and cannot name the gateway"), cure);
            None
        }
        Ok(name) => Some(name),
        Err(what) => {
            report.add(*at, "hostname", format!("{}: {what}", echo(value)), cure);
            None
        }
    }
}

fn read_domain(text: &Text, report: &mut Report<'_>) -> Option<String> {
    let At { value, at } = text.as_ref()?;
    let cure = "write a domain of yours such as \"mydomain.net\", or leave the line out for \"home.arpa\"";
    words::domain(value).map_err(|what| report.add(*at, "domain", format!("{}: {what}", echo(value)), cure)).ok()
}

fn read_interface(text: &Text, key: &str, example: &str, report: &mut Report<'_>) -> Option<String> {
    let At { value, at } = text.as_ref()?;
    let refuse =
        |what| report.add(*at, key, format!("{}: {what}", echo(value)), format!("write a name such as {example}"));
    words::interface(value).map_err(refuse).ok()
}

/// An interface address with its prefix, usable by one machine of that network.
fn read_net(text: &Text, key: &str, example: &str, prefixes: (u8, u8), report: &mut Report<'_>) -> Option<Ipv4Net> {
    let At { value, at } = text.as_ref()?;
    let example = format!("write it as {example}");
    let Ok(net) = value.parse::<Ipv4Net>() else {
        let what = format!("{} is not an address with the size of its network", echo(value));
        report.add(*at, key, what, example);
        return None;
    };
    let (low, high) = prefixes;
    let refused = if net.prefix() < low || net.prefix() > high {
        Some((format!("the network size /{} is outside /{low} to /{high}", net.prefix()), example))
    } else if !is_ordinary(net.address()) {
        Some((format!("{} is an address with a special meaning", net.address()), example))
    } else if !net.is_host(net.address()) {
        let what = format!("{} is the first or last address of {net}, which no machine may have", net.address());
        let first = Ipv4Addr::from_bits(net.network().to_bits().saturating_add(1));
        Some((what, format!("write for instance {first}/{}", net.prefix())))
    } else {
        None
    };
    match refused {
        Some((what, cure)) => {
            report.add(*at, key, what, cure);
            None
        }
        None => Some(net),
    }
}

/// The LAN, and whether its address can be relied on for checking other values.
fn check_lan(raw: &RawLan, default: Lan, report: &mut Report<'_>) -> (Lan, bool) {
    let interface = read_interface(&raw.interface, "lan.interface", "\"eth0\"", report).unwrap_or(default.interface);
    let read = read_net(&raw.address, "lan.address", "\"10.0.0.1/24\"", (8, 30), report);
    let sound = read.is_some() || raw.address.is_none();
    let address = read.unwrap_or(default.address);
    let alternative = read_net(&raw.alternative, "lan.alternative", "\"10.77.0.1/24\"", (8, 30), report);
    if let (Some(other), Some(At { at, .. }), true) = (alternative, raw.alternative.as_ref(), sound) {
        if other.overlaps(address) {
            let what = format!("{other} overlaps lan.address {address}");
            report.add(*at, "lan.alternative", what, "write a network that has no address in common with it");
        } else if other.prefix() != address.prefix() {
            // Pool and hosts move over one to one.
            let what = format!("{other} and lan.address {address} differ in size");
            report.add(*at, "lan.alternative", what, format!("write it with /{}", address.prefix()));
        }
    }
    (Lan { interface, address, alternative }, sound)
}

fn check_uplink(raw: &RawUplink, default: Uplink, lan: &Lan, report: &mut Report<'_>) -> Uplink {
    let assumed = if !raw.wifi.is_empty() {
        String::from("wlan0")
    } else if lan.interface == default.interface && raw.interface.is_none() {
        // Whoever serves the LAN on eth1 has the internet on eth0.
        String::from("eth0")
    } else {
        default.interface
    };
    let interface =
        read_interface(&raw.interface, "uplink.interface", "\"eth1\" or \"wlan0\"", report).unwrap_or(assumed);
    let country = read_country(&raw.country, report);
    let wifi = wifi::check(&raw.wifi, report);
    let addressing = check_addressing(raw, report);
    Uplink { interface, country, wifi, wifi_offload: raw.wifi_offload, addressing }
}

fn read_country(text: &Text, report: &mut Report<'_>) -> Option<[u8; 2]> {
    let At { value, at } = text.as_ref()?;
    match value.as_bytes() {
        [a, b] if a.is_ascii_alphabetic() && b.is_ascii_alphabetic() => {
            Some([a.to_ascii_uppercase(), b.to_ascii_uppercase()])
        }
        _ => {
            let what = format!("{} is not a country code of two letters", echo(value));
            report.add(
                *at,
                "uplink.country",
                what,
                "write the code of the country you are in, such as \"US\" or \"DE\"",
            );
            None
        }
    }
}

fn check_addressing(raw: &RawUplink, report: &mut Report<'_>) -> Addressing {
    let address = read_net(&raw.address, "uplink.address", "\"192.168.0.51/24\"", (8, 31), report);
    let gateway = raw.gateway.as_ref().and_then(|gateway| {
        let key = "uplink.gateway";
        let Ok(router) = gateway.value.parse::<Ipv4Addr>() else {
            let what = format!("{} is not an address", echo(&gateway.value));
            report.add(gateway.at, key, what, "write your router's address, such as \"192.168.0.1\"");
            return None;
        };
        if raw.address.is_none() {
            let cure = "add uplink.address, or remove this line to get both from the network (DHCP)";
            report.add(gateway.at, key, "a gateway needs a fixed address beside it", cure);
        }
        if let Some(net) = address.filter(|net| router == net.address() || !net.is_host(router)) {
            let what = if router == net.address() {
                format!("{router} is this machine's own address")
            } else {
                format!("{router} is not a machine of the uplink's network {net}")
            };
            report.add(gateway.at, key, what, "write the address of your router in that network");
        }
        Some(router)
    });
    address.map_or(Addressing::Dhcp, |address| Addressing::Static { address, gateway })
}

/// The two sides of the gateway must be two.
fn check_sides(raw: &RawConfig, uplink: &Uplink, lan: &Lan, lan_is_sound: bool, report: &mut Report<'_>) {
    if uplink.interface == lan.interface {
        let at = raw.uplink.interface.as_ref().or(raw.lan.interface.as_ref()).map_or(raw.uplink.at, |text| text.at);
        let what = format!("{} is the LAN's interface too", uplink.interface);
        let cure = "the internet and the LAN need an interface each, such as \"eth1\" and \"eth0\"";
        report.add(at, "uplink.interface", what, cure);
    }
    let (Addressing::Static { address, .. }, Some(At { at, .. })) = (uplink.addressing, raw.uplink.address.as_ref())
    else {
        return;
    };
    if lan_is_sound && address.overlaps(lan.address) {
        let what = format!("{address} overlaps the LAN {}", lan.address);
        report.add(*at, "uplink.address", what, "choose another lan.address, such as \"10.77.0.1/24\"");
    }
    if lan.alternative.is_some_and(|other| other.overlaps(address)) {
        let what = format!("{address} overlaps lan.alternative");
        report.add(*at, "uplink.address", what, "choose another lan.alternative");
    }
    if raw.dns.upstream.is_empty() {
        let what = "with a fixed address nobody tells the gateway which DNS servers to ask";
        report.add(*at, "uplink.address", what, "add upstream = [\"9.9.9.9\"] or your router's address under [dns]");
    }
}

fn check_dns(raw: &RawDns, lan: Ipv4Net, report: &mut Report<'_>) -> Dns {
    let upstream = check_upstreams(&raw.upstream, "dns.upstream", lan, report);
    let rebind = rebind::check(&raw.rebind, report);
    let block = block::check(&raw.block, report);
    let keeping = super::keeping::check(&raw.keeping, report);
    Dns { upstream, log_queries: raw.log_queries.unwrap_or(false), rebind, block, keeping, ..Dns::default() }
}

/// The servers of one list.
pub(super) fn check_upstreams(
    entries: &[At<String>],
    key: &str,
    lan: Ipv4Net,
    report: &mut Report<'_>,
) -> Vec<Upstream> {
    let mut upstream: Vec<Upstream> = Vec::new();
    for entry in entries {
        let Some(server) = check_upstream(entry, key, lan, report) else { continue };
        if upstream.contains(&server) {
            report.add(entry.at, key, format!("{} stands in the list twice", entry.value), "keep one of them");
        } else if upstream.len() == MAX_UPSTREAMS {
            report.add(
                entry.at,
                key,
                format!("there are more than {MAX_UPSTREAMS} servers"),
                "two or three are enough",
            );
            break;
        } else {
            upstream.push(server);
        }
    }
    upstream
}

fn check_upstream(entry: &At<String>, key: &str, lan: Ipv4Net, report: &mut Report<'_>) -> Option<Upstream> {
    let encrypted = entry.value.starts_with(tls::SCHEME);
    let read = if encrypted {
        tls::read(&entry.value)
    } else if ["https://", "quic://"].iter().any(|scheme| entry.value.starts_with(scheme)) {
        Err("DNS over HTTPS and QUIC come in a later release")
    } else if entry.value.matches(':').count() > 1 {
        Err("IPv6 comes in a later release")
    } else {
        words::server(&entry.value).map(Upstream::from).ok_or("this is not the address of a server")
    };
    let example = if encrypted { tls::EXAMPLE } else { "write an address such as \"9.9.9.9\"" };
    let what = match read {
        Err(what) => format!("{}: {what}", echo(&entry.value)),
        Ok(server) => match *server.address.ip() {
            ip if !is_ordinary(ip) => format!("{ip} is an address with a special meaning, no DNS server has it"),
            ip if ip == lan.address() => format!("{ip} is the gateway itself, which would ask itself for ever"),
            _ => return Some(server),
        },
    };
    report.add(entry.at, key, what, example);
    None
}
