use proptest::prelude::*;

use super::*;
use crate::{
    action::Events,
    context::Others,
    decision::{ParentPolicy, Policy, Reason},
    probability::{Probability, Randomness, Threshold},
    traceparent,
};

const SAMPLED: &str = "00-12345678901234567890123456789012-1234567890123456-01";
const UNSAMPLED: &str = "00-12345678901234567890123456789012-1234567890123456-00";
const FRESH: Entropy = [0xab; 24];

const PLAIN: Propagation = Propagation {
    parent_id: ParentIdPolicy::OnChange,
    emit_unsampled_roots: true,
    write_threshold: true,
    on_unknown_randomness: UnknownRandomness::Assume,
};

fn at_least(th: &str) -> Probability {
    Probability::AtLeast(Threshold::decode(th.as_bytes()).unwrap())
}

fn policy(probability: Probability, parent: ParentPolicy) -> Policy {
    Policy { never: false, probability, parent }
}

fn respect(probability: Probability) -> Policy {
    policy(probability, ParentPolicy::Respect)
}

fn ignore(probability: Probability) -> Policy {
    policy(probability, ParentPolicy::Ignore)
}

fn decide(propagation: Propagation, policy: Policy, traceparent: Option<&str>, tracestate: Option<&str>) -> Outcome {
    let context = Context::new(
        traceparent::read(traceparent.map(str::as_bytes)),
        tracestate.map(str::as_bytes),
        Others::default(),
    );
    propagation.decide(Judge::unlimited(policy, false), context, || FRESH)
}

/// What the upstream would read: the headers as text, after the action.
fn headers(outcome: &Outcome, traceparent: Option<&str>, tracestate: Option<&str>) -> (Option<String>, Option<String>) {
    let text = |bytes: &[u8]| Some(String::from_utf8(bytes.to_vec()).unwrap());
    let traceparent = match &outcome.action.traceparent {
        Change::Keep => traceparent.map(str::to_owned),
        Change::Set(field) => text(field),
        Change::Remove => None,
    };
    let tracestate = match &outcome.action.tracestate {
        Change::Keep => tracestate.map(str::to_owned),
        Change::Set(field) => text(field),
        Change::Remove => None,
    };
    (traceparent, tracestate)
}

fn traceparent_after(propagation: Propagation, policy: Policy, inbound: &str) -> String {
    let outcome = decide(propagation, policy, Some(inbound), None);
    headers(&outcome, Some(inbound), None).0.unwrap()
}

fn tracestate_after(policy: Policy, traceparent: &str, tracestate: &str) -> Option<String> {
    let outcome = decide(PLAIN, policy, Some(traceparent), Some(tracestate));
    headers(&outcome, Some(traceparent), Some(tracestate)).1
}

fn set_text(change: &Change<[u8; traceparent::LENGTH]>) -> &str {
    match change {
        Change::Set(field) => std::str::from_utf8(field).unwrap(),
        other => panic!("{other:?}"),
    }
}

// T1 to T3: roots and restarts.

#[test]
fn a_request_without_a_trace_gets_one() {
    let outcome = decide(PLAIN, respect(at_least("0")), None, None);
    assert_eq!(set_text(&outcome.action.traceparent), "00-abababababababababababababababab-abababababababab-03");
    assert_eq!(outcome.action.tracestate, Change::Set(b"ot=th:0".to_vec()));
    assert_eq!(outcome.events, Events::default());
}

#[test]
fn an_unsampled_root_says_so() {
    let outcome = decide(PLAIN, respect(Probability::Never), None, None);
    assert_eq!(set_text(&outcome.action.traceparent), "00-abababababababababababababababab-abababababababab-02");
    assert_eq!(outcome.action.tracestate, Change::Keep);
}

#[test]
fn an_unsampled_root_may_be_left_without_a_traceparent() {
    let silent = Propagation { emit_unsampled_roots: false, ..PLAIN };
    let never = respect(Probability::Never);
    assert_eq!(decide(silent, never, None, None).action, Action::default());
    assert_eq!(decide(silent, never, None, Some("foo=1")).action.tracestate, Change::Remove);
    assert_eq!(decide(silent, never, Some("garbage"), None).action.traceparent, Change::Remove);
    let sampled = decide(silent, respect(at_least("0")), None, None);
    assert!(matches!(sampled.action.traceparent, Change::Set(_)));
}

