use super::*;

const NEVER: Probability = Probability::Never;
const ALWAYS: Probability = Probability::AtLeast(Threshold::NONE);

fn threshold(th: &str) -> Threshold {
    Threshold::decode(th.as_bytes()).unwrap()
}

fn half() -> Probability {
    Probability::AtLeast(threshold("8"))
}

fn policy(probability: Probability, parent: ParentPolicy) -> Policy {
    Policy { never: false, probability, parent }
}

/// A parent whose randomness, R, begins with these digits.
fn parent(sampled: bool, r: &str, th: Option<&str>) -> Parent {
    let traceparent = Traceparent { trace_id: 1 << 100, parent_id: 1, sampled, random: true };
    let randomness = Randomness::decode(format!("{r:0<14}").as_bytes());
    assert!(randomness.is_some());
    Parent { traceparent, randomness, threshold: th.map(threshold) }
}

fn decide(policy: Policy, parent: &Parent) -> Verdict {
    continued(policy, false, parent, UnknownRandomness::Assume)
}

fn verdict(sampled: bool, reason: Reason, threshold: KnownThreshold) -> Verdict {
    Verdict::new(sampled, reason, threshold)
}

#[test]
fn a_never_rule_wins_over_force_and_over_a_sampled_parent() {
    let never = Policy { never: true, ..policy(NEVER, ParentPolicy::Respect) };
    let expected = verdict(false, Reason::Never, KnownThreshold::Unknown);
    assert_eq!(continued(never, true, &parent(true, "f", None), UnknownRandomness::Assume), expected);
    assert_eq!(root(never, true, Randomness::of_trace(u128::MAX)), expected);
}

#[test]
fn force_wins_over_an_unsampled_parent_and_over_zero_percent() {
    let expected = verdict(true, Reason::Forced, KnownThreshold::Unknown);
    let policy = policy(NEVER, ParentPolicy::Respect);
    assert_eq!(continued(policy, true, &parent(false, "0", None), UnknownRandomness::Assume), expected);
    assert_eq!(root(policy, true, Randomness::of_trace(0)), expected);
}

#[test]
fn a_respected_parent_decides_either_way() {
    for probability in [NEVER, ALWAYS, half()] {
        let policy = policy(probability, ParentPolicy::Respect);
        let sampled = decide(policy, &parent(true, "0", None));
        assert_eq!(sampled, verdict(true, Reason::Parent, KnownThreshold::Unknown));
        let unsampled = decide(policy, &parent(false, "f", None));
        assert_eq!(unsampled, verdict(false, Reason::Parent, KnownThreshold::Unknown));
    }
}

#[test]
fn an_ignored_parent_decides_nothing() {
    let ignore = |probability| policy(probability, ParentPolicy::Ignore);
    let sampled = verdict(true, Reason::Probability, KnownThreshold::Is(threshold("8")));
    let unsampled = verdict(false, Reason::Probability, KnownThreshold::Unknown);
    assert_eq!(decide(ignore(half()), &parent(false, "8", None)), sampled);
    assert_eq!(decide(ignore(half()), &parent(true, "7f", None)), unsampled);
    assert_eq!(decide(ignore(NEVER), &parent(true, "f", None)), unsampled);
}

#[test]
fn a_parent_respected_if_sampled_leaves_the_rest_to_the_rule() {
    let policy = policy(half(), ParentPolicy::RespectIfSampled);
    assert_eq!(decide(policy, &parent(true, "0", None)), verdict(true, Reason::Parent, KnownThreshold::Unknown));
    assert_eq!(
        decide(policy, &parent(false, "8", None)),
        verdict(true, Reason::Probability, KnownThreshold::Is(threshold("8")))
    );
    assert_eq!(decide(policy, &parent(false, "7", None)), verdict(false, Reason::Probability, KnownThreshold::Unknown));
}

