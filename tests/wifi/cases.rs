//! The cases, for whatever station holds the gateway's radio: each brings its own access points, goes as far as a transfer of a
//! LAN client through the gateway, and takes them away again.

use crate::bed::{Bed, ENOUGH, SOON};
use anyhow::{Context, Result, bail, ensure};
use qemu::lab::{Client, Program};
use qemu::wifi::{Air, Forger, Known, Security, run};
use std::time::Instant;

/// The passphrase of every network.
const PSK: &str = "correct horse battery";

/// The networks that the station knows.
pub const NETWORKS: [Known<'static>; 9] = [
    Known { ssid: "open", passphrase: None, priority: 0, hidden: false },
    Known { ssid: "wpa2", passphrase: Some(PSK), priority: 0, hidden: false },
    Known { ssid: "wpa2-mfp", passphrase: Some(PSK), priority: 0, hidden: false },
    Known { ssid: "wpa3", passphrase: Some(PSK), priority: 0, hidden: false },
    Known { ssid: "wpa3-clogged", passphrase: Some(PSK), priority: 0, hidden: false },
    Known { ssid: "transition", passphrase: Some(PSK), priority: 0, hidden: false },
    Known { ssid: "hidden", passphrase: Some(PSK), priority: 0, hidden: true },
    Known { ssid: "moving", passphrase: Some(PSK), priority: 0, hidden: false },
    Known { ssid: "wanted", passphrase: Some(PSK), priority: 9, hidden: false },
];

/// A gateway with a client on its LAN.
pub struct Home<'a> {
    pub bed: &'a mut Bed,
    alice: Client,
    _leases: Program,
    /// The access point of the case before, still on the air.
    on: Option<Air<'static>>,
}

impl<'a> Home<'a> {
    pub fn new(bed: &'a mut Bed) -> Result<Self> {
        // There is no uplink yet: nothing waits for it.
        let (alice, _, leases) = bed.leased("alice")?;
        Ok(Self { bed, alice, _leases: leases, on: None })
    }

