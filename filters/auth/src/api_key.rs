//! API keys: a client is who knows one of the keys whose digests the configuration lists.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use palisade_sdk::{
    HostError,
    config::{ConfigErrors, FromConfig, FromFields, Node, Object},
    matching::Field,
    random::Seed,
};
use sha2::{Digest, Sha256};

use crate::{
    lru::Lru,
    method::{Attempt, Identity, Refusal},
    request::{Head, Removal, Sources},
    table::Table,
    tag::Tagger,
};

mod date;
#[cfg(feature = "schema")]
mod schema;

/// The method's name.
pub const NAME: &str = "api_key";

/// How long a key may be, in bytes: nobody makes the filter hash more for him.
const LONGEST_KEY: usize = 1_024;

/// How many good keys are known without a SHA-256.
const MOST_SEEN: usize = 1_024;

type KeyDigest = [u8; 32];

/// Where keys stand in a request, and whose they are.
#[derive(Clone)]
pub struct ApiKeyConfig {
    from: Sources,
    clients: Vec<(KeyDigest, Client)>,
    hide_credentials: bool,
}

/// Whose a key is.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Client {
    id: String,
    /// The key counts until then, as the time since the Unix epoch.
    not_after: Option<Duration>,
}

/// The method itself.
pub struct ApiKey {
    from: Sources,
    /// By the tags of their keys' digests: the time that a look-up takes tells nothing of a key.
    clients: Table<(Rc<Identity>, Option<Duration>)>,
    /// Keys that were good, by their own tags: to make a SHA-256 of a key costs more than to know it.
    seen: RefCell<Lru<Rc<Identity>>>,
    /// Whether the time matters for any key.
    some_expire: bool,
    tagger: Tagger,
    hide_credentials: bool,
}

// === impl ApiKey ===

impl ApiKey {
    /// The method that a configuration describes.
    ///
    /// # Errors
    ///
    /// The host gives no randomness.
    pub fn new(config: ApiKeyConfig) -> Result<Self, ConfigErrors> {
        let refused = |error: HostError| ConfigErrors::new(NAME, error.to_string());
        Ok(Self::seeded(config, Seed::new().map_err(refused)?, Tagger::new().map_err(refused)?))
    }

    fn seeded(config: ApiKeyConfig, seed: Seed, tagger: Tagger) -> Self {
        let ApiKeyConfig { from, clients, hide_credentials } = config;
        let known = |(digest, Client { id, not_after }): (KeyDigest, Client)| {
            (tagger.tag(&digest), (Identity::named(NAME, id), not_after))
        };
        let seen = RefCell::new(Lru::new(clients.len().min(MOST_SEEN), seed.clone()));
        let some_expire = clients.iter().any(|(_, client)| client.not_after.is_some());
        let clients = Table::new(clients.into_iter().map(known), seed);
        Self { from, clients, seen, some_expire, tagger, hide_credentials }
    }

    /// Looks for a key in the request.
    pub fn attempt(&self, head: Head<'_>) -> Attempt {
        self.attempt_at(head, palisade_sdk::now)
    }

    fn attempt_at<E>(&self, head: Head<'_>, now: impl FnOnce() -> Result<Duration, E>) -> Attempt {
        let key = match self.from.read(head) {
            Field::Absent => return Attempt::Absent,
            Field::Many => return refused(401, "multiple_credentials"),
            Field::One(key) if key.is_empty() || key.len() > LONGEST_KEY => {
                return refused(401, "malformed_credential");
            }
            Field::One(key) => key,
        };
        let now = if self.some_expire { now() } else { Ok(Duration::ZERO) };
        let tag = self.tagger.tag(&key);
        if let Ok(now) = now
            && let Some(identity) = self.seen.borrow_mut().get(&tag, now)
        {
            return Attempt::Verified(identity.clone());
        }
        let digest: KeyDigest = Sha256::digest(&key).into();
        let Some((identity, not_after)) = self.clients.get(&self.tagger.tag(&digest)) else {
            return refused(401, "unknown_key");
        };
        match (now, *not_after) {
            (Err(_), Some(_)) => return refused(503, "clock_unavailable"),
            (Ok(now), Some(not_after)) if now > not_after => return refused(401, "expired_key"),
            _ => {}
        }
        // The last moment still counts.
        let end = not_after.map_or(Duration::MAX, |not_after| not_after.saturating_add(Duration::from_nanos(1)));
        self.seen.borrow_mut().insert(tag, identity.clone(), end);
        Attempt::Verified(identity.clone())
    }

