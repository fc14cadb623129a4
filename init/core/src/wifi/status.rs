//! What the station says to a person who asks.

use super::choice::Seen;
use super::joining::Phase;
use super::memory::quoted;
use super::{State, Station};
use crate::time::Instant;
use alloc::format;
use alloc::string::String;

/// Access points that are listed.
const MAX_LISTED: usize = 24;

/// The whole status, one line each.
pub(super) fn text(station: &Station, now: Instant) -> String {
    let mut text = format!("Wi-Fi    {}\n", doing(station, now));
    for trouble in station.trouble.iter().flatten() {
        text.push_str(&format!("         {trouble}\n"));
    }
    if station.settings.country.is_none() {
        text.push_str(
            "         no country is set: some channels may be missing; add country = \"..\" under [uplink]\n",
        );
    }
    if !station.seen.is_empty() {
        text.push_str("\nIn sight at the last look:\n");
    }
    for seen in station.seen.iter().take(MAX_LISTED) {
        text.push_str(&line(seen, station, now));
    }
    if station.seen.len() > MAX_LISTED {
        text.push_str(&format!("  and {} more\n", station.seen.len() - MAX_LISTED));
    }
    text
}

fn doing(station: &Station, now: Instant) -> String {
    match &station.state {
        State::Absent => String::from("no radio"),
        State::Idle { until } => {
            format!("not connected; looking again in {} s", until.since(now).as_secs().saturating_add(1))
        }
        State::Scanning { .. } => String::from("looking for networks"),
        State::Leaving { .. } => String::from("taking a connection down"),
        State::Joining(joining) => {
            let step = match joining.phase {
                Phase::Deriving => "working out the key",
                Phase::Authenticating { .. } => "proving the password",
                Phase::Associating { .. } => "associating",
                Phase::Handshake(_) => "exchanging keys",
            };
            format!("joining {} at {}: {step}", quoted(&joining.target.ssid), joining.target.bssid)
        }
        State::Up(up) => {
            let how = match up.target.plan.as_ref().ok().and_then(|plan| plan.akm) {
                None => "open",
                Some(super::crypto::Akm::Sae) => "WPA3",
                Some(_) => "WPA2",
            };
            let rate = station.quality.filter(|quality| quality.rate > 0);
            let rate = rate.map_or_else(String::new, |quality| format!(", {} Mbit/s", quality.rate / 10));
            let (name, bssid) = (quoted(&up.target.ssid), up.target.bssid);
            let (frequency, signal) = (up.target.frequency, up.target.signal);
            format!("connected to {name} at {bssid} ({how}), {frequency} MHz, {signal} dBm{rate}")
        }
    }
}

fn line(seen: &Seen, station: &Station, now: Instant) -> String {
    let here = matches!(&station.state, State::Up(up) if up.target.bssid == seen.bssid);
    let note = match (&seen.plan, station.failures.until(seen.bssid, now)) {
        _ if here => String::from("connected"),
        _ if seen.stale => String::from("heard earlier"),
        (Err(refusal), _) => String::from(refusal.text()),
        (Ok(_), Some(until)) => format!("failed; not before {} s", until.since(now).as_secs().saturating_add(1)),
        (Ok(_), None) => String::from("known"),
    };
    let (bssid, signal, frequency) = (seen.bssid, seen.signal, seen.frequency);
    format!("  {signal:>4} dBm  {frequency} MHz  {bssid}  {:<14} {}  {note}\n", seen.offers, seen.name())
}
