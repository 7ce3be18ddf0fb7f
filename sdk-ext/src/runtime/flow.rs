//! Flow: one direction of an exchange, what of its message has arrived, and whether it may go on.
//!
//! A pure state machine between two sides. The host reports what came (`*_came`); the filter's future takes it
//! (`take_*`) and, where nothing is there yet, leaves word what it wants next. After each poll [`Flow::may_go`] says
//! whether the direction goes on or is held. The rule that keeps a protective filter safe: a message is held unless
//! the filter has asked for what comes behind it, or is done.

use std::cell::Cell;
use std::task::{Context, Waker};

/// What the filter awaits of a flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Want {
    /// Nothing: the filter is at work with what it has, and the flow is held.
    #[default]
    Nothing,
    Headers,
    /// The next piece of the body.
    Chunk,
    /// The whole body in one piece, up to this many bytes.
    Whole(usize),
    /// The same, while the headers are held too.
    WholeBehindHeld(usize),
    Trailers,
}

/// A piece of the body in the host's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Where it begins: before it stands what the filter has finished and the host still holds.
    pub(crate) start: usize,
    /// Its length in bytes.
    pub(crate) size: usize,
    /// Whether no more of the body follows.
    pub(crate) last: bool,
}

/// Why a part of a message will not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotComing {
    TooLong,
    Overtaken,
}

#[derive(Default)]
pub(crate) struct Flow {
    want: Cell<Want>,
    waker: Cell<Option<Waker>>,
    /// The headers are here and not taken yet; holds whether the message ended with them.
    headers: Cell<Option<bool>>,
    /// The length of the host's buffer, and how much of its front the filter has taken.
    buffered: Cell<usize>,
    taken: Cell<usize>,
    /// A body callback has come and its piece is not taken yet.
    fresh: Cell<bool>,
    /// The piece that was taken last stays with the host until more has come.
    kept: Cell<bool>,
    trailers: Cell<bool>,
    /// The last part of the message has arrived.
    ended: Cell<bool>,
    started: Cell<bool>,
    /// The headers went on: somebody behind the filter has seen this message.
    forwarded: Cell<bool>,
    /// The headers were held for a while.
    headers_held: Cell<bool>,
    /// The last callback was answered with Pause and the flow was not continued since.
    held: Cell<bool>,
    /// The filter is done with this flow for good.
    released: Cell<bool>,
    /// The filter rewrites the body: nothing of it may pass that the filter has not seen.
    rewritten: Cell<bool>,
    /// The response came before this request was complete.
    overtaken: Cell<bool>,
}

impl Flow {
    // === what the host reports ===

    pub(crate) fn headers_came(&self, end_of_stream: bool) {
        self.headers.set(Some(end_of_stream));
        self.started.set(true);
        self.ended.set(end_of_stream);
    }

    /// `size` is that of the host's whole buffer: held bytes and new ones together.
    pub(crate) fn body_came(&self, size: usize, end_of_stream: bool) {
        self.buffered.set(size);
        self.take_back_kept();
        self.fresh.set(true);
        self.ended.set(end_of_stream);
    }

    /// Held bytes are still in the host's buffer, and this is the last time that they can be read and written.
    pub(crate) fn trailers_came(&self) {
        if self.take_back_kept() {
            self.fresh.set(true);
        }
        self.trailers.set(true);
        self.ended.set(true);
    }

    /// The response of this request has come, and the request is not complete.
    pub(crate) fn overtaken(&self) {
        self.overtaken.set(true);
    }

