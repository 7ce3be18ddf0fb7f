//! Context: words before a number that say what it is.

/// How many bytes before a match a word may begin.
pub(crate) const REACH: usize = 50;

/// Words in lower case; a blank in one stands for a byte that is no letter, or for none: `tax id` is in `tax_id`, `taxId` and `Tax ID:`.
#[derive(Clone, Copy, Debug)]
pub struct Words {
    words: &'static [&'static str],
    /// The low five bits of what they begin with, which are the same in upper case, as a set.
    firsts: u32,
    /// Whether nothing counts without one of them.
    pub(crate) are_required: bool,
}

/// Where one of the words stands in a text that grows.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Where the last one begins.
    last: Option<usize>,
    /// Up to where all that begins is known.
    upto: usize,
}

/// Whether a word stands somewhere.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stands {
    Yes,
    No,
    /// As far as the text goes.
    Open,
}

// === impl Words ===

impl Words {
    pub(super) const NONE: Self = Self::new(&[]);

    pub(super) const fn new(words: &'static [&'static str]) -> Self {
        let mut firsts = 0;
        let mut rest = words;
        while let [word, behind @ ..] = rest {
            if let [first, ..] = word.as_bytes() {
                firsts |= 1 << (*first & 31);
            }
            rest = behind;
        }
        Self { words, firsts, are_required: false }
    }

    /// Words without which nothing counts, so that nothing has to be looked at before one has come.
    pub(super) const fn required(words: &'static [&'static str]) -> Self {
        Self { are_required: true, ..Self::new(words) }
    }

    /// Whether one of them stands in what is before a match, of which the last 50 bytes count.
    #[must_use]
    pub fn stand_before(&self, before: &[u8]) -> bool {
        Seen::default().is_near(self, before, 0)
    }

    fn stand_at(&self, text: &[u8], at: usize) -> Stands {
        count(1);
        let first = text.get(at).copied().unwrap_or_default();
        let is_first = (first.is_ascii_alphabetic() || !first.is_ascii()) && self.firsts >> (first & 31) & 1 == 1;
        if !is_first || !(starts_word(text, at) || is_behind_control(text, at)) {
            return Stands::No;
        }
        let mut stands = Stands::No;
        for word in self.words {
            match stands_at(text, at, word.as_bytes()) {
                Stands::Yes => return Stands::Yes,
                Stands::Open => stands = Stands::Open,
                Stands::No => {}
            }
        }
        stands
    }
}

// === impl Seen ===

impl Seen {
    /// Whether one of the words stands in the last bytes of a text, `before`, that begin at `start` of it. Each of its bytes is looked at once,
    /// however often this is asked.
    pub(crate) fn is_near(&mut self, words: &Words, before: &[u8], start: usize) -> bool {
        let end = start.saturating_add(before.len());
        let reached = end.saturating_sub(REACH);
        let from = self.upto.max(reached).max(start);
        self.upto = end;
        for place in from..end {
            match words.stand_at(before, place.saturating_sub(start)) {
                Stands::Yes => self.last = Some(place),
                Stands::Open => self.upto = self.upto.min(place),
                Stands::No => {}
            }
        }
        self.last.is_some_and(|last| last >= reached)
    }
}

fn stands_at(text: &[u8], mut at: usize, word: &[u8]) -> Stands {
    for expected in word {
        count(1);
        let Some(byte) = text.get(at) else { return Stands::Open };
        match expected {
            b' ' if byte.is_ascii_alphabetic() => {}
            b' ' => at = at.saturating_add(1),
            _ if byte.to_ascii_lowercase() == *expected => at = at.saturating_add(1),
            _ => return Stands::No,
        }
    }
    // The plural counts too.
    let at = if text.get(at).is_some_and(|byte| matches!(byte, b's' | b'S')) { at.saturating_add(1) } else { at };
    if starts_word(text, at) { Stands::Yes } else { Stands::No }
}

/// Whether no word goes on at this place: an upper case letter behind a lower case one begins another.
fn starts_word(text: &[u8], at: usize) -> bool {
    let last = at.checked_sub(1).and_then(|last| text.get(last)).copied().unwrap_or_default();
    let next = text.get(at).copied().unwrap_or_default();
    !last.is_ascii_alphabetic()
        || !next.is_ascii_alphabetic()
        || (last.is_ascii_lowercase() && next.is_ascii_uppercase())
}

/// Whether a control character ends at this place that is written out.
fn is_behind_control(text: &[u8], at: usize) -> bool {
    matches!(text.get(at.saturating_sub(2)..at), Some([b'\\', letter]) if is_control(*letter))
}

/// Whether a backslash and this letter are a control character.
pub(crate) fn is_control(letter: u8) -> bool {
    matches!(letter, b'b' | b'f' | b'n' | b'r' | b't')
}

fn count(_steps: usize) {
    #[cfg(test)]
    super::steps::add(_steps);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(before: &[u8], words: &'static [&'static str]) -> bool {
        Words::new(words).stand_before(before)
    }

    #[test]
    fn a_word_is_found_however_it_is_written() {
        for before in [
            "tax id ",
            "TAX-ID: ",
            "taxId\":\"",
            "customerTaxId",
            "tax_ids: [",
            "the TaxID of ",
            "tax_id",
            "\u{e4}tax id",
            r"\ntax id",
            r"a\ttax id",
        ] {
            assert!(contains(before.as_bytes(), &["ssn", "tax id"]), "{before}");
        }
        assert!(contains("身份证号 ".as_bytes(), &["身份证"]));
    }

    #[test]
    fn a_part_of_a_word_is_none() {
        for before in ["using ", "business", "sinus ", "SINGLE ", "", "cousin", "s-in ", r"\ncosin", r"\asin"] {
            assert!(!contains(before.as_bytes(), &["sin"]), "{before}");
        }
    }

    #[test]
    fn a_word_further_away_than_fifty_bytes_is_none() {
        assert!(contains([b"ssn".as_slice(), &[b' '; 47]].concat().as_slice(), &["ssn"]));
        assert!(!contains([b"ssn".as_slice(), &[b' '; 48]].concat().as_slice(), &["ssn"]));
    }

    #[test]
    fn a_word_that_begins_before_the_fifty_bytes_is_none() {
        assert!(contains([b"call".as_slice(), &[b' '; 46]].concat().as_slice(), &["call"]));
        assert!(!contains([b"recall".as_slice(), &[b' '; 46]].concat().as_slice(), &["call"]));
    }

    #[test]
    fn a_text_that_grows_is_looked_at_once_and_as_the_whole() {
        let words = Words::new(&["ssn", "tax id", "身份证"]);
        let text = r"a tax (id ssn 身份证 tax-ids taxI tax x ssn lessn \nssn ".as_bytes();
        let text = [text, &[b' '; 60]].concat();
        super::super::steps::reset();
        let mut seen = Seen::default();
        for end in 0..=text.len() {
            let start = end.saturating_sub(REACH + 2);
            let is_near = seen.is_near(&words, &text[start..end], start);
            assert_eq!(is_near, Seen::default().is_near(&words, &text[start..end], start), "{end}");
        }
        super::super::steps::reset();
        let mut seen = Seen::default();
        for end in 0..=10_000_usize {
            let (start, text) = (end.saturating_sub(REACH + 2), [b'-'; REACH + 2]);
            seen.is_near(&words, &text[..end - start], start);
        }
        assert_eq!(super::super::steps::count(), 10_000);
    }
}
