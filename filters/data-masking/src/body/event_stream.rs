//! Server-sent events: lines, of which those that carry JSON are read as such (WHATWG HTML, section 9.2).
//!
//! Everything else is one text: a secret that goes over several lines is found there.

use crate::coding::Coding;
use crate::json::Json;
use crate::masking::{Run, Stop};
use crate::scan::State;

/// A stream of events that comes in pieces.
#[derive(Debug, Default)]
pub struct EventStream {
    place: Place,
    text: State,
    /// The JSON of one event, which may go over several lines.
    json: Option<Json>,
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
        let mut at = 0;
        while at < input.len() {
            match self.place {
                Place::LineStart => match self.line(input.get(at..).unwrap_or_default(), at_end) {
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
                    let json = self.json.get_or_insert_with(|| Json::new(true));
                    let consumed = json.push(run, line, at, at_end && !is_whole)?;
                    if consumed < line.len() || !is_whole {
                        return Ok(consumed);
                    }
                    at = consumed;
                    self.place = Place::LineStart;
                }
                Place::Text => {
                    self.json = None;
                    let (end, is_over) = self.text_end(input, at, at_end);
                    let consumed = run.value(Coding::Plain, &mut self.text, &[], input, at, end, is_over)?;
                    if consumed > at && input.get(consumed.saturating_sub(1)) == Some(&b'\n') {
                        self.place = Place::LineStart;
                    }
                    at = consumed;
                    if !is_over {
                        return Ok(at);
                    }
                }
            }
        }
        Ok(at)
    }

    /// What the line is that begins here.
    fn line(&self, line: &[u8], at_end: bool) -> Line {
        const FIELD: &[u8] = b"data:";
        let Some(data) = line.strip_prefix(FIELD) else {
            return if FIELD.starts_with(line) && !at_end { Line::Unknown } else { Line::Text };
        };
        let blanks = data.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        let goes_on = self.json.as_ref().is_some_and(|json| !json.is_between());
        match data.get(blanks) {
            Some(b'{' | b'[') => Line::Json(FIELD.len().saturating_add(blanks)),
            Some(_) if goes_on => Line::Json(FIELD.len().saturating_add(blanks)),
            None if !at_end => Line::Unknown,
            _ => Line::Text,
        }
    }

    /// Where the text ends that goes on here, and whether that is known: before the next line of JSON, or where the message ends.
    fn text_end(&self, input: &[u8], from: usize, at_end: bool) -> (usize, bool) {
        let mut at = from;
        while let Some(next) = line_end(input, at) {
            match self.line(input.get(next..).unwrap_or_default(), at_end) {
                Line::Json(_) => return (next, true),
                Line::Unknown => return (next, false),
                Line::Text => at = next,
            }
        }
        (input.len(), at_end)
    }
}

/// Where the next line begins.
fn line_end(input: &[u8], from: usize) -> Option<usize> {
    let len = input.get(from..)?.iter().position(|byte| *byte == b'\n')?;
    Some(from.saturating_add(len).saturating_add(1))
}
