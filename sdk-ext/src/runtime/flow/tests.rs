//! What a flow does in each order of events.

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
fn a_piece_is_kept_although_trailers_have_come_behind_it() {
    let flow = with_headers();
    flow.body_came(4, false);
    let first = take(&flow).unwrap();
    flow.trailers_came();
    flow.keep(first);
    assert_eq!(take(&flow), Some(piece(0, 4, true)));
}

#[test]
fn a_piece_is_kept_together_with_the_data_that_has_come_behind_it() {
    let flow = with_headers();
    flow.body_came(3, false);
    let first = take(&flow).unwrap();
    flow.body_came(8, false);
    flow.keep(first);
    assert_eq!(take(&flow), Some(piece(0, 8, false)));
    assert_eq!(take(&flow), None);
    assert!(flow.may_go());
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
fn a_body_can_be_awaited_while_its_headers_are_held() {
    let flow = with_headers();
    assert_eq!(flow.peek_whole(8, &CONTEXT), None);
    assert!(!flow.may_go());
    flow.body_came(3, false);
    assert!(!flow.body_is_awaited());
    assert!(!flow.may_go());
    flow.body_came(8, true);
    assert!(flow.body_is_awaited());
    flow.before_poll();
    assert_eq!(flow.peek_whole(8, &CONTEXT), Some(Ok(piece(0, 8, true))));
    assert!(!flow.may_go());
}

#[test]
fn what_was_read_behind_held_headers_can_be_taken_afterwards() {
    let flow = with_headers();
    flow.body_came(3, false);
    flow.trailers_came();
    assert_eq!(flow.peek_whole(8, &CONTEXT), Some(Ok(piece(0, 3, true))));
    assert_eq!(flow.peek_whole(8, &CONTEXT), Some(Ok(piece(0, 3, true))));
    assert_eq!(take(&flow), Some(piece(0, 3, true)));
    assert_eq!(flow.take_trailers(&CONTEXT), Some(Ok(true)));
}

#[test]
fn a_message_without_a_body_has_an_empty_one_behind_its_held_headers() {
    let flow = Flow::default();
    flow.headers_came(true);
    assert_eq!(flow.peek_whole(0, &CONTEXT), Some(Ok(piece(0, 0, true))));
}

#[test]
fn a_body_over_the_limit_behind_held_headers_is_known_as_soon_as_it_is() {
    let flow = with_headers();
    assert_eq!(flow.peek_whole(8, &CONTEXT), None);
    flow.body_came(9, false);
    assert!(flow.body_is_awaited());
    assert_eq!(flow.peek_whole(8, &CONTEXT), Some(Err(NotComing::TooLong)));
    assert!(!flow.may_go());
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
