//! Key derivation, integrity codes and key unwrapping of the key handshakes (IEEE 802.11-2020 sections 12.7.1 to 12.7.3),
//! on top of the RustCrypto implementations.

use super::secret::Secret;
use crate::net::MacAddr;
use aes::Aes128;
use alloc::vec::Vec;
use cmac::Cmac;
use hmac::digest::KeyInit;
use hmac::{Hmac, Mac};
use sha1::Sha1;
use sha2::{Sha256, Sha384};
use subtle::ConstantTimeEq;

/// What belongs to an authentication and key management suite: hash, integrity code and descriptor version
/// (table 12-11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Akm {
    /// 00-0F-AC:2, PSK.
    Psk,
    /// 00-0F-AC:6, PSK with SHA-256.
    PskSha256,
    /// 00-0F-AC:8, SAE.
    Sae,
}

impl Akm {
    /// The suite selector.
    pub const fn suite(self) -> u32 {
        match self {
            Akm::Psk => 0x000f_ac02,
            Akm::PskSha256 => 0x000f_ac06,
            Akm::Sae => 0x000f_ac08,
        }
    }

    /// The key descriptor version that goes with it (section 12.7.2 b).
    pub const fn descriptor_version(self) -> u16 {
        match self {
            Akm::Psk => 2,
            Akm::PskSha256 => 3,
            Akm::Sae => 0,
        }
    }
}

/// A pairwise transient key (section 12.7.1.3): what the two sides of one association share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ptk {
    /// Confirms: checks EAPOL-Key frames.
    pub kck: Secret,
    /// Encrypts: unwraps key data.
    pub kek: Secret,
    /// The temporal key, for data.
    pub tk: Secret,
}

impl Ptk {
    /// Derives it from the master key, both addresses and both nonces.
    pub fn derive(akm: Akm, pmk: &Secret, own: (MacAddr, &[u8; 32]), peer: (MacAddr, &[u8; 32])) -> Self {
        let (low, high) = (own.0.min(peer.0), own.0.max(peer.0));
        let (first, second) = (own.1.min(peer.1), own.1.max(peer.1));
        let context = [&low.0[..], &high.0, first, second].concat();
        let label = b"Pairwise key expansion";
        let keys = match akm {
            Akm::Psk => prf(pmk.expose(), label, &context, 48),
            Akm::PskSha256 | Akm::Sae => kdf::<Hmac<Sha256>>(pmk.expose(), label, &context, 48 * 8),
        };
        let part = |at: usize| Secret::copy_of(keys.expose().get(at..at + 16).unwrap_or_default());
        Self { kck: part(0), kek: part(16), tk: part(32) }
    }
}

/// The PRF of section 12.7.1.2: SHA-1, `length` bytes.
pub(super) fn prf(key: &[u8], label: &[u8], context: &[u8], length: usize) -> Secret {
    let mut out = Vec::with_capacity(length + 20);
    for counter in 0..=u8::MAX {
        if out.len() >= length {
            break;
        }
        out.extend(hmac::<Hmac<Sha1>>(key, &[label, &[0], context, &[counter]]));
    }
    out.truncate(length);
    Secret::new(out)
}

/// The KDF of section 12.7.1.7.2, `bits` (a multiple of eight) long.
pub(super) fn kdf<M: Mac + KeyInit>(key: &[u8], label: &[u8], context: &[u8], bits: u16) -> Secret {
    let length = usize::from(bits / 8);
    let mut out = Vec::with_capacity(length + 64);
    for counter in 1..=u16::MAX {
        if out.len() >= length {
            break;
        }
        out.extend(hmac::<M>(key, &[&counter.to_le_bytes(), label, context, &bits.to_le_bytes()]));
    }
    out.truncate(length);
    Secret::new(out)
}

/// A keyed hash over the parts; nothing for a key that the hash refuses, which HMAC never does.
pub(super) fn hmac<M: Mac + KeyInit>(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let Ok(mut mac) = <M as KeyInit>::new_from_slice(key) else { return Vec::new() };
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().to_vec()
}

/// The hash that an SAE group goes with (table 12-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hash {
    /// SHA-256
    Sha256,
    /// SHA-384
    Sha384,
}

impl Hash {
    /// Bytes of a digest.
    pub const fn bytes(self) -> usize {
        match self {
            Hash::Sha256 => 32,
            Hash::Sha384 => 48,
        }
    }

    /// HMAC with this hash.
    pub fn hmac(self, key: &[u8], parts: &[&[u8]]) -> Secret {
        Secret::new(match self {
            Hash::Sha256 => hmac::<Hmac<Sha256>>(key, parts),
            Hash::Sha384 => hmac::<Hmac<Sha384>>(key, parts),
        })
    }

    /// The KDF with this hash.
    pub fn kdf(self, key: &[u8], label: &[u8], context: &[u8], bits: u16) -> Secret {
        match self {
            Hash::Sha256 => kdf::<Hmac<Sha256>>(key, label, context, bits),
            Hash::Sha384 => kdf::<Hmac<Sha384>>(key, label, context, bits),
        }
    }

    /// HKDF-Expand (RFC 5869 section 2.3).
    pub fn expand(self, key: &[u8], info: &[u8], length: usize) -> Secret {
        let mut out = Vec::with_capacity(length + self.bytes());
        let mut last = Secret::new(Vec::new());
        for counter in 1..=u8::MAX {
            if out.len() >= length {
                break;
            }
            last = self.hmac(key, &[last.expose(), info, &[counter]]);
            out.extend_from_slice(last.expose());
        }
        out.truncate(length);
        Secret::new(out)
    }
}

