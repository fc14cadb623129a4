//! The gateway's own station on the radio, through every case that the stranger passed.

use crate::bed::test;
use crate::cases::{Home, NETWORKS, all, preferred_appears};
use anyhow::Context;
use qemu::wifi::Known;
use std::fmt::Write as _;

/// gateway.toml for these networks.
fn config(networks: &[Known<'_>]) -> String {
    let mut text = String::from("[uplink]\ninterface = \"wlan0\"\ncountry = \"US\"\nwifi = [\n");
    for known in networks {
        let _ = write!(text, "    {{ ssid = \"{}\"", known.ssid);
        if let Some(passphrase) = known.passphrase {
            let _ = write!(text, ", passphrase = \"{passphrase}\"");
        }
        if known.priority > 0 {
            let _ = write!(text, ", priority = {}", known.priority);
        }
        if known.hidden {
            text.push_str(", hidden = true");
        }
        text.push_str(" },\n");
    }
    text + "]\n"
}

#[test]
fn the_gateways_own_station_passes_every_case() {
    test("the_gateways_own_station_passes_every_case", &config(&NETWORKS), |bed| {
        let mut home = Home::new(bed)?;
        all(&mut home)?;
        preferred_appears(&mut home).context("a preferred network appears")
    });
}
