//! The NIST curves of ECDSA (RFC 7518, section 3.4; FIPS 186-5), all of them y² = x³ - 3x + b.

use super::Hash;
use super::modular::Modulus;

/// A curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Curve {
    /// P-256, of `ES256`.
    P256,
    /// P-384, of `ES384`.
    P384,
    /// P-521, of `ES512`.
    P521,
}

/// The numbers of a curve, in hexadecimal and as long as a coordinate.
struct Parameters {
    /// The prime of its field.
    p: &'static str,
    /// The constant of its equation.
    b: &'static str,
    /// The order of its base point.
    n: &'static str,
}

const P256: Parameters = Parameters {
    p: "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff",
    b: "5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b",
    n: "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
};

const P384: Parameters = Parameters {
    p: "fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000ffffffff",
    b: "b3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aef",
    n: "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973",
};

const P521: Parameters = Parameters {
    p: "01ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff\
        ffffffffffffffffffffffffffffffffff",
    b: "0051953eb9618e1c9a1f929a21a0b68540eea2da725b99b315f3b8b489918ef109e156193951ec7e937b1652c0bd3bb1bf\
        073573df883d2c34f1ef451fd46b503f00",
    n: "01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5\
        d03bb5c9b8899c47aebb6fb71e91386409",
};

impl Curve {
    /// All curves, by their names in the `crv` of a key.
    pub(super) const ALL: [(&'static str, Self); 3] =
        [("P-256", Self::P256), ("P-384", Self::P384), ("P-521", Self::P521)];

    /// The length of a coordinate, and of either half of a signature, in bytes.
    #[must_use]
    pub fn size(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    /// The hash function that JWS uses with it.
    #[must_use]
    pub fn hash(self) -> Hash {
        match self {
            Self::P256 => Hash::Sha256,
            Self::P384 => Hash::Sha384,
            Self::P521 => Hash::Sha512,
        }
    }

    /// Whether there is a point with these coordinates.
    #[must_use]
    pub fn has_point(self, x: &[u8], y: &[u8]) -> bool {
        self.satisfies(x, y) == Some(true)
    }

    /// The halves `r` and `s` of a signature, if it is as long as it must be and both are in `1..n`.
    pub(super) fn halves(self, signature: &[u8]) -> Option<(&[u8], &[u8])> {
        let (r, s) = signature.split_at_checked(self.size())?;
        let order = hex::decode(self.parameters().n).ok()?;
        let is_scalar = |number: &[u8]| number < order.as_slice() && number.iter().any(|byte| *byte != 0);
        (s.len() == self.size() && is_scalar(r) && is_scalar(s)).then_some((r, s))
    }

    /// The object identifier of the curve, in DER (RFC 5480, section 2.1.1.1).
    pub(super) fn object_identifier(self) -> &'static [u8] {
        match self {
            Self::P256 => &[0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07],
            Self::P384 => &[0x06, 0x05, 0x2B, 0x81, 0x04, 0x00, 0x22],
            Self::P521 => &[0x06, 0x05, 0x2B, 0x81, 0x04, 0x00, 0x23],
        }
    }

    /// Whether y² + 3x = x³ + b; `None` if a coordinate is not in the field.
    fn satisfies(self, x: &[u8], y: &[u8]) -> Option<bool> {
        let Parameters { p, b, .. } = self.parameters();
        let field = Modulus::new(&hex::decode(p).ok()?)?;
        let [x, y, b] = [field.residue(x)?, field.residue(y)?, field.residue(&hex::decode(b).ok()?)?];
        let three_x = field.add(&field.add(&x, &x), &x);
        let left = field.add(&field.multiply(&y, &y), &three_x);
        let right = field.add(&field.multiply(&field.multiply(&x, &x), &x), &b);
        Some(left == right)
    }

    fn parameters(self) -> &'static Parameters {
        match self {
            Self::P256 => &P256,
            Self::P384 => &P384,
            Self::P521 => &P521,
        }
    }
}