#[test]
fn an_invalid_traceparent_restarts_the_trace_and_drops_its_state() {
    let duplicated = format!("{SAMPLED},{SAMPLED}");
    for broken in ["", "garbage", &duplicated, &SAMPLED.replace("00-", "ff-")] {
        let outcome = decide(PLAIN, respect(Probability::Never), Some(broken), Some("foo=1"));
        assert_eq!(set_text(&outcome.action.traceparent), "00-abababababababababababababababab-abababababababab-02");
        assert_eq!(outcome.action.tracestate, Change::Remove);
        let expected = Events { invalid_context: true, restarted: true, tracestate_dropped: true, ..Events::default() };
        assert_eq!(outcome.events, expected);
        assert_eq!(outcome.verdict.reason, Reason::Probability);
    }
}

#[test]
fn an_untrusted_parent_is_restarted() {
    let context =
        Context::new(traceparent::read(Some(SAMPLED.as_bytes())), Some(b"foo=1"), Others::default()).distrusted();
    let outcome = PLAIN.decide(Judge::unlimited(respect(Probability::Never), false), context, || FRESH);
    assert!(!outcome.verdict.sampled, "the parent's flag counts for nothing");
    assert_eq!(set_text(&outcome.action.traceparent), "00-abababababababababababababababab-abababababababab-02");
    assert_eq!(outcome.action.tracestate, Change::Remove);
    let expected = Events { untrusted_parent: true, restarted: true, tracestate_dropped: true, ..Events::default() };
    assert_eq!(outcome.events, expected);
}

#[test]
fn a_restarted_trace_carries_our_threshold_only() {
    let outcome = decide(PLAIN, respect(at_least("0")), Some("garbage"), Some("foo=1,ot=th:8;a:1"));
    assert_eq!(outcome.action.tracestate, Change::Set(b"ot=th:0".to_vec()));
}

// T4: flags.

#[test]
fn a_parent_that_is_kept_costs_no_write_and_no_randomness() {
    for field in [SAMPLED, UNSAMPLED, &SAMPLED.replace("-01", "-03")] {
        let inbound = traceparent::read(Some(field.as_bytes()));
        let context = Context::new(inbound, Some(b"foo=1,ot=a:1"), Others::default());
        let outcome = PLAIN
            .decide(Judge::unlimited(respect(at_least("8")), false), context, || panic!("no randomness is needed"));
        assert_eq!(outcome.action, Action::default(), "{field}");
        assert_eq!(outcome.events, Events::default());
    }
}

#[test]
fn the_random_flag_stays_as_it_came() {
    let sample = ignore(at_least("0"));
    assert!(traceparent_after(PLAIN, sample, &UNSAMPLED.replace("-00", "-02")).ends_with("-03"));
    assert!(traceparent_after(PLAIN, sample, UNSAMPLED).ends_with("-01"));
    let drop = ignore(Probability::Never);
    assert!(traceparent_after(PLAIN, drop, &SAMPLED.replace("-01", "-03")).ends_with("-02"));
}

#[test]
fn a_higher_version_goes_on_as_version_00_without_the_random_flag() {
    let future = "cc-12345678901234567890123456789012-1234567890123456-03-what-the-future";
    assert_eq!(traceparent_after(PLAIN, respect(Probability::Never), future), SAMPLED);
}

#[test]
fn flags_without_a_meaning_are_cleared() {
    let flags = UNSAMPLED.replace("-00", "-fc");
    assert_eq!(traceparent_after(PLAIN, respect(Probability::Never), &flags), UNSAMPLED);
}

// T5: the list beyond what its own tests say.

#[test]
fn a_tracestate_without_a_traceparent_is_dropped() {
    let outcome = decide(PLAIN, respect(Probability::Never), None, Some("foo=1"));
    assert_eq!(outcome.action.tracestate, Change::Remove);
    assert_eq!(outcome.events, Events { tracestate_dropped: true, ..Events::default() });
}

