//! From the choice of an access point to a link: master key or SAE, association, key handshake. Each step has a deadline,
//! each failure a sentence.
//!
//! | file | step |
//! |---|---|
//! | this one | the choice of the way, the association |
//! | `authentication.rs` | SAE, where we hold the radio (SoftMAC) |
//! | `external_auth.rs` | SAE, where firmware asks for it (FullMAC) |
//! | `key_handshake.rs` | the 4-way handshake |
//! | `failure.rs` | what did not come or was refused, and the pause after it |

mod authentication;
mod external_auth;
mod failure;
mod key_handshake;

use super::action::{Associate, Connect, Protection};
use super::choice::Seen;
use super::crypto::Akm;
use super::handshake::Supplicant;
use super::input::Connected;
use super::rsn::CCMP;
use super::sae::Sae;
use super::secret::Secret;
use super::{Action, PmkJob, State, Station};
use crate::entropy::Entropy;
use crate::time::{Duration, Instant};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
pub(super) use external_auth::External;
use failure::PAUSE;

/// Longest wait for the master key to be worked out.
const DERIVE_LIMIT: Duration = Duration::from_secs(60);

/// Longest wait for the association.
const ASSOCIATE_LIMIT: Duration = Duration::from_secs(10);

/// Status "success" (section 9.4.1.9).
const SUCCESS: u16 = 0;

/// An authentication frame: type and subtype in its first byte (section 9.2.4.1).
const AUTHENTICATION: u8 = 0xb0;

/// SAE's number among authentication algorithms (section 9.4.1.1).
const ALGORITHM_SAE: u16 = 3;

/// On the way to a link.
#[derive(Debug)]
pub(super) struct Joining {
    /// The access point.
    pub target: Seen,
    /// The present step.
    pub phase: Phase,
    /// When it has failed.
    deadline: Instant,
    /// An EAPOL frame that came before the association's event.
    early: Option<(Vec<u8>, Option<bool>)>,
}

/// The steps.
#[derive(Debug)]
pub(super) enum Phase {
    /// The master key is being worked out.
    Deriving,
    /// SAE on SoftMAC.
    Authenticating {
        /// The exchange.
        sae: Box<Sae>,
        /// Frames sent again.
        sends: u8,
    },
    /// The driver associates.
    Associating {
        /// The master key, if it is known by now.
        pmk: Option<Secret>,
    },
    /// The key handshake.
    Handshake(Box<Supplicant>),
}

impl Joining {
    /// A driver associates with this access point by itself.
    pub fn associating(target: Seen, pmk: Option<Secret>, now: Instant) -> Self {
        Self { target, phase: Phase::Associating { pmk }, deadline: now + ASSOCIATE_LIMIT, early: None }
    }

    /// When the present step has failed.
    pub fn due(&self) -> Instant {
        self.deadline
    }
}

impl Station {
    /// Begins to join an access point that can be joined.
    pub(super) fn join(&mut self, target: Seen, now: Instant, entropy: &mut dyn Entropy) {
        let Ok(plan) = target.plan.clone() else { return self.nothing_found(now) };
        self.external = None;
        let softmac = self.radio.as_ref().is_some_and(|radio| radio.authenticate);
        match plan.akm {
            Some(Akm::Sae) if softmac => self.authenticate(target, now, entropy),
            Some(Akm::Sae) | None => self.connect(target, None, now),
            Some(Akm::Psk | Akm::PskSha256) => match self.keys.get(&target.ssid).cloned() {
                Some(pmk) => self.connect(target, Some(pmk), now),
                None => {
                    if let Some(word) = self.passphrase(&target) {
                        self.derive(PmkJob::new(&target.ssid, &word));
                    }
                    let deadline = now + DERIVE_LIMIT;
                    let joining = Joining { target, phase: Phase::Deriving, deadline, early: None };
                    self.state = State::Joining(Box::new(joining));
                }
            },
        }
    }

    fn passphrase(&self, target: &Seen) -> Option<Secret> {
        self.settings.networks.get(target.network?)?.passphrase.clone()
    }

    /// The master key is there.
    pub(super) fn on_pmk(&mut self, ssid: &[u8], now: Instant, entropy: &mut dyn Entropy) {
        let State::Joining(joining) = &self.state else { return };
        if matches!(joining.phase, Phase::Deriving) && joining.target.ssid == ssid {
            let target = joining.target.clone();
            self.join(target, now, entropy);
        }
    }

    /// Whether the firmware does the key handshake.
    fn offloads(&self) -> bool {
        self.settings.offload && self.radio.as_ref().is_some_and(|radio| radio.handshake_offload)
    }

    /// Lets the driver, or cfg80211, authenticate and associate.
    fn connect(&mut self, target: Seen, pmk: Option<Secret>, now: Instant) {
        let Ok(plan) = &target.plan else { return };
        let offload = self.offloads();
        self.actions.push_back(Action::Connect(Connect {
            bssid: target.bssid,
            frequency: target.frequency,
            ssid: target.ssid.clone(),
            elements: plan.request(),
            protection: protection(&target),
            external_auth: plan.akm == Some(Akm::Sae),
            pmk: pmk.clone().filter(|_| offload),
        }));
        self.state = State::Joining(Box::new(Joining::associating(target, pmk, now)));
    }

    fn associate(&mut self, target: Seen, pmk: Secret, now: Instant) {
        let (Ok(plan), Some(protection)) = (&target.plan, protection(&target)) else { return };
        self.actions.push_back(Action::Associate(Associate {
            bssid: target.bssid,
            frequency: target.frequency,
            ssid: target.ssid.clone(),
            elements: plan.request(),
            protection,
        }));
        self.state = State::Joining(Box::new(Joining::associating(target, Some(pmk), now)));
    }

    /// The association succeeded or failed.
    pub(super) fn on_connected(&mut self, outcome: &Connected, now: Instant, entropy: &mut dyn Entropy) {
        let State::Joining(joining) = &mut self.state else { return };
        if !matches!(joining.phase, Phase::Associating { .. }) {
            return;
        }
        if outcome.status != Some(SUCCESS) {
            let target = joining.target.clone();
            let what = match outcome.status {
                None => String::from("it did not answer"),
                Some(code) => format!("it refused the association with status {code}"),
            };
            return self.fail(target, PAUSE, &what, now);
        }
        // The firmware may have chosen another access point of the network than the one that it was told.
        if let Some(bssid) = outcome.bssid.filter(|bssid| *bssid != joining.target.bssid) {
            let same = |seen: &&Seen| seen.bssid == bssid && seen.ssid == joining.target.ssid && seen.plan.is_ok();
            match self.seen.iter().find(same) {
                Some(seen) => joining.target = seen.clone(),
                None => {
                    let target = joining.target.clone();
                    return self.fail(target, PAUSE, "the driver joined another access point", now);
                }
            }
        }
        self.begin_handshake(outcome.authorized, now, entropy);
    }
}

fn protection(target: &Seen) -> Option<Protection> {
    let plan = target.plan.as_ref().ok()?;
    Some(Protection { akm: plan.akm?.suite(), pairwise: CCMP, group: CCMP, mfp: plan.mfp })
}
