//! The secret password element (section 12.4.4.2): from the passphrase to a point of the group.

use super::curve::Curve;
use crate::net::MacAddr;
use crate::wifi::crypto::{Hash, hmac};
use crate::wifi::secret::Secret;
use hmac::Hmac;
use sha2::Sha256;
use subtle::{Choice, CtOption};

/// Rounds of the search for an element: always as many, so that the time says nothing about the passphrase
/// (section 12.4.4.2.2; CVE-2019-9494).
pub(super) const ROUNDS: u8 = 40;

/// Hash to element (section 12.4.4.2.3): the passphrase and the network's name as an element. It depends on neither
/// station. `identifier` is the password identifier, usually none.
pub(super) fn hash_to_element<C: Curve>(ssid: &[u8], password: &Secret, identifier: &[u8]) -> Option<C::Point> {
    // Section 12.4.4.2.3 draws one and a half times the prime's length, so that the remainder has no bias.
    let length = C::BYTES + C::BYTES / 2;
    let seed = C::HASH.hmac(ssid, &[password.expose(), identifier]);
    let part = |info: &[u8]| C::map(C::HASH.expand(seed.expose(), info, length).expose());
    Some(C::add(part(b"SAE Hash to Element u1 P1")?, part(b"SAE Hash to Element u2 P2")?))
}

/// The element of one exchange from what [`hash_to_element`] gave.
pub(super) fn for_peers<C: Curve>(element: C::Point, one: MacAddr, other: MacAddr) -> Option<C::Point> {
    let zeroes = [0; 48];
    let salt = zeroes.get(..C::HASH.bytes())?;
    let value = C::HASH.hmac(salt, &[&one.max(other).0, &one.min(other).0]);
    Some(C::multiply(element, C::scalar_from_digest(value.expose())?))
}

/// Hunting and pecking (section 12.4.4.2.2), for access points that know nothing else: forty rounds, whatever is found
/// when, and no branch on what was found. `None` if none of them gave an element, which has a chance of 2^-40.
pub(super) fn hunt<C: Curve>(password: &Secret, one: MacAddr, other: MacAddr) -> Option<C::Point> {
    let addresses = [one.max(other).0, one.min(other).0].concat();
    let bits = u16::try_from(C::BYTES * 8).ok()?;
    let mut found = CtOption::new(C::Point::default(), Choice::from(0));
    for counter in 1..=ROUNDS {
        let seed = Secret::new(hmac::<Hmac<Sha256>>(&addresses, &[password.expose(), &[counter]]));
        let value = Hash::Sha256.kdf(seed.expose(), b"SAE Hunting and Pecking", &C::prime(), bits);
        let odd = Choice::from(seed.expose().last().copied().unwrap_or_default() & 1);
        // Both are always worked out; which one is kept is not a branch.
        let candidate = C::decompress(value.expose(), odd);
        found = found.or_else(|| candidate);
    }
    found.into()
}
