//! Access points: Debian's hostapd on one of the helper's radios, with its configuration as one would write it.

use super::{SOON, run, write};
use crate::vm::Vm;
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
    /// The network's name.
    pub ssid: &'a str,
    /// What it wants of its stations.
    pub security: Security,
    /// For all but open networks.
    pub passphrase: &'a str,
    /// A channel of 2.4 GHz.
    pub channel: u8,
    /// Further lines of hostapd.conf.
    pub more: &'a str,
}

impl<'a> Air<'a> {
    /// On channel 1, with nothing special.
    #[must_use]
    pub fn new(radio: &'a str, ssid: &'a str, security: Security, passphrase: &'a str) -> Self {
        Self { radio, ssid, security, passphrase, channel: 1, more: "" }
    }

    /// hostapd.conf.
    fn text(&self) -> String {
        let wpa2 = format!("wpa=2\nrsn_pairwise=CCMP\nwpa_passphrase={}", self.passphrase);
        let wpa3 = "wpa_key_mgmt=SAE\nieee80211w=2\nsae_pwe=1";
        let security = match self.security {
            Security::Open => String::new(),
            Security::Wpa2 => format!("{wpa2}\nwpa_key_mgmt=WPA-PSK"),
            Security::Wpa2Mfp => format!("{wpa2}\nwpa_key_mgmt=WPA-PSK-SHA256\nieee80211w=2"),
            Security::Wpa3 => format!("{wpa2}\n{wpa3}"),
            Security::Wpa3Clogged => format!("{wpa2}\n{wpa3}\nsae_anti_clogging_threshold=0"),
            Security::Transition => {
                format!("{wpa2}\nwpa_key_mgmt=WPA-PSK SAE\nieee80211w=1\nsae_pwe=2\nsae_require_mfp=1")
            }
        };
        format!(
            "interface={}\nbridge=br0\ndriver=nl80211\nctrl_interface=/run/hostapd\nssid={}\nhw_mode=g\nchannel={}\n\
             {security}\n{}\n",
            self.radio, self.ssid, self.channel, self.more
        )
    }

    /// Starts hostapd and waits until the access point is on the air.
    ///
    /// # Errors
    /// It is not within a minute.
    pub fn start(&self, vm: &mut Vm) -> Result<()> {
        let radio = self.radio;
        run(vm, "mkdir -p /run/hostapd")?;
        write(vm, &format!("/run/{radio}.conf"), self.text().as_bytes())?;
        run(vm, &format!("hostapd -B -t -P /run/{radio}.pid -f /run/{radio}.log /run/{radio}.conf"))?;
        vm.until(&format!("an access point on {radio}"), SOON, |vm| {
            let said = run(vm, &format!("cat /run/{radio}.log"))?;
            Ok(said.contains("AP-ENABLED").then_some(()))
        })
    }

    /// Pulls the access point's plug: no farewell to its stations.
    ///
    /// # Errors
    /// It does not run.
    pub fn cut(&self, vm: &mut Vm) -> Result<()> {
        let radio = self.radio;
        // The radio first: what hostapd's death would still send does not get out.
        run(vm, &format!("ip link set {radio} down; kill -9 $(cat /run/{radio}.pid); rm /run/{radio}.log")).map(drop)
    }

    /// Kills hostapd and starts it again at once: the same access point, which remembers nobody.
    ///
    /// # Errors
    /// It does not run, or is not back within a minute.
    pub fn restart(&self, vm: &mut Vm) -> Result<()> {
        run(vm, &format!("kill -9 $(cat /run/{0}.pid); rm /run/{0}.log", self.radio))?;
        self.start(vm)
    }

    /// Says a word to hostapd, as hostapd_cli takes it.
    ///
    /// # Errors
    /// hostapd does not run or does not like it.
    pub fn tell(&self, vm: &mut Vm, words: &str) -> Result<String> {
        run(vm, &format!("hostapd_cli -p /run/hostapd -i {} {words}", self.radio))
    }

    /// How often its log has this text.
    ///
    /// # Errors
    /// The guest is off.
    pub fn said(&self, vm: &mut Vm, text: &str) -> Result<usize> {
        Ok(run(vm, &format!("cat /run/{}.log", self.radio))?.matches(text).count())
    }
}
