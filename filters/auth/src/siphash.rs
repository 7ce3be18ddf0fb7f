//! SipHash-2-4 with 128 bits (Aumasson and Bernstein, 2012): a pseudorandom function that is made for short messages.
//!
//! By hand, since a module is compiled for its size: a library's rounds stay functions there, which load and store the
//! state for every eight bytes, and take twice as long.

/// The hash of a message, little-endian as its authors have it.
pub(crate) fn hash(key: (u64, u64), message: &[u8]) -> [u8; 16] {
    let mut state = [
        key.0 ^ 0x736f_6d65_7073_6575,
        key.1 ^ 0x646f_7261_6e64_6f6d ^ 0xee,
        key.0 ^ 0x6c79_6765_6e65_7261,
        key.1 ^ 0x7465_6462_7974_6573,
    ];
    let (words, rest) = message.as_chunks();
    for word in words {
        state = absorb(state, u64::from_le_bytes(*word));
    }
    // The last word is what is left, and the length modulo 256.
    let mut last = [0; 8];
    last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    state = absorb(state, u64::from_le_bytes(last) | (message.len() as u64) << 56);
    let [v0, v1, v2, v3] = state;
    let state = finish([v0, v1, v2 ^ 0xee, v3]);
    let [v0, v1, v2, v3] = state;
    let high = finish([v0, v1 ^ 0xdd, v2, v3]);
    let folded = |[v0, v1, v2, v3]: [u64; 4]| u128::from(v0 ^ v1 ^ v2 ^ v3);
    (folded(state) | folded(high) << 64).to_le_bytes()
}

fn finish(state: [u64; 4]) -> [u64; 4] {
    round(round(round(round(state))))
}

#[inline(always)]
fn absorb([v0, v1, v2, v3]: [u64; 4], word: u64) -> [u64; 4] {
    let [v0, v1, v2, v3] = round(round([v0, v1, v2, v3 ^ word]));
    [v0 ^ word, v1, v2, v3]
}

#[inline(always)]
fn round([v0, v1, v2, v3]: [u64; 4]) -> [u64; 4] {
    let (v0, v2) = (v0.wrapping_add(v1), v2.wrapping_add(v3));
    let (v1, v3) = (v1.rotate_left(13) ^ v0, v3.rotate_left(16) ^ v2);
    let (v0, v2) = (v0.rotate_left(32).wrapping_add(v3), v2.wrapping_add(v1));
    let (v1, v3) = (v1.rotate_left(17) ^ v2, v3.rotate_left(21) ^ v0);
    [v0, v1, v2.rotate_left(32), v3]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use siphasher::sip128::SipHasher24;

    proptest! {
        #[test]
        fn it_is_what_a_library_makes_of_the_message(key: [u8; 16], message in proptest::collection::vec(any::<u8>(), 0..600)) {
            let bits = u128::from_le_bytes(key);
            let expected = SipHasher24::new_with_key(&key).hash(&message).as_bytes();
            prop_assert_eq!(hash((bits as u64, (bits >> 64) as u64), &message), expected);
        }
    }
}
