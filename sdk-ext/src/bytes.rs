//! Bytes: equality, eight at a time. What the compiler brings along for wasm looks at one after the other.

/// Whether they are equal.
pub(crate) fn are_equal(left: &[u8], right: &[u8]) -> bool {
    if left.len() != right.len() {
        return false;
    }
    let word = |bytes: &[u8; 8]| u64::from_ne_bytes(*bytes);
    let half = |bytes: &[u8; 4]| u32::from_ne_bytes(*bytes);
    // The last ones may overlap with those before.
    if let (Some(left_end), Some(right_end)) = (left.last_chunk(), right.last_chunk()) {
        let (left, right) = (left.as_chunks().0, right.as_chunks().0);
        return word(left_end) == word(right_end)
            && left.iter().zip(right).all(|(left, right)| word(left) == word(right));
    }
    if let (Some(left_start), Some(right_start)) = (left.first_chunk(), right.first_chunk())
        && let (Some(left_end), Some(right_end)) = (left.last_chunk(), right.last_chunk())
    {
        return half(left_start) == half(right_start) && half(left_end) == half(right_end);
    }
    left.iter().zip(right).all(|(left, right)| left == right)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn equal_bytes_are_equal_and_no_others(left in "[ab]{0,20}", right in "[ab]{0,20}", place: prop::sample::Index) {
            prop_assert_eq!(are_equal(left.as_bytes(), right.as_bytes()), left == right);
            let mut other = left.clone().into_bytes();
            prop_assert!(are_equal(left.as_bytes(), &other));
            if !other.is_empty() {
                let place = place.index(other.len());
                other[place] ^= 1;
                prop_assert!(!are_equal(left.as_bytes(), &other));
            }
        }
    }
}
