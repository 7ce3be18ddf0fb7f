#![allow(clippy::arithmetic_side_effects, reason = "tests")]
use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

/// A message on its way, with what its parts were told.
struct Way {
    passage: Passage,
    told: Vec<(Place, Event)>,
}

impl Way {
    fn of(parts: usize) -> Self {
        Self { passage: Passage::new(parts), told: Vec::new() }
    }

    /// What is told when `holds` says who answers Pause.
    fn came(&mut self, event: Event, holds: impl FnMut(Place, Event) -> bool) -> Vec<(Place, Event)> {
        self.passage.came(event);
        self.pass(holds)
    }

    fn pass(&mut self, mut holds: impl FnMut(Place, Event) -> bool) -> Vec<(Place, Event)> {
        let before = self.told.len();
        while let Some((place, event)) = self.passage.next() {
            self.told.push((place, event));
            match holds(place, event) {
                true => self.passage.hold(place),
                false => self.passage.let_go(place),
            }
        }
        self.told.split_off(before)
    }
}

const HEADERS: Event = Event::Headers { end: false };

fn nobody(_: Place, _: Event) -> bool {
    false
}

fn body(size: usize, end: bool) -> Event {
    Event::Body { size, end }
}

#[test]
fn what_nobody_holds_comes_to_all_in_order() {
    let mut way = Way::of(3);
    assert_eq!(way.came(HEADERS, nobody), [(0, HEADERS), (1, HEADERS), (2, HEADERS)]);
    assert!(!way.passage.is_held());
    assert!(!way.passage.resume(), "it was not paused");
    assert_eq!(way.came(body(4, true), nobody), [0, 1, 2].map(|place| (place, body(4, true))));
    assert!(!way.passage.is_held());
}

#[test]
fn held_headers_come_to_the_next_part_when_they_are_let_go_and_the_body_behind_them() {
    let mut way = Way::of(3);
    assert_eq!(way.came(HEADERS, |place, _| place == 1), [(0, HEADERS), (1, HEADERS)]);
    assert!(way.passage.is_held());
    way.passage.pause();
    assert_eq!(way.came(body(4, true), |place, _| place == 1), [(0, body(4, true)), (1, body(4, true))]);
    way.passage.let_go(1);
    assert_eq!(way.pass(nobody), [(2, HEADERS), (2, body(4, true))]);
    assert!(way.passage.resume(), "the host held it");
    assert!(!way.passage.resume(), "it has gone");
}

#[test]
fn who_lets_the_body_go_lets_the_held_headers_go_before_it() {
    let mut way = Way::of(2);
    way.came(HEADERS, |place, _| place == 0);
    assert_eq!(way.came(body(4, true), nobody), [(0, body(4, true)), (1, HEADERS), (1, body(4, true))]);
}

#[test]
fn a_part_is_told_the_end_when_the_one_before_has_let_it_go() {
    let mut way = Way::of(2);
    way.came(HEADERS, nobody);
    way.passage.go();
    assert_eq!(way.came(body(4, true), |place, _| place == 0), [(0, body(4, true))]);
    way.passage.let_go(0);
    assert_eq!(way.pass(nobody), [(1, body(4, true))]);
}

#[test]
fn new_bytes_are_shown_to_each_part_together_with_those_that_it_holds() {
    let mut way = Way::of(2);
    way.came(HEADERS, nobody);
    way.passage.go();
    way.came(body(4, false), |place, _| place == 1);
    assert_eq!(way.came(body(6, false), |place, _| place == 0), [(0, body(2, false))]);
    assert_eq!(way.passage.extent(0), Extent { start: 4, buffered: 6 });
    assert_eq!(way.passage.extent(1), Extent { start: 0, buffered: 6 });
    way.passage.resized(1, 4, 1);
    assert_eq!(way.passage.extent(0), Extent { start: 1, buffered: 3 });
    way.passage.let_go(0);
    assert_eq!(way.pass(nobody), [(1, body(3, false))]);
}

#[test]
fn a_part_lets_go_of_what_it_was_told_and_is_told_of_what_has_come_meanwhile() {
    let mut way = Way::of(2);
    way.came(HEADERS, nobody);
    way.passage.go();
    way.came(body(4, false), |place, _| place == 1);
    way.came(body(6, true), |place, _| place == 0);
    way.passage.pause();
    // Both in one callback, before anything is passed on.
    way.passage.let_go(0);
    way.passage.let_go(1);
    assert_eq!(way.passage.extent(1), Extent { start: 4, buffered: 6 });
    assert_eq!(way.pass(nobody), [(1, body(2, true))]);
    assert!(way.passage.resume());
}

#[test]
fn what_the_host_does_not_hold_is_not_let_go() {
    let mut way = Way::of(1);
    assert!(!way.passage.resume(), "nothing has come");
    way.came(HEADERS, |_, _| true);
    way.passage.pause();
    way.passage.let_go(0);
    assert!(way.passage.resume());
    way.came(body(4, false), |_, _| true);
    way.passage.pause();
    way.came(Event::Trailers, nobody);
    assert!(way.passage.must_go_later(), "its headers were held all the same");
}

