//! Actions: what stands in the place of a match.

use palisade_sdk::config::Node;

/// What happens to a match.
#[derive(Debug)]
pub enum Action {
    /// All but the last characters become `*`.
    Mask {
        /// How many stay.
        keep_last: usize,
    },
    /// A text stands in its place.
    Replace(String),
    /// Nothing does.
    Remove,
    /// The message is answered with this status.
    Block(u16),
    /// It is only counted.
    Report,
}

/// Why an action could not be applied: the value must not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {}

impl Action {
    /// Reads it.
    pub fn read(node: Node<'_>) -> Option<Self> {
        node.one_of(&[("mask", 0), ("remove", 1), ("report", 2), ("block", 3)]).map(|action| match action {
            0 => Self::Mask { keep_last: 0 },
            1 => Self::Remove,
            2 => Self::Report,
            _ => Self::Block(422),
        })
    }

    /// Its name in metrics.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Mask { .. } => "mask",
            Self::Replace(_) => "replace",
            Self::Remove => "remove",
            Self::Block(_) => "block",
            Self::Report => "report",
        }
    }

    /// Whether the match is only counted.
    #[must_use]
    pub fn is_report(&self) -> bool {
        matches!(self, Self::Report)
    }

    /// Whether nothing stands in its place: a member of an object goes with its name.
    #[must_use]
    pub fn is_remove(&self) -> bool {
        matches!(self, Self::Remove)
    }

    /// Whether what stands in its place is the same for every value, so that it can stand for an object too.
    #[must_use]
    pub fn is_constant(&self) -> bool {
        matches!(self, Self::Replace(_))
    }

    /// The status of the answer, where the message is not let through.
    #[must_use]
    pub fn blocks(&self) -> Option<u16> {
        match self {
            Self::Block(status) => Some(*status),
            _ => None,
        }
    }

    /// Appends what stands in the place of `value`, a match of `detector` or the value of a field of this name.
    ///
    /// # Errors
    ///
    /// There is nothing to put there: the value must not pass.
    pub fn apply(&self, _detector: &str, value: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        match self {
            Self::Mask { keep_last } => {
                let text = String::from_utf8_lossy(value);
                let masked = text.chars().count().saturating_sub(*keep_last);
                out.resize(out.len().saturating_add(masked), b'*');
                out.extend(text.chars().skip(masked).collect::<String>().bytes());
            }
            Self::Replace(text) => out.extend_from_slice(text.as_bytes()),
            Self::Remove | Self::Block(_) | Self::Report => {}
        }
        Ok(())
    }
}

/// What a ciphertext begins with.
pub const CIPHERTEXT_PREFIX: &str = "enc_";

/// The longest ciphertext.
pub const LONGEST_CIPHERTEXT: usize = 4096;
