#![allow(clippy::arithmetic_side_effects, reason = "a test may fail by overflow")]

use std::{
    cell::RefCell,
    collections::BTreeMap,
    sync::{Mutex, MutexGuard},
    thread,
};

use proptest::prelude::*;

use super::*;
use crate::{fake, probability::Threshold};

const TIER: &str = "pro";

fn limiter(reservoir: u32, cap: Option<u32>) -> Limiter {
    Limiter::new(TIER, Limits { reservoir, cap }).unwrap()
}

fn by_probability(sampled: bool) -> Verdict {
    let threshold = if sampled { KnownThreshold::Is(Threshold::NONE) } else { KnownThreshold::Unknown };
    Verdict { sampled, reason: Reason::Probability, threshold, randomness_assumed: false }
}

fn hold(limiter: &Limiter, sampled: bool, process: &impl Process) -> (bool, Reason) {
    let verdict = limiter.hold(by_probability(sampled), process).unwrap();
    (verdict.sampled, verdict.reason)
}

const STANDS: [(bool, Reason); 2] = [(false, Reason::Probability), (true, Reason::Probability)];
const RESERVOIR: (bool, Reason) = (true, Reason::Reservoir);
const CAP: (bool, Reason) = (false, Reason::Cap);

#[test]
fn a_reservoir_takes_what_the_probability_leaves_until_the_second_has_its_share() {
    let (limiter, process) = (limiter(3, None), fake::Process::at(1));
    let taken = [false, true, false, false, true].map(|sampled| hold(&limiter, sampled, &process));
    assert_eq!(taken, [RESERVOIR, STANDS[1], RESERVOIR, STANDS[0], STANDS[1]]);
    process.clock.set(Some(2));
    assert_eq!(hold(&limiter, false, &process), RESERVOIR);
}

#[test]
fn a_cap_drops_what_the_probability_samples_once_the_second_has_had_it() {
    let (limiter, process) = (limiter(0, Some(2)), fake::Process::at(1));
    let taken = [true, false, true, true, false].map(|sampled| hold(&limiter, sampled, &process));
    assert_eq!(taken, [STANDS[1], STANDS[0], STANDS[1], CAP, STANDS[0]]);
    process.clock.set(Some(2));
    assert_eq!(hold(&limiter, true, &process), STANDS[1]);
}

#[test]
fn what_a_reservoir_takes_counts_for_the_cap() {
    let (limiter, process) = (limiter(1, Some(2)), fake::Process::at(1));
    let taken = [false, false, true, true].map(|sampled| hold(&limiter, sampled, &process));
    assert_eq!(taken, [RESERVOIR, STANDS[0], STANDS[1], CAP]);
}

#[test]
fn no_threshold_is_claimed_where_a_limit_decides() {
    let process = fake::Process::at(1);
    let [unsampled, sampled] = [false, true].map(|sampled| Verdict { sampled, ..by_probability(true) });
    let filled = limiter(1, None).hold(unsampled, &process).unwrap();
    let capped = limiter(0, Some(1)).hold(sampled, &process).unwrap();
    assert_eq!([filled, capped].map(|verdict| verdict.threshold), [KnownThreshold::Unknown; 2]);
    assert_eq!([filled, capped].map(|verdict| verdict.reason), [Reason::Reservoir, Reason::Cap]);
}

#[test]
fn what_the_probability_does_not_decide_is_neither_limited_nor_counted() {
    let process = fake::Process::at(1);
    let limiter = limiter(1, Some(1));
    for reason in [Reason::Never, Reason::Forced, Reason::Parent] {
        for sampled in [false, true] {
            let verdict = Verdict { reason, ..by_probability(sampled) };
            assert_eq!(limiter.hold(verdict, &process), Ok(verdict));
        }
    }
    assert_eq!((process.asked(), process.value()), (vec![], None));
}

#[test]
fn a_tier_without_limits_has_no_limiter() {
    assert!(Limiter::new(TIER, Limits::default()).is_none());
}

