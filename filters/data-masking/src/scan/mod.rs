//! Scanner: one pass over a text that finds what all detectors of a rule look for.
//!
//! For each byte, two tables say which detectors can have a match begin there: by the byte itself, and by the one before it. Only those
//! look closer. What they find depends on nothing but the text: a text that comes in pieces is scanned as far as it is decided, and
//! the rest is offered again with more behind it.

mod pattern;

use crate::detectors::{Detector, Score, Step};
pub use pattern::Pattern;
use pattern::Upcoming;

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
    starts: Vec<u64>,
    /// By a byte: the detectors whose matches can begin right behind it.
    after: Vec<u64>,
    /// Those whose matches are only to be known of.
    aside: u64,
}

/// How far before a match its context words may stand.
const LOOK_BACK: usize = 50;

/// How long a chain of overlapping matches is held as one.
const LONGEST_CHAIN: usize = 8 * 1024;

/// What is known of a text that comes in pieces.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// The last bytes of what was consumed.
    before: Vec<u8>,
    /// A secret of any length has begun and not ended.
    rest: Option<usize>,
    /// How many more bytes belong to matches that overlap without end.
    debt: usize,
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

/// Matches that overlap, as far as they are known.
struct Cluster {
    /// Where they are to be looked for again.
    place: usize,
    start: usize,
    end: usize,
    /// How much of its beginning belongs to matches that began before it.
    debt: usize,
    best: Option<Candidate>,
}

#[derive(Clone, Copy)]
struct Candidate {
    /// Where it is recognised: before `start`, when its beginning is no part of the value.
    place: usize,
    start: usize,
    end: usize,
    score: Score,
    index: usize,
}

/// What is to be said of one place in a text.
enum Look {
    Nothing,
    Candidate(Candidate),
    /// It takes more text to say.
    Open,
    /// A secret that is too long to be held, and the length of its fixed beginning.
    Begun(usize, usize),
}

// === impl Scanner ===

impl Scanner {
    /// A scanner for all of these, at most [`MOST`], of which it says whether their matches are only to be known of.
    #[must_use]
    pub fn new(sought: Vec<(Sought, bool)>) -> Self {
        let mut starts = vec![0; 256];
        let mut after = vec![0; 256];
        let mut aside = 0;
        for (index, (sought, is_aside)) in sought.iter().take(MOST).enumerate() {
            let bit = bit(index);
            if *is_aside {
                aside |= bit;
            }
            let Sought::BuiltIn(detector) = sought else { continue };
            for byte in 0..=u8::MAX {
                if let Some(bits) = starts.get_mut(usize::from(byte)).filter(|_| detector.starts.has(byte)) {
                    *bits |= bit;
                }
                if let Some(bits) = after.get_mut(usize::from(byte)).filter(|_| detector.before.permits(Some(byte))) {
                    *bits |= bit;
                }
            }
        }
        let sought = sought.into_iter().map(|(sought, _)| sought).collect();
        Self { sought, starts, after, aside }
    }

    /// Whether it looks for nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sought.is_empty()
    }

    /// Finds all that is decided in `text`, which follows what `state` has seen, and says how much of it is: the rest is to be offered again
    /// at the front of more. `at_end` says that there is no more, and then all is decided. `key` is the name of the value.
    pub fn scan(&self, state: &mut State, key: &[u8], text: &[u8], at_end: bool, findings: &mut Vec<Finding>) -> usize {
        if self.sought.is_empty() {
            return text.len();
        }
        let mut pass = Pass { scanner: self, before: &state.before, key, text, at_end, upcoming: self.upcoming() };
        let mut at = 0;
        let mut debt = state.debt;
        let consumed = loop {
            if let Some(index) = state.rest {
                let (len, is_over) = self.rest(index, text.get(at..).unwrap_or_default(), at_end);
                let end = at.saturating_add(len);
                push(findings, at, end, What::Rest(index));
                at = end;
                if !is_over && !at_end {
                    break at;
                }
                state.rest = None;
            }
            match pass.run(at, debt, findings) {
                Stop::Done(consumed, owed) => {
                    state.debt = owed;
                    break consumed;
                }
                Stop::Begun { index, end } => {
                    state.rest = Some(index);
                    at = end;
                }
            }
            debt = 0;
        };
        if at_end {
            *state = State::default();
        } else {
            remember(&mut state.before, text.get(..consumed).unwrap_or(text));
        }
        consumed
    }

    fn upcoming(&self) -> Vec<Upcoming> {
        let patterns = self.sought.iter().enumerate().filter_map(|(index, sought)| match sought {
            Sought::Pattern(_) => Some(Upcoming::new(index)),
            Sought::BuiltIn(_) => None,
        });
        patterns.collect()
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

/// One pass over one piece of a text.
struct Pass<'a> {
    scanner: &'a Scanner,
    before: &'a [u8],
    key: &'a [u8],
    text: &'a [u8],
    at_end: bool,
    upcoming: Vec<Upcoming>,
}