#[test]
fn a_parents_threshold_is_inherited_if_it_agrees_with_its_decision() {
    let policy = policy(half(), ParentPolicy::Respect);
    let known = |sampled, r, th| decide(policy, &parent(sampled, r, Some(th))).threshold;
    assert_eq!(known(true, "c", "c"), KnownThreshold::Inherited);
    assert_eq!(known(true, "b", "c"), KnownThreshold::Unknown, "R < T, and still sampled");
    assert_eq!(known(false, "c", "c"), KnownThreshold::Unknown, "not sampled");
}

#[test]
fn of_two_thresholds_that_both_sample_the_lower_one_holds() {
    let known = |probability, th| {
        decide(policy(probability, ParentPolicy::RespectIfSampled), &parent(true, "e", Some(th))).threshold
    };
    assert_eq!(known(ALWAYS, "c"), KnownThreshold::Is(Threshold::NONE));
    assert_eq!(known(half(), "c"), KnownThreshold::Is(threshold("8")));
    assert_eq!(known(half(), "4"), KnownThreshold::Inherited);
    assert_eq!(known(NEVER, "4"), KnownThreshold::Inherited);
    assert_eq!(known(half(), "f"), KnownThreshold::Unknown, "the parent contradicts itself");
}

#[test]
fn explicit_randomness_wins_over_the_trace_id() {
    let policy = policy(half(), ParentPolicy::Ignore);
    let explicit = parent(false, "f", None);
    assert!(decide(policy, &explicit).sampled);
    assert!(!decide(policy, &Parent { randomness: None, ..explicit }).sampled, "whose last bits are 0");
}

#[test]
fn a_trace_id_that_nobody_calls_random_is_taken_for_random_and_counted() {
    let mut unknown = Parent { randomness: None, ..parent(false, "0", None) };
    unknown.traceparent = Traceparent { trace_id: u128::MAX, random: false, ..unknown.traceparent };
    let verdict = decide(policy(half(), ParentPolicy::Ignore), &unknown);
    assert!(verdict.sampled);
    assert!(verdict.randomness_assumed);
    assert_eq!(verdict.threshold, KnownThreshold::Is(threshold("8")));
}

#[test]
fn or_it_decides_without_claiming_a_probability() {
    let mut unknown = Parent { randomness: None, ..parent(false, "0", None) };
    unknown.traceparent = Traceparent { trace_id: u128::MAX, random: false, ..unknown.traceparent };
    let policy = policy(half(), ParentPolicy::Ignore);
    let expected = verdict(true, Reason::Probability, KnownThreshold::Unknown);
    assert_eq!(continued(policy, false, &unknown, UnknownRandomness::EraseThreshold), expected);

    unknown.traceparent.random = true;
    let expected = verdict(true, Reason::Probability, KnownThreshold::Is(threshold("8")));
    assert_eq!(continued(policy, false, &unknown, UnknownRandomness::EraseThreshold), expected);
}

#[test]
fn a_hundred_percent_needs_no_randomness() {
    let mut unknown = Parent { randomness: None, ..parent(false, "0", None) };
    unknown.traceparent.random = false;
    let policy = policy(ALWAYS, ParentPolicy::RespectIfSampled);
    let expected = verdict(true, Reason::Probability, KnownThreshold::Is(Threshold::NONE));
    assert_eq!(continued(policy, false, &unknown, UnknownRandomness::EraseThreshold), expected);
    assert_eq!(decide(policy, &unknown), expected);
}

#[test]
fn a_root_is_decided_by_probability() {
    let policy = policy(half(), ParentPolicy::Respect);
    let sampled = root(policy, false, Randomness::of_trace(0x80_0000_0000_0000));
    assert_eq!(sampled, verdict(true, Reason::Probability, KnownThreshold::Is(threshold("8"))));
    let unsampled = root(policy, false, Randomness::of_trace(0x7f_ffff_ffff_ffff));
    assert_eq!(unsampled, verdict(false, Reason::Probability, KnownThreshold::Unknown));
}
