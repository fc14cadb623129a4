//! The lab proves itself first, with strangers on both sides: Debian's wpa_supplicant holds the gateway's radio, Debian's hostapd
//! is the access point, and the gateway treats wlan0 as any other cable. A few cases, as far as a transfer of a LAN client; it passes the
//! others as well, which took too long to try each time. A station of ours that fails one fails for reasons of its own.

use crate::bed::test;
use crate::cases::{Home, NETWORKS, few};
use qemu::wifi::Stranger;

/// The gateway leaves the radio to the stranger.
const CONFIG: &str = "[uplink]\ninterface = \"wlan0\"\n";

#[test]
fn a_stranger_on_the_radio_joins_and_carries_the_lan() {
    test("a_stranger_on_the_radio_joins_and_carries_the_lan", CONFIG, |bed| {
        let mut home = Home::new(bed)?;
        // It would look at a hundred channels each time, those of 6 GHz among them.
        let stranger = Stranger::start(&mut home.bed.vm, &NETWORKS, "freq_list=2412 2437\n")?;
        few(&mut home)?;
        stranger.stop(&mut home.bed.vm)
    });
}
