//! JWT: bearer tokens that their issuer has signed (RFC 7519), verified as RFC 8725 wants it.
//!
//! [`Verification`] says what a provider's tokens must be, and is pure; [`Cache`] remembers what it has said; [`Provider`]
//! joins both with the host.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use palisade_sdk::config::ConfigErrors;
use palisade_sdk::matching::Field;
use palisade_sdk::metrics::Family;
use palisade_sdk::random::Seed;
use palisade_sdk::{Counter, Filter, Handle, HostError, Plugin, labels, now, signature};
use serde_json::Value;

use crate::jose::claims::Claims;
use crate::jose::{Algorithm, Error, Hash, HostSignatures, KeySet};
use crate::jwks::{RemoteKeySets, RemoteKeys};
use crate::method::{Attempt, Identity, Refusal};
use crate::request::{Head, Removal, Sources};
use crate::tag::Tagger;

mod cache;
pub mod config;
mod verification;

pub use cache::{Cache, Good};
pub use config::{Keys, ProviderConfig};
pub use verification::{Rules, Verification};

/// Tokens of one issuer, as one plugin configuration has them.
pub struct Provider {
    name: String,
    from: Sources,
    keys: Source,
    verification: Verification<Host>,
    cache: RefCell<Cache>,
    signatures: Family<Counter, 3>,
}

/// Where the keys are.
enum Source {
    Inline(Rc<KeySet>),
    Remote(Rc<RemoteKeys>),
}

/// The host, whose function `verify_signature` does what a module does slowly.
#[derive(Default)]
struct Host {
    /// Whether it has answered since that was asked for.
    answered: Cell<bool>,
}

// === impl Provider ===

impl Provider {
    /// The provider of this name; keys that are not in its config are fetched with `remote`.
    ///
    /// # Errors
    ///
    /// The config lists an algorithm that only a host can verify, and this one cannot; or the host has no random source.
    pub fn new(
        name: &str,
        config: ProviderConfig,
        plugin: &Plugin,
        remote: &mut RemoteKeySets,
    ) -> Result<Self, ConfigErrors> {
        let verification = Verification::new(config.rules, Host::default());
        if let Some(algorithm) = verification.impossible() {
            let message = [algorithm.name(), ": this host has no working function verify_signature, which it needs"];
            return Err(ConfigErrors::new(&["jwt.providers.", name, ".algorithms"].concat(), message.concat()));
        }
        let refused = |error: HostError| ConfigErrors::new("", error.to_string());
        let (seed, tagger) = (Seed::new().map_err(refused)?, Tagger::new().map_err(refused)?);
        Ok(Self {
            name: name.to_owned(),
            from: config.from,
            keys: match config.keys {
                Keys::Inline(keys) => Source::Inline(keys),
                Keys::Remote(config) => Source::Remote(remote.add(name, config)),
            },
            verification,
            cache: RefCell::new(Cache::new(config.cache_size, config.cache_ttl, seed, tagger)),
            signatures: plugin.counters("signatures", labels!["provider", "algorithm", "verified_by"]),
        })
    }

    /// Looks for a token in a request and verifies it.
    pub async fn attempt<F: Filter>(&self, head: Head<'_>, handle: &Handle<F>) -> Attempt {
        let token = match self.from.read(head) {
            Field::Absent => return Attempt::Absent,
            Field::Many => return Attempt::Refused(refusal(401, "multiple_credentials", Some("invalid_request"))),
            Field::One(token) => token,
        };
        match self.verify(&token, handle).await {
            Ok(identity) => Attempt::Verified(identity),
            Err(refusal) => Attempt::Refused(refusal),
        }
    }

    /// Where its tokens may stand.
    #[must_use]
    pub fn sources(&self) -> &Sources {
        &self.from
    }

    /// Takes its tokens out of a request.
    pub fn hide(&self, head: Head<'_>, removal: &mut Removal) {
        for source in self.from.iter() {
            removal.add(source, head);
        }
    }

