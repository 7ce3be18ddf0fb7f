//! The formats of trace context beside W3C's: what a request says in each, and how each tells a verdict.

use std::borrow::Cow;

use crate::{
    action::{Change, HeaderChange},
    decision::SamplingState,
    lower_hex, ows,
    probability::Randomness,
};

pub mod b3;
pub mod b3_multi;
pub mod datadog;
pub mod xray;

/// The formats in use, in the order in which they count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Formats {
    /// How many of the others count before W3C's; `None` where that is not in use.
    pub w3c_rank: Option<usize>,
    /// The formats beside W3C's.
    pub others: Vec<Format>,
}

/// A format of trace context beside W3C's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// B3 in a single header.
    B3,
    /// B3 in a header for each field.
    B3Multi,
    /// AWS X-Ray's.
    Xray,
    /// Datadog's.
    Datadog,
}

/// What a request says of its trace in one format.
#[derive(Debug)]
pub struct Told<'r> {
    format: Format,
    fields: [Option<Cow<'r, [u8]>>; MOST_HEADERS],
    /// What is made of it.
    pub inbound: Inbound,
}

/// What to make of what a request says in one format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inbound {
    /// It says nothing.
    Absent,
    /// It is not to be continued: malformed, or there is more than one.
    Invalid,
    /// What its caller says.
    Valid(Claim),
}

/// What a caller says of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The trace that it names, as far as sampling goes; `None` where it decides about one that is still to begin.
    pub trace: Option<Randomness>,
    /// What the caller has decided.
    pub state: SamplingState,
}

/// The first span of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Root {
    /// The trace, never 0.
    pub trace_id: u128,
    /// The span, never 0.
    pub span_id: u64,
    /// Whether the trace is recorded.
    pub sampled: bool,
}

/// What becomes of the headers.
#[derive(Debug, Default)]
pub struct Changes(pub Vec<HeaderChange>);

/// The values of a format's headers, in the order of their names, without the whitespace around them.
type Fields<'a> = [Option<&'a [u8]>; MOST_HEADERS];

const MOST_HEADERS: usize = 5;

// === impl Formats ===

impl Formats {
    /// W3C's alone.
    pub const W3C: Self = Self { w3c_rank: Some(0), others: Vec::new() };

    /// What a request says in each format beside W3C's. `joined` gives every line of a header, joined with `,`.
    ///
    /// # Errors
    ///
    /// Those of `joined`.
    pub fn read<'r, E>(
        &self,
        mut joined: impl FnMut(&'static str) -> Result<Option<Cow<'r, [u8]>>, E>,
    ) -> Result<Vec<Told<'r>>, E> {
        let mut told = Vec::with_capacity(self.others.len());
        for &format in &self.others {
            let mut one = Told { format, fields: Default::default(), inbound: Inbound::Absent };
            for (name, field) in format.headers().iter().zip(&mut one.fields) {
                *field = joined(name)?;
            }
            one.inbound = one.read();
            told.push(one);
        }
        Ok(told)
    }
}

impl Default for Formats {
    fn default() -> Self {
        Self::W3C
    }
}

// === impl Format ===

impl Format {
    fn headers(self) -> &'static [&'static str] {
        match self {
            Self::B3 => &[b3::HEADER],
            Self::B3Multi => &b3_multi::HEADERS,
            Self::Xray => &[xray::HEADER],
            Self::Datadog => &datadog::HEADERS,
        }
    }
}

// === impl Told ===

