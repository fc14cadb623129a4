//! Simultaneous authentication of equals (IEEE 802.11-2020 section 12.4): from a passphrase to a master key that nobody
//! who listens can test guesses against.
//!
//! [`Sae`] is our side of one exchange with one access point. It takes and gives authentication frames from the
//! transaction sequence number on, as nl80211 does:
//!
//! ```text
//! transaction (2) | status (2) | commit:  group (2) | token | scalar | element | containers
//!                                confirm: send-confirm (2) | confirm
//! ```
//!
//! Hash to element is used wherever the access point knows it; hunting and pecking, with its fixed forty rounds, only
//! where it does not, and then on group 19 alone. Group 19 is offered first, group 20 where 19 is refused.
//!
//! Left out: finite field groups (weaker for their size; CVE-2019-9494), password identifiers, SAE-PK, AKM 24.

mod curve;
mod element;
mod exchange;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod watched;

use self::curve::{Curve, P256, P384};
use self::exchange::{BadCommit, Exchange, Side};
use super::crypto::{Hash, same};
use super::secret::Secret;
use crate::entropy::Entropy;
use crate::net::MacAddr;
use alloc::boxed::Box;
use alloc::vec::Vec;

pub(super) use self::exchange::Keys;

/// Status "anti-clogging token required" (section 9.4.1.9).
const TOKEN_REQUIRED: u16 = 76;

/// Status "finite cyclic group not supported".
const GROUP_REFUSED: u16 = 77;

/// Status of a commit made by hash to element.
const HASH_TO_ELEMENT: u16 = 126;

/// Status "challenge failure": what an access point says to a confirm that does not fit its passphrase.
const CHALLENGE_FAILED: u16 = 15;

/// Number of an element whose true number follows.
const EXTENSION: u8 = 255;

/// Rejected Groups element (section 9.4.2.247).
const REJECTED_GROUPS: u8 = 92;

/// Anti-Clogging Token Container element (section 9.4.2.248).
const TOKEN_CONTAINER: u8 = 93;

/// The longest token that is carried back, in bytes: what fits into a container.
const MAX_TOKEN: usize = 254;

/// How often an access point may ask for a token in one exchange: it may renew its secret meanwhile, but not for ever.
const MAX_TOKENS: u8 = 3;

/// How often a commit may come again after ours was taken (dot11RSNASAESync).
const MAX_SYNC: u8 = 5;

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing: the frame was not for this exchange, or came too late.
    Ignore,
    /// Send this.
    Send(Vec<u8>),
    /// Both sides have the same keys.
    Accepted(Keys),
    /// It is over.
    Failed(Failure),
}

/// Why an exchange failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The access point's confirm does not fit our passphrase, or ours not its.
    Passphrase,
    /// It refused with this status code.
    Status(u16),
    /// It knows none of our groups.
    Groups,
    /// Its commit is not one: another method than was agreed on, an impossible scalar or element, or no end of tokens.
    Protocol,
}

#[derive(Clone, Debug)]
enum Phase {
    Committed,
    Confirmed { keys: Keys, peer: Vec<u8>, sent: u16, sync: u8 },
    Over,
}

/// Who talks to whom about which network.
#[derive(Clone, Debug)]
pub(super) struct Peers {
    /// Our address.
    pub own: MacAddr,
    /// The access point.
    pub ap: MacAddr,
    /// The network's name.
    pub ssid: Vec<u8>,
    /// Its passphrase.
    pub passphrase: Secret,
}

/// Our side of one exchange.
#[derive(Debug)]
pub(super) struct Sae {
    peers: Peers,
    hash_to_element: bool,
    group: u16,
    rejected: Vec<u16>,
    side: Box<dyn Side>,
    token: Option<Vec<u8>>,
    tokens: u8,
    phase: Phase,
}

impl Sae {
    /// Begins an exchange; send [`Sae::commit`]. `None` if the passphrase gives no element, which has no practical chance.
    pub fn new(peers: Peers, hash_to_element: bool, entropy: &mut dyn Entropy) -> Option<Self> {
        let side = side(&peers, hash_to_element, P256::NUMBER, entropy)?;
        let (group, rejected) = (P256::NUMBER, Vec::new());
        Some(Self { peers, hash_to_element, group, rejected, side, token: None, tokens: 0, phase: Phase::Committed })
    }

