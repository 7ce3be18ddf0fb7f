//! Arithmetic modulo an odd number: what a public RSA operation and the equation of a curve need.
//!
//! It works on public numbers only and takes no care to hide them. Where the host verifies signatures, only `PS*` and the check that
//! a point is on its curve need it. The crates for it cost a module 40 KiB (`crypto-bigint`)
//! and more (`rsa`), since they serve private keys too; this costs 2.

use std::cmp::Ordering;

/// An odd modulus above 1, with what Montgomery multiplication needs to know of it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Modulus {
    /// The number, in digits of 32 bits, the lowest first; the highest is not zero.
    digits: Vec<u32>,
    /// The length of the number in bytes.
    length: usize,
    /// The negative inverse of the lowest digit, modulo 2^32.
    inverse: u32,
    /// The square of R modulo this number, where R is 2^32 to the number of digits.
    square: Vec<u32>,
}

/// A number below the modulus, times R.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Residue(Vec<u32>);

impl Modulus {
    /// The modulus with these bytes, the highest first; `None` if it is even, 1 or 0.
    pub(crate) fn new(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(bytes.iter().position(|byte| *byte != 0)?..)?;
        if bytes.last()? & 1 == 0 || bytes == [1] {
            return None;
        }
        let digits = digits(bytes);
        let lowest = *digits.first()?;
        // Newton's iteration doubles the bits that are right: 3 at first.
        let inverse =
            (0..4).fold(lowest, |inverse, _| inverse.wrapping_mul(2_u32.wrapping_sub(lowest.wrapping_mul(inverse))));
        let mut modulus = Self { length: bytes.len(), inverse: inverse.wrapping_neg(), square: Vec::new(), digits };
        let mut power = modulus.one();
        for _ in 0..modulus.digits.len().saturating_mul(64) {
            power = modulus.add(&power, &power);
        }
        modulus.square = power.0;
        Some(modulus)
    }

    /// The number of significant bits.
    pub(crate) fn bits(&self) -> usize {
        let unused = self.digits.last().map_or(0, |digit| digit.leading_zeros());
        self.digits.len().saturating_mul(32).saturating_sub(unused as usize)
    }

    /// The number of bytes that hold every number below.
    pub(crate) fn length(&self) -> usize {
        self.length
    }

    /// The number with these bytes, the highest first; `None` if it is not below the modulus.
    pub(crate) fn residue(&self, bytes: &[u8]) -> Option<Residue> {
        let mut number = digits(bytes);
        let excess = number.split_off(self.digits.len().min(number.len()));
        number.resize(self.digits.len(), 0);
        let is_below = self.compare(&number) == Ordering::Less && excess.iter().all(|digit| *digit == 0);
        is_below.then(|| self.multiply(&Residue(number), &Residue(self.square.clone())))
    }

    /// The bytes of a number, the highest first, as many as [`Modulus::length`].
    pub(crate) fn bytes(&self, number: &Residue) -> Vec<u8> {
        let number = self.multiply(number, &self.one());
        let mut bytes: Vec<u8> = number.0.iter().flat_map(|digit| digit.to_le_bytes()).take(self.length).collect();
        bytes.reverse();
        bytes
    }

    /// The sum.
    pub(crate) fn add(&self, a: &Residue, b: &Residue) -> Residue {
        let mut carry = 0_u64;
        let sum =
            a.0.iter().zip(&b.0).map(|(a, b)| low(&mut carry, u64::from(*a).wrapping_add(u64::from(*b)))).collect();
        self.reduced(sum, carry)
    }

    /// The product (of the numbers, both and itself times R).
    pub(crate) fn multiply(&self, a: &Residue, b: &Residue) -> Residue {
        let mut sum = vec![0_u32; self.digits.len()];
        let mut top = 0_u64;
        let lowest = b.0.first().copied().unwrap_or_default();
        for digit in &a.0 {
            let first = sum.first().copied().unwrap_or_default().wrapping_add(digit.wrapping_mul(lowest));
            // So many times the modulus make the lowest digit zero, which then is dropped.
            let times = u64::from(first.wrapping_mul(self.inverse));
            let (mut of_product, mut of_modulus) = (0_u64, 0_u64);
            for ((place, b), n) in sum.iter_mut().zip(&b.0).zip(&self.digits) {
                // No step exceeds 64 bits: (2^32 - 1)^2 + 2 (2^32 - 1) = 2^64 - 1.
                let product = u64::from(*digit).wrapping_mul(u64::from(*b)).wrapping_add(u64::from(*place));
                let product = low(&mut of_product, product);
                *place = low(&mut of_modulus, times.wrapping_mul(u64::from(*n)).wrapping_add(u64::from(product)));
            }
            let highest = low(&mut top, of_product.wrapping_add(of_modulus));
            sum.rotate_left(1);
            if let Some(place) = sum.last_mut() {
                *place = highest;
            }
        }
        self.reduced(sum, top)
    }

