//! `[dhcp]`: the pool, the lease, and how the server behaves. The lists below it are in `dhcp_lists.rs`.

use super::dhcp_lists::{self, RawBoot, RawMatch, RawOption};
use super::problem::{Report, echo};
use super::raw::{At, Section, Text};
use super::{DEFAULT_LEASE, DEFAULT_OFFERS, Dhcp, Host, MAX_LEASE, MAX_OFFERS, MAX_POOL, MIN_LEASE, words};
use crate::net::{Ipv4Addr, Ipv4Net};
use crate::time::Duration;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

pub(super) const KEYS: [&str; 10] =
    ["pool", "lease", "log", "probe", "rapid_commit", "unknown", "offers_per_second", "option", "match", "boot"];
pub(super) use dhcp_lists::{BOOT_KEYS, MATCH_KEYS, OPTION_KEYS};

/// `[dhcp]`
#[derive(Default)]
pub(super) struct RawDhcp {
    pool: Text,
    lease: Text,
    log: Option<bool>,
    probe: Option<bool>,
    rapid_commit: Option<bool>,
    unknown: Option<At<bool>>,
    offers_per_second: Option<At<i64>>,
    options: Vec<RawOption>,
    matches: Vec<RawMatch>,
    boot: Vec<RawBoot>,
}

pub(super) fn read(dhcp: &mut Section<'_, '_, '_>) -> RawDhcp {
    RawDhcp {
        pool: dhcp.text("pool"),
        lease: dhcp.text("lease"),
        log: dhcp.switch("log"),
        probe: dhcp.switch("probe"),
        rapid_commit: dhcp.switch("rapid_commit"),
        unknown: dhcp.switch("unknown").map(|value| At { value, at: dhcp.place("unknown") }),
        offers_per_second: dhcp.number("offers_per_second"),
        options: dhcp.each(
            "option",
            "a line [[dhcp.option]], with double brackets, above the keys of each option",
            dhcp_lists::read_option,
        ),
        matches: dhcp.each(
            "match",
            "a line [[dhcp.match]], with double brackets, above the keys of each match",
            dhcp_lists::read_match,
        ),
        boot: dhcp.each(
            "boot",
            "a line [[dhcp.boot]], with double brackets, above the keys of each boot file",
            dhcp_lists::read_boot,
        ),
    }
}

/// Checks the section. `within` is `None` when the LAN itself was refused.
pub(super) fn check(
    raw: &RawDhcp,
    hosts: &[Host],
    lan: Ipv4Net,
    within: Option<Ipv4Net>,
    report: &mut Report<'_>,
) -> Dhcp {
    let matches = dhcp_lists::check_matches(&raw.matches, report);
    let tags = dhcp_lists::known_tags(hosts, &matches);
    Dhcp {
        pool: check_pool(&raw.pool, within, report).unwrap_or_else(|| words::default_pool(lan)),
        lease: check_lease(&raw.lease, "dhcp.lease", report).unwrap_or(DEFAULT_LEASE),
        log: raw.log.unwrap_or(false),
        probe: raw.probe.unwrap_or(true),
        rapid_commit: raw.rapid_commit.unwrap_or(true),
        unknown: check_unknown(&raw.unknown, hosts, report).unwrap_or(true),
        offers_per_second: check_offers(&raw.offers_per_second, report).unwrap_or(DEFAULT_OFFERS),
        options: dhcp_lists::check_options(&raw.options, &tags, report),
        boot: dhcp_lists::check_boot(&raw.boot, &tags, report),
        matches,
    }
}

/// Whether clients that are no host are served. To serve nobody at all is a mistake.
fn check_unknown(unknown: &Option<At<bool>>, hosts: &[Host], report: &mut Report<'_>) -> Option<bool> {
    let At { value, at } = unknown.as_ref()?;
    let served = |host: &Host| !host.ignore && (!host.macs.is_empty() || host.client_id.is_some());
    if !value && !hosts.iter().any(served) {
        let what = "nobody would get an address, since no [[host]] has a mac or a client_id";
        report.add(*at, "dhcp.unknown", what, "add one, or remove this line");
    }
    Some(*value)
}

fn check_offers(number: &Option<At<i64>>, report: &mut Report<'_>) -> Option<u32> {
    let At { value, at } = number.as_ref()?;
    let offers = u32::try_from(*value).ok().filter(|offers| (1..=MAX_OFFERS).contains(offers));
    if offers.is_none() {
        let what = format!("{value} new clients a second is not between 1 and {MAX_OFFERS}");
        report.add(*at, "dhcp.offers_per_second", what, format!("leave it out for {DEFAULT_OFFERS}"));
    }
    offers
}

fn check_pool(text: &Text, within: Option<Ipv4Net>, report: &mut Report<'_>) -> Option<(Ipv4Addr, Ipv4Addr)> {
    let At { value, at } = text.as_ref()?;
    let key = "dhcp.pool";
    let Some((first, last)) = words::range(value) else {
        let what = format!("{} is not a range of addresses", echo(value));
        report.add(*at, key, what, "write first and last with a hyphen between them, as in \"10.0.0.10-10.0.0.128\"");
        return None;
    };
    if first > last {
        report.add(
            *at,
            key,
            format!("the first address {first} is above the last one {last}"),
            format!("write {last}-{first}"),
        );
        return None;
    }
    let lan = within?;
    let (low, high) = words::default_pool(lan);
    let cure = format!("write a range inside it, such as {low}-{high}");
    let outside = [first, last].into_iter().find(|address| !lan.contains(*address));
    let special = [first, last].into_iter().find(|address| !lan.is_host(*address));
    let size = last.to_bits().saturating_sub(first.to_bits()).saturating_add(1);
    let (what, cure) = if let Some(address) = outside {
        (format!("{address} lies outside the LAN {lan}"), cure)
    } else if let Some(address) = special {
        (format!("{address} is the first or last address of the LAN {lan}, which no machine may have"), cure)
    } else if (first..=last).contains(&lan.address()) {
        (
            format!("the range holds the gateway's own address {}", lan.address()),
            format!("write a range beside it, such as {low}-{high}"),
        )
    } else if size > MAX_POOL {
        (
            format!("the range has {size} addresses, and the gateway leases at most {MAX_POOL}"),
            String::from("write a smaller range"),
        )
    } else {
        return Some((first, last));
    };
    report.add(*at, key, what, cure);
    None
}

pub(super) fn check_lease(text: &Text, key: &str, report: &mut Report<'_>) -> Option<Duration> {
    let At { value, at } = text.as_ref()?;
    let Some(lease) = words::duration(value) else {
        let what = format!("{} is not a time", echo(value));
        report.add(*at, key, what, "write a number and s, m, h or d, such as \"30m\", \"12h\" or \"7d\"");
        return None;
    };
    let bad = if lease < MIN_LEASE {
        ("a lease shorter than 2 minutes keeps every machine busy asking", "write at least \"2m\"; \"12h\" is usual")
    } else if lease > MAX_LEASE {
        ("a lease is longer than 365 days", "write at most \"365d\"; \"12h\" is usual")
    } else {
        return Some(lease);
    };
    report.add(*at, key, bad.0, bad.1);
    None
}
