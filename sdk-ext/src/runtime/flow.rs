//! Flow: one direction of an exchange, what of its message has arrived, and whether it may go on.
//!
//! A pure state machine between two sides. The host reports what came (`*_came`); the filter's future takes it
//! (`take_*`) and, where nothing is there yet, leaves word what it wants next. After each poll [`Flow::may_go`] says
//! whether the direction goes on or is held. The rule that keeps a protective filter safe: a message is held unless
//! the filter has asked for what comes behind it, or is done.

use std::cell::Cell;

/// What the filter awaits of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Want {
    /// Nothing: the filter is at work with what it has, and the flow is held.
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
    /// Its length in bytes.
    pub(crate) size: usize,
    /// Whether no more of the body follows.
    pub(crate) last: bool,
}

/// Why there will be no whole body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoWhole {
    TooLong,
    Overtaken,
}

#[derive(Debug)]
pub(crate) struct Flow {
    want: Cell<Want>,
    /// The headers are here and not taken yet; holds whether the message ended with them.
    headers: Cell<Option<bool>>,
    started: Cell<bool>,
    /// The headers went on: somebody behind the filter has seen this message.
    forwarded: Cell<bool>,
    /// A piece of the body that is in the host's buffer and not taken yet.
    piece: Cell<Option<Piece>>,
    trailers: Cell<bool>,
    /// The last part of the message has arrived.
    ended: Cell<bool>,
    /// The last callback was answered with Pause and the flow was not continued since.
    held: Cell<bool>,
    /// The taken piece stays with the host until more has come.
    kept: Cell<Option<usize>>,
    /// The filter is done with this flow for good.
    released: Cell<bool>,
    /// The filter rewrites the body: nothing of it may pass that the filter has not seen.
    rewritten: Cell<bool>,
    /// The response came before this request was complete.
    overtaken: Cell<bool>,
}

impl Flow {
    pub(crate) const fn new() -> Self {
        Self {
            want: Cell::new(Want::Nothing),
            headers: Cell::new(None),
            started: Cell::new(false),
            forwarded: Cell::new(false),
            piece: Cell::new(None),
            trailers: Cell::new(false),
            ended: Cell::new(false),
            held: Cell::new(false),
            kept: Cell::new(None),
            released: Cell::new(false),
            rewritten: Cell::new(false),
            overtaken: Cell::new(false),
        }
    }

    // === what the host reports ===

    pub(crate) fn headers_came(&self, end_of_stream: bool) {
        self.headers.set(Some(end_of_stream));
        self.started.set(true);
        self.ended.set(end_of_stream);
    }

    /// `size` is that of the host's whole buffer: held bytes and new ones together.
    pub(crate) fn body_came(&self, size: usize, end_of_stream: bool) {
        self.kept.set(None);
        self.piece.set(Some(Piece { size, last: end_of_stream }));
        self.ended.set(end_of_stream);
    }

    /// Held bytes are still in the host's buffer, and this is the last time that they can be read and written.
    pub(crate) fn trailers_came(&self) {
        if let Some(size) = self.kept.take().or(self.piece.get().map(|piece| piece.size)) {
            self.piece.set(Some(Piece { size, last: true }));
        }
        self.trailers.set(true);
        self.ended.set(true);
    }

    pub(crate) fn overtaken(&self) {
        self.overtaken.set(true);
    }

    // === what the filter takes ===

    pub(crate) fn before_poll(&self) {
        self.want.set(Want::Nothing);
    }

    pub(crate) fn take_headers(&self) -> Option<bool> {
        let taken = self.headers.take();
        if taken.is_none() {
            self.want.set(Want::Headers);
        }
        taken
    }

    /// The next piece; `Some(None)` behind the last one.
    pub(crate) fn take_piece(&self) -> Option<Option<Piece>> {
        match self.piece.take() {
            Some(piece) if piece.size > 0 || piece.last => Some(Some(piece)),
            _ if self.ended.get() || self.overtaken.get() => Some(None),
            _ => {
                self.want.set(Want::Chunk);
                None
            }
        }
    }

