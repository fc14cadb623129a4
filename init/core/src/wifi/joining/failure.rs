//! What did not come, was refused or ended before there was a link: the sentence for the status, and the pause before the
//! access point is tried again.

use super::Phase;
use crate::time::{Duration, Instant};
use crate::wifi::choice::Seen;
use crate::wifi::input::{Disconnected, Failed};
use crate::wifi::memory::quoted;
use crate::wifi::{LEAVING, QUIET, State, Station};
use alloc::format;
use alloc::string::String;

/// First pause after an ordinary failure.
pub(super) const PAUSE: Duration = Duration::from_secs(1);

/// Longest pause after ordinary failures in a row.
pub(super) const PAUSE_MAX: Duration = Duration::from_secs(60);

/// First pause after a passphrase was refused: it won't get better by itself, and an access point may lock us out.
const PASSPHRASE_PAUSE: Duration = Duration::from_secs(10);

/// Longest pause after refused passphrases in a row.
const PASSPHRASE_PAUSE_MAX: Duration = Duration::from_secs(300);

impl Station {
    /// The link ended while we were joining.
    pub(in crate::wifi) fn on_joining_disconnected(&mut self, how: Disconnected, now: Instant) {
        let State::Joining(joining) = &self.state else { return };
        let target = joining.target.clone();
        match &joining.phase {
            Phase::Deriving => {}
            Phase::Handshake(supplicant) if supplicant.unanswered() => self.passphrase_refused(target, now),
            _ => self.fail(target, PAUSE, &format!("it ended the connection (reason {})", how.reason), now),
        }
    }

    /// A step took too long, or an answer did.
    pub(in crate::wifi) fn on_joining_timer(&mut self, now: Instant) {
        let State::Joining(joining) = &self.state else { return };
        match joining.deadline <= now {
            true => self.joining_timed_out(now),
            false => self.repeat_external(now),
        }
    }

    pub(super) fn joining_timed_out(&mut self, now: Instant) {
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
    pub(in crate::wifi) fn on_failed(&mut self, what: Failed, errno: i32, now: Instant) {
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
    pub(super) fn passphrase_refused(&mut self, target: Seen, now: Instant) {
        let text = format!("the password for {} was refused by {}", quoted(&target.ssid), target.bssid);
        self.give_up(target, PASSPHRASE_PAUSE, PASSPHRASE_PAUSE_MAX, text, now);
    }

    /// An attempt failed: `what` completes a sentence about the access point.
    pub(super) fn fail(&mut self, target: Seen, pause: Duration, what: &str, now: Instant) {
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
