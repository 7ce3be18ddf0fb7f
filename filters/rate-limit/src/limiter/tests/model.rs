//! Workers whose steps mix in whatever way: one may be overtaken by others between its look at a table and its change of it,
//! what was taken comes back in any order, the clock goes back and forth, and there are more keys than room.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::convert::Infallible;

use super::*;

const WORKERS: usize = 3;

#[derive(Clone, Copy, Debug)]
enum Step {
    /// A worker decides about a request of a user, and is overtaken by so many of the next steps.
    Ask { worker: usize, user: u8, cost: u8, overtaken: u8 },
    /// What was taken for a request that was admitted comes back.
    GiveBack(prop::sample::Index),
    /// The clock goes on, or is set back, by so many milliseconds.
    Clock(i64),
}

/// A request that was admitted and keeps what it took. Times are the time that has passed, however the clock was set.
struct Admitted<'p> {
    worker: usize,
    user: u8,
    cost: u64,
    asked: u64,
    answered: u64,
    held: Vec<Held<'p>>,
}

struct Model<'p> {
    process: &'p Process,
    steps: RefCell<VecDeque<Step>>,
    busy: RefCell<Vec<usize>>,
    overtaken: Cell<u8>,
    passed: Cell<u64>,
    admitted: RefCell<Vec<Admitted<'p>>>,
    /// How far the clock may be set back from the latest time, in nanoseconds.
    back: u64,
    latest: Cell<u64>,
    /// What holds whenever a request was admitted, after so much time.
    law: &'p dyn Fn(&[Admitted<'p>], u64),
}

impl<'p> Model<'p> {
    fn run(
        process: &'p Process,
        steps: Vec<Step>,
        back: u64,
        law: &'p dyn Fn(&[Admitted<'p>], u64),
    ) -> Vec<Admitted<'p>> {
        let model = Self {
            process,
            steps: RefCell::new(steps.into()),
            busy: RefCell::default(),
            overtaken: Cell::default(),
            passed: Cell::default(),
            admitted: RefCell::default(),
            back,
            latest: process.memory.now.clone(),
            law,
        };
        while model.step() {}
        model.admitted.into_inner()
    }

    fn step(&self) -> bool {
        let next = self.steps.borrow_mut().pop_front();
        match next {
            None => return false,
            Some(Step::Ask { worker, user, cost, overtaken }) => self.ask(worker, user, u64::from(cost), overtaken),
            Some(Step::GiveBack(index)) => self.give_back(index),
            Some(Step::Clock(milliseconds)) => self.set_clock(milliseconds),
        }
        true
    }

    fn ask(&self, worker: usize, user: u8, cost: u64, overtaken: u8) {
        if self.busy.borrow().contains(&worker) {
            return;
        }
        self.busy.borrow_mut().push(worker);
        self.overtaken.set(overtaken);
        let asked = self.passed.get();
        let limiter = &self.process.workers[worker];
        let request = super::user(&user.to_string()).header("x-cost", cost.to_string());
        let view = RequestView::new(&request, &limiter.config().client_ip);
        let ruling = limiter.decide(&view, self).unwrap();
        self.busy.borrow_mut().pop();
        if !ruling.is_refused() {
            let answered = self.passed.get();
            let held = ruling.reports.iter().map(|report| report.held).collect();
            self.admitted.borrow_mut().push(Admitted { worker, user, cost, asked, answered, held });
            (self.law)(&self.admitted.borrow(), answered);
        }
    }

    fn give_back(&self, index: prop::sample::Index) {
        let mut admitted = self.admitted.borrow_mut();
        if admitted.is_empty() {
            return;
        }
        let index = index.index(admitted.len());
        if self.busy.borrow().contains(&admitted[index].worker) {
            return;
        }
        let Admitted { worker, held, .. } = admitted.remove(index);
        drop(admitted);
        self.busy.borrow_mut().push(worker);
        for held in held {
            self.process.workers[worker].give_back(self, self.process.memory.now.get(), held).unwrap();
        }
        self.busy.borrow_mut().pop();
    }

    fn set_clock(&self, milliseconds: i64) {
        // Who has read the clock before it was set back takes time for having passed. It is not set back within a callback.
        if milliseconds < 0 && !self.busy.borrow().is_empty() {
            return;
        }
        let nanoseconds = milliseconds * 1_000_000;
        let now = self.process.memory.now.get().checked_add_signed(nanoseconds).unwrap();
        if self.latest.get().saturating_sub(now) > self.back {
            return;
        }
        self.latest.set(self.latest.get().max(now));
        self.process.memory.now.set(now);
        self.passed.set(self.passed.get() + u64::try_from(nanoseconds).unwrap_or(0));
    }
}

