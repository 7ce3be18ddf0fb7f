//! The known name that a misspelt one most likely means.

/// Names longer than this are nobody's typing mistake.
const LONGEST: usize = 40;

/// The candidate that takes the fewest edits to reach from `name`, if that is at most a third of its letters,
/// rounded up.
pub(super) fn nearest<'a>(name: &str, candidates: &[&'a str]) -> Option<&'a str> {
    candidates
        .iter()
        .filter_map(|candidate| {
            let edits = edits(name, candidate)?;
            let allowed = candidate.len().div_ceil(3);
            (edits <= allowed).then_some((edits, *candidate))
        })
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's distance over bytes, ignoring ASCII case.
fn edits(from: &str, to: &str) -> Option<usize> {
    if from.len() > LONGEST || to.len() > LONGEST {
        return None;
    }
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (taken, a) in from.bytes().enumerate() {
        let mut diagonal = taken;
        let mut left = taken.saturating_add(1);
        let mut cells = row.iter_mut();
        if let Some(first) = cells.next() {
            *first = left;
        }
        for (cell, b) in cells.zip(to.bytes()) {
            let replaced = diagonal.saturating_add(usize::from(!a.eq_ignore_ascii_case(&b)));
            diagonal = *cell;
            left = replaced.min(left.saturating_add(1)).min(diagonal.saturating_add(1));
            *cell = left;
        }
    }
    row.last().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_wins() {
        let known = ["limit", "name", "match"];
        assert_eq!(nearest("limt", &known), Some("limit"));
        assert_eq!(nearest("Match", &known), Some("match"));
        assert_eq!(nearest("nmae", &["nae", "name"]), Some("nae"));
        assert_eq!(nearest("rulse", &["rules"]), Some("rules"));
    }

    #[test]
    fn a_name_far_from_all_has_no_nearest() {
        assert_eq!(nearest("colour", &["limit", "name"]), None);
        assert_eq!(nearest("", &["limit"]), None);
        assert_eq!(nearest(&"l".repeat(100), &["limit"]), None);
    }

    #[test]
    fn edits_are_counted_as_levenshtein_does() {
        assert_eq!(edits("kitten", "sitting"), Some(3));
        assert_eq!(edits("", "abc"), Some(3));
        assert_eq!(edits("abc", ""), Some(3));
        assert_eq!(edits("abc", "ABC"), Some(0));
    }
}
