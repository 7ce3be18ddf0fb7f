//! Sets of bytes.

/// A set of bytes.
#[derive(Clone, Copy, Debug)]
pub struct ByteSet([u64; 4]);

pub(super) const DIGITS: ByteSet = ByteSet::of(b"0123456789");
pub(super) const UPPER: ByteSet = ByteSet::of(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ");
pub(super) const LOWER: ByteSet = ByteSet::of(b"abcdefghijklmnopqrstuvwxyz");
pub(super) const LETTERS: ByteSet = UPPER.or(LOWER);
pub(super) const ALPHANUMERIC: ByteSet = LETTERS.or(DIGITS);
pub(super) const WORD: ByteSet = ALPHANUMERIC.or(ByteSet::of(b"_"));
pub(super) const HEX: ByteSet = DIGITS.or(ByteSet::of(b"abcdefABCDEF"));

impl ByteSet {
    /// The set of these bytes.
    #[must_use]
    pub const fn of(bytes: &[u8]) -> Self {
        let mut set = Self([0; 4]);
        let mut rest = bytes;
        while let [byte, behind @ ..] = rest {
            set = set.with(*byte);
            rest = behind;
        }
        set
    }

    /// What is in one of the sets.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        let (Self([a, b, c, d]), Self([e, f, g, h])) = (self, other);
        Self([a | e, b | f, c | g, d | h])
    }

    const fn with(self, byte: u8) -> Self {
        let Self([mut a, mut b, mut c, mut d]) = self;
        let bit = 1u64 << (byte & 63);
        match byte >> 6 {
            0 => a |= bit,
            1 => b |= bit,
            2 => c |= bit,
            _ => d |= bit,
        }
        Self([a, b, c, d])
    }

    /// Whether the byte is in the set.
    #[must_use]
    pub fn has(&self, byte: u8) -> bool {
        self.0.get(usize::from(byte >> 6)).is_some_and(|word| word >> (byte & 63) & 1 == 1)
    }
}
