//! Policies: what a rule says about the requests that it matches.

use palisade_sdk::config::{FromConfig, FromFields, Node, Object, Percent};
use palisade_sdk::matching::{Attributes, RequestView, Selector};
use sha2::{Digest, Sha256};

use crate::expression::Expression;

#[cfg(feature = "schema")]
mod schema;

/// What a rule says, or the default.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Who may pass.
    pub access: Access,
    /// Whom a denial stops.
    pub rollout: Rollout,
}

/// Who may pass.
#[derive(Clone, Debug)]
pub enum Access {
    /// Everybody.
    Anonymous,
    /// Nobody.
    Nobody,
    /// Whom the expression admits.
    Require(Expression),
}

/// Whom a denial stops.
#[derive(Clone, Debug)]
pub enum Rollout {
    /// Everybody whom it is about.
    All,
    /// Nobody: it is only counted.
    Shadow,
    /// A share of them.
    Share(Share),
}

/// A share of all clients, told apart by a value of their requests.
#[derive(Clone, Debug)]
pub struct Share {
    percent: Percent,
    by: Selector,
}

// === impl Policy ===

impl FromFields for Policy {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        let access = object.exactly_one(&[
            ("require", |node| Expression::required(node).map(Access::Require)),
            ("allow", |node| node.one_of(&[("anonymous", Access::Anonymous)])),
            ("deny", |node| node.one_of(&[("all", Access::Nobody)])),
        ]);
        let enforce = object.optional("enforce");
        let share = object.optional("enforce_percent");
        let rollout = match (enforce?, share?) {
            (Some(_), Some(_)) => {
                return object.error("give either \"enforce\" or \"enforce_percent\", not both");
            }
            (Some(false), None) => Rollout::Shadow,
            (None, Some(share)) => Rollout::Share(share),
            (None | Some(true), None) => Rollout::All,
        };
        let access = access?;
        if let (Access::Anonymous, Rollout::Shadow | Rollout::Share(_)) = (&access, &rollout) {
            return object.error("\"allow\" denies nobody, so that there is nothing to enforce");
        }
        Some(Self { access, rollout })
    }
}

// === impl Rollout ===

impl Rollout {
    /// Whether a denial stops this request.
    ///
    /// # Errors
    ///
    /// When the host refuses to answer.
    pub fn enforces<A: Attributes>(&self, request: &RequestView<'_, A>) -> Result<bool, A::Error> {
        match self {
            Self::All => Ok(true),
            Self::Shadow => Ok(false),
            Self::Share(share) => share.has(request),
        }
    }
}

// === impl Share ===

impl Share {
    /// Whether a request belongs to the share. One without the value does, lest a client leave it out.
    ///
    /// The same value belongs to it in every worker, under every configuration and at every larger percentage.
    fn has<A: Attributes>(&self, request: &RequestView<'_, A>) -> Result<bool, A::Error> {
        let selection = self.by.select(request)?;
        Ok(selection.ambiguous || selection.value.is_none_or(|value| is_in(self.percent, &value)))
    }
}

/// Whether the hash of a value, as a fraction of all hashes, lies below the percentage.
fn is_in(percent: Percent, value: &[u8]) -> bool {
    let hash = Sha256::digest(value).first_chunk().map_or(0, |bytes| u128::from(u32::from_be_bytes(*bytes)));
    // Both factors stay below 2^67 and 2^33.
    hash.saturating_mul(percent.denominator()) < percent.numerator() << 32
}

impl FromFields for Share {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        let percent = object.required("percent");
        let by = object.required("by");
        Some(Self { percent: percent?, by: by? })
    }
}

/// What becomes of an ambiguous path: the field `ambiguous_paths`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AmbiguousPaths {
    /// 400.
    #[default]
    Reject,
    /// The rules and the upstream get its plain reading.
    Normalize,
}

impl FromConfig for AmbiguousPaths {
    fn from_config(node: Node<'_>) -> Option<Self> {
        node.one_of(&[("reject", Self::Reject), ("normalize", Self::Normalize)])
    }
}

#[cfg(test)]
mod tests;
