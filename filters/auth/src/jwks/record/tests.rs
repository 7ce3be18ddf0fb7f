use proptest::prelude::*;

use super::*;

const POLICY: Policy = Policy { source: [7; 16], refresh: 600_000, stale_ttl: 3_600_000, timeout: 5_000 };

/// Some time in 2026.
const T0: Millis = 1_790_000_000_000;

fn fetched() -> Record {
    let record = Record::new(&POLICY).begin(T0, Reason::Due, &POLICY).unwrap();
    record.succeeded(T0, [1; 16], 0, &POLICY)
}

#[test]
fn what_nobody_has_fetched_is_due_at_once() {
    assert_eq!(Record::new(&POLICY).next(T0, Reason::Due, &POLICY), Next::Fetch);
    assert_eq!(Record::new(&POLICY).fetched(), None);
}

#[test]
fn while_one_fetches_nobody_else_does() {
    let begun = Record::new(&POLICY).begin(T0, Reason::Due, &POLICY).unwrap();
    for reason in [Reason::Due, Reason::Miss] {
        for later in [0, 5_000, 5_999] {
            assert_eq!(begun.next(T0 + later, reason, &POLICY), Next::Underway);
            assert_eq!(begun.begin(T0 + later, reason, &POLICY), None);
        }
    }
    assert_eq!(begun.next(T0 + 6_000, Reason::Due, &POLICY), Next::Fetch, "the one that fetched has gone");
}

#[test]
fn a_set_is_fetched_again_before_it_expires() {
    for (jitter, due) in [(0, 450_000), (u32::MAX / 2, 524_999), (u32::MAX, 599_999)] {
        let record = Record::new(&POLICY).succeeded(T0, [1; 16], jitter, &POLICY);
        assert_eq!(record.next(T0, Reason::Due, &POLICY), Next::Wait(due));
        assert_eq!(record.next(T0 + due, Reason::Due, &POLICY), Next::Fetch);
    }
}

#[test]
fn failures_are_retried_after_1_s_and_then_ever_later_up_to_60_s() {
    let mut record = fetched();
    for backoff in [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000] {
        let spread = record.failed(T0, Failure::Failed, u32::MAX).next(T0, Reason::Due, &POLICY);
        let Next::Wait(latest) = spread else { panic!("{spread:?}") };
        record = record.failed(T0, Failure::Failed, 0);
        assert_eq!(record.next(T0, Reason::Due, &POLICY), Next::Wait(backoff));
        assert!((backoff..=60_000.min(backoff * 5 / 4)).contains(&latest), "{latest}");
    }
    assert_eq!(record.fetched(), Some((T0, [1; 16])), "the set is still there");
    assert!(record.is_failing());
    let record = record.succeeded(T0, [2; 16], 0, &POLICY);
    assert!(!record.is_failing());
    let record = record.failed(T0, Failure::Failed, 0);
    assert_eq!(record.next(T0, Reason::Due, &POLICY), Next::Wait(1_000), "a success counts");
}

#[test]
fn a_fetch_that_has_ended_keeps_nobody_away() {
    let begun = Record::new(&POLICY).begin(T0, Reason::Due, &POLICY).unwrap();
    for (failure, backoff) in [(Failure::Failed, 1_000), (Failure::Unsent, 250)] {
        assert_eq!(begun.failed(T0, failure, 0).next(T0, Reason::Due, &POLICY), Next::Wait(backoff));
    }
    assert_eq!(begun.succeeded(T0, [1; 16], 0, &POLICY).next(T0, Reason::Due, &POLICY), Next::Wait(450_000));
}

#[test]
fn a_call_that_was_not_sent_is_tried_again_soon_however_often() {
    let mut record = fetched();
    for _ in 0..100 {
        record = record.failed(T0, Failure::Unsent, u32::MAX);
        assert_eq!(record.next(T0, Reason::Due, &POLICY), Next::Wait(250));
    }
    assert_eq!(record.failed(T0, Failure::Failed, 0).next(T0, Reason::Due, &POLICY), Next::Wait(2_000));
}

