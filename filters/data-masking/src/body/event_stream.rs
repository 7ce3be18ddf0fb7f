//! Server-sent events: lines, of which those that carry JSON are read as such (WHATWG HTML, section 9.2).
//!
//! Everything else is one text: a secret that goes over several lines is found there.

use crate::coding::Coding;
use crate::json::{Json, Lines};
use crate::masking::{Run, Stop};
use crate::scan::State;

/// A stream of events that comes in pieces.
#[derive(Debug, Default)]
pub struct EventStream {
    place: Place,
    text: State,
    /// The JSON of one event, which may go over several lines.
    json: Option<Json>,
    /// Whether there is nothing yet on the line that goes on.
    is_blank: bool,
    /// Whether a byte order mark would be none.
    has_begun: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    LineStart,
    Text,
    Json,
}

/// What a line is.
enum Line {
    /// JSON behind so many bytes.
    Json(usize),
    Text,
    /// It takes more of it to say.
    Unknown,
}

impl EventStream {
    /// Masks the input as far as it is decided: up to the place that comes back.
    ///
    /// # Errors
    ///
    /// The message must not go on.
    pub fn push(&mut self, run: &mut Run<'_>, input: &[u8], at_end: bool) -> Result<usize, Stop> {
        const BOM: &[u8] = b"\xef\xbb\xbf";
        let mut at = 0;
        if !self.has_begun {
            if input.len() < BOM.len() && BOM.starts_with(input) && !at_end {
                return Ok(0);
            }
            at = if input.starts_with(BOM) { BOM.len() } else { 0 };
            (self.has_begun, self.is_blank) = (true, true);
        }
        // A line feed behind it would belong to it.
        let input = if at_end { input } else { input.strip_suffix(b"\r").unwrap_or(input) };
        while at < input.len() {
            match self.place {
                Place::LineStart => match line(input.get(at..).unwrap_or_default(), self.goes_on(), at_end) {
                    Line::Unknown => return Ok(at),
                    Line::Text => self.place = Place::Text,
                    Line::Json(prefix) => {
                        at = at.saturating_add(prefix);
                        self.place = Place::Json;
                    }
                },
                Place::Json => {
                    let end = line_end(input, at);
                    let (line, is_whole) = (input.get(..end.unwrap_or(input.len())).unwrap_or(input), end.is_some());
                    let json = self.json.get_or_insert_with(|| Json::new(Lines::Between));
                    let consumed = json.push(run, line, at, at_end && !is_whole)?;
                    if consumed < line.len() || !is_whole {
                        return Ok(consumed);
                    }
                    at = consumed;
                    self.place = Place::LineStart;
                }
                Place::Text => {
                    let (end, is_over) = self.text_end(input, at, at_end);
                    let consumed = run.value(Coding::Plain, &mut self.text, &[], input, at, end, is_over)?;
                    self.pass(input, at, consumed);
                    at = consumed;
                    if !is_over {
                        return Ok(at);
                    }
                }
            }
        }
        Ok(at)
    }

    /// Whether a string of JSON that was undecided ends behind so many bytes.
    pub(super) fn ends_string(&self, input: &[u8], undecided: usize) -> bool {
        self.place == Place::Json && self.json.as_ref().is_some_and(|json| json.ends_string(input, undecided))
    }

    /// Whether JSON has begun on an earlier line and not ended.
    fn goes_on(&self) -> bool {
        self.json.as_ref().is_some_and(|json| !json.is_between())
    }

    /// Text has been taken: an event ends at a blank line, and its JSON with it.
    fn pass(&mut self, input: &[u8], from: usize, to: usize) {
        for at in from..to {
            if ends_line(input, at) {
                if self.is_blank {
                    self.json = None;
                }
                self.is_blank = true;
                self.place = Place::LineStart;
            } else {
                self.is_blank &= input.get(at) == Some(&b'\r');
                self.place = Place::Text;
            }
        }
    }

    /// Where the text ends that goes on here, and whether that is known: before the next line of JSON, or where the message ends.
    fn text_end(&self, input: &[u8], from: usize, at_end: bool) -> (usize, bool) {
        let mut at = from;
        let (mut goes_on, mut is_blank) = (self.goes_on(), self.is_blank);
        while let Some(next) = line_end(input, at) {
            is_blank &= input.get(at..next).is_some_and(|line| line.iter().all(|byte| matches!(byte, b'\r' | b'\n')));
            goes_on &= !is_blank;
            match line(input.get(next..).unwrap_or_default(), goes_on, at_end) {
                Line::Json(_) => return (next, true),
                Line::Unknown => return (next, false),
                Line::Text => (at, is_blank) = (next, true),
            }
        }
        (input.len(), at_end)
    }
}

/// What the line is that begins here; `goes_on` where it may be more of the JSON of an earlier one.
fn line(line: &[u8], goes_on: bool, at_end: bool) -> Line {
    const FIELD: &[u8] = b"data:";
    let Some(data) = line.strip_prefix(FIELD) else {
        return if FIELD.starts_with(line) && !at_end { Line::Unknown } else { Line::Text };
    };
    let blanks = data.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    match data.get(blanks) {
        Some(b'{' | b'[') => Line::Json(FIELD.len().saturating_add(blanks)),
        Some(_) if goes_on => Line::Json(FIELD.len().saturating_add(blanks)),
        None if !at_end => Line::Unknown,
        _ => Line::Text,
    }
}

/// Whether a line ends with this byte: a line feed, or a carriage return that stands alone.
fn ends_line(input: &[u8], at: usize) -> bool {
    match input.get(at) {
        Some(b'\n') => true,
        Some(b'\r') => input.get(at.saturating_add(1)) != Some(&b'\n'),
        _ => false,
    }
}

/// Where the next line begins.
fn line_end(input: &[u8], from: usize) -> Option<usize> {
    (from..input.len()).find(|at| ends_line(input, *at)).map(|at| at.saturating_add(1))
}
