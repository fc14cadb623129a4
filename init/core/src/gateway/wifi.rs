//! The gateway's part that looks after a Wi-Fi uplink: gives the radio its station, and tells the rest of the gateway
//! when the link carries data. Until the port is authorised the interface counts as a cable without another end, whatever
//! the kernel says about its carrier: an address asked for before would be asked of nobody.

use super::retry::Backoff;
use super::{Action, Gateway};
use crate::entropy::Entropy;
use crate::net::MacAddr;
use crate::plan::Snapshot;
use crate::time::{Duration, Instant};
use crate::wifi::{
    self, Bss, Connected, Disconnected, ExternalAuth, Failed, PmkDone, Quality, Radio, Roamed, Settings, Station,
};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// First and longest wait before a radio that could not be used is tried again.
const RETRY: Backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(30));

/// `EOPNOTSUPP` and `ENODEV`: the interface is none of a radio.
const NOT_A_RADIO: [i32; 2] = [95, 19];

/// `ENOENT`: the kernel has no Wi-Fi at all.
const NO_WIFI: i32 = 2;

/// What the radio's shell reports. Each stands for one of the station's inputs.
#[derive(Debug)]
pub enum WifiEvent {
    /// The radio is ready, or its channels have changed.
    Radio(Radio),
    /// The radio can't be used (any more); `errno` is the kernel's reason. It is opened anew after a while.
    Gone {
        /// A positive error number.
        errno: i32,
    },
    /// A scan is over.
    ScanDone(Vec<Bss>),
    /// A connection attempt ended.
    Connected(Connected),
    /// An authentication frame, header and all.
    AuthFrame(Vec<u8>),
    /// The access point did not answer an authentication.
    AuthTimeout(MacAddr),
    /// The firmware wants SAE from us.
    ExternalAuth(ExternalAuth),
    /// An EAPOL frame.
    Eapol {
        /// Who sent it.
        source: MacAddr,
        /// From the EAPOL version on.
        frame: Vec<u8>,
        /// Whether it was encrypted on the air; `None` where nobody knows.
        protected: Option<bool>,
    },
    /// A key that was to be computed.
    Pmk(PmkDone),
    /// The link ended.
    Disconnected(Disconnected),
    /// A farewell in clear although management frames are protected.
    Unprotected {
        /// Who is said to have sent it.
        from: MacAddr,
        /// IEEE 802.11 reason code.
        reason: u16,
    },
    /// An action frame, header and all.
    ActionFrame(Vec<u8>),
    /// The firmware moved to another access point.
    Roamed(Roamed),
    /// Nothing is heard from the access point.
    BeaconLoss,
    /// The access point's new channel, MHz.
    Channel(u32),
    /// How good the link is.
    Quality(Quality),
    /// The kernel refused an action.
    Failed {
        /// Which one.
        what: Failed,
        /// A positive error number.
        errno: i32,
    },
}

/// The uplink's radio.
pub(super) struct Wifi {
    station: Station,
    /// The device that the shell has open for us.
    open: Option<(u32, MacAddr)>,
    retry: Backoff,
    trouble: Option<String>,
}

impl Wifi {
    /// A station for the configured networks; `None` if there are none. `record`: the keys that were kept.
    pub(super) fn new(uplink: &crate::config::Uplink, record: &[u8]) -> Option<Self> {
        if uplink.wifi.is_empty() {
            return None;
        }
        let station = Station::new(Settings::new(uplink), Some(record).filter(|record| !record.is_empty()));
        Some(Self { station, open: None, retry: RETRY, trouble: None })
    }

    /// What is wrong or going on, for the status: the head of the station's own, in one line.
    pub(super) fn why(&self, now: Instant) -> String {
        self.trouble.clone().unwrap_or_else(|| {
            let status = self.station.status(now);
            let head = status.lines().take_while(|line| !line.is_empty());
            let parts: Vec<&str> = head.map(|line| line.trim_start_matches("Wi-Fi").trim()).take(2).collect();
            parts.join("; ")
        })
    }

    pub(super) fn due(&self) -> [Option<Instant>; 2] {
        [self.station.poll_timeout(), self.retry.due()]
    }
}

