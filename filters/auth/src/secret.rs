//! Secrets: compared in a time that tells nothing of them.

use std::hint::black_box;

/// Whether two secrets are the same, in a time that depends on their lengths only.
pub(crate) fn equal(a: &[u8], b: &[u8]) -> bool {
    let difference = a.iter().zip(b).fold(0, |bits, (a, b)| bits | (a ^ b));
    a.len() == b.len() && black_box(difference) == 0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_secret_equals_neither_its_beginning_nor_another() {
        for (a, b) in [("", "a"), ("a", ""), ("ab", "a"), ("a", "ab"), ("ab", "ac"), ("ab", "cb")] {
            assert!(!equal(a.as_bytes(), b.as_bytes()), "{a} {b}");
        }
    }

    proptest! {
        #[test]
        fn it_is_equality(a in proptest::collection::vec(0..3_u8, 0..4), b in proptest::collection::vec(0..3_u8, 0..4)) {
            prop_assert_eq!(equal(&a, &b), a == b);
        }
    }
}
