//! The supplicant: 4-way handshake (IEEE 802.11-2020 section 12.7.6) and group key handshake (12.7.7) of one association.
//!
//! ```text
//! M1  AP → us   ANonce                                we draw SNonce, derive the PTK
//! M2  us → AP   SNonce, MIC, our RSN elements
//! M3  AP → us   ANonce, MIC, its RSN elements, GTK, IGTK    checked; keys are installed
//! M4  us → AP   MIC
//! G1  AP → us   MIC, GTK, IGTK        G2  us → AP   MIC       at any time afterwards
//! ```
//!
//! What is unusual is the rule against reinstalling (KRACK): a key that was installed is never installed again, whatever
//! comes again; the answer is sent again, that is all. A repeated M1 keeps nonce and keys only while no M3 has used them.
//!
//! Left out: PTK requests of our own, SMK, fast transition, operating channel validation.

use super::action::{InstallKey, KeyUse};
use super::crypto::{self, Akm, Ptk};
use super::eapol::{self, GroupKey, KeyData, KeyFrame, info};
use super::rsn::{BIP_CMAC, CCMP};
use super::secret::Secret;
use crate::entropy::Entropy;
use crate::net::MacAddr;
use alloc::vec::Vec;

/// Group keys that are remembered as installed: the two indices, and what each held before.
const REMEMBERED: usize = 4;

/// What both sides know before the first message.
#[derive(Clone, Debug)]
pub(super) struct Association {
    /// The suite.
    pub akm: Akm,
    /// Our address.
    pub own: MacAddr,
    /// The access point.
    pub ap: MacAddr,
    /// The master key.
    pub pmk: Secret,
    /// The RSN element, and its extension, of our association request.
    pub ours: Vec<u8>,
    /// The access point's RSN element in its beacon, header and all.
    pub rsn: Vec<u8>,
    /// Its RSN extension, if it has one.
    pub rsnx: Option<Vec<u8>>,
    /// Management frames are protected.
    pub mfp: bool,
}

/// What the handshake asks for, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Do {
    /// Send this EAPOL frame; `clear` if there is no key on the air yet.
    Send {
        /// The frame.
        frame: Vec<u8>,
        /// Unencrypted.
        clear: bool,
    },
    /// Install a key.
    Install(InstallKey),
    /// The pairwise key is in: data may flow.
    Secured,
}

/// The access point's elements in M3 are not those of its beacon (section 12.7.6.4): somebody changed one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ElementsDiffer;

#[derive(Clone, Debug)]
struct Session {
    anonce: [u8; 32],
    snonce: [u8; 32],
    ptk: Ptk,
}

/// The supplicant of one association.
#[derive(Clone, Debug)]
pub(super) struct Supplicant {
    association: Association,
    /// The last counter of a frame whose code was right.
    replay: Option<u64>,
    /// From M1, until M3 confirms it.
    pending: Option<Session>,
    /// Confirmed and installed.
    current: Option<Session>,
    installed: Vec<Secret>,
}

impl Supplicant {
    /// Waits for M1.
    pub fn new(association: Association) -> Self {
        Self { association, replay: None, pending: None, current: None, installed: Vec::new() }
    }

    /// The master key in use.
    pub fn pmk(&self) -> &Secret {
        &self.association.pmk
    }

    /// Whether M2 was sent and nothing came that proves the other side has the same key. An access point drops an M2 made
    /// with another passphrase without a word.
    pub fn unanswered(&self) -> bool {
        self.pending.is_some() && self.current.is_none()
    }

    /// Whether the pairwise key is installed.
    pub fn is_secured(&self) -> bool {
        self.current.is_some()
    }

    /// An EAPOL frame from the access point. Any bytes. `protected`: see [`Station::handle_eapol`](super::Station).
    ///
    /// # Errors
    ///
    /// The link must be given up.
    pub fn handle(
        &mut self,
        frame: &[u8],
        protected: Option<bool>,
        entropy: &mut dyn Entropy,
    ) -> Result<Vec<Do>, ElementsDiffer> {
        let Some(key) = KeyFrame::parse(frame) else { return Ok(Vec::new()) };
        let ours = key.info & info::VERSION == self.association.akm.descriptor_version()
            && key.has(info::ACK)
            && key.info & (info::REQUEST | info::ERROR | info::SMK) == 0
            && self.replay.is_none_or(|last| key.replay > last);
        if !ours {
            return Ok(Vec::new());
        }
        // With management frames protected, a key exchange that begins in clear after the first one is a stranger's. M3 may
        // come in clear again: the access point has not heard M4 and has no key yet.
        let forged = self.association.mfp && self.is_secured() && protected == Some(false);
        match (key.has(info::PAIRWISE), key.has(info::MIC)) {
            (true, false) if !forged => Ok(self.on_m1(&key, entropy)),
            (true, true) => self.on_m3(&key, protected),
            (false, true) if !forged => Ok(self.on_group(&key)),
            _ => Ok(Vec::new()),
        }
    }

