//! Interleaving: threads of which one runs at a time, and at each host call a seed says which goes on.
//!
//! What two workers do to shared data between two host calls of one of them depends on luck; here it depends on the seed, and the
//! same seed gives the same order.

use crate::lock;
use crate::random::Random;
use std::cell::RefCell;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

/// What one thread does, beginning with the making of its host.
pub type Job = Box<dyn FnOnce() + Send>;

/// Runs jobs, each on a thread of its own, and returns which of them went on at each host call.
#[must_use]
pub fn interleave(seed: u64, jobs: Vec<Job>) -> Vec<usize> {
    let running = (0..jobs.len()).collect();
    let baton = Arc::new(Baton {
        state: Mutex::new(State { turn: None, running, random: Random::Seeded(seed), order: Vec::new() }),
        passed: Condvar::new(),
    });
    lock(&baton.state).choose();
    thread::scope(|scope| {
        for (index, job) in jobs.into_iter().enumerate() {
            let own = Own { baton: Arc::clone(&baton), index };
            scope.spawn(move || {
                own.wait();
                OWN.set(Some(own));
                job();
                OWN.take();
            });
        }
    });
    std::mem::take(&mut lock(&baton.state).order)
}

/// A point at which another thread may go on. Outside of [`interleave`] it is none.
pub(crate) fn point() {
    OWN.with_borrow(|own| {
        if let Some(own) = own {
            own.pass();
        }
    });
}

thread_local! {
    static OWN: RefCell<Option<Own>> = const { RefCell::new(None) };
}

struct Baton {
    state: Mutex<State>,
    passed: Condvar,
}

struct State {
    turn: Option<usize>,
    running: Vec<usize>,
    random: Random,
    order: Vec<usize>,
}

/// A thread's hold on the baton; dropped, also by a panic, it passes it on for good.
struct Own {
    baton: Arc<Baton>,
    index: usize,
}

impl State {
    fn choose(&mut self) {
        let choice = self.random.below(self.running.len().max(1));
        self.turn = self.running.get(choice).copied();
        self.order.extend(self.turn);
    }
}

impl Own {
    fn pass(&self) {
        lock(&self.baton.state).choose();
        self.baton.passed.notify_all();
        self.wait();
    }

    fn wait(&self) {
        let state = lock(&self.baton.state);
        let others = |state: &mut State| state.turn != Some(self.index);
        drop(self.baton.passed.wait_while(state, others).unwrap_or_else(PoisonError::into_inner));
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        let mut state = lock(&self.baton.state);
        state.running.retain(|index| *index != self.index);
        state.choose();
        drop(state);
        self.baton.passed.notify_all();
    }
}