    /// The power; the exponent is not zero.
    pub(crate) fn power(&self, base: &Residue, exponent: u64) -> Residue {
        let below_highest = 63_u32.saturating_sub(exponent.leading_zeros());
        (0..below_highest).rev().fold(base.clone(), |power, bit| {
            let square = self.multiply(&power, &power);
            if exponent >> bit & 1 == 1 { self.multiply(&square, base) } else { square }
        })
    }

    /// The number 1, not times R.
    fn one(&self) -> Residue {
        let mut one = vec![0; self.digits.len()];
        if let Some(lowest) = one.first_mut() {
            *lowest = 1;
        }
        Residue(one)
    }

    /// A number below twice the modulus, brought below it; `top` is the digit above its digits.
    fn reduced(&self, mut number: Vec<u32>, top: u64) -> Residue {
        if top != 0 || self.compare(&number) != Ordering::Less {
            let mut borrow = false;
            for (place, n) in number.iter_mut().zip(&self.digits) {
                let (difference, first) = place.overflowing_sub(*n);
                let (difference, second) = difference.overflowing_sub(u32::from(borrow));
                (*place, borrow) = (difference, first || second);
            }
        }
        Residue(number)
    }

    /// How a number of as many digits compares with the modulus.
    fn compare(&self, number: &[u32]) -> Ordering {
        number.iter().rev().cmp(self.digits.iter().rev())
    }
}

/// The low digit of a sum, whose high one is carried.
fn low(carry: &mut u64, sum: u64) -> u32 {
    let sum = sum.wrapping_add(*carry);
    *carry = sum >> 32;
    sum as u32
}

/// Digits of 32 bits, the lowest first, of bytes with the highest first.
fn digits(bytes: &[u8]) -> Vec<u32> {
    let digit = |chunk: &[u8]| chunk.iter().fold(0, |digit, byte| digit << 8 | u32::from(*byte));
    bytes.rchunks(4).map(digit).collect()
}

#[cfg(test)]
mod tests {
    use num_bigint::BigUint;
    use proptest::prelude::*;

    use super::*;

    /// Bytes of an odd number above 1.
    fn modulus() -> impl Strategy<Value = Vec<u8>> {
        let dense = proptest::collection::vec(prop_oneof![Just(0xFF_u8), Just(0), any::<u8>()], 1..80);
        dense.prop_map(|mut bytes| {
            *bytes.last_mut().unwrap() |= 3;
            bytes
        })
    }

    fn same(ours: &[u8], theirs: &BigUint) -> bool {
        BigUint::from_bytes_be(ours) == *theirs
    }

    #[test]
    fn even_moduli_and_those_below_three_are_refused() {
        for bytes in [&[][..], &[0], &[1], &[0, 0, 1], &[2], &[1, 0], &[0xFF, 0xFE]] {
            assert!(Modulus::new(bytes).is_none(), "{bytes:?}");
        }
        assert_eq!(Modulus::new(&[3]).unwrap().bits(), 2);
        assert_eq!(Modulus::new(&[0, 0, 1, 0, 0, 0, 1]).unwrap().bits(), 33);
    }

    #[test]
    fn only_what_is_below_the_modulus_is_a_residue() {
        let modulus = Modulus::new(&[1, 0, 0, 0, 3]).unwrap();
        for (number, is_below) in [(&[1, 0, 0, 0, 2][..], true), (&[1, 0, 0, 0, 3], false), (&[1, 0, 0, 0, 4], false)] {
            assert_eq!(modulus.residue(number).is_some(), is_below, "{number:?}");
        }
        assert!(modulus.residue(&[0; 40]).is_some());
        assert!(modulus.residue(&[1, 0, 0, 0, 0, 0, 0, 0, 0]).is_none());
    }

    proptest! {
        #[test]
        fn it_computes_what_num_bigint_does(n in modulus(), a: [u8; 80], b: [u8; 80], exponent in 1_u64..) {
            let modulus = Modulus::new(&n).unwrap();
            let n = BigUint::from_bytes_be(&n);
            let [a, b] = [a, b].map(|number| BigUint::from_bytes_be(&number) % &n);
            let [x, y] = [&a, &b].map(|number| modulus.residue(&number.to_bytes_be()).unwrap());
            prop_assert_eq!(modulus.bits() as u64, n.bits());
            prop_assert_eq!(modulus.bytes(&x).len(), modulus.length());
            prop_assert!(same(&modulus.bytes(&x), &a));
            prop_assert!(same(&modulus.bytes(&modulus.add(&x, &y)), &((&a + &b) % &n)));
            prop_assert!(same(&modulus.bytes(&modulus.multiply(&x, &y)), &(&a * &b % &n)));
            prop_assert!(same(&modulus.bytes(&modulus.power(&x, exponent)), &a.modpow(&exponent.into(), &n)));
        }
    }
}