    /// Wakes whoever waits for a part of this flow.
    pub(crate) fn wake(&self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    // === what the filter takes ===

    pub(crate) fn before_poll(&self) {
        self.want.set(Want::Nothing);
    }

    pub(crate) fn take_headers(&self, context: &Context<'_>) -> Option<bool> {
        let taken = self.headers.take();
        if taken.is_none() {
            self.wait(Want::Headers, context);
        }
        taken
    }

    /// The next piece; `None` inside behind the last one.
    pub(crate) fn take_piece(&self, context: &Context<'_>) -> Option<Result<Option<Piece>, NotComing>> {
        let piece = self.untaken();
        if self.fresh.get() && (piece.size > 0 || piece.last) {
            self.fresh.set(false);
            self.taken.set(self.buffered.get());
            return Some(Ok(Some(piece)));
        }
        if self.ended.get() {
            return Some(Ok(None));
        }
        if self.overtaken.get() {
            return Some(Err(NotComing::Overtaken));
        }
        self.wait(Want::Chunk, context);
        None
    }

    /// The whole body once it is in the host's buffer; `None` inside for a message without one.
    pub(crate) fn take_whole(&self, limit: usize, context: &Context<'_>) -> Option<Result<Option<Piece>, NotComing>> {
        if self.untaken().size > limit {
            return Some(Err(NotComing::TooLong));
        }
        if self.ended.get() {
            return self.take_piece(context);
        }
        if self.overtaken.get() {
            return Some(Err(NotComing::Overtaken));
        }
        self.wait(Want::Whole(limit), context);
        None
    }

    /// The whole body once it is in the host's buffer, while nothing of the message goes on. It is not taken: who reads
    /// the body afterwards reads it from its beginning. Only for headers that have not gone on.
    pub(crate) fn peek_whole(&self, limit: usize, context: &Context<'_>) -> Option<Result<Piece, NotComing>> {
        let piece = self.untaken();
        if piece.size > limit {
            return Some(Err(NotComing::TooLong));
        }
        if self.ended.get() {
            return Some(Ok(piece));
        }
        self.wait(Want::WholeBehindHeld(limit), context);
        None
    }

    /// Whether there are trailers, once that is known.
    pub(crate) fn take_trailers(&self, context: &Context<'_>) -> Option<Result<bool, NotComing>> {
        if self.trailers.take() {
            return Some(Ok(true));
        }
        if self.ended.get() {
            return Some(Ok(false));
        }
        if self.overtaken.get() {
            return Some(Err(NotComing::Overtaken));
        }
        self.skip_body();
        self.wait(Want::Trailers, context);
        None
    }

    /// Keeps the piece that was just taken in the host's buffer: the next one begins with it.
    pub(crate) fn keep(&self, piece: Piece) {
        if piece.last {
            return;
        }
        self.taken.set(piece.start);
        // What has come behind it meanwhile, be it the end, is offered together with it.
        match self.fresh.get() || self.ended.get() {
            true => self.fresh.set(true),
            false => self.kept.set(true),
        }
    }

    /// The length of the host's buffer: pieces and whatever has come behind them.
    pub(crate) fn buffered(&self) -> usize {
        self.buffered.get()
    }

    /// The filter has put `size` bytes in the place of a piece that it had taken.
    pub(crate) fn replaced(&self, piece: Piece, size: usize) {
        let resized = |length: usize| length.saturating_sub(piece.size).saturating_add(size);
        self.buffered.set(resized(self.buffered.get()));
        self.taken.set(resized(self.taken.get()));
    }

    pub(crate) fn release(&self) {
        self.released.set(true);
    }

    pub(crate) fn rewrite(&self) {
        self.rewritten.set(true);
    }

    // === what follows for the host ===

    /// Whether a poll could make a difference after a part of the body came.
    pub(crate) fn body_is_awaited(&self) -> bool {
        match self.want.get() {
            _ if self.ended.get() => true,
            Want::Whole(limit) | Want::WholeBehindHeld(limit) => self.untaken().size > limit,
            Want::Chunk => self.untaken().size > 0,
            Want::Nothing | Want::Headers | Want::Trailers => false,
        }
    }

    /// Whether the flow may go on now.
    pub(crate) fn may_go(&self) -> bool {
        if self.is_blocked() {
            return false;
        }
        if self.released.get() {
            return true;
        }
        match self.want.get() {
            Want::Nothing | Want::WholeBehindHeld(_) => false,
            Want::Headers | Want::Trailers => true,
            Want::Chunk | Want::Whole(_) => !self.kept.get() && self.untaken().size == 0,
        }
    }

    /// Whether the trailers callback must be answered with Pause although the flow may go on: Envoy runs that callback
    /// while it continues held headers, and forgets the held body when the filter lets it go there.
    pub(crate) fn must_go_later(&self) -> bool {
        self.headers_held.get() && self.buffered.get() > 0
    }

    /// Whether the filter waits for a part of this flow.
    pub(crate) fn is_wanted(&self) -> bool {
        self.want.get() != Want::Nothing
    }

    /// Whether the rest of this message must not pass, whatever the filter does.
    pub(crate) fn is_blocked(&self) -> bool {
        self.overtaken.get() && self.rewritten.get()
    }

    pub(crate) fn is_held(&self) -> bool {
        self.held.get()
    }

    /// The host was told to hold the flow.
    pub(crate) fn hold(&self) {
        self.held.set(true);
        if !self.forwarded.get() {
            self.headers_held.set(true);
        }
    }

    /// The host was told to let the flow go, and with it all that its buffer holds.
    pub(crate) fn go(&self) {
        self.held.set(false);
        self.forwarded.set(true);
        self.fresh.set(false);
        self.buffered.set(0);
        self.taken.set(0);
    }

    pub(crate) fn has_started(&self) -> bool {
        self.started.get()
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.ended.get() || self.released.get()
    }

    /// Whether the message is held and nobody behind the filter has seen any of it.
    pub(crate) fn is_unseen(&self) -> bool {
        self.started.get() && !self.forwarded.get()
    }

    // === between the two ===

    /// What stands in the host's buffer behind all that the filter has taken.
    fn untaken(&self) -> Piece {
        let start = self.taken.get();
        Piece { start, size: self.buffered.get().saturating_sub(start), last: self.ended.get() }
    }

    fn take_back_kept(&self) -> bool {
        self.kept.replace(false)
    }

    fn skip_body(&self) {
        self.fresh.set(false);
        self.kept.set(false);
        self.taken.set(self.buffered.get());
    }

    fn wait(&self, want: Want, context: &Context<'_>) {
        self.want.set(want);
        self.waker.set(Some(context.waker().clone()));
    }
}

#[cfg(test)]
mod tests;
