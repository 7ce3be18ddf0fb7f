//! Addresses of Bitcoin: Base58Check, Bech32 (BIP 173) and Bech32m (BIP 350).

use sha2::{Digest as _, Sha256};

use super::byte_set::{ALPHANUMERIC, ByteSet};
use super::text::{Found, Text, Unknown};
use super::traits::Needs;
use super::{Boundary, Detector, Score, Shape, Words};

const LONGEST: usize = 90;

pub(super) const CRYPTO_BTC: Detector = Detector {
    name: "crypto_btc",
    starts: ByteSet::of(b"13bB"),
    max_len: LONGEST + 2,
    needs: Needs { len: 14, digits: 1, ..Needs::NOTHING },
    leads: u32::MAX,
    before: Boundary::NotWord,
    skip: 0,
    context: Words::NONE,
    shape: Shape::Other(recognise),
};

fn recognise(text: Text<'_>) -> Result<Option<Found>, Unknown> {
    let len = text.run(0, ALPHANUMERIC, LONGEST.saturating_add(1))?;
    let address = text.known(0, len);
    let is_valid = len <= LONGEST && text.ends_word(len)? && (is_base58(address) || is_segwit(address));
    Ok(is_valid.then(|| Found::new(len, Score::Validated)))
}

/// A version byte, a hash of 20 bytes and a checksum of four.
fn is_base58(address: &[u8]) -> bool {
    const ALPHABET: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    if !(25..=35).contains(&address.len()) {
        return false;
    }
    let mut bytes = [0u8; 25];
    for byte in address {
        let Some(digit) = ALPHABET.iter().position(|own| own == byte) else { return false };
        let mut carry = digit as u32;
        for byte in bytes.iter_mut().rev() {
            carry = carry.wrapping_add(u32::from(*byte).wrapping_mul(58));
            *byte = carry as u8;
            carry >>= 8;
        }
        if carry > 0 {
            return false;
        }
    }
    // As many ones stand before the number as it has zero bytes at its beginning.
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let ones = address.iter().take_while(|byte| **byte == b'1').count();
    let (payload, checksum) = bytes.split_at(21);
    let version = payload.first().copied().unwrap_or_default();
    zeros == ones && matches!(version, 0 | 5) && Sha256::digest(Sha256::digest(payload)).starts_with(checksum)
}

/// `bc1`, the version of the witness, its program and a checksum of six characters, in one case.
fn is_segwit(address: &[u8]) -> bool {
    const ALPHABET: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    let is_mixed = address.iter().any(u8::is_ascii_lowercase) && address.iter().any(u8::is_ascii_uppercase);
    let Some(([b'b' | b'B', b'c' | b'C', b'1'], data)) = address.split_first_chunk() else { return false };
    if is_mixed || !(14..=74).contains(&address.len()) {
        return false;
    }
    // The human readable part, expanded, and what follows.
    let mut sum = [3, 3, 0, 2, 3].into_iter().fold(1, polymod);
    let mut version = None;
    for byte in data {
        let Some(value) = ALPHABET.iter().position(|own| own.eq_ignore_ascii_case(byte)) else { return false };
        version.get_or_insert(value);
        sum = polymod(sum, value as u32);
    }
    match version {
        Some(0) => sum == 1 && matches!(data.len(), 39 | 59),
        Some(1..=16) => sum == 0x2bc8_30a3,
        _ => false,
    }
}

fn polymod(sum: u32, value: u32) -> u32 {
    const GENERATOR: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
    let shifted = (sum & 0x1ff_ffff) << 5 ^ value;
    let terms = GENERATOR.iter().enumerate().filter(|(bit, _)| sum >> 25 >> bit & 1 == 1);
    terms.fold(shifted, |sum, (_, term)| sum ^ term)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{assert_finds, assert_finds_nothing};
    use super::*;

    /// Bitcoin Wiki, "Invoice address"; BIP 173 and BIP 350, test vectors for addresses.
    #[test]
    fn addresses_of_every_kind_are_found() {
        assert_finds(
            "crypto_btc",
            Score::Validated,
            &[
                "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2",
                "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
                "1111111111111111111114oLvT2",
                "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy",
                "BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4",
                "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
                "bc1pw508d6qejxtdg4y5r3zarvary0c5xw7kw508d6qejxtdg4y5r3zarvary0c5xw7kt5nd6y",
                "BC1SW50QGDZ25J",
                "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",
            ],
        );
    }

    #[test]
    fn look_alikes_are_left_alone() {
        assert_finds_nothing(
            "crypto_btc",
            &[
                "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN3",
                "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN",
                "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNV0l",
                "x1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2",
                "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2_",
                // BIP 350: wrong checksum algorithms, mixed case, an unknown version.
                "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqh2y7hd",
                "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kemeawh",
                "BC1S0XLXVLHEMJA6C4DQV22UAPCTQUPFHLXM9H8Z3K2E72Q4K9HCZ7VQ54WELL",
                "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3T4",
                "bc1",
                "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx",
            ],
        );
    }

    #[test]
    fn other_implementations_address_alike() {
        use sha2::{Digest as _, Sha256};
        for seed in 0..10_000u32 {
            let hash = Sha256::digest(seed.to_le_bytes());
            let version = [0u8, 5][seed as usize % 2];
            let base58 = bs58::encode([&[version], &hash[..20]].concat()).with_check().into_string();
            let witness = bech32::Fe32::try_from(if seed % 3 == 0 { 0 } else { (seed % 17) as u8 }).unwrap();
            let program = if seed % 2 == 0 { &hash[..20] } else { &hash[..] };
            let segwit = bech32::segwit::encode(bech32::hrp::BC, witness, program).unwrap();
            for address in [base58, segwit] {
                assert!(is_base58(address.as_bytes()) != is_segwit(address.as_bytes()), "{address}");
                let mut changed = address.into_bytes();
                let place = 3 + hash[20] as usize % (changed.len() - 3);
                changed[place] = if changed[place] == b'q' { b'p' } else { b'q' };
                assert!(!is_base58(&changed) && !is_segwit(&changed), "{}", changed.escape_ascii());
            }
        }
    }
}
