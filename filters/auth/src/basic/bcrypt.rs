//! bcrypt (Provos and Mazières, 1999): Blowfish with a key schedule that costs.

use blowfish::Blowfish;

/// What is encrypted: "OrpheanBeholderScryDoubt".
const TEXT: [[u32; 2]; 3] = [[0x4F72_7068, 0x6561_6E42], [0x6568_6F6C, 0x6465_7253], [0x6372_7944, 0x6F75_6274]];

/// How many bytes of a password count, the zero at its end included.
const SIGNIFICANT: usize = 72;

/// The digest, whose last byte no hash has room for. Costs 2^`cost` key schedules.
pub(super) fn digest(password: &[u8], salt: &[u8; 16], cost: u32) -> [u8; 23] {
    let key: Vec<u8> = password.iter().copied().chain([0]).take(SIGNIFICANT).collect();
    let mut state = Blowfish::bc_init_state();
    state.salted_expand_key(salt, &key);
    for _ in 0..1_u32.wrapping_shl(cost) {
        state.bc_expand_key(&key);
        state.bc_expand_key(salt);
    }
    let mut digest = [0; 23];
    let words = TEXT.iter().flat_map(|block| (0..64).fold(*block, |block, _| state.bc_encrypt(block)));
    for (byte, value) in digest.iter_mut().zip(words.flat_map(u32::to_be_bytes)) {
        *byte = value;
    }
    digest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn it_does_what_the_bcrypt_crate_does(password in prop::collection::vec(1_u8.., 0..100), salt: [u8; 16]) {
            let password = &password[..password.len().min(71)];
            let theirs = bcrypt::bcrypt(4, salt, &[password, &[0]].concat());
            prop_assert!(digest(password, &salt, 4) == theirs[..23]);
        }
    }

    #[test]
    fn only_72_bytes_count() {
        let (long, longer) = ([b'x'; 72], [b'x'; 80]);
        assert_eq!(digest(&long, &[1; 16], 4), digest(&longer, &[1; 16], 4));
        assert_ne!(digest(&long[..71], &[1; 16], 4), digest(&long, &[1; 16], 4));
    }
}
