//! The [`X-Amzn-Trace-Id` header of AWS X-Ray](https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader).

use super::{Changes, Claim, Root, cut, digit, span_id, span_id_digits, trace_id_digits};
use crate::{decision::SamplingState, lower_hex, ows, probability::Randomness};

/// The header's name.
pub const HEADER: &str = "x-amzn-trace-id";

/// Reads the field's value, every line of it joined with `,`, which none may hold; `None` if it is malformed.
///
/// Fields other than `Root`, `Parent` and `Sampled` are nobody's business, and `Root` alone is required.
pub fn read(field: &[u8]) -> Option<Claim> {
    if field.contains(&b',') {
        return None;
    }
    let (_, root) = find(field, b"Root").ok()??;
    if let Some((_, parent)) = find(field, b"Parent").ok()? {
        span_id(parent)?;
    }
    let state = match find(field, SAMPLED).ok()? {
        None | Some((_, b"?")) => SamplingState::Deferred,
        Some((_, b"0")) => SamplingState::Denied,
        Some((_, b"1")) => SamplingState::Accepted,
        Some(_) => return None,
    };
    Some(Claim { trace: Some(root_of(root)?), state })
}

/// Makes the valid field tell the verdict, and all else that it told.
pub fn agree(field: &[u8], sampled: bool, changes: &mut Changes) {
    let (before, key, after): (_, &[u8], _) = match find(field, SAMPLED) {
        Ok(Some((_, told))) if told == digit(sampled) => return,
        Ok(Some((at, _))) => {
            let (before, told) = field.split_at_checked(at).unwrap_or((field, b""));
            (before, b"", told.get(1..).unwrap_or_default())
        }
        Ok(None) | Err(Repeated) => (field.strip_suffix(b";").unwrap_or(field), b";Sampled=", b"".as_slice()),
    };
    changes.set(HEADER, &[before, key, digit(sampled), after]);
}

/// Begins a trace.
pub fn begin(root: &Root, changes: &mut Changes) {
    let (trace_id, span_id) = (trace_id_digits(root.trace_id), span_id_digits(root.span_id));
    let (time, unique) = trace_id.split_at(TIME);
    let parts = [b"Root=1-", time, b"-", unique, b";Parent=", &span_id, b";Sampled=", digit(root.sampled)];
    changes.set(HEADER, &parts);
}

const SAMPLED: &[u8] = b"Sampled";

/// The digits of a trace id that tell when the trace began.
const TIME: usize = 8;

/// The trace id of `1-58406520-a006649127e371903a2de979`.
fn root_of(root: &[u8]) -> Option<Randomness> {
    let (time, unique) = cut(root.strip_prefix(b"1-")?, b'-');
    let (high, low) = unique?.split_at_checked(TIME)?;
    if time.len() != TIME || low.len() != 16 {
        return None;
    }
    let low = lower_hex::parse(low)?;
    (lower_hex::parse(time)? | lower_hex::parse(high)? | low != 0).then(|| Randomness::of_trace(low.into()))
}

/// A key that comes more than once.
struct Repeated;

