//! Capabilities: what a plugin's `capability_restriction_config` leaves of host calls and callbacks.

use std::collections::BTreeSet;

/// The host calls and callbacks that a VM may use.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Capabilities(BTreeSet<String>);

impl Capabilities {
    /// Whether this host call or callback may be used; without a list, all may.
    #[must_use]
    pub fn allow(&self, name: &str) -> bool {
        self.0.is_empty() || self.0.contains(name)
    }
}

impl<S: Into<String>> FromIterator<S> for Capabilities {
    fn from_iter<I: IntoIterator<Item = S>>(names: I) -> Self {
        Self(names.into_iter().map(Into::into).collect())
    }
}
