//! Context: a context of the host, and the runtime that works in it.

use crate::calls::Calls;
use crate::dispatcher::Upstream;
use palisade_sdk::Filter;
use palisade_sdk::shell::{self, Runtime};
use std::any::{Any, TypeId};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

thread_local! {
    /// By filter.
    static RUNTIMES: RefCell<BTreeMap<TypeId, Rc<dyn Any>>> = const { RefCell::new(BTreeMap::new()) };
}

/// A context of the host, until it is dropped.
pub(crate) struct Context<F: Filter> {
    pub(crate) id: u32,
    calls: Rc<Calls>,
    runtime: Rc<Runtime<F>>,
}

impl<F: Filter> Context<F> {
    pub(crate) fn new(id: u32) -> Self {
        shell::dispatch_through(&Upstream);
        Self { id, calls: Rc::new(Calls::new(id)), runtime: runtime() }
    }

    /// Runs a callback.
    pub(crate) fn callback<T>(&self, callback: impl FnOnce(&Runtime<F>) -> T) -> T {
        self.calls.during(|| callback(&self.runtime))
    }

    /// `proxy_on_http_call_response`
    pub(crate) fn http_call_response(&self, token: u32, headers: usize, body_size: usize) {
        if let Some(root) = self.calls.answered(token) {
            self.callback(|runtime| runtime.http_call_response(root, token, headers, body_size));
        }
    }

    /// `proxy_on_grpc_receive` and, with a status that is not 0, `proxy_on_grpc_close`
    pub(crate) fn grpc_call_response(&self, token: u32, status: u32, size: usize) {
        if let Some(root) = self.calls.answered(token) {
            self.callback(|runtime| match status {
                0 => runtime.grpc_receive(root, token, size),
                _ => runtime.grpc_close(root, token, status),
            });
        }
    }
}

/// `proxy_on_delete`, in which the crate's dispatcher drops its contexts.
impl<F: Filter> Drop for Context<F> {
    fn drop(&mut self) {
        self.callback(|runtime| runtime.delete(self.id));
        for (token, root) in self.calls.lost() {
            self.callback(|runtime| runtime.call_lost(root, token));
        }
    }
}

/// The filter's runtime: one for all its contexts, as in a module of `filter!`.
fn runtime<F: Filter>() -> Rc<Runtime<F>> {
    let known = RUNTIMES.with_borrow(|runtimes| runtimes.get(&TypeId::of::<F>()).cloned());
    if let Some(runtime) = known.and_then(|runtime| runtime.downcast().ok()) {
        return runtime;
    }
    let runtime = Rc::new(Runtime::new());
    RUNTIMES.with_borrow_mut(|runtimes| runtimes.insert(TypeId::of::<F>(), runtime.clone()));
    runtime
}
