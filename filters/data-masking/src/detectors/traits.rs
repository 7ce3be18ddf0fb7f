//! Traits: what bytes a text has, which says of most texts that there is nothing to be found in them.

/// What a text has.
#[derive(Clone, Copy, Debug, Default)]
pub struct Traits {
    kinds: u8,
    /// How many digits.
    digits: usize,
}

/// What a text has at least in which there is a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needs {
    /// So many bytes.
    pub len: usize,
    /// So many digits.
    pub digits: usize,
    /// Bytes of all these kinds: `AT` and so on.
    pub kinds: u8,
    /// Whether there are only blanks, hyphens and other marks of numbers between the digits.
    pub is_number: bool,
}

/// An `@`.
pub const AT: u8 = 1;
/// A `:`.
pub const COLON: u8 = 2;
/// A `-`.
pub const HYPHEN: u8 = 4;
/// A `.`.
pub const DOT: u8 = 8;
/// A `+`.
pub const PLUS: u8 = 16;
/// A `_`.
pub const UNDERSCORE: u8 = 32;
/// What a JSON string does not hold as it is, and what means something else there.
const SPECIAL: u8 = 64;
const DIGIT: u8 = 128;

const KINDS: [u8; 256] = kinds();

const fn kinds() -> [u8; 256] {
    let mut kinds = [0; 256];
    let mut byte = 0u8;
    while let Some(([.., kind], _)) = kinds.split_at_mut_checked((byte as usize).wrapping_add(1)) {
        *kind = match byte {
            b'@' => AT,
            b':' => COLON,
            b'-' => HYPHEN,
            b'.' => DOT,
            b'+' => PLUS,
            b'_' => UNDERSCORE,
            b'0'..=b'9' => DIGIT,
            ..=0x1f | b'"' | b'\\' => SPECIAL,
            _ => 0,
        };
        match byte.checked_add(1) {
            Some(next) => byte = next,
            None => break,
        }
    }
    kinds
}

const fn kind(byte: u8) -> u8 {
    let (_, behind) = KINDS.split_at(byte as usize);
    match behind {
        [kind, ..] => *kind,
        [] => 0,
    }
}

impl Traits {
    /// Those of a text.
    #[must_use]
    pub fn of(text: &[u8]) -> Self {
        let (mut traits, mut rest) = (Self::default(), text);
        loop {
            let (some, len) = Self::of_plain(rest);
            traits = traits.and(some);
            let Some((special, behind)) = rest.get(len..).and_then(<[u8]>::split_first) else { return traits };
            traits.kinds |= kind(*special);
            rest = behind;
        }
    }

    /// Those of a text up to its first quote, backslash or control character, and how long that part is.
    #[must_use]
    pub fn of_plain(text: &[u8]) -> (Self, usize) {
        let (mut traits, done) = Self::of_blocks(text);
        let mut len = done;
        for byte in text.get(done..).unwrap_or_default() {
            let kind = kind(*byte);
            if kind & SPECIAL != 0 {
                break;
            }
            traits.kinds |= kind;
            traits.digits = traits.digits.wrapping_add(usize::from(kind >> 7));
            len = len.wrapping_add(1);
        }
        (traits, len)
    }

