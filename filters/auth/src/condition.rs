//! Conditions: what must be true of a caller whom a method has verified.

use palisade_sdk::config::{FromFields, Node, Object};
use palisade_sdk::matching::names::non_empty;
use serde_json::{Map, Value};

use crate::method::{Identity, claim_name};

#[cfg(feature = "schema")]
pub(crate) mod schema;

/// What must be true of a caller.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// A claim passes a test.
    Claim {
        /// The claim: see [`Identity::claim`].
        name: String,
        /// The test.
        test: Test,
    },
    /// All these words are in the claim `scope` (RFC 8693, section 4.2) or, where there is none, in `scp`.
    Scope(Vec<String>),
}

/// A test of a claim.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// The claim is this text, number or boolean.
    Exact(Value),
    /// The claim is one of these.
    OneOf(Vec<Value>),
    /// The claim is a list in which this stands.
    Contains(Value),
    /// The claim is a text that begins so.
    Prefix(String),
    /// The claim is a text that ends so.
    Suffix(String),
    /// Whether there is such a claim; `null` is none.
    Present(bool),
}

// === impl Condition ===

impl Condition {
    /// Whether it is true of this caller.
    #[must_use]
    pub fn holds(&self, caller: &Identity) -> bool {
        match self {
            Self::Claim { name, test } => test.holds(caller.claim(name).as_deref()),
            Self::Scope(words) => words.iter().all(|word| has_scope(&caller.claims, word)),
        }
    }

    /// The reason of a denial for want of it.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Claim { .. } => "claim_mismatch",
            Self::Scope(_) => "insufficient_scope",
        }
    }

    /// Reads the condition on a claim: `{name: groups, contains: admins}`.
    pub(crate) fn claim(node: Node<'_>) -> Option<Self> {
        node.object(|object| {
            let name = object.required_with("name", claim_name);
            let test = Test::from_fields(object);
            Some(Self::Claim { name: name?, test: test? })
        })
    }

    /// Reads the scopes: `[orders:read]`.
    pub(crate) fn scope(node: Node<'_>) -> Option<Self> {
        node.non_empty_list(scope_word).map(Self::Scope)
    }
}

/// Whether a word stands in the claim `scope` or, where there is none, in `scp`: words that are separated by blanks, or
/// a list of words.
pub(crate) fn has_scope(claims: &Map<String, Value>, word: &str) -> bool {
    match claims.get("scope").or_else(|| claims.get("scp")) {
        Some(Value::String(text)) => text.split(' ').any(|found| found == word),
        Some(Value::Array(items)) => items.iter().any(|item| item == word),
        _ => false,
    }
}

// === impl Test ===

impl Test {
    fn holds(&self, claim: Option<&Value>) -> bool {
        match (self, claim.filter(|claim| !claim.is_null())) {
            (Self::Present(present), claim) => *present == claim.is_some(),
            (_, None) => false,
            (Self::Exact(expected), Some(claim)) => equal(claim, expected),
            (Self::OneOf(expected), Some(claim)) => expected.iter().any(|expected| equal(claim, expected)),
            (Self::Contains(expected), Some(claim)) => {
                claim.as_array().is_some_and(|items| items.iter().any(|item| equal(item, expected)))
            }
            (Self::Prefix(start), Some(claim)) => claim.as_str().is_some_and(|text| text.starts_with(start)),
            (Self::Suffix(end), Some(claim)) => claim.as_str().is_some_and(|text| text.ends_with(end)),
        }
    }
}

/// Whether two values are the same; numbers are the same whether written `1` or `1.0`.
fn equal(claim: &Value, expected: &Value) -> bool {
    match (claim, expected) {
        (Value::Number(claim), Value::Number(expected)) => claim.as_f64() == expected.as_f64(),
        _ => claim == expected,
    }
}

impl FromFields for Test {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        object.exactly_one(&[
            ("exact", |node| scalar(node).map(Self::Exact)),
            ("one_of", |node| node.non_empty_list(scalar).map(Self::OneOf)),
            ("contains", |node| scalar(node).map(Self::Contains)),
            ("prefix", |node| non_empty(node, "the start of a text").map(Self::Prefix)),
            ("suffix", |node| non_empty(node, "the end of a text").map(Self::Suffix)),
            ("present", |node| node.value().as_bool().map(Self::Present).or_else(|| node.expected("true or false"))),
        ])
    }
}

fn scalar(node: Node<'_>) -> Option<Value> {
    let value = node.value();
    match value {
        Value::String(_) | Value::Bool(_) | Value::Number(_) => Some(value.clone()),
        _ => node.expected("a text, a number, true or false"),
    }
}

/// `scope-token` of RFC 6749, section 3.3, which has no quotation mark and can stand in a challenge.
fn scope_word(node: Node<'_>) -> Option<String> {
    const EXPECTED: &str = "a scope such as \"orders:read\", one word of visible ASCII without quotation marks";
    let word = node.text(EXPECTED)?;
    let is_token = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
    match !word.is_empty() && word.bytes().all(is_token) {
        true => Some(word.to_owned()),
        false => node.malformed(EXPECTED),
    }
}

#[cfg(test)]
mod tests;
