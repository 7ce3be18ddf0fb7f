//! A text from where a match may begin, as far as it is known.

use super::Score;
use super::byte_set::{ByteSet, WORD};

/// A text from where a match may begin.
#[derive(Clone, Copy)]
pub(super) struct Text<'a> {
    bytes: &'a [u8],
    at_end: bool,
}

/// What is asked for is not known yet.
#[derive(Debug)]
pub(super) struct Unknown;

/// A match.
#[derive(Clone, Copy)]
pub(super) struct Found {
    pub(super) len: usize,
    /// None for one that goes on behind what can be looked at.
    pub(super) score: Option<Score>,
}

fn count(_steps: usize) {
    #[cfg(test)]
    super::steps::add(_steps);
}

impl<'a> Text<'a> {
    pub(super) fn new(bytes: &'a [u8], at_end: bool) -> Self {
        Self { bytes, at_end }
    }

    /// The byte at this place; none behind the end.
    pub(super) fn byte(self, at: usize) -> Result<Option<u8>, Unknown> {
        count(1);
        match self.bytes.get(at) {
            None if !self.at_end => Err(Unknown),
            byte => Ok(byte.copied()),
        }
    }

    /// What is known of these bytes.
    pub(super) fn known(self, from: usize, to: usize) -> &'a [u8] {
        self.bytes.get(from..to).unwrap_or_default()
    }

    /// How many bytes are known.
    pub(super) fn known_len(self) -> usize {
        self.bytes.len()
    }

    /// How many bytes from `at` on are in the set, `limit` at most. What is behind them is known, unless `limit` was
    /// reached.
    pub(super) fn run(self, at: usize, set: ByteSet, limit: usize) -> Result<usize, Unknown> {
        let rest = self.bytes.get(at..).unwrap_or_default();
        let len = rest.iter().take(limit).take_while(|byte| set.has(**byte)).count();
        count(len);
        if len == rest.len() && len < limit && !self.at_end { Err(Unknown) } else { Ok(len) }
    }

    /// Whether this literal stands here. It is unknown only as long as what is known agrees with it.
    pub(super) fn has(self, at: usize, literal: &[u8]) -> Result<bool, Unknown> {
        count(1);
        let rest = self.bytes.get(at..).unwrap_or_default();
        if rest.len() >= literal.len() || self.at_end || !literal.starts_with(rest) {
            return Ok(rest.starts_with(literal));
        }
        Err(Unknown)
    }

    /// Whether a word ends before this place.
    pub(super) fn ends_word(self, at: usize) -> Result<bool, Unknown> {
        Ok(!self.byte(at)?.is_some_and(|next| WORD.has(next)))
    }

    /// Whether a number ends before this place: neither a letter nor a fraction follows.
    pub(super) fn ends_number(self, at: usize) -> Result<bool, Unknown> {
        Ok(match self.byte(at)? {
            Some(b'.') => !self.byte(at.saturating_add(1))?.is_some_and(|next| next.is_ascii_digit()),
            Some(next) => !WORD.has(next),
            None => true,
        })
    }
}

// === impl Found ===

impl Found {
    pub(super) fn new(len: usize, score: Score) -> Self {
        Self { len, score: Some(score) }
    }

    pub(super) fn begun(len: usize) -> Self {
        Self { len, score: None }
    }

    /// The longer of two, and of two as long the surer.
    pub(super) fn better(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        let rank = |found: &Self| (found.len, found.score);
        one.into_iter().chain(other).max_by_key(rank)
    }
}
