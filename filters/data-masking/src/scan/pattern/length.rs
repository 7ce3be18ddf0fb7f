//! Length: how short and how long the matches of a regular expression can be.

/// The shortest and longest match, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) min: usize,
    pub(super) max: usize,
}

/// An expression of which every repetition is bounded.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Bounded {
    pub(super) text: String,
    pub(super) bounds: Bounds,
}

const UNBOUNDED: &str = "nothing bounds the length of its matches: write {1,64} instead of + and {0,64} instead of *, or give \
                         `max_len`, the most that such a repetition repeats";

const ANCHORED: &str = "^, $, \\A and \\z have no place here: a text comes in pieces; \\b is the edge of a word";

const VERBOSE: &str = "the flag x is not understood here";

/// Bounds each repetition of a valid expression that has no end of its own by `max_len`.
///
/// # Errors
///
/// What is not understood, or has no bound.
pub(super) fn bounded(text: &str, max_len: Option<usize>) -> Result<Bounded, &'static str> {
    let mut reader = Reader { rest: text, max_len, text: String::with_capacity(text.len()) };
    let bounds = reader.alternatives()?;
    Ok(Bounded { text: reader.text, bounds })
}

/// Reads an expression and writes it anew.
struct Reader<'a> {
    rest: &'a str,
    max_len: Option<usize>,
    text: String,
}

impl Bounds {
    const NOTHING: Self = Self { min: 0, max: 0 };
    const ANY_CHAR: Self = Self { min: 1, max: 4 };

    const fn exactly(len: usize) -> Self {
        Self { min: len, max: len }
    }

    fn then(self, next: Self) -> Self {
        Self { min: self.min.saturating_add(next.min), max: self.max.saturating_add(next.max) }
    }

    fn or(self, other: Self) -> Self {
        Self { min: self.min.min(other.min), max: self.max.max(other.max) }
    }
}

