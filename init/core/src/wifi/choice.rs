//! Which access point to join, and how: what a scan saw against what is configured.
//!
//! The highest priority wins. Among equals an access point that can be heard well beats one that can't, then signal counts,
//! with a little more for the roomier band, for protected management frames and for the one that served last.
//!
//! **WPA2 and WPA3 side by side** (transition mode): on a driver that leaves authentication to us, WPA3 is used, and WPA2
//! only for a while after WPA3 failed twice for another reason than the passphrase. On a radio whose firmware
//! authenticates, WPA2 is used: the firmware of the Pi's own chips has crashed over WPA3. `security = "wpa3"` in the
//! configuration settles it either way.

use super::crypto::Akm;
use super::element::{self, RSN, SSID};
use super::input::{Bss, Radio};
use super::rsn::{self, BIP_CMAC, CCMP, RSNX, Rsn};
use super::settings::{Network, Settings};
use crate::config::WifiSecurity;
use crate::net::MacAddr;
use alloc::string::String;
use alloc::vec::Vec;

/// Privacy bit of the capability information field (section 9.4.1.4).
const PRIVACY: u16 = 1 << 4;

/// Below this an access point is joined only if there is no other, dBm.
pub(super) const WEAK: i8 = -80;

/// An access point in sight, as far as it matters later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// Its network's name; empty if it does not say.
    pub ssid: Vec<u8>,
    /// Its address.
    pub bssid: MacAddr,
    /// Its channel, MHz.
    pub frequency: u32,
    /// dBm
    pub signal: i8,
    /// What it offers, for a person.
    pub offers: &'static str,
    /// The configured network that it belongs to.
    pub network: Option<usize>,
    /// An earlier scan saw it, and the last one did not look at its channel.
    pub stale: bool,
    /// How it can be joined, or why it can't.
    pub plan: Result<Plan, Refusal>,
}

/// How to join an access point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// `None` for an open network.
    pub akm: Option<Akm>,
    /// Management frames are protected.
    pub mfp: bool,
    /// The access point insists on that.
    pub mfp_required: bool,
    /// SAE by hash to element.
    pub hash_to_element: bool,
    /// WPA2 would do too.
    pub mixed: bool,
    /// The beacon's RSN element, header and all.
    pub rsn: Vec<u8>,
    /// The beacon's RSN extension, header and all.
    pub rsnx: Option<Vec<u8>>,
}

/// Why an access point of a known network is not joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Not a configured network.
    Unknown,
    /// A passphrase is configured and the access point has no encryption: perhaps somebody else's.
    Open,
    /// Encrypted, and no passphrase is configured.
    NeedsPassphrase,
    /// WEP, WPA 1, or TKIP.
    Outdated,
    /// It insists on protected management frames, and the radio can't.
    NoProtection,
    /// Nothing that the configuration allows and the radio can.
    Security,
    /// WPA3 in its first form does not tie the passphrase to the network's name, and another network has the same passphrase
    /// (CVE-2023-52424).
    SharedPassphrase,
}

impl Refusal {
    /// For a person, after "not joined: ".
    pub fn text(self) -> &'static str {
        match self {
            Refusal::Unknown => "not in the configuration",
            Refusal::Open => "it has no encryption, but a passphrase is configured",
            Refusal::NeedsPassphrase => "it is encrypted, and the configuration has no passphrase for it",
            Refusal::Outdated => "it offers only outdated encryption (WEP, WPA or TKIP)",
            Refusal::NoProtection => "it insists on protected management frames, which this radio cannot do",
            Refusal::Security => "it offers no security that the configuration allows and this radio can do",
            Refusal::SharedPassphrase => {
                "its old form of WPA3 is not safe while another configured network has the same passphrase"
            }
        }
    }
}

/// What a result of a scan means. `no_sae` says for a network whether WPA3 is given up for now.
pub(super) fn look(bss: &Bss, settings: &Settings, radio: &Radio, no_sae: impl Fn(usize) -> bool) -> Seen {
    let ssid = element::find(&bss.elements, SSID).filter(|ssid| ssid.len() <= 32).unwrap_or_default();
    let network = settings.networks.iter().position(|network| network.ssid.as_bytes() == ssid);
    let rsn = element::find(&bss.elements, RSN).and_then(Rsn::parse);
    let plan = match network.and_then(|index| settings.networks.get(index).map(|network| (index, network))) {
        None => Err(Refusal::Unknown),
        Some((index, network)) => plan(bss, rsn.as_ref(), network, settings, radio, no_sae(index)),
    };
    let offers = offers(bss, rsn.as_ref());
    Seen {
        ssid: ssid.to_vec(),
        bssid: bss.bssid,
        frequency: bss.frequency,
        signal: bss.signal,
        offers,
        network,
        stale: false,
        plan,
    }
}

