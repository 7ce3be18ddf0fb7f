//! Sizes with a unit: `512B`, `8KiB`, `1MiB`, `2GiB`.

use super::{FromConfig, Node};

/// What a size looks like. Nine digits, so that no size overflows.
#[cfg(feature = "schema")]
pub(super) const PATTERN: &str = r"^[0-9]{1,9}(B|KiB|MiB|GiB)$";

const MAX_DIGITS: usize = 9;

/// A number of bytes, written `512B`, `8KiB`, `1MiB` or `2GiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(u64);

impl Size {
    /// The size of so many bytes.
    pub const fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// The size in bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl FromConfig for Size {
    fn from_config(node: Node<'_>) -> Option<Self> {
        node.with_unit("a size such as \"512B\", \"8KiB\", \"1MiB\" or \"2GiB\"", "B", parse)
    }
}

fn parse(text: &str) -> Option<Size> {
    let (number, unit) = split_unit(text, MAX_DIGITS)?;
    let bytes: u64 = match unit {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(bytes).map(Size)
}

/// The decimal number at the start of a text, and the unit after it.
pub(super) fn split_unit(text: &str, max_digits: usize) -> Option<(u64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits).filter(|_| digits <= max_digits)?;
    Some((number.parse().ok()?, unit))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_unit_is_understood() {
        assert_eq!(parse("512B"), Some(Size(512)));
        assert_eq!(parse("8KiB"), Some(Size(8_192)));
        assert_eq!(parse("1MiB"), Some(Size(1_048_576)));
        assert_eq!(parse("2GiB"), Some(Size(2_147_483_648)));
    }

    #[test]
    fn everything_else_is_refused() {
        for text in ["", "KiB", "8", "8K", "8KB", "8kib", "8 KiB", "-8B", "1.5MiB", "1TiB", "1234567890B"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn every_size_survives_the_round_trip(number in 0_u64..1_000_000_000) {
            prop_assert_eq!(parse(&format!("{number}B")), Some(Size(number)));
            prop_assert_eq!(parse(&format!("{number}GiB")), Some(Size(number << 30)));
        }
    }
}