    /// Section 12.7.6.2.
    fn on_m1(&mut self, key: &KeyFrame<'_>, entropy: &mut dyn Entropy) -> Vec<Do> {
        let Association { akm, own, ap, ref pmk, .. } = self.association;
        let session = match self.pending.take().filter(|session| session.anonce == key.nonce) {
            Some(session) => session,
            None => {
                let snonce = nonce(entropy);
                let ptk = Ptk::derive(akm, pmk, (own, &snonce), (ap, &key.nonce));
                Session { anonce: key.nonce, snonce, ptk }
            }
        };
        let secure = if self.is_secured() { info::SECURE } else { 0 };
        let bits = info::PAIRWISE | info::MIC | secure;
        let frame = eapol::build(akm, &session.ptk.kck, bits, key.replay, &session.snonce, &self.association.ours);
        self.pending = Some(session);
        alloc::vec![Do::Send { frame, clear: !self.is_secured() }]
    }

    /// Section 12.7.6.4.
    fn on_m3(&mut self, key: &KeyFrame<'_>, protected: Option<bool>) -> Result<Vec<Do>, ElementsDiffer> {
        let akm = self.association.akm;
        let proved = |session: &&Session| session.anonce == key.nonce && key.verify(akm, &session.ptk.kck);
        let fresh = self.pending.as_ref().filter(proved).is_some();
        let session = if fresh { self.pending.as_ref() } else { self.current.as_ref().filter(proved) };
        let Some(session) = session else { return Ok(Vec::new()) };
        if !key.has(info::SECURE | info::ENCRYPTED | info::INSTALL) {
            return Ok(Vec::new());
        }
        let Some(data) = open(&session.ptk, key) else { return Ok(Vec::new()) };
        if data.rsn.as_ref() != Some(&self.association.rsn) || data.rsnx != self.association.rsnx {
            return Err(ElementsDiffer);
        }
        if data.gtk.is_none() || (self.association.mfp && data.igtk.is_none()) {
            return Ok(Vec::new());
        }
        self.replay = Some(key.replay);
        let bits = info::PAIRWISE | info::MIC | info::SECURE;
        let frame = eapol::build(akm, &session.ptk.kck, bits, key.replay, &[0; 32], &[]);
        // An access point that repeats M3 in clear has not heard M4 and could not read an encrypted one.
        let clear = !self.is_secured() || protected == Some(false);
        let mut list = alloc::vec![Do::Send { frame, clear }];
        if fresh && let Some(session) = self.pending.take() {
            list.push(Do::Install(InstallKey {
                usage: KeyUse::Pairwise(self.association.ap),
                index: 0,
                cipher: CCMP,
                key: session.ptk.tk.clone(),
                sequence: [0; 6],
            }));
            self.current = Some(session);
        }
        self.install_group(key, data, &mut list);
        if fresh {
            list.push(Do::Secured);
        }
        Ok(list)
    }

    /// Section 12.7.7.2.
    fn on_group(&mut self, key: &KeyFrame<'_>) -> Vec<Do> {
        let akm = self.association.akm;
        let Some(session) = self.current.as_ref().filter(|session| key.verify(akm, &session.ptk.kck)) else {
            return Vec::new();
        };
        if !key.has(info::SECURE | info::ENCRYPTED) {
            return Vec::new();
        }
        let Some(data) = open(&session.ptk, key).filter(|data| data.gtk.is_some() || data.igtk.is_some()) else {
            return Vec::new();
        };
        self.replay = Some(key.replay);
        let frame = eapol::build(akm, &session.ptk.kck, info::MIC | info::SECURE, key.replay, &[0; 32], &[]);
        let mut list = alloc::vec![];
        self.install_group(key, data, &mut list);
        list.push(Do::Send { frame, clear: false });
        list
    }

    fn install_group(&mut self, frame: &KeyFrame<'_>, data: KeyData, list: &mut Vec<Do>) {
        if let Some(key) = data.gtk {
            self.install(key, KeyUse::Group, CCMP, frame.rsc, list);
        }
        if let Some((key, number)) = data.igtk.filter(|_| self.association.mfp) {
            self.install(key, KeyUse::Integrity, BIP_CMAC, number, list);
        }
    }

    /// Installs a group key, unless it was before: with its counter set back, old frames would be taken again
    /// (CVE-2017-13078 to 13081). The same key under another index is the same key.
    fn install(&mut self, key: GroupKey, usage: KeyUse, cipher: u32, sequence: [u8; 6], list: &mut Vec<Do>) {
        if self.installed.contains(&key.key) {
            return;
        }
        if self.installed.len() >= REMEMBERED {
            self.installed.remove(0);
        }
        self.installed.push(key.key.clone());
        list.push(Do::Install(InstallKey { usage, index: key.index, cipher, key: key.key, sequence }));
    }
}

fn open(ptk: &Ptk, key: &KeyFrame<'_>) -> Option<KeyData> {
    KeyData::parse(crypto::unwrap_key(&ptk.kek, key.data)?.expose())
}

fn nonce(entropy: &mut dyn Entropy) -> [u8; 32] {
    let mut nonce = [0; 32];
    for chunk in nonce.as_chunks_mut::<4>().0 {
        *chunk = entropy.next_u32().to_be_bytes();
    }
    nonce
}
