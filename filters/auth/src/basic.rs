//! Basic: users and passwords of an htpasswd file (RFC 7617).
//!
//! A password hash is made to cost time, and a worker that computes one serves nobody meanwhile. So good credentials are
//! remembered, and a [budget](BasicConfig) says how many others are hashed.

use std::cell::RefCell;
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use palisade_sdk::{
    Counter, HostError, Plugin,
    config::{ConfigErrors, FromConfig, FromFields, Node, Object, Percent, Secret, Size},
    labels,
    matching::Field,
    metrics::Family,
    random::Seed,
};

use crate::{
    method::{Attempt, Refusal},
    reply::realm,
    request::{Head, Removal},
    tag::Tagger,
};

mod bcrypt;
mod budget;
mod credential;
mod des_crypt;
mod hash;
mod htpasswd;
mod md5_crypt;
mod radix64;
#[cfg(feature = "schema")]
mod schema;
mod sha_crypt;
mod verifier;

use budget::Budget;
pub use credential::Credential;
pub use hash::{Hash, HashLimits, Unusable};
pub use htpasswd::Htpasswd;
use verifier::{Randomness, Source, Verdict, Verifier};

/// The method's name.
pub const NAME: &str = "basic";

/// The users, and what their passwords may cost a worker.
pub struct BasicConfig {
    realm: Option<String>,
    file: Htpasswd,
    hide_credentials: bool,
    max_hashes_per_second: usize,
    max_hash_share: Percent,
    cache: Cache,
}

/// How many good credentials a worker remembers, and how long.
struct Cache {
    ttl: Duration,
    entries: usize,
}

/// The method itself, in one worker.
pub struct Basic {
    hide_credentials: bool,
    verifier: RefCell<Verifier>,
    credentials: Family<Counter, 1>,
}

// === impl Basic ===

impl Basic {
    /// The method that a configuration describes.
    ///
    /// # Errors
    ///
    /// The host gives no randomness.
    pub fn new(config: BasicConfig, plugin: &Plugin) -> Result<Self, ConfigErrors> {
        let BasicConfig { file, hide_credentials, max_hashes_per_second, max_hash_share, cache, .. } = config;
        for warning in &file.warnings {
            log::warn!("basic.users.htpasswd: {warning}");
        }
        let randomness = randomness().map_err(|error| ConfigErrors::new(NAME, error.to_string()))?;
        let budget = Budget::new(max_hashes_per_second, max_hash_share);
        let verifier = Verifier::new(file, (cache.ttl, cache.entries), budget, randomness);
        let credentials = plugin.counters("basic_credentials", labels!["verdict"]);
        Ok(Self { hide_credentials, verifier: RefCell::new(verifier), credentials })
    }

    /// Looks at the request's `authorization`.
    pub fn attempt(&self, head: Head<'_>) -> Attempt {
        let (attempt, label) = attempt(&mut self.verifier.borrow_mut(), head, palisade_sdk::now);
        if let Some(label) = label {
            self.credentials.increment([label]);
        }
        attempt
    }

    /// Takes the credential out of the request, if the configuration wants that.
    pub fn hide(&self, head: Head<'_>, removal: &mut Removal) {
        if self.hide_credentials && is_basic(head) {
            removal.add_header("authorization", head);
        }
    }
}

/// What came of a request, and how its credential is counted.
fn attempt<E>(
    verifier: &mut Verifier,
    head: Head<'_>,
    now: impl Fn() -> Result<Duration, E>,
) -> (Attempt, Option<&'static str>) {
    let authorization = match head.authorization() {
        Field::Absent => return (Attempt::Absent, None),
        Field::Many => return (refused(401, "multiple_credentials"), None),
        Field::One(authorization) if !authorization.is("basic") => return (Attempt::Absent, None),
        Field::One(authorization) => authorization,
    };
    let verdict = match verifier.verify(authorization.credential, now) {
        Ok(Some(verdict)) => verdict,
        Ok(None) => return (refused(401, "malformed_credential"), None),
        Err(_) => return (refused(503, "clock_unavailable"), None),
    };
    let label = label(&verdict);
    let attempt = match verdict {
        Verdict::Good(_, identity) => Attempt::Verified(identity),
        Verdict::Wrong(_) => refused(401, "wrong_credential"),
        Verdict::Unavailable => refused(503, "hash_unavailable"),
        Verdict::Throttled(wait) => {
            Attempt::Refused(Refusal { status: 429, reason: "hash_budget", error: None, retry_after: Some(wait) })
        }
    };
    (attempt, Some(label))
}

fn is_basic(head: Head<'_>) -> bool {
    matches!(head.authorization(), Field::One(authorization) if authorization.is("basic"))
}