/// The integrity code of an EAPOL-Key frame whose MIC field is zero (section 12.7.2).
pub(super) fn mic(akm: Akm, kck: &Secret, frame: &[u8]) -> [u8; 16] {
    let code = match akm {
        Akm::Psk => hmac::<Hmac<Sha1>>(kck.expose(), &[frame]),
        Akm::PskSha256 | Akm::Sae => hmac::<Cmac<Aes128>>(kck.expose(), &[frame]),
    };
    code.first_chunk().copied().unwrap_or_default()
}

/// Whether two codes are one, in constant time.
pub(super) fn same(one: &[u8], other: &[u8]) -> bool {
    one.ct_eq(other).into()
}

/// NIST AES Key Unwrap (RFC 3394). `None` if the check fails or the length is impossible.
pub(super) fn unwrap_key(kek: &Secret, wrapped: &[u8]) -> Option<Secret> {
    let cipher = <aes_kw::KwAes128 as KeyInit>::new_from_slice(kek.expose()).ok()?;
    let length = wrapped.len().checked_sub(8)?;
    let mut plain = alloc::vec![0; length];
    cipher.unwrap_key(wrapped, &mut plain).ok()?;
    Some(Secret::new(plain))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wifi::tests::hex;

    /// IEEE 802.11-2020 section J.3.2: the PRF, 192, 256, 384 and 512 bits of one output.
    #[test]
    fn ieee80211_j_3_prf() {
        let wanted = "bcd4c650b30b9684951829e0d75f9d54b862175ed9f00606e17d8da35402ffee\
             75df78c3d31e0f889f012120c0862beb67753e7439ae242edb8373698356cf5a";
        for length in [24, 32, 48, 64] {
            assert_eq!(prf(&[0x0b; 20], b"prefix", b"Hi There", length).expose(), &hex(wanted)[..length]);
        }
        let wanted = "51f4de5b33f249adf81aeb713a3c20f4fe631446fabdfa58244759ae58ef9009";
        assert_eq!(prf(b"Jefe", b"prefix", b"what do ya want for nothing?", 32).expose(), hex(wanted));
    }

    /// IEEE P802.11az/D2.6 section J.13: a SAE key expansion by the KDF with SHA-256; 640 bits there, since that draft
    /// derives a further key.
    #[test]
    fn ieee80211az_j_13_pairwise_key_expansion() {
        let pmk = hex("def43e5567e01ca6649265f19a290eeff8bd888f6c1d9cc9d10f04bd378f3cad");
        let context = hex("00904c01c107c0ffd4a8dbc1\
             404b012ffb43ed0fb43ea1f287c91f2506d21b4a92d74b5ea50c943350ce8671\
             be7a1ca284347b5bd67dbd2dfdb4d99f1afae0b88ba18e008718417e4b27ef5f");
        let keys = Hash::Sha256.kdf(&pmk, b"Pairwise key expansion", &context, 640);
        let wanted = "cd7b9e7555362df0b63568484a8112f5 99cad3588da0f1e63fd190191039bb4b\
             9e2e9377e7532e737a1bc250fe194a03 6c7fb97ceb55b01acff00f070942bdf5291feb4bee38e0365b25a250bb2ac9ff";
        assert_eq!(keys.expose(), hex(wanted));
    }

    #[test]
    fn both_stations_derive_one_key_whoever_has_the_lower_address() {
        let (low, high) = (MacAddr([0, 0, 0, 0, 0, 1]), MacAddr([0xff, 0, 0, 0, 0, 0]));
        let pmk = Secret::copy_of(&[3; 32]);
        for akm in [Akm::Psk, Akm::PskSha256, Akm::Sae] {
            let one = Ptk::derive(akm, &pmk, (low, &[9; 32]), (high, &[1; 32]));
            let other = Ptk::derive(akm, &pmk, (high, &[1; 32]), (low, &[9; 32]));
            assert_eq!(one, other);
            assert_ne!(one, Ptk::derive(akm, &pmk, (low, &[8; 32]), (high, &[1; 32])));
        }
    }

    #[test]
    fn rfc_3394_4_1_key_unwrap() {
        let kek = Secret::new(hex("000102030405060708090a0b0c0d0e0f"));
        let mut wrapped = hex("1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5");
        assert_eq!(unwrap_key(&kek, &wrapped).unwrap().expose(), hex("00112233445566778899aabbccddeeff"));
        wrapped[5] ^= 1;
        assert_eq!(unwrap_key(&kek, &wrapped), None);
        for length in [0, 1, 7, 8, 9, 15, 17, 23] {
            assert_eq!(unwrap_key(&kek, &wrapped[..length]), None, "{length}");
        }
    }

    #[test]
    fn rfc_4493_4_cmac() {
        let key = Secret::new(hex("2b7e151628aed2a6abf7158809cf4f3c"));
        assert_eq!(mic(Akm::Sae, &key, &[])[..], hex("bb1d6929e95937287fa37d129b756746"));
        let message = hex("6bc1bee22e409f96e93d7e117393172a");
        assert_eq!(mic(Akm::PskSha256, &key, &message)[..], hex("070a16b46b4d4144f79bdd9dd04a287c"));
    }

    #[test]
    fn rfc_5869_a_1_hkdf() {
        let prk = Hash::Sha256.hmac(&hex("000102030405060708090a0b0c"), &[&[0x0b; 22]]);
        let okm = Hash::Sha256.expand(prk.expose(), &hex("f0f1f2f3f4f5f6f7f8f9"), 42);
        let wanted = "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865";
        assert_eq!(okm.expose(), hex(wanted));
    }
}
