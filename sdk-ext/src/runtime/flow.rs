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
        if !piece.last {
            self.taken.set(piece.start);
            self.kept.set(true);
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
            Want::Whole(limit) => self.untaken().size > limit,
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
            Want::Nothing => false,
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
mod tests {
    use super::*;

    const CONTEXT: Context<'static> = Context::from_waker(Waker::noop());

    fn piece(start: usize, size: usize, last: bool) -> Piece {
        Piece { start, size, last }
    }

    fn with_headers() -> Flow {
        let flow = Flow::default();
        flow.headers_came(false);
        assert_eq!(flow.take_headers(&CONTEXT), Some(false));
        flow
    }

    fn take(flow: &Flow) -> Option<Piece> {
        flow.before_poll();
        flow.take_piece(&CONTEXT)?.unwrap()
    }

    #[test]
    fn a_message_is_held_while_the_filter_works_with_it() {
        let flow = with_headers();
        assert!(!flow.may_go());
        flow.body_came(4, false);
        assert!(take(&flow).is_some());
        assert!(!flow.may_go());
    }

    #[test]
    fn asking_for_the_next_piece_lets_the_headers_go() {
        let flow = with_headers();
        assert_eq!(take(&flow), None);
        assert!(flow.may_go());
    }

    #[test]
    fn data_that_came_during_a_hold_is_taken_afterwards() {
        let flow = with_headers();
        flow.body_came(3, false);
        assert!(!flow.may_go());
        assert_eq!(take(&flow), Some(piece(0, 3, false)));
        assert!(!flow.may_go());
        assert_eq!(take(&flow), None);
        assert!(flow.may_go());
    }

    #[test]
    fn data_that_comes_behind_a_piece_in_hand_is_the_next_piece() {
        let flow = with_headers();
        flow.body_came(3, false);
        let first = take(&flow).unwrap();
        flow.body_came(8, false);
        flow.replaced(first, 5);
        assert_eq!(flow.buffered(), 10);
        assert_eq!(take(&flow), Some(piece(5, 5, false)));
    }

    #[test]
    fn an_empty_piece_that_is_not_the_last_is_passed_over() {
        let flow = with_headers();
        flow.body_came(0, false);
        assert_eq!(take(&flow), None);
        flow.body_came(0, true);
        assert_eq!(take(&flow), Some(piece(0, 0, true)));
        flow.before_poll();
        assert_eq!(flow.take_piece(&CONTEXT), Some(Ok(None)));
    }

    #[test]
    fn a_kept_piece_is_offered_again_with_the_trailers() {
        let flow = with_headers();
        flow.body_came(4, false);
        flow.keep(take(&flow).unwrap());
        assert_eq!(take(&flow), None);
        assert!(!flow.may_go());
        flow.trailers_came();
        assert_eq!(take(&flow), Some(piece(0, 4, true)));
    }

    #[test]
    fn the_last_piece_cannot_be_kept() {
        let flow = with_headers();
        flow.body_came(4, true);
        flow.keep(take(&flow).unwrap());
        flow.before_poll();
        assert_eq!(flow.take_piece(&CONTEXT), Some(Ok(None)));
    }

    #[test]
    fn a_whole_body_is_held_until_it_is_complete() {
        let flow = with_headers();
        assert_eq!(flow.take_whole(8, &CONTEXT), None);
        assert!(flow.may_go(), "the headers go, or no body would ever come");
        flow.body_came(3, false);
        assert!(!flow.body_is_awaited());
        assert!(!flow.may_go());
        flow.body_came(8, true);
        assert!(flow.body_is_awaited());
        assert_eq!(flow.take_whole(8, &CONTEXT), Some(Ok(Some(piece(0, 8, true)))));
    }

    #[test]
    fn a_whole_body_that_ends_with_trailers_is_complete() {
        let flow = with_headers();
        assert_eq!(flow.take_whole(8, &CONTEXT), None);
        flow.body_came(3, false);
        flow.trailers_came();
        assert_eq!(flow.take_whole(8, &CONTEXT), Some(Ok(Some(piece(0, 3, true)))));
        assert_eq!(flow.take_trailers(&CONTEXT), Some(Ok(true)));
    }

    #[test]
    fn a_message_without_a_body_has_no_whole() {
        let flow = Flow::default();
        flow.headers_came(true);
        assert_eq!(flow.take_whole(8, &CONTEXT), Some(Ok(None)));
        assert_eq!(flow.take_trailers(&CONTEXT), Some(Ok(false)));
    }

    #[test]
    fn a_body_over_the_limit_is_known_as_soon_as_it_is() {
        let flow = with_headers();
        assert_eq!(flow.take_whole(8, &CONTEXT), None);
        flow.body_came(9, false);
        assert!(flow.body_is_awaited());
        assert_eq!(flow.take_whole(8, &CONTEXT), Some(Err(NotComing::TooLong)));
    }

    #[test]
    fn a_body_that_was_held_behind_held_headers_cannot_go_in_the_trailers_callback() {
        let flow = with_headers();
        flow.hold();
        flow.before_poll();
        assert_eq!(flow.take_whole(8, &CONTEXT), None);
        flow.go();
        flow.body_came(3, false);
        flow.hold();
        flow.trailers_came();
        assert!(flow.must_go_later());
    }

    #[test]
    fn what_is_rewritten_never_passes_unseen_once_the_response_has_come() {
        let flow = with_headers();
        flow.rewrite();
        assert_eq!(take(&flow), None);
        flow.overtaken();
        flow.before_poll();
        assert_eq!(flow.take_piece(&CONTEXT), Some(Err(NotComing::Overtaken)));
        flow.release();
        assert!(!flow.may_go());
        flow.body_came(4, true);
        assert!(!flow.may_go());
    }

    mod property {
        use super::*;
        use proptest::prelude::*;

        #[derive(Clone, Debug)]
        enum Step {
            /// The host brings so many bytes more.
            Data(usize),
            /// The filter asks for the next piece,
            Take,
            /// puts each byte of its piece there twice,
            Double,
            /// keeps its piece,
            Keep,
            /// or waits for something else with its piece in hand.
            Work,
        }

        fn steps() -> impl Strategy<Value = Vec<Step>> {
            let step = prop_oneof![
                (0..9_usize).prop_map(Step::Data),
                Just(Step::Take),
                Just(Step::Double),
                Just(Step::Keep),
                Just(Step::Work),
            ];
            proptest::collection::vec(step, 0..60)
        }

        /// A host that does what the flow's answers say, and a filter with at most one piece in hand. Bytes are
        /// numbers, so that their order and their loss show.
        #[derive(Default)]
        struct Model {
            flow: Flow,
            sent: usize,
            buffer: Vec<usize>,
            taken: Vec<bool>,
            hand: Option<Piece>,
            passed: Vec<usize>,
        }

        impl Model {
            fn data(&mut self, size: usize, last: bool) {
                self.buffer.extend((0..size).map(|offset| self.sent.strict_add(offset)));
                self.sent = self.sent.strict_add(size);
                self.taken.resize(self.sent, false);
                self.flow.body_came(self.buffer.len(), last);
            }

            fn take(&mut self) -> bool {
                self.hand = take(&self.flow);
                if let Some(Piece { start, size, .. }) = self.hand {
                    for byte in &self.buffer[start..start.strict_add(size)] {
                        self.taken[*byte] = true;
                    }
                }
                self.hand.is_some()
            }

            fn double(&mut self) {
                let Some(piece) = self.hand.take() else { return };
                let range = piece.start..piece.start.strict_add(piece.size);
                let doubled: Vec<_> = self.buffer[range.clone()].iter().flat_map(|byte| [*byte, *byte]).collect();
                self.flow.replaced(piece, doubled.len());
                self.buffer.splice(range, doubled);
            }

            fn keep(&mut self) {
                if let Some(piece) = self.hand.take() {
                    self.flow.keep(piece);
                    self.take();
                }
            }

            fn settle(&mut self) -> Result<(), TestCaseError> {
                if self.flow.may_go() {
                    prop_assert!(self.buffer.iter().all(|byte| self.taken[*byte]), "a byte passes untaken");
                    self.passed.append(&mut self.buffer);
                    self.flow.go();
                }
                Ok(())
            }
        }

        proptest! {
            #[test]
            fn every_byte_passes_once_in_order_and_after_the_filter_has_taken_it(steps in steps(), trailers in any::<bool>()) {
                let mut model = Model { flow: with_headers(), ..Model::default() };
                for step in steps {
                    match step {
                        Step::Data(size) => model.data(size, false),
                        Step::Take => drop(model.take()),
                        Step::Double => model.double(),
                        Step::Keep => model.keep(),
                        Step::Work => model.flow.before_poll(),
                    }
                    model.settle()?;
                }
                if trailers { model.flow.trailers_came() } else { model.data(0, true) }
                while model.take() {}
                model.flow.release();
                model.settle()?;
                model.passed.dedup();
                prop_assert_eq!(model.passed, (0..model.sent).collect::<Vec<_>>());
            }
        }
    }
}
