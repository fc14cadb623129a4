//! What the station remembers: master keys across restarts, and who failed lately.
//!
//! The record on the config partition:
//!
//! ```text
//! "gpwifi1\n", then for each network
//! 1 byte   length of the name, 1 to 32
//!          the name
//! 16 bytes tag: HMAC-SHA-256 of the passphrase under the master key, cut
//! 32 bytes the master key
//! ```
//!
//! The tag says whether the passphrase in `gateway.toml` is still the one that the key was made of. Whoever holds the card
//! has the passphrase anyway; a key whose tag does not fit is not used.

use super::crypto::{hmac, same};
use super::element;
use super::secret::Secret;
use super::settings::Settings;
use crate::net::MacAddr;
use crate::time::{Duration, Instant};
use alloc::vec::Vec;
use hmac::Hmac;
use sha2::Sha256;
use zeroize::Zeroizing;

const MAGIC: &[u8] = b"gpwifi1\n";

/// The most access points whose failures are remembered; the oldest is forgotten first.
pub(super) const MAX_FAILURES: usize = 32;

/// Master keys by network, for the networks of the settings only.
#[derive(Debug, Default)]
pub(super) struct Keys(Vec<(Vec<u8>, Secret)>);

impl Keys {
    /// Reads a record; what does not belong to a configured network and its passphrase is left out.
    pub fn new(record: Option<&[u8]>, settings: &Settings) -> Self {
        let mut keys = Self::default();
        let mut rest = record.and_then(|record| record.strip_prefix(MAGIC)).unwrap_or_default();
        while let Some(([ssid, tag, pmk], after)) = entry(rest) {
            rest = after;
            let network = settings.networks.iter().find(|network| network.ssid.as_bytes() == ssid);
            if network.and_then(|network| network.passphrase.as_ref()).is_some_and(|word| same(&tag_of(pmk, word), tag))
            {
                keys.put(ssid, Secret::copy_of(pmk));
            }
        }
        keys
    }

    /// The key of a network.
    pub fn get(&self, ssid: &[u8]) -> Option<&Secret> {
        self.0.iter().find(|(name, _)| name == ssid).map(|(_, pmk)| pmk)
    }

    /// Remembers a key.
    pub fn put(&mut self, ssid: &[u8], pmk: Secret) {
        self.0.retain(|(name, _)| name != ssid);
        self.0.push((ssid.to_vec(), pmk));
    }

    /// The record.
    pub fn record(&self, settings: &Settings) -> Secret {
        let mut record = Zeroizing::new(MAGIC.to_vec());
        for network in &settings.networks {
            let ssid = network.ssid.as_bytes();
            let (Some(pmk), Some(word)) = (self.get(ssid), &network.passphrase) else { continue };
            record.push(u8::try_from(ssid.len()).unwrap_or_default());
            record.extend_from_slice(ssid);
            record.extend_from_slice(&tag_of(pmk.expose(), word));
            record.extend_from_slice(pmk.expose());
        }
        Secret::copy_of(&record)
    }
}

/// Name, tag and key of one entry, and what follows it.
fn entry(bytes: &[u8]) -> Option<([&[u8]; 3], &[u8])> {
    let (length, rest) = bytes.split_first()?;
    let (ssid, rest) = rest.split_at_checked(usize::from(*length)).filter(|_| (1..=32).contains(length))?;
    let (tag, rest) = rest.split_at_checked(16)?;
    let (pmk, rest) = rest.split_at_checked(32)?;
    Some(([ssid, tag, pmk], rest))
}

fn tag_of(pmk: &[u8], passphrase: &Secret) -> Vec<u8> {
    let mut tag = hmac::<Hmac<Sha256>>(pmk, &[b"gatepost passphrase", passphrase.expose()]);
    tag.truncate(16);
    tag
}

/// Access points that failed, and until when each is left alone.
#[derive(Debug, Default)]
pub(super) struct Failures(Vec<Failure>);

#[derive(Debug)]
struct Failure {
    bssid: MacAddr,
    count: u32,
    until: Instant,
}

impl Failures {
    /// Takes down a failure: the first costs `first`, each further one in a row twice as much, up to `most`. Returns how
    /// long the access point is left alone.
    pub fn add(&mut self, bssid: MacAddr, first: Duration, most: Duration, now: Instant) -> Duration {
        let count = self.0.iter().find(|failure| failure.bssid == bssid).map_or(0, |failure| failure.count);
        let pause = first.saturating_mul(1 << count.min(10)).min(most);
        self.clear(bssid);
        if self.0.len() >= MAX_FAILURES {
            self.0.remove(0);
        }
        self.0.push(Failure { bssid, count: count.saturating_add(1), until: now + pause });
        pause
    }

    /// It works again.
    pub fn clear(&mut self, bssid: MacAddr) {
        self.0.retain(|failure| failure.bssid != bssid);
    }

    /// Until when an access point is left alone; `None` if it is not.
    pub fn until(&self, bssid: MacAddr, now: Instant) -> Option<Instant> {
        self.0.iter().find(|failure| failure.bssid == bssid && failure.until > now).map(|failure| failure.until)
    }

    /// How many are remembered.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

/// A network's name as the log shows it, in quotes.
pub(super) fn quoted(ssid: &[u8]) -> alloc::string::String {
    alloc::format!("\"{}\"", element::printable(ssid))
}
