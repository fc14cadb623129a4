//! From the choice of an access point to a link: master key or SAE, association, key handshake. Each step has a deadline,
//! each failure a sentence.

use super::action::{Associate, Authenticate, Connect, Protection};
use super::choice::Seen;
use super::crypto::Akm;
use super::handshake::{Association, Do, Supplicant};
use super::input::{Connected, Disconnected, ExternalAuth, Failed};
use super::memory::quoted;
use super::rsn::CCMP;
use super::sae::{Failure, Peers, Sae, Step};
use super::secret::Secret;
use super::{Action, LEAVING, PmkJob, QUIET, State, Station};
use crate::entropy::Entropy;
use crate::net::MacAddr;
use crate::time::{Duration, Instant};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// Longest wait for the master key to be worked out.
const DERIVE_LIMIT: Duration = Duration::from_secs(60);

/// Longest time for SAE, from the first commit to the last confirm.
const SAE_LIMIT: Duration = Duration::from_secs(12);

/// A frame of SAE is sent again after this time without an answer. A driver may wait up to four seconds for the
/// acknowledgement of one, and the access point needs a moment for its own arithmetic.
const SAE_AGAIN: Duration = Duration::from_millis(2500);

/// How often it is sent again.
const SAE_SENDS: u8 = 3;

/// Longest wait for the association.
const ASSOCIATE_LIMIT: Duration = Duration::from_secs(10);

/// Longest wait for the handshake. An access point repeats its messages for about four seconds.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(8);

/// First pause after an ordinary failure.
const PAUSE: Duration = Duration::from_secs(1);

/// Longest pause after ordinary failures in a row.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// First pause after a passphrase was refused: it won't get better by itself, and an access point may lock us out.
const PASSPHRASE_PAUSE: Duration = Duration::from_secs(10);

/// Longest pause after refused passphrases in a row.
const PASSPHRASE_PAUSE_MAX: Duration = Duration::from_secs(300);

/// WPA3 failures in a row after which an access point that knows WPA2 too is joined with that.
const SAE_FAILURES: u8 = 2;

/// For how long.
const WITHOUT_SAE: Duration = Duration::from_secs(600);

/// The longest EAPOL frame that waits for the association's own event.
const MAX_EARLY: usize = 1024;

/// Status "success" (section 9.4.1.9).
const SUCCESS: u16 = 0;

/// Status "unspecified failure".
const FAILURE: u16 = 1;

/// Reason "element in the 4-way handshake different" (section 9.4.1.7).
const ELEMENTS_DIFFER: u16 = 17;

/// An authentication frame: type and subtype in its first byte (section 9.2.4.1).
const AUTHENTICATION: u8 = 0xb0;

/// Bytes of a management frame's header.
const HEADER: usize = 24;

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

/// SAE that the firmware asked for (FullMAC).
#[derive(Debug)]
pub(super) struct External {
    bssid: MacAddr,
    ssid: Vec<u8>,
    frequency: u32,
    sae: Box<Sae>,
    sends: u8,
    /// When to send again.
    pub again: Instant,
    pmk: Option<Secret>,
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

