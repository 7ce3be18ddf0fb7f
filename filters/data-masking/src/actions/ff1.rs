//! FF1, a format-preserving encryption of decimal digits (NIST SP 800-38G).

use aes::cipher::{Array, BlockCipherEncrypt, BlockSizeUser, consts::U16};

/// The fewest digits: a million numbers, which the standard's revision demands.
pub(super) const SHORTEST: usize = 6;
/// The most: half of them fits 16 bytes.
pub(super) const LONGEST: usize = 56;
/// The longest tweak that is used here.
const TWEAK: usize = 16;

/// The way of an encryption.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Encrypt,
    Decrypt,
}

/// Encrypts or decrypts the digits, from 0 to 9 each, in place. Says whether there are as many as may be, and the tweak is no
/// longer than it may be; nothing changes where not.
pub(super) fn ff1<C>(cipher: &C, tweak: &[u8], digits: &mut [u8], direction: Direction) -> bool
where
    C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>,
{
    let len = digits.len();
    if !(SHORTEST..=LONGEST).contains(&len) || tweak.len() > TWEAK {
        return false;
    }
    let (left, right) = digits.split_at_mut(len / 2);
    let round = Round { cipher, tweak, len, half_len: byte_len(right.len()) };
    for index in 0..10u8 {
        let index = match direction {
            Direction::Encrypt => index,
            Direction::Decrypt => 9u8.wrapping_sub(index),
        };
        let (half, other) = if index.is_multiple_of(2) { (&mut *left, &*right) } else { (&mut *right, &*left) };
        round.function(index, other).change(half, direction);
    }
    true
}

struct Round<'a, C> {
    cipher: &'a C,
    tweak: &'a [u8],
    len: usize,
    /// How many bytes hold every number of as many digits as the longer half has.
    half_len: usize,
}

/// A number of as many bytes of these, the first being the highest.
struct Term([u8; 16], usize);

impl<C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>> Round<'_, C> {
    /// The bytes of the round's pseudorandom function as a number: steps 6.i to 6.iv.
    fn function(&self, index: u8, half: &[u8]) -> Term {
        let len = self.len as u8;
        let tweak = self.tweak.len() as u8;
        let mut state = [1, 2, 1, 0, 0, 10, 10, len / 2, 0, 0, 0, len, 0, 0, 0, tweak];
        self.encrypt(&mut state);

        // The tweak, the round and the half stand at the end of two or three blocks.
        let mut input = [0u8; 48];
        let used = self.tweak.len().wrapping_add(self.half_len).wrapping_add(1).next_multiple_of(16);
        let input = input.get_mut(..used).unwrap_or_default();
        for (place, byte) in input.iter_mut().zip(self.tweak) {
            *place = *byte;
        }
        let half = number(half).to_be_bytes();
        let tail = half.iter().rev().take(self.half_len).chain([&index]);
        for (place, byte) in input.iter_mut().rev().zip(tail) {
            *place = *byte;
        }
        for block in input.chunks_exact(16) {
            for (state, byte) in state.iter_mut().zip(block) {
                *state ^= byte;
            }
            self.encrypt(&mut state);
        }
        Term(state, self.half_len.next_multiple_of(4).wrapping_add(4))
    }

    fn encrypt(&self, state: &mut [u8; 16]) {
        let mut block = Array::from(*state);
        self.cipher.encrypt_block(&mut block);
        *state = block.into();
    }
}

impl Term {
    /// Adds it to the digits, or takes it away from them, modulo their number: steps 6.v to 6.vii. Digit by digit, since a division of 128 bits
    /// would be the only one in a module, and a KiB of it.
    fn change(mut self, digits: &mut [u8], direction: Direction) {
        let mut carried = 0;
        for digit in digits.iter_mut().rev() {
            let term = self.last_digit().wrapping_add(carried);
            let sum = match direction {
                Direction::Encrypt => digit.wrapping_add(term),
                Direction::Decrypt => digit.wrapping_add(10).wrapping_sub(term),
            };
            carried = u8::from((direction == Direction::Encrypt) == (sum >= 10));
            *digit = sum % 10;
        }
    }

