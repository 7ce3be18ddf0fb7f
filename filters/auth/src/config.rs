//! The configuration: types, and how they are read.

use std::borrow::Cow;

use palisade_sdk::config::{FromConfig as _, FromFields, Object, Rules};
use palisade_sdk::matching::{ClientIp, PathLiteral};

use crate::methods::Sections;
use crate::path;
use crate::policy::{Access, AmbiguousPaths, Policy};
use crate::reply::{self, Speech};

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
        let client_ip = object.or("client_ip", ClientIp::from_config, ClientIp::default());
        let ambiguous_paths = object.or("ambiguous_paths", AmbiguousPaths::from_config, AmbiguousPaths::default());
        let bypass_cors_preflight = object.or("bypass_cors_preflight", bool::from_config, false);
        let mut speech = Speech {
            realm: object.or("realm", reply::realm, DEFAULT_REALM.to_owned()),
            basic_realm: None,
            expose_reason: object.or("expose_reason", bool::from_config, false),
        };

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
        let mut is_seen = true;
        for rule in rules.iter().flat_map(Rules::iter) {
            rule.matcher().visit_paths(&mut |path| {
                if let Some(error) = unseen(path) {
                    object.error_below::<()>(&["rules[", &rule.index().to_string(), "].match"].concat(), &error);
                    is_seen = false;
                }
            });
        }
        if !is_seen {
            return None;
        }
        if rules.iter().flat_map(Rules::iter).any(|rule| rule.label() == NO_RULE) {
            return object.error_at("rules", TAKEN);
        }
        let (sections, rules, default) = (sections?, rules?, default?);
        speech.basic_realm = sections.basic_realm().map(str::to_owned);
        Some(Self { sections, rules, default, client_ip, ambiguous_paths, bypass_cors_preflight, speech })
    }
}

/// Reports each method of a rule that the config does not set up.
fn names_what_is_there(object: &Object<'_>, path: &str, policy: &Policy, sections: &Sections) -> bool {
    let Access::Require(expression) = &policy.access else { return true };
    let mut known = true;
    expression.visit_callers(&mut |method, allowed| {
        if let Some(missing) = sections.missing(method, allowed) {
            object.error_below::<()>(path, &missing);
            known = false;
        }
    });
    known
}

/// Why no request has a path as rules see it that could be this one, if so.
fn unseen(literal: PathLiteral<'_>) -> Option<String> {
    const NEVER: &str = "rules see no path that is written like this, so that it never matches";
    // What follows the first characters decides what they are: `/a/.` begins `/a/.x`, which is clear.
    let (path, rest) = match literal {
        PathLiteral::Whole(path) => (path, ""),
        PathLiteral::Start(path) => (path, "x"),
    };
    let path = [path, rest].concat();
    let canonical = path::canonical(path.as_bytes());
    if canonical.as_deref() == Some(path.as_bytes()) {
        return None;
    }
    let plain = || Some(path::canonical(&path::normalized(path.as_bytes())?)?.into_owned());
    let seen = canonical.map(Cow::into_owned).or_else(plain);
    let seen = seen.as_deref().and_then(|seen| str::from_utf8(seen).ok()?.strip_suffix(rest));
    Some(match seen {
        Some(seen) => [NEVER, "; write \"", seen, "\""].concat(),
        None => NEVER.to_owned(),
    })
}

#[cfg(test)]
mod tests;
