//! The uplink over Wi-Fi: a station (IEEE 802.11-2020) as a machine without radio, clock or randomness.
//!
//! [`Station`] is told what happens through `handle_*` methods; after each of them call [`Station::poll_action`] until
//! it returns `None`, do what the actions say, and wait until [`Station::poll_timeout`] or the next event. The shell
//! speaks nl80211; the documentation of every input and action names the command or attribute it stands for.
//!
//! ```text
//!  radio ─► Scan ─► choice ─┬─ CONNECT ────────────────────────────┐
//!                           ├─ AUTHENTICATE (SAE) ─► ASSOCIATE ────┤─► 4-way handshake ─► keys ─► LinkUp
//!                           └─ CONNECT ─► EXTERNAL_AUTH (SAE) ─────┘
//! ```
//!
//! One path serves every driver. Open and PSK networks are joined with `CONNECT`, by the firmware (FullMAC) or by
//! cfg80211's own station management (SoftMAC). SAE is done here: with `AUTHENTICATE` and `ASSOCIATE` on SoftMAC, behind
//! `EXTERNAL_AUTH` on FullMAC. The key handshake is done here too, unless the firmware offers it and the configuration
//! wants it.
//!
//! | file | what |
//! |---|---|
//! | `scan.rs` | looking around |
//! | `choice.rs` | which access point, and how |
//! | `joining/` | the steps from a choice to a link |
//! | `link.rs` | what happens to a link that is up |
//! | `sa_query.rs` | section 11.13 |
//! | `sae/` | section 12.4 |
//! | `handshake.rs`, `eapol.rs`, `crypto.rs` | section 12.7 |
//! | `rsn.rs`, `element.rs` | section 9.4.2 |
//! | `memory.rs` | keys across restarts, access points that failed |
//! | `status.rs` | words for a person |
//!
//! Whatever goes wrong leads back to a scan after a pause that doubles from access point to access point's own failures, up
//! to five minutes; nothing here waits for ever, and nothing here touches the LAN.
//!
//! Left out: enterprise networks (802.1X), WPA 1, WEP, TKIP, OWE, fast transition, WPS, 6 GHz, PMKSA caching.

use crate::entropy::Entropy;
use crate::net::MacAddr;
use crate::time::{Duration, Instant};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

mod action;
mod choice;
mod crypto;
mod eapol;
mod element;
mod handshake;
mod input;
mod joining;
mod link;
mod memory;
mod pmk;
mod rsn;
mod sa_query;
mod sae;
mod scan;
mod secret;
mod settings;
mod status;
#[cfg(test)]
mod tests;

pub use action::{Action, Associate, Authenticate, Connect, InstallKey, KeyUse, Protection, Scan};
pub use input::{Bss, Channel, Connected, Disconnected, ExternalAuth, Failed, Quality, Radio, Roamed, Suite};
pub use pmk::{PmkDone, PmkJob};
pub use secret::Secret;
pub use settings::{Network, Settings};

use choice::Seen;
use joining::{External, Joining};
use link::Up;
use memory::{Failures, Keys};
use scan::Running;

/// The longest list of scan results that is looked at; a radio hears a few hundred beacons at most.
pub const MAX_BSS: usize = 256;

/// Access points of a scan that are remembered: all of known networks first, then the strongest.
pub const MAX_SEEN: usize = 64;

/// Wait after a change of the regulatory domain for the channels to follow; ends early when they do.
const REGULATORY_SETTLES: Duration = Duration::from_millis(150);

/// Longest wait for the kernel to say that a link is down.
const LEAVE_LIMIT: Duration = Duration::from_millis(500);

/// Pause after a link ended: its last events must not be taken for those of the next.
const QUIET: Duration = Duration::from_millis(50);

/// Reason "leaving" (section 9.4.1.7).
const LEAVING: u16 = 3;

