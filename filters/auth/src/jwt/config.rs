//! The config of a provider.

use std::rc::Rc;
use std::time::Duration;

use palisade_sdk::config::{FromConfig, FromFields, Node, Object, Secret, Size};
use serde_json::Value;
use zeroize::Zeroizing;

use super::Rules;
use crate::base64url;
use crate::jose::claims::Requirements;
use crate::jose::{Algorithm, Curve, Hash, KeyProblem, KeySet, KeySetError, Types};
use crate::json;
use crate::jwks::RemoteConfig;
use crate::request::Sources;

#[cfg(feature = "schema")]
pub mod schema;

/// The algorithms of a provider that does not list them.
const DEFAULT_ALGORITHMS: [Algorithm; 4] =
    [Algorithm::Rs(Hash::Sha256), Algorithm::Es(Curve::P256), Algorithm::EdDsa, Algorithm::Ps(Hash::Sha256)];

/// How far clocks may differ, by default.
const DEFAULT_SKEW: Duration = Duration::from_secs(60);

/// How many tokens a provider remembers, by default and at most.
const DEFAULT_CACHE: usize = 1_024;
const LARGEST_CACHE: u64 = 1 << 20;

/// How long a token is remembered, by default and at most.
const DEFAULT_TTL: Duration = Duration::from_secs(300);

/// The longest token, by default and at most: Envoy takes no more than 60 KiB of headers.
const DEFAULT_LONGEST: usize = 8 * 1024;
const LONGEST: u64 = 60 * 1024;

/// Whom the filter takes tokens from, and which.
#[derive(Clone, Debug)]
pub struct ProviderConfig {
    /// Where tokens stand in a request.
    pub from: Sources,
    /// What verifies them.
    pub keys: Keys,
    /// What they must be.
    pub rules: Rules,
    /// How many of them are remembered.
    pub cache_size: usize,
    /// How long they are remembered, unless they cease to hold before.
    pub cache_ttl: Duration,
}

/// Where the keys of a provider are.
#[derive(Clone, Debug)]
pub enum Keys {
    /// In the config.
    Inline(Rc<KeySet>),
    /// At the identity provider.
    Remote(RemoteConfig),
}

/// Reads the field `providers`: at least one, each under a name that can stand in a metric.
pub fn providers<T: FromConfig>(node: Node<'_>) -> Option<Vec<(String, T)>> {
    let providers = node.entries(|name, node| {
        let provider = T::from_config(node);
        match is_name(name) {
            true => provider.map(|provider| (name.to_owned(), provider)),
            false => node.error("the name of a provider is 1 to 64 of A-Z, a-z, 0-9, \"_\" and \"-\""),
        }
    })?;
    if providers.is_empty() { node.error("expected at least one provider") } else { Some(providers) }
}

fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

// === impl ProviderConfig ===

impl ProviderConfig {
    /// Where tokens may stand.
    #[must_use]
    pub fn sources(&self) -> &Sources {
        &self.from
    }
}

impl FromFields for ProviderConfig {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        let issuer = object.required_with("issuer", text);
        let keys: Option<Keys> = object.required("jwks");
        let from = object.or("from", Sources::from_config, Sources::bearer());
        let cache = object.or("cache", |node| node.object(self::cache), (DEFAULT_CACHE, DEFAULT_TTL));
        let algorithms = object.or("algorithms", algorithms, DEFAULT_ALGORITHMS.to_vec());
        let types = object.or("typ", |node| texts(node).map(Types::of), Types::default());
        let strict_kid = object.or("strict_kid", bool::from_config, false);
        let longest = object.or("max_token", longest, DEFAULT_LONGEST);
        let requirements = Requirements {
            audiences: object.or("audiences", texts, Vec::new()),
            lenient_audience: object.or("lenient_audience", bool::from_config, false),
            require: object.or("require", |node| node.list(text), vec!["exp".to_owned()]),
            clock_skew: object.or("clock_skew", Duration::from_config, DEFAULT_SKEW),
            max_token_age: object.or("max_token_age", |node| Duration::from_config(node).map(Some), None),
            reject_future_iat: object.or("reject_future_iat", bool::from_config, false),
            issuer: issuer?,
        };
        let rules = Rules { algorithms, types, strict_kid, longest, requirements };
        let keys = keys.filter(|_| object.all_valid())?;
        keys.check(object, &rules.algorithms)?;
        let (cache_size, cache_ttl) = cache;
        Some(Self { from, keys, rules, cache_size, cache_ttl })
    }
}

fn algorithms(node: Node<'_>) -> Option<Vec<Algorithm>> {
    let mut algorithms = Vec::new();
    node.non_empty_list(|node| {
        let algorithm = node.one_of(&Algorithm::ALL)?;
        if algorithms.contains(&algorithm) {
            return node.error("is in the list already");
        }
        algorithms.push(algorithm);
        Some(())
    })?;
    Some(algorithms)
}

