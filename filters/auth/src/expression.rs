//! Expressions: which proofs of identity a rule requires, and what follows from those that a request has.
//!
//! An expression is evaluated over what came of the methods so far. It names the next method that it needs, or it is
//! decided; so methods are tried one by one, in the order in which they are written, and none twice.
//!
//! # Values
//!
//! An expression holds, or it fails for a reason. Failures are ordered by how near they are to success, from a
//! credential that is missing to a method that cannot be asked just now ([`Obstacle`]). `any` fails with the nearest of
//! its failures, since one mended branch is enough; `all` stops at its first failure.
//!
//! A failure is *certain* when nothing is unknown about it: no credential of that kind was sent, or a verified caller does
//! not meet a condition. `not` holds only over a certain failure. A credential that was refused, and a method that is
//! unavailable, say nothing about who is calling, so that neither turns `not` into a way in.

use crate::condition::Condition;
use crate::method::{Attempt, Identity, Method, Refusal};

mod config;
#[cfg(feature = "schema")]
mod schema;

/// What a rule requires.
#[derive(Clone, Debug)]
pub enum Expression {
    /// One of these.
    Any(Vec<Expression>),
    /// All of these: first those that verify somebody, then the conditions about who that is.
    All {
        /// What may verify somebody. Where there are conditions, it verifies one at most.
        callers: Vec<Expression>,
        /// What is asked about the caller, or else about the caller of the conjunction around this one.
        conditions: Vec<Expression>,
    },
    /// Certainly not this.
    Not(Box<Expression>),
    /// A caller whom the method verifies.
    Caller {
        /// The method.
        method: Method,
        /// The subjects that count; all, where there are none.
        allowed: Vec<String>,
    },
    /// A condition about the caller of the conjunction around it.
    Condition(Condition),
}

/// What came of the methods that were tried, in this order.
#[derive(Debug, Default)]
pub struct Tried(Vec<(Method, Attempt)>);

/// What an expression says about a request.
#[derive(Debug)]
pub enum Step<'a> {
    /// This method is to be tried before there is an answer.
    Try(&'a Method),
    /// The request may pass. These are the callers and what has verified them, in the order of the expression; nobody,
    /// where `not` let it pass.
    Allow(Vec<(&'a Identity, &'a Method)>),
    /// The request may not pass.
    Deny(Denial<'a>),
}

/// Why a request may not pass.
#[derive(Clone, Copy, Debug)]
pub struct Denial<'a> {
    /// How near it was.
    pub obstacle: Obstacle,
    /// The method that decided, where there was one.
    pub method: Option<&'a Method>,
    /// The refusal, where a credential was refused.
    pub refusal: Option<&'a Refusal>,
    /// The condition that a verified caller does not meet.
    pub condition: Option<&'a Condition>,
    certain: bool,
}

/// What stands between a request and success, from the farthest to the nearest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Obstacle {
    /// No credential was sent.
    Missing,
    /// A credential is not good: 401.
    Invalid,
    /// The request cannot be judged as it is: 400, 408 or 413.
    Unreadable,
    /// The caller is known, and may not: 403.
    Forbidden,
    /// To wait helps this client: 429.
    Throttled,
    /// To wait helps, and the client has done nothing wrong: 503.
    Unavailable,
}

/// The value of an expression; the error is a method that is still to be tried.
type Value<'a> = Result<Truth<'a>, &'a Method>;

enum Truth<'a> {
    Holds(Vec<(&'a Identity, &'a Method)>),
    Fails(Denial<'a>),
}

// === impl Expression ===

impl Expression {
    /// What the expression says, given what came of the methods so far.
    #[must_use]
    pub fn step<'a>(&'a self, tried: &'a Tried) -> Step<'a> {
        match self.value(tried, None) {
            Err(method) => Step::Try(method),
            Ok(Truth::Holds(callers)) => Step::Allow(callers),
            Ok(Truth::Fails(denial)) => Step::Deny(denial),
        }
    }

    /// Visits every method that it may try, with the subjects that count, once for each place.
    pub fn visit_callers<'a>(&'a self, visit: &mut dyn FnMut(&'a Method, &'a [String])) {
        match self {
            Self::Any(items) => items.iter().for_each(|item| item.visit_callers(visit)),
            Self::All { callers, conditions } => {
                callers.iter().chain(conditions).for_each(|item| item.visit_callers(visit));
            }
            Self::Not(item) => item.visit_callers(visit),
            Self::Caller { method, allowed } => visit(method, allowed),
            Self::Condition(_) => {}
        }
    }

    fn value<'a>(&'a self, tried: &'a Tried, caller: Option<&'a Identity>) -> Value<'a> {
        match self {
            Self::Any(items) => evaluate_any(items, tried, caller),
            Self::All { callers, conditions } => evaluate_all(callers, conditions, tried, caller),
            Self::Not(item) => Ok(match item.value(tried, caller)? {
                Truth::Holds(_) => Truth::Fails(Denial::new(Obstacle::Forbidden, true)),
                Truth::Fails(denial) if denial.certain => Truth::Holds(Vec::new()),
                Truth::Fails(denial) => Truth::Fails(denial),
            }),
            Self::Caller { method, allowed } => Ok(match tried.get(method).ok_or(method)? {
                Attempt::Absent => Truth::Fails(Denial::new(Obstacle::Missing, true).of(method)),
                Attempt::Refused(refusal) => Truth::Fails(Denial::refused(refusal).of(method)),
                Attempt::Verified(identity) if !allowed.is_empty() && !allowed.contains(&identity.subject) => {
                    Truth::Fails(Denial::new(Obstacle::Forbidden, true).of(method))
                }
                Attempt::Verified(identity) => Truth::Holds(vec![(identity, method)]),
            }),
            Self::Condition(condition) => Ok(match caller {
                // Nobody is known of whom to ask.
                None => Truth::Fails(Denial::new(Obstacle::Missing, false)),
                Some(caller) if condition.holds(caller) => Truth::Holds(Vec::new()),
                Some(caller) => {
                    let denial = Denial::new(Obstacle::Forbidden, true);
                    Truth::Fails(Denial { condition: Some(condition), method: tried.method_of(caller), ..denial })
                }
            }),
        }
    }
}