    /// Takes the last decimal digit off.
    fn last_digit(&mut self) -> u8 {
        let Self(bytes, len) = self;
        let mut rest = 0u16;
        for byte in bytes.iter_mut().take(*len) {
            let value = rest << 8 | u16::from(*byte);
            (*byte, rest) = ((value / 10) as u8, value % 10);
        }
        rest as u8
    }
}

/// How many bytes hold every number of so many digits.
fn byte_len(digits: usize) -> usize {
    let largest = number([9; LONGEST / 2].get(..digits).unwrap_or_default());
    128u32.saturating_sub(largest.leading_zeros()).div_ceil(8) as usize
}

fn number(digits: &[u8]) -> u128 {
    digits.iter().fold(0, |number: u128, digit| number.wrapping_mul(10).wrapping_add((*digit).into()))
}

#[cfg(test)]
mod tests {
    use aes::cipher::KeyInit as _;
    use aes::{Aes128, Aes192, Aes256};
    use proptest::prelude::*;

    use super::*;

    fn digits(text: &str) -> Vec<u8> {
        text.bytes().map(|digit| digit - b'0').collect()
    }

    fn assert_vector<C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>>(
        cipher: &C,
        tweak: &str,
        plain: &str,
        secret: &str,
    ) {
        let tweak = hex::decode(tweak).unwrap();
        let mut text = digits(plain);
        assert!(ff1(cipher, &tweak, &mut text, Direction::Encrypt));
        assert_eq!(text, digits(secret));
        assert!(ff1(cipher, &tweak, &mut text, Direction::Decrypt));
        assert_eq!(text, digits(plain));
    }

    /// The samples of radix 10 that NIST publishes with SP 800-38G.
    #[test]
    fn the_samples_of_the_standard_hold() {
        let key = hex::decode("2B7E151628AED2A6ABF7158809CF4F3CEF4359D8D580AA4F7F036D6F04FC6A94").unwrap();
        let aes_128 = Aes128::new_from_slice(&key[..16]).unwrap();
        let aes_192 = Aes192::new_from_slice(&key[..24]).unwrap();
        let aes_256 = Aes256::new_from_slice(&key).unwrap();
        assert_vector(&aes_128, "", "0123456789", "2433477484");
        assert_vector(&aes_128, "39383736353433323130", "0123456789", "6124200773");
        assert_vector(&aes_192, "", "0123456789", "2830668132");
        assert_vector(&aes_192, "39383736353433323130", "0123456789", "2496655549");
        assert_vector(&aes_256, "", "0123456789", "6657667009");
        assert_vector(&aes_256, "39383736353433323130", "0123456789", "1001623463");
    }

    #[test]
    fn what_is_too_short_or_too_long_stays() {
        let cipher = Aes256::new(&[7; 32].into());
        for len in [0, 1, 5, 57, 100] {
            let mut digits = vec![3; len];
            assert!(!ff1(&cipher, b"", &mut digits, Direction::Encrypt));
            assert_eq!(digits, vec![3; len]);
        }
        assert!(!ff1(&cipher, &[0; 17], &mut [0; 10], Direction::Encrypt));
    }

    proptest! {
        #[test]
        fn another_implementation_encrypts_alike(
            key in any::<[u8; 32]>(),
            tweak in prop::collection::vec(any::<u8>(), 0..=16),
            mut digits in prop::collection::vec(0..10u8, SHORTEST..=LONGEST),
        ) {
            let other = fpe::ff1::FF1::<Aes256>::new(&key, 10).unwrap();
            let plain = fpe::ff1::FlexibleNumeralString::from(digits.iter().map(|digit| u16::from(*digit)).collect::<Vec<_>>());
            let secret: Vec<u16> = other.encrypt(&tweak, &plain).unwrap().into();
            prop_assert!(ff1(&Aes256::new(&key.into()), &tweak, &mut digits, Direction::Encrypt));
            prop_assert_eq!(digits.iter().map(|digit| u16::from(*digit)).collect::<Vec<_>>(), secret);
        }
    }
}
