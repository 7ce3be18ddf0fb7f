//! JSON: a document, or one after the other, masked while it streams by.
//!
//! Strings, numbers and names are looked at as a whole when they are no longer than `max_hold`, and as a text that comes in pieces
//! when they are. Everything else passes as it is, down to its white space.

mod skim;
mod token;
mod value;

use crate::coding::Coding;
use crate::masking::{OnInvalid, Run, Stop};
use crate::path::{Edge, Progress};
use crate::scan::State;
use token::StringEnd;
use value::quoted;

/// How deep objects and arrays may be nested.
const DEEPEST: usize = 128;

/// How much white space behind a comma is kept until it is known whether the comma stays.
const MOST_PENDING: usize = 64;

/// How much of a name is kept for context.
const LONGEST_CONTEXT: usize = 64;

/// A stream of JSON.
#[derive(Debug)]
pub struct Json {
    lines: Lines,
    expect: Expect,
    frames: Vec<Frame>,
    /// How far each path leads to each frame's value.
    trail: Vec<Progress>,
    /// The value that comes next, or has begun.
    aim: Aim,
    /// The name of the last member.
    key: Vec<u8>,
    /// A comma and white space that stay only if something follows that does.
    pending: Vec<u8>,
    /// Nothing passes until the value of this depth is over.
    muted: Option<usize>,
    /// What has begun with this step does not pass.
    is_cut: bool,
    /// A document is over, and nothing separates it yet from what follows.
    is_unseparated: bool,
    /// What is known of a long string, or of what is no JSON.
    text: State,
}

/// What the ends of lines are to documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lines {
    /// White space.
    Blank,
    /// They end a document, whole or not.
    End,
    /// They stand between its parts, and stay where they are; they end one that is no JSON.
    Between,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expect {
    Value,
    ValueOrEnd,
    Key,
    KeyOrEnd,
    Colon,
    Comma,
    /// The rest of a string that is too long to be held.
    String(Long),
    /// What is no JSON.
    Invalid,
}

/// What is done to a string that is too long to be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Long {
    Searched,
    Passed,
    Cut,
}

/// An object or array that has begun.
#[derive(Clone, Copy, Debug)]
struct Frame {
    is_object: bool,
    /// How many elements have come.
    count: u32,
    /// Whether one of them has stayed.
    has_kept: bool,
    aim: Aim,
}

/// What the paths say of a value.
#[derive(Clone, Copy, Debug, Default)]
struct Aim {
    field: Option<usize>,
    is_excluded: bool,
}

enum Step {
    To(usize),
    /// Up to there, and that stays even where nothing else does.
    Keep(usize),
    Hold,
    Invalid,
}

impl Json {
    /// A stream of documents.
    #[must_use]
    pub fn new(lines: Lines) -> Self {
        Self {
            lines,
            expect: Expect::Value,
            frames: Vec::new(),
            trail: Vec::new(),
            aim: Aim::default(),
            key: Vec::new(),
            pending: Vec::new(),
            muted: None,
            is_cut: false,
            is_unseparated: false,
            text: State::default(),
        }
    }

    /// Masks the input from `from` on, as far as it is decided: up to the place that comes back.
    ///
    /// # Errors
    ///
    /// The message must not go on.
    pub fn push(&mut self, run: &mut Run<'_>, input: &[u8], from: usize, at_end: bool) -> Result<usize, Stop> {
        let mut at = from;
        let skims = Self::skims(run);
        while at < input.len() {
            if skims {
                at = self.skim(run, input, at)?;
            }
            let was_muted = self.muted.is_some();
            match self.step(run, input, at, at_end)? {
                Step::To(next) => {
                    if std::mem::take(&mut self.is_cut) || was_muted {
                        run.splice.cut(at, next);
                    }
                    at = next;
                }
                Step::Keep(next) => at = next,
                Step::Hold => break,
                Step::Invalid => self.give_up(run, input, at)?,
            }
        }
        Ok(at)
    }

    /// Whether the stream stands between two documents.
    #[must_use]
    pub fn is_between(&self) -> bool {
        self.frames.is_empty() && self.expect == Expect::Value
    }

    /// Whether a string that was undecided ends behind so many bytes, with a quote that has no backslash before it.
    #[must_use]
    pub fn ends_string(&self, input: &[u8], undecided: usize) -> bool {
        let new = input.get(undecided.saturating_sub(1)..).unwrap_or_default();
        self.expect != Expect::Invalid && new.array_windows().any(|[before, byte]| *byte == b'"' && *before != b'\\')
    }

