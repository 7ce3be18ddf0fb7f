//! A refusal: why a config or an image must not be loaded, where, and how to mend it.

use std::fmt;

/// The rule that is broken. Each has an exit code of its own, by which a script can tell them apart.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Rule {
    /// A hash that is not 64 lower-case hex digits, or none.
    HashForm,
    /// A hash that is not the module's.
    HashOfAnother,
    /// The hash of a module where the digest of an image's manifest belongs.
    HashForDigest,
    /// The digest of an image's manifest where the hash of a module belongs.
    DigestForHash,
    /// A hash beside a local file, which nobody compares.
    HashOfFile,
    /// A plugin that lets requests pass unfiltered when its module fails.
    FailOpen,
    /// A capability list where Envoy of this release no longer looks for it.
    DeprecatedField,
    /// A capability list that is not exactly what the module needs.
    Capabilities,
    /// Remote code that is fetched once.
    Retries,
    /// Remote code from a cluster that is not there.
    Cluster,
    /// A plugin whose module cannot be told.
    UnknownModule,
    /// A component where a core module is needed.
    Component,
    /// A module that is not the one of the lock, or a lock that cannot be read.
    Lock,
    /// A lock without a signature, or with one that is not whole.
    Unsigned,
    /// A signature by another key, or of something else.
    Signature,
    /// A field that is there twice, in both of its spellings.
    Twice,
    /// A module without a statement of how it was built, or with that of another one.
    Provenance,
    /// A file that is no YAML, or has no Wasm module in it.
    Nothing,
    /// An image that is not the one of the digest that is asked for.
    Moved,
    /// A blob that is not the one of its digest.
    Blob,
    /// More bytes than a module needs.
    TooLarge,
    /// An image in which the proxies find no module.
    Layout,
    /// An index of images, by whose digest the proxies find none.
    Index,
    /// An image whose repository is called otherwise than its module.
    Name,
    /// A registry that wants other credentials.
    Credentials,
    /// An image or a blob that the registry does not have.
    Missing,
}

/// A rule, the exit code where it is the first that is broken, and what it refuses.
pub const RULES: &[(Rule, u8, &str)] = &[
    (Rule::HashForm, 10, "a hash that is missing or not 64 lower-case hex digits"),
    (Rule::HashOfAnother, 11, "a hash that is not the module's"),
    (Rule::HashForDigest, 12, "a module's hash where the digest of an image's manifest belongs"),
    (Rule::DigestForHash, 13, "the digest of an image's manifest where a module's hash belongs"),
    (Rule::HashOfFile, 14, "a hash beside a local file, which nobody compares"),
    (Rule::FailOpen, 15, "a protecting filter that lets requests pass when it fails, without --allow"),
    (Rule::DeprecatedField, 16, "a capability list at its deprecated place"),
    (Rule::Capabilities, 17, "a capability list that is not exactly the module's imports and callbacks"),
    (Rule::Retries, 18, "remote code without retries"),
    (Rule::Cluster, 19, "remote code from a cluster that is not defined or has no endpoints"),
    (Rule::UnknownModule, 20, "a module that is not in the lock"),
    (Rule::Component, 21, "a component where a core module is needed"),
    (Rule::Lock, 22, "a module that is not the one of the lock"),
    (Rule::Unsigned, 23, "a missing or truncated signature, where a public key is given"),
    (Rule::Signature, 24, "a signature by another key, or of something else"),
    (Rule::Twice, 25, "a field in both of its spellings, of which Envoy takes the last one"),
    (Rule::Provenance, 26, "a module whose statement of how it was built is missing, broken, or another module's"),
    (Rule::Nothing, 27, "a file that is no YAML, or that loads no Wasm module"),
    (Rule::Moved, 40, "an image that is not the one of the digest"),
    (Rule::Blob, 41, "a blob of an image that is not the one of its digest"),
    (Rule::TooLarge, 42, "an image that is larger than a module needs"),
    (Rule::Layout, 43, "an image in which Istio and Envoy Gateway find no module that Envoy loads"),
    (Rule::Index, 44, "an index of images, by whose digest they find none"),
    (Rule::Name, 45, "an image whose repository is called otherwise than its module"),
    (Rule::Credentials, 46, "a registry that wants other credentials"),
    (Rule::Missing, 47, "an image or a blob that the registry does not have"),
];

/// A broken rule.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal {
    /// The rule.
    pub rule: Rule,
    /// The path of the field.
    pub place: String,
    /// What is wrong with it, and how to mend it.
    pub what: String,
}

impl Rule {
    /// The exit code of the command that refuses by it.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        RULES.iter().find(|(rule, ..)| *rule == self).map_or(1, |(_, code, _)| *code)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_rule_has_an_exit_code_of_its_own_beyond_those_of_the_command_line() {
        let codes: BTreeSet<_> = RULES.iter().map(|(_, code, _)| code).collect();
        let rules: BTreeSet<_> = RULES.iter().map(|(rule, ..)| rule).collect();
        assert_eq!((codes.len(), rules.len()), (RULES.len(), RULES.len()));
        assert!(codes.iter().all(|code| **code > 2 && **code < 126), "{codes:?}");
    }
}