/// A station for one radio.
///
/// Time may stand still between calls but never runs backwards. All inputs are safe at any time and in any state.
#[derive(Debug)]
pub struct Station {
    settings: Settings,
    radio: Option<Radio>,
    state: State,
    keys: Keys,
    /// The network whose master key is being worked out.
    deriving: Option<Vec<u8>>,
    failures: Failures,
    /// Access points of the last scan.
    seen: Vec<Seen>,
    /// Why each network was not joined lately, for a person.
    trouble: Vec<Option<String>>,
    /// For each network: WPA3 failures in a row, and until when it is given up on access points that know WPA2 too.
    sae_failures: Vec<(u8, Option<Instant>)>,
    /// SAE that the firmware asked for.
    external: Option<External>,
    last_good: Option<MacAddr>,
    /// Priority of the network that was joined last.
    last_priority: u8,
    /// Channels where access points of known networks were heard, MHz: the first scan after a link looks only there.
    familiar: Vec<u32>,
    /// The scan under way.
    running: Option<Running>,
    quality: Option<Quality>,
    /// Scans in a row that found nothing to join.
    fruitless: u32,
    /// Which hidden networks the next scan asks for.
    hidden_turn: usize,
    /// Whether the gateway was told that the link is up.
    link_told: bool,
    actions: VecDeque<Action>,
}

#[derive(Debug)]
enum State {
    /// No radio.
    Absent,
    /// Until the next scan.
    Idle { until: Instant },
    /// Looking around.
    Scanning { deadline: Instant },
    /// A link is being taken down; then this one is joined, or a scan begins.
    Leaving { until: Instant, next: Option<Box<Seen>> },
    /// On the way to a link.
    Joining(Box<Joining>),
    /// The link carries data.
    Up(Box<Up>),
}

impl Station {
    /// A station that waits for its radio. `record` is the last [`Action::Store`], if there is one; what does not belong to a
    /// configured network and its passphrase is left out.
    pub fn new(settings: Settings, record: Option<&[u8]>) -> Self {
        let count = settings.networks.len();
        Self {
            keys: Keys::new(record, &settings),
            settings,
            radio: None,
            state: State::Absent,
            deriving: None,
            failures: Failures::default(),
            seen: Vec::new(),
            trouble: vec![None; count],
            sae_failures: vec![(0, None); count],
            external: None,
            last_good: None,
            last_priority: 0,
            familiar: Vec::new(),
            running: None,
            quality: None,
            fruitless: 0,
            hidden_turn: 0,
            link_told: false,
            actions: VecDeque::new(),
        }
    }

    /// The radio is there, or its channels have changed: after a change of the regulatory domain. A link of an earlier
    /// process on it must have been taken down before.
    pub fn handle_radio(&mut self, radio: Radio, now: Instant, _entropy: &mut dyn Entropy) {
        let first = self.radio.replace(radio).is_none();
        if first {
            self.actions.extend(self.settings.country.map(Action::SetRegulatory));
            self.derive_next();
            let wait = if self.settings.country.is_some() { REGULATORY_SETTLES } else { Duration::ZERO };
            self.state = State::Idle { until: now + wait };
        }
        if matches!(self.state, State::Idle { .. }) && (!first || self.settings.country.is_none()) {
            self.scan(now);
        }
    }

    /// The radio is gone.
    pub fn handle_radio_gone(&mut self, _now: Instant) {
        self.radio = None;
        self.external = None;
        self.running = None;
        self.seen.clear();
        self.tell_down();
        self.state = State::Absent;
    }

    /// A scan is over. At most [`MAX_BSS`] results are looked at, so give the strongest first.
    pub fn handle_scan_done(&mut self, results: &[Bss], now: Instant, entropy: &mut dyn Entropy) {
        self.on_scan_done(results, now, entropy);
    }

    /// A connection attempt came to its end, well or badly.
    pub fn handle_connected(&mut self, outcome: &Connected, now: Instant, entropy: &mut dyn Entropy) {
        if let State::Joining(_) = self.state {
            self.on_connected(outcome, now, entropy);
        }
    }

