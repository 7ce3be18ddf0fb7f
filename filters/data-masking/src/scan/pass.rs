//! One pass over one piece of a text.

use std::borrow::Cow;

use super::cluster::{Candidate, Cluster};
use super::pattern::{At, Upcoming};
use super::{Finding, LOOK_BACK, Quiet, Scanner, Sought, What, bit, look_up};
use crate::detectors::{Detector, Score, Seen, Step, is_control};

/// How much of the end of a long match may be the beginning of another of the same detector.
const LONGEST_START: usize = 32;

/// The most digits that are told apart from more.
const MOST_LEADING: usize = 31;

/// Matches of detectors that look no further may begin inside of one another.
const SHORT: usize = 512;

/// One pass over one piece of a text.
pub(super) struct Pass<'a> {
    scanner: &'a Scanner,
    before: &'a [u8],
    key: &'a [u8],
    text: &'a [u8],
    at_end: bool,
    /// Which entries look for something.
    active: u64,
    patterns: Vec<Upcoming>,
    /// Where the first of the patterns has something to say.
    next_pattern: usize,
    quiet: Vec<Quiet>,
    address: Address,
    contexts: Vec<Context>,
}

/// Where the words of a detector stand.
struct Context {
    index: usize,
    is_in_key: bool,
    seen: Seen,
}

/// Where the next stretch without blanks begins that holds an `@`, and where that is.
#[derive(Default)]
struct Address {
    word: usize,
    /// Up to where this holds.
    upto: usize,
}

/// Why a pass stops.
pub(super) enum Stop {
    /// All that is decided has been found: so much is consumed, and so much behind it still belongs to overlapping matches.
    Done(usize, usize),
    /// A long secret has begun, whose fixed beginning ends there; so much behind that belongs to matches that began before it.
    Begun { index: usize, end: usize, owed: usize },
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

impl<'a> Pass<'a> {
    pub(super) fn new(
        scanner: &'a Scanner,
        before: &'a [u8],
        quiet: Vec<Quiet>,
        key: &'a [u8],
        text: &'a [u8],
        at_end: bool,
        active: u64,
    ) -> Self {
        let patterns = scanner.patterns().map(Upcoming::new).collect();
        let address = Address::default();
        let contexts = Vec::new();
        Self {
            scanner,
            before,
            key,
            text,
            at_end,
            active,
            patterns,
            next_pattern: usize::MAX,
            quiet,
            address,
            contexts,
        }
    }

    /// `is_behind_rest` says that a long secret ends at `from`: what is put in its place is no part of what follows.
    pub(super) fn run(&mut self, from: usize, debt: usize, is_behind_rest: bool, findings: &mut Vec<Finding>) -> Stop {
        self.seek_patterns(from);
        let mut cluster = (debt > 0).then(|| Cluster::owed(from, from.saturating_add(debt)));
        let Self { text, active, scanner: Scanner { starts, after, .. }, .. } = *self;
        let (mut allowed, mut is_escape) = match (self.byte_before(from, 2), self.byte_before(from, 1)) {
            _ if is_behind_rest => (active, false),
            (Some(b'\\'), Some(byte)) if is_control(byte) => (active, false),
            (_, Some(byte)) => (look_up(after, byte) & active, byte == b'\\'),
            (_, None) => (active, false),
        };
        let mut place = from;
        while let Some(byte) = text.get(place) {
            let bits = look_up(starts, *byte) & allowed;
            // An escape that is written out ends a word: its letter is none of what follows.
            allowed = if is_escape && is_control(*byte) { active } else { look_up(after, *byte) & active };
            is_escape = *byte == b'\\';
            if bits == 0 && place < self.next_pattern {
                place = place.wrapping_add(1);
                continue;
            }
            Cluster::settle_before(&mut cluster, place, findings);
            match self.look(place, bits, findings) {
                Look::Nothing => {}
                Look::Candidate(candidate) => Cluster::add(&mut cluster, candidate),
                Look::Open => return self.hold(cluster, place, findings),
                Look::Begun(index, len) => {
                    let end = place.saturating_add(len).min(text.len());
                    let owed = self.end_over(place, cluster.as_ref()).saturating_sub(end);
                    if let Some(cut) = cluster {
                        cut.cut(place, findings);
                    }
                    Finding::push(findings, place, end, What::Begun(index));
                    return Stop::Begun { index, end, owed };
                }
            }
            place = place.wrapping_add(1);
        }
        let len = text.len();
        Cluster::settle_before(&mut cluster, len, findings);
        match cluster {
            Some(whole) if self.at_end => {
                whole.settle(findings);
                Stop::Done(len, 0)
            }
            open => self.hold(open, len, findings),
        }
    }