impl Gateway {
    /// Something happened at the radio.
    pub fn handle_wifi(&mut self, event: WifiEvent, now: Instant, entropy: &mut dyn Entropy) {
        let Some(wifi) = &mut self.wifi else { return };
        let station = &mut wifi.station;
        match event {
            WifiEvent::Radio(radio) => {
                (wifi.retry, wifi.trouble) = (RETRY, None);
                station.handle_radio(radio, now, entropy);
            }
            WifiEvent::Gone { errno } => self.radio_gone(errno, now),
            WifiEvent::ScanDone(results) => station.handle_scan_done(&results, now, entropy),
            WifiEvent::Connected(outcome) => station.handle_connected(&outcome, now, entropy),
            WifiEvent::AuthFrame(frame) => station.handle_auth_frame(&frame, now, entropy),
            WifiEvent::AuthTimeout(bssid) => station.handle_auth_timeout(bssid, now, entropy),
            WifiEvent::ExternalAuth(wanted) => station.handle_external_auth(&wanted, now, entropy),
            WifiEvent::Eapol { source, frame, protected } => {
                station.handle_eapol(source, &frame, protected, now, entropy);
            }
            WifiEvent::Pmk(done) => station.handle_pmk(&done, now, entropy),
            WifiEvent::Disconnected(how) => station.handle_disconnected(how, now, entropy),
            WifiEvent::Unprotected { from, reason } => station.handle_unprotected(from, reason, now, entropy),
            WifiEvent::ActionFrame(frame) => station.handle_action_frame(&frame),
            WifiEvent::Roamed(roamed) => station.handle_roamed(&roamed, now, entropy),
            WifiEvent::BeaconLoss => station.handle_beacon_loss(now),
            WifiEvent::Channel(frequency) => station.handle_channel(frequency),
            WifiEvent::Quality(quality) => station.handle_quality(quality, now),
            WifiEvent::Failed { what, errno } => station.handle_failed(what, errno, now, entropy),
        }
        self.drive(now);
    }

    fn radio_gone(&mut self, errno: i32, now: Instant) {
        let interface = self.config.uplink.interface.clone();
        let Some(wifi) = &mut self.wifi else { return };
        if wifi.open.take().is_some() {
            self.actions.push_back(Action::CloseWifi);
        }
        wifi.station.handle_radio_gone(now);
        wifi.retry.fail(now);
        let trouble = if NOT_A_RADIO.contains(&errno) {
            format!("{interface} is no Wi-Fi interface")
        } else if errno == NO_WIFI {
            format!("{interface}: the kernel has no Wi-Fi; is the radio's driver there?")
        } else {
            format!("{interface}: the radio can't be used (error {errno}); it is tried again")
        };
        if wifi.trouble.as_ref() != Some(&trouble) {
            wifi.trouble = Some(trouble.clone());
            self.say(now, &format!("The uplink {trouble}."));
        }
    }

    /// Time has passed.
    pub(super) fn step_wifi(&mut self, now: Instant, entropy: &mut dyn Entropy) {
        let Some(wifi) = &mut self.wifi else { return };
        wifi.station.handle_timeout(now, entropy);
        if wifi.retry.fire(now) {
            self.follow_radio(now);
        }
    }

    /// Whether the link carries data is not for the kernel to say: it calls an association a carrier.
    pub(super) fn judge_carrier(&self, snapshot: &mut Snapshot) {
        let Some(wifi) = &self.wifi else { return };
        let uplink = snapshot.links.iter_mut().filter(|link| link.name == self.config.uplink.interface);
        uplink.for_each(|link| link.carrier &= wifi.station.is_up());
    }

    /// Opens the radio when its interface is there and up, closes it when it has gone.
    pub(super) fn follow_radio(&mut self, now: Instant) {
        let interface = &self.config.uplink.interface;
        let is_up = self.snapshot.state.links.get(interface).is_some_and(|link| link.up);
        let present = self.link(interface).filter(|_| is_up).map(|link| (link.index, link.mac));
        let Some(wifi) = &mut self.wifi else { return };
        if wifi.open.is_some() && wifi.open != present {
            wifi.open = None;
            wifi.station.handle_radio_gone(now);
            self.actions.push_back(Action::CloseWifi);
        }
        let waits = wifi.retry.due().is_some();
        if let (None, Some((index, mac)), false) = (wifi.open, present, waits) {
            wifi.open = present;
            self.actions.push_back(Action::OpenWifi { index, mac });
        }
    }

    /// Takes the station's output.
    pub(super) fn drive_wifi(&mut self, now: Instant) {
        while let Some(action) = self.wifi.as_mut().and_then(|wifi| wifi.station.poll_action()) {
            match action {
                wifi::Action::LinkUp { ssid, bssid } => {
                    let interface = &self.config.uplink.interface;
                    let text = format!("The uplink {interface} is connected to {ssid} (access point {bssid}).");
                    self.say(now, &text);
                    self.actions.push_back(Action::LookAtKernel);
                }
                wifi::Action::LinkDown => self.actions.push_back(Action::LookAtKernel),
                wifi::Action::Note(text) => self.say(now, &text),
                wifi::Action::Store(record) => self.actions.push_back(Action::RememberWifi(record)),
                wifi::Action::DerivePmk(job) => self.actions.push_back(Action::DerivePmk(job)),
                other => self.actions.push_back(Action::Wifi(other)),
            }
        }
    }

    /// What `gatepost wifi` shows.
    pub(super) fn wifi_status(&self, now: Instant) -> String {
        match &self.wifi {
            None => "gateway.toml names no Wi-Fi network; the uplink is a cable\n".into(),
            Some(wifi) => match &wifi.trouble {
                Some(trouble) => format!("{trouble}\n"),
                None => wifi.station.status(now),
            },
        }
    }
}