    /// The whole body once it is in the host's buffer; `None` inside for a message without one.
    pub(crate) fn take_whole(&self, limit: usize) -> Option<Result<Option<Piece>, NoWhole>> {
        if self.piece.get().is_some_and(|piece| piece.size > limit) {
            return Some(Err(NoWhole::TooLong));
        }
        if self.ended.get() {
            return Some(Ok(self.piece.take()));
        }
        if self.overtaken.get() {
            return Some(Err(NoWhole::Overtaken));
        }
        self.want.set(Want::Whole(limit));
        None
    }

    /// Whether there are trailers, once that is known.
    pub(crate) fn take_trailers(&self) -> Option<bool> {
        if self.trailers.take() {
            return Some(true);
        }
        if self.ended.get() || self.overtaken.get() {
            return Some(false);
        }
        self.piece.set(None);
        self.want.set(Want::Trailers);
        None
    }

    /// Keeps the piece that was just taken in the host's buffer: the next one begins with it.
    pub(crate) fn keep(&self, piece: Piece) {
        if !piece.last {
            self.kept.set(Some(piece.size));
        }
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
        match (self.want.get(), self.piece.get()) {
            _ if self.ended.get() => true,
            (Want::Whole(limit), Some(piece)) => piece.size > limit,
            (Want::Chunk, Some(piece)) => piece.size > 0,
            _ => false,
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
            Want::Chunk => self.kept.get().is_none() && !self.has_untaken_bytes(),
            Want::Whole(_) => !self.has_untaken_bytes(),
        }
    }

    fn has_untaken_bytes(&self) -> bool {
        self.piece.get().is_some_and(|piece| piece.size > 0)
    }

    /// Whether the filter waits for a part of this flow.
    pub(crate) fn is_wanted(&self) -> bool {
        self.want.get() != Want::Nothing
    }

    /// Whether the rest of this message must not pass, whatever the filter does.
    pub(crate) fn is_blocked(&self) -> bool {
        self.overtaken.get() && self.rewritten.get() && !self.ended.get()
    }

    pub(crate) fn is_held(&self) -> bool {
        self.held.get()
    }