    /// Where matches of long secrets and patterns that have begun end.
    pub(super) fn into_quiet(self) -> Vec<Quiet> {
        self.quiet
    }

    /// Everything from the first undecided match on is to be offered again.
    fn hold(&mut self, cluster: Option<Cluster>, place: usize, findings: &mut Vec<Finding>) -> Stop {
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
        if bits & self.scanner.addresses != 0 && !self.is_in_address(place) {
            bits &= !self.scanner.addresses;
        }
        let ends_text = self.at_end;
        let leads = self.leads(rest);
        let is_behind_dot = self.byte_before(place, 1) == Some(b'.');
        while bits != 0 {
            let index = usize::try_from(bits.trailing_zeros()).unwrap_or_default();
            bits &= bits.wrapping_sub(1);
            let Some(detector) = self.scanner.built_in(index) else { continue };
            if ends_text && rest.len() < detector.needs.len {
                continue;
            }
            if leads.is_some_and(|leads| detector.leads & leads == 0) {
                continue;
            }
            if is_behind_dot && !detector.before.permits_behind(&self.near(place)) {
                continue;
            }
            if detector.context.are_required && !self.has_context(index, detector, place) {
                continue;
            }
            let is_long = detector.max_len > SHORT;
            if is_long && place.saturating_add(LONGEST_START) < self.quiet_upto(index) {
                continue;
            }
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
            let Some(score) = score.behind(|| self.has_context(index, detector, place)) else { continue };
            let end = place.saturating_add(len).min(self.text.len());
            let start = place.saturating_add(detector.skip).min(end);
            if is_long {
                self.be_quiet(index, place, end);
            }
            self.keep_better(&mut best, Candidate { place, start, end, score, index }, findings);
        }
        if place >= self.next_pattern && self.look_for_patterns(place, &mut best, findings) {
            return Look::Open;
        }
        best.map_or(Look::Nothing, Look::Candidate)
    }

    /// Whether a word of a detector stands right before `place`, or in the name of the value.
    fn has_context(&mut self, index: usize, detector: &Detector, place: usize) -> bool {
        let near = self.near(place);
        let start = self.before.len().saturating_add(place).saturating_sub(near.len());
        let at = self.contexts.iter().position(|context| context.index == index).unwrap_or(self.contexts.len());
        if at == self.contexts.len() {
            let is_in_key = detector.context.stand_before(self.key);
            self.contexts.push(Context { index, is_in_key, seen: Seen::default() });
        }
        let Some(context) = self.contexts.get_mut(at) else { return false };
        context.is_in_key || context.seen.is_near(&detector.context, &near, start)
    }

    /// With how many digits the text begins, as a bit; `None` where that is not known yet.
    fn leads(&self, text: &[u8]) -> Option<u32> {
        let digits = text.iter().take(MOST_LEADING).take_while(|byte| byte.is_ascii_digit()).count();
        #[cfg(test)]
        crate::detectors::steps::add(digits);
        let is_known = self.at_end || digits < text.len();
        1_u32.checked_shl(u32::try_from(digits).ok()?).filter(|_| is_known)
    }

    /// Adds what patterns match at `place`, and says whether it takes more text to say.
    fn look_for_patterns(&mut self, place: usize, best: &mut Option<Candidate>, findings: &mut Vec<Finding>) -> bool {
        let mut patterns = std::mem::take(&mut self.patterns);
        let mut is_open = false;
        for upcoming in &mut patterns {
            let index = upcoming.index;
            match upcoming.at(place) {
                At::Nothing => {}
                At::Open => is_open = true,
                At::Match(end) => {
                    self.be_quiet(index, place, end);
                    self.keep_better(
                        best,
                        Candidate { place, start: place, end, score: Score::Shape, index },
                        findings,
                    );
                }
            }
        }
        self.patterns = patterns;
        self.seek_patterns(place.saturating_add(1));
        is_open
    }