/// Where the value of this key begins, and the value.
fn find<'a>(field: &'a [u8], key: &[u8]) -> Result<Option<(usize, &'a [u8])>, Repeated> {
    let mut found = None;
    let mut rest = Some(field);
    while let Some(pairs) = rest {
        let (pair, others) = cut(pairs, b';');
        rest = others;
        let (name, value) = cut(pair, b'=');
        if let Some(value) = value
            && ows::trim(name).eq_ignore_ascii_case(key)
        {
            let value = value.trim_ascii_start();
            let left = others.map_or(0, |others| others.len().saturating_add(1)).saturating_add(value.len());
            if found.replace((field.len().saturating_sub(left), ows::trim(value))).is_some() {
                return Err(Repeated);
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::formats::value_of;

    const ROOT: &str = "Root=1-5759e988-bd862e3fe1be46a994272793";
    const TRACE_ID: u128 = 0x5759_e988_bd86_2e3f_e1be_46a9_9427_2793;

    fn claim(state: SamplingState) -> Option<Claim> {
        Some(Claim { trace: Some(Randomness::of_trace(TRACE_ID)), state })
    }

    fn agreed(field: &str, sampled: bool) -> Option<String> {
        value_of(HEADER, |changes| agree(field.as_bytes(), sampled, changes))
    }

    #[test]
    fn the_examples_of_its_documentation_are_read() {
        for (rest, state) in [
            (";Sampled=1", SamplingState::Accepted),
            (";Parent=53995c3f42cd8ad8;Sampled=1", SamplingState::Accepted),
            (";Parent=53995c3f42cd8ad8;Sampled=0", SamplingState::Denied),
            (";Parent=53995c3f42cd8ad8;Sampled=0;Lineage=a87bd80c:1|68fd508a:5|c512fbe3:2", SamplingState::Denied),
            (";Sampled=?", SamplingState::Deferred),
            ("", SamplingState::Deferred),
        ] {
            assert_eq!(read(format!("{ROOT}{rest}").as_bytes()), claim(state), "{rest}");
        }
    }

    #[test]
    fn fields_come_in_any_order_and_case_and_with_others() {
        for field in [
            format!("Sampled=1;Parent=53995c3f42cd8ad8;{ROOT}"),
            format!("Self=1-67891234-12456789abcdef012345678;{ROOT};CalledFrom=app;Sampled=1"),
            format!(" {ROOT}; Parent=53995c3f42cd8ad8; Sampled=1 "),
            format!("{ROOT};Sampled=1;"),
            format!("{ROOT};;Sampled=1;whatever"),
            "root=1-5759e988-bd862e3fe1be46a994272793;sampled=1".to_owned(),
        ] {
            assert_eq!(read(field.as_bytes()), claim(SamplingState::Accepted), "{field}");
        }
    }

    #[test]
    fn what_is_no_trace_header_is_invalid() {
        for field in [
            "",
            "garbage",
            "Sampled=1",
            "Parent=53995c3f42cd8ad8;Sampled=1",
            "Self=1-5759e988-bd862e3fe1be46a994272793",
            "Root=",
            "Root=1-5759e988-bd862e3fe1be46a99427279",
            "Root=1-5759e988-bd862e3fe1be46a9942727933",
            "Root=1-5759e98-8bd862e3fe1be46a994272793",
            "Root=1-5759e988bd862e3fe1be46a994272793",
            "Root=2-5759e988-bd862e3fe1be46a994272793",
            "Root=1-5759e98g-bd862e3fe1be46a994272793",
            "Root=1-5759E988-BD862E3FE1BE46A994272793",
            "Root=1-00000000-000000000000000000000000",
            &format!("{ROOT};Sampled=2"),
            &format!("{ROOT};Sampled="),
            &format!("{ROOT};Sampled=1;Sampled=1"),
            &format!("{ROOT};Sampled=1;sampled=0"),
            &format!("{ROOT};{ROOT}"),
            &format!("{ROOT};Parent=53995c3f42cd8ad"),
            &format!("{ROOT};Parent=;Sampled=1"),
            &format!("{ROOT};Sampled=1,{ROOT};Sampled=1"),
            &format!("{ROOT};Self=1,{ROOT};Sampled=1"),
        ] {
            assert_eq!(read(field.as_bytes()), None, "{field}");
        }
    }

    #[test]
    fn only_the_decision_changes() {
        for (field, sampled, expected) in [
            ("R;Sampled=0;Lineage=a:1", true, "R;Sampled=1;Lineage=a:1"),
            ("Sampled=1;R;Self=1-0", false, "Sampled=0;R;Self=1-0"),
            ("R; sampled = 1 ; Self=1", false, "R; sampled = 0 ; Self=1"),
            ("R;Sampled=?", true, "R;Sampled=1"),
            ("R;Sampled=?;", false, "R;Sampled=0;"),
        ] {
            let [field, expected] = [field, expected].map(|text| text.replace('R', ROOT));
            assert_eq!(agreed(&field, sampled), Some(expected), "{field}");
        }
    }

    #[test]
    fn a_deferring_field_gets_a_decision() {
        for (field, expected) in [("R", "R;Sampled=1"), ("R;Self=1;", "R;Self=1;Sampled=1")] {
            let [field, expected] = [field, expected].map(|text| text.replace('R', ROOT));
            assert_eq!(agreed(&field, true), Some(expected));
        }
    }

    #[test]
    fn a_field_that_tells_the_verdict_stays() {
        assert_eq!(agreed(&format!("{ROOT};Sampled=1"), true), None);
        assert_eq!(agreed(&format!("sampled=0;{ROOT}"), false), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(field: Vec<u8>, sampled: bool) {
            read(&field);
            value_of(HEADER, |changes| agree(&field, sampled, changes));
        }

        #[test]
        fn nearly_valid_bytes_are_read(
            field in "(((Root|Parent|Sampled|Self)=|;| |=)?(1-[0-9a-f]{8}-[0-9a-f]{24}|[0-9a-f]{16}|[01?]|;|,)){1,6}",
            sampled: bool,
        ) {
            if let Some(told) = read(field.as_bytes()) {
                let after = agreed(&field, sampled).unwrap_or_else(|| field.clone());
                prop_assert_eq!(read(after.as_bytes()), Some(Claim { state: sampled.into(), ..told }), "{}", after);
            }
        }

        #[test]
        fn what_begins_a_trace_reads_back(trace_id in 1..=u128::MAX, span_id in 1..=u64::MAX, sampled: bool) {
            let field = value_of(HEADER, |changes| begin(&Root { trace_id, span_id, sampled }, changes)).unwrap();
            let claim = Claim { trace: Some(Randomness::of_trace(trace_id)), state: sampled.into() };
            prop_assert_eq!(read(field.as_bytes()), Some(claim));
            prop_assert_eq!(agreed(&field, sampled), None);
        }

        #[test]
        fn a_verdict_leaves_the_rest(
            before in "([A-Z][a-z]{1,5}=[0-9:|a-f]{0,9};){0,2}",
            told in "[01?]",
            after in "(;[A-Z][a-z]{1,5}=[0-9:|a-f]{0,9}){0,2}",
            sampled: bool,
        ) {
            let told = format!("{before}{ROOT};Sampled={told}{after}");
            let digit = if sampled { "1" } else { "0" };
            let expected = format!("{before}{ROOT};Sampled={digit}{after}");
            prop_assert_eq!(agreed(&told, sampled).unwrap_or(told), expected);
        }
    }
}