    /// Our commit, also to send it again.
    pub fn commit(&self) -> Vec<u8> {
        let status = if self.hash_to_element { HASH_TO_ELEMENT } else { 0 };
        let mut frame = header(1, status);
        frame.extend(self.group.to_le_bytes());
        match &self.token {
            Some(token) if !self.hash_to_element => frame.extend(token),
            _ => {}
        }
        frame.extend(self.side.commit());
        if !self.rejected.is_empty() {
            let groups: Vec<u8> = self.rejected.iter().flat_map(|group| group.to_le_bytes()).collect();
            container(&mut frame, REJECTED_GROUPS, &groups);
        }
        match &self.token {
            Some(token) if self.hash_to_element => container(&mut frame, TOKEN_CONTAINER, token),
            _ => {}
        }
        frame
    }

    /// What was sent last, for another try; `None` when it is over. A confirm counts up (section 12.4.8.4).
    pub fn again(&mut self) -> Option<Vec<u8>> {
        match &mut self.phase {
            Phase::Committed => Some(self.commit()),
            Phase::Confirmed { keys, peer, sent, .. } => {
                *sent = sent.saturating_add(1);
                Some(confirm(keys, *sent, self.side.commit(), peer))
            }
            Phase::Over => None,
        }
    }

    /// An authentication frame of the access point, from the transaction sequence number on. Any bytes.
    pub fn handle(&mut self, frame: &[u8], entropy: &mut dyn Entropy) -> Step {
        let Some((&[t0, t1, s0, s1], body)) = frame.split_first_chunk() else { return Step::Ignore };
        let (transaction, status) = (u16::from_le_bytes([t0, t1]), u16::from_le_bytes([s0, s1]));
        let step = match (&self.phase, transaction) {
            (Phase::Committed, 1) => self.on_commit(status, body, entropy),
            (Phase::Confirmed { .. }, 1) => self.on_commit_again(status, body),
            (Phase::Confirmed { .. }, 2) => self.on_confirm(status, body),
            _ => Step::Ignore,
        };
        if matches!(step, Step::Accepted(_) | Step::Failed(_)) {
            self.phase = Phase::Over;
        }
        step
    }

    fn on_commit(&mut self, status: u16, body: &[u8], entropy: &mut dyn Entropy) -> Step {
        let group = body.first_chunk().map(|group| u16::from_le_bytes(*group));
        let wanted = if self.hash_to_element { HASH_TO_ELEMENT } else { 0 };
        match status {
            TOKEN_REQUIRED if group == Some(self.group) => self.on_token(body),
            GROUP_REFUSED if group == Some(self.group) => self.next_group(entropy),
            // About another group than the one that was asked for: an old answer.
            TOKEN_REQUIRED | GROUP_REFUSED => Step::Ignore,
            // The other method than the one that the beacon promised: somebody wants the weaker one.
            0 | HASH_TO_ELEMENT if status != wanted => Step::Failed(Failure::Protocol),
            0 | HASH_TO_ELEMENT if group != Some(self.group) => Step::Ignore,
            0 | HASH_TO_ELEMENT => self.on_peer(body.get(2..).unwrap_or_default()),
            other => Step::Failed(Failure::Status(other)),
        }
    }

    /// Section 12.4.6: the access point is busy and wants to see that we are where we say.
    fn on_token(&mut self, body: &[u8]) -> Step {
        let rest = body.get(2..).unwrap_or_default();
        let token = if self.hash_to_element { contained(rest, TOKEN_CONTAINER) } else { Some(rest) };
        self.tokens = self.tokens.saturating_add(1);
        match token {
            Some(token) if (1..=MAX_TOKEN).contains(&token.len()) && self.tokens <= MAX_TOKENS => {
                self.token = Some(token.to_vec());
                Step::Send(self.commit())
            }
            _ => Step::Failed(Failure::Protocol),
        }
    }

    /// Section 12.4.8.6.4: the access point does not know the group. Hunting and pecking has only one.
    fn next_group(&mut self, entropy: &mut dyn Entropy) -> Step {
        if self.group != P256::NUMBER || !self.hash_to_element {
            return Step::Failed(Failure::Groups);
        }
        let Some(side) = side(&self.peers, true, P384::NUMBER, entropy) else {
            return Step::Failed(Failure::Groups);
        };
        self.rejected.push(self.group);
        (self.side, self.group) = (side, P384::NUMBER);
        Step::Send(self.commit())
    }

