//! EAPOL-Key frames (IEEE 802.11-2020 section 12.7.2) and the key data they carry (12.7.2 table 12-9).
//!
//! ```text
//! version (1) | type = 3 (1) | length (2)                                       EAPOL, big-endian
//! descriptor = 2 (1) | key information (2) | key length (2) | replay counter (8)
//! nonce (32) | IV (16) | RSC (8) | reserved (8) | MIC (16) | data length (2) | data
//! ```

use super::crypto::{self, Akm};
use super::element;
use super::secret::Secret;
use alloc::vec::Vec;

/// Bits of the key information.
pub(super) mod info {
    /// Descriptor version.
    pub const VERSION: u16 = 7;
    /// A pairwise key, not a group key.
    pub const PAIRWISE: u16 = 1 << 3;
    /// Install it.
    pub const INSTALL: u16 = 1 << 6;
    /// An answer is wanted: only an access point sets it.
    pub const ACK: u16 = 1 << 7;
    /// The frame has an integrity code.
    pub const MIC: u16 = 1 << 8;
    /// There is a key from before, or from now on.
    pub const SECURE: u16 = 1 << 9;
    /// Only a station sets it.
    pub const ERROR: u16 = 1 << 10;
    /// Only a station sets it.
    pub const REQUEST: u16 = 1 << 11;
    /// The key data is wrapped.
    pub const ENCRYPTED: u16 = 1 << 12;
    /// Of another protocol (SMK).
    pub const SMK: u16 = 1 << 13;
}

/// EAPOL packet type of a key frame.
const KEY: u8 = 3;

/// RSN key descriptor.
const DESCRIPTOR: u8 = 2;

/// Bytes before the integrity code, from the start of the frame.
const MIC_AT: usize = 81;

/// Bytes before the key data.
const DATA_AT: usize = 99;

/// The longest key data that is looked at, in bytes.
const MAX_DATA: usize = 2048;

/// One EAPOL-Key frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KeyFrame<'a> {
    /// Key information.
    pub info: u16,
    /// Counts up; only a higher one is taken.
    pub replay: u64,
    /// The sender's nonce.
    pub nonce: [u8; 32],
    /// Receive sequence counter of a group key, little-endian.
    pub rsc: [u8; 6],
    /// Integrity code.
    pub mic: [u8; 16],
    /// Key data, perhaps wrapped.
    pub data: &'a [u8],
    /// The frame as it came, without what may follow it.
    bytes: &'a [u8],
}

impl<'a> KeyFrame<'a> {
    /// Reads a frame; `None` for anything else, for another descriptor, and for lengths that do not fit.
    pub fn parse(frame: &'a [u8]) -> Option<Self> {
        let &[_, kind, l0, l1] = frame.first_chunk()?;
        let bytes = frame.get(..4 + usize::from(u16::from_be_bytes([l0, l1])))?;
        if kind != KEY || *bytes.get(4)? != DESCRIPTOR {
            return None;
        }
        let length = usize::from(u16::from_be_bytes(field(bytes, 97)?));
        let data = bytes.get(DATA_AT..DATA_AT + length)?;
        Some(Self {
            info: u16::from_be_bytes(field(bytes, 5)?),
            replay: u64::from_be_bytes(field(bytes, 9)?),
            nonce: field(bytes, 17)?,
            rsc: field(bytes, 65)?,
            mic: field(bytes, MIC_AT)?,
            data: Some(data).filter(|data| data.len() <= MAX_DATA)?,
            bytes,
        })
    }

    /// Whether all of these bits are set.
    pub fn has(&self, bits: u16) -> bool {
        self.info & bits == bits
    }

    /// Whether the integrity code is right.
    pub fn verify(&self, akm: Akm, kck: &Secret) -> bool {
        let mut zeroed = self.bytes.to_vec();
        if let Some(mic) = zeroed.get_mut(MIC_AT..MIC_AT + 16) {
            mic.fill(0);
        }
        crypto::same(&crypto::mic(akm, kck, &zeroed), &self.mic)
    }
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

/// Writes a frame with its integrity code.
pub(super) fn build(akm: Akm, kck: &Secret, info: u16, replay: u64, nonce: &[u8; 32], data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).unwrap_or(u16::MAX);
    let data = data.get(..length.into()).unwrap_or_default();
    let body = length.saturating_add(95);
    // Version 2 (IEEE 802.1X-2004): what every authenticator takes, while some reject later ones.
    let mut frame = [&[2, KEY], &body.to_be_bytes()[..], &[DESCRIPTOR]].concat();
    frame.extend((info | akm.descriptor_version()).to_be_bytes());
    frame.extend([0, 0]);
    frame.extend(replay.to_be_bytes());
    frame.extend(nonce);
    frame.extend([0; 16 + 8 + 8 + 16]);
    frame.extend(length.to_be_bytes());
    frame.extend(data);
    if info & info::MIC != 0 {
        let code = crypto::mic(akm, kck, &frame);
        if let Some(mic) = frame.get_mut(MIC_AT..MIC_AT + 16) {
            mic.copy_from_slice(&code);
        }
    }
    frame
}

/// A group key as key data carries it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GroupKey {
    /// Key index.
    pub index: u8,
    /// The key, 16 bytes.
    pub key: Secret,
}

/// What the key data of an access point holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct KeyData {
    /// Its RSN element, header and all.
    pub rsn: Option<Vec<u8>>,
    /// Its RSN extension, header and all.
    pub rsnx: Option<Vec<u8>>,
    /// The key of broadcasts.
    pub gtk: Option<GroupKey>,
    /// The key of broadcast management frames, and its packet number.
    pub igtk: Option<(GroupKey, [u8; 6])>,
}

/// Vendor element whose content is a key data encapsulation.
const KDE: u8 = 221;

impl KeyData {
    /// Reads elements and encapsulations (figure 12-35); unknown ones, a second of a kind and the padding are skipped. `None`
    /// if a key has an impossible length or index.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let mut data = Self::default();
        for (number, body) in element::elements(bytes) {
            let whole = || [&[number, u8::try_from(body.len()).unwrap_or_default()], body].concat();
            match (number, body) {
                (element::RSN, _) if data.rsn.is_none() => data.rsn = Some(whole()),
                (super::rsn::RSNX, _) if data.rsnx.is_none() => data.rsnx = Some(whole()),
                (KDE, [0x00, 0x0f, 0xac, 1, id, _, key @ ..]) if data.gtk.is_none() => {
                    let index = Some(id & 3).filter(|index| key.len() == 16 && *index != 0)?;
                    data.gtk = Some(GroupKey { index, key: Secret::copy_of(key) });
                }
                (KDE, [0x00, 0x0f, 0xac, 9, id, high, rest @ ..]) if data.igtk.is_none() => {
                    let (number, key) = rest.split_first_chunk()?;
                    let index = Some(*id).filter(|id| key.len() == 16 && *high == 0 && (4..=5).contains(id))?;
                    data.igtk = Some((GroupKey { index, key: Secret::copy_of(key) }, *number));
                }
                _ => {}
            }
        }
        Some(data)
    }
}
