//! The `x-datadog-*` headers of [Datadog](https://docs.datadoghq.com/tracing/trace_collection/trace_context_propagation/).

use super::{Changes, Claim, Fields, Root, cut, span_id, span_id_digits};
use crate::{decision::SamplingState, ows, probability::Randomness};

/// The names of the headers.
pub const HEADERS: [&str; 5] = [TRACE_ID, PARENT_ID, PRIORITY, TAGS, ORIGIN];

const TRACE_ID: &str = "x-datadog-trace-id";
const PARENT_ID: &str = "x-datadog-parent-id";
const PRIORITY: &str = "x-datadog-sampling-priority";
const TAGS: &str = "x-datadog-tags";
const ORIGIN: &str = "x-datadog-origin";

/// The tag that holds the upper half of a trace id.
const UPPER_HALF: &[u8] = b"_dd.p.tid=";

/// Reads the headers' values, every line of each joined with `,`, which only the tags may hold; `None` if one is
/// malformed.
pub fn read([trace, parent, priority, tags, _]: Fields<'_>) -> Option<Claim> {
    let lower_half = decimal(trace?).filter(|id| *id != 0)?;
    // Datadog's synthetic tests have no span: they send 0.
    if let Some(parent) = parent {
        decimal(parent)?;
    }
    let mut has_upper_half = false;
    let mut rest = tags;
    while let Some(tags) = rest {
        let (tag, others) = cut(tags, b',');
        if let Some(upper_half) = ows::trim(tag).strip_prefix(UPPER_HALF) {
            span_id(upper_half).filter(|_| !has_upper_half)?;
            has_upper_half = true;
        }
        rest = others;
    }
    let state = match priority {
        Some(priority) => state_of(priority)?,
        None => SamplingState::Deferred,
    };
    Some(Claim { trace: Some(Randomness::of_trace(lower_half.into())), state })
}

/// Makes the valid headers tell the verdict, and all else that they told.
pub fn agree([_, _, priority, ..]: Fields<'_>, sampled: bool, changes: &mut Changes) {
    let told = priority.and_then(|priority| state_of(priority)?.sampled());
    if told != Some(sampled) {
        changes.set(PRIORITY, &[priority_of(sampled)]);
    }
}

/// Begins a trace.
pub fn begin(root: &Root, changes: &mut Changes) {
    let upper_half = span_id_digits((root.trace_id >> 64) as u64);
    changes.remove(ORIGIN);
    changes.set(TAGS, &[UPPER_HALF, &upper_half]);
    changes.set(PRIORITY, &[priority_of(root.sampled)]);
    changes.set(PARENT_ID, &[&decimal_digits(root.span_id)]);
    changes.set(TRACE_ID, &[&decimal_digits(root.trace_id as u64)]);
}

/// What a rule of the user decides: unlike `1` and `0`, no agent samples over it.
fn priority_of(sampled: bool) -> &'static [u8] {
    if sampled { b"2" } else { b"-1" }
}

fn state_of(priority: &[u8]) -> Option<SamplingState> {
    match priority {
        b"-1" | b"0" => Some(SamplingState::Denied),
        b"1" | b"2" => Some(SamplingState::Accepted),
        _ => None,
    }
}

fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, digit| {
        let value = digit.is_ascii_digit().then(|| digit.wrapping_sub(b'0'))?;
        number.checked_mul(10)?.checked_add(u64::from(value))
    })
}