fn longest(node: Node<'_>) -> Option<usize> {
    let size = Size::from_config(node)?.bytes();
    match (1..=LONGEST).contains(&size) {
        true => size.try_into().ok(),
        false => node.error("expected 1B to 60KiB, as much as Envoy takes in headers"),
    }
}

fn cache(object: &mut Object<'_>) -> Option<(usize, Duration)> {
    let size = object.or("entries", |node| usize::try_from(node.integer(0..=LARGEST_CACHE)?).ok(), DEFAULT_CACHE);
    Some((size, object.or("ttl", Duration::from_config, DEFAULT_TTL)))
}

fn texts(node: Node<'_>) -> Option<Vec<String>> {
    node.non_empty_list(text)
}

fn text(node: Node<'_>) -> Option<String> {
    const EXPECTED: &str = "a text that is not empty";
    node.text(EXPECTED).filter(|text| !text.is_empty()).map(str::to_owned).or_else(|| node.malformed(EXPECTED))
}

// === impl Keys ===

impl FromFields for Keys {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        object.exactly_one(&[
            ("inline", |node| inline(node).map(|keys| Self::Inline(Rc::new(keys)))),
            ("remote", |node| RemoteConfig::from_config(node).map(Self::Remote)),
        ])
    }
}

impl Keys {
    /// Reports what does not fit together.
    fn check(&self, object: &Object<'_>, algorithms: &[Algorithm]) -> Option<()> {
        let Self::Inline(keys) = self else {
            // Whoever can fetch a secret can sign with it.
            return match algorithms.iter().find(|algorithm| matches!(algorithm, Algorithm::Hs(_))) {
                Some(algorithm) => {
                    let message = [algorithm.name(), " needs a secret, which is never fetched: use \"inline\" keys"];
                    object.error_at("algorithms", &message.concat())
                }
                None => Some(()),
            };
        };
        let lacks_key = |algorithm: &&Algorithm| !keys.has_key_for(**algorithm);
        if algorithms.iter().all(|algorithm| lacks_key(&algorithm)) {
            return object.error_at("jwks", "holds no key for any of the \"algorithms\"");
        }
        let is_secret = |algorithm: &&Algorithm| matches!(algorithm, Algorithm::Hs(_));
        match algorithms.iter().filter(is_secret).find(lacks_key) {
            Some(algorithm) => {
                let message =
                    [algorithm.name(), " needs a key of type \"oct\" in \"jwks\", as long as its hash at least"];
                object.error_at("algorithms", &message.concat())
            }
            None => Some(()),
        }
    }
}

/// The secrets of a set that the environment holds, each in the place of its key.
fn secrets(node: Node<'_>) -> Option<Vec<Option<Zeroizing<Vec<u8>>>>> {
    let keys = node.entries(|name, node| match (name, node.value()) {
        ("keys", Value::Array(_)) => node.list(secret),
        _ => Some(Vec::new()),
    })?;
    Some(keys.into_iter().flatten().collect())
}

fn secret(key: Node<'_>) -> Option<Option<Zeroizing<Vec<u8>>>> {
    if !key.value().is_object() {
        return Some(None);
    }
    let members = key.entries(|name, node| match (name, node.value()) {
        ("k", Value::Object(_)) => secret_of(node).map(Some),
        _ => Some(None),
    })?;
    Some(members.into_iter().flatten().next())
}

fn secret_of(node: Node<'_>) -> Option<Zeroizing<Vec<u8>>> {
    let secret = Secret::from_config(node)?;
    match base64url::decode(secret.expose()) {
        // Outside of a VM no variable has its value.
        _ if cfg!(not(target_arch = "wasm32")) => Some(secret.expose().to_vec().into()),
        Some(secret) => Some(secret.into()),
        None => node.error("the secret is not base64url without padding, as \"k\" is (RFC 7518, section 6.4.1)"),
    }
}

/// A key set: an object, or a text that holds one.
fn inline(node: Node<'_>) -> Option<KeySet> {
    let keys = match node.value() {
        Value::String(text) => {
            json::object(text.as_bytes()).ok_or(KeySetError::Malformed).and_then(|set| KeySet::from_object(&set, &[]))
        }
        Value::Object(object) => KeySet::from_object(object, &secrets(node)?),
        _ => return node.expected("a key set, {\"keys\": [...]}, or a string that holds one"),
    };
    let keys = match keys {
        Ok(keys) => keys,
        Err(error) => return node.error(&error.to_string()),
    };
    // Foreign keys are usual in a copied set; another problem is a mistake that somebody here can mend.
    let mut mistakes = keys.problems().iter().filter(|(_, problem)| *problem != KeyProblem::Foreign).peekable();
    if mistakes.peek().is_some() {
        return mistakes.fold(None, |_, (place, problem)| node.error(&format!("keys[{place}] {problem}")));
    }
    if keys.is_empty() { node.error(&KeySetError::NoUsableKey.to_string()) } else { Some(keys) }
}

#[cfg(test)]
mod tests;
