//! Targets: one file for each parser, or for what belongs together.

pub mod authorization;
pub mod base64url;
mod bodies;
pub mod claims;
pub mod compact_jws;
pub mod credentials;
pub mod detectors;
pub mod event_stream;
pub mod form;
pub mod htpasswd;
pub mod introspection;
pub mod json;
pub mod json_lines;
pub mod multipart;
pub mod signatures;
pub mod text;

/// One target.
pub struct Target {
    /// The name of its file, of its corpus and of its binary under libFuzzer.
    pub name: &'static str,
    /// Words that mean something in the format.
    pub words: &'static [&'static str],
    /// Panics where a promise is broken.
    pub run: fn(&[u8]),
}

/// All of them.
pub const TARGETS: &[Target] = &[
    authorization::TARGET,
    base64url::TARGET,
    claims::TARGET,
    compact_jws::TARGET,
    credentials::TARGET,
    detectors::TARGET,
    event_stream::TARGET,
    form::TARGET,
    htpasswd::TARGET,
    introspection::TARGET,
    json::TARGET,
    json_lines::TARGET,
    multipart::TARGET,
    signatures::TARGET,
    text::TARGET,
];
