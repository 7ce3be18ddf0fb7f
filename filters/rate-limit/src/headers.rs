//! Headers: what a client is told about its limits.
//!
//! `RateLimit-Policy` and `RateLimit` are those of draft-ietf-httpapi-ratelimit-headers-10, in structured fields (RFC 9651);
//! `X-RateLimit-*` are those of Envoy.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::decision::Decision;

/// What a limit that is not enforced would have done. No upstream's word stands in for it.
pub const SHADOW: &str = "x-ratelimit-shadow";

const RATELIMIT: &str = "ratelimit";
const X_REMAINING: &str = "x-ratelimit-remaining";

const NANOSECONDS: u64 = 1_000_000_000;

/// The largest integer of a structured field (RFC 9651, section 3.3.1).
const LARGEST: u64 = 999_999_999_999_999;

/// What the client is told, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Headers {
    /// `RateLimit-Policy` and `RateLimit`.
    pub ietf: bool,
    /// `X-RateLimit-Limit`, `-Remaining` and `-Reset`.
    pub x_ratelimit: XRateLimit,
    /// On which responses.
    pub when: When,
    /// What becomes of headers of the same names that the upstream has set.
    pub upstream: Upstream,
    /// Whether `x-ratelimit-shadow` says what a limit that is not enforced would have refused.
    pub shadow: bool,
}

/// The form of `X-RateLimit-*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum XRateLimit {
    /// None of them.
    Off,
    /// Numbers alone.
    Plain,
    /// The limit with its policies behind it, `100, 100;w=60;name="per-user"`, as Envoy's `DRAFT_VERSION_03`.
    Draft03,
}

/// On which responses the client is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// On all to which a limit applies.
    Always,
    /// On refusals.
    Denied,
    /// On none; a refusal says no more than when to try again.
    Never,
}

/// What becomes of headers that the upstream has set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upstream {
    /// The filter's take their place.
    Overwrite,
    /// The filter's stand beside them.
    Append,
    /// Those stay which say that less remains.
    KeepLower,
}

/// How a limit is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// How many.
    pub count: u64,
    /// In so many seconds, where that is a whole number and always the same.
    pub seconds: Option<u64>,
    /// Whether it counts requests at a time.
    pub concurrent: bool,
}

/// A limit that applied to a request, and what it said.
#[derive(Clone, Copy, Debug)]
pub struct Standing<'a> {
    /// The limit's name: letters, digits, `_` and `-`.
    pub name: &'a str,
    /// How it is shown.
    pub shown: Shown,
    /// What it said.
    pub decision: Decision,
}

