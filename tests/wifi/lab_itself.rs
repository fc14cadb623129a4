//! The lab proves itself first, with strangers on both sides: Debian's wpa_supplicant holds the gateway's radio, Debian's hostapd
//! is the access point, and the gateway treats wlan0 as any other cable. Every case goes as far as a transfer of a LAN client. A
//! station of ours that fails one of them later fails for reasons of its own.

use crate::bed::test;
use crate::cases::{Home, NETWORKS, all};
use qemu::wifi::Stranger;

/// The gateway leaves the radio to the stranger.
const CONFIG: &str = "[uplink]\ninterface = \"wlan0\"\n";

#[test]
fn a_stranger_on_the_radio_passes_every_case() {
    test("a_stranger_on_the_radio_passes_every_case", CONFIG, |bed| {
        let mut home = Home::new(bed)?;
        let stranger = Stranger::start(&mut home.bed.vm, &NETWORKS)?;
        all(&mut home)?;
        stranger.stop(&mut home.bed.vm)
    });
}
