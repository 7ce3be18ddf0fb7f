//! Key sets (RFC 7517, section 5).

use std::fmt;

use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::key::KeyProblem;
use super::signature::Verifier;
use super::{Algorithm, Compact, Error, Header, HostSignatures, Key};
use crate::json;

/// The most keys that one token is tried with, so that a token without a `kid` costs no more.
const MOST_TRIES: usize = 8;

/// The keys of one issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySet {
    keys: Vec<Key>,
    problems: Vec<(usize, KeyProblem)>,
}

/// Why a text is no key set, or one that is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeySetError {
    /// It is longer than 512 KiB.
    TooLong,
    /// It is no strict JSON object with a list `keys` of objects.
    Malformed,
    /// It holds more than 200 keys.
    TooManyKeys,
    /// None of its keys can be used.
    NoUsableKey,
}

// === impl KeySet ===

impl KeySet {
    /// The longest text of a set, in bytes.
    pub const LONGEST: usize = 512 << 10;

    /// The most keys of a set.
    pub const MOST_KEYS: usize = 200;

    /// Reads a set. Keys that cannot be used are left out; see [`KeySet::problems`].
    ///
    /// # Errors
    ///
    /// See [`KeySetError`].
    pub fn parse(text: &[u8]) -> Result<Self, KeySetError> {
        if text.len() > Self::LONGEST {
            return Err(KeySetError::TooLong);
        }
        let set = Self::from_object(&json::object(text).ok_or(KeySetError::Malformed)?, &[])?;
        if set.is_empty() { Err(KeySetError::NoUsableKey) } else { Ok(set) }
    }

    /// Reads a set from JSON that is parsed already; it may be one of no use. The secrets stand for the members `k` of the keys in
    /// the same places.
    ///
    /// # Errors
    ///
    /// [`KeySetError::Malformed`], [`KeySetError::TooManyKeys`].
    pub fn from_object(set: &Map<String, Value>, secrets: &[Option<Zeroizing<Vec<u8>>>]) -> Result<Self, KeySetError> {
        let items = set.get("keys").and_then(Value::as_array).ok_or(KeySetError::Malformed)?;
        if items.len() > Self::MOST_KEYS {
            return Err(KeySetError::TooManyKeys);
        }
        let mut set = Self { keys: Vec::new(), problems: Vec::new() };
        for (place, item) in items.iter().enumerate() {
            let secret = secrets.get(place).and_then(Option::as_ref).map(|secret| secret.as_slice());
            match Key::parse(item.as_object().ok_or(KeySetError::Malformed)?, secret) {
                Ok(key) => set.keys.push(key),
                Err(problem) => set.problems.push((place, problem)),
            }
        }
        Ok(set)
    }

    /// Whether none of its keys can be used.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Which keys were left out, by their places in the set, and why.
    #[must_use]
    pub fn problems(&self) -> &[(usize, KeyProblem)] {
        &self.problems
    }

    /// Whether one of the keys is for this algorithm.
    #[must_use]
    pub fn has_key_for(&self, algorithm: Algorithm) -> bool {
        self.key_for(algorithm).is_some()
    }

    /// The first key that is for this algorithm.
    pub(super) fn key_for(&self, algorithm: Algorithm) -> Option<&Key> {
        self.keys.iter().find(|key| key.is_for(algorithm))
    }

    /// Checks a token's signature with the keys that its header allows.
    ///
    /// A header with a `kid` allows the keys of this name, and, unless `strict_kid`, those without a name; one without
    /// a `kid` allows all. Of these, the first eight that are for the token's algorithm are tried.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownKey`]: there may be such a key in a newer set. [`Error::KeyMismatch`], [`Error::BadSignature`],
    /// [`Error::SignatureUnavailable`].
    pub fn verify<H: HostSignatures>(
        &self,
        token: &Compact<'_>,
        header: &Header,
        strict_kid: bool,
        verifier: &Verifier<H>,
    ) -> Result<(), Error> {
        let is_named = |key: &Key| key.kid.is_some() && key.kid == header.kid;
        let is_allowed = |key: &&Key| header.kid.is_none() || is_named(key) || (!strict_kid && key.kid.is_none());
        let suitable = self.keys.iter().filter(is_allowed).filter(|key| key.is_for(header.algorithm));
        let mut outcome = match header.kid {
            Some(_) if self.keys.iter().any(is_named) => Error::KeyMismatch,
            _ => Error::UnknownKey,
        };
        for key in suitable.take(MOST_TRIES) {
            match verifier.verify(header.algorithm, key, token.signed, &token.signature) {
                Some(true) => return Ok(()),
                Some(false) if outcome == Error::SignatureUnavailable => {}
                // A set that lacks the named key may be an old one, whatever its nameless keys say.
                Some(false) if header.kid.is_some() && outcome == Error::UnknownKey => {}
                Some(false) => outcome = Error::BadSignature,
                None => outcome = Error::SignatureUnavailable,
            }
        }
        Err(outcome)
    }
}

// === impl KeySetError ===

impl fmt::Display for KeySetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "the key set is longer than 512 KiB",
            Self::Malformed => "no key set: a JSON object with a list \"keys\" of objects, and no member twice",
            Self::TooManyKeys => "the key set has more than 200 keys",
            Self::NoUsableKey => "no key of the set can verify signatures",
        })
    }
}

impl std::error::Error for KeySetError {}
