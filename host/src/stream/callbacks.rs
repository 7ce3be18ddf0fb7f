//! Callbacks: a frame is shown to a filter's guest, which says how to go on.

use super::exchange::with_side;
use super::flow::hold;
use super::local_reply::local_reply;
use super::reply::LocalReply;
use super::{Direction, Handle, run};
use crate::fields::Fields;
use crate::plugin::FailurePolicy;
use crate::vm::{self, Called, VmHandle};
use std::rc::Rc;

/// How headers go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeadersStatus {
    Continue,
    StopIteration,
    StopAllBuffer,
    StopAllWatermark,
}

/// How a piece of a body goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DataStatus {
    Continue,
    StopAndBuffer,
    StopAndWatermark,
    StopNoBuffer,
}

/// What a callback came to.
enum Answer {
    /// The guest has no such callback, or is not asked.
    Pass,
    /// It returned this.
    Returned(u32),
    /// It answered the client, or the stream failed: nothing goes on.
    Stopped,
}

/// Shows the headers.
pub(super) fn headers(stream: &Handle, direction: Direction, place: usize, end_stream: bool) -> HeadersStatus {
    let name = match direction {
        Direction::Request => "proxy_on_request_headers",
        Direction::Response => "proxy_on_response_headers",
    };
    let count = count(stream.borrow().message(direction).headers.as_ref());
    with_side(stream, direction, place, |side| side.sees_headers = true);
    let answer = ask(stream, direction, place, name, &[count, u32::from(end_stream)]);
    let stop_allowed =
        stream.borrow().filter(place).is_some_and(|filter| filter.plugin.allow_on_headers_stop_iteration);
    let status = match answer {
        // Envoy takes 2, "continue and do not end the stream", for a Continue.
        Answer::Pass | Answer::Returned(0 | 2) => HeadersStatus::Continue,
        Answer::Returned(1) if stop_allowed => HeadersStatus::StopIteration,
        Answer::Returned(3) => HeadersStatus::StopAllBuffer,
        Answer::Returned(_) | Answer::Stopped => HeadersStatus::StopAllWatermark,
    };
    if status == HeadersStatus::Continue {
        with_side(stream, direction, place, |side| side.sees_headers = false);
    }
    status
}

/// Shows a piece of the body, and returns what goes on.
pub(super) fn data(
    stream: &Handle,
    direction: Direction,
    place: usize,
    data: Vec<u8>,
    end_stream: bool,
) -> (DataStatus, Vec<u8>) {
    if !started(stream, direction, place) {
        return (DataStatus::Continue, data);
    }
    let name = match direction {
        Direction::Request => "proxy_on_request_body",
        Direction::Response => "proxy_on_response_body",
    };
    let buffering = with_side(stream, direction, place, |side| side.buffering) == Some(true);
    if buffering {
        hold(stream, direction, place, &data, false);
        if !stream.borrow().open(direction) {
            return (DataStatus::StopNoBuffer, Vec::new());
        }
    } else {
        with_side(stream, direction, place, |side| {
            side.chunk = data;
            side.sees_chunk = true;
        });
    }
    let shown = with_side(stream, direction, place, |side| (side.from_current, side.body().map_or(0, Vec::len)));
    let (from_current, size) = shown.unwrap_or_default();
    let size = u32::try_from(size).unwrap_or(u32::MAX);
    let status = match ask(stream, direction, place, name, &[size, u32::from(end_stream)]) {
        Answer::Pass | Answer::Returned(0) => DataStatus::Continue,
        Answer::Returned(1) => DataStatus::StopAndBuffer,
        Answer::Returned(2) => DataStatus::StopAndWatermark,
        Answer::Returned(_) | Answer::Stopped => DataStatus::StopNoBuffer,
    };
    let passed = with_side(stream, direction, place, |side| {
        side.buffering = status == DataStatus::StopAndBuffer;
        side.sees_chunk = false;
        let chunk = std::mem::take(&mut side.chunk);
        if from_current && !side.buffering { side.held.take().unwrap_or_default() } else { chunk }
    });
    (status, passed.unwrap_or_default())
}

