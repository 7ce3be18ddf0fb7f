//! Paths into JSON: the part of RFC 9535 that can be followed while a document streams by.
//!
//! Names, indices, wildcards and descendants; no filters, slices, negative indices or unions, which need more than what has been seen.

use palisade_sdk::config::Node;

/// The most steps of a path: one bit each, and one for the whole.
const MOST_STEPS: usize = 31;

/// A path such as `$.cards[*].number` or `$..email`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Step {
    /// `..`: at any depth below.
    descends: bool,
    select: Select,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Select {
    Name(String),
    Index(u32),
    Any,
}

/// What leads from a value to one inside of it.
#[derive(Clone, Copy, Debug)]
pub enum Edge<'a> {
    /// The name of a member.
    Name(&'a [u8]),
    /// The index of an element.
    Index(u32),
}

/// How far a path has been followed to one value: bit n says that n steps have been.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress(u32);

// === impl Path ===

impl Path {
    /// Reads it.
    pub fn read(node: Node<'_>) -> Option<Self> {
        const EXPECTED: &str = "a path such as $.cards[*].number or $..email: names, [0], [*], .* and .. (RFC 9535, without filters, slices and unions)";
        let text = node.text(EXPECTED)?;
        match Self::parse(text) {
            Some(path) => Some(path),
            None => node.malformed(EXPECTED),
        }
    }

    /// The path that the text says, if it is one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut rest = text.strip_prefix('$')?;
        let mut steps = Vec::new();
        while !rest.is_empty() {
            let (step, behind) = Step::parse(rest)?;
            steps.push(step);
            rest = behind;
        }
        (1..=MOST_STEPS).contains(&steps.len()).then_some(Self { steps })
    }

    /// How far the path has been followed to what `edge` leads to from a value to which it has been followed so far.
    #[must_use]
    pub fn follow(&self, progress: Progress, edge: Edge<'_>) -> Progress {
        let mut next = 0;
        let mut bit = 1_u32;
        for step in &self.steps {
            if progress.0 & bit != 0 {
                if step.descends {
                    next |= bit;
                }
                if step.select.is(edge) {
                    next |= bit.wrapping_shl(1);
                }
            }
            bit = bit.wrapping_shl(1);
        }
        Progress(next)
    }

    /// Whether the path leads to a value to which it has been followed so far.
    #[must_use]
    pub fn leads_to(&self, progress: Progress) -> bool {
        u32::try_from(self.steps.len()).is_ok_and(|len| progress.0.checked_shr(len).unwrap_or_default() & 1 == 1)
    }
}

// === impl Step ===

impl Step {
    fn parse(text: &str) -> Option<(Self, &str)> {
        let (descends, rest) = match text.strip_prefix("..") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        if let Some(inside) = rest.strip_prefix('[') {
            let (select, rest) = Select::parse_bracket(inside)?;
            return Some((Self { descends, select }, rest));
        }
        let rest = if descends { rest } else { rest.strip_prefix('.')? };
        if let Some(rest) = rest.strip_prefix('*') {
            return Some((Self { descends, select: Select::Any }, rest));
        }
        let is_of_name = |char: char| char.is_ascii_alphanumeric() || char == '_' || !char.is_ascii();
        let end = rest.find(|char| !is_of_name(char)).unwrap_or(rest.len());
        let (name, rest) = rest.split_at_checked(end)?;
        let begins_well = name.chars().next().is_some_and(|first| !first.is_ascii_digit());
        begins_well.then(|| (Self { descends, select: Select::Name(name.to_owned()) }, rest))
    }
}

// === impl Select ===

impl Select {
    /// What stands behind `[`.
    fn parse_bracket(inside: &str) -> Option<(Self, &str)> {
        if let Some(rest) = inside.strip_prefix("*]") {
            return Some((Self::Any, rest));
        }
        let quote = inside.chars().next()?;
        if matches!(quote, '\'' | '"') {
            return Self::parse_quoted(inside.strip_prefix(quote)?, quote);
        }
        let (index, rest) = inside.split_once(']')?;
        let is_canonical = index == "0" || (!index.starts_with('0') && index.bytes().all(|byte| byte.is_ascii_digit()));
        Some((Self::Index(index.parse().ok().filter(|_| is_canonical)?), rest))
    }

