//! Detectors: what looks like personal data or a secret, and how that is validated.
//!
//! A detector looks at a text from where a match may begin and says whether one does, without regular expressions,
//! allocation or memory of earlier texts. Whatever is appended to a text that it has decided on, it decides the same.

mod bank_card;
mod bitcoin;
mod byte_set;
mod checksum;
mod context;
mod email;
mod iban;
mod jwt;
mod national;
mod network;
mod pem;
mod phone;
#[cfg(test)]
pub(crate) mod steps;
mod text;
mod token;
pub mod traits;
mod written;

pub use byte_set::ByteSet;
pub(crate) use checksum::luhn;
pub use context::Words;
pub(crate) use context::{REACH, Seen, is_control};
pub(crate) use token::{CIPHERTEXT_PREFIX, LONGEST_CIPHERTEXT};

use text::{Found, Text, Unknown};
use token::Token;
use traits::Needs;
use written::Written;

/// One kind of personal data or secret.
#[derive(Debug)]
pub struct Detector {
    /// Its name in a config.
    pub name: &'static str,
    /// The bytes that a match can begin with.
    pub starts: ByteSet,
    /// The most bytes that [`scan`](Self::scan) has to see to decide: it answers [`Step::Open`] to no text that is as long.
    pub max_len: usize,
    /// What a text has at least in which there is a match.
    pub needs: Needs,
    /// How many digits a match may begin with: a bit for each number up to 31.
    pub leads: u32,
    /// What must not stand right before a match.
    pub before: Boundary,
    /// How many bytes at the beginning of a match are no part of the value, and stay as they are.
    pub skip: usize,
    /// Words one of which must stand before a match that is [`Score::Bare`] or [`Score::Common`].
    pub context: Words,
    shape: Shape,
}

/// What must not stand right before a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Boundary {
    /// Anything may.
    Any,
    /// No ASCII letter, digit or `_`.
    NotWord,
    /// Nor a `.` behind a digit: what follows is the fraction of a number. Nor one behind what may stand for digits.
    NotNumber,
    /// Nor a `.` at all.
    NotDotted,
    /// Nor a `.` or `:`: behind them is the rest of an address.
    NotAddress,
    /// Nothing that can stand in the local part of an e-mail address, but for dots behind none of it.
    NotAtom,
    /// No letter, digit, `_`, `-` or `.`: a JSON Web Token may go on behind them.
    NotToken,
    /// No letter, digit, `_`, `+` or `/`: base64 may.
    NotBase64,
}

/// How sure a match is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Score {
    /// It counts only where one of the detector's context words stands before it, in the same value or its key.
    Bare,
    /// It has the shape, which is not checked by anything else.
    Shape,
    /// A checksum confirms it, as it does too many other numbers: behind a context word it is [`Validated`](Self::Validated), and
    /// nothing elsewhere.
    Common,
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
        /// Its length in bytes, with those that are [skipped](Detector::skip).
        len: usize,
        /// How sure it is.
        score: Score,
    },
    /// It depends on what follows. Never at the end of the text.
    Open,
    /// A secret that is longer than [`Detector::max_len`]: these bytes and everything up to where [`Detector::rest`]
    /// ends it.
    Begun {
        /// The length of the beginning in bytes.
        len: usize,
    },
}

/// How a detector recognises a match.
#[derive(Debug)]
enum Shape {
    Written(Written),
    Tokens(&'static [Token]),
    Pem,
    Other(fn(Text<'_>) -> Result<Option<Found>, Unknown>),
}

/// All detectors.
#[must_use]
pub fn all() -> &'static [Detector] {
    static ALL: [Detector; 39] = [
        bank_card::CREDIT_CARD,
        iban::IBAN,
        bitcoin::CRYPTO_BTC,
        email::EMAIL,
        phone::PHONE_E164,
        phone::PHONE_NATIONAL,
        network::IPV4,
        network::IPV6,
        network::MAC,
        network::URL_USERINFO,
        jwt::JWT,
        pem::PEM_PRIVATE_KEY,
        token::AWS_ACCESS_KEY,
        token::AWS_SECRET_KEY,
        token::GITHUB_TOKEN,
        token::SLACK_TOKEN,
        token::STRIPE_KEY,
        token::GOOGLE_KEY,
        token::ENCRYPTED,
        national::US_SSN,
        national::CA_SIN,
        national::BR_CPF,
        national::BR_CNPJ,
        national::CN_RESIDENT_ID,
        national::CN_MOBILE,
        national::IN_AADHAAR,
        national::IN_PAN,
        national::KR_RRN,
        national::SG_FIN,
        national::AU_TFN,
        national::AU_ABN,
        national::ZA_ID,
        national::TR_ID,
        national::UK_NHS,
        national::UK_NINO,
        national::ES_NIF,
        national::PL_PESEL,
        national::DE_TAX_ID,
        national::FR_NIR,
    ];
    &ALL
}

/// The detector of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Detector> {
    all().iter().find(|detector| detector.name == name)
}

/// The first detector that finds something in a text, in whatever context: what is put in the place of a match must have
/// none.
#[must_use]
pub fn detect(text: &[u8]) -> Option<&'static Detector> {
    all().iter().find(|detector| {
        let places = (0..text.len()).filter_map(|at| text.split_at_checked(at));
        let mut candidates = places;
        candidates.any(|(before, text)| {
            detector.before.permits_behind(before)
                && detector.starts_with(text)
                && detector.scan(text, true) != Step::No
        })
    })
}

