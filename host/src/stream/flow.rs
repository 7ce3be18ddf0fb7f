//! Flow: frames through the chain, filter by filter, with what filters hold back.

use super::callbacks::{self, DataStatus, HeadersStatus};
use super::exchange::with_side;
use super::filter::Iteration;
use super::local_reply::local_reply;
use super::reply::LocalReply;
use super::{Direction, Handle, terminal};

/// Passes a message's headers, which are in the exchange, to the filters from this position on.
pub(crate) fn pass_headers(stream: &Handle, direction: Direction, start: usize, end_stream: bool) {
    for position in start..length(stream) {
        let place = direction.place(position, length(stream));
        with_side(stream, direction, place, |side| side.end_stream = end_stream);
        let status = callbacks::headers(stream, direction, place, end_stream);
        if !stream.borrow().open(direction) {
            return;
        }
        let stop = match status {
            HeadersStatus::Continue => None,
            HeadersStatus::StopIteration => Some(Iteration::StopOne),
            HeadersStatus::StopAllBuffer => Some(Iteration::StopAllBuffer),
            HeadersStatus::StopAllWatermark => Some(Iteration::StopAllWatermark),
        };
        if let Some(iteration) = stop {
            with_side(stream, direction, place, |side| side.iteration = iteration);
            return;
        }
        with_side(stream, direction, place, |side| side.headers_continued = true);
    }
    terminal::headers(stream, direction, end_stream);
}

/// Passes a piece of a body to the filters from this position on.
pub(crate) fn pass_data(stream: &Handle, direction: Direction, start: usize, mut data: Vec<u8>, end_stream: bool) {
    for position in start..length(stream) {
        let place = direction.place(position, length(stream));
        let (stopped, streaming, ended) = with_side(stream, direction, place, |side| {
            (side.stopped_all(), side.iteration == Iteration::StopAllWatermark, side.end_stream)
        })
        .unwrap_or_default();
        if stopped {
            hold(stream, direction, place, &data, streaming);
            return;
        }
        if ended {
            return;
        }
        with_side(stream, direction, place, |side| side.end_stream = end_stream);
        let (status, passed) = callbacks::data(stream, direction, place, data, end_stream);
        data = passed;
        if !stream.borrow().open(direction) {
            return;
        }
        let was_stopped = with_side(stream, direction, place, |side| side.iteration == Iteration::StopOne);
        match status {
            DataStatus::Continue if was_stopped == Some(true) => {
                hold(stream, direction, place, &data, true);
                common_continue(stream, direction, place);
                return;
            }
            DataStatus::Continue => {}
            stopped => {
                with_side(stream, direction, place, |side| side.iteration = Iteration::StopOne);
                match stopped {
                    DataStatus::StopAndBuffer => hold(stream, direction, place, &data, false),
                    DataStatus::StopAndWatermark => hold(stream, direction, place, &data, true),
                    // Where the body ends in nothing, its end is kept, so that going on passes it.
                    _ if end_stream => {
                        hold(stream, direction, place, &[], true);
                    }
                    _ => {}
                }
                return;
            }
        }
    }
    terminal::data(stream, direction, data, end_stream);
}

/// Passes a message's trailers, which are in the exchange, to the filters from this position on.
pub(crate) fn pass_trailers(stream: &Handle, direction: Direction, start: usize) {
    for position in start..length(stream) {
        let place = direction.place(position, length(stream));
        if with_side(stream, direction, place, |side| side.stopped_all()) == Some(true) {
            return;
        }
        with_side(stream, direction, place, |side| side.end_stream = true);
        let passes = callbacks::trailers(stream, direction, place);
        if !stream.borrow().open(direction) {
            return;
        }
        let stopped = with_side(stream, direction, place, |side| side.iteration == Iteration::StopOne) == Some(true);
        if !passes {
            with_side(stream, direction, place, |side| side.iteration = Iteration::StopOne);
            return;
        }
        if stopped {
            common_continue(stream, direction, place);
            return;
        }
    }
    terminal::trailers(stream, direction);
}

/// Lets a filter that stopped go on: the next filters get what it held back.
///
/// One that did not stop goes on all the same: from within a headers callback that then returns Continue, the
/// headers go on twice.
pub(crate) fn common_continue(stream: &Handle, direction: Direction, place: usize) {
    if !stream.borrow().open(direction) {
        return;
    }
    let length = length(stream);
    let position = direction.place(place, length);
    let next = position.saturating_add(1);
    let state = with_side(stream, direction, place, |side| {
        side.from_current |= side.stopped_all();
        side.iteration = Iteration::Continue;
        side.buffering = false;
        // What it is shown is its own until it lets it go: where it goes on again meanwhile, it is shown it again.
        let held = if side.from_current { side.held.as_ref().map(|_| Vec::new()) } else { side.held.take() };
        (side.from_current, !std::mem::replace(&mut side.headers_continued, true), held)
    });
    let Some((from_current, headers, held)) = state else { return };
    let (complete, trailers) = {
        let exchange = stream.borrow();
        let message = exchange.message(direction);
        (message.complete, message.trailers.is_some())
    };
    if headers {
        pass_headers(stream, direction, next, complete && held.is_none() && !trailers);
    }
    let start = if from_current { position } else { next };
    if let Some(held) = held {
        pass_data(stream, direction, start, held, complete && !trailers);
    }
    if trailers && stream.borrow().open(direction) {
        let is_first = with_side(stream, direction, place, |side| side.from_current) == Some(true);
        pass_trailers(stream, direction, if is_first { position } else { next });
    }
    with_side(stream, direction, place, |side| side.from_current = false);
}

/// Keeps bytes back. Where the sender is not slowed down for it, there is a limit.
pub(super) fn hold(stream: &Handle, direction: Direction, place: usize, data: &[u8], streaming: bool) {
    let held = with_side(stream, direction, place, |side| {
        side.streaming = streaming;
        let held = side.held.get_or_insert_with(Vec::new);
        held.extend_from_slice(data);
        held.len()
    });
    let limit = stream.borrow().buffer_limit;
    if !streaming && held.is_some_and(|held| held > limit) {
        local_reply(stream, LocalReply::too_large(direction));
    }
}

fn length(stream: &Handle) -> usize {
    stream.borrow().filters.len()
}