/// Shows the trailers, and returns whether they go on.
pub(super) fn trailers(stream: &Handle, direction: Direction, place: usize) -> bool {
    if !started(stream, direction, place) {
        return true;
    }
    let name = match direction {
        Direction::Request => "proxy_on_request_trailers",
        Direction::Response => "proxy_on_response_trailers",
    };
    let count = count(stream.borrow().message(direction).trailers.as_ref());
    with_side(stream, direction, place, |side| side.sees_trailers = true);
    let passes = matches!(ask(stream, direction, place, name, &[count]), Answer::Pass | Answer::Returned(0));
    if passes {
        with_side(stream, direction, place, |side| side.sees_trailers = false);
    }
    passes
}

/// Makes the filter's context in its guest, if there is none.
pub(super) fn create(stream: &Handle, place: usize) {
    let Some((vm, root)) = vm_of(stream, place) else { return };
    if stream.borrow().filter(place).is_none_or(|filter| filter.context != 0) {
        return;
    }
    let plugin = stream.borrow().filter(place).map(|filter| Rc::clone(&filter.plugin));
    let Some(plugin) = plugin else { return };
    let context = vm.borrow_mut().add_stream(root, plugin, Rc::downgrade(stream), place);
    if let Some(filter) = stream.borrow_mut().filter_mut(place) {
        filter.context = context;
    }
    run(&vm, context, "proxy_on_context_create", &[root]);
}

fn ask(stream: &Handle, direction: Direction, place: usize, name: &'static str, arguments: &[u32]) -> Answer {
    if direction == Direction::Request {
        if !usable(stream, place) {
            return fail(stream, place);
        }
        create(stream, place);
    } else if !started(stream, direction, place) {
        return Answer::Pass;
    }
    if !usable(stream, place) {
        return fail(stream, place);
    }
    let Some((vm, _)) = vm_of(stream, place) else { return Answer::Pass };
    let context = stream.borrow().filter(place).map_or(0, |filter| filter.context);
    let (called, stopped) = vm::call(&vm, context, name, arguments);
    super::actions::act(&vm);
    match called {
        Called::Missing => Answer::Pass,
        Called::Failed => fail(stream, place),
        Called::Returned(_) if stopped => Answer::Stopped,
        Called::Returned(value) => Answer::Returned(value),
    }
}

/// What happens where a filter's VM is gone: by the oldest policy nothing, by all others the client gets 503.
fn fail(stream: &Handle, place: usize) -> Answer {
    let policy = stream.borrow().filter(place).map(|filter| filter.plugin.failure_policy);
    if policy == Some(FailurePolicy::OpenAtOnce) {
        return Answer::Pass;
    }
    let first =
        stream.borrow_mut().filter_mut(place).is_some_and(|filter| !std::mem::replace(&mut filter.failed, true));
    if first {
        local_reply(stream, LocalReply::failed());
    }
    Answer::Stopped
}

/// Whether the filter takes part: it has seen the request, and its VM, if it failed, has not answered already.
fn started(stream: &Handle, direction: Direction, place: usize) -> bool {
    let exchange = stream.borrow();
    exchange.filter(place).is_some_and(|filter| {
        let began = filter.context != 0 || direction == Direction::Request;
        began && !filter.failed
    })
}

fn usable(stream: &Handle, place: usize) -> bool {
    vm_of(stream, place).is_some_and(|(vm, _)| !vm.borrow().failed())
}

fn vm_of(stream: &Handle, place: usize) -> Option<(VmHandle, u32)> {
    stream.borrow().filter(place).and_then(|filter| filter.vm.clone())
}

fn count(fields: Option<&Fields>) -> u32 {
    fields.map_or(0, |fields| u32::try_from(fields.len()).unwrap_or(u32::MAX))
}