impl Shards for Model<'_> {
    type Version = u32;
    type Error = Infallible;

    fn now(&self) -> Result<u64, Infallible> {
        self.process.memory.now()
    }

    fn read(&self, shard: u32) -> Result<(Vec<u8>, u32), Infallible> {
        self.process.memory.read(shard)
    }

    fn replace(&self, shard: u32, version: u32, value: &[u8]) -> Result<bool, Infallible> {
        for _ in 0..self.overtaken.take() {
            self.step();
        }
        self.process.memory.replace(shard, version, value)
    }
}

/// Of eight users, of whom the first asks as often as all the others.
fn steps() -> impl Strategy<Value = Vec<Step>> {
    let user = prop_oneof![Just(0), 0_u8..8];
    let ask = (0..WORKERS, user, 1_u8..4, prop_oneof![3 => Just(0_u8), 1 => 0_u8..4]);
    let step = prop_oneof![
        12 => ask.prop_map(|(worker, user, cost, overtaken)| Step::Ask { worker, user, cost, overtaken }),
        4 => any::<prop::sample::Index>().prop_map(Step::GiveBack),
        4 => (0_i64..3_000).prop_map(Step::Clock),
        1 => (-50_000_i64..50_000).prop_map(Step::Clock),
        1 => (-4_000_000_i64..0).prop_map(Step::Clock),
    ];
    prop::collection::vec(step, 1..150)
}

fn process(limit: &str) -> Process {
    with_limits(1, &[limit])
}

fn with_limits(shards: u32, limits: &[&str]) -> Process {
    let limit = |(number, limit)| format!(r#"{{"name": "{number}", "key": [{{"header": "x-user"}}], {limit}}}"#);
    let limits = limits.iter().enumerate().map(limit).collect::<Vec<_>>().join(", ");
    let storage = format!(r#"{{"shards": {shards}, "slots_per_shard": 3}}"#);
    Process::of(&format!(r#"{{"storage": {storage}, "limits": [{limits}]}}"#), WORKERS)
}

/// In no stretch of time does a user have more than so many at once, and one a second.
fn within(most: u64, admitted: &[Admitted<'_>]) {
    for (first, from) in admitted.iter().enumerate() {
        let mut sum = 0;
        for until in admitted[first..].iter().filter(|admitted| admitted.user == from.user) {
            sum += until.cost;
            let passed = until.answered - from.asked;
            assert!(sum * SECOND <= most * SECOND + passed, "{sum} in {passed} ns");
        }
    }
}

const RATE: &str = r#""rate": "1/1s", "burst": 6, "cost": {"header": "x-cost"}"#;

proptest! {
    #[test]
    fn exact_workers_admit_no_more_than_the_burst_and_the_rate(steps in steps()) {
        let process = process(RATE);
        within(6, &Model::run(&process, steps, u64::MAX, &|_, _| {}));
    }

    #[test]
    fn where_several_limits_apply_each_holds(steps in steps()) {
        let few = r#""rate": "1/1s", "burst": 4, "cost": {"header": "x-cost"}"#;
        let leased = format!(r#"{RATE}, "accuracy": "lease", "batch": 4"#);
        let process = with_limits(2, &[few, RATE, &leased]);
        within(4, &Model::run(&process, steps, u64::MAX, &|_, _| {}));
    }

    #[test]
    fn leasing_workers_admit_no_more_than_their_batches_beyond_that(steps in steps()) {
        let process = process(&format!(r#"{RATE}, "accuracy": "lease", "batch": 4"#));
        within(6 + WORKERS as u64 * 3, &Model::run(&process, steps, u64::MAX, &|_, _| {}));
    }

    #[test]
    fn no_more_requests_are_under_way_than_there_are_places(steps in steps()) {
        let process = process(r#""concurrency": 3, "max_duration": "10s""#);
        Model::run(&process, steps, u64::MAX, &|admitted, passed| {
            let newest = admitted.last().unwrap().user;
            let counts = |other: &&Admitted<'_>| other.user == newest && passed - other.asked < 10 * SECOND;
            let under_way = admitted.iter().filter(counts).count();
            assert!(under_way <= 3, "{under_way}");
        });
    }

    #[test]
    fn a_quota_is_granted_once_although_workers_differ_by_a_minute_on_when_it_ends(steps in steps()) {
        let process = process(r#""quota": "3/hour""#);
        process.memory.now.set(START.next_multiple_of(3_600 * SECOND) - 30 * SECOND);
        Model::run(&process, steps, 60 * SECOND, &|admitted, _| {
            let window = |admitted: &Admitted<'_>| match admitted.held[..] {
                [Held::Taken(_, _, taken)] => (admitted.user, taken.generation),
                _ => panic!("it takes of a quota"),
            };
            let newest = window(admitted.last().unwrap());
            let granted = admitted.iter().filter(|other| window(other) == newest).count();
            assert!(granted <= 3, "{granted}");
        });
    }
}
