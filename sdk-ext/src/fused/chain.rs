//! Chain: what stands between the parts of a fused module and the host while a part's callback runs.
//!
//! A part's runtime works as if it were alone. What it asks of its host about a stream comes here instead, where the
//! module is a fused one: to continue it, to answer its client, to read and write its share of a body.

use super::passage::{Event, Extent, Passage, Place};
use crate::direction::Direction;
use crate::runtime::stream::Stream;
use crate::runtime::tasks::Tasks;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

/// The passages of one exchange.
struct Passages {
    /// The root context's id.
    root: u32,
    request: Passage,
    response: Passage,
}

/// A message that a part lets go outside of the message's own callback.
pub(super) struct Continued {
    pub(super) id: u32,
    pub(super) direction: Direction,
    part: usize,
}

thread_local! {
    /// How many parts there are. Nothing sets it in a module of one filter, so that the linker takes it for the constant
    /// that it is there, and leaves out all of this.
    static PARTS: Cell<usize> = const { Cell::new(0) };
    static PASSAGES: RefCell<Tasks<Passages>> = const { RefCell::new(Tasks::new()) };
    static CONTINUED: RefCell<VecDeque<Continued>> = const { RefCell::new(VecDeque::new()) };
}

// === what a part's runtime asks of its host ===

/// Whether this module is a fused one.
pub(crate) fn is_fused() -> bool {
    PARTS.get() > 0
}

/// Lets a held message go on to the next part. Returns whether there are parts.
pub(crate) fn continues(stream: &Stream, direction: Direction) -> bool {
    if is_fused() {
        let continued = Continued { id: stream.id, direction, part: stream.root.part.into() };
        CONTINUED.with_borrow_mut(|line| line.push_back(continued));
    }
    is_fused()
}

/// The client of a stream was answered: nothing of its request goes on to other parts, nor of a response that has begun.
pub(crate) fn answered(id: u32) {
    if is_fused() {
        with(id, |passages| {
            passages.request.block();
            if passages.response.has_started() {
                passages.response.block();
            }
        });
    }
}

/// Where in the host's buffer stands what is a filter's of a body, of which it knows `buffered` bytes.
pub(crate) fn extent(stream: &Stream, direction: Direction, buffered: usize) -> Extent {
    let own = Extent { start: 0, buffered };
    if !is_fused() {
        return own;
    }
    let place = place(direction, stream.root.part.into());
    with(stream.id, |passages| passages.of(direction).extent(place)).unwrap_or(own)
}

/// A filter has put `to` bytes in the place of `from` bytes of a body.
pub(crate) fn resized(stream: &Stream, direction: Direction, from: usize, to: usize) {
    if is_fused() {
        let place = place(direction, stream.root.part.into());
        with(stream.id, |passages| passages.of(direction).resized(place, from, to));
    }
}

// === what the host's callbacks bring ===

/// The module has this many parts.
pub(super) fn fuse(parts: usize) {
    PARTS.set(parts);
}

/// A stream of this root context has begun.
pub(super) fn begin(id: u32, root: u32) {
    let parts = PARTS.get();
    let passages = Passages { root, request: Passage::new(parts), response: Passage::new(parts) };
    PASSAGES.with_borrow_mut(|all| all.put(id, passages));
}

/// A part of a message has come. Returns whether its stream is known.
pub(super) fn came(id: u32, direction: Direction, event: Event) -> bool {
    let came = with(id, |passages| {
        passages.of(direction).came(event);
        if direction == Direction::Response {
            passages.request.block_unseen();
        }
    });
    came.is_some()
}

/// The root context of a stream, and which part is to be told what of a message.
pub(super) fn next(id: u32, direction: Direction) -> Option<(u32, usize, Event)> {
    with(id, |passages| {
        let (place, event) = passages.of(direction).next()?;
        Some((passages.root, self::place(direction, place), event))
    })?
}

/// What a part has answered.
pub(super) fn told(id: u32, direction: Direction, part: usize, holds: bool) {
    let place = place(direction, part);
    with(id, |passages| match holds {
        true => passages.of(direction).hold(place),
        false => passages.of(direction).let_go(place),
    });
}

/// The next message that a part lets go outside of the message's own callback. It was not passed on yet.
pub(super) fn next_continued() -> Option<Continued> {
    let continued = CONTINUED.with_borrow_mut(VecDeque::pop_front)?;
    told(continued.id, continued.direction, continued.part, false);
    Some(continued)
}

/// How a message's own callback is to be answered.
pub(super) enum Answer {
    Continue,
    Pause,
    /// Pause now, and continue in the next tick.
    PauseForATick {
        root: u32,
    },
}

pub(super) fn answer(id: u32, direction: Direction) -> Answer {
    let answer = with(id, |passages| {
        let root = passages.root;
        let passage = passages.of(direction);
        if passage.is_held() {
            passage.pause();
            return Answer::Pause;
        }
        if passage.must_go_later() {
            passage.pause();
            return Answer::PauseForATick { root };
        }
        passage.go();
        Answer::Continue
    });
    answer.unwrap_or(Answer::Continue)
}

/// The root context of a stream of which the host is to continue a message now, outside of the message's own callback.
pub(super) fn goes(id: u32, direction: Direction) -> Option<u32> {
    with(id, |passages| {
        let passage = passages.of(direction);
        let goes = !passage.is_held() && passage.go();
        goes.then_some(passages.root)
    })?
}

/// The stream is over.
pub(super) fn end(id: u32) {
    PASSAGES.with_borrow_mut(|all| all.take(id));
}

/// The place of a part on the way of a message, and the other way round: a response meets the parts in reverse.
fn place(direction: Direction, part: usize) -> Place {
    match direction {
        Direction::Request => part,
        Direction::Response => PARTS.get().wrapping_sub(part).wrapping_sub(1),
    }
}

fn with<T>(id: u32, work: impl FnOnce(&mut Passages) -> T) -> Option<T> {
    PASSAGES.with_borrow_mut(|all| all.get_mut(id).map(work))
}

// === impl Passages ===

impl Passages {
    fn of(&mut self, direction: Direction) -> &mut Passage {
        match direction {
            Direction::Request => &mut self.request,
            Direction::Response => &mut self.response,
        }
    }
}
