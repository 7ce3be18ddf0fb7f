//! HMAC: requests that the client has signed with a shared secret, by HTTP Message Signatures (RFC 9421) of the
//! algorithm `hmac-sha256`, whose bodies are covered by `Content-Digest` (RFC 9530).

use std::time::Duration;

use palisade_sdk::{ExchangeError, Filter, HeaderMap, HostError, Plugin, Request, SharedKey, now};
use sha2::{Digest as _, Sha256};

use crate::method::{Attempt, Identity, Refusal};

pub mod component;
mod config;
pub mod digest;
pub mod replay;
pub mod structured;
pub mod verification;

pub use config::HmacConfig;
use digest::{ContentDigest, Unproven};
use replay::{Capacity, Entry, SHARDS};
use verification::{Verified, Verifier};

/// The method's name.
pub const NAME: &str = "hmac";

/// The method, as one plugin configuration has it.
pub struct Hmac {
    verifier: Verifier,
    max_body: usize,
    body_timeout: Duration,
    shards: Vec<SharedKey>,
    capacity: Capacity,
}

/// Why an attempt came to nothing.
enum Failure {
    Refused(Refusal),
    Host(ExchangeError),
}

impl Hmac {
    /// The method of a configuration.
    #[must_use]
    pub fn new(config: HmacConfig, plugin: &Plugin) -> Self {
        let HmacConfig { verifier, max_body, body_timeout, replay_cache } = config;
        Self {
            capacity: Capacity::new(replay_cache, verifier.clients()),
            verifier,
            max_body,
            body_timeout,
            shards: (0..SHARDS).map(|shard| plugin.shared(&format!("replay/{shard}"))).collect(),
        }
    }

    /// Verifies the request's signature; where that covers the body, after all of the body has come. The headers are held
    /// meanwhile. A good signature is good once.
    pub async fn attempt<F: Filter>(&self, request: &Request<F>, headers: &HeaderMap) -> Attempt {
        match self.verify(request, headers).await {
            Ok(None) => Attempt::Absent,
            Ok(Some(client)) => Attempt::Verified(Identity::named(NAME, client.to_owned())),
            Err(Failure::Refused(refusal)) => Attempt::Refused(refusal),
            Err(Failure::Host(error)) => {
                request.handle().report(&error);
                Attempt::Refused(refusal(503, "hmac_unavailable"))
            }
        }
    }

    async fn verify<F: Filter>(&self, request: &Request<F>, headers: &HeaderMap) -> Result<Option<&str>, Failure> {
        let has_body = !request.ends_message();
        let verified = match self.verifier.verify(headers, has_body, now()?) {
            None => return Ok(None),
            Some(Err(failure)) => return Err(refused(401, failure.reason())),
            Some(Ok(verified)) => verified,
        };
        if verified.covers_digest {
            self.verify_body(request, headers).await?;
        }
        self.remember(&verified)?;
        Ok(Some(verified.client))
    }

    /// Nothing of the request goes upstream while its body comes.
    async fn verify_body<F: Filter>(&self, request: &Request<F>, headers: &HeaderMap) -> Result<(), Failure> {
        let digest =
            headers.joined("content-digest").ok_or(Unproven::Malformed).and_then(|field| ContentDigest::parse(&field));
        let digest = digest.map_err(unproven)?;
        let body = request.body(self.max_body, self.body_timeout).await.map_err(|error| match error {
            ExchangeError::BodyTooLong { .. } => refused(413, "body_too_long"),
            ExchangeError::BodyTooLate => {
                request.handle().report(&error);
                refused(408, "body_too_late")
            }
            error => Failure::Host(error),
        })?;
        digest.verify(&body).map_err(unproven)
    }

    /// Takes the last step: from here on the signature is used up.
    fn remember(&self, verified: &Verified<'_>) -> Result<(), Failure> {
        let Verified { client, stamp, until, .. } = verified;
        let client = Sha256::digest(client).into();
        let (now, mut entry) = (now()?.as_secs(), Entry::Full);
        // What has expired is not remembered: two bodies that come slowly could both end after it.
        if *until < now {
            return Err(refused(401, verification::Failure::TooOld.reason()));
        }
        let shard = self.shards.get(usize::from(replay::shard(stamp)));
        if let Some(shard) = shard {
            let update = shard.update(|value| {
                let (found, value) = replay::remember(value, (stamp, &client), *until, now, self.capacity);
                entry = found;
                value
            });
            update.map_err(|_| refused(503, "replay_cache_unavailable"))?;
        }
        match entry {
            Entry::New => Ok(()),
            Entry::Seen => Err(refused(401, "replayed")),
            Entry::Full => Err(refused(503, "replay_cache_full")),
        }
    }
}

fn unproven(unproven: Unproven) -> Failure {
    match unproven {
        Unproven::Malformed => refused(401, "malformed_content_digest"),
        Unproven::Mismatch => refused(401, "content_digest_mismatch"),
    }
}

fn refused(status: u16, reason: &'static str) -> Failure {
    Failure::Refused(refusal(status, reason))
}

fn refusal(status: u16, reason: &'static str) -> Refusal {
    Refusal { status, reason, error: None, retry_after: None }
}

impl From<HostError> for Failure {
    fn from(error: HostError) -> Self {
        Self::Host(error.into())
    }
}