impl Reader<'_> {
    fn alternatives(&mut self) -> Result<Bounds, &'static str> {
        let mut all = self.sequence()?;
        while self.eat('|') {
            all = all.or(self.sequence()?);
        }
        Ok(all)
    }

    fn sequence(&mut self) -> Result<Bounds, &'static str> {
        let mut all = Bounds::NOTHING;
        while !self.rest.is_empty() && !self.rest.starts_with(['|', ')']) {
            let one = self.one()?;
            all = all.then(self.repeated(one)?);
        }
        Ok(all)
    }

    fn one(&mut self) -> Result<Bounds, &'static str> {
        match self.next() {
            Some('(') => self.group(),
            Some('[') => Ok(self.class()),
            Some('\\') => self.escape(),
            Some('.') => Ok(Bounds::ANY_CHAR),
            Some('^' | '$') => Err(ANCHORED),
            Some(char) => Ok(Bounds::exactly(char.len_utf8())),
            None => Ok(Bounds::NOTHING),
        }
    }

    fn group(&mut self) -> Result<Bounds, &'static str> {
        if self.eat('?') {
            if self.rest.starts_with(['P', '<']) {
                self.copy_through('>');
            } else {
                loop {
                    match self.next() {
                        Some(':') | None => break,
                        // Flags for what follows in the same group.
                        Some(')') => return Ok(Bounds::NOTHING),
                        Some('x') => return Err(VERBOSE),
                        Some(_) => {}
                    }
                }
            }
        }
        let inside = self.alternatives()?;
        self.eat(')');
        Ok(inside)
    }

    fn class(&mut self) -> Bounds {
        let mut is_ascii = !self.eat('^');
        self.eat(']');
        loop {
            match self.next() {
                Some(']') | None => break,
                Some('[') if self.rest.starts_with(':') => {
                    is_ascii &= !self.rest.starts_with(":^");
                    self.copy_through(']');
                }
                Some('\\') => {
                    is_ascii &= !self.rest.starts_with(['D', 'W', 'S', 'x', 'u', 'U']);
                    self.next();
                }
                Some(char) => is_ascii &= char.is_ascii(),
            }
        }
        if is_ascii { Bounds::exactly(1) } else { Bounds::ANY_CHAR }
    }

    fn escape(&mut self) -> Result<Bounds, &'static str> {
        match self.next() {
            Some('b' | 'B') if self.rest.starts_with("{start") || self.rest.starts_with("{end") => {
                self.copy_through('}');
                Ok(Bounds::NOTHING)
            }
            Some('b' | 'B' | '<' | '>') => Ok(Bounds::NOTHING),
            Some('A' | 'z') => Err(ANCHORED),
            Some('D' | 'W' | 'S') => Ok(Bounds::ANY_CHAR),
            Some('x' | 'u' | 'U') if self.rest.starts_with('{') => {
                self.copy_through('}');
                Ok(Bounds::ANY_CHAR)
            }
            Some('x') => Ok(self.code(2)),
            Some('u') => Ok(self.code(4)),
            Some('U') => Ok(self.code(8)),
            Some(char) => Ok(Bounds::exactly(char.len_utf8())),
            None => Ok(Bounds::NOTHING),
        }
    }

    fn code(&mut self, digits: usize) -> Bounds {
        for _ in 0..digits {
            self.next();
        }
        Bounds::ANY_CHAR
    }

    /// What a repetition behind it makes of it.
    fn repeated(&mut self, mut one: Bounds) -> Result<Bounds, &'static str> {
        loop {
            let (least, most) = match self.rest.chars().next() {
                Some('?') => (0, Some(1)),
                Some('*') => (0, None),
                Some('+') => (1, None),
                Some('{') => {
                    let Some((inside, _)) = self.rest.get(1..).and_then(|rest| rest.split_once('}')) else {
                        return Ok(one);
                    };
                    let (least, most) = inside.split_once(',').unwrap_or((inside, inside));
                    let least = least.trim_ascii().parse().unwrap_or(0);
                    (least, most.trim_ascii().parse().ok())
                }
                _ => return Ok(one),
            };
            if self.rest.starts_with('{') {
                self.rest = self.rest.split_once('}').map_or("", |(_, behind)| behind);
            } else {
                self.rest = self.rest.get(1..).unwrap_or_default();
            }
            let most: usize = most.or(self.max_len).ok_or(UNBOUNDED)?.max(least);
            self.text.extend(["{", &least.to_string(), ",", &most.to_string(), "}"]);
            self.eat('?');
            one = Bounds { min: one.min.saturating_mul(least), max: one.max.saturating_mul(most) };
        }
    }

    fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let char = chars.next()?;
        self.rest = chars.as_str();
        self.text.push(char);
        Some(char)
    }

    fn eat(&mut self, char: char) -> bool {
        let eaten = self.rest.starts_with(char);
        if eaten {
            self.next();
        }
        eaten
    }

    fn copy_through(&mut self, end: char) {
        while let Some(char) = self.next() {
            if char == end {
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(text: &str) -> (usize, usize) {
        let Bounds { min, max } = bounded(text, None).unwrap().bounds;
        (min, max)
    }

    #[test]
    fn each_construct_has_its_length() {
        for (text, expected) in [
            ("", (0, 0)),
            (r"EMP-\d{6}", (10, 10)),
            ("a|bcd", (1, 3)),
            ("(?:ab){2,3}c?", (4, 7)),
            ("(?<name>a)(?P<other>b)", (2, 2)),
            ("(?i)abc", (3, 3)),
            ("(?i:abc)d", (4, 4)),
            ("[a-z]{3}", (3, 3)),
            ("[^a]", (1, 4)),
            ("[]a]", (1, 1)),
            ("[[:alpha:]_]", (1, 1)),
            ("[[:^alpha:]]", (1, 4)),
            (r"[\]\d]", (1, 1)),
            (r"[\D]", (1, 4)),
            ("[ü]", (1, 4)),
            ("ü.", (3, 6)),
            (r"\bab\B", (2, 2)),
            (r"\x41\u0041\U00000041\x{41}", (4, 16)),
            (r"a{2}{3}", (6, 6)),
            ("a??", (0, 1)),
        ] {
            assert_eq!(lengths(text), expected, "{text}");
        }
    }

    #[test]
    fn what_has_no_end_needs_one() {
        for text in ["a+", "a*", "a{2,}", "(?:a|b+)c"] {
            assert_eq!(bounded(text, None), Err(UNBOUNDED), "{text}");
        }
        let bounded = bounded("a+b*?c{2,}(?:d)+", Some(9)).unwrap();
        assert_eq!(bounded.text, "a{1,9}b{0,9}?c{2,9}(?:d){1,9}");
        assert_eq!(bounded.bounds, Bounds { min: 4, max: 36 });
    }

    #[test]
    fn what_means_nothing_here_is_refused() {
        for text in ["^a", "a$", r"\Aa", r"a\z"] {
            assert_eq!(bounded(text, None), Err(ANCHORED), "{text}");
        }
        assert_eq!(bounded("(?x)a b", None), Err(VERBOSE));
    }
}