    /// An authentication frame came, header and all: the event `AUTHENTICATE` on SoftMAC, `FRAME` on FullMAC.
    pub fn handle_auth_frame(&mut self, frame: &[u8], now: Instant, entropy: &mut dyn Entropy) {
        self.on_auth_frame(frame, now, entropy);
    }

    /// The access point did not answer an [`Action::Authenticate`] (`NL80211_ATTR_TIMED_OUT`).
    pub fn handle_auth_timeout(&mut self, bssid: MacAddr, now: Instant, _entropy: &mut dyn Entropy) {
        self.on_auth_timeout(bssid, now);
    }

    /// The firmware wants us to do SAE.
    pub fn handle_external_auth(&mut self, wanted: &ExternalAuth, now: Instant, entropy: &mut dyn Entropy) {
        self.on_external_auth(wanted, now, entropy);
    }

    /// An EAPOL frame came from `source`; `frame` begins with the EAPOL version. `protected` says whether it was
    /// encrypted on the air, `None` where nobody knows (a packet socket). What does not come from the access point is
    /// dropped.
    pub fn handle_eapol(
        &mut self,
        source: MacAddr,
        frame: &[u8],
        protected: Option<bool>,
        now: Instant,
        entropy: &mut dyn Entropy,
    ) {
        self.on_eapol(source, frame, protected, now, entropy);
    }

    /// The PMK that [`Action::DerivePmk`] asked for.
    pub fn handle_pmk(&mut self, done: &PmkDone, now: Instant, entropy: &mut dyn Entropy) {
        let network = self.settings.networks.iter().find(|network| network.ssid.as_bytes() == done.ssid);
        if network.is_some_and(|network| network.passphrase.as_ref() == Some(&done.passphrase)) {
            self.keys.put(&done.ssid, done.pmk.clone());
            self.actions.push_back(Action::Store(self.keys.record(&self.settings)));
            self.on_pmk(&done.ssid, now, entropy);
        }
        if self.deriving.as_deref() == Some(&done.ssid) {
            self.deriving = None;
            self.derive_next();
        }
    }

    /// The link ended.
    pub fn handle_disconnected(&mut self, how: Disconnected, now: Instant, entropy: &mut dyn Entropy) {
        self.on_disconnected(how, now, entropy);
    }

    /// A deauthentication or disassociation frame of `from` came in clear although management frames are protected
    /// (`NL80211_CMD_UNPROT_DEAUTHENTICATE`, `UNPROT_DISASSOCIATE`). Anybody may have sent it: it leads to a question, never
    /// to the end of the link.
    pub fn handle_unprotected(&mut self, from: MacAddr, reason: u16, now: Instant, entropy: &mut dyn Entropy) {
        self.on_unprotected(from, reason, now, entropy);
    }

    /// An action frame came, header and all, that was registered for: SA Query responses. The kernel has dropped those that
    /// were not protected.
    pub fn handle_action_frame(&mut self, frame: &[u8]) {
        self.on_action_frame(frame);
    }

    /// The firmware moved to another access point.
    pub fn handle_roamed(&mut self, roamed: &Roamed, now: Instant, entropy: &mut dyn Entropy) {
        self.on_roamed(roamed, now, entropy);
    }

    /// No beacon was heard for a while (`NL80211_CMD_NOTIFY_CQM` with `BEACON_LOSS_EVENT` or `PKT_LOSS_EVENT`). The kernel
    /// goes on probing the access point; meanwhile we look for another.
    pub fn handle_beacon_loss(&mut self, now: Instant) {
        if let State::Up(up) = &mut self.state {
            up.look_around_now(now);
        }
    }

    /// The access point moved to another channel (`NL80211_CMD_CH_SWITCH_NOTIFY`), MHz.
    pub fn handle_channel(&mut self, frequency: u32) {
        if let State::Up(up) = &mut self.state {
            up.target.frequency = frequency;
        }
    }

    /// How good the link is.
    pub fn handle_quality(&mut self, quality: Quality, now: Instant) {
        self.quality = Some(quality);
        self.watch_signal(now);
    }

