//! `uplink.wifi`: the networks that may be joined. Nothing of a passphrase goes into a message, not even its length.

use super::MAX_WIFI;
use super::problem::{Report, echo};
use super::raw::{At, Section, Text};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// The keys of one entry.
pub(super) const KEYS: &[&str] = &["ssid", "passphrase", "priority", "hidden", "security"];

/// The highest priority.
const MAX_PRIORITY: i64 = 100;

/// One Wi-Fi network that may be joined.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct WifiNetwork {
    /// The network's name, 1 to 32 bytes.
    pub ssid: String,
    /// The passphrase, 8 to 63 characters; `None` for an open network.
    pub passphrase: Option<String>,
    /// 0 to 100: of the networks in sight the one with the highest is joined.
    pub priority: u8,
    /// It does not say its name: it has to be asked for.
    pub hidden: bool,
    /// What the access point must offer.
    pub security: WifiSecurity,
}

/// What the access points of a network with a passphrase must offer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WifiSecurity {
    /// WPA2 or WPA3, whichever works best.
    #[default]
    Any,
    /// WPA2 only, also where WPA3 is offered.
    Wpa2,
    /// WPA3 only: an access point that offers less is not joined.
    Wpa3,
}

impl core::fmt::Debug for WifiNetwork {
    /// Secrets never reach a log, not even a debug one.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let passphrase = self.passphrase.as_ref().map(|_| "(secret)");
        f.debug_struct("WifiNetwork")
            .field("ssid", &self.ssid)
            .field("passphrase", &passphrase)
            .field("priority", &self.priority)
            .field("hidden", &self.hidden)
            .field("security", &self.security)
            .finish()
    }
}

/// One entry as it stands in the file.
pub(super) struct RawWifi {
    at: usize,
    ssid: Text,
    passphrase: Text,
    priority: Option<At<i64>>,
    hidden: bool,
    security: Text,
    /// A key is there but unusable: it has been reported.
    broken: bool,
}

/// Reads one entry.
pub(super) fn read(at: usize, entry: &mut Section<'_, '_, '_>) -> RawWifi {
    let (ssid, passphrase) = (entry.text("ssid"), entry.text("passphrase"));
    let broken = (ssid.is_none() && entry.has("ssid")) || (passphrase.is_none() && entry.has("passphrase"));
    let (priority, security) = (entry.number("priority"), entry.text("security"));
    let hidden = entry.switch("hidden").unwrap_or(false);
    RawWifi { at, ssid, passphrase, priority, hidden, security, broken }
}

/// Checks the list.
pub(super) fn check(list: &[RawWifi], report: &mut Report<'_>) -> Vec<WifiNetwork> {
    let mut networks: Vec<WifiNetwork> = Vec::new();
    for entry in list {
        let Some(network) = check_one(entry, report) else { continue };
        if networks.iter().any(|other| other.ssid == network.ssid) {
            let what = format!("the network {} stands in the list twice", echo(&network.ssid));
            report.add(entry.at, "uplink.wifi", what, "keep one of them");
        } else if networks.len() == MAX_WIFI {
            report.add(entry.at, "uplink.wifi", format!("there are more than {MAX_WIFI} networks"), "remove some");
            break;
        } else {
            networks.push(network);
        }
    }
    networks
}

fn check_one(entry: &RawWifi, report: &mut Report<'_>) -> Option<WifiNetwork> {
    let Some(ssid) = &entry.ssid else {
        if !entry.broken {
            let cure = "add ssid = \"NAME\" with the name of the network";
            report.add(entry.at, "uplink.wifi", "an entry has no network name", cure);
        }
        return None;
    };
    if ssid.value.is_empty() || ssid.value.len() > 32 {
        let cure = "write the name exactly as your access point shows it";
        report.add(ssid.at, "uplink.wifi.ssid", "a network name has 1 to 32 bytes", cure);
        return None;
    }
    if let Some(passphrase) = &entry.passphrase {
        let sound =
            (8..=63).contains(&passphrase.value.len()) && passphrase.value.bytes().all(|b| (0x20..0x7f).contains(&b));
        if !sound {
            let what = "a passphrase has 8 to 63 characters, all of them on an English keyboard";
            let cure = "check it, or leave it out if the network is open";
            report.add(passphrase.at, "uplink.wifi.passphrase", what, cure);
            return None;
        }
    }
    Some(WifiNetwork {
        ssid: ssid.value.clone(),
        passphrase: entry.passphrase.as_ref().map(|passphrase| passphrase.value.clone()),
        priority: check_priority(entry, report)?,
        hidden: entry.hidden,
        security: check_security(entry, report)?,
    })
}

fn check_priority(entry: &RawWifi, report: &mut Report<'_>) -> Option<u8> {
    let Some(At { value, at }) = entry.priority else { return Some(0) };
    let priority = u8::try_from(value).ok().filter(|_| value <= MAX_PRIORITY);
    if priority.is_none() {
        let what = format!("a priority is a number from 0 to {MAX_PRIORITY}");
        report.add(at, "uplink.wifi.priority", what, "give the network that you prefer the higher one");
    }
    priority
}

fn check_security(entry: &RawWifi, report: &mut Report<'_>) -> Option<WifiSecurity> {
    let key = "uplink.wifi.security";
    let Some(At { value, at }) = &entry.security else { return Some(WifiSecurity::Any) };
    let security = match value.as_str() {
        "wpa2" => WifiSecurity::Wpa2,
        "wpa3" => WifiSecurity::Wpa3,
        _ => {
            let cure = "write \"wpa2\" or \"wpa3\", or leave it out for whichever works best";
            // It may be the passphrase, in the wrong place.
            report.add(*at, key, "this is no kind of Wi-Fi security that is known here", cure);
            return None;
        }
    };
    if entry.passphrase.is_none() {
        let cure = "add a passphrase, or leave security out if the network is open";
        report.add(*at, key, "an open network has no security", cure);
        return None;
    }
    Some(security)
}
