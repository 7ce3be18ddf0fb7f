//! Ruling: what the limits say about a request.

use crate::config::{Cost, Grant, Limit};
use crate::decision::Decision;
use crate::headers::{Shown, Standing};
use crate::policy::{Policy, Taken};
use crate::store::Place;

/// What the limits say about a request.
#[derive(Debug, Default)]
pub struct Ruling<'l> {
    /// Those that applied, in the order of the config.
    pub reports: Vec<Report<'l>>,
    /// Those for which a service is to be asked, each with its number in the config.
    pub(crate) global: Vec<(usize, &'l Limit)>,
    /// What to charge when the response is over.
    pub due: Vec<Due<'l>>,
    /// What happened on the way.
    pub seen: Seen,
}

/// What one limit says about a request.
#[derive(Clone, Copy, Debug)]
pub struct Report<'l> {
    /// The limit.
    pub(crate) limit: &'l Limit,
    /// How it is shown, where that is known.
    pub shown: Option<Shown>,
    /// The most that can be taken at once.
    pub capacity: u64,
    /// The decision.
    pub decision: Decision,
    /// What follows from it.
    pub verdict: Verdict,
    /// What was taken.
    pub held: Held<'l>,
}

/// What was taken for a request.
#[derive(Clone, Copy, Debug, Default)]
pub enum Held<'l> {
    /// Nothing.
    #[default]
    Nothing,
    /// This, in a shard.
    Taken(&'l Policy, u32, Taken),
    /// Tokens that this worker had leased, of a shard.
    Leased(&'l Policy, u32, Taken),
}

/// What follows from a limit's decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The request is within the limit.
    Admitted,
    /// It is refused.
    Refused(Reason),
    /// It would be refused, if the limit were enforced.
    Shadow(Reason),
}

/// Why a limit refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The limit is used up.
    Exhausted,
    /// A part of the key is missing.
    NoKey,
    /// Other workers were faster time and again.
    Contended,
    /// The service gives no answer.
    Unavailable,
}

/// A charge that is to come.
#[derive(Clone, Copy, Debug)]
pub struct Due<'l> {
    /// The limit.
    pub(crate) limit: &'l Limit,
    pub(super) policy: &'l Policy,
    pub(super) place: Place,
}

/// What happened on the way to a ruling.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// The request is exempt.
    pub exempt: bool,
    /// A value that a limit reads came more than once.
    pub ambiguous: bool,
    /// The route names a limit that does not exist.
    pub unknown_rule: bool,
    /// A part of a key was missing.
    pub missing_key: bool,
    /// A cost was no number.
    pub invalid_cost: bool,
    /// Other workers were faster time and again.
    pub contended: bool,
}

// === impl Ruling ===

impl<'l> Ruling<'l> {
    /// Whether the request is refused.
    pub fn is_refused(&self) -> bool {
        self.reports.iter().any(|report| matches!(report.verdict, Verdict::Refused(_)))
    }

    /// The refusal that lasts longest, else the limit of which the smallest share is left. Limits that are not enforced
    /// are not told of.
    pub fn telling(&self) -> Option<&Report<'l>> {
        let refused = self.reports.iter().filter(|report| matches!(report.verdict, Verdict::Refused(_)));
        let longest = refused.max_by_key(|report| report.decision.retry.unwrap_or(u64::MAX));
        longest.or_else(|| self.told().reduce(|least, other| if other.has_less_left(least) { other } else { least }))
    }

    /// The names of the limits that refuse.
    pub fn violated(&self) -> Vec<&'l str> {
        let refused = self.reports.iter().filter(|report| matches!(report.verdict, Verdict::Refused(_)));
        refused.map(|report| report.limit.name.as_str()).collect()
    }

    /// The limits of which the client is told.
    pub fn told(&self) -> impl Iterator<Item = &Report<'l>> {
        self.reports.iter().filter(|report| !matches!(report.verdict, Verdict::Shadow(_)))
    }
}

// === impl Report ===

impl<'l> Report<'l> {
    /// How the client is told, if there is something to tell.
    pub fn standing(&self) -> Option<Standing<'l>> {
        Some(Standing { name: &self.limit.name, shown: self.shown?, decision: self.decision })
    }

    /// Whether it holds a place under a limit of concurrency.
    pub(crate) fn holds_place(&self) -> bool {
        matches!(self.held, Held::Taken(Policy::Concurrency { .. }, _, taken) if taken.amount > 0)
    }

    /// Whether a smaller share of the whole is left than another's.
    fn has_less_left(&self, other: &Self) -> bool {
        let product = |one: u64, other: u64| u128::from(one).wrapping_mul(u128::from(other.max(1)));
        product(self.decision.remaining, other.capacity) < product(other.decision.remaining, self.capacity)
    }

    pub(super) fn without_key(limit: &'l Limit, grant: Option<&'l Grant>, enforced: bool) -> Self {
        let decision = Decision { admitted: false, remaining: 0, reset: 0, retry: None };
        let verdict = match enforced {
            true => Verdict::Refused(Reason::NoKey),
            false => Verdict::Shadow(Reason::NoKey),
        };
        let capacity = grant.map_or(1, |grant| grant.policy.capacity());
        let shown = grant.map(|grant| grant.shown);
        Self { limit, shown, capacity, decision, verdict, held: Held::Nothing }
    }
}

// === impl Due ===

impl Due<'_> {
    /// What a response costs that has these header values and this length.
    pub fn cost(&self, header: Option<&[u8]>, bytes: Option<u64>, seen: &mut Seen) -> u64 {
        match &self.limit.cost {
            Cost::ResponseHeader { default, max, .. } => {
                header.map_or(*default, |value| seen.cost(value, *default)).min(*max)
            }
            Cost::ResponseBytes { per, max } => bytes.unwrap_or_default().div_ceil((*per).max(1)).min(*max),
            Cost::One | Cost::Request { .. } => 0,
        }
    }

    /// The response header that says what it costs.
    pub fn header(&self) -> Option<&str> {
        match &self.limit.cost {
            Cost::ResponseHeader { name, .. } => Some(name),
            _ => None,
        }
    }
}

// === impl Seen ===

impl Seen {
    /// A cost as it stands in a header: decimal digits.
    pub(super) fn cost(&mut self, value: &[u8], default: u64) -> u64 {
        let digits = value.trim_ascii();
        let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
        if !is_number {
            self.invalid_cost = true;
            return default;
        }
        // More digits than fit are a large number all the same.
        str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()).unwrap_or(u64::MAX)
    }
}