#[test]
fn an_unknown_key_asks_for_a_fetch_ten_seconds_after_the_last_one_began() {
    for record in [fetched(), fetched().failed(T0, Failure::Failed, 0)] {
        let record = Record { next: T0 + 300_000, ..record };
        for later in [0, 9_999] {
            assert_eq!(record.next(T0 + later, Reason::Miss, &POLICY), Next::Wait(300_000 - later));
        }
        assert_eq!(record.next(T0 + 10_000, Reason::Miss, &POLICY), Next::Fetch);
        assert_eq!(record.next(T0 + 10_000, Reason::Due, &POLICY), Next::Wait(290_000));
    }
}

#[test]
fn a_set_is_used_until_it_is_stale() {
    assert!(POLICY.is_usable(T0, T0) && POLICY.is_usable(T0, T0 + 4_200_000));
    assert!(!POLICY.is_usable(T0, T0 + 4_200_001));
    assert!(POLICY.is_usable(T0, T0 - 1), "the clock was set back");
}

#[test]
fn a_clock_that_was_set_back_puts_nothing_off_for_good() {
    let day = 86_400_000;
    assert_eq!(fetched().next(T0 - day, Reason::Due, &POLICY), Next::Fetch);
    let begun = fetched().begin(T0 + 600_000, Reason::Due, &POLICY).unwrap();
    assert_eq!(begun.next(T0 + 600_000 - day, Reason::Due, &POLICY), Next::Fetch);
}

#[test]
fn a_record_of_another_place_or_layout_counts_for_nothing() {
    let bytes = fetched().to_bytes();
    assert_eq!(Record::from_bytes(&bytes, &POLICY), Some(fetched()));
    assert_eq!(Record::from_bytes(&bytes, &Policy { source: [8; 16], ..POLICY }), None);
    assert_eq!(Record::from_bytes(&[&[9], &bytes[1..]].concat(), &POLICY), None);
    assert_eq!(Record::from_bytes(&[&bytes[..], &[0]].concat(), &POLICY), None);
    for length in 0..bytes.len() {
        assert_eq!(Record::from_bytes(&bytes[..length], &POLICY), None);
    }
}

proptest! {
    #[test]
    fn every_record_survives_the_round_trip(
        at in 1_u64.., began: u64, next: u64, lease: u64, failures: u32, digest: [u8; 16], is_fetched: bool
    ) {
        let fetched = is_fetched.then_some((at, digest));
        let record = Record { source: POLICY.source, fetched, began, next, lease, failures };
        prop_assert_eq!(Record::from_bytes(&record.to_bytes(), &POLICY), Some(record));
    }

    #[test]
    fn no_bytes_and_no_times_are_too_strange(bytes: Vec<u8>, now: u64, jitter: u32) {
        let record = Record::from_bytes(&[&[LAYOUT], &POLICY.source[..], &bytes].concat(), &POLICY);
        let record = record.unwrap_or(Record::new(&POLICY));
        for reason in [Reason::Due, Reason::Miss] {
            record.next(now, reason, &POLICY);
            record.begin(now, reason, &POLICY);
        }
        record.succeeded(now, [0; 16], jitter, &POLICY);
        record.failed(now, Failure::Failed, jitter);
    }
}

// === several workers ===

/// What the identity provider does with the next fetch.
#[derive(Clone, Copy, Debug)]
enum Server {
    /// It serves the set of this version after so many milliseconds.
    Serves(u8, Millis),
    Fails(Millis),
    Unsent,
}

/// What happens next, after so many milliseconds, to one of the workers.
#[derive(Clone, Debug)]
struct Event {
    after: Millis,
    worker: usize,
    miss: bool,
    server: Server,
    jitter: u32,
}

#[derive(Clone, Debug, Default)]
struct Worker {
    /// When its fetch ends, and how.
    fetching: Option<(Millis, Server)>,
}