#[test]
fn a_malformed_tracestate_is_dropped_and_the_trace_goes_on() {
    let outcome = decide(PLAIN, respect(Probability::Never), Some(SAMPLED), Some("foo=1,BAR=2"));
    assert_eq!(outcome.action, Action { tracestate: Change::Remove, ..Action::default() });
    assert_eq!(outcome.events, Events { tracestate_dropped: true, ..Events::default() });

    let outcome = decide(PLAIN, ignore(at_least("0")), Some(SAMPLED), Some("foo=1,BAR=2"));
    assert_eq!(outcome.action.tracestate, Change::Set(b"ot=th:0".to_vec()));
}

#[test]
fn an_empty_tracestate_is_taken_away() {
    for empty in ["", " ", ","] {
        let outcome = decide(PLAIN, respect(Probability::Never), Some(SAMPLED), Some(empty));
        assert_eq!(outcome.action.tracestate, Change::Remove);
        assert_eq!(outcome.events, Events::default());
    }
}

#[test]
fn an_ot_member_without_room_is_counted() {
    let full = format!("ot=a:{}", "v".repeat(254));
    let outcome = decide(PLAIN, ignore(at_least("0")), Some(UNSAMPLED), Some(&full));
    assert_eq!(outcome.action.tracestate, Change::Keep);
    assert!(outcome.events.ot_too_long);
}

// Thresholds.

#[test]
fn a_trace_sampled_by_probability_tells_its_threshold_and_keeps_its_randomness() {
    let after = tracestate_after(ignore(at_least("8")), UNSAMPLED, "foo=1,ot=a:1;rv:f0000000000000;th:c");
    assert_eq!(after.as_deref(), Some("ot=th:8;a:1;rv:f0000000000000,foo=1"));
}

#[test]
fn an_unsampled_trace_has_no_threshold_but_keeps_its_randomness() {
    for (policy, parent) in [
        (ignore(Probability::Never), SAMPLED),
        (respect(at_least("0")), UNSAMPLED),
        (Policy { never: true, ..respect(Probability::Never) }, SAMPLED),
    ] {
        let after = tracestate_after(policy, parent, "foo=1,ot=th:0;rv:f0000000000000");
        assert_eq!(after.as_deref(), Some("ot=rv:f0000000000000,foo=1"));
    }
}

#[test]
fn a_forced_trace_has_no_known_probability() {
    let context = Context::new(traceparent::read(Some(SAMPLED.as_bytes())), Some(b"ot=th:0,foo=1"), Others::default());
    let outcome = PLAIN.decide(Judge::unlimited(respect(at_least("0")), true), context, || FRESH);
    assert_eq!(outcome.action.tracestate, Change::Set(b"foo=1".to_vec()));

    let root = Context::new(Inbound::Absent, None, Others::default());
    let outcome = PLAIN.decide(Judge::unlimited(respect(at_least("0")), true), root, || FRESH);
    assert_eq!(outcome.action.tracestate, Change::Keep);
    assert!(set_text(&outcome.action.traceparent).ends_with("-03"));
}

#[test]
fn a_sampled_parents_threshold_stays_unless_it_contradicts_the_randomness() {
    let policy = respect(Probability::Never);
    assert_eq!(
        tracestate_after(policy, SAMPLED, "ot=rv:80000000000000;th:8").as_deref(),
        Some("ot=rv:80000000000000;th:8")
    );
    assert_eq!(tracestate_after(policy, SAMPLED, "ot=rv:7fffffffffffff;th:8").as_deref(), Some("ot=rv:7fffffffffffff"));
    assert_eq!(tracestate_after(policy, SAMPLED, "foo=1,ot=th:zz").as_deref(), Some("foo=1"));
}

#[test]
fn a_threshold_that_is_not_ours_to_write_is_left_alone() {
    let quiet = Propagation { write_threshold: false, ..PLAIN };
    let outcome = decide(quiet, ignore(at_least("0")), Some(UNSAMPLED), Some("foo=1,ot=th:8"));
    assert_eq!(outcome.action.tracestate, Change::Keep);
    assert_eq!(decide(quiet, ignore(at_least("0")), None, None).action.tracestate, Change::Keep);
}

#[test]
fn explicit_randomness_is_honoured_even_if_no_threshold_is_written() {
    let quiet = Propagation { write_threshold: false, ..PLAIN };
    let outcome = decide(quiet, ignore(at_least("8")), Some(UNSAMPLED), Some("ot=rv:f0000000000000"));
    assert!(outcome.verdict.sampled);
    let outcome = decide(quiet, ignore(at_least("8")), Some(UNSAMPLED), Some("ot=rv:00000000000000"));
    assert!(!outcome.verdict.sampled);
}

