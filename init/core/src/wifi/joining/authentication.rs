//! SAE where we hold the radio (SoftMAC): commit and confirm in authentication frames (IEEE 802.11-2020, section 12.4).

use super::failure::PAUSE;
use super::{ALGORITHM_SAE, AUTHENTICATION, Joining, Phase};
use crate::entropy::Entropy;
use crate::net::MacAddr;
use crate::time::{Duration, Instant};
use crate::wifi::action::Authenticate;
use crate::wifi::choice::Seen;
use crate::wifi::crypto::Akm;
use crate::wifi::memory::quoted;
use crate::wifi::sae::{Failure, Peers, Sae, Step};
use crate::wifi::{Action, State, Station};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;

/// Longest time for SAE, from the first commit to the last confirm.
pub(super) const SAE_LIMIT: Duration = Duration::from_secs(12);

/// How often a frame of SAE is sent.
pub(super) const SAE_SENDS: u8 = 3;

/// WPA3 failures in a row after which an access point that knows WPA2 too is joined with that.
const SAE_FAILURES: u8 = 2;

/// For how long.
const WITHOUT_SAE: Duration = Duration::from_secs(600);

/// Bytes of a management frame's header.
const HEADER: usize = 24;

impl Station {
    /// SAE on SoftMAC: our commit.
    pub(super) fn authenticate(&mut self, target: Seen, now: Instant, entropy: &mut dyn Entropy) {
        let Some(sae) = self.sae(&target, entropy) else { return self.fail(target, PAUSE, "SAE cannot begin", now) };
        self.actions.push_back(Action::Authenticate(Authenticate {
            bssid: target.bssid,
            frequency: target.frequency,
            ssid: target.ssid.clone(),
            data: sae.commit(),
        }));
        let phase = Phase::Authenticating { sae: Box::new(sae), sends: 0 };
        self.state = State::Joining(Box::new(Joining { target, phase, deadline: now + SAE_LIMIT, early: None }));
    }

    pub(super) fn sae(&self, target: &Seen, entropy: &mut dyn Entropy) -> Option<Sae> {
        let peers = Peers {
            own: self.radio.as_ref()?.mac,
            ap: target.bssid,
            ssid: target.ssid.clone(),
            passphrase: self.passphrase(target)?,
        };
        Sae::new(peers, target.plan.as_ref().ok()?.hash_to_element, entropy)
    }

    /// An authentication frame of the access point.
    pub(in crate::wifi) fn on_auth_frame(&mut self, frame: &[u8], now: Instant, entropy: &mut dyn Entropy) {
        let Some((header, body)) = frame.split_first_chunk::<HEADER>() else { return };
        let from = header.get(10..16).and_then(|from| from.first_chunk()).copied().map(MacAddr);
        let Some(data) = body.strip_prefix(&ALGORITHM_SAE.to_le_bytes()) else { return };
        if header.first() != Some(&AUTHENTICATION) {
            return;
        }
        if let State::Joining(joining) = &mut self.state
            && let Phase::Authenticating { sae, .. } = &mut joining.phase
            && from == Some(joining.target.bssid)
        {
            let step = sae.handle(data, entropy);
            self.on_sae_step(step, now);
        } else if let Some(external) = self.external.as_mut().filter(|external| from == Some(external.bssid)) {
            let step = external.sae.handle(data, entropy);
            self.on_external_step(step, now);
        }
    }

    /// What SAE wants on SoftMAC.
    fn on_sae_step(&mut self, step: Step, now: Instant) {
        let State::Joining(joining) = &self.state else { return };
        let target = joining.target.clone();
        match step {
            Step::Ignore => {}
            Step::Send(data) => self.actions.push_back(Action::Authenticate(Authenticate {
                bssid: target.bssid,
                frequency: target.frequency,
                ssid: target.ssid,
                data,
            })),
            Step::Accepted(keys) => self.associate(target, keys.pmk, now),
            Step::Failed(failure) => self.sae_failed(target, failure, now),
        }
    }

    pub(super) fn sae_failed(&mut self, target: Seen, failure: Failure, now: Instant) {
        if failure == Failure::Passphrase {
            return self.passphrase_refused(target, now);
        }
        let what = match failure {
            Failure::Status(code) => format!("WPA3 authentication was refused with status {code}"),
            Failure::Groups => String::from("it knows none of the groups of WPA3 that are known here"),
            Failure::Protocol | Failure::Passphrase => String::from("WPA3 authentication went wrong"),
        };
        self.count_sae_failure(&target, now);
        self.fail(target, PAUSE, &what, now);
    }

    /// WPA3 that fails for another reason than the passphrase is given up for a while where WPA2 is offered too.
    pub(super) fn count_sae_failure(&mut self, target: &Seen, now: Instant) {
        let mixed = target.plan.as_ref().is_ok_and(|plan| plan.mixed && plan.akm == Some(Akm::Sae));
        let Some((count, until)) = target.network.and_then(|index| self.sae_failures.get_mut(index)) else { return };
        *count = count.saturating_add(1);
        if mixed && *count >= SAE_FAILURES {
            (*count, *until) = (0, Some(now + WITHOUT_SAE));
            self.failures.clear(target.bssid);
            self.note(format!("{}: WPA3 keeps failing; trying WPA2", quoted(&target.ssid)));
        }
    }

    /// No answer to an authentication frame: again, a few times.
    pub(in crate::wifi) fn on_auth_timeout(&mut self, bssid: MacAddr, now: Instant) {
        let State::Joining(joining) = &mut self.state else { return };
        let Phase::Authenticating { sae, sends } = &mut joining.phase else { return };
        if joining.target.bssid != bssid {
            return;
        }
        *sends = sends.saturating_add(1);
        match sae.again().filter(|_| *sends < SAE_SENDS) {
            Some(data) => self.on_sae_step(Step::Send(data), now),
            None => self.joining_timed_out(now),
        }
    }
}
