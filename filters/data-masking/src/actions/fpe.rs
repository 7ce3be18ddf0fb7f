//! Format-preserving encryption of numbers: digits become other digits, blanks and punctuation stay.

use std::fmt;

use aes::Aes256;
use aes::cipher::KeyInit as _;
use palisade_sdk::config::{Node, Object};

use super::ff1::{Direction, LONGEST, ff1};
use super::key::{hmac, key};
use super::mask::Mask;
use crate::detectors::luhn;

/// The most digits that stay, which are the tweak.
pub(super) const MOST_KEPT: u64 = 12;
/// One in ten numbers has the Luhn digit that is looked for.
const MOST_WALKS: u32 = 1000;

/// FF1 with AES-256 and radix 10. A value with fewer than six digits to encrypt, with more than 56, or with letters becomes a
/// mask.
pub struct Fpe {
    cipher: Aes256,
    keep_last: usize,
    luhn_fix: bool,
    direction: Direction,
}

impl Fpe {
    pub(super) fn read(object: &mut Object<'_>) -> Option<Self> {
        let alg = object.optional_with("alg", |node| node.one_of(&[("ff1", ())]));
        let radix = object.optional_with("radix", |node| node.integer(10..=10));
        let key = object.required_with("key", key);
        let keep_last =
            object.optional_with("keep_last", |node: Node<'_>| usize::try_from(node.integer(0..=MOST_KEPT)?).ok());
        let luhn_fix = object.optional("luhn_fix");
        let direction = object.optional_with("direction", |node| {
            node.one_of(&[("encrypt", Direction::Encrypt), ("decrypt", Direction::Decrypt)])
        });
        alg?;
        radix?;
        Some(Self {
            cipher: Aes256::new(&hmac(&key?, &[b"palisade ff1"]).into()),
            keep_last: keep_last?.unwrap_or(0),
            luhn_fix: luhn_fix?.unwrap_or(false),
            direction: direction?.unwrap_or(Direction::Encrypt),
        })
    }

    pub(super) fn apply(&self, value: &[u8], out: &mut Vec<u8>) {
        match self.digits(value) {
            Some(digits) => {
                let mut digits = digits.into_iter();
                out.extend(value.iter().map(|byte| match byte {
                    b'0'..=b'9' => digits.next().unwrap_or(*byte),
                    separator => *separator,
                }));
            }
            None => Mask::default().apply(value, out),
        }
    }

    /// The digits that stand for those of a value.
    fn digits(&self, value: &[u8]) -> Option<Vec<u8>> {
        let is_number = value.iter().all(|byte| byte.is_ascii_digit() || b" -./()+".contains(byte));
        let digits: Vec<u8> = value.iter().copied().filter(u8::is_ascii_digit).collect();
        let (head, kept) = digits.split_at_checked(digits.len().checked_sub(self.keep_last)?)?;
        if !is_number || head.len() > LONGEST {
            return None;
        }
        let mut numerals: Vec<u8> = head.iter().map(|digit| digit & 15).collect();
        // A number with a Luhn digit becomes one that has it too, and one without becomes one without: only so is there a way back.
        let is_valid = luhn(&digits);
        for _ in 0..MOST_WALKS {
            if !ff1(&self.cipher, kept, &mut numerals, self.direction) {
                return None;
            }
            let result: Vec<u8> = numerals.iter().map(|digit| digit | b'0').chain(kept.iter().copied()).collect();
            if !self.luhn_fix || luhn(&result) == is_valid {
                return Some(result);
            }
        }
        None
    }
}

impl fmt::Debug for Fpe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fpe(..)")
    }
}