fn offers(bss: &Bss, rsn: Option<&Rsn>) -> &'static str {
    match rsn {
        None if bss.capability & PRIVACY == 0 => "open",
        None => "WEP or WPA",
        Some(rsn) => match (rsn.has(Akm::Sae), rsn.has(Akm::Psk) || rsn.has(Akm::PskSha256)) {
            (true, true) => "WPA2 and WPA3",
            (true, false) => "WPA3",
            (false, true) => "WPA2",
            (false, false) => "enterprise",
        },
    }
}

fn plan(
    bss: &Bss,
    rsn: Option<&Rsn>,
    network: &Network,
    settings: &Settings,
    radio: &Radio,
    no_sae: bool,
) -> Result<Plan, Refusal> {
    let Some(passphrase) = &network.passphrase else {
        let open = rsn.is_none() && bss.capability & PRIVACY == 0;
        return if open { Ok(Plan::open()) } else { Err(Refusal::NeedsPassphrase) };
    };
    let Some(rsn) = rsn else {
        return Err(if bss.capability & PRIVACY == 0 { Refusal::Open } else { Refusal::Outdated });
    };
    if !rsn.pairwise.contains(&CCMP) || rsn.group != CCMP {
        return Err(Refusal::Outdated);
    }
    let mfp = rsn.mfp_capable && rsn.group_management == BIP_CMAC && radio.ciphers.contains(&BIP_CMAC);
    if rsn.mfp_required && !mfp {
        return Err(Refusal::NoProtection);
    }
    let hash_to_element = rsn::knows_hash_to_element(&bss.elements);
    let shared = settings.networks.iter().filter(|other| other.passphrase.as_ref() == Some(passphrase)).count() > 1;
    let sae = rsn.has(Akm::Sae) && radio.sae && mfp && network.security != WifiSecurity::Wpa2;
    let sae_safe = sae && (hash_to_element || !shared);
    let psk = match network.security {
        WifiSecurity::Wpa3 => None,
        _ if rsn.has(Akm::PskSha256) => Some(Akm::PskSha256),
        _ => Some(Akm::Psk).filter(|akm| rsn.has(*akm)),
    };
    let prefer_sae = sae_safe && (psk.is_none() || (radio.authenticate && !no_sae));
    let Some(akm) = (if prefer_sae { Some(Akm::Sae) } else { psk }) else {
        return Err(if sae { Refusal::SharedPassphrase } else { Refusal::Security });
    };
    Ok(Plan {
        akm: Some(akm),
        mfp,
        mfp_required: rsn.mfp_required || akm == Akm::Sae && psk.is_none(),
        hash_to_element,
        mixed: psk.is_some(),
        rsn: rsn::whole(&bss.elements, RSN).unwrap_or_default(),
        rsnx: rsn::whole(&bss.elements, RSNX),
    })
}

impl Plan {
    fn open() -> Self {
        Self {
            akm: None,
            mfp: false,
            mfp_required: false,
            hash_to_element: false,
            mixed: false,
            rsn: Vec::new(),
            rsnx: None,
        }
    }

    /// The elements of our association request that the handshake repeats.
    pub fn request(&self) -> Vec<u8> {
        let Some(akm) = self.akm else { return Vec::new() };
        let mut elements = rsn::request(akm, CCMP, self.mfp, self.mfp_required);
        if akm == Akm::Sae && self.hash_to_element {
            elements.extend(rsn::request_extension());
        }
        elements
    }
}

impl Seen {
    /// For comparing candidates of one radio; higher is better.
    pub fn rank(&self, settings: &Settings, last_good: Option<MacAddr>) -> (u8, bool, i16) {
        let priority =
            self.network.and_then(|index| settings.networks.get(index)).map_or(0, |network| network.priority);
        (priority, self.signal >= WEAK, self.score(last_good))
    }

    /// Signal and what is worth as much, dB.
    pub fn score(&self, last_good: Option<MacAddr>) -> i16 {
        // Above -50 dBm more signal brings nothing.
        let signal = i16::from(self.signal.min(-50));
        let band = if self.frequency > 4000 && self.signal >= -70 { 8 } else { 0 };
        let protected = if self.plan.as_ref().is_ok_and(|plan| plan.mfp) { 2 } else { 0 };
        let known = if last_good == Some(self.bssid) { 4 } else { 0 };
        signal + band + protected + known
    }

    /// The network's name for a person.
    pub fn name(&self) -> String {
        if self.ssid.iter().all(|byte| *byte == 0) { String::from("(hidden)") } else { element::printable(&self.ssid) }
    }
}
