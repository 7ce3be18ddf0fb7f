//! The `b3` header of [B3 propagation](https://github.com/openzipkin/b3-propagation#single-header).

use super::{Changes, Claim, Root, cut, digit, span_id, span_id_digits, trace_id, trace_id_digits};
use crate::decision::SamplingState;

/// The header's name.
pub const HEADER: &str = "b3";

/// From the end of the trace id to the sampling state: a dash, the span id and another dash.
const TRACE_ID_TO_STATE: usize = 18;

/// Reads the field's value, every line of it joined with `,`, which none may hold; `None` if it is malformed.
pub fn read(field: &[u8]) -> Option<Claim> {
    if let [state] = field {
        return Some(Claim { trace: None, state: state_of(*state)? });
    }
    let (trace, rest) = cut(field, b'-');
    let (span, rest) = cut(rest?, b'-');
    let trace = Some(trace_id(trace)?);
    span_id(span).filter(|id| *id != 0)?;
    let Some(rest) = rest else {
        return Some(Claim { trace, state: SamplingState::Deferred });
    };
    let (state, parent) = cut(rest, b'-');
    let [state] = state else { return None };
    if let Some(parent) = parent {
        span_id(parent)?;
    }
    Some(Claim { trace, state: state_of(*state)? })
}

/// Makes the valid field tell the verdict, and all else that it told.
pub fn agree(field: &[u8], sampled: bool, changes: &mut Changes) {
    let at = field.iter().position(|byte| *byte == b'-').map_or(0, |dash| dash.saturating_add(TRACE_ID_TO_STATE));
    let (before, told) = field.split_at_checked(at).unwrap_or((field, b""));
    let (dash, after): (&[u8], _) = match told {
        [state, ..] if state_of(*state).and_then(SamplingState::sampled) == Some(sampled) => return,
        [_, after @ ..] => (b"", after),
        [] => (b"-", told),
    };
    changes.set(HEADER, &[before, dash, digit(sampled), after]);
}

/// Begins a trace.
pub fn begin(root: &Root, changes: &mut Changes) {
    let (trace_id, span_id) = (trace_id_digits(root.trace_id), span_id_digits(root.span_id));
    changes.set(HEADER, &[&trace_id, b"-", &span_id, b"-", digit(root.sampled)]);
}

