//! Scanner: one pass over a text that finds what all detectors of a rule look for.
//!
//! Most texts hold nothing, and [what bytes they have](crate::detectors::traits) says so. In the others, two tables say for each byte which detectors can have a match
//! begin there: by the byte itself, and by the one before it. Only those look closer. What they find depends on nothing but the text: a text
//! that comes in pieces is scanned as far as it is decided, and the rest is offered again with more behind it.

mod cluster;
mod pass;
mod pattern;

use crate::detectors::traits::{AT, Needs, Traits, longest_number};
use crate::detectors::{Detector, REACH};
use pass::{Pass, Stop};
pub use pattern::Pattern;

/// The most detectors of one scanner: one bit each.
pub const MOST: usize = 64;

/// What looks for the matches of one entry of a rule.
#[derive(Debug)]
pub enum Sought {
    /// A built-in detector.
    BuiltIn(&'static Detector),
    /// A regular expression of the operator's.
    Pattern(Pattern),
}

/// All that one rule looks for.
#[derive(Debug)]
pub struct Scanner {
    sought: Vec<Sought>,
    /// By a byte: the detectors whose matches can begin with it.
    starts: Box<[u64; 256]>,
    /// By a byte: the detectors whose matches can begin right behind it.
    after: Box<[u64; 256]>,
    /// Those whose matches are only to be known of.
    aside: u64,
    /// Those whose matches hold an `@` and no blank.
    addresses: u64,
    /// What a text has in which one of them finds something: all that others need includes one of these.
    least: Vec<Needs>,
}

/// How far before a match its context words may stand, and a control character before that which is written out.
const LOOK_BACK: usize = REACH + 2;

/// What is known of a text that comes in pieces.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// The last bytes of what was consumed.
    before: Vec<u8>,
    /// A secret of any length has begun and not ended.
    rest: Option<usize>,
    /// Its end is where the text that is consumed ends.
    is_behind_rest: bool,
    /// How many more bytes belong to matches that overlap without end, or with the secret.
    debt: usize,
    quiet: Vec<Quiet>,
}

/// A match that is not over, inside of which its own entry looks for nothing.
#[derive(Clone, Copy, Debug)]
struct Quiet {
    index: usize,
    /// None before what is at hand.
    start: Option<usize>,
    end: usize,
}

/// A part of a text. But for those aside, they do not overlap and come in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where it begins.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
    /// What it is.
    pub what: What,
}

/// What a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A whole match of this entry.
    Match(usize),
    /// What is left of matches that overlap with a better one.
    Overlap,
    /// The beginning of a secret that is too long to be held.
    Begun(usize),
    /// More of it.
    Rest(usize),
    /// A match that is only to be known of, and may overlap with anything.
    Aside(usize),
}

// === impl Scanner ===

impl Scanner {
    /// A scanner for all of these, at most [`MOST`], of which it says whether their matches are only to be known of.
    #[must_use]
    pub fn new(sought: Vec<(Sought, bool)>) -> Self {
        let mut scanner = Self {
            sought: Vec::with_capacity(sought.len()),
            starts: Box::new([0; 256]),
            after: Box::new([0; 256]),
            aside: 0,
            addresses: 0,
            least: Vec::new(),
        };
        for (index, (sought, is_aside)) in sought.into_iter().take(MOST).enumerate() {
            scanner.add(bit(index), &sought);
            if is_aside {
                scanner.aside |= bit(index);
            }
            scanner.sought.push(sought);
        }
        scanner
    }

    fn add(&mut self, bit: u64, sought: &Sought) {
        let needs = sought.needs();
        if !self.least.iter().any(|own| needs.includes(own)) {
            self.least.retain(|own| !own.includes(&needs));
            self.least.push(needs);
        }
        let Sought::BuiltIn(detector) = sought else { return };
        if needs.kinds & AT != 0 {
            self.addresses |= bit;
        }
        for (byte, (starts, after)) in (0..=u8::MAX).zip(self.starts.iter_mut().zip(self.after.iter_mut())) {
            if detector.starts.has(byte) {
                *starts |= bit;
            }
            if detector.before.permits(Some(byte)) {
                *after |= bit;
            }
        }
    }

