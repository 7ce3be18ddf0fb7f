//! The `traceparent` header field of [W3C Trace Context Level 2](https://www.w3.org/TR/trace-context-2/).

use core::ops::Range;

use crate::{lower_hex, ows};

/// The length of a version 00 field, in bytes.
pub const LENGTH: usize = 55;

const SAMPLED: u8 = 0b01;
const RANDOM: u8 = 0b10;

const VERSION: Range<usize> = 0..2;
const TRACE_ID_HIGH: Range<usize> = 3..19;
const TRACE_ID_LOW: Range<usize> = 19..35;
const PARENT_ID: Range<usize> = 36..52;
const FLAGS: Range<usize> = 53..LENGTH;
const DASHES: [usize; 3] = [2, 35, 52];

/// What the request says about its trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inbound {
    /// The format is not in use: the header is none of our business.
    Unread,
    /// No `traceparent`: the request starts a trace.
    Absent,
    /// A `traceparent` that must not be continued: malformed, or more than one.
    Invalid,
    /// A trace to continue.
    Valid {
        /// The fields that this version of the specification knows.
        traceparent: Traceparent,
        /// Whether [`Traceparent::format`] gives the same field again: `false` for a version above 00, and
        /// for flags that the specification does not define.
        canonical: bool,
    },
}

/// The fields of a valid `traceparent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traceparent {
    /// The trace, never 0.
    pub trace_id: u128,
    /// The caller's span, never 0.
    pub parent_id: u64,
    /// Whether the caller may have recorded the trace.
    pub sampled: bool,
    /// Whether at least the last 56 bits of the trace id are random (Level 2).
    pub random: bool,
}

/// Reads the field's value: every line of it, joined with `,`, or `None` if there is none.
///
/// No valid `traceparent` holds a comma, so that a comma shows a duplicate, which is invalid.
pub fn read(joined: Option<&[u8]>) -> Inbound {
    match joined {
        None => Inbound::Absent,
        Some(joined) => parse(ows::trim(joined)).unwrap_or(Inbound::Invalid),
    }
}

impl Traceparent {
    /// Writes the fields as version 00, with no flag but those that it defines.
    pub fn format(&self) -> [u8; LENGTH] {
        let mut field = *b"00-00000000000000000000000000000000-0000000000000000-00";
        let numbers = [
            (TRACE_ID_HIGH, (self.trace_id >> 64) as u64),
            (TRACE_ID_LOW, self.trace_id as u64),
            (PARENT_ID, self.parent_id),
            (FLAGS, u64::from(self.flags())),
        ];
        for (range, number) in numbers {
            if let Some(digits) = field.get_mut(range) {
                lower_hex::write(number, digits);
            }
        }
        field
    }

    /// The flags that the specification defines.
    pub(crate) fn flags(&self) -> u8 {
        let mut flags = 0;
        if self.sampled {
            flags |= SAMPLED;
        }
        if self.random {
            flags |= RANDOM;
        }
        flags
    }
}

