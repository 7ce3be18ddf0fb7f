//! The configuration: types, and how they are read.

use palisade_sdk::config::{FromFields, Node, Object, Rules};
use palisade_sdk::matching::ClientIp;

use crate::methods::Sections;
use crate::policy::{Access, AmbiguousPaths, Policy};
use crate::reply::Speech;

#[cfg(feature = "schema")]
mod schema;

const DEFAULT_REALM: &str = "palisade";

/// The rule in metrics where none was chosen.
pub(crate) const NO_RULE: &str = "none";

const TAKEN: &str =
    "the name \"none\" is taken: the metrics have it for requests of which no rule was asked; choose another";

/// The configuration of the filter.
#[derive(Debug)]
pub struct Config {
    pub(crate) sections: Sections,
    pub(crate) rules: Rules<Policy>,
    pub(crate) default: Policy,
    pub(crate) client_ip: ClientIp,
    pub(crate) ambiguous_paths: AmbiguousPaths,
    pub(crate) bypass_cors_preflight: bool,
    pub(crate) speech: Speech,
}

impl FromFields for Config {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        let sections = Sections::from_fields(object);
        let rules = Rules::<Policy>::from_fields(object);
        let default = object.required("default");
        let client_ip = object.optional("client_ip");
        let ambiguous_paths = object.optional("ambiguous_paths");
        let bypass_cors_preflight = object.optional("bypass_cors_preflight");
        let realm = object.optional_with("realm", realm);
        let expose_reason = object.optional("expose_reason");

        if let Some(sections) = &sections {
            let rules = rules.iter().flat_map(Rules::iter).map(|rule| {
                let index = rule.index().to_string();
                (["rules[", &index, "].require"].concat(), &rule.action)
            });
            let default: Option<&Policy> = default.as_ref();
            let default = default.map(|default| ("default.require".to_owned(), default));
            let mut known = true;
            for (path, policy) in rules.chain(default) {
                known &= names_what_is_there(object, &path, policy, sections);
            }
            if !known {
                return None;
            }
        }
        if rules.iter().flat_map(Rules::iter).any(|rule| rule.label() == NO_RULE) {
            return object.error_at("rules", TAKEN);
        }
        let sections = sections?;
        Some(Self {
            rules: rules?,
            default: default?,
            client_ip: client_ip?.unwrap_or_default(),
            ambiguous_paths: ambiguous_paths?.unwrap_or_default(),
            bypass_cors_preflight: bypass_cors_preflight?.unwrap_or(false),
            speech: Speech {
                realm: realm?.unwrap_or_else(|| DEFAULT_REALM.to_owned()),
                basic_realm: sections.basic_realm().map(str::to_owned),
                expose_reason: expose_reason?.unwrap_or(false),
            },
            sections,
        })
    }
}

/// Reports each method of a rule that the config does not set up.
fn names_what_is_there(object: &Object<'_>, path: &str, policy: &Policy, sections: &Sections) -> bool {
    let Access::Require(expression) = &policy.access else { return true };
    let mut known = true;
    for missing in expression.callers_in().into_iter().filter_map(|(method, allowed)| sections.missing(method, allowed))
    {
        object.error_below::<()>(path, &missing);
        known = false;
    }
    known
}

/// A realm that stands in quotation marks as it is.
pub(crate) fn realm(node: Node<'_>) -> Option<String> {
    const EXPECTED: &str =
        "a realm such as \"shop\": visible ASCII and blanks, without quotation marks and backslashes";
    let realm = node.text(EXPECTED)?;
    let is_plain = |byte: u8| (byte.is_ascii_graphic() || byte == b' ') && !matches!(byte, b'"' | b'\\');
    match !realm.is_empty() && realm.bytes().all(is_plain) {
        true => Some(realm.to_owned()),
        false => node.malformed(EXPECTED),
    }
}

#[cfg(test)]
mod tests;
