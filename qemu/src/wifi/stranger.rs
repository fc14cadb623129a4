//! Somebody else's station: Debian's wpa_supplicant on the gateway's radio. It proves the lab, and is what ours is measured
//! against.

use super::{run, write};
use crate::vm::Vm;
use anyhow::Result;

/// A network that a station may join.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// Its name.
    pub ssid: &'a str,
    /// None for an open network.
    pub passphrase: Option<&'a str>,
    /// The highest in sight is joined.
    pub priority: u8,
    /// It does not say its name.
    pub hidden: bool,
}

impl<'a> Known<'a> {
    /// With a passphrase and nothing special.
    #[must_use]
    pub fn new(ssid: &'a str, passphrase: &'a str) -> Self {
        Self { ssid, passphrase: Some(passphrase), priority: 0, hidden: false }
    }
}

/// wpa_supplicant.
#[derive(Clone, Copy, Debug)]
pub struct Stranger;

impl Stranger {
    /// Starts it for these networks; it joins whatever comes into sight. `more`: further lines of its configuration.
    ///
    /// # Errors
    /// It does not start.
    pub fn start(vm: &mut Vm, networks: &[Known<'_>], more: &str) -> Result<Self> {
        write(vm, "/run/station.conf", [&text(networks), more].concat().as_bytes())?;
        run(vm, "outside wpa_supplicant -B -t -i wlan0 -c /run/station.conf -P /run/station.pid -f /run/station.log")?;
        Ok(Self)
    }

    /// Its log.
    ///
    /// # Errors
    /// The guest is off.
    pub fn log(self, vm: &mut Vm) -> Result<String> {
        run(vm, "cat /run/station.log")
    }

    /// Ends it.
    ///
    /// # Errors
    /// It does not run.
    pub fn stop(self, vm: &mut Vm) -> Result<()> {
        run(vm, "kill $(cat /run/station.pid); while [ -e /run/station.pid ]; do sleep 0.1; done; rm /run/station.log")
            .map(drop)
    }
}

fn text(networks: &[Known<'_>]) -> String {
    let mut text = String::from("ctrl_interface=/run/station\ncountry=US\nsae_pwe=2\n");
    for known in networks {
        let keys = match known.passphrase {
            None => "key_mgmt=NONE".to_owned(),
            Some(psk) => format!("key_mgmt=SAE WPA-PSK-SHA256 WPA-PSK\nieee80211w=1\npsk=\"{psk}\""),
        };
        let (ssid, hidden, priority) = (known.ssid, u8::from(known.hidden), known.priority);
        text.push_str(&format!("network={{\nssid=\"{ssid}\"\nscan_ssid={hidden}\npriority={priority}\n{keys}\n}}\n"));
    }
    text
}
