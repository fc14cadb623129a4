//! Is the access point still the one that we share keys with? SA Query (IEEE 802.11-2020 sections 9.6.9 and 11.13).
//!
//! With protected management frames a farewell in clear is not believed: anybody can send one. But an access point that
//! was restarted has lost its keys and can say nothing else, while our frames are nothing to it. So such a farewell leads
//! to a question, protected with the keys of the link: only whoever has them can answer. Without an answer within a second
//! the link is taken for lost.
//!
//! Left out: questions of the access point, which the kernel or the firmware answers by itself; operating channel
//! validation.

use super::action::Action;
use super::memory::quoted;
use super::{LEAVING, State, Station};
use crate::entropy::Entropy;
use crate::net::MacAddr;
use crate::time::{Duration, Instant};
use alloc::format;
use alloc::vec::Vec;

/// Time for an answer (`dot11AssociationSAQueryMaximumTimeout`: 1000 TU).
const ANSWER_LIMIT: Duration = Duration::from_millis(1024);

/// A question is asked again after this time (`dot11AssociationSAQueryRetryTimeout`: 201 TU).
const ASK_AGAIN: Duration = Duration::from_millis(206);

/// The least time from one series of questions to the next, however many farewells come: a flood of forged ones costs
/// five small frames every ten seconds.
const EVERY: Duration = Duration::from_secs(10);

/// Frame control of an action frame (section 9.2.4.1).
const ACTION: u8 = 0xd0;

/// Category "SA Query" (section 9.4.1.11), and its two actions (section 9.6.9.1).
const CATEGORY: u8 = 8;
const REQUEST: u8 = 0;
const RESPONSE: u8 = 1;

/// Reason "class 2 frame received from nonauthenticated STA", and "class 3 frame received from nonassociated STA" (section
/// 9.4.1.7): what an access point says to somebody whom it does not know.
const UNKNOWN_TO_IT: [u16; 2] = [6, 7];

/// The questions about one link.
#[derive(Debug, Default)]
pub(super) struct SaQuery {
    /// When the last series began.
    began: Option<Instant>,
    series: Option<Series>,
}

#[derive(Debug)]
struct Series {
    /// Transaction identifiers so far: an answer to any of them will do. At most five.
    transactions: Vec<u16>,
    again: Instant,
    until: Instant,
}

impl SaQuery {
    /// When to ask again or to give up.
    pub fn due(&self) -> Option<Instant> {
        self.series.as_ref().map(|series| series.again.min(series.until))
    }
}

impl Station {
    /// A farewell in clear although management frames are protected.
    pub(super) fn on_unprotected(&mut self, from: MacAddr, reason: u16, now: Instant, entropy: &mut dyn Entropy) {
        let State::Up(up) = &mut self.state else { return };
        let protected = up.target.plan.as_ref().is_ok_and(|plan| plan.mfp);
        if !protected || from != up.target.bssid || !UNKNOWN_TO_IT.contains(&reason) {
            return;
        }
        if up.query.series.is_some() || up.query.began.is_some_and(|began| now < began + EVERY) {
            return;
        }
        up.query.began = Some(now);
        up.query.series = Some(Series { transactions: Vec::new(), again: now, until: now + ANSWER_LIMIT });
        self.ask_whether_known(now, entropy);
    }

    /// Asks, asks again, or gives the link up.
    pub(super) fn ask_whether_known(&mut self, now: Instant, entropy: &mut dyn Entropy) {
        let (State::Up(up), Some(radio)) = (&mut self.state, &self.radio) else { return };
        let Some(series) = &mut up.query.series else { return };
        let bssid = up.target.bssid;
        if series.until <= now {
            let text = format!("{}: {bssid} does not know us any longer, it was restarted", quoted(&up.target.ssid));
            self.note(text);
            self.tell_down();
            return self.leave(LEAVING, None, now);
        }
        if series.again > now {
            return;
        }
        let transaction = entropy.next_u32() as u16;
        series.transactions.push(transaction);
        series.again = now + ASK_AGAIN;
        let (head, body) = ([ACTION, 0, 0, 0], [0, 0, CATEGORY, REQUEST]);
        let frame = [&head[..], &bssid.0, &radio.mac.0, &bssid.0, &body, &transaction.to_le_bytes()].concat();
        self.actions.push_back(Action::SendActionFrame(frame));
    }

    /// An action frame that was registered for: the answer.
    pub(super) fn on_action_frame(&mut self, frame: &[u8]) {
        let State::Up(up) = &mut self.state else { return };
        let Some((header, body)) = frame.split_first_chunk::<24>() else { return };
        let from_it = header.get(10..16) == Some(&up.target.bssid.0[..]);
        let (true, Some(&ACTION), [CATEGORY, RESPONSE, low, high, ..]) = (from_it, header.first(), body) else {
            return;
        };
        let answered = u16::from_le_bytes([*low, *high]);
        if up.query.series.as_ref().is_some_and(|series| series.transactions.contains(&answered)) {
            up.query.series = None;
        }
    }
}