    /// The kernel refused an action; `errno` is positive.
    pub fn handle_failed(&mut self, what: Failed, errno: i32, now: Instant, _entropy: &mut dyn Entropy) {
        self.on_failed(what, errno, now);
    }

    /// The moment of [`Station::poll_timeout`] has come. Harmless at any other time.
    pub fn handle_timeout(&mut self, now: Instant, entropy: &mut dyn Entropy) {
        if self.poll_timeout().is_none_or(|due| due > now) {
            return;
        }
        match &self.state {
            State::Absent => {}
            State::Idle { .. } => self.scan(now),
            State::Scanning { .. } => self.nothing_found(now),
            State::Leaving { .. } => self.left(now, entropy),
            State::Joining(_) => self.on_joining_timer(now),
            State::Up(_) => self.on_up_timer(now, entropy),
        }
    }

    /// What is to be done next. Empty it after every input.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`Station::handle_timeout`] is due. It may lie in the past.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Absent => None,
            State::Idle { until } | State::Leaving { until, .. } => Some(*until),
            State::Scanning { deadline } => Some(*deadline),
            State::Joining(joining) => {
                Some(self.external.as_ref().map_or(joining.due(), |e| joining.due().min(e.again)))
            }
            State::Up(up) => up.due(),
        }
    }

    /// Whether the link carries data.
    pub fn is_up(&self) -> bool {
        self.link_told
    }

    /// What `gatepost wifi` shows: networks in sight, the chosen one, its signal and rate, and why it is not connected.
    /// Plain lines; names of strangers are escaped.
    pub fn status(&self, now: Instant) -> String {
        status::text(self, now)
    }

    /// Asks for the next master key that is not known yet, before it is needed. One at a time: each costs a processor up to
    /// a second.
    fn derive_next(&mut self) {
        if self.deriving.is_some() {
            return;
        }
        let missing = self.settings.networks.iter().find_map(|network| {
            let ssid = network.ssid.as_bytes();
            let needed = network.security != crate::config::WifiSecurity::Wpa3 && self.keys.get(ssid).is_none();
            Some(PmkJob::new(ssid, network.passphrase.as_ref().filter(|_| needed)?))
        });
        if let Some(job) = missing {
            self.derive(job);
        }
    }

    fn derive(&mut self, job: PmkJob) {
        if self.deriving.as_deref() != Some(job.ssid()) {
            self.deriving = Some(job.ssid().to_vec());
            self.actions.push_back(Action::DerivePmk(job));
        }
    }

    /// Takes the link down, and goes on with `next`.
    fn leave(&mut self, reason: u16, next: Option<Box<Seen>>, now: Instant) {
        self.external = None;
        self.actions.push_back(Action::Disconnect { reason });
        self.state = State::Leaving { until: now + LEAVE_LIMIT, next };
    }

    /// The link is down, as was wanted.
    fn left(&mut self, now: Instant, entropy: &mut dyn Entropy) {
        let state = core::mem::replace(&mut self.state, State::Idle { until: now + QUIET });
        if let State::Leaving { next: Some(next), .. } = state {
            self.join(*next, now, entropy);
        }
    }

    fn tell_up(&mut self, ssid: &[u8], bssid: MacAddr) {
        self.link_told = true;
        self.actions.push_back(Action::LinkUp { ssid: element::printable(ssid), bssid });
    }

    fn tell_down(&mut self) {
        self.quality = None;
        if core::mem::take(&mut self.link_told) {
            self.actions.push_back(Action::LinkDown);
        }
    }

    fn note(&mut self, text: String) {
        self.actions.push_back(Action::Note(text));
    }

    /// Says once why a network can't be joined: in the status, and in the log if it is news.
    fn complain(&mut self, network: usize, text: String) {
        let Some(trouble) = self.trouble.get_mut(network) else { return };
        if trouble.as_ref() != Some(&text) {
            *trouble = Some(text.clone());
            self.note(text);
        }
    }
}
