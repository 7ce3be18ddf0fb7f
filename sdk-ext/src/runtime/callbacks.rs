//! Callbacks: what the host calls, each named after its export.

use super::root::RootState;
use super::stream::{Stream, Task};
use super::timers::Timers;
use super::{CONTINUE, Root, Runtime, keeps_tasks, waits};
use crate::abi::{self, Buffer};
use crate::config::{self, ConfigErrors};
use crate::direction::Direction;
use crate::exchange::Exchange;
use crate::filter::Filter;
use crate::grpc_call::{self, GrpcAnswer, GrpcError};
use crate::handle::{self, Handle};
use crate::http_call::{self, CallError};
use crate::plugin::Plugin;
use std::rc::Rc;

impl<F: Filter> Runtime<F> {
    /// `proxy_on_context_create`, for a stream
    pub fn stream_create(&self, id: u32, root: u32) {
        self.created.set((id, root));
    }

    /// `proxy_on_configure`
    pub fn configure(&self, root: u32, size: usize) -> bool {
        match self.take_config(root, size) {
            Ok(()) => true,
            Err(errors) => {
                abi::log(4, &format!("{}: configuration refused: {errors}", F::NAME));
                false
            }
        }
    }

    fn take_config(&self, id: u32, size: usize) -> Result<(), ConfigErrors> {
        let bytes = read_config(size)?;
        let parsed = config::parse(&bytes)?;
        let plugin = Plugin::new::<F>(&bytes);
        let filter = F::configure(parsed, plugin.clone())?;
        self.take_up(id, filter, &plugin, Rc::default());
        Ok(())
    }

    /// Makes a filter that of a root context, in place of a former one.
    pub(crate) fn take_up(&self, id: u32, filter: F, plugin: &Plugin, timers: Rc<Timers>) {
        plugin.announce();
        let state = Rc::new(RootState::new(id, self.part, F::NAME, timers));
        let root = Rc::new(Root { state: state.clone(), filter });
        let replaced = self.take_root(id);
        self.roots.borrow_mut().push(root.clone());
        drop(replaced);
        if const { F::PHASES.waits() } {
            let stream = Rc::new(Stream::new(id, state));
            let handle = Handle::new(stream.clone());
            let future = Box::pin(async move {
                root.filter.background(handle).await;
                Ok(())
            });
            self.drive(Task::new(stream, Some(future)), None);
        }
    }

    /// `proxy_on_delete`
    pub fn delete(&self, id: u32) {
        self.forget(id);
        self.wake_woken();
    }

    /// Ends what belongs to a context, which is the effective one, and forgets it.
    pub(crate) fn forget(&self, id: u32) {
        let task = self.take(id).map(|task| self.end(task));
        let root = self.take_root(id);
        drop((task, root));
    }

    /// Polls all futures that were woken, in a callback of none of their streams.
    pub(crate) fn wake_woken(&self) {
        self.wake_others_than(0);
    }

    /// `proxy_on_request_headers`
    pub fn request_headers(&self, id: u32, end_of_stream: bool) -> u32 {
        let task = match self.take(id) {
            Some(task) => task,
            None => match self.begin(id) {
                Some(task) => task,
                None => return self.refuse_unconfigured(id),
            },
        };
        task.stream.request.headers_came(end_of_stream);
        self.drive(task, Some(Direction::Request))
    }

    /// `proxy_on_response_headers`
    ///
    /// It may come before its request is complete: a local reply, or an upstream that answers early.
    pub fn response_headers(&self, id: u32, end_of_stream: bool) -> u32 {
        // Without a task the filter has finished with this exchange, or never saw its request.
        let Some(task) = self.take(id) else { return CONTINUE };
        let request = &task.stream.request;
        if request.is_unseen() || (!request.is_complete() && is_local_reply()) {
            // The host itself answers this request: there is nothing left to wait for or to protect.
            drop(task);
            self.wake_others_than(id);
            return CONTINUE;
        }
        if !request.is_complete() {
            request.overtaken();
        }
        task.stream.response.headers_came(end_of_stream);
        self.drive(task, Some(Direction::Response))
    }

    /// `proxy_on_request_body`
    pub fn request_body(&self, id: u32, size: usize, end_of_stream: bool) -> u32 {
        self.body(id, Direction::Request, size, end_of_stream)
    }