#[test]
fn the_host_is_asked_as_little_as_possible() {
    let process = fake::Process::at(1);
    let calls = |limiter: &Limiter, sampled| {
        hold(limiter, sampled, &process);
        process.asked()
    };
    let cap = limiter(0, Some(1));
    assert_eq!(calls(&cap, false), [""; 0], "a cap is no concern of what is not sampled");
    assert_eq!(calls(&cap, true), ["clock", "get", "clock", "set"], "the first of a second begins a window");
    assert_eq!(calls(&cap, true), ["clock"], "this worker knows that the second has had its cap");
    let other = limiter(0, Some(1));
    assert_eq!(calls(&other, true), ["clock", "get"], "another has to look once");
    assert_eq!(calls(&other, true), ["clock"]);

    process.clock.set(Some(2));
    let reservoir = limiter(2, None);
    assert_eq!(calls(&reservoir, false), ["clock", "get", "clock", "set"]);
    assert_eq!(calls(&reservoir, true), ["clock", "get", "set"]);
    assert_eq!([calls(&reservoir, false), calls(&reservoir, true)], [["clock"], ["clock"]]);
}

#[test]
fn tiers_have_counts_of_their_own() {
    let process = fake::Process::at(1);
    let tiers =
        ["pro", "vip", "default"].map(|tier| Limiter::new(tier, Limits { reservoir: 0, cap: Some(1) }).unwrap());
    assert!(tiers.iter().all(|tier| hold(tier, true, &process) == STANDS[1]));
    assert!(tiers.iter().all(|tier| hold(tier, true, &process) == CAP));
}

/// During an update, and again after a rollback.
#[test]
fn two_configurations_count_the_same_traces_each_to_its_own_limits() {
    let process = fake::Process::at(1);
    let (old, new) = (limiter(0, Some(5)), limiter(0, Some(2)));
    assert_eq!([&old, &new, &old].map(|config| hold(config, true, &process)), [STANDS[1]; 3]);
    assert_eq!(hold(&new, true, &process), CAP);
    assert_eq!([&old, &old, &old].map(|config| hold(config, true, &process)), [STANDS[1], STANDS[1], CAP]);
}

#[test]
fn a_worker_that_was_slow_counts_in_the_second_that_has_begun() {
    let (slow, quick) = (limiter(0, Some(2)), limiter(0, Some(2)));
    let process = fake::Process::at(1);
    process.meanwhile(|process| {
        process.clock.set(Some(2));
        hold(&quick, true, process);
    });
    assert_eq!(hold(&slow, true, &process), STANDS[1]);
    assert_eq!(hold(&quick, true, &process), CAP);
    assert_eq!(slow.known.get(), (2, 2));
}

#[test]
fn a_clock_that_is_set_back_starts_a_new_second_and_holds_nothing_up() {
    let process = fake::Process::at(5000);
    let limiter = limiter(1, Some(1));
    assert_eq!([false, true].map(|sampled| hold(&limiter, sampled, &process)), [RESERVOIR, CAP]);
    for second in [1400, 1401, 1400, u64::MAX, 0] {
        process.clock.set(Some(second));
        assert_eq!([false, true].map(|sampled| hold(&limiter, sampled, &process)), [RESERVOIR, CAP], "{second}");
    }
}

#[test]
fn what_the_host_refuses_is_told() {
    let process = fake::Process::at(1);
    let limiter = limiter(1, Some(1));
    process.refuses.set(true);
    assert_eq!(limiter.hold(by_probability(true), &process), Err(Unavailable));
    process.refuses.set(false);
    process.clock.set(None);
    assert_eq!(limiter.hold(by_probability(false), &process), Err(Unavailable));

    // The clock refuses only when it is asked again.
    process.clock.set(Some(1));
    process.set(9_u64.to_le_bytes());
    process.meanwhile(|process| process.clock.set(None));
    assert_eq!(limiter.hold(by_probability(false), &process), Err(Unavailable));
    // And when a try was lost before.
    process.clock.set(Some(9));
    process.meanwhile(|process| process.set(8_u64.to_le_bytes()));
    process.meanwhile(|process| process.clock.set(None));
    assert_eq!(limiter.hold(by_probability(false), &process), Err(Unavailable));
    assert_eq!(limiter.known.get(), (0, 0), "nothing was learnt");
}

