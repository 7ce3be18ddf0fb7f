//! Verification: whether one of a request's signatures is good (RFC 9421, section 3.2).

use std::time::Duration;

use ::hmac::{Hmac, KeyInit as _, Mac as _};
use palisade_sdk::HeaderMap;
use sha2::{Digest as _, Sha256};

use super::component::{Unsignable, covers, signature_base};
use super::structured::{Bare, Dictionary, Item, Member, Parameters, dictionary, find};

/// How long `Signature-Input` and `Signature` may be, in bytes.
const LONGEST: usize = 8 * 1024;

/// Whose signatures count, and when.
pub struct Verifier {
    /// Each with its `keyid`.
    pub keys: Vec<(String, Key)>,
    /// How long ago a signature may have been made.
    pub max_age: Duration,
    /// How far the clocks of clients may be ahead.
    pub clock_skew: Duration,
}

/// What one client signs with.
pub struct Key {
    /// The client's name.
    pub client: String,
    /// The components that its signatures have to cover.
    pub covered: Vec<String>,
    mac: Hmac<Sha256>,
}

/// A good signature.
#[derive(Debug, PartialEq, Eq)]
pub struct Verified<'a> {
    /// Who signed.
    pub client: &'a str,
    /// Whether the body has to be the one that `content-digest` speaks of.
    pub covers_digest: bool,
    /// What must not come a second time.
    pub stamp: [u8; 32],
    /// Until when it would be good a second time, in seconds since the Unix epoch.
    pub until: u64,
}

/// Why a request has no good signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// `Signature-Input` or `Signature` is missing or not what RFC 9421 says, or a parameter is.
    Malformed,
    /// No `keyid` is one of ours.
    UnknownKey,
    /// More than one `keyid` is one of ours: the request would pass once with each.
    Multiple,
    /// `alg` is another than `hmac-sha256`.
    Algorithm,
    /// What has to be covered is not.
    NotCovered,
    /// What is covered is not in the request.
    MissingComponent,
    /// What is covered cannot be verified here.
    UnsupportedComponent,
    /// `created` is longer ago than signatures count.
    TooOld,
    /// `created` is in the future.
    InFuture,
    /// `expires` has passed.
    Expired,
    /// Another key or another request was signed.
    Mismatch,
}

impl Failure {
    /// In snake case.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Malformed => "malformed_signature",
            Self::UnknownKey => "unknown_key",
            Self::Multiple => "multiple_signatures",
            Self::Algorithm => "wrong_algorithm",
            Self::NotCovered => "component_not_covered",
            Self::MissingComponent => "missing_component",
            Self::UnsupportedComponent => "unsupported_component",
            Self::TooOld => "signature_too_old",
            Self::InFuture => "signature_in_future",
            Self::Expired => "signature_expired",
            Self::Mismatch => "bad_signature",
        }
    }
}

// === impl Key ===

impl Key {
    /// A client's key; an HMAC takes secrets of any length.
    #[must_use]
    pub fn new(client: String, covered: Vec<String>, secret: &[u8]) -> Option<Self> {
        Some(Self { client, covered, mac: Hmac::new_from_slice(secret).ok()? })
    }

    /// Compares in constant time.
    fn signed(&self, base: &[u8], signature: &[u8]) -> bool {
        self.mac.clone().chain_update(base).verify_slice(signature).is_ok()
    }
}

// === impl Verifier ===

impl Verifier {
    /// How many clients there are; one may have several keys.
    #[must_use]
    pub fn clients(&self) -> usize {
        let first = |(place, (_, key)): &(usize, &(String, Key))| {
            !self.keys.iter().take(*place).any(|(_, earlier)| earlier.client == key.client)
        };
        self.keys.iter().enumerate().filter(first).count()
    }

