//! Shared queues: bytes by VM id and name, and who is told that there are some.

use crate::lock;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;

/// The queues of all VM ids.
#[derive(Debug, Default)]
pub struct Queues(Mutex<Registered>);

#[derive(Debug, Default)]
struct Registered {
    tokens: BTreeMap<(String, Vec<u8>), u32>,
    queues: BTreeMap<u32, Queue>,
    ready: Vec<Ready>,
}

#[derive(Debug)]
struct Queue {
    items: VecDeque<Vec<u8>>,
    owner: Owner,
}

/// The root context that registered a queue last, and where it lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The worker.
    pub worker: usize,
    /// The VM on it.
    pub vm: u64,
    /// The root context in the VM.
    pub root: u32,
}

/// A queue that has got an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ready {
    /// Who is to be told.
    pub owner: Owner,
    /// Which queue it is.
    pub token: u32,
}

impl Queues {
    /// The token of the queue of this name, which from now on this owner is told of.
    pub fn register(&self, vm_id: &str, name: &[u8], owner: Owner) -> u32 {
        let mut registered = lock(&self.0);
        let next = u32::try_from(registered.tokens.len()).unwrap_or(u32::MAX).saturating_add(1);
        let token = *registered.tokens.entry((vm_id.to_owned(), name.to_vec())).or_insert(next);
        let queue = Queue { items: VecDeque::new(), owner: owner.clone() };
        registered.queues.entry(token).or_insert(queue).owner = owner;
        token
    }

    /// The token of the queue of this name.
    #[must_use]
    pub fn resolve(&self, vm_id: &str, name: &[u8]) -> Option<u32> {
        lock(&self.0).tokens.get(&(vm_id.to_owned(), name.to_vec())).copied()
    }

    /// Puts an item behind the others; `false` where there is no such queue.
    pub fn enqueue(&self, token: u32, item: &[u8]) -> bool {
        let mut registered = lock(&self.0);
        let Some(queue) = registered.queues.get_mut(&token) else { return false };
        queue.items.push_back(item.to_vec());
        let owner = queue.owner.clone();
        registered.ready.push(Ready { owner, token });
        true
    }

    /// The first item; `None` where there is no such queue, `Some(None)` where it is empty.
    pub fn dequeue(&self, token: u32) -> Option<Option<Vec<u8>>> {
        lock(&self.0).queues.get_mut(&token).map(|queue| queue.items.pop_front())
    }

    /// What a worker's roots are to be told, once.
    pub fn take_ready(&self, worker: usize) -> Vec<Ready> {
        let mut registered = lock(&self.0);
        let (own, others) =
            std::mem::take(&mut registered.ready).into_iter().partition(|one| one.owner.worker == worker);
        registered.ready = others;
        own
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(worker: usize) -> Owner {
        Owner { worker, vm: 1, root: 1 }
    }

    #[test]
    fn an_item_is_announced_to_who_registered_last() {
        let queues = Queues::default();
        let token = queues.register("", b"q", owner(0));
        assert_eq!(queues.register("", b"q", owner(1)), token);
        assert!(queues.enqueue(token, b"x"));
        assert_eq!(queues.take_ready(0), []);
        assert_eq!(queues.take_ready(1), [Ready { owner: owner(1), token }]);
        assert_eq!(queues.take_ready(1), []);
    }

    #[test]
    fn an_unknown_queue_is_not_an_empty_one() {
        let queues = Queues::default();
        let token = queues.register("", b"q", owner(0));
        assert_eq!(queues.dequeue(token), Some(None));
        assert_eq!(queues.dequeue(99), None);
        assert!(!queues.enqueue(99, b""));
        assert_eq!(queues.resolve("other", b"q"), None);
    }
}