#[test]
fn a_worker_that_loses_every_try_gives_up() {
    let process = fake::Process::at(1);
    for rival in 0..16_u64 {
        process.meanwhile(move |process| process.set(rival.to_le_bytes()));
    }
    let limiter = limiter(1, None);
    assert_eq!(limiter.hold(by_probability(false), &process), Err(Unavailable));
    assert_eq!(hold(&limiter, false, &process), RESERVOIR, "and the next one finds room");
}

#[test]
fn bytes_of_somebody_else_are_replaced() {
    let process = fake::Process::at(1);
    for foreign in ["", "x", "a text that is no window of this module"] {
        process.set(foreign);
        let limiter = limiter(1, Some(1));
        assert_eq!([false, true].map(|sampled| hold(&limiter, sampled, &process)), [RESERVOIR, CAP], "{foreign:?}");
    }
}

/// A process with real threads, and a clock that the test sets.
#[derive(Default)]
struct Threads {
    value: Mutex<(Option<Vec<u8>>, u32)>,
}

impl Threads {
    fn lock(&self) -> MutexGuard<'_, (Option<Vec<u8>>, u32)> {
        self.value.lock().unwrap()
    }
}

impl Process for Threads {
    fn second(&self) -> Result<u64, Unavailable> {
        Ok(1)
    }

    fn update(&self, change: Change<'_>) -> Result<(), Unavailable> {
        loop {
            let (value, version) = self.lock().clone();
            thread::yield_now();
            let Some(changed) = change(value.as_deref()) else { return Ok(()) };
            let mut current = self.lock();
            if current.1 == version {
                *current = (Some(changed), version + 1);
                return Ok(());
            }
        }
    }
}

#[test]
fn threads_take_exactly_the_cap_and_exactly_the_reservoir() {
    for (limits, sampled) in [((0, Some(100)), true), ((100, None), false), ((100, Some(100)), true)] {
        let process = Threads::default();
        let taken: usize = thread::scope(|scope| {
            let workers = [(); 4].map(|()| {
                scope.spawn(|| {
                    let worker = limiter(limits.0, limits.1);
                    (0..200).filter(|_| hold(&worker, sampled, &process).0).count()
                })
            });
            workers.into_iter().map(|worker| worker.join().unwrap()).sum()
        });
        assert_eq!(taken, 100, "{limits:?}");
    }
}

/// What happens next in a process with two workers.
#[derive(Clone, Debug)]
enum Event {
    /// A request comes to a worker; before the worker has replaced the value, those within happen.
    Request { worker: usize, sampled: bool, meanwhile: Vec<Event> },
    /// The clock goes on, or is set.
    Clock(i64),
}

/// A request as it went.
#[derive(Clone, Copy, Debug)]
struct Went {
    /// The seconds at its beginning and at its end.
    seconds: (u64, u64),
    sampled: bool,
    held: (bool, Reason),
}

fn events(clock: impl Strategy<Value = i64> + Clone + 'static) -> impl Strategy<Value = Vec<Event>> {
    let event =
        move |meanwhile: BoxedStrategy<Vec<Event>>| {
            let request = (0..2_usize, any::<bool>(), meanwhile)
                .prop_map(|(worker, sampled, meanwhile)| Event::Request { worker, sampled, meanwhile });
            prop_oneof![9 => request, 1 => clock.clone().prop_map(Event::Clock)]
        };
    let rival = event(Just(Vec::new()).boxed());
    let rivals = prop_oneof![3 => Just(Vec::new()), 1 => proptest::collection::vec(rival, 1..4)];
    proptest::collection::vec(event(rivals.boxed()), 1..120)
}

/// Runs the events, and gives the requests in the order in which they ended.
fn run(limits: Limits, events: &[Event]) -> Vec<Went> {
    let went = RefCell::default();
    let workers = [(); 2].map(|()| Limiter::new(TIER, limits).unwrap());
    {
        let process = fake::Process::at(1000);
        events.iter().for_each(|event| happen(event, &workers, &process, &went));
    }
    went.take()
}

