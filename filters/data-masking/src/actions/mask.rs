//! Masks: characters that become others.

use palisade_sdk::config::{Node, Object};

/// The most characters that a mask keeps on one side.
pub(super) const MOST_KEPT: u64 = 64;

/// What may stand for a character: nothing that a detector knows, nothing that JSON or XML would have to escape.
pub(super) const CHARACTERS: [(&str, &str); 7] = [
    ("*", "*"),
    ("#", "#"),
    ("~", "~"),
    ("\u{2022}", "\u{2022}"),
    ("\u{25CF}", "\u{25CF}"),
    ("\u{2588}", "\u{2588}"),
    ("\u{d7}", "\u{d7}"),
];

/// All but the first and last characters become one that says nothing. A value of which nothing would change becomes that
/// altogether.
#[derive(Debug, Default)]
pub struct Mask {
    /// How many characters stay at the beginning.
    pub keep_first: usize,
    /// How many stay at the end.
    pub keep_last: usize,
    /// Whether blanks and punctuation stay, and count for neither.
    pub keep_separators: bool,
    /// What stands for a character; `*` if it is empty.
    pub character: &'static str,
}

impl Mask {
    pub(super) fn read(object: &mut Object<'_>) -> Option<Self> {
        let character = object.optional_with("char", |node| node.one_of(&CHARACTERS));
        let keep_first = object.optional_with("keep_first", kept);
        let keep_last = object.optional_with("keep_last", kept);
        let keep_separators = object.optional("keep_separators");
        Some(Self {
            keep_first: keep_first?.unwrap_or(0),
            keep_last: keep_last?.unwrap_or(0),
            keep_separators: keep_separators?.unwrap_or(false),
            character: character?.unwrap_or_default(),
        })
    }

    pub(super) fn apply(&self, value: &[u8], out: &mut Vec<u8>) {
        let character = if self.character.is_empty() { "*" } else { self.character };
        if value.is_ascii() && !self.keep_separators {
            let (first, last) = self.masked(value.len());
            out.extend_from_slice(value.get(..first).unwrap_or_default());
            match character.as_bytes() {
                [byte] => out.extend(std::iter::repeat_n(*byte, last.saturating_sub(first))),
                bytes => (first..last).for_each(|_| out.extend_from_slice(bytes)),
            }
            out.extend_from_slice(value.get(last..).unwrap_or_default());
            return;
        }
        let is_separator = |piece: &[u8]| self.keep_separators && piece != character.as_bytes() && is_separator(piece);
        let count = pieces(value).filter(|piece| !is_separator(piece)).count();
        let (first, last) = self.masked(count);
        let mut place = 0usize;
        for piece in pieces(value) {
            if is_separator(piece) {
                out.extend_from_slice(piece);
                continue;
            }
            let is_masked = (first..last).contains(&place);
            out.extend_from_slice(if is_masked { character.as_bytes() } else { piece });
            place = place.saturating_add(1);
        }
    }

    /// The first of so many characters that is masked, and the first behind it that is not.
    fn masked(&self, count: usize) -> (usize, usize) {
        match self.keep_first.saturating_add(self.keep_last) < count {
            true => (self.keep_first, count.saturating_sub(self.keep_last)),
            false => (0, count),
        }
    }
}

fn kept(node: Node<'_>) -> Option<usize> {
    usize::try_from(node.integer(0..=MOST_KEPT)?).ok()
}

fn is_separator(piece: &[u8]) -> bool {
    matches!(piece, [byte] if byte.is_ascii_punctuation() || *byte == b' ')
}

/// The characters of a text; what is no UTF-8 is one for each byte that could begin one.
fn pieces(mut text: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let behind = text.get(1..)?;
        let rest = behind.iter().take(3).take_while(|byte| **byte & 0xC0 == 0x80).count();
        let (piece, after) = text.split_at_checked(rest.saturating_add(1))?;
        text = after;
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn masked(mask: &Mask, text: &str) -> String {
        let mut out = Vec::new();
        mask.apply(text.as_bytes(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn all_but_what_is_kept_is_masked() {
        assert_eq!(masked(&Mask::default(), "4111111111111111"), "****************");
        assert_eq!(masked(&Mask { keep_last: 4, ..Mask::default() }, "4111 1111 1111 1234"), "***************1234");
        assert_eq!(
            masked(&Mask { keep_first: 6, keep_last: 4, ..Mask::default() }, "4111111111111234"),
            "411111******1234"
        );
        let mask = Mask { keep_last: 4, keep_separators: true, ..Mask::default() };
        assert_eq!(masked(&mask, "4111-1111-1111-1234"), "****-****-****-1234");
        assert_eq!(masked(&mask, "john@example.com"), "****@******e.com");
        assert_eq!(masked(&Mask { character: "\u{2022}", ..Mask::default() }, "abc"), "\u{2022}\u{2022}\u{2022}");
    }

    #[test]
    fn characters_count_not_bytes() {
        assert_eq!(
            masked(&Mask { keep_first: 1, keep_last: 1, ..Mask::default() }, "\u{5f20}\u{4e09}\u{4e30}"),
            "\u{5f20}*\u{4e30}"
        );
        let mut out = Vec::new();
        Mask { keep_last: 1, ..Mask::default() }.apply(b"\xff\xfe\x80\xe4a", &mut out);
        assert_eq!(out, b"***a");
    }

    #[test]
    fn a_value_that_would_stay_whole_is_masked_altogether() {
        for text in ["1234", "12", ""] {
            assert_eq!(masked(&Mask { keep_last: 4, ..Mask::default() }, text), "*".repeat(text.len()));
        }
        assert_eq!(
            masked(&Mask { keep_first: 2, keep_last: 2, keep_separators: true, ..Mask::default() }, "12-34"),
            "**-**"
        );
    }

    proptest! {
        #[test]
        fn masking_twice_changes_nothing_more(
            text in any::<String>(),
            keep_first in 0..6usize,
            keep_last in 0..6usize,
            keep_separators in any::<bool>(),
            character in prop::sample::select(CHARACTERS.to_vec()),
        ) {
            let mask = Mask { keep_first, keep_last, keep_separators, character: character.1 };
            let once = masked(&mask, &text);
            prop_assert_eq!(masked(&mask, &once), once);
        }
    }
}