    fn step(&mut self, run: &mut Run<'_>, input: &[u8], at: usize, at_end: bool) -> Result<Step, Stop> {
        let Some(byte) = input.get(at).copied() else { return Ok(Step::Hold) };
        let next = at.saturating_add(1);
        match (self.expect, byte) {
            (Expect::String(long), _) => return self.long_string(run, long, input, at, at_end),
            (Expect::Invalid, _) => return self.invalid(run, input, at, at_end),
            (_, b' ' | b'\t' | b'\n' | b'\r') => return Ok(self.white_space(run, input, at)),
            // What begins each document of a JSON text sequence.
            (Expect::Value, 0x1e) if self.frames.is_empty() => self.is_unseparated = false,
            (Expect::Value, _) if self.is_unseparated => return Ok(Step::Invalid),
            // A byte order mark.
            (Expect::Value, 0xef | 0xbb | 0xbf) if self.frames.is_empty() => {}
            (Expect::Value | Expect::ValueOrEnd, b'{' | b'[') => return self.open(run, byte == b'{', at),
            (Expect::Value | Expect::ValueOrEnd, b'"') => return self.string(run, input, at, at_end),
            (Expect::Value | Expect::ValueOrEnd, b'-' | b'0'..=b'9' | b't' | b'f' | b'n') => {
                return self.literal(run, input, at, at_end);
            }
            (Expect::Key | Expect::KeyOrEnd, b'"') => return self.name(run, input, at, at_end),
            (Expect::Colon, b':') => self.expect = Expect::Value,
            (Expect::Comma, b',') => self.comma(run, at),
            (Expect::ValueOrEnd | Expect::KeyOrEnd | Expect::Comma, b'}' | b']') => {
                let Some(frame) = self.frames.pop_if(|frame| frame.is_object == (byte == b'}')) else {
                    return Ok(Step::Invalid);
                };
                self.pending.clear();
                self.aim = frame.aim;
                self.ended();
            }
            _ => return Ok(Step::Invalid),
        }
        Ok(Step::To(next))
    }

    fn white_space(&mut self, run: &mut Run<'_>, input: &[u8], at: usize) -> Step {
        let rest = input.get(at..).unwrap_or_default();
        let ends_line = |byte: &u8| matches!(byte, b'\n' | b'\r');
        let is_framed = self.ends_lines() && rest.first().is_some_and(ends_line);
        if is_framed && self.lines == Lines::End && !self.is_between() {
            return Step::Invalid;
        }
        let is_blank = |byte: &&u8| match self.ends_lines() {
            true => ends_line(byte) == is_framed && matches!(byte, b' ' | b'\t' | b'\n' | b'\r'),
            false => matches!(byte, b' ' | b'\t' | b'\n' | b'\r'),
        };
        let len = rest.iter().take_while(is_blank).count();
        let end = at.saturating_add(len);
        self.is_unseparated &= !rest.get(..len).is_some_and(|blank| blank.iter().any(ends_line));
        if !self.pending.is_empty() && self.muted.is_none() && !is_framed {
            let room = MOST_PENDING.saturating_sub(self.pending.len()).min(len);
            self.pending.extend_from_slice(rest.get(..room).unwrap_or_default());
            run.splice.cut(at, end);
        }
        if is_framed { Step::Keep(end) } else { Step::To(end) }
    }

    /// Whether a line end is more than white space.
    fn ends_lines(&self) -> bool {
        self.lines != Lines::Blank
    }

    fn comma(&mut self, run: &mut Run<'_>, at: usize) {
        let is_object = self.frames.last().is_some_and(|frame| frame.is_object);
        self.expect = if is_object { Expect::Key } else { Expect::Value };
        if self.muted.is_none() && run.policy.removes() && !run.options.report_only {
            self.pending.clear();
            self.pending.push(b',');
            run.splice.cut(at, at.saturating_add(1));
        }
    }

    /// An element begins: what the paths say of it, and whether it stays.
    fn begin(&mut self, run: &mut Run<'_>, edge: Edge<'_>, at: usize) -> Result<(), Stop> {
        let depth = self.frames.len();
        let parent = self.frames.last().map(|frame| frame.aim).unwrap_or_default();
        let mut own = None;
        let mut is_excluded = parent.is_excluded;
        let policy = run.policy;
        let paths = paths(run);
        // The element's own progress stands behind that of all frames until the next element comes.
        self.trail.truncate(depth.saturating_mul(paths));
        let from = depth.saturating_sub(1).saturating_mul(paths);
        for (index, path) in policy.fields.iter().map(|field| &field.path).chain(&policy.excluded).enumerate() {
            let progress = self.trail.get(from.saturating_add(index)).copied().unwrap_or(Progress::ROOT);
            let progress = path.follow(progress, edge);
            self.trail.push(progress);
            if path.leads_to(progress) {
                match index < policy.fields.len() {
                    true => own = own.or(Some(index)),
                    false => is_excluded = true,
                }
            }
        }
        self.aim = Aim { field: own.or(parent.field), is_excluded };
        if self.muted.is_some() {
            return Ok(());
        }
        if let Some(index) = own.filter(|_| !run.options.report_only)
            && policy.fields.get(index).is_some_and(|field| field.entry.action.is_remove())
        {
            run.field(index, &[])?;
            self.mute(depth);
            return Ok(());
        }
        if let Some(frame) = self.frames.last_mut() {
            if frame.has_kept && !self.pending.is_empty() {
                run.splice.replace(at, at, &self.pending);
            }
            frame.has_kept = true;
        }
        self.pending.clear();
        Ok(())
    }

