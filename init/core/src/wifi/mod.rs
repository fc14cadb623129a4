//! The uplink over Wi-Fi: a station (IEEE 802.11-2020) as a machine without radio, clock or randomness.
//!
//! [`Station`] is told what happens through `handle_*` methods; after each of them call [`Station::poll_action`] until
//! it returns `None`, do what the actions say, and wait until [`Station::poll_timeout`] or the next event. The shell
//! speaks nl80211; the documentation of every input and action names the command or attribute it stands for.
//!
//! ```text
//! handle_radio ─► Scan ─► handle_scan_done ─► Connect ─► handle_connected ─► LinkUp
//! ```
//!
//! One path serves every driver. Open and PSK networks are joined with `CONNECT`, by the firmware (FullMAC) or by
//! cfg80211's own station management (SoftMAC).

use crate::entropy::Entropy;
use crate::net::MacAddr;
use crate::time::{Duration, Instant};
use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

mod action;
mod element;
mod input;
mod pmk;
mod secret;
mod settings;

pub use action::{Action, Associate, Authenticate, Connect, InstallKey, KeyUse, Protection, Scan};
pub use input::{Bss, Channel, Connected, Disconnected, ExternalAuth, Failed, Quality, Radio, Roamed, Suite};
pub use pmk::{PmkDone, PmkJob};
pub use secret::Secret;
pub use settings::{Network, Settings};

/// The longest list of scan results that is looked at; a radio hears a few hundred beacons at most.
pub const MAX_BSS: usize = 256;

/// Longest wait for a scan.
const SCAN_LIMIT: Duration = Duration::from_secs(20);

/// Longest wait for the answer to a connection attempt.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// Wait between two scans that found nothing.
const SCAN_AGAIN: Duration = Duration::from_secs(5);

/// Privacy bit of the capability information field (section 9.4.1.4).
const PRIVACY: u16 = 1 << 4;

/// A station for one radio.
///
/// Time may stand still between calls but never runs backwards. All inputs are safe at any time and in any state.
#[derive(Debug)]
pub struct Station {
    settings: Settings,
    radio: Option<Radio>,
    state: State,
    quality: Option<Quality>,
    actions: VecDeque<Action>,
}

#[derive(Debug)]
enum State {
    /// No radio.
    Absent,
    /// Until the next scan.
    Idle {
        until: Instant,
    },
    Scanning {
        deadline: Instant,
    },
    Connecting {
        deadline: Instant,
        ssid: String,
        bssid: MacAddr,
    },
    Up {
        ssid: String,
        bssid: MacAddr,
    },
}

impl Station {
    /// A station that waits for its radio. `record` is the last [`Action::Store`], if there is one.
    pub fn new(settings: Settings, record: Option<&[u8]>) -> Self {
        let _ = record;
        Self { settings, radio: None, state: State::Absent, quality: None, actions: VecDeque::new() }
    }

    /// The radio is there, or its channels have changed: after a change of the regulatory domain.
    pub fn handle_radio(&mut self, radio: Radio, now: Instant, _entropy: &mut dyn Entropy) {
        if self.radio.replace(radio).is_none() {
            self.actions.extend(self.settings.country.map(Action::SetRegulatory));
            self.scan(now);
        }
    }

    /// The radio is gone.
    pub fn handle_radio_gone(&mut self, now: Instant) {
        self.radio = None;
        self.down(now);
        self.state = State::Absent;
    }

    /// A scan is over. At most [`MAX_BSS`] results are looked at, so give the strongest first.
    pub fn handle_scan_done(&mut self, results: &[Bss], now: Instant, _entropy: &mut dyn Entropy) {
        if !matches!(self.state, State::Scanning { .. }) {
            return;
        }
        let seen = results.iter().take(MAX_BSS);
        let open = |bss: &&Bss| bss.capability & PRIVACY == 0 && element::find(&bss.elements, element::RSN).is_none();
        let candidates = seen.filter(open).filter_map(|bss| {
            let ssid = element::find(&bss.elements, element::SSID)?;
            let known = |network: &&Network| network.ssid.as_bytes() == ssid && network.passphrase.is_none();
            Some((bss, self.settings.networks.iter().find(known)?))
        });
        let Some((bss, network)) = candidates.max_by_key(|(bss, _)| bss.signal) else {
            self.state = State::Idle { until: now + SCAN_AGAIN };
            return;
        };
        let connect = Connect {
            bssid: bss.bssid,
            frequency: bss.frequency,
            ssid: network.ssid.clone().into_bytes(),
            elements: Vec::new(),
            protection: None,
            external_auth: false,
            pmk: None,
        };
        self.state = State::Connecting { deadline: now + CONNECT_LIMIT, ssid: network.ssid.clone(), bssid: bss.bssid };
        self.actions.push_back(Action::Connect(connect));
    }

    /// A connection attempt came to its end, well or badly.
    pub fn handle_connected(&mut self, outcome: &Connected, now: Instant, _entropy: &mut dyn Entropy) {
        let State::Connecting { ssid, bssid, .. } = &self.state else { return };
        let (ssid, bssid) = (ssid.clone(), *bssid);
        if outcome.status == Some(0) {
            self.actions.push_back(Action::LinkUp { ssid: element::printable(ssid.as_bytes()), bssid });
            self.state = State::Up { ssid, bssid };
        } else {
            self.note(format!("{}: {bssid} refused the connection", element::printable(ssid.as_bytes())));
            self.state = State::Idle { until: now + SCAN_AGAIN };
        }
    }

