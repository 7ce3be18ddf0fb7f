#![allow(clippy::arithmetic_side_effects, reason = "tests")]

use super::*;
use crate::status::Status;
use proptest::prelude::*;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// The shared data of simulated workers.
#[derive(Default)]
struct Data {
    value: RefCell<Option<Vec<u8>>>,
    writes: Cell<u32>,
    calls: Cell<u32>,
    refuses: Cell<bool>,
    /// What the other workers do between a worker's reading and writing.
    meanwhile: RefCell<Vec<Box<dyn FnOnce()>>>,
}

impl Store for Rc<Data> {
    fn update(&self, mut change: impl FnMut(Option<&[u8]>) -> Option<Vec<u8>>) -> Result<(), UpdateError> {
        for _ in 0..16 {
            self.calls.set(self.calls.get() + 1);
            if self.refuses.get() {
                return Err(UpdateError::Host(HostError {
                    call: "proxy_get_shared_data",
                    status: Status::InternalFailure,
                }));
            }
            let writes = self.writes.get();
            let value = self.value.borrow().clone();
            let Some(new) = change(value.as_deref()) else { return Ok(()) };
            let meanwhile = self.meanwhile.borrow_mut().pop();
            if let Some(meanwhile) = meanwhile {
                meanwhile();
            }
            if self.writes.get() == writes {
                self.writes.set(writes + 1);
                *self.value.borrow_mut() = Some(new);
                return Ok(());
            }
        }
        Err(UpdateError::Contended)
    }

    fn seed(&self) -> Result<Seed, HostError> {
        // Another one for each worker that tries to begin the registry.
        let mut seed = [0; 16];
        seed[..4].copy_from_slice(&self.calls.get().to_le_bytes());
        Ok(Seed::from_bytes(seed))
    }
}

fn workers(data: &Rc<Data>, count: usize, cap: u16) -> Vec<Rc<Registry<Rc<Data>>>> {
    (0..count).map(|_| Rc::new(Registry::new(Rc::clone(data), cap))).collect()
}

#[test]
fn the_first_tuples_are_admitted_for_ever_and_all_others_never() {
    let data = Rc::new(Data::default());
    let [a, b] = &workers(&data, 2, 2)[..] else { panic!() };
    assert!(a.admits(&[b"1", b"x"]));
    assert!(b.admits(&[b"2", b"x"]));
    assert!(!a.admits(&[b"3", b"x"]));
    assert!(!b.admits(&[b"1x", b""]));
    assert!(a.admits(&[b"2", b"x"]) && b.admits(&[b"1", b"x"]));
}

#[test]
fn a_full_registry_costs_no_host_call() {
    let data = Rc::new(Data::default());
    let [a, b] = &workers(&data, 2, 2)[..] else { panic!() };
    assert!(a.admits(&[b"1"]) && b.admits(&[b"2"]) && !a.admits(&[b"3"]));
    let calls = data.calls.get();
    assert!(a.admits(&[b"2"]) && b.admits(&[b"1"]) && !b.admits(&[b"3"]));
    for unknown in 60..200_u8 {
        assert!(!a.admits(&[&[unknown]]));
    }
    assert_eq!(data.calls.get(), calls);
    // Nobody writes what is there already.
    let late = Registry::new(Rc::clone(&data), 2);
    assert!(!late.admits(&[b"3"]) && late.admits(&[b"1"]));
    assert_eq!((data.calls.get(), data.writes.get()), (calls + 1, 2));
}

#[test]
fn a_refused_or_foreign_registry_is_asked_once() {
    let refused = Rc::new(Data { refuses: Cell::new(true), ..Data::default() });
    let foreign = [&b""[..], b"\x01short", &[2; 17], &[1; 18]];
    let foreign = foreign.map(|value| Rc::new(Data { value: RefCell::new(Some(value.to_vec())), ..Data::default() }));
    for data in foreign.iter().chain([&refused]) {
        let registry = Registry::new(Rc::clone(data), 2);
        assert!(!registry.admits(&[b"1"]) && !registry.admits(&[b"1"]));
        assert_eq!((data.calls.get(), data.writes.get()), (1, 0));
    }
}

#[test]
fn who_loses_to_others_too_often_tries_again_with_the_next_request() {
    let data = Rc::new(Data::default());
    let registry = Registry::new(Rc::clone(&data), 2);
    for _ in 0..16 {
        let other = Rc::clone(&data);
        data.meanwhile.borrow_mut().push(Box::new(move || other.writes.set(other.writes.get() + 1)));
    }
    assert!(!registry.admits(&[b"1"]));
    assert!(registry.admits(&[b"1"]));
}

#[test]
fn another_cap_lets_more_in_or_no_more() {
    let data = Rc::new(Data::default());
    let two = Registry::new(Rc::clone(&data), 2);
    assert!(two.admits(&[b"1"]) && two.admits(&[b"2"]) && !two.admits(&[b"3"]));
    let one = Registry::new(Rc::clone(&data), 1);
    assert!(one.admits(&[b"1"]) && one.admits(&[b"2"]) && !one.admits(&[b"3"]));
    let three = Registry::new(Rc::clone(&data), 3);
    assert!(three.admits(&[b"3"]) && !three.admits(&[b"4"]));
    assert!(!Registry::new(data, 0).admits(&[b"4"]));
}

proptest! {
    /// Each step is a worker with a tuple, and what another worker does between its reading and writing.
    #[test]
    fn all_workers_admit_the_same_tuples_up_to_the_cap(
        cap in 0_u16..8,
        steps in proptest::collection::vec((0..3_usize, 0..12_u8, 1..3_usize, 0..12_u8), 1..60),
    ) {
        let data = Rc::new(Data::default());
        let workers = workers(&data, 3, cap);
        let admitted = Rc::new(RefCell::new(BTreeMap::new()));
        let see = |worker: usize, tuple: u8| {
            let registry = Rc::clone(&workers[worker % 3]);
            let admitted = Rc::clone(&admitted);
            move || {
                let admits = registry.admits(&[&[tuple]]);
                // What any worker has admitted or refused once stays so.
                assert_eq!(*admitted.borrow_mut().entry(tuple).or_insert(admits), admits);
            }
        };
        for (worker, tuple, ahead, other) in &steps {
            *data.meanwhile.borrow_mut() = vec![Box::new(see(worker + ahead, *other))];
            see(*worker, *tuple)();
        }
        data.meanwhile.borrow_mut().clear();
        let seen: BTreeSet<_> = admitted.borrow().keys().copied().collect();
        let in_all = seen.iter().filter(|tuple| workers.iter().all(|worker| worker.admits(&[&[**tuple]]))).count();
        let in_any = seen.iter().filter(|tuple| workers.iter().any(|worker| worker.admits(&[&[**tuple]]))).count();
        prop_assert_eq!(in_all, in_any);
        prop_assert_eq!(in_any, seen.len().min(usize::from(cap)));
    }
}