fn parse(field: &[u8]) -> Option<Inbound> {
    if !DASHES.iter().all(|&at| field.get(at) == Some(&b'-')) {
        return None;
    }
    let number = |range| lower_hex::parse(field.get(range)?);

    let version = number(VERSION)?;
    let rest_is_valid = match (version, field.get(LENGTH..)?) {
        (_, []) => version != 0xff,
        (0x00 | 0xff, _) => false,
        (_, [b'-', rest @ ..]) => rest.iter().all(|byte| matches!(byte, b' '..=b'~') && *byte != b','),
        _ => false,
    };
    let trace_id = (u128::from(number(TRACE_ID_HIGH)?) << 64) | u128::from(number(TRACE_ID_LOW)?);
    let parent_id = number(PARENT_ID)?;
    let flags = number(FLAGS)? as u8;
    if !rest_is_valid || trace_id == 0 || parent_id == 0 {
        return None;
    }
    Some(Inbound::Valid {
        traceparent: Traceparent {
            trace_id,
            parent_id,
            sampled: flags & SAMPLED != 0,
            random: version == 0 && flags & RANDOM != 0,
        },
        canonical: version == 0 && flags & !(SAMPLED | RANDOM) == 0,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TRACE_ID: u128 = 0x1234_5678_9012_3456_7890_1234_5678_9012;
    const PARENT: u64 = 0x1234_5678_9012_3456;

    fn read_text(field: &str) -> Inbound {
        read(Some(field.as_bytes()))
    }

    fn valid(sampled: bool, random: bool, canonical: bool) -> Inbound {
        let traceparent = Traceparent { trace_id: TRACE_ID, parent_id: PARENT, sampled, random };
        Inbound::Valid { traceparent, canonical }
    }

    #[test]
    fn a_missing_field_starts_a_trace() {
        assert_eq!(read(None), Inbound::Absent);
    }

    #[test]
    fn spaces_and_tabs_around_the_field_are_ignored() {
        let field = "00-12345678901234567890123456789012-1234567890123456-01";
        for padded in [format!(" {field}"), format!("{field}\t"), format!("\t {field} \t")] {
            assert_eq!(read_text(&padded), valid(true, false, true));
        }
    }

    #[test]
    fn two_lines_are_invalid_even_when_they_agree() {
        let field = "00-12345678901234567890123456789012-1234567890123456-01";
        assert_eq!(read_text(&format!("{field},{field}")), Inbound::Invalid);
        assert_eq!(read_text(&format!("{field}, {field}")), Inbound::Invalid);
        assert_eq!(read_text(&format!("{field},")), Inbound::Invalid);
        assert_eq!(read_text(&format!(",{field}")), Inbound::Invalid);
        assert_eq!(read_text(","), Inbound::Invalid);
    }

    #[test]
    fn two_lines_of_a_future_version_are_invalid() {
        let field = "cc-12345678901234567890123456789012-1234567890123456-01";
        assert_eq!(read_text(&format!("{field},{field}")), Inbound::Invalid);
        assert_eq!(read_text(&format!("{field}-future,{field}-future")), Inbound::Invalid);
    }

    #[test]
    fn an_empty_field_is_invalid() {
        assert_eq!(read_text(""), Inbound::Invalid);
        assert_eq!(read_text(" "), Inbound::Invalid);
    }

    #[test]
    fn version_00_has_exactly_55_characters() {
        let field = "00-12345678901234567890123456789012-1234567890123456-01";
        assert_eq!(read_text(field), valid(true, false, true));
        for broken in
            [field.trim_end_matches('1'), &format!("{field}."), &format!("{field}-"), &format!("{field}-what")]
        {
            assert_eq!(read_text(broken), Inbound::Invalid, "{broken}");
        }
    }

    #[test]
    fn a_higher_version_may_go_on_after_a_dash() {
        let field = "cc-12345678901234567890123456789012-1234567890123456-01";
        assert_eq!(read_text(field), valid(true, false, false));
        assert_eq!(read_text(&format!("{field}-")), valid(true, false, false));
        assert_eq!(read_text(&format!("{field}-what the future is")), valid(true, false, false));
        assert_eq!(read_text(&format!("{field}.what")), Inbound::Invalid);
        assert_eq!(read_text(&format!("{field}0")), Inbound::Invalid);
    }

    #[test]
    fn a_higher_version_is_ascii_to_its_end() {
        let mut field = b"01-12345678901234567890123456789012-1234567890123456-01-x".to_vec();
        field.push(0xe9);
        assert_eq!(read(Some(&field)), Inbound::Invalid);
    }

    #[test]
    fn version_ff_is_invalid() {
        for rest in ["", "-", "-what"] {
            let field = format!("ff-12345678901234567890123456789012-1234567890123456-01{rest}");
            assert_eq!(read_text(&field), Inbound::Invalid);
        }
    }

    #[test]
    fn uppercase_hexadecimal_is_invalid() {
        for field in [
            "0A-12345678901234567890123456789012-1234567890123456-01",
            "00-A2345678901234567890123456789012-1234567890123456-01",
            "00-12345678901234567890123456789012-A234567890123456-01",
            "00-12345678901234567890123456789012-1234567890123456-0A",
        ] {
            assert_eq!(read_text(field), Inbound::Invalid, "{field}");
        }
    }

    #[test]
    fn ids_of_zero_are_invalid() {
        for field in [
            "00-00000000000000000000000000000000-1234567890123456-01",
            "00-12345678901234567890123456789012-0000000000000000-01",
            "cc-00000000000000000000000000000000-1234567890123456-01",
        ] {
            assert_eq!(read_text(field), Inbound::Invalid, "{field}");
        }
    }

    #[test]
    fn fields_stand_where_the_dashes_say() {
        for field in [
            "000-12345678901234567890123456789012-1234567890123456-01",
            "0-12345678901234567890123456789012-1234567890123456-001",
            "00-1234567890123456789012345678901-12345678901234567-01",
            "00_12345678901234567890123456789012-1234567890123456-01",
            "00-12345678901234567890123456789012-1234567890123456_01",
        ] {
            assert_eq!(read_text(field), Inbound::Invalid, "{field}");
        }
    }

    #[test]
    fn version_00_knows_the_sampled_and_the_random_flag() {
        let field = |flags| format!("00-12345678901234567890123456789012-1234567890123456-{flags}");
        assert_eq!(read_text(&field("00")), valid(false, false, true));
        assert_eq!(read_text(&field("01")), valid(true, false, true));
        assert_eq!(read_text(&field("02")), valid(false, true, true));
        assert_eq!(read_text(&field("03")), valid(true, true, true));
        assert_eq!(read_text(&field("fc")), valid(false, false, false));
        assert_eq!(read_text(&field("ff")), valid(true, true, false));
    }

    #[test]
    fn a_higher_version_lends_only_its_sampled_flag() {
        let field = |flags| format!("01-12345678901234567890123456789012-1234567890123456-{flags}");
        assert_eq!(read_text(&field("03")), valid(true, false, false));
        assert_eq!(read_text(&field("02")), valid(false, false, false));
    }

    fn traceparents() -> impl Strategy<Value = Traceparent> {
        (1..=u128::MAX, 1..=u64::MAX, any::<bool>(), any::<bool>())
            .prop_map(|(trace_id, parent_id, sampled, random)| Traceparent { trace_id, parent_id, sampled, random })
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(field: Vec<u8>) {
            read(Some(&field));
        }

        #[test]
        fn nearly_valid_bytes_are_read(field in "[0-9a-fA-F,. -]{50,60}") {
            read(Some(field.as_bytes()));
        }

        #[test]
        fn what_is_formatted_reads_back_as_canonical(traceparent in traceparents()) {
            let inbound = read(Some(&traceparent.format()));
            prop_assert_eq!(inbound, Inbound::Valid { traceparent, canonical: true });
        }

        #[test]
        fn a_canonical_field_formats_to_itself(
            field in "0[01]-[0-9a-f]{32}-[0-9a-f]{16}-0[0-9]",
        ) {
            if let Inbound::Valid { traceparent, canonical } = read(Some(field.as_bytes())) {
                prop_assert_eq!(canonical, traceparent.format() == field.as_bytes());
            }
        }
    }
}
