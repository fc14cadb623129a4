//! A curve that writes down what is asked of it: whoever watches a processor's caches sees which code runs when, and that
//! must not depend on the passphrase (CVE-2019-9495). What each operation does inside is the curves' crates' promise.

extern crate std;

use super::curve::{Curve, P256};
use super::element;
use crate::net::MacAddr;
use crate::wifi::crypto::Hash;
use crate::wifi::secret::Secret;
use alloc::vec::Vec;
use std::cell::RefCell;
use subtle::{Choice, CtOption};

std::thread_local! {
    static ASKED: RefCell<Vec<&'static str>> = const { RefCell::new(Vec::new()) };
}

fn note<T>(what: &'static str, result: T) -> T {
    ASKED.with_borrow_mut(|asked| asked.push(what));
    result
}

struct Watched;

impl Curve for Watched {
    const NUMBER: u16 = P256::NUMBER;
    const BYTES: usize = P256::BYTES;
    const HASH: Hash = P256::HASH;
    type Point = <P256 as Curve>::Point;
    type Scalar = <P256 as Curve>::Scalar;

    fn prime() -> Vec<u8> {
        note("prime", P256::prime())
    }

    fn map(okm: &[u8]) -> Option<Self::Point> {
        note("map", P256::map(okm))
    }

    fn decompress(x: &[u8], odd: Choice) -> CtOption<Self::Point> {
        note("decompress", P256::decompress(x, odd))
    }

    fn decode(xy: &[u8]) -> Option<Self::Point> {
        note("decode", P256::decode(xy))
    }

    fn encode(point: Self::Point) -> Option<Vec<u8>> {
        note("encode", P256::encode(point))
    }

    fn add(one: Self::Point, other: Self::Point) -> Self::Point {
        note("add", P256::add(one, other))
    }

    fn negate(point: Self::Point) -> Self::Point {
        note("negate", P256::negate(point))
    }

    fn multiply(point: Self::Point, scalar: Self::Scalar) -> Self::Point {
        note("multiply", P256::multiply(point, scalar))
    }

    fn scalar(bytes: &[u8]) -> Option<Self::Scalar> {
        note("scalar", P256::scalar(bytes))
    }

    fn scalar_bytes(scalar: Self::Scalar) -> Vec<u8> {
        note("scalar_bytes", P256::scalar_bytes(scalar))
    }

    fn scalar_add(one: Self::Scalar, other: Self::Scalar) -> Self::Scalar {
        note("scalar_add", P256::scalar_add(one, other))
    }

    fn scalar_from_digest(digest: &[u8]) -> Option<Self::Scalar> {
        note("scalar_from_digest", P256::scalar_from_digest(digest))
    }
}

/// What is asked of the curve while a passphrase is made an element.
fn asked(work: impl FnOnce() -> bool) -> Vec<&'static str> {
    ASKED.take();
    assert!(work());
    ASKED.take()
}

#[test]
fn cve_2019_9495_the_order_of_operations_says_nothing_of_the_passphrase() {
    let (one, other) = (MacAddr([2, 0, 0, 0, 0, 1]), MacAddr([2, 0, 0, 0, 0, 2]));
    let password = |number: u8| Secret::copy_of(&[number; 9]);
    let hunt = |number: u8| asked(|| element::hunt::<Watched>(&password(number), one, other).is_some());
    let hash = |number: u8| {
        asked(|| {
            let common = element::hash_to_element::<Watched>(b"net", &password(number), b"");
            common.and_then(|common| element::for_peers::<Watched>(common, one, other)).is_some()
        })
    };
    // Half of all passphrases give an element in the first round, the others later.
    assert_eq!(hunt(0).iter().filter(|what| **what == "decompress").count(), usize::from(element::ROUNDS));
    assert_eq!(hash(0), ["map", "map", "add", "scalar_from_digest", "multiply"]);
    for number in 1..20 {
        assert_eq!(hunt(number), hunt(0));
        assert_eq!(hash(number), hash(0));
    }
}
