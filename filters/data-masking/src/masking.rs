//! Masking: what a rule does to one value.

use crate::actions::Action;
use crate::coding::Coding;
use crate::path::Path;
use crate::scan::{Finding, Scanner, State, What};
use crate::splice::Splice;

/// What a rule looks for, and what it does to what it finds.
#[derive(Debug)]
pub struct Policy {
    /// Finds the matches of `detectors`, which are its entries.
    pub scanner: Scanner,
    /// What is done to each.
    pub detectors: Vec<Entry>,
    /// Values that are named by their paths; the first that leads to a value counts.
    pub fields: Vec<Field>,
    /// Fields of gRPC messages, which are looked at where there are any.
    pub messages: Vec<MessageField>,
    /// Values in which nothing is looked for.
    pub excluded: Vec<Path>,
    /// Whether the names of members are searched too.
    pub keys: bool,
}

/// How bodies are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// What becomes of JSON that is none; without a word about it, it is searched as text where a policy has no fields, and fails
    /// where it has, since they cannot be found in it.
    pub on_invalid: Option<OnInvalid>,
    /// What stands in the place of a number.
    pub numbers: Numbers,
    /// The longest value that is held to be looked at as a whole.
    pub max_hold: usize,
    /// Whether what was found is only counted, and nothing is changed or blocked.
    pub report_only: bool,
}

/// One kind of match and what is done to it.
#[derive(Debug)]
pub struct Entry {
    /// Its name, for templates and metrics.
    pub name: String,
    /// What is done.
    pub action: Action,
}

/// A value that is named by its path.
#[derive(Debug)]
pub struct Field {
    /// The path.
    pub path: Path,
    /// What is done to it.
    pub entry: Entry,
}

/// A field of a message in Protocol Buffers.
#[derive(Debug)]
pub struct MessageField {
    /// The numbers of the fields that lead to it.
    pub path: Vec<u32>,
    /// What is done to it.
    pub entry: Entry,
}

/// What becomes of JSON that is none, from the first wrong byte on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnInvalid {
    /// It is searched as text.
    Text,
    /// The message fails.
    Fail,
    /// It passes.
    Pass,
}

/// What stands in the place of a number that is masked by something that is no number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Numbers {
    /// A string.
    #[default]
    String,
    /// 0.
    Zero,
}

/// Why a message must not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Something was found that is not let through: the status of the answer.
    Blocked(u16),
    /// It cannot be masked.
    Failed(&'static str),
}

/// How often each entry was found: the detectors, then the fields. And what has a name of its own and is only counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally(Vec<u32>, Vec<Reported>);

/// What has a name of its own and is only counted: the name, the action, and how often.
type Reported = (String, &'static str, u32);

/// One piece of a message under a policy.
pub struct Run<'a> {
    /// The policy.
    pub policy: &'a Policy,
    /// How bodies are read.
    pub options: &'a Options,
    /// The piece, with what has been replaced.
    pub splice: Splice<'a>,
    /// What was found.
    pub tally: &'a mut Tally,
}

// === impl Stop ===

impl Stop {
    /// All messages together hold as much as they may.
    pub const FULL: Self = Self::Failed("memory");
}

// === impl Run ===

