//! The lab proves itself first, with strangers on both sides: Debian's wpa_supplicant on the gateway's radio joins Debian's
//! hostapd and gets an address from dnsmasq on the host. A station of ours that fails later fails for reasons of its own.

use crate::access_point::{Air, Security};
use crate::bed::{Bed, SOON, test};
use anyhow::{Context, Result, ensure};

/// The card's system leaves the radio alone.
const CONFIG: &str = "[uplink]\ninterface = \"eth9\"\n";

#[test]
fn a_stranger_joins_and_gets_an_address() {
    test("a_stranger_joins_and_gets_an_address", CONFIG, |bed| {
        let (psk, sae) = (r#"psk="correct horse""#, r#"ieee80211w=2\nsae_password="correct horse""#);
        for (security, network) in [
            (Security::Open, "key_mgmt=NONE".to_owned()),
            (Security::Wpa2, format!("key_mgmt=WPA-PSK\\n{psk}")),
            (Security::Wpa2Mfp, format!("key_mgmt=WPA-PSK-SHA256\\nieee80211w=2\\n{psk}")),
            (Security::Wpa3, format!("key_mgmt=SAE\\n{sae}")),
            (Security::Wpa3Clogged, format!("key_mgmt=SAE\\n{sae}")),
            (Security::Transition, format!("key_mgmt=SAE\\n{sae}")),
        ] {
            let air = Air::new("wlan1", "lab", security, "correct horse");
            air.start(bed)?;
            join(bed, &network).with_context(|| format!("{security:?}"))?;
            air.cut(bed)?;
        }
        Ok(())
    });
}

/// Puts wpa_supplicant and udhcpc on the gateway's radio, and takes them away again. Lines of `network` are divided by `\n`, as
/// printf takes them.
fn join(bed: &mut Bed, network: &str) -> Result<()> {
    let text = format!(r#"sae_pwe=1\nnetwork={{\nssid="lab"\n{network}\n}}\n"#);
    bed.air(&format!("printf '%b' '{text}' >/run/station.conf; : >/run/station.log"))?;
    bed.air("outside wpa_supplicant -B -t -i wlan0 -c /run/station.conf -P /run/station.pid -f /run/station.log")?;
    bed.vm.until("a stranger to join", SOON, |vm| {
        let said = vm.helper()?.run("cat /run/station.log", SOON)?;
        Ok(said.contains("CTRL-EVENT-CONNECTED").then_some(()))
    })?;
    let said = bed.air("outside udhcpc -i wlan0 -n -q -t 10 -T 1 -s /bin/true")?;
    let leased = bed.lab.uplink().gateway_address().context("dnsmasq leased nothing")?;
    ensure!(said.contains(&leased.to_string()), "udhcpc says:\n{said}");
    bed.air("kill $(cat /run/station.pid); while [ -e /run/station.pid ]; do sleep 0.1; done").map(drop)
}
