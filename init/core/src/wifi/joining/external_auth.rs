//! SAE where firmware joins and asks us for the authentication alone (FullMAC, `NL80211_CMD_EXTERNAL_AUTH`).

use super::authentication::{SAE_LIMIT, SAE_SENDS};
use super::{ALGORITHM_SAE, ASSOCIATE_LIMIT, AUTHENTICATION, SUCCESS};
use crate::entropy::Entropy;
use crate::net::MacAddr;
use crate::time::{Duration, Instant};
use crate::wifi::choice::Seen;
use crate::wifi::crypto::Akm;
use crate::wifi::input::ExternalAuth;
use crate::wifi::sae::{Sae, Step};
use crate::wifi::secret::Secret;
use crate::wifi::{Action, State, Station};
use alloc::boxed::Box;
use alloc::vec::Vec;

/// A frame of SAE is sent again after this time without an answer. A driver may wait up to four seconds for the
/// acknowledgement of one, and the access point needs a moment for its own arithmetic.
const SAE_AGAIN: Duration = Duration::from_millis(2500);

/// Status "unspecified failure" (section 9.4.1.9).
const FAILURE: u16 = 1;

/// SAE that the firmware asked for (FullMAC).
#[derive(Debug)]
pub(in crate::wifi) struct External {
    pub(super) bssid: MacAddr,
    ssid: Vec<u8>,
    frequency: u32,
    pub(super) sae: Box<Sae>,
    sends: u8,
    /// When to send again.
    pub again: Instant,
    pmk: Option<Secret>,
}

impl Station {
    /// The firmware wants SAE done, with the access point that it chose, or no longer.
    pub(in crate::wifi) fn on_external_auth(&mut self, wanted: &ExternalAuth, now: Instant, entropy: &mut dyn Entropy) {
        if !wanted.start {
            self.external = None;
            return;
        }
        let target = match &self.state {
            State::Joining(joining) => Some(&joining.target),
            State::Up(up) => Some(&up.target),
            _ => None,
        };
        // The firmware may choose another access point, but of the network that it was told.
        let seen = |seen: &&Seen| seen.bssid == wanted.bssid && seen.ssid == wanted.ssid && seen.plan.is_ok();
        let target = target
            .filter(|target| target.ssid == wanted.ssid)
            .and_then(|target| if target.bssid == wanted.bssid { Some(target) } else { self.seen.iter().find(seen) });
        let sae = target.filter(|_| wanted.akm == Akm::Sae.suite()).and_then(|target| {
            target.plan.as_ref().ok().filter(|plan| plan.akm == Some(Akm::Sae))?;
            Some((self.sae(target, entropy)?, target.frequency))
        });
        let Some((sae, frequency)) = sae else {
            return self.external_result(wanted.bssid, wanted.ssid.clone(), FAILURE, None);
        };
        self.send_auth(wanted.bssid, frequency, &sae.commit());
        self.external = Some(External {
            bssid: wanted.bssid,
            ssid: wanted.ssid.clone(),
            frequency,
            sae: Box::new(sae),
            sends: 0,
            again: now + SAE_AGAIN,
            pmk: None,
        });
    }

    fn external_result(&mut self, bssid: MacAddr, ssid: Vec<u8>, status: u16, pmkid: Option<[u8; 16]>) {
        self.actions.push_back(Action::ExternalAuthResult { bssid, ssid, status, pmkid });
    }

    /// A whole authentication frame (section 9.3.3.11).
    fn send_auth(&mut self, bssid: MacAddr, frequency: u32, data: &[u8]) {
        let Some(radio) = &self.radio else { return };
        let head = [AUTHENTICATION, 0, 0, 0];
        let frame = [&head[..], &bssid.0, &radio.mac.0, &bssid.0, &[0, 0], &ALGORITHM_SAE.to_le_bytes(), data].concat();
        self.actions.push_back(Action::SendAuthFrame { frequency, frame });
    }

    /// What SAE wants on FullMAC.
    pub(super) fn on_external_step(&mut self, step: Step, now: Instant) {
        let Some(external) = &mut self.external else { return };
        let (bssid, frequency) = (external.bssid, external.frequency);
        match step {
            Step::Ignore => {}
            Step::Send(data) => {
                external.again = now + SAE_AGAIN;
                self.send_auth(bssid, frequency, &data);
            }
            Step::Accepted(keys) => {
                external.pmk = Some(keys.pmk);
                external.again = now + SAE_LIMIT;
                let ssid = external.ssid.clone();
                self.external_result(bssid, ssid, SUCCESS, Some(keys.pmkid));
            }
            Step::Failed(failure) => {
                let ssid = external.ssid.clone();
                self.external = None;
                self.external_result(bssid, ssid, FAILURE, None);
                if let State::Joining(joining) = &self.state {
                    let target = joining.target.clone();
                    self.sae_failed(target, failure, now);
                }
            }
        }
    }

    /// The master key that SAE on FullMAC gave for an access point.
    pub(in crate::wifi) fn external_pmk(&self, bssid: MacAddr) -> Option<Secret> {
        self.external.as_ref().filter(|external| external.bssid == bssid)?.pmk.clone()
    }

    /// No answer to the last frame: again, a few times.
    pub(in crate::wifi) fn repeat_external(&mut self, now: Instant) {
        let Some(external) = self.external.as_mut().filter(|external| external.again <= now) else { return };
        external.again = now + SAE_AGAIN;
        external.sends = external.sends.saturating_add(1);
        let again = external.sae.again().filter(|_| external.sends < SAE_SENDS);
        let (bssid, frequency) = (external.bssid, external.frequency);
        match again {
            Some(data) => self.send_auth(bssid, frequency, &data),
            // Over, or given up: the association's deadline counts from here.
            None => {
                if let Some(external) = &mut self.external {
                    external.again = now + ASSOCIATE_LIMIT;
                }
            }
        }
    }
}