    fn parse_quoted(inside: &str, quote: char) -> Option<(Self, &str)> {
        let mut name = String::new();
        let mut chars = inside.chars();
        loop {
            match chars.next()? {
                '\\' => match chars.next()? {
                    char @ ('\\' | '\'' | '"' | '/') => name.push(char),
                    'n' => name.push('\n'),
                    't' => name.push('\t'),
                    _ => return None,
                },
                char if char == quote => return Some((Self::Name(name), chars.as_str().strip_prefix(']')?)),
                char => name.push(char),
            }
        }
    }

    fn is(&self, edge: Edge<'_>) -> bool {
        match (self, edge) {
            (Self::Any, _) => true,
            (Self::Name(name), Edge::Name(edge)) => name.as_bytes() == edge,
            (Self::Index(index), Edge::Index(edge)) => *index == edge,
            (Self::Name(_), Edge::Index(_)) | (Self::Index(_), Edge::Name(_)) => false,
        }
    }
}

// === impl Progress ===

impl Progress {
    /// At the root of a document.
    pub const ROOT: Self = Self(1);

    /// Whether no step has been followed, nor can be.
    #[must_use]
    pub fn is_over(self) -> bool {
        self.0 == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leads(path: &str, edges: &[Edge<'_>]) -> bool {
        let path = Path::parse(path).unwrap();
        let progress = edges.iter().fold(Progress::ROOT, |progress, edge| path.follow(progress, *edge));
        path.leads_to(progress)
    }

    const A: Edge<'_> = Edge::Name(b"a");
    const B: Edge<'_> = Edge::Name(b"b");
    const ZERO: Edge<'_> = Edge::Index(0);
    const ONE: Edge<'_> = Edge::Index(1);

    #[test]
    fn a_path_leads_to_what_it_names() {
        assert!(leads("$.a", &[A]));
        assert!(!leads("$.a", &[B]));
        assert!(!leads("$.a", &[A, B]));
        assert!(!leads("$.a", &[]));
        assert!(leads("$.a.b", &[A, B]));
        assert!(leads("$['a'][\"b\"]", &[A, B]));
        assert!(leads("$.a[1]", &[A, ONE]));
        assert!(!leads("$.a[1]", &[A, ZERO]));
        assert!(leads("$[*].b", &[ZERO, B]));
        assert!(leads("$.*", &[A]) && leads("$.*", &[ZERO]));
        assert!(leads(r"$['it\'s']", &[Edge::Name(b"it's")]));
        assert!(leads("$.größe", &[Edge::Name("größe".as_bytes())]));
    }

    #[test]
    fn descendants_are_found_at_any_depth() {
        assert!(leads("$..b", &[B]));
        assert!(leads("$..b", &[A, ZERO, A, B]));
        assert!(leads("$..b", &[B, B]));
        assert!(!leads("$..b", &[B, A]));
        assert!(leads("$..a.b", &[A, A, B]));
        assert!(!leads("$..a.b", &[A, ZERO, B]));
        assert!(leads("$..a..b", &[A, ZERO, B]));
        assert!(leads("$..*", &[A]) && leads("$..*", &[A, ZERO]));
        assert!(leads("$..[0]", &[A, ZERO]));
        assert!(leads("$..['b']", &[A, B]));
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for text in [
            "",
            "a",
            "$",
            ".a",
            "$a",
            "$.",
            "$..",
            "$.a.",
            "$.1a",
            "$[",
            "$[a]",
            "$[-1]",
            "$[01]",
            "$[0:2]",
            "$['a','b']",
            "$[?(@.a)]",
            "$['a]",
            "$.a b",
            "$.a-b",
            "$[4294967296]",
            "$['\\q']",
        ] {
            assert_eq!(Path::parse(text), None, "{text}");
        }
        assert_eq!(Path::parse(&["$", &".a".repeat(32)].concat()), None);
        assert!(Path::parse(&["$", &".a".repeat(31)].concat()).is_some());
    }
}