    /// The one signature of a request by one of our keys; `None` for a request without any signature.
    ///
    /// # Errors
    ///
    /// It is not good, or there is none, or more than one.
    pub fn verify(&self, headers: &HeaderMap, has_body: bool, now: Duration) -> Option<Result<Verified<'_>, Failure>> {
        let (input, signature) = (lines(headers, "signature-input"), lines(headers, "signature"));
        match (input, signature) {
            (None, None) => None,
            (Some(input), Some(signature)) => Some(self.verify_known(&input, &signature, headers, has_body, now)),
            _ => Some(Err(Failure::Malformed)),
        }
    }

    fn verify_known(
        &self,
        input: &[u8],
        signatures: &[u8],
        headers: &HeaderMap,
        has_body: bool,
        now: Duration,
    ) -> Result<Verified<'_>, Failure> {
        if input.len() > LONGEST || signatures.len() > LONGEST {
            return Err(Failure::Malformed);
        }
        let input = dictionary(input).ok_or(Failure::Malformed)?;
        let signatures = dictionary(signatures).ok_or(Failure::Malformed)?;
        let mut known = input.iter().filter_map(|(label, member)| match member {
            Member::InnerList(components, parameters) => {
                let key = find(&self.keys, string(parameters, "keyid").ok()??)?;
                Some((label, Described { components, parameters, key }))
            }
            Member::Item(_) => None,
        });
        match (known.next(), known.next()) {
            (None, _) => Err(unknown(&input)),
            (Some(_), Some(_)) => Err(Failure::Multiple),
            (Some((label, described)), None) => {
                self.verify_one(&described, signature(&signatures, label)?, headers, has_body, now)
            }
        }
    }

    fn verify_one<'a>(
        &self,
        described: &Described<'_, 'a>,
        signature: &[u8],
        headers: &HeaderMap,
        has_body: bool,
        now: Duration,
    ) -> Result<Verified<'a>, Failure> {
        let Described { components, parameters, key } = described;
        if string(parameters, "alg")?.is_some_and(|algorithm| algorithm != "hmac-sha256") {
            return Err(Failure::Algorithm);
        }
        let until = self.until(parameters, now.as_secs())?;
        let nonce = string(parameters, "nonce")?;
        let has_query = headers.all(":path").any(|path| path.contains(&b'?'));
        let is_required = |name: &str| match name {
            "@query" => has_query,
            "content-digest" => has_body,
            _ => true,
        };
        let mut required = key.covered.iter().filter(|name| is_required(name));
        if !required.all(|name| covers(components, name)) {
            return Err(Failure::NotCovered);
        }
        let base = signature_base(components, parameters, headers).map_err(|unsignable| match unsignable {
            Unsignable::Missing => Failure::MissingComponent,
            Unsignable::Unsupported => Failure::UnsupportedComponent,
        })?;
        if !key.signed(&base, signature) {
            return Err(Failure::Mismatch);
        }
        let covers_digest = components.iter().any(|component| match &component.bare {
            Bare::String(name) => name == "content-digest",
            _ => false,
        });
        Ok(Verified { client: &key.client, covers_digest, stamp: stamp(&key.client, nonce, signature), until })
    }

    /// The last second in which the signature counts.
    fn until(&self, parameters: &Parameters, now: u64) -> Result<u64, Failure> {
        let created = time(parameters, "created")?.ok_or(Failure::Malformed)?;
        if created > now.saturating_add(self.clock_skew.as_secs()) {
            return Err(Failure::InFuture);
        }
        let oldest = created.saturating_add(self.max_age.as_secs());
        if oldest < now {
            return Err(Failure::TooOld);
        }
        match time(parameters, "expires")? {
            Some(expires) if expires < now => Err(Failure::Expired),
            Some(expires) => Ok(oldest.min(expires)),
            None => Ok(oldest),
        }
    }
}

/// What a signature says of itself.
struct Described<'i, 'a> {
    components: &'i [Item],
    parameters: &'i Parameters,
    key: &'a Key,
}

/// All lines of a field as one (RFC 8941, section 4.2).
fn lines(headers: &HeaderMap, name: &str) -> Option<Vec<u8>> {
    let lines: Vec<_> = headers.all(name).collect();
    (!lines.is_empty()).then(|| lines.join(&b", "[..]))
}

/// Without a known key: whether the field is one at all.
fn unknown(input: &Dictionary) -> Failure {
    let named = |member: &Member| match member {
        Member::InnerList(_, parameters) => matches!(string(parameters, "keyid"), Ok(Some(_))),
        Member::Item(_) => false,
    };
    match input.iter().any(|(_, member)| named(member)) {
        true => Failure::UnknownKey,
        false => Failure::Malformed,
    }
}

fn signature<'a>(signatures: &'a Dictionary, label: &str) -> Result<&'a [u8], Failure> {
    match find(signatures, label) {
        Some(Member::Item(Item { bare: Bare::Bytes(bytes), .. })) => Ok(bytes),
        _ => Err(Failure::Malformed),
    }
}

fn string<'a>(parameters: &'a Parameters, name: &str) -> Result<Option<&'a str>, Failure> {
    match find(parameters, name) {
        None => Ok(None),
        Some(Bare::String(text)) => Ok(Some(text)),
        Some(_) => Err(Failure::Malformed),
    }
}

fn time(parameters: &Parameters, name: &str) -> Result<Option<u64>, Failure> {
    match find(parameters, name) {
        None => Ok(None),
        Some(Bare::Integer(seconds)) => u64::try_from(*seconds).map(Some).map_err(|_| Failure::Malformed),
        Some(_) => Err(Failure::Malformed),
    }
}

/// A client's nonce, or its signature where it gives none.
fn stamp(client: &str, nonce: Option<&str>, signature: &[u8]) -> [u8; 32] {
    let (kind, once) = match nonce {
        Some(nonce) => (b'n', nonce.as_bytes()),
        None => (b's', signature),
    };
    let hash = Sha256::new_with_prefix(client.len().to_le_bytes()).chain_update(client).chain_update([kind]);
    hash.chain_update(once).finalize().into()
}

#[cfg(test)]
mod tests;