fn decimal_digits(mut number: u64) -> Vec<u8> {
    let mut digits = Vec::with_capacity(20);
    loop {
        digits.push(b'0'.wrapping_add((number % 10) as u8));
        number /= 10;
        if number == 0 {
            break;
        }
    }
    digits.reverse();
    digits
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::action::Change;

    const TRACE: &str = "5208512171318403364";
    const DM_AND_TID: &str = "_dd.p.dm=-4,_dd.p.tid=66a1b2c300000000";
    const UPPER: u128 = 0x66a1_b2c3_0000_0000;
    const LOWER: u128 = 5_208_512_171_318_403_364;

    fn fields(priority: Option<&'static str>) -> Fields<'static> {
        [Some(TRACE), Some("67667974448284343"), priority, Some(DM_AND_TID), Some("rum")]
            .map(|field| field.map(str::as_bytes))
    }

    fn valid(trace_id: u128, state: SamplingState) -> Option<Claim> {
        Some(Claim { trace: Some(Randomness::of_trace(trace_id)), state })
    }

    /// The priority that is written, if one is.
    fn agreed(fields: Fields<'_>, sampled: bool) -> Option<String> {
        let mut changes = Changes::default();
        agree(fields, sampled, &mut changes);
        match changes.0.as_slice() {
            [] => None,
            [(PRIORITY, Change::Set(value))] => Some(String::from_utf8_lossy(value).into_owned()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_priority_above_zero_keeps_the_trace() {
        for (priority, state) in [
            (Some("-1"), SamplingState::Denied),
            (Some("0"), SamplingState::Denied),
            (Some("1"), SamplingState::Accepted),
            (Some("2"), SamplingState::Accepted),
            (None, SamplingState::Deferred),
        ] {
            assert_eq!(read(fields(priority)), valid((UPPER << 64) | LOWER, state), "{priority:?}");
        }
    }

    #[test]
    fn a_trace_id_may_have_64_bits() {
        let [trace, parent, priority, ..] = fields(Some("1"));
        for tags in [None, Some(&b""[..]), Some(b"_dd.p.dm=-4")] {
            let expected = valid(LOWER, SamplingState::Accepted);
            assert_eq!(read([trace, parent, priority, tags, None]), expected);
        }
    }

    #[test]
    fn a_synthetic_test_has_no_span() {
        for parent in [None, Some(&b"0"[..])] {
            let read = read([Some(b"1"), parent, Some(b"1"), None, Some(b"synthetics")]);
            assert_eq!(read, valid(1, SamplingState::Accepted));
        }
    }

    #[test]
    fn what_no_tracer_writes_is_invalid() {
        let [trace, parent, priority, tags, origin] = fields(Some("1"));
        for fields in [
            [None, parent, priority, tags, origin],
            [None, None, priority, None, None],
            [Some(b"0"), parent, priority, tags, origin],
            [Some(b""), parent, priority, tags, origin],
            [Some(b"-1"), parent, priority, tags, origin],
            [Some(b"12f"), parent, priority, tags, origin],
            [Some(b"18446744073709551616"), parent, priority, tags, origin],
            [Some(b"1,1"), parent, priority, tags, origin],
            [trace, Some(b"1,1"), priority, tags, origin],
            [trace, Some(b"x"), priority, tags, origin],
            [trace, parent, Some(b""), tags, origin],
            [trace, parent, Some(b"3"), tags, origin],
            [trace, parent, Some(b"1.0"), tags, origin],
            [trace, parent, Some(b"1,1"), tags, origin],
            [trace, parent, priority, Some(b"_dd.p.tid=66a1b2c30000000"), origin],
            [trace, parent, priority, Some(b"_dd.p.tid=66A1B2C300000000"), origin],
            [trace, parent, priority, Some(b"_dd.p.tid=66a1b2c300000000,_dd.p.tid=66a1b2c300000000"), origin],
        ] {
            assert_eq!(read(fields), None, "{fields:?}");
        }
    }

    #[test]
    fn a_decision_is_written_as_a_rule_of_the_user_makes_it() {
        for told in [Some("-1"), Some("0"), None] {
            assert_eq!(agreed(fields(told), true).as_deref(), Some("2"), "{told:?}");
        }
        for told in [Some("1"), Some("2"), None] {
            assert_eq!(agreed(fields(told), false).as_deref(), Some("-1"), "{told:?}");
        }
    }

    #[test]
    fn a_priority_that_tells_the_verdict_stays() {
        for (told, sampled) in [("-1", false), ("0", false), ("1", true), ("2", true)] {
            assert_eq!(agreed(fields(Some(told)), sampled), None, "{told}");
        }
    }

    #[test]
    fn a_trace_begins_in_decimal() {
        let mut changes = Changes::default();
        begin(&Root { trace_id: (UPPER << 64) | LOWER, span_id: u64::MAX, sampled: false }, &mut changes);
        assert_eq!(
            changes.0,
            [
                (ORIGIN, Change::Remove),
                (TAGS, Change::Set(b"_dd.p.tid=66a1b2c300000000".to_vec())),
                (PRIORITY, Change::Set(b"-1".to_vec())),
                (PARENT_ID, Change::Set(b"18446744073709551615".to_vec())),
                (TRACE_ID, Change::Set(TRACE.into())),
            ]
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(fields: [Option<Vec<u8>>; 5], sampled: bool) {
            let fields = fields.each_ref().map(Option::as_deref);
            read(fields);
            agreed(fields, sampled);
        }

        #[test]
        fn decimal_digits_read_back(number: u64) {
            prop_assert_eq!(decimal_digits(number), number.to_string().into_bytes());
            prop_assert_eq!(decimal(&decimal_digits(number)), Some(number));
        }

        #[test]
        fn what_begins_a_trace_reads_back(upper: u64, lower in 1..=u64::MAX, span_id in 1..=u64::MAX, sampled: bool) {
            let trace_id = (u128::from(upper) << 64) | u128::from(lower);
            let mut changes = Changes::default();
            begin(&Root { trace_id, span_id, sampled }, &mut changes);
            let fields = HEADERS.map(|name| {
                changes.0.iter().find_map(|change| match change {
                    (header, Change::Set(value)) if *header == name => Some(value.as_slice()),
                    _ => None,
                })
            });
            prop_assert_eq!(read(fields), valid(trace_id, sampled.into()));
            prop_assert_eq!(agreed(fields, sampled), None);
        }

        #[test]
        fn a_verdict_reads_back(priority in proptest::option::of("-1|[012]"), sampled: bool) {
            let [trace, parent, _, tags, origin] = fields(None);
            let told = [trace, parent, priority.as_deref().map(str::as_bytes), tags, origin];
            let agreed = agreed(told, sampled);
            let [_, _, before, ..] = told;
            let after = [trace, parent, agreed.as_deref().map(str::as_bytes).or(before), tags, origin];
            prop_assert_eq!(read(after), valid((UPPER << 64) | LOWER, sampled.into()));
        }
    }
}