    /// Begins a value: an element of an array, or what stands by itself. That of a member has begun with its name.
    fn begin_value(&mut self, run: &mut Run<'_>, at: usize) -> Result<(), Stop> {
        match self.frames.last_mut() {
            Some(frame) if frame.is_object => Ok(()),
            Some(frame) => {
                let index = frame.count;
                frame.count = index.saturating_add(1);
                self.begin(run, Edge::Index(index), at)
            }
            None => {
                self.aim = Aim::default();
                self.trail.clear();
                let paths = paths(run);
                self.trail.resize(paths, Progress::ROOT);
                self.key.clear();
                Ok(())
            }
        }
    }

    fn open(&mut self, run: &mut Run<'_>, is_object: bool, at: usize) -> Result<Step, Stop> {
        if self.frames.len() >= DEEPEST {
            return Ok(Step::Invalid);
        }
        self.begin_value(run, at)?;
        let next = at.saturating_add(1);
        let depth = self.frames.len();
        if self.muted.is_none()
            && let Some(index) = self.aim.field
            && run.policy.fields.get(index).is_some_and(|field| field.entry.action.is_constant())
            && let Some(masked) = run.field(index, &[])?
        {
            run.splice.replace(at, at, &quoted(&masked));
            self.mute(depth);
        }
        self.frames.push(Frame { is_object, count: 0, has_kept: false, aim: self.aim });
        self.expect = if is_object { Expect::KeyOrEnd } else { Expect::ValueOrEnd };
        Ok(Step::To(next))
    }

    fn name(&mut self, run: &mut Run<'_>, input: &[u8], at: usize, at_end: bool) -> Result<Step, Stop> {
        let start = at.saturating_add(1);
        let end = match self.string_end(run, input, start, at_end) {
            StringEnd::At(end) => end,
            StringEnd::Unknown => return Ok(Step::Hold),
            StringEnd::TooLong | StringEnd::Invalid => return Ok(Step::Invalid),
        };
        let name = Coding::Json.decode(input.get(start..end).unwrap_or_default(), true).text.into_owned();
        self.begin(run, Edge::Name(&name), at)?;
        if self.muted.is_none() && run.policy.keys {
            run.value(Coding::Json, &mut State::default(), &[], input, start, end, true)?;
        }
        self.set_key(&name);
        self.expect = Expect::Colon;
        Ok(Step::To(end.saturating_add(1)))
    }

    /// The last member has this name.
    fn set_key(&mut self, name: &[u8]) {
        self.key.clear();
        self.key.extend_from_slice(name.get(name.len().saturating_sub(LONGEST_CONTEXT)..).unwrap_or_default());
    }

    fn mute(&mut self, depth: usize) {
        self.muted = Some(depth);
        self.is_cut = true;
    }

    /// A value is over.
    fn ended(&mut self) {
        self.is_unseparated = self.frames.is_empty();
        self.expect = if self.is_unseparated { Expect::Value } else { Expect::Comma };
        if self.muted == Some(self.frames.len()) {
            self.muted = None;
        }
        if let Some(frame) = self.frames.last() {
            self.aim = frame.aim;
        }
    }

    /// From here on it is no JSON.
    fn give_up(&mut self, run: &mut Run<'_>, input: &[u8], at: usize) -> Result<(), Stop> {
        let is_utf_16 = self.frames.is_empty() && matches!(input.get(at), Some(0xfe | 0xff));
        match run.on_invalid() {
            OnInvalid::Fail => Err(Stop::Failed("invalid_json")),
            OnInvalid::Text if is_utf_16 => Err(Stop::Failed("utf_16")),
            OnInvalid::Text | OnInvalid::Pass => {
                if self.muted.is_none() && !self.pending.is_empty() {
                    run.splice.replace(at, at, &self.pending);
                }
                self.restart();
                self.expect = Expect::Invalid;
                Ok(())
            }
        }
    }

    fn invalid(&mut self, run: &mut Run<'_>, input: &[u8], at: usize, at_end: bool) -> Result<Step, Stop> {
        let rest = input.get(at..).unwrap_or_default();
        let line_end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')).filter(|_| self.ends_lines());
        let end = line_end.map_or(input.len(), |len| at.saturating_add(len).saturating_add(1));
        let is_over = line_end.is_some() || at_end;
        let consumed = match run.on_invalid() {
            OnInvalid::Pass => end,
            // Of UTF-16, which no detector reads. There is none in text.
            _ if input.get(at..end).is_some_and(|rest| rest.contains(&0)) => return Err(Stop::Failed("utf_16")),
            _ => run.value(Coding::Plain, &mut self.text, &[], input, at, end, is_over)?,
        };
        if line_end.is_some() {
            self.restart();
        }
        Ok(if consumed > at { Step::To(consumed) } else { Step::Hold })
    }

    fn restart(&mut self) {
        *self = Self::new(self.lines);
    }
}

/// How many paths a policy follows.
fn paths(run: &Run<'_>) -> usize {
    run.policy.fields.len().saturating_add(run.policy.excluded.len())
}

#[cfg(test)]
mod tests;
