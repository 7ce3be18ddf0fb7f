//! Detectors: what looks like personal data or a secret, and how that is validated.

/// A set of bytes.
#[derive(Clone, Copy, Debug)]
pub struct ByteSet([u64; 4]);

impl ByteSet {
    /// The set of these bytes.
    #[must_use]
    pub const fn of(bytes: &[u8]) -> Self {
        let mut set = [0u64; 4];
        let mut rest = bytes;
        while let [byte, behind @ ..] = rest {
            set = Self(set).with(*byte).0;
            rest = behind;
        }
        Self(set)
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
    pub const fn has(self, byte: u8) -> bool {
        let Self([a, b, c, d]) = self;
        let word = match byte >> 6 {
            0 => a,
            1 => b,
            2 => c,
            _ => d,
        };
        word >> (byte & 63) & 1 == 1
    }
}

/// What must not stand right before a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Boundary {
    /// Anything may.
    Any,
    /// No digit.
    NotDigit,
    /// No ASCII letter, digit or `_`.
    NotWord,
    /// Nothing that can stand in the local part of an e-mail address.
    NotAtom,
}

/// How sure a match is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Score {
    /// It counts only where one of the detector's context words stands within 50 bytes before it.
    Bare,
    /// It has the shape, which is not checked by anything else.
    Shape,
    /// A checksum or a list of prefixes confirms it.
    Validated,
}

/// What a detector says of a text that begins where a match may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// No match begins here, whatever follows.
    No,
    /// A match of this many bytes, whatever follows.
    Match {
        /// Its length in bytes.
        len: usize,
        /// How sure it is.
        score: Score,
    },
    /// It depends on what follows. Never at the end of the text.
    Open,
    /// The fixed beginning of a secret that may be of any length: everything up to where [`Detector::rest`] ends it.
    Begun {
        /// The length of the beginning in bytes.
        len: usize,
    },
}

/// One kind of personal data or secret.
#[derive(Debug)]
pub struct Detector {
    /// Its name in a config.
    pub name: &'static str,
    /// The bytes that a match can begin with.
    pub starts: ByteSet,
    /// The most bytes that `scan` has to see to decide; `scan` answers `Open` to no text that is longer.
    pub max_len: usize,
    /// What must not stand right before a match.
    pub before: Boundary,
    /// Words, in lower case, one of which must stand before a match that is [`Score::Bare`].
    pub context: &'static [&'static str],
    /// Looks at a text that begins where a match may begin; `at_end` says that nothing follows it.
    pub scan: fn(text: &[u8], at_end: bool) -> Step,
    /// How much of the text still belongs to a secret that has [begun](Step::Begun), and whether it ends there. May leave
    /// bytes for later, fewer than `max_len`, unless `at_end`.
    pub rest: Option<fn(text: &[u8], at_end: bool) -> (usize, bool)>,
}

/// All detectors.
#[must_use]
pub fn all() -> &'static [Detector] {
    &[]
}

/// The detector of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Detector> {
    all().iter().find(|detector| detector.name == name)
}
