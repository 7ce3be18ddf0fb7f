//! The `x-b3-*` headers of [B3 propagation](https://github.com/openzipkin/b3-propagation#multiple-headers).

use super::{Changes, Claim, Fields, Root, digit, span_id, span_id_digits, trace_id, trace_id_digits};
use crate::decision::SamplingState;

/// The names of the headers.
pub const HEADERS: [&str; 5] = [TRACE_ID, SPAN_ID, PARENT_SPAN_ID, SAMPLED, FLAGS];

const TRACE_ID: &str = "x-b3-traceid";
const SPAN_ID: &str = "x-b3-spanid";
const PARENT_SPAN_ID: &str = "x-b3-parentspanid";
const SAMPLED: &str = "x-b3-sampled";
const FLAGS: &str = "x-b3-flags";

/// Reads the headers' values, every line of each joined with `,`, which none may hold; `None` if one is malformed.
pub fn read([trace, span, parent, sampled, flags]: Fields<'_>) -> Option<Claim> {
    let trace = match (trace, span, parent) {
        (None, None, None) => None,
        (Some(trace), Some(span), parent) => {
            span_id(span).filter(|id| *id != 0)?;
            if let Some(parent) = parent {
                span_id(parent)?;
            }
            Some(trace_id(trace)?)
        }
        _ => return None,
    };
    let told = match sampled {
        Some(sampled) => state_of(sampled)?,
        None => SamplingState::Deferred,
    };
    let state = match flags {
        Some(DEBUG) => SamplingState::Debug,
        Some(flags) if flags.contains(&b',') => return None,
        _ => told,
    };
    Some(Claim { trace, state })
}

/// Makes the valid headers tell the verdict, and all else that they told.
pub fn agree([.., sampled, flags]: Fields<'_>, verdict: bool, changes: &mut Changes) {
    let debug = flags == Some(DEBUG);
    let told = match sampled {
        Some(sampled) => state_of(sampled).and_then(SamplingState::sampled),
        None => debug.then_some(true),
    };
    if told != Some(verdict) {
        changes.set(SAMPLED, &[digit(verdict)]);
    }
    if debug && !verdict {
        changes.remove(FLAGS);
    }
}

/// Begins a trace.
pub fn begin(root: &Root, changes: &mut Changes) {
    changes.remove(PARENT_SPAN_ID);
    changes.remove(FLAGS);
    changes.set(SAMPLED, &[digit(root.sampled)]);
    changes.set(SPAN_ID, &[&span_id_digits(root.span_id)]);
    changes.set(TRACE_ID, &[&trace_id_digits(root.trace_id)]);
}

/// The flags that mean something. Any other may be ignored.
const DEBUG: &[u8] = b"1";

