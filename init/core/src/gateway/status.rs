//! What the console and the control socket show: plain text for a person.

use super::{ConfigSource, Gateway};
use crate::config::{self, Addressing};
use crate::dhcp_client::Lost;
use crate::dhcp_server::{Expiry, Lease, LeaseState, Note};
use crate::dns::NameRecord;
use crate::net::{Ipv4Addr, Ipv4Net};
use crate::time::{Duration, Instant};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::Write;

/// One screen: what is up and what is wrong.
pub(super) fn status(gateway: &Gateway, now: Instant) -> String {
    let mut text = String::new();
    let up = for_people(now.since(Instant::from_millis(0)));
    let _ = writeln!(text, "Gatepost {} on {}, up {up}", gateway.version, gateway.config.hostname);
    let _ = writeln!(text, "LAN      {}", lan(gateway));
    let _ = writeln!(text, "uplink   {}", uplink(gateway, now));
    if let Some(wifi) = gateway.wifi.as_ref().filter(|_| gateway.link(&gateway.config.uplink.interface).is_some()) {
        let _ = writeln!(text, "Wi-Fi    {}", wifi.why(now));
    }
    let _ = writeln!(text, "DNS      {}", dns(gateway));
    let stats = gateway.dns.stats();
    if !gateway.config.dns.block.lists.is_empty() {
        let _ = writeln!(text, "         {} names are blocked; {} queries for them", stats.block_names, stats.blocked);
    }
    if let Some(name) = gateway.dns.kept_back() {
        let times = stats.kept_back;
        let _ =
            writeln!(text, "         {times} answers with private addresses were kept back, the last one for {name};");
        let _ = writeln!(text, "         if that is a machine of yours, put its domain into dns.rebind_allow");
    }
    let _ = writeln!(text, "time     {}", gateway.time_line(now));
    let _ = writeln!(text, "config   {}", config(gateway));
    for problem in gateway.problems.lines() {
        let _ = writeln!(text, "         {problem}");
    }
    if let Some(portal) = gateway.portal() {
        let _ = writeln!(text, "portal   {}", self::portal(portal));
    }
    if let Some(page) = gateway.dns.portal() {
        let _ = writeln!(text, "portal   {}", portal_page(page));
    }
    for trouble in gateway.troubles(now) {
        let _ = writeln!(text, "trouble  {trouble}");
    }
    text
}

fn lan(gateway: &Gateway) -> String {
    let interface = &gateway.config.lan.interface;
    let Some(link) = gateway.link(interface) else {
        return format!("{interface}: there is no such interface; is the adapter plugged in?");
    };
    let cable = if link.carrier { "" } else { ", no cable or nothing at its other end" };
    let serving = if gateway.serving { ", serving" } else { ", not serving yet" };
    let live = gateway.server.leases().filter(|lease| lease.state == LeaseState::Bound).count();
    let leases = if live == 1 { "1 lease".to_string() } else { format!("{live} leases") };
    format!("{interface}  {}{serving}, {leases}{cable}", gateway.lan)
}

fn uplink(gateway: &Gateway, now: Instant) -> String {
    let interface = &gateway.config.uplink.interface;
    let Some(link) = gateway.link(interface) else {
        return format!("{interface}: there is no such interface; is the adapter plugged in?");
    };
    if !link.carrier {
        let radio = gateway.wifi.is_some();
        let why = if radio { "no network is joined" } else { "no cable or nothing at its other end" };
        return format!("{interface}: {why}");
    }
    match (gateway.uplink_address(), gateway.config.uplink.addressing) {
        (Some(address), Addressing::Static { gateway, .. }) => {
            format!("{interface}  {address} from gateway.toml, {}", router(gateway))
        }
        (Some(address), Addressing::Dhcp) => {
            let lease = gateway.uplink_lease.as_ref();
            let via = router(lease.and_then(|lease| lease.default_router()));
            let server = lease.map_or_else(String::new, |lease| format!(" by DHCP from {}", lease.server));
            let left =
                gateway.uplink_lease_left(now).map_or("no end".into(), |left| format!("{} left", for_people(left)));
            format!("{interface}  {address}{server}, {left}, {via}")
        }
        (None, Addressing::Static { .. }) => format!("{interface}: not set up yet"),
        (None, Addressing::Dhcp) if gateway.uplink_lease.is_some() => {
            format!("{interface}: the address that it was given can't be used")
        }
        (None, Addressing::Dhcp) => format!("{interface}: waiting for an address; no DHCP server has answered yet"),
    }
}

fn router(router: Option<Ipv4Addr>) -> String {
    router.map_or("no router".into(), |router| format!("router {router}"))
}

fn dns(gateway: &Gateway) -> String {
    let servers: Vec<_> = gateway.upstreams().iter().map(ToString::to_string).collect();
    let upstream = if servers.is_empty() { "no upstream server known yet".into() } else { servers.join(", ") };
    let stats = gateway.dns.stats();
    format!(
        "{upstream}; {} queries, {} local, {} from the cache, {} failed",
        stats.queries, stats.local, stats.cache_hits, stats.failed
    )
}

