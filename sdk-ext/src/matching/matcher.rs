//! Matchers: which requests a rule is about.

use super::host::HostPattern;
use super::names::{self, non_empty};
use super::path::{PathLiteral, PathPattern};
use super::text::TextTest;
use super::{Attributes, Cidr, Field, RequestView, Selector};
use crate::config::{FromConfig, FromFields, Node, Object};

/// Which requests a rule is about: all conditions must hold. The default has none and matches every request.
#[derive(Debug, Clone, Default)]
pub struct Matcher {
    conditions: Vec<Condition>,
}

/// Whether a request matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// All conditions hold.
    Match,
    /// At least one condition does not hold.
    NoMatch,
    /// A condition reads something that the request has more than once, and all others hold, or it stands under `not`: the
    /// request does not match, nor does it match the opposite.
    Ambiguous,
}

#[derive(Debug, Clone)]
enum Condition {
    Path(PathPattern),
    Methods(Vec<String>),
    Hosts(Vec<HostPattern>),
    Header(String, TextTest),
    Query(String, TextTest),
    Value(Selector, TextTest),
    ClientIp(Vec<Cidr>),
    Not(Matcher),
}

// === impl Matcher ===

impl Matcher {
    /// Whether the request matches.
    ///
    /// Conditions are read only until one does not hold, but under `not` until one is ambiguous: a duplicated header must not
    /// become a match.
    ///
    /// # Errors
    ///
    /// When the host refuses to answer.
    pub fn evaluate<A: Attributes>(&self, request: &RequestView<'_, A>) -> Result<Verdict, A::Error> {
        let mut verdict = Verdict::Match;
        for condition in &self.conditions {
            match condition.evaluate(request)? {
                Verdict::Match => {}
                Verdict::NoMatch => return Ok(Verdict::NoMatch),
                // Whichever of the values counts, another condition may not hold.
                Verdict::Ambiguous => verdict = Verdict::Ambiguous,
            }
        }
        Ok(verdict)
    }

    /// Whether a condition, however deep, compares the path or a part of it.
    #[must_use]
    pub fn reads_path(&self) -> bool {
        self.conditions.iter().any(Condition::reads_path)
    }

    /// Visits each path that a condition, however deep, compares the request's path with, as far as it is a literal: a
    /// template with `*` for any segment, and no regular expression.
    pub fn visit_paths(&self, visit: &mut dyn FnMut(PathLiteral<'_>)) {
        self.conditions.iter().for_each(|condition| condition.visit_paths(visit));
    }

    fn evaluate_opposite<A: Attributes>(&self, request: &RequestView<'_, A>) -> Result<Verdict, A::Error> {
        let mut verdict = Verdict::NoMatch;
        for condition in &self.conditions {
            match condition.evaluate(request)? {
                Verdict::Match => {}
                Verdict::NoMatch => verdict = Verdict::Match,
                Verdict::Ambiguous => return Ok(Verdict::Ambiguous),
            }
        }
        Ok(verdict)
    }
}

impl FromFields for Matcher {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        if object.is_empty() {
            return object.error("an empty matcher would match every request; to mean that, leave it out");
        }
        let conditions = object.any_of(&[
            ("methods", |node| node.non_empty_list(names::method).map(|methods| vec![Condition::Methods(methods)])),
            ("path", |node| PathPattern::from_config(node).map(|path| vec![Condition::Path(path)])),
            ("hosts", |node| node.non_empty_list(HostPattern::from_config).map(|hosts| vec![Condition::Hosts(hosts)])),
            ("headers", |node| node.non_empty_list(|node| named(node, names::header, Condition::Header))),
            ("query", |node| node.non_empty_list(|node| named(node, parameter_name, Condition::Query))),
            ("client_ip", |node| {
                node.non_empty_list(Cidr::from_config).map(|ranges| vec![Condition::ClientIp(ranges)])
            }),
            ("values", |node| node.non_empty_list(value)),
            ("not", |node| Self::from_config(node).map(|matcher| vec![Condition::Not(matcher)])),
        ]);
        Some(Self { conditions: conditions?.into_iter().flatten().collect() })
    }
}

fn named(
    node: Node<'_>,
    name: fn(Node<'_>) -> Option<String>,
    condition: fn(String, TextTest) -> Condition,
) -> Option<Condition> {
    node.object(|object| {
        let name = object.required_with("name", name);
        let test = TextTest::from_fields(object);
        Some(condition(name?, test?))
    })
}

fn parameter_name(node: Node<'_>) -> Option<String> {
    non_empty(node, "the name of a query parameter")
}

fn value(node: Node<'_>) -> Option<Condition> {
    node.object(|object| {
        let selector = object.required("of");
        let test = TextTest::from_fields(object);
        Some(Condition::Value(selector?, test?))
    })
}

// === impl Condition ===

impl Condition {
    fn reads_path(&self) -> bool {
        match self {
            Self::Path(_) => true,
            Self::Header(name, _) => name == ":path",
            Self::Value(selector, _) => selector.reads_path(),
            Self::Not(matcher) => matcher.reads_path(),
            Self::Methods(_) | Self::Hosts(_) | Self::Query(..) | Self::ClientIp(_) => false,
        }
    }

    fn visit_paths(&self, visit: &mut dyn FnMut(PathLiteral<'_>)) {
        match self {
            Self::Path(pattern) => pattern.visit(visit),
            Self::Header(name, text) if name == ":path" => text.visit_paths("", visit),
            Self::Value(selector, text) => {
                selector.before_path().iter().for_each(|before| text.visit_paths(before, visit));
            }
            Self::Not(matcher) => matcher.visit_paths(visit),
            _ => {}
        }
    }

    fn evaluate<A: Attributes>(&self, request: &RequestView<'_, A>) -> Result<Verdict, A::Error> {
        Ok(match self {
            Self::Path(pattern) => test(request.path()?, |path| pattern.matches(&path)),
            Self::Methods(methods) => {
                test(request.method()?, |method| methods.iter().any(|allowed| allowed.as_bytes() == &*method))
            }
            Self::Hosts(hosts) => test(request.host()?, |host| hosts.iter().any(|pattern| pattern.matches(&host))),
            Self::Header(name, text) => text.verdict(request.header(name)?),
            Self::Query(name, text) => text.verdict(request.query_parameter(name)?),
            Self::Value(selector, text) => {
                let selection = selector.select(request)?;
                text.verdict(if selection.ambiguous { Field::Many } else { selection.value.into() })
            }
            Self::ClientIp(ranges) => {
                test(request.client_ip()?, |address| ranges.iter().any(|range| range.contains(address)))
            }
            Self::Not(matcher) => matcher.evaluate_opposite(request)?,
        })
    }
}

fn test<T>(value: Field<T>, holds: impl FnOnce(T) -> bool) -> Verdict {
    match value {
        Field::One(value) => holds(value).into(),
        Field::Absent => Verdict::NoMatch,
        Field::Many => Verdict::Ambiguous,
    }
}

// === impl Verdict ===

impl From<bool> for Verdict {
    fn from(holds: bool) -> Self {
        if holds { Self::Match } else { Self::NoMatch }
    }
}

#[cfg(test)]
mod tests;