    /// Whether it looks for nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sought.is_empty()
    }

    /// Whether something may be found in a whole text of this length with these traits.
    #[must_use]
    pub fn may_find(&self, len: usize, traits: Traits) -> bool {
        self.least.iter().any(|needs| needs.may_be_met(len, traits))
    }

    /// Whether something may be found in a whole text with these traits.
    #[must_use]
    pub fn may_find_among(&self, text: &[u8], traits: Traits) -> bool {
        self.least.iter().any(|needs| needs.may_be_met(text.len(), traits) && needs.has_number(text))
    }

    /// Whether something may be found in a whole text.
    #[must_use]
    pub fn may_find_in(&self, text: &[u8]) -> bool {
        self.least.iter().any(|needs| text.len() >= needs.len) && self.active(text) != 0
    }

    /// Finds all that is decided in `text`, which follows what `state` has seen, and says how much of it is: the rest is to be offered again
    /// at the front of more. `at_end` says that there is no more, and then all is decided. `key` is the name of the value.
    pub fn scan(&self, state: &mut State, key: &[u8], text: &[u8], at_end: bool, findings: &mut Vec<Finding>) -> usize {
        let active = if at_end && state.has_seen_nothing() { self.active(text) } else { u64::MAX };
        if active == 0 || self.sought.is_empty() {
            return text.len();
        }
        let mut pass = Pass::new(self, &state.before, std::mem::take(&mut state.quiet), key, text, at_end, active);
        let mut at = 0;
        let consumed = loop {
            if let Some(index) = state.rest {
                let (len, is_over) = self.rest(index, text.get(at..).unwrap_or_default(), at_end);
                let end = at.saturating_add(len);
                Finding::push(findings, at, end, What::Rest(index));
                at = end;
                state.debt = state.debt.saturating_sub(len);
                if !is_over && !at_end {
                    break at;
                }
                state.rest = None;
                state.is_behind_rest = true;
            }
            let stop = pass.run(at, state.debt, state.is_behind_rest, findings);
            match stop {
                Stop::Done(consumed, owed) => {
                    state.debt = owed;
                    state.is_behind_rest &= consumed == at;
                    break consumed;
                }
                Stop::Begun { index, end, owed } => {
                    (state.rest, state.debt) = (Some(index), owed);
                    at = end;
                }
            }
        };
        let mut quiet = pass.into_quiet();
        if at_end {
            *state = State::default();
        } else {
            quiet.retain_mut(|quiet| quiet.pass(consumed));
            state.quiet = quiet;
            remember(&mut state.before, text.get(..consumed).unwrap_or(text));
        }
        consumed
    }

    /// The entries that may find something in a whole text.
    fn active(&self, text: &[u8]) -> u64 {
        let traits = Traits::of(text);
        if !self.may_find(text.len(), traits) {
            return 0;
        }
        let mut longest = None;
        let mut active = 0;
        for (index, sought) in self.sought.iter().enumerate() {
            let needs = sought.needs();
            let may_be_met = needs.may_be_met(text.len(), traits)
                && (!needs.is_number || *longest.get_or_insert_with(|| longest_number(text)) >= needs.digits);
            if may_be_met {
                active |= bit(index);
            }
        }
        active
    }

    fn patterns(&self) -> impl Iterator<Item = usize> {
        let is_pattern = |sought: &Sought| matches!(sought, Sought::Pattern(_));
        self.sought.iter().enumerate().filter(move |(_, sought)| is_pattern(sought)).map(|(index, _)| index)
    }

    fn built_in(&self, index: usize) -> Option<&'static Detector> {
        match self.sought.get(index)? {
            Sought::BuiltIn(detector) => Some(detector),
            Sought::Pattern(_) => None,
        }
    }

    /// How much of the text belongs to the secret of this entry that has begun, and whether that is its end.
    fn rest(&self, index: usize, text: &[u8], at_end: bool) -> (usize, bool) {
        let Some(detector) = self.built_in(index) else { return (0, true) };
        let (len, is_over) = detector.rest(text, at_end);
        (len.min(text.len()), is_over)
    }
}

// === impl Sought ===

impl Sought {
    fn needs(&self) -> Needs {
        match self {
            Self::BuiltIn(detector) => detector.needs,
            Self::Pattern(_) => Needs::NOTHING,
        }
    }
}

// === impl State ===

impl State {
    fn has_seen_nothing(&self) -> bool {
        self.before.is_empty() && self.rest.is_none() && self.debt == 0 && self.quiet.is_empty()
    }
}

// === impl Quiet ===

impl Quiet {
    /// So much has been consumed; whether it began there and goes on behind that.
    fn pass(&mut self, consumed: usize) -> bool {
        let has_begun = self.start.is_none_or(|start| start < consumed);
        (self.start, self.end) = (None, self.end.saturating_sub(consumed));
        has_begun && self.end > 0
    }
}

// === impl Finding ===

impl Finding {
    fn push(findings: &mut Vec<Self>, start: usize, end: usize, what: What) {
        if start < end {
            findings.push(Self { start, end, what });
        }
    }
}

fn look_up(table: &[u64; 256], byte: u8) -> u64 {
    table.get(usize::from(byte)).copied().unwrap_or_default()
}

fn bit(index: usize) -> u64 {
    u32::try_from(index).ok().and_then(|index| 1_u64.checked_shl(index)).unwrap_or_default()
}

/// Keeps the last bytes of what was consumed.
fn remember(before: &mut Vec<u8>, consumed: &[u8]) {
    let tail = consumed.get(consumed.len().saturating_sub(LOOK_BACK)..).unwrap_or(consumed);
    let surplus = before.len().saturating_add(tail.len()).saturating_sub(LOOK_BACK);
    before.drain(..surplus.min(before.len()));
    before.extend_from_slice(tail);
}

#[cfg(test)]
mod tests;