    async fn verify<F: Filter>(&self, token: &[u8], handle: &Handle<F>) -> Result<Rc<Identity>, Refusal> {
        let remote = match &self.keys {
            Source::Inline(keys) => return Ok(self.verify_with(token, keys, 0, read_clock(handle)?)?),
            Source::Remote(remote) => remote,
        };
        let keys = match remote.get(handle).await {
            Ok(keys) => keys,
            Err(unavailable) => {
                // What is no token at all needs no keys to be refused.
                self.verification.read(token)?;
                let retry_after = Some(unavailable.retry_after);
                return Err(Refusal { retry_after, ..refusal(503, "jwks_unavailable", None) });
            }
        };
        match self.verify_with(token, &keys.set, keys.generation(), read_clock(handle)?) {
            Err(Error::UnknownKey) => {
                let newer = remote.newer_than(&keys, handle).await.ok_or(Error::UnknownKey)?;
                Ok(self.verify_with(token, &newer.set, newer.generation(), read_clock(handle)?)?)
            }
            verified => Ok(verified?),
        }
    }

    /// Verifies a token with the keys of a generation, unless it is known what comes of that.
    fn verify_with(&self, token: &[u8], keys: &KeySet, generation: u64, now: Duration) -> Result<Rc<Identity>, Error> {
        let mut cache = self.cache.borrow_mut();
        let key = cache.key(token);
        if let Some(known) = cache.get(&key, generation, now) {
            return known;
        }
        let (token, header) = self.verification.read(token)?;
        self.verification.host().answered.set(false);
        let signed = self.verification.check_signature(&token, &header, keys);
        // Of other tokens nobody has looked at the signature.
        if let Ok(()) | Err(Error::BadSignature) = signed {
            self.count(header.algorithm);
        }
        let verified =
            signed.and_then(|()| self.verification.check_claims(&token, now)).map(|claims| self.good(claims));
        cache.insert(key, generation, now, &verified);
        verified.map(|good| good.identity)
    }

    fn count(&self, algorithm: Algorithm) {
        let verified_by = if self.verification.host().answered.get() { "host" } else { "module" };
        self.signatures.increment([self.name.as_str(), algorithm.name(), verified_by]);
    }

    fn good(&self, Claims { all, until }: Claims) -> Good {
        let subject = all.get("sub").and_then(Value::as_str).unwrap_or_default().to_owned();
        Good { identity: Rc::new(Identity::new("jwt", self.name.clone(), subject, all)), until }
    }
}

// === impl Refusal ===

/// RFC 6750, section 3.1: a token that is "expired, revoked, malformed, or invalid for other reasons" is an invalid one.
impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        match error {
            Error::SignatureUnavailable => refusal(503, error.reason(), None),
            Error::WrongAudience => refusal(403, error.reason(), Some("invalid_token")),
            _ => refusal(401, error.reason(), Some("invalid_token")),
        }
    }
}

fn read_clock<F: Filter>(handle: &Handle<F>) -> Result<Duration, Refusal> {
    now().map_err(|error| {
        handle.report(&error);
        refusal(503, "no_clock", None)
    })
}

fn refusal(status: u16, reason: &'static str, error: Option<&'static str>) -> Refusal {
    Refusal { status, reason, error, retry_after: None }
}

// === impl Host ===

impl HostSignatures for Host {
    fn verify(&self, hash: Hash, key: &[u8], signature: &[u8], text: &[u8]) -> Option<bool> {
        let hash = match hash {
            Hash::Sha256 => signature::Hash::Sha256,
            Hash::Sha384 => signature::Hash::Sha384,
            Hash::Sha512 => signature::Hash::Sha512,
        };
        let answer = signature::verify(hash, key, signature, text).ok();
        self.answered.set(answer.is_some());
        answer
    }
}

#[cfg(test)]
mod tests;