fn state_of(digit: u8) -> Option<SamplingState> {
    match digit {
        b'0' => Some(SamplingState::Denied),
        b'1' => Some(SamplingState::Accepted),
        b'd' => Some(SamplingState::Debug),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{formats::value_of, probability::Randomness};

    const IDS: &str = "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1";
    const TRACE_ID: u128 = 0x80f1_98ee_5634_3ba8_64fe_8b2a_57d3_eff7;

    fn claim(trace_id: u128, state: SamplingState) -> Option<Claim> {
        Some(Claim { trace: Some(Randomness::of_trace(trace_id)), state })
    }

    fn agreed(field: &str, sampled: bool) -> Option<String> {
        value_of(HEADER, |changes| agree(field.as_bytes(), sampled, changes))
    }

    #[test]
    fn the_examples_of_its_documentation_are_read() {
        for (field, expected) in [
            ("80f198ee56343ba864fe8b2a57d3eff7-05e3ac9a4f6e3b90-1-e457b5a2e4d86bd1", SamplingState::Accepted),
            ("80f198ee56343ba864fe8b2a57d3eff7-05e3ac9a4f6e3b90-1", SamplingState::Accepted),
            ("80f198ee56343ba864fe8b2a57d3eff7-05e3ac9a4f6e3b90-d", SamplingState::Debug),
            ("80f198ee56343ba864fe8b2a57d3eff7-05e3ac9a4f6e3b90-0", SamplingState::Denied),
            ("80f198ee56343ba864fe8b2a57d3eff7-05e3ac9a4f6e3b90", SamplingState::Deferred),
        ] {
            assert_eq!(read(field.as_bytes()), claim(TRACE_ID, expected), "{field}");
        }
        assert_eq!(read(b"0"), Some(Claim { trace: None, state: SamplingState::Denied }));
    }

    #[test]
    fn a_trace_id_may_have_64_bits() {
        let expected = claim(0x64fe_8b2a_57d3_eff7, SamplingState::Accepted);
        assert_eq!(read(b"64fe8b2a57d3eff7-e457b5a2e4d86bd1-1"), expected);
    }

    #[test]
    fn either_half_of_a_trace_id_may_be_zero() {
        for (high, low) in [(0, 1), (1, 0)] {
            let expected = claim((high << 64) | low, SamplingState::Accepted);
            assert_eq!(read(format!("{high:016x}{low:016x}-e457b5a2e4d86bd1-1").as_bytes()), expected);
        }
    }

    #[test]
    fn a_state_may_stand_alone() {
        for (field, state) in [("1", SamplingState::Accepted), ("d", SamplingState::Debug)] {
            assert_eq!(read(field.as_bytes()), Some(Claim { trace: None, state }));
        }
    }

    #[test]
    fn what_is_no_b3_is_invalid() {
        let state = format!("{IDS}-1");
        for field in [
            "",
            "-",
            "2",
            "dd",
            "true",
            "80f198ee56343ba864fe8b2a57d3eff7",
            "80f198ee56343ba864fe8b2a57d3eff7-",
            "80f198ee56343ba864fe8b2a57d3eff-e457b5a2e4d86bd1-1",
            "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd-1",
            "80F198EE56343BA864FE8B2A57D3EFF7-e457b5a2e4d86bd1-1",
            "00000000000000000000000000000000-e457b5a2e4d86bd1-1",
            "80f198ee56343ba864fe8b2a57d3eff7-0000000000000000-1",
            &format!("{IDS}-"),
            &format!("{IDS}-2"),
            &format!("{IDS}-11"),
            &format!("{IDS}-e457b5a2e4d86bd1"),
            &format!("{state}-"),
            &format!("{state}-e457b5a2e4d86bd"),
            &format!("{state}-e457b5a2e4d86bd1-1"),
            &format!("{state},{state}"),
            "1,1",
        ] {
            assert_eq!(read(field.as_bytes()), None, "{field:?}");
        }
    }

    #[test]
    fn only_the_state_changes() {
        for parent in ["", "-05e3ac9a4f6e3b90"] {
            let field = |state| format!("{IDS}-{state}{parent}");
            assert_eq!(agreed(&field('0'), true), Some(field('1')));
            assert_eq!(agreed(&field('1'), false), Some(field('0')));
            assert_eq!(agreed(&field('d'), false), Some(field('0')));
        }
        assert_eq!(agreed("0", true).as_deref(), Some("1"));
        assert_eq!(agreed("1", false).as_deref(), Some("0"));
    }

    #[test]
    fn a_deferring_field_gets_a_state() {
        assert_eq!(agreed(IDS, true), Some(format!("{IDS}-1")));
        assert_eq!(agreed(IDS, false), Some(format!("{IDS}-0")));
        assert_eq!(
            agreed("64fe8b2a57d3eff7-e457b5a2e4d86bd1", true).as_deref(),
            Some("64fe8b2a57d3eff7-e457b5a2e4d86bd1-1")
        );
    }

    #[test]
    fn a_field_that_tells_the_verdict_stays() {
        for (field, sampled) in [("0", false), ("1", true), ("d", true)] {
            assert_eq!(agreed(field, sampled), None);
            assert_eq!(agreed(&format!("{IDS}-{field}"), sampled), None);
            assert_eq!(agreed(&format!("{IDS}-{field}-05e3ac9a4f6e3b90"), sampled), None);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(field: Vec<u8>, sampled: bool) {
            read(&field);
            value_of(HEADER, |changes| agree(&field, sampled, changes));
        }

        #[test]
        fn nearly_valid_bytes_are_read(field in "[0-9a-f,-]{49,72}") {
            read(field.as_bytes());
        }

        #[test]
        fn what_begins_a_trace_reads_back(trace_id in 1..=u128::MAX, span_id in 1..=u64::MAX, sampled: bool) {
            let field = value_of(HEADER, |changes| begin(&Root { trace_id, span_id, sampled }, changes)).unwrap();
            prop_assert_eq!(read(field.as_bytes()), claim(trace_id, sampled.into()));
            prop_assert_eq!(agreed(&field, sampled), None);
        }

        #[test]
        fn a_verdict_reads_back_and_leaves_the_rest(
            ids in "([0-9a-f]{16}){1,2}-[0-9a-f]{15}1",
            rest in "(-[01d](-[0-9a-f]{16})?)?",
            sampled: bool,
        ) {
            let field = format!("{ids}{rest}");
            if let Some(told) = read(field.as_bytes()) {
                let after = agreed(&field, sampled).unwrap_or_else(|| field.clone());
                let claim = read(after.as_bytes()).unwrap();
                prop_assert_eq!((claim.trace, claim.state.sampled()), (told.trace, Some(sampled)));
                let state = match (sampled, rest.starts_with("-d")) {
                    (true, true) => 'd',
                    (true, false) => '1',
                    (false, _) => '0',
                };
                prop_assert_eq!(after, format!("{ids}-{state}{}", rest.get(2..).unwrap_or_default()));
            }
        }
    }
}
