//! Expressions as they are written, and which of them mean something.
//!
//! A condition is about *one* caller. It stands in an `all` beside exactly one method, or beside an `any` of methods each
//! of which may be the one; deeper inside that `all`, under `any`, `not` and an `all` without a method of its own, it is
//! about the same caller.

use palisade_sdk::config::{FromConfig, FromFields, Node, Object};
use palisade_sdk::matching::names;

use super::Expression;
use crate::condition::Condition;
use crate::method::Method;

impl Expression {
    /// Reads what a rule requires.
    pub(crate) fn required(node: Node<'_>) -> Option<Self> {
        let expression = Self::from_config(node)?;
        if expression.asks_about_nobody() {
            return node.error(
                "a condition on a claim or scope stands beside no method, so that nobody is asked; write \
                 {\"all\": [{\"jwt\": NAME}, {\"claim\": ...}]}",
            );
        }
        Some(expression)
    }

    /// How many callers it verifies at most.
    fn callers(&self) -> usize {
        match self {
            Self::Any(items) => items.iter().map(Self::callers).max().unwrap_or(0),
            Self::All { callers, .. } => callers.iter().map(Self::callers).fold(0, usize::saturating_add),
            Self::Caller { .. } => 1,
            Self::Not(_) | Self::Condition(_) => 0,
        }
    }

    /// Whether it holds a condition that has no caller in its own conjunctions.
    fn asks_about_nobody(&self) -> bool {
        match self {
            Self::Any(items) => items.iter().any(Self::asks_about_nobody),
            Self::All { callers, conditions } => callers.is_empty() && conditions.iter().any(Self::asks_about_nobody),
            Self::Not(item) => item.asks_about_nobody(),
            Self::Caller { .. } => false,
            Self::Condition(_) => true,
        }
    }
}

impl FromFields for Expression {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        object.exactly_one(&[
            ("any", |node| node.non_empty_list(Self::from_config).map(Self::Any)),
            ("all", all),
            ("not", |node| Self::from_config(node).map(|item| Self::Not(Box::new(item)))),
            ("jwt", |node| names::non_empty(node, "the name of a provider").map(|name| caller(Method::Jwt(name)))),
            ("basic", |node| no_options(node).map(|()| caller(Method::Basic))),
            ("api_key", |node| allowed_clients(node).map(|allowed| Self::Caller { method: Method::ApiKey, allowed })),
            ("hmac", |node| no_options(node).map(|()| caller(Method::Hmac))),
            ("introspection", |node| no_options(node).map(|()| caller(Method::Introspection))),
            ("claim", |node| Condition::claim(node).map(Self::Condition)),
            ("scope", |node| Condition::scope(node).map(Self::Condition)),
        ])
    }
}

fn all(node: Node<'_>) -> Option<Expression> {
    let items = node.non_empty_list(Expression::from_config)?;
    let (callers, conditions): (Vec<_>, Vec<_>) = items.into_iter().partition(|item| item.callers() > 0);
    let asked = callers.iter().map(Expression::callers).fold(0, usize::saturating_add);
    if callers.iter().any(Expression::asks_about_nobody) {
        return node.error(
            "a condition on a claim or scope stands in an \"any\" beside a method that it cannot be about; give it an \
             \"all\" with its own method",
        );
    }
    if asked > 1 && conditions.iter().any(Expression::asks_about_nobody) {
        return node.error(
            "a condition on a claim or scope must be about one caller, and here are several; put each condition in an \
             \"all\" with its own method",
        );
    }
    Some(Expression::All { callers, conditions })
}

fn caller(method: Method) -> Expression {
    Expression::Caller { method, allowed: Vec::new() }
}

fn no_options(node: Node<'_>) -> Option<()> {
    node.object(|_| Some(()))
}

fn allowed_clients(node: Node<'_>) -> Option<Vec<String>> {
    node.object(|object| {
        let client = |node: Node<'_>| names::non_empty(node, "the id of a client");
        let allowed = object.optional_with("allowed_clients", |node| node.non_empty_list(client));
        Some(allowed?.unwrap_or_default())
    })
}
