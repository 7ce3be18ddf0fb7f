//! Context: words before a number that say what it is.

/// How many bytes before a match are looked at.
const REACH: usize = 50;

/// Whether one of the words ends what is before a match, or stands in it. Words are in lower case; a blank in one stands for
/// a byte that is no letter, or for none: `tax id` is in `tax_id`, `taxId` and `Tax ID:`.
pub(super) fn contains(before: &[u8], words: &[&str]) -> bool {
    let before = before.get(before.len().saturating_sub(REACH)..).unwrap_or_default();
    (0..before.len())
        .any(|at| starts_word(before, at) && words.iter().any(|word| stands_at(before, at, word.as_bytes())))
}

fn stands_at(before: &[u8], mut at: usize, word: &[u8]) -> bool {
    for expected in word {
        let byte = before.get(at).copied();
        match (expected, byte) {
            (b' ', Some(byte)) if byte.is_ascii_alphabetic() => {}
            (b' ', Some(_)) => at = at.saturating_add(1),
            (_, Some(byte)) if byte.to_ascii_lowercase() == *expected => at = at.saturating_add(1),
            _ => return false,
        }
    }
    // The plural counts too.
    let at = if before.get(at).is_some_and(|byte| matches!(byte, b's' | b'S')) { at.saturating_add(1) } else { at };
    starts_word(before, at)
}

/// Whether no word goes on at this place: an upper case letter behind a lower case one begins another.
fn starts_word(before: &[u8], at: usize) -> bool {
    let last = at.checked_sub(1).and_then(|last| before.get(last)).copied().unwrap_or_default();
    let next = before.get(at).copied().unwrap_or_default();
    !last.is_ascii_alphabetic()
        || !next.is_ascii_alphabetic()
        || (last.is_ascii_lowercase() && next.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

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
        ] {
            assert!(contains(before.as_bytes(), &["ssn", "tax id"]), "{before}");
        }
        assert!(contains("身份证号 ".as_bytes(), &["身份证"]));
    }

    #[test]
    fn a_part_of_a_word_is_none() {
        for before in ["using ", "business", "sinus ", "SINGLE ", "", "cousin", "s-in "] {
            assert!(!contains(before.as_bytes(), &["sin"]), "{before}");
        }
    }

    #[test]
    fn a_word_further_away_than_fifty_bytes_is_none() {
        assert!(contains([b"ssn".as_slice(), &[b' '; 47]].concat().as_slice(), &["ssn"]));
        assert!(!contains([b"ssn".as_slice(), &[b' '; 48]].concat().as_slice(), &["ssn"]));
    }
}