    /// `proxy_on_request_trailers`
    pub fn request_trailers(&self, id: u32) -> u32 {
        self.trailers(id, Direction::Request)
    }

    /// `proxy_on_response_body`
    pub fn response_body(&self, id: u32, size: usize, end_of_stream: bool) -> u32 {
        self.body(id, Direction::Response, size, end_of_stream)
    }

    /// `proxy_on_response_trailers`
    pub fn response_trailers(&self, id: u32) -> u32 {
        self.trailers(id, Direction::Response)
    }

    /// `proxy_on_http_call_response`, which comes on the root context
    pub fn http_call_response(&self, root: u32, token: u32, headers: usize, body_size: usize) {
        let call = self.root(root).and_then(|root| root.state.http_calls.remove(token));
        if let Some(call) = call {
            call.answer(http_call::read_answer(headers, body_size, call.limit));
            self.wake_others_than(0);
        }
    }

    /// `proxy_on_grpc_receive`, which comes on the root context
    pub fn grpc_receive(&self, root: u32, token: u32, size: usize) {
        self.grpc_ended(root, token, |max_message| grpc_call::read_answer(size, max_message));
    }

    /// `proxy_on_grpc_close`, which comes on the root context, and for no call whose message was received
    pub fn grpc_close(&self, root: u32, token: u32, code: u32) {
        self.grpc_ended(root, token, |_| Err(grpc_call::read_close(code)));
    }

    /// The answer to a call will never come.
    pub fn call_lost(&self, root: u32, token: u32) {
        let Some(root) = self.root(root) else { return };
        if let Some(call) = root.state.http_calls.remove(token) {
            call.answer(Err(CallError::Unreachable));
        }
        if let Some(call) = root.state.grpc_calls.remove(token) {
            call.answer(Err(GrpcError::Unreachable));
        }
        self.wake_others_than(0);
    }

    /// `proxy_on_tick`
    pub fn tick(&self, id: u32) {
        if let Some(root) = self.root(id) {
            root.state.tick(|| self.wake_others_than(0));
        }
    }

    /// The exchange of a stream that was just created.
    fn begin(&self, id: u32) -> Option<Task> {
        let (created, root) = self.created.get();
        let root = self.root(root).filter(|_| created == id)?;
        let stream = Rc::new(Stream::new(id, root.state.clone()));
        let exchange = Exchange::new(stream.clone());
        let future = Box::pin(async move { root.filter.exchange(exchange).await });
        Some(match keeps_tasks::<F>() {
            true => Task::new(stream, Some(future)),
            false => Task::at_once(stream, future),
        })
    }

    fn grpc_ended(&self, root: u32, token: u32, read: impl FnOnce(usize) -> Result<GrpcAnswer, GrpcError>) {
        let call = self.root(root).and_then(|root| root.state.grpc_calls.remove(token));
        if let Some(call) = call {
            call.answer(read(call.limit));
            self.wake_others_than(0);
        }
    }

    fn body(&self, id: u32, direction: Direction, size: usize, end_of_stream: bool) -> u32 {
        let Some(task) = self.take(id) else { return CONTINUE };
        let flow = task.stream.flow(direction);
        flow.body_came(size, end_of_stream);
        match flow.body_is_awaited() {
            true => self.drive(task, Some(direction)),
            false => self.settle(task, Some(direction)),
        }
    }

    fn trailers(&self, id: u32, direction: Direction) -> u32 {
        let Some(task) = self.take(id) else { return CONTINUE };
        let stream = task.stream.clone();
        let flow = stream.flow(direction);
        flow.trailers_came();
        let later = flow.must_go_later();
        match self.drive(task, Some(direction)) {
            CONTINUE if later && waits::<F>() => self.go_later(&stream, direction),
            answer => answer,
        }
    }
}

/// The configuration, in the callback that brings it.
pub(crate) fn read_config(size: usize) -> Result<Vec<u8>, ConfigErrors> {
    abi::buffer_bytes(Buffer::PluginConfiguration, 0, size).map_err(|error| ConfigErrors::new("", error.to_string()))
}

/// Whether the response that has just come is the host's own and no upstream's.
fn is_local_reply() -> bool {
    let details = handle::property(&["response", "code_details"]).ok().flatten();
    details.is_some_and(|details| details != b"via_upstream")
}
