//! A key (RFC 7517, section 4; RFC 7518, section 6; RFC 8037).

use std::fmt;

use ed25519_dalek::VerifyingKey;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::rsa::RsaKey;
use super::{Algorithm, Curve, der};
use crate::base64url;

/// A key that verifies signatures.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    /// The name by which tokens refer to it.
    pub kid: Option<String>,
    /// The one algorithm that it is for, where it says so.
    algorithm: Option<Algorithm>,
    pub(super) material: Material,
}

/// The numbers of a key.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Material {
    Rsa(Box<RsaKey>),
    Ec(EcKey),
    Ed25519(Box<VerifyingKey>),
    Oct(Zeroizing<Vec<u8>>),
}

/// A point on a curve.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct EcKey {
    pub(super) curve: Curve,
    /// `SubjectPublicKeyInfo`, which ends in the coordinates.
    pub(super) der: Vec<u8>,
}

/// Why a key of a set is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyProblem {
    /// It is not for verifying signatures, or of a kind that is not supported; sets often hold such keys.
    Foreign,
    /// It holds a private key, with which anyone who reads the set can sign.
    Private,
    /// A member is missing, of the wrong type, or not in canonical base64url.
    Malformed,
    /// It is no sound key: an RSA modulus outside of 2048 to 8192 bits or a strange exponent, a point that is not on
    /// its curve or of small order, a shared secret shorter than any hash.
    Unsound,
}

// === impl Key ===

impl Key {
    /// Reads a JWK. `x5c`, `x5t` and `x5u` are not looked at. A `secret` stands for the member `k`.
    ///
    /// # Errors
    ///
    /// The key is not used, with the reason.
    pub fn parse(jwk: &Map<String, Value>, secret: Option<&[u8]>) -> Result<Self, KeyProblem> {
        let jwk = Jwk(jwk);
        let algorithm = jwk.optional_text("alg")?.map(|name| Algorithm::from_name(name).ok_or(KeyProblem::Foreign));
        let algorithm = algorithm.transpose()?;
        if !jwk.is_for_verifying()? {
            return Err(KeyProblem::Foreign);
        }
        let kid = jwk.optional_text("kid")?.map(str::to_owned);
        let material = match jwk.text("kty")? {
            "RSA" => jwk.rsa()?,
            "EC" => jwk.ec()?,
            "OKP" => jwk.okp()?,
            "oct" => jwk.oct(secret)?,
            _ => return Err(KeyProblem::Foreign),
        };
        let key = Self { kid, algorithm, material };
        match algorithm {
            Some(algorithm) if !key.is_for(algorithm) => Err(KeyProblem::Unsound),
            _ => Ok(key),
        }
    }

    /// Whether signatures of this algorithm may be verified with this key.
    #[must_use]
    pub fn is_for(&self, algorithm: Algorithm) -> bool {
        let is_of_kind = match (&self.material, algorithm) {
            (Material::Rsa(_), Algorithm::Rs(_) | Algorithm::Ps(_)) => true,
            (Material::Ec(key), Algorithm::Es(curve)) => key.curve == curve,
            (Material::Ed25519(_), Algorithm::EdDsa | Algorithm::Ed25519) => true,
            // RFC 7518, section 3.2: a key as long as the hash, or longer.
            (Material::Oct(secret), Algorithm::Hs(hash)) => secret.len() >= hash.size(),
            _ => false,
        };
        is_of_kind && self.algorithm.is_none_or(|own| own.is_same_as(algorithm))
    }
}

/// Without the numbers: some are secrets.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("kid", &self.kid).field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

// === impl EcKey ===

impl EcKey {
    /// The coordinates x and y.
    pub(super) fn coordinates(&self) -> [&[u8]; 2] {
        let (rest, y) = split_end(&self.der, self.curve.size());
        [split_end(rest, self.curve.size()).1, y]
    }
}

fn split_end(bytes: &[u8], size: usize) -> (&[u8], &[u8]) {
    bytes.split_at_checked(bytes.len().saturating_sub(size)).unwrap_or_default()
}