fn config(gateway: &Gateway) -> &'static str {
    match gateway.source {
        ConfigSource::File => "gateway.toml is in force",
        ConfigSource::NoFile => "there is no gateway.toml; the defaults are in force",
        ConfigSource::LastGood if gateway.problems.is_empty() => "gateway.toml is gone; the last good one is in force",
        ConfigSource::LastGood => "gateway.toml has mistakes; the last good one is in force:",
        ConfigSource::Defaults => "gateway.toml has mistakes; the defaults are in force:",
    }
}

/// The lease table, a line each, in the order of addresses.
pub(super) fn leases(gateway: &Gateway, now: Instant) -> String {
    let mut leases: Vec<&Lease> = gateway.server.leases().filter(|lease| is_shown(lease)).collect();
    leases.sort_by_key(|lease| lease.address);
    if leases.is_empty() {
        return "no leases\n".into();
    }
    let mut text = format!("{:<15} {:<17} {:<24} {}\n", "address", "hardware address", "name", "ends");
    for lease in leases {
        let mac = lease.mac().map_or("-".into(), |mac| mac.to_string());
        let name = lease.host_name.as_deref().unwrap_or("-");
        let _ = writeln!(text, "{:<15} {mac:<17} {name:<24} {}", lease.address.to_string(), ends(lease, now));
    }
    text
}

fn is_shown(lease: &Lease) -> bool {
    matches!(lease.state, LeaseState::Bound | LeaseState::Waiting | LeaseState::Declined)
}

fn ends(lease: &Lease, now: Instant) -> String {
    match (lease.state, lease.expiry) {
        (LeaseState::Declined, _) => "in use by somebody else; not given out for a while".into(),
        (LeaseState::Waiting, _) => "reserved, not seen yet".into(),
        (_, Expiry::At(end)) => format!("in {}", for_people(end.since(now))),
        (_, Expiry::Reserved) => "reserved".into(),
    }
}

/// Every name that answers, a line each.
pub(super) fn names(gateway: &Gateway) -> String {
    let domain = &gateway.config.domain;
    let mut text = format!("{:<15} {}.{domain}\n", gateway.lan.address().to_string(), gateway.config.hostname);
    for NameRecord { name, address } in gateway.dns.names().filter(|record| record.name != gateway.config.hostname) {
        let _ = writeln!(text, "{:<15} {name}.{domain}", address.to_string());
    }
    for record in config::moved(&gateway.config.dns.records, gateway.config.lan.address, gateway.lan) {
        let _ = writeln!(text, "{:<15} {}", record.data.to_string(), record.name);
    }
    text
}

/// `3 h 12 min` rather than 11520.
pub(super) fn for_people(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} days {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// Why the uplink has no address any more.
pub(super) fn lost(address: Ipv4Addr, reason: Lost) -> String {
    match reason {
        Lost::Expired => format!("The uplink's address {address} has run out; no DHCP server has renewed it."),
        Lost::Refused { server } => format!("The DHCP server {server} has taken back the uplink's address {address}."),
    }
}

/// What the DHCP server noticed.
pub(super) fn server_note(note: Note) -> String {
    match note {
        Note::PoolExhausted => {
            "All addresses of the pool are in use: make dhcp.pool larger or the lease shorter.".into()
        }
        Note::TooManyClients => "New DHCP clients come faster than any network has them; some got no answer.".into(),
        Note::Declined(address) => {
            format!("A client found {address} in use by somebody else; it is not given out for a while.")
        }
        Note::InUse { address, mac } => {
            format!("{address} is in use by {mac} without a lease; it is not given out for a while.")
        }
        Note::OneMachine(mac) => format!("{mac} has taken many addresses under different names; it gets no more."),
        Note::ForeignServer(server) => foreign_server(server),
        Note::StoreStalled => "The config partition does not take leases; some clients got no answer.".into(),
        Note::JournalDamaged { good } => {
            format!("The list of leases was damaged; the first {good} bytes of it were kept.")
        }
    }
}

/// Who else answers on the LAN, and what to do about it.
pub(super) fn foreign_server(server: Ipv4Addr) -> String {
    format!("Another DHCP server, {server}, answers on the LAN: switch it off, or its clients get wrong addresses.")
}

/// The line about a network that lets nobody out before a log-in.
pub(super) fn portal(address: &str) -> String {
    format!(
        "The uplink's network may want a log-in before it lets anybody out: open {address} on a machine of the LAN."
    )
}

/// The line about a network that answers every name with the address of its own page.
pub(super) fn portal_page(page: Ipv4Addr) -> String {
    format!(
        "The uplink's network answers every name with {page}: it likely wants a sign-in. Open http://{page}/ in a browser on \
         a machine of the LAN."
    )
}

/// The line that follows when that is over.
pub(super) const NO_PORTAL: &str = "The uplink's network answers names as it should again.";

/// The line that says where the LAN stands now.
pub(super) fn lan_moved(from: Ipv4Net, to: Ipv4Net) -> String {
    format!("The LAN has moved from {from} to {to}.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_for_people() {
        let text = |seconds| for_people(Duration::from_secs(seconds));
        assert_eq!([text(5), text(65), text(11_520), text(90_000)], ["5 s", "1 min 5 s", "3 h 12 min", "1 days 1 h"]);
    }
}