// T6: the parent id.

#[test]
fn the_parent_id_changes_with_the_sampled_flag() {
    let expected = "00-12345678901234567890123456789012-abababababababab-01";
    assert_eq!(traceparent_after(PLAIN, ignore(at_least("0")), UNSAMPLED), expected);
    assert_eq!(traceparent_after(PLAIN, ignore(at_least("0")), SAMPLED), SAMPLED);
}

#[test]
fn the_parent_id_may_change_always() {
    let always = Propagation { parent_id: ParentIdPolicy::Always, ..PLAIN };
    let expected = "00-12345678901234567890123456789012-abababababababab-01";
    assert_eq!(traceparent_after(always, respect(Probability::Never), SAMPLED), expected);
}

#[test]
fn the_parent_id_may_be_preserved() {
    let preserve = Propagation { parent_id: ParentIdPolicy::Preserve, ..PLAIN };
    assert_eq!(traceparent_after(preserve, ignore(at_least("0")), UNSAMPLED), SAMPLED);
}

#[test]
fn a_new_parent_id_is_never_the_old_one() {
    let always = Propagation { parent_id: ParentIdPolicy::Always, ..PLAIN };
    let same = "00-12345678901234567890123456789012-abababababababab-01";
    let after = traceparent_after(always, respect(Probability::Never), same);
    assert_eq!(after, "00-12345678901234567890123456789012-abababababababac-01");

    let last = "00-12345678901234567890123456789012-ffffffffffffffff-01";
    let context = Context::new(traceparent::read(Some(last.as_bytes())), None, Others::default());
    let outcome = always.decide(Judge::unlimited(respect(Probability::Never), false), context, || [0xff; 24]);
    assert_eq!(set_text(&outcome.action.traceparent), "00-12345678901234567890123456789012-0000000000000001-01");
}

proptest! {
    #[test]
    fn whatever_comes_in_what_goes_out_is_valid_and_needs_no_second_pass(
        traceparent in proptest::option::of("[0c]{2}-[0-9a-f]{32}-[0-9a-f]{16}-0[0-9a-f]|.{0,60}"),
        tracestate in proptest::option::of("(ot=(th:[0-9a-f]{1,6}|rv:[0-9a-f]{14})(;rv:[0-9a-f]{14})?,)?[a-z]=[a-z]{0,2}|.{0,40}"),
        th in "[0-9a-f]{1,6}",
        ignores: bool,
        forced: bool,
        entropy: [u8; 24],
    ) {
        let policy = if ignores { ignore(at_least(&th)) } else { respect(at_least(&th)) };
        let context = |traceparent: Option<&str>, tracestate: Option<&str>| (
            traceparent::read(traceparent.map(str::as_bytes)),
            tracestate.map(|field| field.as_bytes().to_vec()),
        );
        let run = |traceparent: Option<&str>, tracestate: Option<&str>| {
            let (inbound, list) = context(traceparent, tracestate);
            let context = Context::new(inbound, list.as_deref(), Others::default());
            PLAIN.decide(Judge::unlimited(policy, forced), context, || entropy)
        };
        let first = run(traceparent.as_deref(), tracestate.as_deref());
        let (traceparent, tracestate) = headers(&first, traceparent.as_deref(), tracestate.as_deref());

        let inbound = traceparent::read(traceparent.as_deref().map(str::as_bytes));
        let Inbound::Valid { traceparent: outbound, canonical: true } = inbound else {
            return Err(TestCaseError::fail(format!("{traceparent:?}")));
        };
        prop_assert_eq!(outbound.sampled, first.verdict.sampled);
        if let Some(field) = &tracestate {
            let list = Tracestate::parse(field.as_bytes());
            prop_assert!(list.is_ok_and(|list| {
                list.threshold().is_none_or(|threshold| {
                    let randomness = list.randomness().unwrap_or(Randomness::of_trace(outbound.trace_id));
                    outbound.sampled && threshold.admits(randomness)
                })
            }), "{:?}", field);
        }

        let second = run(traceparent.as_deref(), tracestate.as_deref());
        prop_assert_eq!(second.verdict.sampled, first.verdict.sampled);
        prop_assert_eq!(second.action, Action::default());
    }
}
