//! The image in QEMU beside emulated radios (mac80211_hwsim of the card's own kernel) and Debian's hostapd.
//!
//! ```text
//!                          ┌──────────────── guest ────────────────┐
//!  LAN clients ─ tap ─ eth0│ the card: gatepost ── wlan0 )))       │
//!                          │ helper, apart:    ((( wlan1… hostapd  │
//!                          │                        br0 ── eth1    │─ tap ─ dnsmasq, web server
//!                          └───────────────────────────────────────┘
//! ```
//!
//! The card is the very file that a user flashes. The helper travels in a second initramfs (`cargo xtask test wifi` builds it,
//! tests/wifi/lab are its scripts): it makes the radios, takes all but the first and the uplink's cable into a network namespace
//! of its own, and becomes the card's `/init`. Several cases share a boot, because booting costs more than any of them.

mod bed;
mod cases;
mod lab_itself;
mod ours;
mod seed;
