//! The configuration of a remote key set.

use std::ops::RangeInclusive;
use std::time::Duration;

use palisade_sdk::config::{FromConfig, FromFields, Node, Object};
use sha2::{Digest as _, Sha256};

use super::record::{Digest, Millis, Policy};

#[cfg(feature = "schema")]
mod schema;

const REFRESH: Duration = Duration::from_secs(600);
const TIMEOUT: Duration = Duration::from_secs(5);
const STARTUP_WAIT: Duration = Duration::from_millis(500);
const STALE_TTL: Duration = Duration::from_secs(24 * 3600);

/// The longest cluster, authority or path, in bytes.
const LONGEST: usize = 1024;

/// Where a key set is fetched, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteConfig {
    /// One of Envoy's clusters.
    pub cluster: String,
    /// The path there, with a query where there is one.
    pub path: String,
    /// The `Host` of the request; the cluster's name where it is left out.
    pub authority: Option<String>,
    /// How long a set counts as fresh.
    pub refresh: Duration,
    /// How long a fetch may take.
    pub timeout: Duration,
    /// How long a request waits for keys.
    pub startup_wait: Duration,
    /// How long a set may be used after it should have been refreshed.
    pub stale_ttl: Duration,
}

impl RemoteConfig {
    pub(super) fn policy(&self) -> Policy {
        Policy {
            source: source(&self.cluster, self.authority.as_deref(), &self.path),
            refresh: millis(self.refresh),
            stale_ttl: millis(self.stale_ttl),
            timeout: millis(self.timeout),
        }
    }
}

impl FromFields for RemoteConfig {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        let cluster = object.required_with("cluster", cluster);
        let path = object.required_with("path", path);
        Some(Self {
            authority: object.or("authority", |node| authority(node).map(Some), None),
            refresh: object.or("refresh", |node| duration(node, 1..=86_400, "\"1s\" to \"1d\""), REFRESH),
            timeout: object.or("timeout", |node| duration(node, 1..=60, "\"1s\" to \"1m\""), TIMEOUT),
            startup_wait: object.or("startup_wait", |node| duration(node, 0..=30, "\"0s\" to \"30s\""), STARTUP_WAIT),
            stale_ttl: object.or("stale_ttl", |node| duration(node, 0..=2_592_000, "\"0s\" to \"30d\""), STALE_TTL),
            cluster: cluster?,
            path: path?,
        })
    }
}

pub(super) fn millis(time: Duration) -> Millis {
    Millis::try_from(time.as_millis()).unwrap_or(Millis::MAX)
}

/// What no two places have in common.
fn source(cluster: &str, authority: Option<&str>, path: &str) -> Digest {
    let mut hash = Sha256::new();
    for part in [cluster, authority.unwrap_or(cluster), path] {
        hash.update(part);
        hash.update([0]);
    }
    half(&hash.finalize())
}

/// The first half of a SHA-256.
pub(super) fn half(sha256: &[u8]) -> Digest {
    sha256.first_chunk().copied().unwrap_or_default()
}

fn cluster(node: Node<'_>) -> Option<String> {
    const EXPECTED: &str = "the name of one of Envoy's clusters";
    let name = node.text(EXPECTED)?;
    if is_text(name) { Some(name.to_owned()) } else { node.malformed(EXPECTED) }
}

fn authority(node: Node<'_>) -> Option<String> {
    const EXPECTED: &str = "a host such as \"idp.example\"";
    let host = node.text(EXPECTED)?;
    if is_text(host) && !host.contains('/') { Some(host.to_owned()) } else { node.malformed(EXPECTED) }
}

fn path(node: Node<'_>) -> Option<String> {
    const EXPECTED: &str = "a path such as \"/.well-known/jwks.json\"";
    let path = node.text(EXPECTED)?;
    if is_text(path) && path.starts_with('/') { Some(path.to_owned()) } else { node.malformed(EXPECTED) }
}

fn is_text(text: &str) -> bool {
    (1..=LONGEST).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn duration(node: Node<'_>, seconds: RangeInclusive<u64>, range: &str) -> Option<Duration> {
    let duration = Duration::from_config(node)?;
    if seconds.contains(&duration.as_secs()) && duration <= Duration::from_secs(*seconds.end()) {
        Some(duration)
    } else {
        node.error(&["expected a duration from ", range].concat())
    }
}

#[cfg(test)]
mod tests;