// === impl Detector ===

impl Detector {
    /// Looks at a text that begins where a match may begin; `at_end` says that nothing follows it.
    #[must_use]
    pub fn scan(&self, text: &[u8], at_end: bool) -> Step {
        let text = Text::new(text, at_end);
        let found = match &self.shape {
            Shape::Written(written) => written.recognise(text),
            Shape::Tokens(tokens) => token::recognise(tokens, text),
            Shape::Pem => pem::recognise(text),
            Shape::Other(recognise) => recognise(text),
        };
        match found {
            Err(Unknown) => Step::Open,
            Ok(None) => Step::No,
            Ok(Some(Found { len, score: Some(score) })) => Step::Match { len, score },
            Ok(Some(Found { len, score: None })) => Step::Begun { len },
        }
    }

    fn starts_with(&self, text: &[u8]) -> bool {
        text.first().is_some_and(|first| self.starts.has(*first))
    }

    /// How much of the text still belongs to a secret that has [begun](Step::Begun), and whether it ends there. May leave
    /// bytes for later, fewer than `max_len`, unless `at_end`.
    #[must_use]
    pub fn rest(&self, text: &[u8], at_end: bool) -> (usize, bool) {
        let text = Text::new(text, at_end);
        match &self.shape {
            Shape::Pem => pem::rest(text),
            Shape::Tokens(_) | Shape::Other(_) => token::rest(text),
            Shape::Written(_) => (0, true),
        }
    }
}

// === impl Score ===

impl Score {
    /// That of the same number in a form that needs a context word.
    fn by_context(self) -> Self {
        match self {
            Self::Validated => Self::Common,
            _ => Self::Bare,
        }
    }

    /// That of a match with what stands before it; `None` where it does not count there.
    pub(crate) fn behind(self, has_context: impl FnOnce() -> bool) -> Option<Self> {
        match self {
            Self::Bare => has_context().then_some(Self::Bare),
            Self::Common => has_context().then_some(Self::Validated),
            score => Some(score),
        }
    }
}

// === impl Boundary ===

/// Behind more dots than these a match may begin whatever stands before them.
const MOST_DOTS: usize = 16;

impl Boundary {
    /// Whether a match may begin behind this text, of which a few bytes of the end count.
    #[must_use]
    pub fn permits_behind(self, before: &[u8]) -> bool {
        if !self.permits(before.last().copied()) {
            return false;
        }
        let dots = before.iter().rev().take(MOST_DOTS).take_while(|byte| **byte == b'.').count();
        let behind_dots = before.len().checked_sub(dots.saturating_add(1)).and_then(|last| before.get(last)).copied();
        match (self, behind_dots) {
            (Self::NotNumber, Some(before)) if dots > 0 => !before.is_ascii_digit() && !is_mask(before),
            (Self::NotAtom, Some(before)) if dots > 0 => !email::ATOM.has(before) && !is_mask(before),
            _ => true,
        }
    }

    /// Whether a match may begin behind this byte, as far as it says; none stands before the beginning of a value.
    #[must_use]
    pub fn permits(self, before: Option<u8>) -> bool {
        let Some(before) = before else { return true };
        let is_word = byte_set::WORD.has(before);
        match self {
            Self::Any => true,
            Self::NotWord | Self::NotNumber => !is_word,
            Self::NotDotted => !is_word && before != b'.',
            Self::NotAddress => !is_word && !matches!(before, b'.' | b':'),
            Self::NotAtom => before == b'.' || !email::ATOM.has(before),
            Self::NotToken => !is_word && !matches!(before, b'-' | b'.'),
            Self::NotBase64 => !is_word && !matches!(before, b'+' | b'/'),
        }
    }
}

/// Whether this may end what stands in the place of a match.
fn is_mask(byte: u8) -> bool {
    matches!(byte, b'*' | b'#' | b'~' | b']') || !byte.is_ascii()
}

#[cfg(test)]
mod tests;
