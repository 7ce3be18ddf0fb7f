//! Signature algorithms (RFC 7518, section 3.1; RFC 8037; RFC 9864).

use super::{Curve, Hash};

/// A signature algorithm; `none` is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5: `RS256`, `RS384`, `RS512`.
    Rs(Hash),
    /// RSASSA-PSS with MGF1 and a salt as long as the hash: `PS256`, `PS384`, `PS512`.
    Ps(Hash),
    /// ECDSA on the curve that belongs to it: `ES256`, `ES384`, `ES512`.
    Es(Curve),
    /// Ed25519, by its older name `EdDSA`.
    EdDsa,
    /// Ed25519, by the name that says which curve.
    Ed25519,
    /// HMAC: `HS256`, `HS384`, `HS512`.
    Hs(Hash),
}

impl Algorithm {
    /// All there are, by their names in the `alg` of a token.
    pub const ALL: [(&'static str, Self); 14] = [
        ("RS256", Self::Rs(Hash::Sha256)),
        ("RS384", Self::Rs(Hash::Sha384)),
        ("RS512", Self::Rs(Hash::Sha512)),
        ("PS256", Self::Ps(Hash::Sha256)),
        ("PS384", Self::Ps(Hash::Sha384)),
        ("PS512", Self::Ps(Hash::Sha512)),
        ("ES256", Self::Es(Curve::P256)),
        ("ES384", Self::Es(Curve::P384)),
        ("ES512", Self::Es(Curve::P521)),
        ("EdDSA", Self::EdDsa),
        ("Ed25519", Self::Ed25519),
        ("HS256", Self::Hs(Hash::Sha256)),
        ("HS384", Self::Hs(Hash::Sha384)),
        ("HS512", Self::Hs(Hash::Sha512)),
    ];

    /// The algorithm with this name, compared byte by byte.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, algorithm)| *algorithm)
    }

    /// The name in the `alg` of a token.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, known)| *known == self).map_or("", |(name, _)| name)
    }

    /// Whether both are the same computation: `EdDSA` and `Ed25519` are.
    #[must_use]
    pub fn is_same_as(self, other: Self) -> bool {
        let fully_specified = |algorithm| if algorithm == Self::EdDsa { Self::Ed25519 } else { algorithm };
        fully_specified(self) == fully_specified(other)
    }
}