fn happen<'a>(event: &'a Event, workers: &'a [Limiter; 2], process: &fake::Process<'a>, went: &'a RefCell<Vec<Went>>) {
    let now = |process: &fake::Process<'_>| process.clock.get().unwrap();
    match event {
        Event::Clock(step) => process.clock.set(Some(now(process).saturating_add_signed(*step))),
        Event::Request { worker, sampled, meanwhile } => {
            if !meanwhile.is_empty() {
                process.meanwhile(move |process| {
                    for event in meanwhile {
                        happen(event, workers, process, went);
                    }
                });
            }
            let began = now(process);
            let held = hold(&workers[*worker], *sampled, process);
            went.borrow_mut().push(Went { seconds: (began, now(process)), sampled: *sampled, held });
        }
    }
}

fn limits() -> impl Strategy<Value = Limits> {
    (0..6_u32, proptest::option::of(1..6_u32)).prop_filter_map("no limits", |(reservoir, cap)| {
        let limits = Limits { reservoir: cap.map_or(reservoir, |cap| reservoir.min(cap)), cap };
        (limits != Limits::default()).then_some(limits)
    })
}

/// The requests by the second in which they ran, without those that ran across seconds.
fn by_second(went: &[Went]) -> BTreeMap<u64, Vec<Went>> {
    let mut seconds = BTreeMap::<_, Vec<_>>::new();
    for request in went.iter().filter(|request| request.seconds.0 == request.seconds.1) {
        seconds.entry(request.seconds.0).or_default().push(*request);
    }
    seconds
}

fn taken(went: &[Went]) -> usize {
    went.iter().filter(|request| request.held.0).count()
}

proptest! {
    #[test]
    fn no_second_takes_more_than_the_cap_nor_fills_more_than_the_reservoir(
        limits in limits(),
        events in events(1..3_i64),
    ) {
        let went = run(limits, &events);
        for (second, requests) in by_second(&went) {
            if let Some(cap) = limits.cap {
                prop_assert!(taken(&requests) <= cap as usize, "{second}: {requests:?}");
            }
            let filled = requests.iter().filter(|request| request.held == RESERVOIR).count();
            prop_assert!(filled <= limits.reservoir as usize, "{second}: {requests:?}");
        }
    }

    #[test]
    fn a_second_takes_all_that_the_limits_leave_room_for(limits in limits(), events in events(1..3_i64)) {
        let went = run(limits, &events);
        for (second, requests) in by_second(&went) {
            // Those that ran across its bounds may have been counted in it.
            let across = went.iter().filter(|Went { seconds: (began, ended), .. }| {
                began != ended && (began..=ended).contains(&&second)
            });
            let across = taken(&across.copied().collect::<Vec<_>>());
            let wanted = requests.iter().filter(|request| request.sampled).count();
            let wanted = wanted.max(requests.len().min(limits.reservoir as usize));
            let room = limits.cap.map_or(wanted, |cap| wanted.min(cap as usize));
            prop_assert!(taken(&requests) + across >= room, "{second}: {requests:?}");
        }
    }

    #[test]
    fn within_one_second_the_count_is_exact(limits in limits(), events in events(Just(0_i64))) {
        let went = run(limits, &events);
        let mut counted = 0;
        for request in &went {
            let room_below_cap = limits.cap.is_none_or(|cap| counted < cap);
            let expected = match request.sampled {
                true if room_below_cap => STANDS[1],
                true => CAP,
                false if counted < limits.reservoir => RESERVOIR,
                false => STANDS[0],
            };
            prop_assert_eq!(request.held, expected);
            counted += u32::from(request.held.0);
        }
    }

    #[test]
    fn whatever_the_clock_does_each_setting_grants_one_window_at_most(
        limits in limits(),
        events in events(-3..4_i64),
    ) {
        fn settings(events: &[Event]) -> usize {
            let nested = events.iter().map(|event| match event {
                Event::Clock(_) => 1,
                Event::Request { meanwhile, .. } => settings(meanwhile),
            });
            nested.sum()
        }
        let went = run(limits, &events);
        if let Some(cap) = limits.cap {
            prop_assert!(taken(&went) <= cap as usize * (1 + settings(&events)), "{went:?}");
        }
    }
}