    /// SAE on SoftMAC: our commit.
    fn authenticate(&mut self, target: Seen, now: Instant, entropy: &mut dyn Entropy) {
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

    fn sae(&self, target: &Seen, entropy: &mut dyn Entropy) -> Option<Sae> {
        let peers = Peers {
            own: self.radio.as_ref()?.mac,
            ap: target.bssid,
            ssid: target.ssid.clone(),
            passphrase: self.passphrase(target)?,
        };
        Sae::new(peers, target.plan.as_ref().ok()?.hash_to_element, entropy)
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

    /// An authentication frame of the access point.
    pub(super) fn on_auth_frame(&mut self, frame: &[u8], now: Instant, entropy: &mut dyn Entropy) {
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

    fn sae_failed(&mut self, target: Seen, failure: Failure, now: Instant) {
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
    fn count_sae_failure(&mut self, target: &Seen, now: Instant) {
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
    pub(super) fn on_auth_timeout(&mut self, bssid: MacAddr, now: Instant) {
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

    /// The firmware wants SAE done, with the access point that it chose, or no longer.
    pub(super) fn on_external_auth(&mut self, wanted: &ExternalAuth, now: Instant, entropy: &mut dyn Entropy) {
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
    fn on_external_step(&mut self, step: Step, now: Instant) {
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
    pub(super) fn external_pmk(&self, bssid: MacAddr) -> Option<Secret> {
        self.external.as_ref().filter(|external| external.bssid == bssid)?.pmk.clone()
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

    /// Associated: the handshake, where there is one to do.
    pub(super) fn begin_handshake(&mut self, authorized: bool, now: Instant, entropy: &mut dyn Entropy) {
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
    pub(super) fn on_eapol(
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

    /// The link ended while we were joining.
    pub(super) fn on_joining_disconnected(&mut self, how: Disconnected, now: Instant) {
        let State::Joining(joining) = &self.state else { return };
        let target = joining.target.clone();
        match &joining.phase {
            Phase::Deriving => {}
            Phase::Handshake(supplicant) if supplicant.unanswered() => self.passphrase_refused(target, now),
            _ => self.fail(target, PAUSE, &format!("it ended the connection (reason {})", how.reason), now),
        }
    }

    /// A step took too long.
    pub(super) fn on_joining_timer(&mut self, now: Instant, _entropy: &mut dyn Entropy) {
        let State::Joining(joining) = &self.state else { return };
        if joining.deadline <= now {
            return self.joining_timed_out(now);
        }
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

    fn joining_timed_out(&mut self, now: Instant) {
        let State::Joining(joining) = &self.state else { return };
        let target = joining.target.clone();
        let what = match &joining.phase {
            Phase::Deriving => {
                // Whoever was asked may be gone: it may be asked again.
                self.deriving = None;
                "its key could not be worked out"
            }
            Phase::Authenticating { .. } => {
                self.count_sae_failure(&target, now);
                "it did not answer WPA3 authentication"
            }
            Phase::Associating { .. } => {
                if self.external.is_some() {
                    self.count_sae_failure(&target, now);
                }
                "it did not answer"
            }
            Phase::Handshake(supplicant) if supplicant.unanswered() => return self.passphrase_refused(target, now),
            Phase::Handshake(_) => "it did not finish the key handshake",
        };
        self.fail(target, PAUSE, what, now);
    }

    /// The kernel refused something.
    pub(super) fn on_failed(&mut self, what: Failed, errno: i32, now: Instant) {
        match (&self.state, what) {
            (_, Failed::Scan) => self.on_scan_failed(errno, now),
            (State::Joining(joining), Failed::Authenticate | Failed::Associate | Failed::Connect | Failed::Auth) => {
                let target = joining.target.clone();
                self.fail(target, PAUSE, &format!("the kernel refused to join it (error {errno})"), now);
            }
            (State::Joining(_) | State::Up(_), Failed::Key | Failed::Port) => {
                let target = match &self.state {
                    State::Joining(joining) => joining.target.clone(),
                    State::Up(up) => up.target.clone(),
                    _ => return,
                };
                self.fail(target, PAUSE, &format!("the kernel refused a key (error {errno})"), now);
            }
            // An EAPOL frame that was not sent is asked for again by the access point, a question by ourselves.
            _ => {}
        }
    }

    /// The other side does not have our passphrase.
    fn passphrase_refused(&mut self, target: Seen, now: Instant) {
        let text = format!("the password for {} was refused by {}", quoted(&target.ssid), target.bssid);
        self.give_up(target, PASSPHRASE_PAUSE, PASSPHRASE_PAUSE_MAX, text, now);
    }

    /// An attempt failed: `what` completes a sentence about the access point.
    fn fail(&mut self, target: Seen, pause: Duration, what: &str, now: Instant) {
        let text = format!("{} could not be joined: {what} ({})", quoted(&target.ssid), target.bssid);
        self.give_up(target, pause, PAUSE_MAX, text, now);
    }

    fn give_up(&mut self, target: Seen, first: Duration, most: Duration, text: String, now: Instant) {
        self.failures.add(target.bssid, first, most, now);
        if let Some(network) = target.network {
            self.complain(network, text);
        }
        self.tell_down();
        if matches!(&self.state, State::Joining(joining) if matches!(joining.phase, Phase::Deriving)) {
            self.state = State::Idle { until: now + QUIET };
        } else {
            self.leave(LEAVING, None, now);
        }
    }
}

fn protection(target: &Seen) -> Option<Protection> {
    let plan = target.plan.as_ref().ok()?;
    Some(Protection { akm: plan.akm?.suite(), pairwise: CCMP, group: CCMP, mfp: plan.mfp })
}