// === impl KeyProblem ===

impl fmt::Display for KeyProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Foreign => "is not for verifying signatures, or of a kind that is not supported",
            Self::Private => "holds a private key; give its public part only",
            Self::Malformed => "has a member that is missing or malformed",
            Self::Unsound => {
                "is no sound key: RSA needs 2048 to 8192 bits, a point must be on its curve, a secret must be as long \
                 as the hash, and \"alg\" must fit the key"
            }
        })
    }
}

/// The members of a key.
#[derive(Clone, Copy)]
struct Jwk<'a>(&'a Map<String, Value>);

impl<'a> Jwk<'a> {
    /// `use` and `key_ops` (RFC 7517, sections 4.2 and 4.3), where they are there.
    fn is_for_verifying(self) -> Result<bool, KeyProblem> {
        let by_use = self.optional_text("use")?.is_none_or(|purpose| purpose == "sig");
        let by_operations = match self.0.get("key_ops") {
            None => true,
            Some(Value::Array(operations)) => operations.iter().any(|operation| operation == "verify"),
            Some(_) => return Err(KeyProblem::Malformed),
        };
        Ok(by_use && by_operations)
    }

    fn rsa(self) -> Result<Material, KeyProblem> {
        self.is_public(&["d", "p", "q", "dp", "dq", "qi", "oth"])?;
        let key = RsaKey::new(&self.bytes("n")?, &self.bytes("e")?).ok_or(KeyProblem::Unsound)?;
        Ok(Material::Rsa(Box::new(key)))
    }

    fn ec(self) -> Result<Material, KeyProblem> {
        let name = self.text("crv")?;
        let curve = Curve::ALL.iter().find(|(known, _)| *known == name).ok_or(KeyProblem::Foreign)?.1;
        self.is_public(&["d"])?;
        let [x, y] = [self.bytes("x")?, self.bytes("y")?];
        if [&x, &y].iter().any(|coordinate| coordinate.len() != curve.size()) {
            return Err(KeyProblem::Malformed);
        }
        if !curve.has_point(&x, &y) {
            return Err(KeyProblem::Unsound);
        }
        Ok(Material::Ec(EcKey { curve, der: der::ec_key(curve, &[&[4][..], &x, &y].concat()) }))
    }

    fn okp(self) -> Result<Material, KeyProblem> {
        if self.text("crv")? != "Ed25519" {
            return Err(KeyProblem::Foreign);
        }
        self.is_public(&["d"])?;
        let point = <[u8; 32]>::try_from(self.bytes("x")?).map_err(|_| KeyProblem::Malformed)?;
        let key = VerifyingKey::from_bytes(&point).ok().filter(|key| !key.is_weak()).ok_or(KeyProblem::Unsound)?;
        Ok(Material::Ed25519(Box::new(key)))
    }

    fn oct(self, secret: Option<&[u8]>) -> Result<Material, KeyProblem> {
        let secret = Zeroizing::new(secret.map_or_else(|| self.bytes("k"), |secret| Ok(secret.to_vec()))?);
        if secret.len() < super::Hash::Sha256.size() {
            return Err(KeyProblem::Unsound);
        }
        Ok(Material::Oct(secret))
    }

    fn is_public(self, private: &[&str]) -> Result<(), KeyProblem> {
        match private.iter().any(|name| self.0.contains_key(*name)) {
            true => Err(KeyProblem::Private),
            false => Ok(()),
        }
    }

    fn bytes(self, name: &str) -> Result<Vec<u8>, KeyProblem> {
        base64url::decode(self.text(name)?.as_bytes()).ok_or(KeyProblem::Malformed)
    }

    fn text(self, name: &str) -> Result<&'a str, KeyProblem> {
        self.optional_text(name)?.ok_or(KeyProblem::Malformed)
    }

    fn optional_text(self, name: &str) -> Result<Option<&'a str>, KeyProblem> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(KeyProblem::Malformed),
        }
    }
}