impl Run<'_> {
    /// What becomes of JSON that is none.
    #[must_use]
    pub fn on_invalid(&self) -> OnInvalid {
        let default =
            if self.policy.fields.is_empty() || self.options.report_only { OnInvalid::Text } else { OnInvalid::Fail };
        self.options.on_invalid.unwrap_or(default)
    }

    /// Masks a part of a value, from `from` to `to` of the input, as far as it is decided: up to the place that comes back.
    ///
    /// # Errors
    ///
    /// The message must not go on.
    #[expect(clippy::too_many_arguments, reason = "where the part stands and what it is a part of")]
    pub fn value(
        &mut self,
        coding: Coding,
        state: &mut State,
        key: &[u8],
        input: &[u8],
        from: usize,
        to: usize,
        at_end: bool,
    ) -> Result<usize, Stop> {
        if self.policy.scanner.is_empty() {
            return Ok(to);
        }
        let decoded = coding.decode(input.get(from..to).unwrap_or_default(), at_end);
        let mut findings = Vec::new();
        let consumed = self.policy.scanner.scan(state, key, &decoded.text, at_end, &mut findings);
        for finding in findings {
            let found = decoded.text.get(finding.start..finding.end).unwrap_or_default();
            let mut masked = Vec::with_capacity(found.len());
            if self.mask(finding, found, &mut masked)? {
                let written = coding.encoded(masked);
                let start = from.saturating_add(decoded.start(finding.start));
                let end = from.saturating_add(decoded.end(finding.end));
                self.splice.replace(start, end, &written);
            }
        }
        Ok(from.saturating_add(if consumed >= decoded.text.len() { decoded.len } else { decoded.end(consumed) }))
    }

    /// The value with what is found in it masked; `None` when there is nothing.
    ///
    /// # Errors
    ///
    /// The message must not go on.
    pub fn whole(&mut self, key: &[u8], text: &[u8]) -> Result<Option<Vec<u8>>, Stop> {
        let mut findings = Vec::new();
        self.policy.scanner.scan(&mut State::default(), key, text, true, &mut findings);
        let mut out = Vec::new();
        let mut done = 0;
        let mut is_changed = false;
        for finding in findings {
            let found = text.get(finding.start..finding.end).unwrap_or_default();
            let mut masked = Vec::new();
            if self.mask(finding, found, &mut masked)? {
                out.extend_from_slice(text.get(done..finding.start).unwrap_or_default());
                out.append(&mut masked);
                done = finding.end;
                is_changed = true;
            }
        }
        out.extend_from_slice(text.get(done..).unwrap_or_default());
        Ok(is_changed.then_some(out))
    }

    /// What stands in the place of the value of a field; `None` when it stays.
    ///
    /// # Errors
    ///
    /// The message must not go on.
    pub fn field(&mut self, index: usize, value: &[u8]) -> Result<Option<Vec<u8>>, Stop> {
        let Some(field) = self.policy.fields.get(index) else { return Ok(None) };
        self.tally.count(self.policy.detectors.len().saturating_add(index));
        self.named(&field.entry.action, &field.entry.name, value)
    }

    /// What stands in the place of a field of a gRPC message; `None` when it stays. One that is only reported is searched.
    ///
    /// # Errors
    ///
    /// The message must not go on.
    pub fn message_field(&mut self, index: usize, value: &[u8]) -> Result<Option<Vec<u8>>, Stop> {
        let policy = self.policy;
        let Some(MessageField { entry, .. }) = policy.messages.get(index) else { return Ok(None) };
        self.tally.count(policy.detectors.len().saturating_add(policy.fields.len()).saturating_add(index));
        match entry.action.is_report() {
            true => self.whole(entry.name.as_bytes(), value),
            false => self.named(&entry.action, &entry.name, value),
        }
    }

    /// What stands in the place of a value that is named; `None` when it stays.
    ///
    /// # Errors
    ///
    /// The message must not go on.
    pub fn named(&self, action: &Action, name: &str, value: &[u8]) -> Result<Option<Vec<u8>>, Stop> {
        let mut masked = Vec::new();
        Ok(self.apply(action, name, value, &mut masked)?.then_some(masked))
    }

    /// What stands in the place of the value of a field that is too long to be held; `None` when it stays.
    ///
    /// # Errors
    ///
    /// The message must not go on.
    pub fn long_field(&mut self, index: usize) -> Result<Option<Vec<u8>>, Stop> {
        let Some(field) = self.policy.fields.get(index) else { return Ok(None) };
        if field.entry.action.is_constant() || field.entry.action.blocks().is_some() {
            return self.field(index, &[]);
        }
        self.tally.count(self.policy.detectors.len().saturating_add(index));
        let stays = self.options.report_only || field.entry.action.is_report();
        Ok((!stays).then(|| [b"[", field.entry.name.as_bytes(), b"]"].concat()))
    }

    /// Appends what stands in the place of what was found, and says whether anything does.
    fn mask(&mut self, finding: Finding, found: &[u8], out: &mut Vec<u8>) -> Result<bool, Stop> {
        let (What::Match(index) | What::Begun(index) | What::Rest(index) | What::Aside(index)) = finding.what else {
            // Characters, not bytes: all but the bytes that continue one.
            out.extend(found.iter().filter(|byte| **byte & 0xc0 != 0x80).map(|_| b'*'));
            return Ok(true);
        };
        let Some(entry) = self.policy.detectors.get(index) else { return Ok(false) };
        match finding.what {
            What::Rest(_) => return Ok(true),
            What::Begun(_) => {
                self.tally.count(index);
                out.extend([b"[", entry.name.as_bytes(), b"]"].concat());
                return Ok(true);
            }
            _ => self.tally.count(index),
        }
        self.apply(&entry.action, &entry.name, found, out)
    }

    fn apply(&self, action: &Action, name: &str, value: &[u8], out: &mut Vec<u8>) -> Result<bool, Stop> {
        if self.options.report_only || action.is_report() {
            return Ok(false);
        }
        if let Some(status) = action.blocks() {
            return Err(Stop::Blocked(status));
        }
        action.apply(name, value, out);
        Ok(true)
    }
}

// === impl Policy ===

impl Policy {
    /// Whether a field is taken out of its object or array.
    #[must_use]
    pub fn removes(&self) -> bool {
        self.fields.iter().any(|field| field.entry.action.is_remove())
    }

    /// The entries in the order of a [`Tally`].
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        let fields = self.fields.iter().map(|field| &field.entry);
        self.detectors.iter().chain(fields).chain(self.messages.iter().map(|field| &field.entry))
    }

    /// Whether a field is taken out of its message.
    #[must_use]
    pub fn removes_message_field(&self, index: usize) -> bool {
        self.messages.get(index).is_some_and(|field| field.entry.action.is_remove())
    }
}

// === impl Tally ===

impl Tally {
    fn count(&mut self, entry: usize) {
        if self.0.len() <= entry {
            self.0.resize(entry.saturating_add(1), 0);
        }
        if let Some(count) = self.0.get_mut(entry) {
            *count = count.saturating_add(1);
        }
    }

    /// Counts a header, a cookie or a part of the path that stays as it is.
    pub(crate) fn reported(&mut self, name: &str, action: &'static str) {
        match self.1.iter_mut().find(|(other, does, _)| other == name && *does == action) {
            Some((.., count)) => *count = count.saturating_add(1),
            None => self.1.push((name.to_owned(), action, 1)),
        }
    }

    /// What has a name of its own and was only counted since the last time.
    pub(crate) fn take_reported(&mut self) -> Vec<Reported> {
        std::mem::take(&mut self.1)
    }

    /// What was counted since the last time: the entries and how often.
    pub fn take(&mut self) -> impl Iterator<Item = (usize, u32)> {
        std::mem::take(&mut self.0).into_iter().enumerate().filter(|(_, count)| *count > 0)
    }
}