fn randomness() -> Result<Randomness, HostError> {
    Ok(Randomness { tagger: Tagger::new()?, seed: Seed::new()? })
}

fn refused(status: u16, reason: &'static str) -> Attempt {
    Attempt::Refused(Refusal { status, reason, error: None, retry_after: None })
}

fn label(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Good(Source::Cache, _) => "good_cached",
        Verdict::Good(Source::Hash, _) => "good_hashed",
        Verdict::Wrong(Source::Cache) => "wrong_cached",
        Verdict::Wrong(Source::Hash) => "wrong_hashed",
        Verdict::Throttled(_) => "throttled",
        Verdict::Unavailable => "unavailable",
    }
}

// === impl BasicConfig ===

impl BasicConfig {
    const DEFAULT_LIMITS: HashLimits =
        HashLimits { bcrypt_cost: 12, sha_crypt_rounds: 100_000, argon2_memory: 19 * 1024, allow_insecure: false };

    /// The realm of the challenge, where the method has one of its own.
    #[must_use]
    pub fn realm(&self) -> Option<&str> {
        self.realm.as_deref()
    }
}

impl FromFields for BasicConfig {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        let default = Self::DEFAULT_LIMITS;
        let limits = HashLimits {
            bcrypt_cost: object.or("max_bcrypt_cost", |node| integer(node, 4..=16), default.bcrypt_cost),
            sha_crypt_rounds: object.or(
                "max_sha_crypt_rounds",
                |node| integer(node, 1_000..=10_000_000),
                default.sha_crypt_rounds,
            ),
            argon2_memory: object.or("max_argon2_memory", memory, default.argon2_memory),
            allow_insecure: object.or("allow_insecure", bool::from_config, default.allow_insecure),
        };
        let strict = object.or("strict", bool::from_config, false);
        let limits = object.all_valid().then_some((limits, strict));
        let file = object.required_with("users", |node| users(node, limits));
        Some(Self {
            realm: object.or("realm", |node| realm(node).map(Some), None),
            hide_credentials: object.or("hide_credentials", bool::from_config, false),
            max_hashes_per_second: object.or("max_hashes_per_second", |node| integer(node, 1..=1_000), 5),
            max_hash_share: object.or("max_hash_share", share, Percent::whole(10)),
            cache: object.or("cache", Cache::from_config, Cache::default()),
            file: file?,
        })
    }
}

/// Without the hashes.
impl fmt::Debug for BasicConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BasicConfig({} users)", self.file.users.len())
    }
}

fn integer<T: TryFrom<u64>>(node: Node<'_>, range: RangeInclusive<u64>) -> Option<T> {
    node.integer(range)?.try_into().ok()
}

/// In KiB.
fn memory(node: Node<'_>) -> Option<u32> {
    let bytes = Size::from_config(node)?.bytes();
    match bytes {
        8_192..=268_435_456 => u32::try_from(bytes >> 10).ok(),
        _ => node.error("expected a size from 8KiB to 256MiB"),
    }
}

fn share(node: Node<'_>) -> Option<Percent> {
    let share = Percent::from_config(node)?;
    match share.numerator() {
        0 => node.error("with no time at all no password could be verified"),
        _ => Some(share),
    }
}

fn users(node: Node<'_>, reading: Option<(HashLimits, bool)>) -> Option<Htpasswd> {
    node.object(|users| {
        users.required_with("htpasswd", |node| {
            node.object(|file| file.required_with("inline", |node| htpasswd(node, reading?)))
        })
    })
}

fn htpasswd(node: Node<'_>, (limits, strict): (HashLimits, bool)) -> Option<Htpasswd> {
    let text = Secret::from_config(node)?;
    if cfg!(not(target_arch = "wasm32")) && node.value().is_object() {
        // Outside of a VM no variable has its value.
        return Some(Htpasswd::default());
    }
    let Ok(text) = str::from_utf8(text.expose()) else { return node.malformed("UTF-8") };
    match Htpasswd::parse(text, &limits, strict) {
        Ok(file) => Some(file),
        Err(errors) => {
            for error in errors {
                node.error::<()>(&error);
            }
            None
        }
    }
}

// === impl Cache ===

impl Default for Cache {
    fn default() -> Self {
        Self { ttl: Duration::from_secs(300), entries: 1_024 }
    }
}

impl FromFields for Cache {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        let default = Self::default();
        Some(Self {
            ttl: object.or("ttl", Duration::from_config, default.ttl),
            entries: object.or("entries", |node| integer(node, 0..=1_048_576), default.entries),
        })
    }
}

#[cfg(test)]
mod tests;
