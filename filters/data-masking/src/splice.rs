//! Splice: a piece of a message with some of its parts replaced.

use std::borrow::Cow;

/// A piece of a message, of which parts are replaced from front to back.
pub struct Splice<'i> {
    input: &'i [u8],
    /// How much of the input has been taken over or replaced.
    upto: usize,
    out: Vec<u8>,
    is_changed: bool,
}

impl<'i> Splice<'i> {
    /// The piece as it is.
    #[must_use]
    pub fn new(input: &'i [u8]) -> Self {
        Self { input, upto: 0, out: Vec::new(), is_changed: false }
    }

    /// Puts other bytes in the place of a part, which begins behind the one before.
    pub fn replace(&mut self, start: usize, end: usize, with: &[u8]) {
        let start = start.max(self.upto);
        if !self.is_changed {
            self.out.reserve(self.input.len());
        }
        self.out.extend_from_slice(self.input.get(self.upto..start).unwrap_or_default());
        self.out.extend_from_slice(with);
        self.upto = end.max(start);
        self.is_changed = true;
    }

    /// Takes a part out.
    pub fn cut(&mut self, start: usize, end: usize) {
        if start < end {
            self.replace(start, end, &[]);
        }
    }

    /// The piece up to `end` with its parts replaced.
    #[must_use]
    pub fn finish(mut self, end: usize) -> Cow<'i, [u8]> {
        if !self.is_changed {
            return Cow::Borrowed(self.input.get(..end).unwrap_or(self.input));
        }
        self.out.extend_from_slice(self.input.get(self.upto..end).unwrap_or_default());
        Cow::Owned(self.out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_replaced_and_the_rest_stays() {
        let mut splice = Splice::new(b"a secret and more");
        splice.replace(2, 8, b"***");
        splice.cut(8, 12);
        splice.replace(13, 13, b"no ");
        assert_eq!(splice.finish(15).as_ref(), b"a *** no mo");
    }

    #[test]
    fn what_is_unchanged_is_not_copied() {
        assert!(matches!(Splice::new(b"as it is").finish(5), Cow::Borrowed(b"as it")));
    }
}