/// Why a pass stops.
enum Stop {
    /// All that is decided has been found: so much is consumed, and so much behind it still belongs to overlapping matches.
    Done(usize, usize),
    /// A long secret has begun, whose fixed beginning ends there.
    Begun { index: usize, end: usize },
}

impl Pass<'_> {
    fn run(&mut self, from: usize, debt: usize, findings: &mut Vec<Finding>) -> Stop {
        let mut cluster = (debt > 0).then(|| Cluster::owed(from, from.saturating_add(debt)));
        let last = match from.checked_sub(1) {
            Some(place) => self.text.get(place),
            None => self.before.last(),
        };
        let mut allowed = last.map_or(u64::MAX, |byte| look_up(&self.scanner.after, *byte));
        let has_patterns = !self.upcoming.is_empty();
        for (place, byte) in self.text.iter().enumerate().skip(from) {
            if let Some(whole) = cluster.take_if(|cluster| cluster.end <= place) {
                whole.settle(findings);
            }
            // Matches that overlap on and on are not held for ever.
            if let Some(endless) = cluster.take_if(|cluster| place.saturating_sub(cluster.start) >= LONGEST_CHAIN) {
                let end = endless.end;
                endless.cut(place, findings);
                cluster = Some(Cluster::owed(place, end));
            }
            let bits = look_up(&self.scanner.starts, *byte) & allowed;
            allowed = look_up(&self.scanner.after, *byte);
            if bits == 0 && !has_patterns {
                continue;
            }
            match self.look(place, bits, findings) {
                Look::Nothing => {}
                Look::Candidate(candidate) => Cluster::add(&mut cluster, candidate),
                Look::Open => return Self::hold(cluster, place, findings),
                Look::Begun(index, len) => {
                    let end = place.saturating_add(len).min(self.text.len());
                    if let Some(cut) = cluster {
                        cut.cut(place, findings);
                    }
                    push(findings, place, end, What::Begun(index));
                    return Stop::Begun { index, end };
                }
            }
        }
        let len = self.text.len();
        match cluster {
            Some(whole) if whole.end <= len || self.at_end => {
                whole.settle(findings);
                Stop::Done(len, 0)
            }
            Some(open) => Self::hold(Some(open), len, findings),
            None => Stop::Done(len, 0),
        }
    }

    /// Everything from the first undecided match on is to be offered again.
    fn hold(cluster: Option<Cluster>, place: usize, findings: &mut Vec<Finding>) -> Stop {
        let (consumed, owed) = match cluster {
            Some(Cluster { place, debt, .. }) => (place, debt),
            None => (place, 0),
        };
        findings.retain(|finding| finding.start < consumed);
        Stop::Done(consumed, owed)
    }

    /// The best match that begins at `place`.
    fn look(&mut self, place: usize, mut bits: u64, findings: &mut Vec<Finding>) -> Look {
        let mut best: Option<Candidate> = None;
        let rest = self.text.get(place..).unwrap_or_default();
        while bits != 0 {
            let index = usize::try_from(bits.trailing_zeros()).unwrap_or_default();
            bits &= bits.wrapping_sub(1);
            let Some(detector) = self.scanner.built_in(index) else { continue };
            let window = rest.get(..detector.max_len).unwrap_or(rest);
            let ends = self.at_end && window.len() == rest.len();
            let (len, score) = match detector.scan(window, ends) {
                Step::No => continue,
                Step::Open if ends || window.len() >= detector.max_len => continue,
                Step::Open => return Look::Open,
                Step::Match { len, score } => (len, score),
                Step::Begun { len } if self.is_aside(index) => (len, Score::Validated),
                Step::Begun { len } => return Look::Begun(index, len.max(1)),
            };
            if score == Score::Bare && !self.has_context(place, detector) {
                continue;
            }
            let end = place.saturating_add(len).min(self.text.len());
            let start = place.saturating_add(detector.skip).min(end);
            self.keep_better(&mut best, Candidate { place, start, end, score, index }, findings);
        }
        let mut upcomings = std::mem::take(&mut self.upcoming);
        for upcoming in &mut upcomings {
            let Some(Sought::Pattern(pattern)) = self.scanner.sought.get(upcoming.index) else { continue };
            match upcoming.at(pattern, self.before, self.text, place, self.at_end) {
                pattern::At::Nothing => {}
                pattern::At::Open => return Look::Open,
                pattern::At::Match(end) => {
                    let candidate = Candidate { place, start: place, end, score: Score::Shape, index: upcoming.index };
                    self.keep_better(&mut best, candidate, findings);
                }
            }
        }
        self.upcoming = upcomings;
        best.map_or(Look::Nothing, Look::Candidate)
    }

    fn keep_better(&self, best: &mut Option<Candidate>, candidate: Candidate, findings: &mut Vec<Finding>) {
        if self.is_aside(candidate.index) {
            push(findings, candidate.place, candidate.end, What::Aside(candidate.index));
        } else if best.is_none_or(|best| candidate.is_better(&best)) {
            *best = Some(candidate);
        }
    }

    fn is_aside(&self, index: usize) -> bool {
        self.scanner.aside & bit(index) != 0
    }

    fn has_context(&self, place: usize, detector: &Detector) -> bool {
        let mut near = Vec::with_capacity(LOOK_BACK);
        if let Some(missing) = LOOK_BACK.checked_sub(place) {
            let skipped = self.before.len().saturating_sub(missing);
            near.extend_from_slice(self.before.get(skipped..).unwrap_or_default());
        }
        near.extend_from_slice(self.text.get(place.saturating_sub(LOOK_BACK)..place).unwrap_or_default());
        detector.has_context(&near) || detector.has_context(self.key)
    }
}

