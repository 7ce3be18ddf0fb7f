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
    let randomness = Randomness::decode(format!("{r:0<14}").as_bytes()).unwrap();
    Parent { randomness, is_random: true, state: sampled.into(), threshold: th.map(threshold) }
}

/// A parent that decides nothing, as of a trace that begins.
fn root(r: &str) -> Parent {
    Parent { state: SamplingState::Deferred, ..parent(false, r, None) }
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
    assert_eq!(continued(never, true, &root("f"), UnknownRandomness::Assume), expected);
}

#[test]
fn force_wins_over_an_unsampled_parent_and_over_zero_percent() {
    let expected = verdict(true, Reason::Forced, KnownThreshold::Unknown);
    let policy = policy(NEVER, ParentPolicy::Respect);
    assert_eq!(continued(policy, true, &parent(false, "0", None), UnknownRandomness::Assume), expected);
    assert_eq!(continued(policy, true, &root("0"), UnknownRandomness::Assume), expected);
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
fn a_trace_id_that_nobody_calls_random_is_taken_for_random_and_counted() {
    let unknown = Parent { is_random: false, ..parent(false, "f", None) };
    let verdict = decide(policy(half(), ParentPolicy::Ignore), &unknown);
    assert!(verdict.sampled);
    assert!(verdict.randomness_assumed);
    assert_eq!(verdict.threshold, KnownThreshold::Is(threshold("8")));
}

#[test]
fn or_it_decides_without_claiming_a_probability() {
    let unknown = Parent { is_random: false, ..parent(false, "f", None) };
    let policy = policy(half(), ParentPolicy::Ignore);
    let expected = verdict(true, Reason::Probability, KnownThreshold::Unknown);
    assert_eq!(continued(policy, false, &unknown, UnknownRandomness::EraseThreshold), expected);

    let random = Parent { is_random: true, ..unknown };
    let expected = verdict(true, Reason::Probability, KnownThreshold::Is(threshold("8")));
    assert_eq!(continued(policy, false, &random, UnknownRandomness::EraseThreshold), expected);
}

#[test]
fn a_hundred_percent_needs_no_randomness() {
    let unknown = Parent { is_random: false, ..parent(false, "0", None) };
    let policy = policy(ALWAYS, ParentPolicy::RespectIfSampled);
    let expected = verdict(true, Reason::Probability, KnownThreshold::Is(Threshold::NONE));
    assert_eq!(continued(policy, false, &unknown, UnknownRandomness::EraseThreshold), expected);
    assert_eq!(decide(policy, &unknown), expected);
}

#[test]
fn a_parent_that_decides_nothing_leaves_it_to_the_rule_whatever_the_policy() {
    for parent_policy in [ParentPolicy::Respect, ParentPolicy::RespectIfSampled, ParentPolicy::Ignore] {
        let policy = policy(half(), parent_policy);
        let sampled = verdict(true, Reason::Probability, KnownThreshold::Is(threshold("8")));
        assert_eq!(decide(policy, &root("8")), sampled);
        assert_eq!(decide(policy, &root("7")), verdict(false, Reason::Probability, KnownThreshold::Unknown));
    }
}

#[test]
fn a_parent_that_debugs_wins_over_every_rule() {
    let never = Policy { never: true, ..policy(NEVER, ParentPolicy::Ignore) };
    let debug = Parent { state: SamplingState::Debug, ..parent(true, "f", Some("c")) };
    let expected = verdict(true, Reason::Debug, KnownThreshold::Unknown);
    for policy in [never, policy(NEVER, ParentPolicy::Ignore), policy(half(), ParentPolicy::Respect)] {
        assert_eq!(decide(policy, &debug), expected);
    }
}