#[test]
fn trailers_come_behind_the_body_that_was_held() {
    let mut way = Way::of(2);
    way.came(HEADERS, nobody);
    way.passage.go();
    way.came(body(4, false), |place, _| place == 0);
    assert_eq!(way.came(Event::Trailers, nobody), [(0, Event::Trailers), (1, body(4, false)), (1, Event::Trailers)]);
}

#[test]
fn an_answered_request_comes_to_nobody_else() {
    let mut way = Way::of(2);
    way.came(HEADERS, |place, _| place == 0);
    way.passage.block();
    way.passage.let_go(0);
    assert_eq!(way.pass(nobody), []);
    assert_eq!(way.came(body(4, true), nobody), []);
    assert!(way.passage.is_held());
}

#[test]
fn a_request_that_the_host_answers_itself_comes_to_nobody_else() {
    let mut way = Way::of(2);
    way.came(HEADERS, |place, _| place == 0);
    way.passage.block_unseen();
    way.passage.let_go(0);
    assert_eq!(way.pass(nobody), []);
}

#[test]
fn a_body_that_was_held_behind_held_headers_waits_for_a_tick_when_it_ends_with_trailers() {
    for headers_held in [false, true] {
        let mut way = Way::of(1);
        way.came(HEADERS, |_, _| headers_held);
        if headers_held {
            way.passage.pause();
            way.passage.let_go(0);
        }
        way.passage.go();
        way.came(body(4, false), |_, _| true);
        way.passage.pause();
        way.came(Event::Trailers, nobody);
        assert_eq!(way.passage.must_go_later(), headers_held);
    }
}

/// What happens next to a message.
#[derive(Clone, Debug)]
enum Step {
    /// The rest of the message, in so many bytes.
    Comes(usize),
    Ends {
        trailers: bool,
    },
    /// Parts that hold something let it go, one after the other, before it is passed on.
    LetGo(Vec<Place>),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0_usize..9).prop_map(Step::Comes),
        1 => any::<bool>().prop_map(|trailers| Step::Ends { trailers }),
        4 => vec(0_usize..4, 1..4).prop_map(Step::LetGo),
    ]
}

/// The host's buffer: for each byte, how many parts have let it go.
struct Host {
    way: Way,
    buffer: Vec<usize>,
    /// What each part was told last, and whether it holds that.
    holds: Vec<bool>,
    ended: Vec<bool>,
}

impl Host {
    fn let_go(&mut self, place: Place) {
        let extent = self.way.passage.extent(place);
        let told = self.way.passage.shares[place].told;
        for byte in &mut self.buffer[extent.start..extent.start + told] {
            *byte += 1;
        }
        self.holds[place] = false;
        self.way.passage.let_go(place);
    }

    fn pass(&mut self, answers: &mut impl Iterator<Item = bool>) -> Result<(), TestCaseError> {
        while let Some((place, event)) = self.way.passage.next() {
            if let Event::Body { size, end } = event {
                let extent = self.way.passage.extent(place);
                prop_assert_eq!(extent.buffered, self.buffer.len());
                let share = &self.buffer[extent.start..extent.start + size];
                prop_assert!(
                    share.iter().all(|passed| *passed == place),
                    "told of what another has: {:?}",
                    self.buffer
                );
                prop_assert!(!end || place == 0 || self.ended[place - 1], "told of an end that another has");
            }
            if answers.next().unwrap_or_default() {
                self.way.passage.hold(place);
                self.holds[place] = true;
            } else {
                self.ended[place] |= matches!(event, Event::Body { end: true, .. });
                self.let_go(place);
            }
        }
        prop_assert_eq!(self.way.passage.is_held(), self.holds.contains(&true));
        if !self.way.passage.is_held() {
            prop_assert!(self.buffer.iter().all(|passed| *passed == self.holds.len()), "{:?}", self.buffer);
            self.buffer.clear();
            self.way.passage.go();
        }
        Ok(())
    }
}

proptest! {
    #[test]
    fn nothing_goes_on_that_a_part_has_not_let_go(
        steps in vec(step(), 0..40), answers in vec(any::<bool>(), 0..200), parts in 1_usize..5,
    ) {
        let mut answers = answers.into_iter();
        let mut host = Host { way: Way::of(parts), buffer: Vec::new(), holds: vec![false; parts], ended: vec![false; parts] };
        host.way.passage.came(HEADERS);
        host.pass(&mut answers)?;
        let mut is_over = false;
        for step in steps {
            match step {
                Step::Comes(bytes) if !is_over => {
                    host.buffer.extend(vec![0; bytes]);
                    host.way.passage.came(body(host.buffer.len(), false));
                }
                Step::Ends { trailers } if !is_over => {
                    is_over = true;
                    host.way.passage.came(if trailers { Event::Trailers } else { body(host.buffer.len(), true) });
                }
                Step::LetGo(places) => {
                    for place in places {
                        if place < parts && host.holds[place] {
                            host.ended[place] |= host.way.passage.end.told > place;
                            host.let_go(place);
                        }
                    }
                }
                _ => continue,
            }
            host.pass(&mut answers)?;
        }
    }
}
