//! Access points: Debian's hostapd on one of the helper's radios, with its configuration as one would write it.

use crate::bed::{Bed, SOON};
use anyhow::Result;

/// What a network wants of its stations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// Nothing.
    Open,
    /// WPA2-PSK with CCMP; management frames unprotected.
    Wpa2,
    /// WPA2-PSK; only stations that protect management frames.
    Wpa2Mfp,
    /// WPA3-SAE by hash to element only.
    Wpa3,
    /// The same, and every station must answer an anti-clogging token.
    Wpa3Clogged,
    /// WPA2 and WPA3 under one name.
    Transition,
}

/// One access point.
#[derive(Clone, Copy, Debug)]
pub struct Air<'a> {
    /// Its radio: `wlan1`, `wlan2` or `wlan3`.
    pub radio: &'a str,
    pub ssid: &'a str,
    pub security: Security,
    pub passphrase: &'a str,
    /// A channel of 2.4 GHz.
    pub channel: u8,
    /// Further lines of hostapd.conf.
    pub more: &'a str,
}

impl<'a> Air<'a> {
    /// On channel 1, with nothing special.
    pub fn new(radio: &'a str, ssid: &'a str, security: Security, passphrase: &'a str) -> Self {
        Self { radio, ssid, security, passphrase, channel: 1, more: "" }
    }

    /// hostapd.conf.
    fn text(&self) -> String {
        let (sae, psk) = ("sae_pwe=1\nsae_require_mfp=1", format!("wpa_passphrase={}", self.passphrase));
        let wpa2 = format!("wpa=2\nrsn_pairwise=CCMP\n{psk}");
        let security = match self.security {
            Security::Open => String::new(),
            Security::Wpa2 => format!("{wpa2}\nwpa_key_mgmt=WPA-PSK"),
            Security::Wpa2Mfp => format!("{wpa2}\nwpa_key_mgmt=WPA-PSK-SHA256\nieee80211w=2"),
            Security::Wpa3 => format!("{wpa2}\nwpa_key_mgmt=SAE\nieee80211w=2\n{sae}"),
            Security::Wpa3Clogged => {
                format!("{wpa2}\nwpa_key_mgmt=SAE\nieee80211w=2\n{sae}\nsae_anti_clogging_threshold=0")
            }
            Security::Transition => {
                format!("{wpa2}\nwpa_key_mgmt=WPA-PSK SAE\nieee80211w=1\nsae_pwe=2\nsae_require_mfp=1")
            }
        };
        format!(
            "interface={}\nbridge=br0\ndriver=nl80211\nctrl_interface=/run/hostapd\ncountry_code=US\nssid={}\nhw_mode=g\n\
             channel={}\n{security}\n{}\n",
            self.radio, self.ssid, self.channel, self.more
        )
    }

    /// Starts hostapd and waits until the access point is on the air.
    pub fn start(&self, bed: &mut Bed) -> Result<()> {
        let radio = self.radio;
        let text = self.text().replace('\\', "\\\\").replace('\'', "'\\''").replace('\n', "\\n");
        bed.air(&format!("mkdir -p /run/hostapd; printf '%b' '{text}' >/run/{radio}.conf"))?;
        bed.air(&format!("hostapd -B -t -P /run/{radio}.pid -f /run/{radio}.log /run/{radio}.conf"))?;
        bed.vm.until(&format!("an access point on {radio}"), SOON, |vm| {
            let said = vm.helper()?.run(&format!("cat /run/{radio}.log"), SOON)?;
            Ok(said.contains("AP-ENABLED").then_some(()))
        })
    }

    /// Pulls the access point's plug: no farewell to its stations.
    pub fn cut(&self, bed: &mut Bed) -> Result<()> {
        let radio = self.radio;
        bed.air(&format!("kill -9 $(cat /run/{radio}.pid); ip link set {radio} down")).map(drop)
    }
}
