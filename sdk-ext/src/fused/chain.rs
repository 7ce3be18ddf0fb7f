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
use std::rc::Rc;

/// The passages of one exchange.
pub(super) struct Passages {
    /// The root context's id.
    pub(super) root: u32,
    request: RefCell<Passage>,
    response: RefCell<Passage>,
}

/// A message that a part lets go outside of the message's own callback.
pub(super) struct Continued {
    pub(super) id: u32,
    pub(super) direction: Direction,
}

thread_local! {
    /// How many parts there are. Nothing sets it in a module of one filter, so that the linker takes it for the constant
    /// that it is there, and leaves out all of this.
    static PARTS: Cell<usize> = const { Cell::new(0) };
    static PASSAGES: RefCell<Tasks<Rc<Passages>>> = const { RefCell::new(Tasks::new()) };
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
        // At once, since more of it may come before it is passed on.
        if let Some(passages) = find(stream.id) {
            passages.told(direction, stream.root.part.into(), false);
        }
        CONTINUED.with_borrow_mut(|line| line.push_back(Continued { id: stream.id, direction }));
    }
    is_fused()
}

/// The client of a stream was answered: nothing of its request goes on to other parts, nor of a response that has begun.
pub(crate) fn answered(id: u32) {
    if is_fused()
        && let Some(passages) = find(id)
    {
        passages.request.borrow_mut().block();
        let mut response = passages.response.borrow_mut();
        if response.has_started() {
            response.block();
        }
    }
}

/// Where in the host's buffer stands what is a filter's of a body, of which it knows `buffered` bytes.
pub(crate) fn extent(stream: &Stream, direction: Direction, buffered: usize) -> Extent {
    let own = Extent { start: 0, buffered };
    if !is_fused() {
        return own;
    }
    let place = place(direction, stream.root.part.into());
    find(stream.id).map_or(own, |passages| passages.of(direction).borrow().extent(place))
}

/// A filter has put `to` bytes in the place of `from` bytes of a body.
pub(crate) fn resized(stream: &Stream, direction: Direction, from: usize, to: usize) {
    if is_fused()
        && let Some(passages) = find(stream.id)
    {
        let place = place(direction, stream.root.part.into());
        passages.of(direction).borrow_mut().resized(place, from, to);
    }
}

// === what the host's callbacks bring ===

/// The module has this many parts.
pub(super) fn fuse(parts: usize) {
    PARTS.set(parts);
}

/// A stream of this root context has begun.
pub(super) fn begin(id: u32, root: u32) -> Rc<Passages> {
    let passage = || RefCell::new(Passage::new(PARTS.get()));
    let passages = Rc::new(Passages { root, request: passage(), response: passage() });
    PASSAGES.with_borrow_mut(|all| all.put(id, passages.clone()));
    passages
}

/// The passages of a stream, unless it is over or no part has anything to do with it any more.
pub(super) fn find(id: u32) -> Option<Rc<Passages>> {
    PASSAGES.with_borrow_mut(|all| all.get_mut(id).cloned())
}

/// The stream is over, or no part has anything to do with it any more.
pub(super) fn end(id: u32) {
    PASSAGES.with_borrow_mut(|all| all.take(id));
}

/// The next message that a part lets go outside of the message's own callback. It was not passed on yet.
pub(super) fn next_continued() -> Option<Continued> {
    CONTINUED.with_borrow_mut(VecDeque::pop_front)
}

/// How a message's own callback is to be answered.
pub(super) enum Answer {
    Continue,
    Pause,
    /// Pause now, and continue in the next tick.
    PauseForATick,
}

/// The place of a part on the way of a message, and the other way round: a response meets the parts in reverse.
fn place(direction: Direction, part: usize) -> Place {
    match direction {
        Direction::Request => part,
        Direction::Response => PARTS.get().wrapping_sub(part).wrapping_sub(1),
    }
}

// === impl Passages ===

impl Passages {
    /// A part of a message has come.
    pub(super) fn came(&self, direction: Direction, event: Event) {
        self.of(direction).borrow_mut().came(event);
        if direction == Direction::Response {
            self.request.borrow_mut().block_unseen();
        }
    }

    /// Which part is to be told what of a message.
    pub(super) fn next(&self, direction: Direction) -> Option<(usize, Event)> {
        let (place, event) = self.of(direction).borrow_mut().next()?;
        Some((self::place(direction, place), event))
    }

    /// What a part has answered.
    pub(super) fn told(&self, direction: Direction, part: usize, holds: bool) {
        let place = place(direction, part);
        let mut passage = self.of(direction).borrow_mut();
        match holds {
            true => passage.hold(place),
            false => passage.let_go(place),
        }
    }

    /// What follows for the message's own callback.
    pub(super) fn answer(&self, direction: Direction) -> Answer {
        let mut passage = self.of(direction).borrow_mut();
        if passage.is_held() {
            passage.pause();
            return Answer::Pause;
        }
        if passage.must_go_later() {
            passage.pause();
            return Answer::PauseForATick;
        }
        passage.go();
        Answer::Continue
    }

    /// Whether the host is to continue a message now, outside of the message's own callback.
    pub(super) fn resume(&self, direction: Direction) -> bool {
        self.of(direction).borrow_mut().resume()
    }

    /// Whether the host holds neither message.
    pub(super) fn are_free(&self) -> bool {
        !self.request.borrow().is_paused() && !self.response.borrow().is_paused()
    }

    fn of(&self, direction: Direction) -> &RefCell<Passage> {
        match direction {
            Direction::Request => &self.request,
            Direction::Response => &self.response,
        }
    }
}