    /// The access point's scalar and element.
    fn on_peer(&mut self, body: &[u8]) -> Step {
        let length = self.side.commit().len();
        // Containers may follow hash to element's; nothing may follow the other's.
        let Some((peer, rest)) = body.split_at_checked(length) else { return Step::Failed(Failure::Protocol) };
        if !self.hash_to_element && !rest.is_empty() {
            return Step::Failed(Failure::Protocol);
        }
        let salt = self.salt(contained(rest, REJECTED_GROUPS).unwrap_or_default());
        let hash = match self.group {
            _ if !self.hash_to_element => Hash::Sha256,
            P384::NUMBER => P384::HASH,
            _ => P256::HASH,
        };
        match self.side.keys(peer, hash, &salt) {
            Ok(keys) => {
                let frame = confirm(&keys, 1, self.side.commit(), peer);
                self.phase = Phase::Confirmed { keys, peer: peer.to_vec(), sent: 1, sync: 0 };
                Step::Send(frame)
            }
            Err(BadCommit::Reflected) => Step::Ignore,
            Err(BadCommit::Invalid) => Step::Failed(Failure::Protocol),
        }
    }

    /// The groups that were refused on the way, so that nobody can pretend a refusal (section 12.4.5.4): those of the side with
    /// the higher address first.
    fn salt(&self, theirs: &[u8]) -> Vec<u8> {
        let ours: Vec<u8> = self.rejected.iter().flat_map(|group| group.to_le_bytes()).collect();
        if self.peers.own > self.peers.ap { [&ours, theirs].concat() } else { [theirs, &ours].concat() }
    }

    /// The access point repeats its commit: it did not hear our confirm (section 12.4.8.6.5).
    fn on_commit_again(&mut self, status: u16, body: &[u8]) -> Step {
        let wanted = if self.hash_to_element { HASH_TO_ELEMENT } else { 0 };
        let Phase::Confirmed { keys, peer, sent, sync } = &mut self.phase else { return Step::Ignore };
        let repeated = body.strip_prefix(&self.group.to_le_bytes()).is_some_and(|rest| rest.starts_with(peer));
        if status != wanted || !repeated {
            return Step::Ignore;
        }
        *sync = sync.saturating_add(1);
        if *sync > MAX_SYNC {
            return Step::Failed(Failure::Protocol);
        }
        *sent = sent.saturating_add(1);
        Step::Send(confirm(keys, *sent, self.side.commit(), peer))
    }

    fn on_confirm(&mut self, status: u16, body: &[u8]) -> Step {
        let Phase::Confirmed { keys, peer, .. } = &self.phase else { return Step::Ignore };
        match status {
            0 => {}
            CHALLENGE_FAILED | 1 => return Step::Failed(Failure::Passphrase),
            other => return Step::Failed(Failure::Status(other)),
        }
        let Some((counter, code)) = body.split_first_chunk() else { return Step::Failed(Failure::Protocol) };
        let wanted = confirm(keys, u16::from_le_bytes(*counter), peer, self.side.commit());
        if same(code, wanted.get(6..).unwrap_or_default()) {
            Step::Accepted(keys.clone())
        } else {
            Step::Failed(Failure::Passphrase)
        }
    }
}

/// Our secrets for a group.
fn side(peers: &Peers, hash_to_element: bool, group: u16, entropy: &mut dyn Entropy) -> Option<Box<dyn Side>> {
    match group {
        P256::NUMBER => side_of::<P256>(peers, hash_to_element, entropy),
        P384::NUMBER => side_of::<P384>(peers, hash_to_element, entropy),
        _ => None,
    }
}

fn side_of<C: Curve + 'static>(
    peers: &Peers,
    hash_to_element: bool,
    entropy: &mut dyn Entropy,
) -> Option<Box<dyn Side>> {
    let element = if hash_to_element {
        let common = element::hash_to_element::<C>(&peers.ssid, &peers.passphrase, b"")?;
        element::for_peers::<C>(common, peers.own, peers.ap)?
    } else {
        element::hunt::<C>(&peers.passphrase, peers.own, peers.ap)?
    };
    Some(Box::new(Exchange::<C>::new(element, entropy)?))
}

fn header(transaction: u16, status: u16) -> Vec<u8> {
    [transaction.to_le_bytes(), status.to_le_bytes()].concat()
}

/// A confirm message (section 12.4.5.5) of the side that sent `from`.
fn confirm(keys: &Keys, counter: u16, from: &[u8], to: &[u8]) -> Vec<u8> {
    let counter = counter.to_le_bytes();
    let code = keys.hash.hmac(keys.kck.expose(), &[&counter, from, to]);
    let mut frame = header(2, 0);
    frame.extend(counter);
    frame.extend(code.expose());
    frame
}

fn container(frame: &mut Vec<u8>, number: u8, content: &[u8]) {
    let length = u8::try_from(content.len().saturating_add(1)).unwrap_or(u8::MAX);
    frame.extend([EXTENSION, length, number]);
    frame.extend(content.iter().take(MAX_TOKEN));
}

fn contained(bytes: &[u8], number: u8) -> Option<&[u8]> {
    super::element::extension(bytes, number)
}