impl Told<'_> {
    /// What the caller says, if that is to be believed.
    pub fn claim(&self) -> Option<Claim> {
        match self.inbound {
            Inbound::Valid(claim) => Some(claim),
            Inbound::Absent | Inbound::Invalid => None,
        }
    }

    /// Makes the headers, which are valid, tell the verdict. They stay as they are where they do.
    pub fn agree(&self, sampled: bool, changes: &mut Changes) {
        let fields = self.fields();
        let [field, ..] = fields;
        match self.format {
            Format::B3 => b3::agree(field.unwrap_or_default(), sampled, changes),
            Format::B3Multi => b3_multi::agree(fields, sampled, changes),
            Format::Xray => xray::agree(field.unwrap_or_default(), sampled, changes),
            Format::Datadog => datadog::agree(fields, sampled, changes),
        }
    }

    /// Makes the headers begin a trace.
    pub fn begin(&self, root: &Root, changes: &mut Changes) {
        match self.format {
            Format::B3 => b3::begin(root, changes),
            Format::B3Multi => b3_multi::begin(root, changes),
            Format::Xray => xray::begin(root, changes),
            Format::Datadog => datadog::begin(root, changes),
        }
    }

    /// Takes the headers away.
    pub fn remove(&self, changes: &mut Changes) {
        for name in self.format.headers() {
            changes.remove(name);
        }
    }

    fn read(&self) -> Inbound {
        let fields = self.fields();
        if fields.iter().all(Option::is_none) {
            return Inbound::Absent;
        }
        let [field, ..] = fields;
        let claim = match self.format {
            Format::B3 => b3::read(field.unwrap_or_default()),
            Format::B3Multi => b3_multi::read(fields),
            Format::Xray => xray::read(field.unwrap_or_default()),
            Format::Datadog => datadog::read(fields),
        };
        match claim {
            None => Inbound::Invalid,
            // Headers that may be there and mean nothing.
            Some(Claim { trace: None, state: SamplingState::Deferred }) => Inbound::Absent,
            Some(claim) => Inbound::Valid(claim),
        }
    }

    fn fields(&self) -> Fields<'_> {
        let mut fields = Fields::default();
        for (field, value) in fields.iter_mut().zip(&self.fields) {
            *field = value.as_deref().map(ows::trim);
        }
        fields
    }
}

// === impl Changes ===

impl Changes {
    // Out of line, since the formats have a dozen headers.
    #[inline(never)]
    fn set(&mut self, name: &'static str, value: &[&[u8]]) {
        self.0.push((name, Change::Set(value.concat())));
    }

    fn remove(&mut self, name: &'static str) {
        self.0.push((name, Change::Remove));
    }
}

// What the formats share.

/// What stands before the first such byte, and what after it, if it is there.
fn cut(field: &[u8], at: u8) -> (&[u8], Option<&[u8]>) {
    match field.iter().position(|byte| *byte == at).and_then(|place| field.split_at_checked(place)) {
        Some((before, [_, after @ ..])) => (before, Some(after)),
        _ => (field, None),
    }
}

/// A trace id of 16 or 32 digits, which is not 0.
fn trace_id(digits: &[u8]) -> Option<Randomness> {
    let (high, low) = digits.split_at_checked(digits.len().checked_sub(16)?)?;
    let high = if high.is_empty() { 0 } else { span_id(high)? };
    let low = lower_hex::parse(low)?;
    (high | low != 0).then(|| Randomness::of_trace(low.into()))
}

/// A span id of 16 digits.
fn span_id(digits: &[u8]) -> Option<u64> {
    if digits.len() == 16 { lower_hex::parse(digits) } else { None }
}

/// `1` or `0`.
fn digit(sampled: bool) -> &'static [u8] {
    if sampled { b"1" } else { b"0" }
}

fn trace_id_digits(trace_id: u128) -> [u8; 32] {
    let mut digits = [0; 32];
    let (high, low) = digits.split_at_mut(16);
    lower_hex::write((trace_id >> 64) as u64, high);
    lower_hex::write(trace_id as u64, low);
    digits
}

fn span_id_digits(span_id: u64) -> [u8; 16] {
    let mut digits = [0; 16];
    lower_hex::write(span_id, &mut digits);
    digits
}

/// What a format gives its only header, if it gives it anything.
#[cfg(test)]
fn value_of(header: &str, change: impl FnOnce(&mut Changes)) -> Option<String> {
    let mut changes = Changes::default();
    change(&mut changes);
    match changes.0.as_slice() {
        [] => None,
        [(name, Change::Set(value))] if *name == header => Some(String::from_utf8_lossy(value).into_owned()),
        other => panic!("{other:?}"),
    }
}

#[cfg(test)]
mod tests;