    /// Those of two parts of a text.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { kinds: self.kinds | other.kinds, digits: self.digits.wrapping_add(other.digits) }
    }

    /// Those of as many whole blocks as there are before a special byte, and of what stands before that in its block; and the length of all that.
    #[cfg(target_arch = "wasm32")]
    #[target_feature(enable = "simd128")]
    fn of_blocks(text: &[u8]) -> (Self, usize) {
        use core::arch::wasm32::{
            i8x16, u8x16_bitmask, u8x16_eq, u8x16_lt, u8x16_shr, u8x16_splat, u8x16_swizzle, u64x2, u64x2_extract_lane,
            v128_and, v128_or,
        };
        // A byte's kind is what its halves have in common.
        let low = const {
            const OTHER: i8 = DIGIT.cast_signed();
            let (at, colon, plus) = (AT.cast_signed(), COLON.cast_signed(), PLUS.cast_signed());
            let (hyphen, dot, underscore) = (HYPHEN.cast_signed(), DOT.cast_signed(), UNDERSCORE.cast_signed());
            i8x16(
                OTHER | at,
                OTHER,
                OTHER,
                OTHER,
                OTHER,
                OTHER,
                OTHER,
                OTHER,
                OTHER,
                OTHER,
                colon,
                plus,
                0,
                hyphen,
                dot,
                underscore,
            )
        };
        let high = const {
            let marks = (HYPHEN | DOT | PLUS).cast_signed();
            let digits = (DIGIT | COLON).cast_signed();
            i8x16(0, 0, marks, digits, AT.cast_signed(), UNDERSCORE.cast_signed(), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
        };
        let places = i8x16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
        let mut all = u8x16_splat(0);
        let mut digits = 0u32;
        let mut len = 0usize;
        let (blocks, _) = text.as_chunks::<16>();
        for block in blocks {
            let number = u128::from_le_bytes(*block);
            let bytes = u64x2(number as u64, (number >> 64) as u64);
            let halves = v128_and(bytes, u8x16_splat(15));
            let mut kinds = v128_and(u8x16_swizzle(low, halves), u8x16_swizzle(high, u8x16_shr(bytes, 4)));
            let quotes = v128_or(u8x16_eq(bytes, u8x16_splat(b'"')), u8x16_eq(bytes, u8x16_splat(b'\\')));
            let special = u8x16_bitmask(v128_or(quotes, u8x16_lt(bytes, u8x16_splat(b' '))));
            let before = special.trailing_zeros().min(16);
            if special != 0 {
                kinds = v128_and(kinds, u8x16_lt(places, u8x16_splat(before as u8)));
            }
            all = v128_or(all, kinds);
            digits = digits.wrapping_add(u32::from(u8x16_bitmask(kinds)).count_ones());
            len = len.wrapping_add(before as usize);
            if special != 0 {
                break;
            }
        }
        let all = u64x2_extract_lane::<0>(all) | u64x2_extract_lane::<1>(all);
        let all = all | all >> 32;
        let all = all | all >> 16;
        let kinds = (all | all >> 8) as u8;
        (Self { kinds, digits: digits as usize }, len)
    }

    #[cfg(not(target_arch = "wasm32"))]
    fn of_blocks(_: &[u8]) -> (Self, usize) {
        (Self::default(), 0)
    }
}

impl Needs {
    /// What every text has.
    pub const NOTHING: Self = Self { len: 0, digits: 0, kinds: 0, is_number: false };

    /// Whether a text of this length with these traits has it, as far as they say.
    #[must_use]
    pub fn may_be_met(&self, len: usize, traits: Traits) -> bool {
        len >= self.len && traits.digits >= self.digits && traits.kinds & self.kinds == self.kinds
    }

    /// Whether what has this has all that the other is.
    pub(crate) fn includes(&self, other: &Self) -> bool {
        self.len >= other.len
            && self.digits >= other.digits
            && self.kinds & other.kinds == other.kinds
            && self.is_number >= other.is_number
    }

    /// Whether a text that has it as far as its traits say has a number that is long enough.
    pub(crate) fn has_number(&self, text: &[u8]) -> bool {
        !self.is_number || longest_number(text) >= self.digits
    }
}

/// The most digits between which there are only marks of numbers.
pub(crate) fn longest_number(text: &[u8]) -> usize {
    let mut longest = 0;
    let mut digits = 0usize;
    for byte in text {
        digits = match byte {
            b'0'..=b'9' => digits.wrapping_add(1),
            b' ' | b'-' | b'.' | b'/' | b'(' | b')' | b'+' => digits,
            _ => 0,
        };
        longest = longest.max(digits);
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_anywhere_are_less_than_a_number_of_as_many() {
        let number = Needs { digits: 13, is_number: true, ..Needs::NOTHING };
        let digits = Needs { digits: 13, ..Needs::NOTHING };
        assert!(number.includes(&digits) && !digits.includes(&number));
        let text = b"2026-11-20T08:15:30Z";
        assert!(digits.has_number(text) && !number.has_number(text) && number.has_number(b"4111 1111-1111 1111"));
    }
}