    /// An authentication frame came, header and all: the event `AUTHENTICATE` on SoftMAC, `FRAME` on FullMAC.
    pub fn handle_auth_frame(&mut self, _frame: &[u8], _now: Instant, _entropy: &mut dyn Entropy) {}

    /// The access point did not answer an [`Action::Authenticate`] (`NL80211_ATTR_TIMED_OUT`).
    pub fn handle_auth_timeout(&mut self, _bssid: MacAddr, _now: Instant, _entropy: &mut dyn Entropy) {}

    /// The firmware wants us to do SAE.
    pub fn handle_external_auth(&mut self, _wanted: &ExternalAuth, _now: Instant, _entropy: &mut dyn Entropy) {}

    /// An EAPOL frame came from `source`; `frame` begins with the EAPOL version. `protected` says whether it was
    /// encrypted on the air, `None` where nobody knows (a packet socket).
    pub fn handle_eapol(
        &mut self,
        _source: MacAddr,
        _frame: &[u8],
        _protected: Option<bool>,
        _now: Instant,
        _entropy: &mut dyn Entropy,
    ) {
    }

    /// The PMK that [`Action::DerivePmk`] asked for.
    pub fn handle_pmk(&mut self, _done: &PmkDone, _now: Instant, _entropy: &mut dyn Entropy) {}

    /// The link ended.
    pub fn handle_disconnected(&mut self, _how: Disconnected, now: Instant, _entropy: &mut dyn Entropy) {
        self.down(now);
    }

    /// The firmware moved to another access point.
    pub fn handle_roamed(&mut self, roamed: &Roamed, _now: Instant, _entropy: &mut dyn Entropy) {
        if let State::Up { ssid, bssid } = &mut self.state {
            *bssid = roamed.bssid;
            let ssid = element::printable(ssid.as_bytes());
            self.actions.push_back(Action::LinkUp { ssid, bssid: roamed.bssid });
        }
    }

    /// No beacon was heard for a while (`NL80211_CMD_NOTIFY_CQM` with `BEACON_LOSS_EVENT` or `PKT_LOSS_EVENT`).
    pub fn handle_beacon_loss(&mut self, _now: Instant) {}

    /// The access point moved to another channel (`NL80211_CMD_CH_SWITCH_NOTIFY`), MHz.
    pub fn handle_channel(&mut self, _frequency: u32) {}

    /// How good the link is.
    pub fn handle_quality(&mut self, quality: Quality, _now: Instant) {
        self.quality = Some(quality);
    }

    /// The kernel refused an action; `errno` is positive.
    pub fn handle_failed(&mut self, _what: Failed, errno: i32, now: Instant, _entropy: &mut dyn Entropy) {
        if !matches!(self.state, State::Absent) {
            self.note(format!("the kernel refused (error {errno})"));
            self.down(now);
        }
    }

    /// The moment of [`Station::poll_timeout`] has come. Harmless at any other time.
    pub fn handle_timeout(&mut self, now: Instant, _entropy: &mut dyn Entropy) {
        if self.poll_timeout().is_none_or(|due| due > now) {
            return;
        }
        match &self.state {
            State::Idle { .. } => self.scan(now),
            State::Scanning { .. } => self.state = State::Idle { until: now + SCAN_AGAIN },
            State::Connecting { .. } => {
                self.actions.push_back(Action::Disconnect { reason: 3 });
                self.state = State::Idle { until: now + SCAN_AGAIN };
            }
            State::Absent | State::Up { .. } => {}
        }
    }

    /// What is to be done next. Empty it after every input.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`Station::handle_timeout`] is due. It may lie in the past.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Absent | State::Up { .. } => None,
            State::Idle { until } => Some(until),
            State::Scanning { deadline } | State::Connecting { deadline, .. } => Some(deadline),
        }
    }

    /// Whether the link carries data.
    pub fn is_up(&self) -> bool {
        matches!(self.state, State::Up { .. })
    }

    /// What `gatepost wifi` shows: networks in sight, the chosen one, its signal and rate, and why it is not connected.
    pub fn status(&self, _now: Instant) -> String {
        match &self.state {
            State::Absent => String::from("no radio\n"),
            State::Idle { .. } => String::from("none of the known networks is in sight\n"),
            State::Scanning { .. } => String::from("looking for networks\n"),
            State::Connecting { ssid, bssid, .. } => format!("connecting to {ssid} ({bssid})\n"),
            State::Up { ssid, bssid } => format!("connected to {ssid} ({bssid})\n"),
        }
    }

    fn scan(&mut self, now: Instant) {
        self.actions.push_back(Action::Scan(Scan { ssids: vec![Vec::new()], frequencies: Vec::new(), flush: true }));
        self.state = State::Scanning { deadline: now + SCAN_LIMIT };
    }

    fn down(&mut self, now: Instant) {
        if matches!(self.state, State::Absent) {
            return;
        }
        if self.is_up() {
            self.actions.push_back(Action::LinkDown);
        }
        self.state = State::Idle { until: now + SCAN_AGAIN };
    }

    fn note(&mut self, text: String) {
        self.actions.push_back(Action::Note(text));
    }
}