fn server() -> impl Strategy<Value = Server> {
    prop_oneof![
        4 => (0..4_u8, 0..=POLICY.timeout).prop_map(|(version, after)| Server::Serves(version, after)),
        3 => (0..=POLICY.timeout).prop_map(Server::Fails),
        1 => Just(Server::Unsent),
    ]
}

fn events(workers: usize) -> impl Strategy<Value = Vec<Event>> {
    let after = prop_oneof![6 => 0..50_u64, 3 => 0..3_000_u64, 1 => 0..400_000_u64];
    let event = (after, 0..workers, any::<bool>(), server(), any::<u32>())
        .prop_map(|(after, worker, miss, server, jitter)| Event { after, worker, miss, server, jitter });
    prop::collection::vec(event, 1..300)
}

/// What all workers share, and what they have done.
struct World {
    now: Millis,
    shared: Option<Vec<u8>>,
    workers: Vec<Worker>,
    /// When each call was sent, and why.
    calls: Vec<(Millis, Reason)>,
}

impl World {
    fn record(&self) -> Record {
        self.shared.as_deref().and_then(|bytes| Record::from_bytes(bytes, &POLICY)).unwrap_or(Record::new(&POLICY))
    }

    /// Ends the fetches that are over, and lets one worker do what it would.
    fn turn(&mut self, event: &Event) {
        self.now += event.after;
        for place in 0..self.workers.len() {
            let Some((end, server)) = self.workers[place].fetching.filter(|(end, _)| *end <= self.now) else {
                continue;
            };
            self.workers[place].fetching = None;
            let record = match server {
                Server::Serves(version, _) => self.record().succeeded(end, [version; 16], event.jitter, &POLICY),
                Server::Fails(_) => self.record().failed(end, Failure::Failed, event.jitter),
                Server::Unsent => self.record().failed(end, Failure::Unsent, event.jitter),
            };
            self.shared = Some(record.to_bytes());
        }
        let reason = if event.miss { Reason::Miss } else { Reason::Due };
        if self.workers[event.worker].fetching.is_some() {
            return;
        }
        if let Some(record) = self.record().begin(self.now, reason, &POLICY) {
            self.shared = Some(record.to_bytes());
            let lasts = match event.server {
                Server::Serves(_, after) | Server::Fails(after) => after,
                Server::Unsent => 0,
            };
            if !matches!(event.server, Server::Unsent) {
                self.calls.push((self.now, reason));
            }
            self.workers[event.worker].fetching = Some((self.now + lasts, event.server));
        }
    }
}

proptest! {
    #[test]
    fn workers_fetch_one_at_a_time_and_no_more_often_than_they_may(events in events(4)) {
        let mut world = World { now: T0, shared: None, workers: vec![Worker::default(); 4], calls: Vec::new() };
        for event in &events {
            world.turn(event);
            let fetching = world.workers.iter().filter(|worker| worker.fetching.is_some()).count();
            prop_assert!(fetching <= 1, "{fetching} fetch at the same time");
        }
        for pair in world.calls.windows(2) {
            let [(former, _), (latter, _)] = pair else { continue };
            prop_assert!(latter - former >= 1_000, "{pair:?}");
        }
    }

    /// Whatever has happened, once the provider serves again, all is well within a minute.
    #[test]
    fn workers_recover_within_a_minute(events in events(4), jitter: u32) {
        let mut world = World { now: T0, shared: None, workers: vec![Worker::default(); 4], calls: Vec::new() };
        for event in &events {
            world.turn(event);
        }
        // No fetch outlives its timeout; from then on the provider serves another set.
        let since = world.now + POLICY.timeout;
        for turn in 0..3_000 {
            let server = Server::Serves(99, 10);
            world.turn(&Event { after: if turn == 0 { POLICY.timeout } else { 25 }, worker: turn % 4, miss: false, server, jitter });
        }
        let (at, digest) = world.record().fetched().unwrap();
        // A set that is fresh need not be fetched again.
        let fresh = at + POLICY.refresh > since;
        prop_assert!(fresh || (digest == [99; 16] && at <= since + 61_000), "{:?} at {at}, since {since}", digest[0]);
    }
}
