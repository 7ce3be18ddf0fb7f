//! What those that find no room share, and what becomes of it when they find some.

use super::*;

fn take(shard: &mut Shard, policy: &Policy, whose: Whose) -> bool {
    shard.at(NOW, |table| policy.ask(table, NAMES, whose, ONE, SLOTS)).unwrap().decision.admitted
}

#[test]
fn a_key_that_finds_room_begins_with_what_those_that_share_have_left() {
    for policy in [rate(5), Policy::Quota { count: 5, unit: Unit::Day }] {
        let mut shard = Shard::new();
        assert!((0..3).all(|_| take(&mut shard, &policy, Whose::Shared)));
        assert_eq!((0..9).filter(|_| take(&mut shard, &policy, Whose::Own)).count(), 2, "{policy:?}");
        assert_eq!((0..9).filter(|_| take(&mut shard, &policy, Whose::Shared)).count(), 2, "theirs");
    }
}

#[test]
fn a_key_that_finds_room_inherits_no_debt() {
    let policy = Policy::Rate(Gcra::new(1, SECOND, 5, true).unwrap());
    let mut shard = Shard::new();
    shard.at(NOW, |table| policy.charge(table, NAMES, Whose::Shared, 1_000, SLOTS)).unwrap();
    assert_eq!(shard.ask(&policy, NOW).decision.retry, Some(SECOND));
}

#[test]
fn places_that_are_shared_count_against_each_that_may_have_them() {
    let policy = Policy::Concurrency { count: 5, max_duration: 8 * SECOND };
    let mut shard = Shard::new();
    assert!((0..3).all(|_| take(&mut shard, &policy, Whose::Own)));
    assert_eq!((0..9).filter(|_| take(&mut shard, &policy, Whose::Shared)).count(), 2);
    let mut shard = Shard::new();
    assert!((0..3).all(|_| take(&mut shard, &policy, Whose::Shared)));
    assert_eq!((0..9).filter(|_| take(&mut shard, &policy, Whose::Own)).count(), 2);
}
