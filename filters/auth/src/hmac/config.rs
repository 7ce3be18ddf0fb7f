//! The section `hmac` of the config.

use std::fmt;
use std::time::Duration;

use palisade_sdk::config::{FromConfig as _, FromFields, Node, Object, Secret, Size};
use zeroize::Zeroizing;

use super::component::is_supported;
use super::verification::{Key, Verifier};
use crate::base64;

#[cfg(feature = "schema")]
mod schema;

/// Below it a secret can be guessed.
const SHORTEST_SECRET: usize = 16;
/// The longest name of a client or key.
const LONGEST_NAME: usize = 256;
/// A worker holds so much for each request at most.
const MOST_BODY: u64 = 64 * 1024 * 1024;
const MOST_REMEMBERED: u64 = 1 << 20;
const HOUR: Duration = Duration::from_secs(3600);
/// `@query` and `content-digest` count where there is a query and a body.
const COVERED: [&str; 5] = ["@method", "@authority", "@path", "@query", "content-digest"];

/// Who signs, and what a signature has to cover.
pub struct HmacConfig {
    pub(super) verifier: Verifier,
    /// The longest body that is held to be verified, in bytes.
    pub(super) max_body: usize,
    /// How long a body may take to come.
    pub(super) body_timeout: Duration,
    /// How many signatures are remembered, over all workers.
    pub(super) replay_cache: usize,
}

struct Client {
    id: String,
    /// The id where it is left out.
    keyid: Option<String>,
    secret: Zeroizing<Vec<u8>>,
    covered: Option<Vec<String>>,
}

/// Without the keys.
impl fmt::Debug for HmacConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HmacConfig").finish_non_exhaustive()
    }
}

impl FromFields for HmacConfig {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        let clients = object.required_with("clients", clients);
        let covered = object.or("covered", covered, COVERED.map(str::to_owned).to_vec());
        let mut config = Self {
            verifier: Verifier {
                keys: Vec::new(),
                max_age: object.or("max_age", |node| duration(node, Duration::from_secs(1)), Duration::from_secs(300)),
                clock_skew: object.or("clock_skew", |node| duration(node, Duration::ZERO), Duration::from_secs(60)),
            },
            max_body: object.or("max_body", max_body, 1024 * 1024),
            body_timeout: object.or(
                "body_timeout",
                |node| duration(node, Duration::from_millis(1)),
                Duration::from_secs(15),
            ),
            replay_cache: object.or(
                "replay_cache",
                |node| usize::try_from(node.integer(64..=MOST_REMEMBERED)?).ok(),
                65_536,
            ),
        };
        for Client { id, keyid, secret, covered: own } in clients? {
            let covered = own.unwrap_or_else(|| covered.clone());
            config.verifier.keys.push((keyid.unwrap_or_else(|| id.clone()), Key::new(id, covered, &secret)?));
        }
        Some(config)
    }
}

/// Each with a key of its own; a client may be there several times, with several.
fn clients(node: Node<'_>) -> Option<Vec<Client>> {
    let mut keys = Vec::new();
    node.non_empty_list(|node| {
        let client = Client::from_config(node)?;
        if keys.iter().any(|known| known == client.keyid()) {
            return node.error("another client in the list has the same keyid");
        }
        keys.push(client.keyid().to_owned());
        Some(client)
    })
}

impl Client {
    fn keyid(&self) -> &str {
        self.keyid.as_ref().unwrap_or(&self.id)
    }
}

impl FromFields for Client {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        let secret = object.exactly_one(&[("secret", secret), ("secret_base64", secret_base64)]);
        let id = object.required_with("id", name);
        let keyid = object.or("keyid", |node| name(node).map(Some), None);
        let covered = object.or("covered", |node| covered(node).map(Some), None);
        let client = Self { id: id?, keyid, secret: secret?, covered };
        object.all_valid().then_some(client)
    }
}

fn name(node: Node<'_>) -> Option<String> {
    const EXPECTED: &str = "a name of 1 to 256 printable ASCII characters";
    let name = node.text(EXPECTED)?;
    let is_valid = (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if is_valid { Some(name.to_owned()) } else { node.malformed(EXPECTED) }
}

fn secret(node: Node<'_>) -> Option<Zeroizing<Vec<u8>>> {
    long_enough(node, Secret::from_config(node)?.expose().to_vec().into())
}

fn secret_base64(node: Node<'_>) -> Option<Zeroizing<Vec<u8>>> {
    let secret = Secret::from_config(node)?;
    match base64::decode(secret.expose()) {
        Some(secret) => long_enough(node, secret.into()),
        None => node.error("the secret is not base64 with padding (RFC 4648, section 4)"),
    }
}

fn long_enough(node: Node<'_>, secret: Zeroizing<Vec<u8>>) -> Option<Zeroizing<Vec<u8>>> {
    match secret.len() {
        ..SHORTEST_SECRET => node.error("the secret has less than 16 bytes; take 32 random ones"),
        _ => Some(secret),
    }
}

fn covered(node: Node<'_>) -> Option<Vec<String>> {
    let mut components = Vec::new();
    node.non_empty_list(|node| {
        const EXPECTED: &str = "@method, @target-uri, @authority, @scheme, @request-target, @path, @query or the name of \
                                a header in lower case";
        let component = node.text(EXPECTED)?;
        if !is_supported(component) {
            return node.malformed(EXPECTED);
        }
        if components.contains(&component.to_owned()) {
            return node.error("is in the list already");
        }
        components.push(component.to_owned());
        Some(())
    })?;
    Some(components)
}

fn duration(node: Node<'_>, shortest: Duration) -> Option<Duration> {
    let duration = Duration::from_config(node)?;
    match duration {
        _ if duration < shortest => {
            node.error("too short: times are compared in whole seconds, and a body takes a while")
        }
        _ if duration > HOUR => node.error("longer than \"1h\""),
        _ => Some(duration),
    }
}

fn max_body(node: Node<'_>) -> Option<usize> {
    let size = Size::from_config(node)?;
    if size.bytes() > MOST_BODY {
        return node.error("expected a size of up to \"64MiB\"");
    }
    usize::try_from(size.bytes()).ok()
}

#[cfg(test)]
mod tests;