    /// Where all ends that has begun up to `place`. Patterns look less far than it takes to say that a long secret begins.
    fn end_over(&self, place: usize, cluster: Option<&Cluster>) -> usize {
        let patterns = self.patterns.iter().map(|upcoming| match upcoming.at(place) {
            At::Match(end) => end,
            At::Nothing | At::Open => 0,
        });
        patterns.chain(cluster.map(|cluster| cluster.end)).max().unwrap_or_default()
    }

    /// Finds where the patterns have something to say from `from` on.
    fn seek_patterns(&mut self, from: usize) {
        let mut patterns = std::mem::take(&mut self.patterns);
        self.next_pattern = usize::MAX;
        for upcoming in &mut patterns {
            let Some(Sought::Pattern(pattern)) = self.scanner.sought.get(upcoming.index) else { continue };
            let from = from.max(self.quiet_upto(upcoming.index));
            upcoming.seek(pattern, self.before, self.text, from, self.at_end);
            self.next_pattern = self.next_pattern.min(upcoming.place());
        }
        self.patterns = patterns;
    }

    /// Whether the stretch without blanks around `place` goes on with an `@`, or may.
    fn is_in_address(&mut self, place: usize) -> bool {
        if place >= self.address.upto {
            let rest = self.text.get(place..).unwrap_or_default();
            let next = rest.iter().position(|byte| *byte == b'@');
            let before = rest.get(..next.unwrap_or(rest.len())).unwrap_or_default();
            let word = before.iter().rposition(|byte| *byte <= b' ').map_or(0, |blank| blank.saturating_add(1));
            self.address = match next {
                None if self.at_end => Address { word: usize::MAX, upto: usize::MAX },
                None => Address { word: place.saturating_add(word), upto: usize::MAX },
                Some(next) => {
                    let upto = place.saturating_add(next).saturating_add(1);
                    Address { word: place.saturating_add(word), upto }
                }
            };
        }
        place >= self.address.word
    }

    fn quiet_upto(&self, index: usize) -> usize {
        self.quiet.iter().find(|quiet| quiet.index == index).map_or(0, |quiet| quiet.end)
    }

    /// Matches of this entry inside of this one are no more than parts of it.
    fn be_quiet(&mut self, index: usize, start: usize, end: usize) {
        let quiet = Quiet { index, start: Some(start), end };
        match self.quiet.iter_mut().find(|quiet| quiet.index == index) {
            Some(own) => *own = quiet,
            None => self.quiet.push(quiet),
        }
    }

    fn keep_better(&self, best: &mut Option<Candidate>, candidate: Candidate, findings: &mut Vec<Finding>) {
        if self.is_aside(candidate.index) {
            Finding::push(findings, candidate.place, candidate.end, What::Aside(candidate.index));
        } else if best.is_none_or(|best| candidate.is_better(&best)) {
            *best = Some(candidate);
        }
    }

    fn is_aside(&self, index: usize) -> bool {
        self.scanner.aside & bit(index) != 0
    }

    /// The byte that stands so many before `place`.
    fn byte_before(&self, place: usize, count: usize) -> Option<u8> {
        match place.checked_sub(count) {
            Some(place) => self.text.get(place).copied(),
            None => self.before.iter().nth_back(count.saturating_sub(place).saturating_sub(1)).copied(),
        }
    }

    /// What stands right before `place`.
    fn near(&self, place: usize) -> Cow<'a, [u8]> {
        let near = self.text.get(place.saturating_sub(LOOK_BACK)..place).unwrap_or_default();
        match self.before.get(self.before.len().saturating_sub(LOOK_BACK.saturating_sub(place))..) {
            None | Some([]) => Cow::Borrowed(near),
            Some(before) => Cow::Owned([before, near].concat()),
        }
    }
}
