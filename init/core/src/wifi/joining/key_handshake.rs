//! The 4-way handshake, from the association to an open port, and the frames of it that come later on a link.

use super::failure::{PAUSE, PAUSE_MAX};
use super::{Joining, Phase};
use crate::entropy::Entropy;
use crate::net::MacAddr;
use crate::time::{Duration, Instant};
use crate::wifi::handshake::{Association, Do, Supplicant};
use crate::wifi::memory::quoted;
use crate::wifi::{Action, State, Station};
use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;

/// Longest wait for the handshake. An access point repeats its messages for about four seconds.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(8);

/// The longest EAPOL frame that waits for the association's own event.
const MAX_EARLY: usize = 1024;

/// Reason "element in the 4-way handshake different" (section 9.4.1.7).
const ELEMENTS_DIFFER: u16 = 17;

impl Station {
    /// Associated: the handshake, where there is one to do.
    pub(in crate::wifi) fn begin_handshake(&mut self, authorized: bool, now: Instant, entropy: &mut dyn Entropy) {
        let State::Joining(joining) = &self.state else { return };
        let Phase::Associating { pmk } = &joining.phase else { return };
        let (target, pmk) = (joining.target.clone(), pmk.clone());
        let pmk = self.external_pmk(target.bssid).or(pmk);
        let (Ok(plan), Some(radio)) = (&target.plan, &self.radio) else { return };
        // A port that is said to be open without a handshake that was asked for is not believed.
        let done = authorized && self.offloads();
        let (Some(akm), false) = (plan.akm, done) else { return self.arrive(target, None, now) };
        let Some(pmk) = pmk else { return self.fail(target, PAUSE, "it was joined without a key", now) };
        let association = Association {
            akm,
            own: radio.mac,
            ap: target.bssid,
            pmk,
            ours: plan.request(),
            rsn: plan.rsn.clone(),
            rsnx: plan.rsnx.clone(),
            mfp: plan.mfp,
        };
        let State::Joining(joining) = &mut self.state else { return };
        joining.phase = Phase::Handshake(Box::new(Supplicant::new(association)));
        joining.deadline = now + HANDSHAKE_LIMIT;
        if let Some((frame, protected)) = joining.early.take() {
            self.on_eapol(target.bssid, &frame, protected, now, entropy);
        }
    }

    /// An EAPOL frame, while joining or later.
    pub(in crate::wifi) fn on_eapol(
        &mut self,
        source: MacAddr,
        frame: &[u8],
        protected: Option<bool>,
        now: Instant,
        entropy: &mut dyn Entropy,
    ) {
        let outcome = match &mut self.state {
            State::Joining(joining) if joining.target.bssid == source => match &mut joining.phase {
                Phase::Handshake(supplicant) => supplicant.handle(frame, protected, entropy),
                // The frame may overtake the event that says that we are associated.
                Phase::Associating { .. } if frame.len() <= MAX_EARLY => {
                    joining.early = Some((frame.to_vec(), protected));
                    return;
                }
                _ => return,
            },
            State::Up(up) if up.target.bssid == source => match &mut up.supplicant {
                Some(supplicant) => supplicant.handle(frame, protected, entropy),
                None => return,
            },
            _ => return,
        };
        match outcome {
            Ok(list) => self.carry_out(list, source, now),
            Err(_) => self.elements_differ(source, now),
        }
    }

    fn carry_out(&mut self, list: Vec<Do>, ap: MacAddr, now: Instant) {
        for step in list {
            match step {
                Do::Send { frame, clear } => self.actions.push_back(Action::SendEapol { to: ap, frame, clear }),
                Do::Install(key) => self.actions.push_back(Action::InstallKey(key)),
                Do::Secured => {
                    self.actions.push_back(Action::AuthorizePort(ap));
                    let idle = State::Idle { until: now };
                    match core::mem::replace(&mut self.state, idle) {
                        State::Joining(joining) => {
                            let Joining { target, phase, .. } = *joining;
                            let supplicant = match phase {
                                Phase::Handshake(supplicant) => Some(*supplicant),
                                _ => None,
                            };
                            self.arrive(target, supplicant, now);
                        }
                        other => self.state = other,
                    }
                }
            }
        }
    }

    fn elements_differ(&mut self, ap: MacAddr, now: Instant) {
        let target = match &self.state {
            State::Joining(joining) => joining.target.clone(),
            State::Up(up) => up.target.clone(),
            _ => return,
        };
        let text = format!(
            "{}: {ap} says something else in the key handshake than in its beacon: somebody may be in between",
            quoted(&target.ssid)
        );
        self.failures.add(ap, PAUSE, PAUSE_MAX, now);
        if let Some(network) = target.network {
            self.complain(network, text);
        }
        self.tell_down();
        self.leave(ELEMENTS_DIFFER, None, now);
    }
}