    pub(crate) fn set_held(&self, held: bool) {
        self.held.set(held);
        if !held {
            self.forwarded.set(true);
        }
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
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_headers() -> Flow {
        let flow = Flow::new();
        flow.headers_came(false);
        assert_eq!(flow.take_headers(), Some(false));
        flow
    }

    #[test]
    fn a_message_is_held_while_the_filter_works_with_it() {
        let flow = with_headers();
        assert!(!flow.may_go());
    }

    #[test]
    fn asking_for_the_next_piece_lets_the_headers_go() {
        let flow = with_headers();
        assert_eq!(flow.take_piece(), None);
        assert!(flow.may_go());
    }

    #[test]
    fn data_that_came_during_a_hold_is_taken_afterwards() {
        let flow = with_headers();
        flow.body_came(3, false);
        assert!(!flow.may_go());
        assert_eq!(flow.take_piece(), Some(Some(Piece { size: 3, last: false })));
        assert!(!flow.may_go());
        assert_eq!(flow.take_piece(), None);
        assert!(flow.may_go());
    }

    #[test]
    fn an_empty_piece_that_is_not_the_last_is_passed_over() {
        let flow = with_headers();
        flow.body_came(0, false);
        assert_eq!(flow.take_piece(), None);
        flow.body_came(0, true);
        assert_eq!(flow.take_piece(), Some(Some(Piece { size: 0, last: true })));
        assert_eq!(flow.take_piece(), Some(None));
    }

    #[test]
    fn a_kept_piece_is_offered_again_with_the_trailers() {
        let flow = with_headers();
        flow.body_came(4, false);
        let piece = flow.take_piece().flatten().unwrap();
        flow.keep(piece);
        assert_eq!(flow.take_piece(), None);
        assert!(!flow.may_go());
        flow.trailers_came();
        assert_eq!(flow.take_piece(), Some(Some(Piece { size: 4, last: true })));
    }

    #[test]
    fn a_whole_body_is_held_until_it_is_complete() {
        let flow = with_headers();
        assert_eq!(flow.take_whole(8), None);
        assert!(flow.may_go(), "the headers go, or no body would ever come");
        flow.body_came(3, false);
        assert!(!flow.body_is_awaited());
        assert!(!flow.may_go());
        flow.body_came(8, true);
        assert!(flow.body_is_awaited());
        assert_eq!(flow.take_whole(8), Some(Ok(Some(Piece { size: 8, last: true }))));
    }

    #[test]
    fn a_whole_body_that_ends_with_trailers_is_complete() {
        let flow = with_headers();
        assert_eq!(flow.take_whole(8), None);
        flow.body_came(3, false);
        flow.trailers_came();
        assert_eq!(flow.take_whole(8), Some(Ok(Some(Piece { size: 3, last: true }))));
        assert_eq!(flow.take_trailers(), Some(true));
    }

    #[test]
    fn a_body_over_the_limit_is_known_as_soon_as_it_is() {
        let flow = with_headers();
        assert_eq!(flow.take_whole(8), None);
        flow.body_came(9, false);
        assert!(flow.body_is_awaited());
        assert_eq!(flow.take_whole(8), Some(Err(NoWhole::TooLong)));
    }

    #[test]
    fn an_overtaken_request_ends_but_what_is_rewritten_never_passes_unseen() {
        let flow = with_headers();
        flow.rewrite();
        assert_eq!(flow.take_piece(), None);
        flow.overtaken();
        assert_eq!(flow.take_piece(), Some(None));
        flow.release();
        assert!(!flow.may_go());
    }

    mod property {
        use super::*;
        use proptest::prelude::*;

        #[derive(Clone, Debug)]
        enum Step {
            Data(usize),
            Take,
            Keep,
            Work,
        }

        fn steps() -> impl Strategy<Value = Vec<Step>> {
            let step =
                prop_oneof![(0..9_usize).prop_map(Step::Data), Just(Step::Take), Just(Step::Keep), Just(Step::Work),];
            proptest::collection::vec(step, 0..40)
        }

        proptest! {
            /// A host with a buffer that follows the flow's answers: each byte that passes was taken by the filter.
            #[test]
            fn no_byte_passes_that_the_filter_has_not_taken(steps in steps(), trailers in any::<bool>()) {
                let flow = with_headers();
                let (mut buffered, mut taken, mut passed, mut sent) = (0, 0, 0, 0);
                let mut settle = |flow: &Flow, buffered: &mut usize, taken: &mut usize| {
                    if flow.may_go() {
                        prop_assert!(*buffered <= *taken, "{} bytes pass, {} were taken", buffered, taken);
                        passed += *buffered;
                        *taken = 0;
                        *buffered = 0;
                    }
                    Ok(())
                };
                for step in steps {
                    match step {
                        Step::Data(size) => {
                            sent += size;
                            buffered += size;
                            flow.body_came(buffered, false);
                        }
                        Step::Take => {
                            flow.before_poll();
                            if let Some(Some(piece)) = flow.take_piece() {
                                prop_assert_eq!(piece.size, buffered);
                                taken = piece.size;
                            }
                        }
                        Step::Keep => {
                            flow.before_poll();
                            if let Some(Some(piece)) = flow.take_piece() {
                                taken = piece.size;
                                flow.keep(piece);
                                flow.take_piece();
                            }
                        }
                        Step::Work => flow.before_poll(),
                    }
                    settle(&flow, &mut buffered, &mut taken)?;
                }
                if trailers { flow.trailers_came() } else { flow.body_came(buffered, true) }
                flow.before_poll();
                while let Some(Some(piece)) = flow.take_piece() {
                    taken = piece.size;
                }
                prop_assert!(buffered <= taken);
                flow.release();
                settle(&flow, &mut buffered, &mut taken)?;
                prop_assert_eq!(passed, sent);
            }
        }
    }
}