// === impl Cluster ===

impl Cluster {
    /// What is left of matches that began before.
    fn owed(start: usize, end: usize) -> Self {
        Self { place: start, start, end, debt: end.saturating_sub(start), best: None }
    }

    fn add(cluster: &mut Option<Self>, candidate: Candidate) {
        match cluster {
            Some(cluster) => {
                cluster.start = cluster.start.min(candidate.start);
                cluster.end = cluster.end.max(candidate.end);
                if cluster.best.is_none_or(|best| candidate.is_better(&best)) {
                    cluster.best = Some(candidate);
                }
            }
            None => {
                let Candidate { place, start, end, .. } = candidate;
                *cluster = Some(Self { place, start, end, debt: 0, best: Some(candidate) });
            }
        }
    }

    /// The best match is one; what others have left around it is overlap.
    fn settle(self, findings: &mut Vec<Finding>) {
        match self.best {
            Some(best) => {
                push(findings, self.start, best.start, What::Overlap);
                push(findings, best.start, best.end, What::Match(best.index));
                push(findings, best.end, self.end, What::Overlap);
            }
            None => push(findings, self.start, self.end, What::Overlap),
        }
    }

    /// What stands before `place`.
    fn cut(self, place: usize, findings: &mut Vec<Finding>) {
        let whole = Self { end: self.end.min(place), ..self };
        match whole.best {
            Some(best) if best.end > place => push(findings, whole.start, whole.end, What::Overlap),
            _ => whole.settle(findings),
        }
    }
}

// === impl Candidate ===

impl Candidate {
    /// The longer one is better, then the surer one, then the one that comes first in the config.
    fn is_better(&self, other: &Self) -> bool {
        let rank = |candidate: &Self| {
            (candidate.end.saturating_sub(candidate.start), candidate.score, std::cmp::Reverse(candidate.index))
        };
        rank(self) > rank(other)
    }
}

fn push(findings: &mut Vec<Finding>, start: usize, end: usize, what: What) {
    if start < end {
        findings.push(Finding { start, end, what });
    }
}

fn look_up(table: &[u64], byte: u8) -> u64 {
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