/// Lines of a header section: names in lower case, and values.
pub type Lines = Vec<(Cow<'static, str>, Vec<u8>)>;

// === impl Headers ===

impl Default for Headers {
    fn default() -> Self {
        Self {
            ietf: true,
            x_ratelimit: XRateLimit::Off,
            when: When::Denied,
            upstream: Upstream::Overwrite,
            shadow: false,
        }
    }
}

impl Headers {
    /// The lines about the limits that applied, of which `telling` is the one that matters most.
    pub fn lines(&self, standings: &[Standing<'_>], telling: &Standing<'_>) -> Lines {
        let mut lines = Lines::new();
        let mut push = |name: &'static str, value: String| lines.push((name.into(), value.into_bytes()));
        if self.ietf {
            push("ratelimit-policy", joined(standings, policy));
            push(RATELIMIT, state(telling));
        }
        if self.x_ratelimit != XRateLimit::Off {
            let mut limit = telling.shown.count.min(LARGEST).to_string();
            if self.x_ratelimit == XRateLimit::Draft03 {
                limit.push_str(&joined(standings, draft03_policy));
            }
            push("x-ratelimit-limit", limit);
            push(X_REMAINING, telling.decision.remaining.to_string());
            push("x-ratelimit-reset", seconds(telling.decision.reset).to_string());
        }
        lines
    }
}

/// Whether a header is one of those that tell about limits, of which a response has one.
pub fn is_about_limits(name: &str) -> bool {
    name.starts_with("ratelimit") || name.starts_with("x-ratelimit-")
}

/// Seconds for `Retry-After` (RFC 9110, section 10.2.3): never too early, and at least one.
pub fn retry_after(retry: u64) -> u64 {
    seconds(retry).max(1)
}

/// What remains as these lines have it.
pub fn remaining(lines: &Lines) -> Option<u64> {
    let line = |name| lines.iter().find(move |(line, _)| *line == name).map(|(_, value)| value.clone());
    remaining_upstream(|name| Ok::<_, std::convert::Infallible>(line(name))).ok().flatten()
}

/// A problem (RFC 9457) of the draft's type: these policies are violated. Their names need no escapes.
pub fn problem(status: u16, violated: &[&str]) -> String {
    format!(
        "{{\"type\":\"https://iana.org/assignments/http-problem-types#quota-exceeded\",\
         \"title\":\"Request cannot be satisfied as assigned quota has been exceeded\",\
         \"status\":{status},\"violated-policies\":[\"{}\"]}}",
        violated.join("\",\"")
    )
}

/// What remains as a response's headers have it, where they say so; `header` gives all lines of a header, joined.
pub fn remaining_upstream<E>(
    mut header: impl FnMut(&'static str) -> Result<Option<Vec<u8>>, E>,
) -> Result<Option<u64>, E> {
    let ietf = header(RATELIMIT)?.and_then(|value| smallest(&value, |part| part.strip_prefix("r=")));
    let legacy = header(X_REMAINING)?.and_then(|value| smallest(&value, |part| Some(part)));
    Ok(ietf.into_iter().chain(legacy).min())
}

/// The policy of one limit: `"per-user";q=100;w=60`.
fn policy(standing: &Standing<'_>, text: &mut String) {
    let Standing { name, shown, .. } = standing;
    // A name needs no escapes: see its characters. To write to a string does not fail.
    let _ = write!(text, "\"{name}\";q={}", shown.count.min(LARGEST));
    if let Some(seconds) = shown.seconds {
        let _ = write!(text, ";w={}", seconds.min(LARGEST));
    }
    if shown.concurrent {
        text.push_str(";qu=\"concurrent-requests\"");
    }
}

/// As Envoy has it: `, 100;w=60;name="per-user"` behind the limit.
fn draft03_policy(standing: &Standing<'_>, text: &mut String) {
    let Standing { name, shown, .. } = standing;
    if text.is_empty() {
        text.push_str(", ");
    }
    let _ = write!(text, "{}", shown.count.min(LARGEST));
    if let Some(seconds) = shown.seconds {
        let _ = write!(text, ";w={}", seconds.min(LARGEST));
    }
    let _ = write!(text, ";name=\"{name}\"");
}

/// What is left of a limit: `"per-user";r=0;t=37`.
fn state(Standing { name, shown, decision }: &Standing<'_>) -> String {
    let mut text = format!("\"{name}\";r={}", decision.remaining.min(LARGEST));
    if !shown.concurrent {
        let _ = write!(text, ";t={}", seconds(decision.reset).min(LARGEST));
    }
    text
}

fn joined(standings: &[Standing<'_>], write: fn(&Standing<'_>, &mut String)) -> String {
    let mut text = String::new();
    for standing in standings {
        if !text.is_empty() {
            text.push_str(", ");
        }
        write(standing, &mut text);
    }
    text
}

/// Whole seconds, rounded up.
fn seconds(nanoseconds: u64) -> u64 {
    nanoseconds.div_ceil(NANOSECONDS)
}

/// The smallest number in a list of items with parameters, each of which `number` looks at.
fn smallest(value: &[u8], number: fn(&str) -> Option<&str>) -> Option<u64> {
    let parts =
        value.split(|byte| matches!(byte, b',' | b';')).filter_map(|part| str::from_utf8(part.trim_ascii()).ok());
    parts.filter_map(|part| number(part)?.parse().ok()).min()
}

#[cfg(test)]
mod tests;
