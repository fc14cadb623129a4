//! The two elliptic curves of SAE, behind the few operations that it needs. Secret scalars and points go through the
//! constant-time code of the curves' crates.

use crate::wifi::crypto::Hash;
use alloc::vec::Vec;
use p256::elliptic_curve::array::Array;
use p256::elliptic_curve::bigint::{NonZero, U256, U384};
use p256::elliptic_curve::ff::PrimeField;
use p256::elliptic_curve::group::Group as _;
use p256::elliptic_curve::ops::Reduce;
use p256::elliptic_curve::point::{AffineCoordinates, DecompressPoint};
use p256::elliptic_curve::subtle::{Choice, ConditionallySelectable, CtOption};
use p256::elliptic_curve::{Curve as _, CurveArithmetic};
use p256::hash2curve::MapToCurve;

/// A curve as SAE uses it. Numbers are big-endian and [`Curve::BYTES`] long, elements are x followed by y.
pub(in crate::wifi) trait Curve {
    /// The group's number in the IANA registry that section 12.4.4.1 names.
    const NUMBER: u16;
    /// Bytes of a coordinate and of a scalar.
    const BYTES: usize;
    /// The hash that goes with it (table 12-1).
    const HASH: Hash;
    /// An element of the group.
    type Point: Copy + Default + ConditionallySelectable;
    /// A number below the group's order.
    type Scalar: Copy;

    /// The field's prime.
    fn prime() -> Vec<u8>;
    /// The element for a pseudo-random string of one and a half times [`Curve::BYTES`] (section 12.4.4.2.3, the simplified
    /// map of Shallue, van de Woestijne and Ulas). `None` for another length.
    fn map(okm: &[u8]) -> Option<Self::Point>;
    /// The element with this x and parity of y, in constant time.
    fn decompress(x: &[u8], odd: Choice) -> CtOption<Self::Point>;
    /// A peer's element: on the curve, not the point at infinity (section 12.4.5.4).
    fn decode(xy: &[u8]) -> Option<Self::Point>;
    /// Its coordinates; `None` for the point at infinity.
    fn encode(point: Self::Point) -> Option<Vec<u8>>;
    /// `one + other`
    fn add(one: Self::Point, other: Self::Point) -> Self::Point;
    /// `-point`
    fn negate(point: Self::Point) -> Self::Point;
    /// `scalar` times `point`
    fn multiply(point: Self::Point, scalar: Self::Scalar) -> Self::Point;
    /// A number below the order; `None` if it is not below, or too long.
    fn scalar(bytes: &[u8]) -> Option<Self::Scalar>;
    /// The number's bytes.
    fn scalar_bytes(scalar: Self::Scalar) -> Vec<u8>;
    /// `one + other` modulo the order
    fn scalar_add(one: Self::Scalar, other: Self::Scalar) -> Self::Scalar;
    /// A digest as a number from 1 to the order less one: modulo (order - 1), plus 1. `None` for another length.
    fn scalar_from_digest(digest: &[u8]) -> Option<Self::Scalar>;
}

/// NIST P-256, group 19.
pub(in crate::wifi) struct P256;

/// NIST P-384, group 20.
pub(in crate::wifi) struct P384;

macro_rules! curve {
    ($name:ident, $module:ident, $curve:ident, $uint:ident, $number:literal, $bytes:literal, $hash:ident, $prime:literal) => {
        impl Curve for $name {
            const NUMBER: u16 = $number;
            const BYTES: usize = $bytes;
            const HASH: Hash = Hash::$hash;
            type Point = $module::ProjectivePoint;
            type Scalar = $module::Scalar;

            fn prime() -> Vec<u8> {
                $uint::from_be_hex($prime).to_be_bytes().to_vec()
            }

            fn map(okm: &[u8]) -> Option<Self::Point> {
                type Field = <$module::$curve as MapToCurve>::FieldElement;
                let okm = Array::<u8, <$module::$curve as MapToCurve>::Length>::try_from(okm).ok()?;
                Some($module::$curve::map_to_curve(Field::reduce(&okm)))
            }

            fn decompress(x: &[u8], odd: Choice) -> CtOption<Self::Point> {
                let mut field = $module::FieldBytes::default();
                let fits = x.len() == field.len();
                if fits {
                    field.copy_from_slice(x);
                }
                let point = $module::AffinePoint::decompress(&field, odd).map($module::ProjectivePoint::from);
                CtOption::new(
                    point.unwrap_or($module::ProjectivePoint::IDENTITY),
                    point.is_some() & Choice::from(u8::from(fits)),
                )
            }

            fn decode(xy: &[u8]) -> Option<Self::Point> {
                let (x, y) = xy.split_at_checked(Self::BYTES)?;
                let x = $module::FieldBytes::try_from(x).ok()?;
                let y = $module::FieldBytes::try_from(y).ok()?;
                $module::AffinePoint::from_coordinates(&x, &y).into_option().map($module::ProjectivePoint::from)
            }

            fn encode(point: Self::Point) -> Option<Vec<u8>> {
                if bool::from(point.is_identity()) {
                    return None;
                }
                let affine = $module::AffinePoint::from(point);
                Some([&affine.x()[..], &affine.y()[..]].concat())
            }

            fn add(one: Self::Point, other: Self::Point) -> Self::Point {
                one + other
            }

            fn negate(point: Self::Point) -> Self::Point {
                -point
            }

            fn multiply(point: Self::Point, scalar: Self::Scalar) -> Self::Point {
                point * scalar
            }

            fn scalar(bytes: &[u8]) -> Option<Self::Scalar> {
                let bytes = $module::FieldBytes::try_from(bytes).ok()?;
                Option::from(<$module::$curve as CurveArithmetic>::Scalar::from_repr(bytes))
            }

            fn scalar_bytes(scalar: Self::Scalar) -> Vec<u8> {
                scalar.to_repr().to_vec()
            }

            fn scalar_add(one: Self::Scalar, other: Self::Scalar) -> Self::Scalar {
                one + other
            }

            fn scalar_from_digest(digest: &[u8]) -> Option<Self::Scalar> {
                if digest.len() != Self::BYTES {
                    return None;
                }
                let below = $module::$curve::ORDER.get().wrapping_sub(&$uint::ONE);
                let below = NonZero::new(below).into_option()?;
                let number = $uint::from_be_slice(digest).rem(&below).wrapping_add(&$uint::ONE);
                Self::scalar(&number.to_be_bytes())
            }
        }
    };
}

curve!(P256, p256, NistP256, U256, 19, 32, Sha256, "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff");
curve!(
    P384,
    p384,
    NistP384,
    U384,
    20,
    48,
    Sha384,
    "fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000ffffffff"
);
