//! Whether the network at the uplink answers every name with an address of its own, as one does that wants a sign-in in a
//! browser first (a captive portal; RFC 8952 section 2.1 knows them and has no better sign for old ones).
//!
//! ```text
//!  new lease ─► a random name below `invalid.`: is there an address? ─► the same for a name whose address never changes
//!                   no: nothing more until the next lease                   right: it lies about missing names only
//!                                                                           wrong: a portal; asked again until it ends
//! ```
//! Nobody has a name below `invalid.` (RFC 6761 section 6.4) and the question tells nobody anything. Some providers answer
//! names that don't exist with an advertisement; the second question keeps them apart.
//!
//! While there is a portal the LAN gets what the servers say, since its browsers must find the page, also one with a private
//! address; but only for seconds, and nothing of it is kept. Left out: what a portal does beyond DNS.

use super::answer::Answer;
use super::flight::Landed;
use super::query::{Asked, Key};
use super::wire::{HEADER, Record, flag, rcode, rtype};
use super::{Dns, bounds};
use crate::entropy::Entropy;
use crate::net::{Ipv4Addr, Ipv4Net};
use crate::time::{Duration, Instant};
use alloc::boxed::Box;
use alloc::vec::Vec;

/// From a new lease to the first question: the routes are not there before the address is.
const FIRST: Duration = Duration::from_secs(1);

/// Shortest and longest pause before it is asked again, while there is a portal or silence.
const PAUSE: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(60));

/// Seconds for which machines of the LAN may keep what a portal said.
const TTL: u32 = 5;

/// Letters of the random label: 75 bits.
const LETTERS: usize = 16;

/// `a.root-servers.net`, type A, and the address that it has had since 1997.
const KNOWN: &[u8] = b"\x01a\x0croot-servers\x03net\0\0\x01\0\x01";
const KNOWN_ADDRESS: Ipv4Addr = Ipv4Addr::new(198, 41, 0, 4);

/// What the servers said to a question.
enum Said {
    /// These addresses, perhaps none.
    Addresses(Vec<Ipv4Addr>),
    /// Nothing that means anything.
    Nothing,
}

/// What is known about a portal, and what is asked next.
#[derive(Default)]
pub(super) struct Portal {
    due: Option<Instant>,
    pause: Duration,
    /// The question that is on its way.
    asked: Option<Box<[u8]>>,
    /// What a name that nobody has was answered with.
    suspect: Option<Ipv4Addr>,
    page: Option<Ipv4Addr>,
}

impl Portal {
    fn start(&mut self, now: Instant) {
        *self = Portal { due: Some(now + FIRST), pause: PAUSE.0, page: self.page, ..Portal::default() };
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }

    /// The question that is due.
    fn fire(&mut self, now: Instant, entropy: &mut dyn Entropy) -> Option<&[u8]> {
        self.due.filter(|due| *due <= now)?;
        self.due = Some(now + self.pause);
        self.pause = (self.pause * 2).min(PAUSE.1);
        let question = if self.suspect.is_some() { KNOWN.into() } else { nobody(entropy) };
        self.asked = Some(question);
        self.asked.as_deref()
    }

    fn heard(&mut self, said: Said, now: Instant) {
        self.asked = None;
        match (said, self.suspect) {
            // The next question is due already.
            (Said::Nothing, _) => {}
            (Said::Addresses(addresses), None) => match addresses.first() {
                Some(address) => (self.suspect, self.due) = (Some(*address), Some(now)),
                None => *self = Portal::default(),
            },
            (Said::Addresses(addresses), Some(page)) => {
                self.suspect = None;
                if addresses.contains(&KNOWN_ADDRESS) {
                    *self = Portal::default();
                } else if !addresses.is_empty() {
                    if self.page != Some(page) {
                        self.pause = PAUSE.0;
                    }
                    (self.page, self.due) = (Some(page), Some(now + self.pause));
                }
            }
        }
    }

    /// What the servers said, as it may be passed on.
    pub(super) fn temper(&self, answer: Answer) -> Answer {
        if self.page.is_some() { answer.only_once(TTL) } else { answer }
    }

    /// Whether an answer leads to the portal's page and nowhere else, and that is no address of ours or of the asker.
    pub(super) fn is_page(&self, answer: &Answer, lan: Ipv4Net) -> bool {
        let Some(page) = self.page.filter(|page| !lan.contains(*page) && !page.is_loopback()) else { return false };
        let found = addresses(answer);
        found.len() == usize::from(answer.counts[0]) && found.iter().all(|address| *address == page)
    }
}

/// A name that nobody has, type A.
fn nobody(entropy: &mut dyn Entropy) -> Box<[u8]> {
    let mut question = Vec::with_capacity(LETTERS + 14);
    question.push(LETTERS as u8);
    question.extend((0..LETTERS).map(|_| b'a' + entropy.below(26) as u8));
    question.extend_from_slice(b"\x07invalid\0\0\x01\0\x01");
    question.into()
}

/// The A records of the answer section.
fn addresses(answer: &Answer) -> Vec<Ipv4Addr> {
    // Name, type and class of the question come first; its name was written here without compression.
    let question = answer.body.iter().position(|byte| *byte == 0).map_or(0, |end| end + 5);
    let mut at = question;
    let records = (0..answer.counts[0]).map_while(|_| {
        let record = Record::read(&answer.body, at)?;
        at = record.data.end;
        Some(record)
    });
    let address = |record: Record| Some(<[u8; 4]>::try_from(answer.body.get(record.data)?).ok()?.into());
    records.filter(|record| record.rtype == rtype::A).filter_map(address).collect()
}

impl Dns {
    /// Looks whether the servers are a portal's: `on` after each new or renewed lease of the uplink, off when there is none
    /// or when the user has named the servers.
    pub fn watch_for_portal(&mut self, on: bool, now: Instant) {
        if on {
            self.portal.start(now);
        } else if core::mem::take(&mut self.portal).page.is_some() {
            self.cache.reset(bounds(&self.settings));
        }
    }

    /// The address that every name is answered with, while the network at the uplink does so.
    pub fn portal(&self) -> Option<Ipv4Addr> {
        self.portal.page
    }

    /// Asks what is due.
    pub(super) fn step_portal(&mut self, now: Instant, entropy: &mut dyn Entropy) {
        let Some(question) = self.portal.fire(now, entropy) else { return };
        let asked = Asked { id: 0, flags: flag::RD, question, edns: None, limit: HEADER };
        if let Some(key) = Key::new(&asked) {
            self.with_forwarder(now, entropy, |forwarder, around| forwarder.refresh(&key, around));
        }
    }

    /// Takes the answer to our own question. `false`: somebody else waits for it, too, or it is not ours.
    pub(super) fn hear_probe(&mut self, landed: &Landed, now: Instant) -> bool {
        if self.portal.asked.as_deref() != Some(landed.flight.key.question()) {
            return false;
        }
        let said = match &landed.result {
            Ok((answer, _)) => Said::Addresses(addresses(answer)),
            Err(rcode::REFUSED) => Said::Addresses(Vec::new()),
            Err(_) => Said::Nothing,
        };
        let before = self.portal.page;
        self.portal.heard(said, now);
        if self.portal.page != before {
            // What came before it was noticed may be the portal's; what a portal said is worth nothing afterwards.
            self.cache.reset(bounds(&self.settings));
        }
        landed.flight.waiters.is_empty()
    }
}
