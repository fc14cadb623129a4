//! The arithmetic of one commit exchange (section 12.4.5): our scalar and element, and the keys that both sides' give.

use super::curve::Curve;
use crate::entropy::Entropy;
use crate::wifi::crypto::{Hash, same};
use crate::wifi::secret::Secret;
use alloc::vec::Vec;
use zeroize::Zeroizing;

/// What an exchange leaves behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::wifi) struct Keys {
    /// Confirms that the other side has the same.
    pub kck: Secret,
    /// The pairwise master key, 32 bytes.
    pub pmk: Secret,
    /// Its name.
    pub pmkid: [u8; 16],
    /// The hash for confirm messages.
    pub hash: Hash,
}

/// Why a peer's commit was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadCommit {
    /// Our own, sent back to us (section 12.4.8.6.4).
    Reflected,
    /// A scalar or element that the group does not have, or a shared element at infinity (section 12.4.5.4).
    Invalid,
}

/// One side of an exchange, whatever its curve.
pub(super) trait Side: core::fmt::Debug {
    /// Our commit: scalar, x, y.
    fn commit(&self) -> &[u8];
    /// The keys with a peer's commit of the same length. `salt`: section 12.4.5.4.
    fn keys(&self, peer: &[u8], hash: Hash, salt: &[u8]) -> Result<Keys, BadCommit>;
}

/// One side of an exchange on one curve.
pub(super) struct Exchange<C: Curve> {
    pwe: C::Point,
    rand: Zeroizing<Vec<u8>>,
    commit: Vec<u8>,
}

impl<C: Curve> core::fmt::Debug for Exchange<C> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Exchange(group {})", C::NUMBER)
    }
}

impl<C: Curve> Exchange<C> {
    /// With fresh secrets. `None` if the generator gives nothing useful a hundred times.
    pub fn new(pwe: C::Point, entropy: &mut dyn Entropy) -> Option<Self> {
        (0..100).find_map(|_| Self::with(pwe, &random(C::BYTES, entropy), &random(C::BYTES, entropy)))
    }

    /// With these secrets; `None` if they are not numbers between 1 and the order, or their sum is not (section 12.4.5.2).
    pub fn with(pwe: C::Point, rand: &[u8], mask: &[u8]) -> Option<Self> {
        let scalar = C::scalar_add(proper::<C>(rand)?, proper::<C>(mask)?);
        let scalar_bytes = C::scalar_bytes(scalar);
        proper::<C>(&scalar_bytes)?;
        let element = C::encode(C::negate(C::multiply(pwe, C::scalar(mask)?)))?;
        let commit = [scalar_bytes, element].concat();
        Some(Self { pwe, rand: Zeroizing::new(rand.to_vec()), commit })
    }
}

impl<C: Curve> Side for Exchange<C> {
    fn commit(&self) -> &[u8] {
        &self.commit
    }

    fn keys(&self, peer: &[u8], hash: Hash, salt: &[u8]) -> Result<Keys, BadCommit> {
        if same(peer, &self.commit) {
            return Err(BadCommit::Reflected);
        }
        self.try_keys(peer, hash, salt).ok_or(BadCommit::Invalid)
    }
}

impl<C: Curve> Exchange<C> {
    fn try_keys(&self, peer: &[u8], hash: Hash, salt: &[u8]) -> Option<Keys> {
        let (scalar, element) = peer.split_at_checked(C::BYTES)?;
        let (peer_scalar, peer_element) = (proper::<C>(scalar)?, C::decode(element)?);
        let shared = C::add(C::multiply(self.pwe, peer_scalar), peer_element);
        let shared = Zeroizing::new(C::encode(C::multiply(shared, C::scalar(&self.rand)?))?);
        let (x, _) = shared.split_at_checked(C::BYTES)?;
        let zeroes = [0; 48];
        let salt = if salt.is_empty() { zeroes.get(..hash.bytes())? } else { salt };
        let seed = hash.hmac(salt, &[x]);
        let own_scalar = C::scalar(self.commit.get(..C::BYTES)?)?;
        let context = C::scalar_bytes(C::scalar_add(own_scalar, peer_scalar));
        let bits = u16::try_from((hash.bytes() + 32) * 8).ok()?;
        let keys = hash.kdf(seed.expose(), b"SAE KCK and PMK", &context, bits);
        let (kck, pmk) = keys.expose().split_at_checked(hash.bytes())?;
        let pmkid = *context.first_chunk()?;
        Some(Keys { kck: Secret::copy_of(kck), pmk: Secret::copy_of(pmk), pmkid, hash })
    }
}

/// A scalar that is allowed: more than 1, less than the order.
fn proper<C: Curve>(bytes: &[u8]) -> Option<C::Scalar> {
    let (last, rest) = bytes.split_last()?;
    let small = *last <= 1 && rest.iter().all(|byte| *byte == 0);
    C::scalar(bytes).filter(|_| !small)
}

/// Random bytes.
fn random(length: usize, entropy: &mut dyn Entropy) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(length + 4));
    while bytes.len() < length {
        bytes.extend_from_slice(&entropy.next_u32().to_be_bytes());
    }
    bytes.truncate(length);
    bytes
}