    /// Takes the keys out of the request, wherever they may stand, if the configuration wants that.
    pub fn hide(&self, head: Head<'_>, removal: &mut Removal) {
        if self.hide_credentials {
            self.from.iter().for_each(|source| removal.add(source, head));
        }
    }
}

fn refused(status: u16, reason: &'static str) -> Attempt {
    Attempt::Refused(Refusal { status, reason, error: None, retry_after: None })
}

// === impl ApiKeyConfig ===

impl ApiKeyConfig {
    /// Where keys may stand.
    #[must_use]
    pub fn sources(&self) -> &Sources {
        &self.from
    }

    /// The ids of all clients; one that has several keys comes more than once.
    pub fn clients(&self) -> impl Iterator<Item = &str> {
        self.clients.iter().map(|(_, client)| client.id.as_str())
    }
}

impl FromFields for ApiKeyConfig {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        let from = object.required("from");
        let clients = object.required_with("clients", clients);
        let hide_credentials = object.or("hide_credentials", bool::from_config, false);
        Some(Self { from: from?, clients: clients?, hide_credentials })
    }
}

/// Without the digests of the keys.
impl fmt::Debug for ApiKeyConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clients: Vec<_> = self.clients.iter().map(|(_, client)| client).collect();
        f.debug_struct("ApiKeyConfig").field("from", &self.from).field("clients", &clients).finish_non_exhaustive()
    }
}

/// Each with a key of its own.
fn clients(node: Node<'_>) -> Option<Vec<(KeyDigest, Client)>> {
    let mut clients: Vec<(KeyDigest, Client)> = Vec::new();
    node.non_empty_list(|node| {
        let (digest, client) = node.object(client)?;
        if clients.iter().any(|(known, _)| *known == digest) {
            return node.error("has the key of an earlier client");
        }
        clients.push((digest, client));
        Some(())
    })?;
    Some(clients)
}

fn client(object: &mut Object<'_>) -> Option<(KeyDigest, Client)> {
    let id = object.required_with("id", id);
    let digest = object.required_with("key_sha256", key_digest);
    let not_after = object.or("not_after", |node| not_after(node).map(Some), None);
    Some((digest?, Client { id: id?, not_after }))
}

fn id(node: Node<'_>) -> Option<String> {
    const EXPECTED: &str = "the client's name: 1 to 128 characters of visible ASCII";
    let id = node.text(EXPECTED)?;
    match (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => Some(id.to_owned()),
        false => node.malformed(EXPECTED),
    }
}

fn key_digest(node: Node<'_>) -> Option<KeyDigest> {
    const EXPECTED: &str = "the SHA-256 digest of the key, 64 hexadecimal digits";
    let text = node.text(EXPECTED)?;
    let mut digest = KeyDigest::default();
    match hex::decode_to_slice(text.strip_prefix("sha256:").unwrap_or(text), &mut digest) {
        Ok(()) => Some(digest),
        Err(_) => node.malformed(EXPECTED),
    }
}

fn not_after(node: Node<'_>) -> Option<Duration> {
    const EXPECTED: &str = "a date such as \"2027-01-01T00:00:00Z\"";
    date::parse(node.text(EXPECTED)?).or_else(|| node.malformed(EXPECTED))
}

#[cfg(test)]
mod tests;
