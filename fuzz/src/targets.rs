//! Targets: one file for each parser, or for what belongs together.

pub mod authorization;
pub mod base64url;
pub mod claims;
pub mod compact_jws;
pub mod credentials;
pub mod detectors;
pub mod htpasswd;
pub mod introspection;
pub mod signatures;

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
    htpasswd::TARGET,
    introspection::TARGET,
    signatures::TARGET,
];