    /// Puts an access point on the air, on the radio that is free, and then takes the last one away: the station moves at once
    /// instead of looking for networks in growing pauses.
    fn on_air(&mut self, air: Air<'static>) -> Result<Air<'static>> {
        let radio = self.on.as_ref().map_or("wlan1", other);
        let air = Air { radio, ..air };
        air.start(&mut self.bed.vm)?;
        if let Some(last) = self.on.replace(air) {
            last.cut(&mut self.bed.vm)?;
        }
        Ok(air)
    }

    /// A transfer over this access point, which must have the gateway's radio among its stations.
    fn crosses(&mut self, air: &Air<'_>) -> Result<tests::transfer::Transfer> {
        let transfer = self.bed.crosses(&self.alice)?;
        let there = stations(self, air)?;
        ensure!(there.contains(&wlan0(self)?), "the gateway is not at {}, which has:\n{there}", air.radio);
        Ok(transfer)
    }
}

/// One after the other.
pub fn all(home: &mut Home<'_>) -> Result<()> {
    for (name, case) in [
        ("every kind of security", every_security as fn(&mut Home<'_>) -> Result<()>),
        ("a hidden network", hidden),
        ("the access point goes and comes back", gone_and_back),
        ("the channel changes", channel_switch),
        ("the group key changes", group_rekey),
        ("forged farewells, protected", forged_farewells_protected),
        ("forged farewells, unprotected", forged_farewells_unprotected),
        ("the access point forgets its stations", forgetful),
        ("the nearer of two access points goes", nearer_goes),
        ("the country", country),
    ] {
        let started = Instant::now();
        case(home).with_context(|| name.to_owned())?;
        println!("{name}: {} s", started.elapsed().as_secs());
    }
    Ok(())
}

/// Enough to know that the lab is sound, with a station that is known to be good.
pub fn few(home: &mut Home<'_>) -> Result<()> {
    joined(home, "wpa2-mfp", Security::Wpa2Mfp)?;
    joined(home, "wpa3-clogged", Security::Wpa3Clogged)?;
    channel_switch(home).context("the channel changes")?;
    forged_farewells_unprotected(home).context("forged farewells, unprotected")
}

fn every_security(home: &mut Home<'_>) -> Result<()> {
    for (ssid, security) in [
        ("open", Security::Open),
        ("wpa2", Security::Wpa2),
        ("wpa2-mfp", Security::Wpa2Mfp),
        ("wpa3", Security::Wpa3),
        ("wpa3-clogged", Security::Wpa3Clogged),
        ("transition", Security::Transition),
    ] {
        joined(home, ssid, security)?;
    }
    Ok(())
}

fn joined(home: &mut Home<'_>, ssid: &'static str, security: Security) -> Result<()> {
    let started = Instant::now();
    let air = home.on_air(network(ssid, security))?;
    home.crosses(&air).with_context(|| format!("{security:?}"))?;
    println!("  {security:?}: {} s", started.elapsed().as_secs());
    Ok(())
}

fn network(ssid: &'static str, security: Security) -> Air<'static> {
    Air::new("wlan1", ssid, security, PSK)
}

fn hidden(home: &mut Home<'_>) -> Result<()> {
    let mut air = network("hidden", Security::Wpa2);
    air.more = "ignore_broadcast_ssid=1";
    let air = home.on_air(air)?;
    home.crosses(&air).map(drop)
}

fn gone_and_back(home: &mut Home<'_>) -> Result<()> {
    let air = home.on_air(network("wpa2", Security::Wpa2))?;
    let transfer = home.crosses(&air)?;
    air.cut(&mut home.bed.vm)?;
    silent(home, &transfer)?;
    let name = home.alice.run("dig", &["+short", "+time=3", "+tries=2", "gatepost"], SOON)?;
    ensure!(name.trim() == "10.0.0.1", "without an uplink the LAN's names are gone: “{name}”");
    air.start(&mut home.bed.vm)?;
    home.crosses(&air).map(drop)
}

/// The transfer stands still.
fn silent(home: &mut Home<'_>, transfer: &tests::transfer::Transfer) -> Result<()> {
    let mut last = (transfer.bytes(), Instant::now());
    home.bed.vm.until("the transfer to stand still", SOON, |_| {
        if transfer.bytes() != last.0 {
            last = (transfer.bytes(), Instant::now());
        }
        Ok((last.1.elapsed().as_secs() >= 2).then_some(()))
    })
}

fn channel_switch(home: &mut Home<'_>) -> Result<()> {
    let air = home.on_air(network("moving", Security::Wpa2))?;
    let transfer = home.crosses(&air)?;
    air.tell(&mut home.bed.vm, "chan_switch 5 2437")?;
    home.bed.vm.until("another channel", SOON, |vm| Ok((air.said(vm, "AP-CSA-FINISHED")? > 0).then_some(())))?;
    further(home, &transfer)?;
    let channel = run(&mut home.bed.vm, "outside iw dev wlan0 link")?;
    ensure!(channel.contains("freq: 2437"), "the station did not follow:\n{channel}");
    Ok(())
}

fn group_rekey(home: &mut Home<'_>) -> Result<()> {
    let mut air = network("wpa2", Security::Wpa2);
    air.more = "wpa_group_rekey=10";
    let air = home.on_air(air)?;
    let transfer = home.crosses(&air)?;
    home.bed.vm.until("two new group keys", SOON, |vm| {
        transfer.moved(0)?;
        Ok((air.said(vm, "WPA: group key handshake completed")? >= 2).then_some(()))
    })?;
    further(home, &transfer)?;
    ensure!(air.said(&mut home.bed.vm, "AP-STA-CONNECTED")? == 1, "the station had to join again");
    Ok(())
}

/// Forged frames in a flood, and what a station with protected management frames makes of them: nothing.
fn forged_farewells_protected(home: &mut Home<'_>) -> Result<()> {
    let air = home.on_air(network("wpa3", Security::Wpa3))?;
    let transfer = home.crosses(&air)?;
    forge(home, &air)?;
    further(home, &transfer)?;
    ensure!(air.said(&mut home.bed.vm, "AP-STA-CONNECTED")? == 1, "a forged frame ended the connection");
    Ok(())
}

/// Without protection the frames work, which shows that they are good; afterwards the station is back.
fn forged_farewells_unprotected(home: &mut Home<'_>) -> Result<()> {
    let air = home.on_air(network("wpa2", Security::Wpa2))?;
    drop(home.crosses(&air)?);
    forge(home, &air)?;
    home.bed
        .vm
        .until("the station to come back", SOON, |vm| Ok((air.said(vm, "AP-STA-CONNECTED")? > 1).then_some(())))?;
    home.crosses(&air).map(drop)
}

/// The access point starts anew so fast that no beacon is missed, and has no keys any more. What it says is not protected, so it
/// is not believed; that it does not answer a protected question is (IEEE 802.11-2020 section 11.13).
fn forgetful(home: &mut Home<'_>) -> Result<()> {
    let mut air = network("wpa2-mfp", Security::Wpa2Mfp);
    // The kernel below hostapd still has the keys and would protect a farewell.
    air.more = "broadcast_deauth=0";
    let air = home.on_air(air)?;
    drop(home.crosses(&air)?);
    air.restart(&mut home.bed.vm)?;
    home.bed
        .vm
        .until("the station to come back", SOON, |vm| Ok((air.said(vm, "AP-STA-CONNECTED")? > 0).then_some(())))?;
    home.crosses(&air)?;
    home.bed.vm.wait_for("does not know us any longer", 0, SOON).map(drop)
}

fn forge(home: &mut Home<'_>, air: &Air<'_>) -> Result<()> {
    let (station, bssid) = (wlan0(home)?, mac_of(home, &format!("ip -o link show {}", air.radio))?);
    Forger::tune(&mut home.bed.vm, 2412)?.deauthenticate(&mut home.bed.vm, bytes(&station)?, bytes(&bssid)?, 300)
}

fn nearer_goes(home: &mut Home<'_>) -> Result<()> {
    let near = home.on_air(network("wpa2", Security::Wpa2))?;
    let far = Air { radio: other(&near), channel: 6, ..near };
    // Joined before the other one is there, so that it does not depend on which of them a scan heard first.
    drop(home.crosses(&near)?);
    far.start(&mut home.bed.vm)?;
    run(&mut home.bed.vm, &format!("iw dev {} set txpower fixed 500", far.radio))?;
    drop(home.crosses(&near)?);
    near.cut(&mut home.bed.vm)?;
    home.on = Some(far);
    home.crosses(&far)?;
    run(&mut home.bed.vm, &format!("iw dev {} set txpower auto", far.radio)).map(drop)
}

fn other(air: &Air<'_>) -> &'static str {
    if air.radio == "wlan1" { "wlan2" } else { "wlan1" }
}

/// The kernel's channels are those of the country that the configuration names. The access points name none.
fn country(home: &mut Home<'_>) -> Result<()> {
    let said = run(&mut home.bed.vm, "outside iw reg get")?;
    ensure!(said.contains("country US"), "the kernel's channels are of another country:\n{said}");
    Ok(())
}

/// A network of higher priority comes into sight: the station goes there by itself. Others wait until they lose theirs, so this
/// is none of the common cases.
pub fn preferred_appears(home: &mut Home<'_>) -> Result<()> {
    let plain = home.on_air(network("wpa2", Security::Wpa2))?;
    drop(home.crosses(&plain)?);
    let wanted = Air { radio: other(&plain), ssid: "wanted", channel: 6, ..plain };
    wanted.start(&mut home.bed.vm)?;
    home.bed.vm.until("the station at the preferred network", 3 * SOON, |vm| {
        Ok((wanted.said(vm, "AP-STA-CONNECTED")? > 0).then_some(()))
    })?;
    home.crosses(&wanted).map(drop)
}

/// The transfer goes on.
fn further(home: &mut Home<'_>, transfer: &tests::transfer::Transfer) -> Result<()> {
    let so_far = transfer.bytes();
    home.bed.vm.until("the transfer to go on", SOON, |_| transfer.moved(so_far + ENOUGH))
}

fn stations(home: &mut Home<'_>, air: &Air<'_>) -> Result<String> {
    air.tell(&mut home.bed.vm, "list_sta")
}

fn wlan0(home: &mut Home<'_>) -> Result<String> {
    mac_of(home, "outside ip -o link show wlan0")
}

fn mac_of(home: &mut Home<'_>, command: &str) -> Result<String> {
    let said = run(&mut home.bed.vm, command)?;
    let mac = said.split_whitespace().skip_while(|word| *word != "link/ether").nth(1);
    Ok(mac.with_context(|| format!("no address in “{said}”"))?.to_owned())
}

fn bytes(mac: &str) -> Result<[u8; 6]> {
    let bytes: Option<Vec<u8>> = mac.split(':').map(|byte| u8::from_str_radix(byte, 16).ok()).collect();
    match bytes.map(<[u8; 6]>::try_from) {
        Some(Ok(bytes)) => Ok(bytes),
        _ => bail!("“{mac}” is no hardware address"),
    }
}