/// Of `1` and `0`, or the words that tracers wrote before the format was specified.
fn state_of(sampled: &[u8]) -> Option<SamplingState> {
    match sampled {
        b"1" | b"true" => Some(SamplingState::Accepted),
        b"0" | b"false" => Some(SamplingState::Denied),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        action::{Change, HeaderChange},
        probability::Randomness,
    };

    const TRACE: &[u8] = b"463ac35c9f6413ad48485a3953bb6124";
    const SPAN: &[u8] = b"a2fb4a1d1a96d312";
    const PARENT: &[u8] = b"0020000000000001";

    fn under(sampled: Option<&'static str>, flags: Option<&'static str>) -> Fields<'static> {
        [Some(TRACE), Some(SPAN), Some(PARENT), sampled.map(str::as_bytes), flags.map(str::as_bytes)]
    }

    fn alone(sampled: Option<&'static str>, flags: Option<&'static str>) -> Fields<'static> {
        let [.., sampled, flags] = under(sampled, flags);
        [None, None, None, sampled, flags]
    }

    fn valid(state: SamplingState) -> Option<Claim> {
        let trace_id = 0x463a_c35c_9f64_13ad_4848_5a39_53bb_6124;
        Some(Claim { trace: Some(Randomness::of_trace(trace_id)), state })
    }

    fn agreed(fields: Fields<'_>, verdict: bool) -> Vec<HeaderChange> {
        let mut changes = Changes::default();
        agree(fields, verdict, &mut changes);
        changes.0
    }

    #[test]
    fn the_state_is_in_two_headers() {
        for (sampled, flags, state) in [
            (Some("1"), None, SamplingState::Accepted),
            (Some("0"), None, SamplingState::Denied),
            (None, None, SamplingState::Deferred),
            (None, Some("1"), SamplingState::Debug),
            (Some("1"), Some("1"), SamplingState::Debug),
            (Some("0"), Some("1"), SamplingState::Debug),
            (Some("1"), Some("0"), SamplingState::Accepted),
            (None, Some("2"), SamplingState::Deferred),
            (Some("true"), None, SamplingState::Accepted),
            (Some("false"), None, SamplingState::Denied),
        ] {
            assert_eq!(read(under(sampled, flags)), valid(state), "{sampled:?} {flags:?}");
        }
    }

    #[test]
    fn a_trace_id_may_have_64_bits_and_a_root_has_no_parent() {
        let [_, span, _, sampled, flags] = under(Some("1"), None);
        let trace = Some(Randomness::of_trace(0x4848_5a39_53bb_6124));
        let claim = Claim { trace, state: SamplingState::Accepted };
        assert_eq!(read([Some(b"48485a3953bb6124"), span, None, sampled, flags]), Some(claim));
    }

    #[test]
    fn a_state_may_stand_alone() {
        for (sampled, flags, state) in [
            (Some("0"), None, SamplingState::Denied),
            (Some("1"), None, SamplingState::Accepted),
            (None, Some("1"), SamplingState::Debug),
        ] {
            assert_eq!(read(alone(sampled, flags)), Some(Claim { trace: None, state }));
        }
    }

    #[test]
    fn flags_that_mean_nothing_say_nothing() {
        let nothing = Claim { trace: None, state: SamplingState::Deferred };
        assert_eq!(read(alone(None, Some("0"))), Some(nothing));
    }

    #[test]
    fn what_is_no_b3_is_invalid() {
        let [trace, span, parent, sampled, flags] = under(Some("1"), None);
        for fields in [
            [None, span, parent, sampled, flags],
            [trace, None, parent, sampled, flags],
            [None, None, parent, sampled, flags],
            [Some(b"463ac35c9f6413ad48485a3953bb612"), span, parent, sampled, flags],
            [Some(b"463AC35C9F6413AD48485A3953BB6124"), span, parent, sampled, flags],
            [Some(b"0000000000000000"), span, parent, sampled, flags],
            [Some(b""), span, parent, sampled, flags],
            [trace, Some(b"a2fb4a1d1a96d31"), parent, sampled, flags],
            [trace, Some(b"0000000000000000"), parent, sampled, flags],
            [trace, Some(b"a2fb4a1d1a96d312,a2fb4a1d1a96d312"), parent, sampled, flags],
            [trace, span, Some(b"garbage"), sampled, flags],
            under(Some("2"), None),
            under(Some(""), None),
            under(Some("True"), None),
            under(Some("yes"), Some("1")),
            under(Some("1,1"), None),
            under(Some("1"), Some("1,1")),
            alone(Some("x"), None),
        ] {
            assert_eq!(read(fields), None, "{fields:?}");
        }
    }

    #[test]
    fn only_the_state_changes() {
        let set = |verdict: bool| vec![(SAMPLED, Change::Set(digit(verdict).to_vec()))];
        for fields in [under, alone] {
            assert_eq!(agreed(fields(Some("0"), None), true), set(true));
            assert_eq!(agreed(fields(Some("true"), None), false), set(false));
            assert_eq!(agreed(fields(None, None), true), set(true));
            assert_eq!(agreed(fields(None, None), false), set(false));
            assert_eq!(agreed(fields(Some("0"), Some("1")), true), set(true), "debug implies accept");
        }
    }

    #[test]
    fn headers_that_tell_the_verdict_stay() {
        for (sampled, flags, verdict) in [
            (Some("1"), None, true),
            (Some("true"), None, true),
            (Some("0"), None, false),
            (Some("false"), Some("0"), false),
            (None, Some("1"), true),
            (Some("1"), Some("1"), true),
        ] {
            assert_eq!(agreed(under(sampled, flags), verdict), [], "{sampled:?} {flags:?}");
        }
    }

    fn after(fields: Fields<'_>, changes: Vec<HeaderChange>) -> [Option<Vec<u8>>; 5] {
        let mut fields = fields.map(|field| field.map(<[u8]>::to_vec));
        for (name, change) in changes {
            fields[HEADERS.iter().position(|header| *header == name).unwrap()] = match change {
                Change::Set(value) => Some(value),
                Change::Remove => None,
                Change::Keep => panic!("{name}: nothing to do"),
            };
        }
        fields
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(fields: [Option<Vec<u8>>; 5], verdict: bool) {
            let fields = fields.each_ref().map(Option::as_deref);
            read(fields);
            agreed(fields, verdict);
        }

        #[test]
        fn what_begins_a_trace_reads_back(
            trace_id in 1..=u128::MAX, span_id in 1..=u64::MAX, sampled: bool, junk: [Option<Vec<u8>>; 5],
        ) {
            let mut changes = Changes::default();
            begin(&Root { trace_id, span_id, sampled }, &mut changes);
            let fields = after(junk.each_ref().map(Option::as_deref), changes.0);
            let claim = Claim { trace: Some(Randomness::of_trace(trace_id)), state: sampled.into() };
            prop_assert_eq!(read(fields.each_ref().map(Option::as_deref)), Some(claim));
        }

        #[test]
        fn a_verdict_reads_back_and_leaves_the_ids(
            sampled in proptest::option::of("[01]|true|false"),
            flags in proptest::option::of("[012]"),
            verdict: bool,
        ) {
            let [trace, span, parent, ..] = under(None, None);
            let fields = [trace, span, parent, sampled.as_deref().map(str::as_bytes), flags.as_deref().map(str::as_bytes)];
            let fields = after(fields, agreed(fields, verdict));
            let after = fields.each_ref().map(Option::as_deref);
            prop_assert_eq!(&after[..3], &[trace, span, parent]);
            prop_assert_eq!(read(after).unwrap().state.sampled(), Some(verdict));
        }
    }
}