fn evaluate_any<'a>(items: &'a [Expression], tried: &'a Tried, caller: Option<&'a Identity>) -> Value<'a> {
    let mut nearest: Option<Denial<'a>> = None;
    for item in items {
        let denial = match item.value(tried, caller)? {
            Truth::Fails(denial) => denial,
            holds @ Truth::Holds(_) => return Ok(holds),
        };
        nearest = Some(match nearest {
            None => denial,
            Some(before) => {
                let certain = before.certain && denial.certain;
                let nearest = if denial.obstacle > before.obstacle { denial } else { before };
                Denial { certain, ..nearest }
            }
        });
    }
    // The config has no empty list; nothing would hold of it.
    Ok(Truth::Fails(nearest.unwrap_or(Denial::new(Obstacle::Missing, false))))
}

fn evaluate_all<'a>(
    callers: &'a [Expression],
    conditions: &'a [Expression],
    tried: &'a Tried,
    outer: Option<&'a Identity>,
) -> Value<'a> {
    let mut verified = Vec::new();
    for item in callers {
        match item.value(tried, outer)? {
            Truth::Holds(more) => verified.extend(more),
            fails @ Truth::Fails(_) => return Ok(fails),
        }
    }
    let caller = if callers.is_empty() { outer } else { verified.first().map(|(caller, _)| *caller) };
    for item in conditions {
        if let fails @ Truth::Fails(_) = item.value(tried, caller)? {
            return Ok(fails);
        }
    }
    Ok(Truth::Holds(verified))
}

// === impl Tried ===

impl Tried {
    /// Remembers what came of a method.
    pub fn insert(&mut self, method: Method, attempt: Attempt) {
        self.0.push((method, attempt));
    }

    /// The methods that were tried and what came of each, in this order.
    pub fn iter(&self) -> impl Iterator<Item = (&Method, &Attempt)> {
        self.0.iter().map(|(method, attempt)| (method, attempt))
    }

    /// The method that has verified this identity.
    #[must_use]
    pub fn method_of(&self, identity: &Identity) -> Option<&Method> {
        let is_it = |attempt: &Attempt| matches!(attempt, Attempt::Verified(found) if std::ptr::eq(&**found, identity));
        self.iter().find(|(_, attempt)| is_it(attempt)).map(|(method, _)| method)
    }

    fn get(&self, method: &Method) -> Option<&Attempt> {
        self.iter().find(|(tried, _)| *tried == method).map(|(_, attempt)| attempt)
    }
}

// === impl Denial ===

impl<'a> Denial<'a> {
    fn new(obstacle: Obstacle, certain: bool) -> Self {
        Self { obstacle, method: None, refusal: None, condition: None, certain }
    }

    fn refused(refusal: &'a Refusal) -> Self {
        Self { refusal: Some(refusal), ..Self::new(Obstacle::of(refusal), false) }
    }

    fn of(self, method: &'a Method) -> Self {
        Self { method: Some(method), ..self }
    }

    /// The HTTP status of the answer.
    #[must_use]
    pub fn status(&self) -> u16 {
        match (self.refusal, self.obstacle) {
            (Some(refusal), _) => refusal.status,
            (None, Obstacle::Missing) => 401,
            (None, _) => 403,
        }
    }

    /// The reason, in snake case.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match (self.refusal, self.condition, self.obstacle) {
            (Some(refusal), _, _) => refusal.reason,
            (None, Some(condition), _) => condition.reason(),
            (None, None, Obstacle::Missing) => "missing_credential",
            (None, None, _) if self.method.is_some() => "client_not_allowed",
            (None, None, _) => "excluded",
        }
    }
}

// === impl Obstacle ===

impl Obstacle {
    fn of(refusal: &Refusal) -> Self {
        match refusal.status {
            401 => Self::Invalid,
            400 | 408 | 413 => Self::Unreadable,
            403 => Self::Forbidden,
            429 => Self::Throttled,
            _ => Self::Unavailable,
        }
    }
}

#[cfg(test)]
mod tests;
