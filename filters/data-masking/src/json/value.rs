//! Values: strings and literals of JSON, and what stands in their place.

use super::token::{self, StringEnd};
use super::{Expect, Json, Long, Step};
use crate::coding::Coding;
use crate::masking::{Numbers, Run, Stop};
use crate::scan::State;

impl Json {
    pub(super) fn string(&mut self, run: &mut Run<'_>, input: &[u8], at: usize, at_end: bool) -> Result<Step, Stop> {
        let start = at.saturating_add(1);
        let end = self.string_end(run, input, start, at_end);
        match end {
            StringEnd::Unknown => return Ok(Step::Hold),
            StringEnd::Invalid => return Ok(Step::Invalid),
            StringEnd::At(_) | StringEnd::TooLong => {}
        }
        self.begin_value(run, at)?;
        let StringEnd::At(end) = end else {
            self.text = State::default();
            self.expect = Expect::String(self.begin_long(run, start)?);
            return Ok(Step::To(start));
        };
        if self.muted.is_none() {
            self.mask_string(run, input, start, end)?;
        }
        self.ended();
        Ok(Step::To(end.saturating_add(1)))
    }

    fn mask_string(&mut self, run: &mut Run<'_>, input: &[u8], start: usize, end: usize) -> Result<(), Stop> {
        if let Some(index) = self.aim.field {
            let value = Coding::Json.decode(input.get(start..end).unwrap_or_default(), true).text;
            if let Some(masked) = run.field(index, &value)? {
                let mut written = Vec::new();
                Coding::Json.encode(&masked, &mut written);
                run.splice.replace(start, end, &written);
                return Ok(());
            }
        }
        if !self.aim.is_excluded {
            run.value(Coding::Json, &mut State::default(), &self.key, input, start, end, true)?;
        }
        Ok(())
    }

    /// What becomes of a string that is too long to be held.
    fn begin_long(&mut self, run: &mut Run<'_>, start: usize) -> Result<Long, Stop> {
        if self.muted.is_some() {
            return Ok(Long::Passed);
        }
        if let Some(index) = self.aim.field
            && let Some(masked) = run.long_field(index)?
        {
            let mut written = Vec::new();
            Coding::Json.encode(&masked, &mut written);
            run.splice.replace(start, start, &written);
            return Ok(Long::Cut);
        }
        Ok(if self.aim.is_excluded { Long::Passed } else { Long::Searched })
    }

    pub(super) fn long_string(
        &mut self,
        run: &mut Run<'_>,
        long: Long,
        input: &[u8],
        at: usize,
        at_end: bool,
    ) -> Result<Step, Stop> {
        let (end, is_over) = match token::string_end(input, at, self.ends_lines()) {
            Ok(end) => (end, true),
            Err(StringEnd::Invalid) => return Ok(Step::Invalid),
            Err(_) if at_end => (input.len(), true),
            Err(_) => (token::whole_escapes(input, at), false),
        };
        let consumed = match long {
            Long::Passed => end,
            Long::Cut => {
                run.splice.cut(at, end);
                end
            }
            Long::Searched => run.value(Coding::Json, &mut self.text, &self.key, input, at, end, is_over)?,
        };
        if is_over {
            self.ended();
            return Ok(Step::To(end.saturating_add(1).min(input.len())));
        }
        Ok(if consumed > at { Step::To(consumed) } else { Step::Hold })
    }

    pub(super) fn literal(&mut self, run: &mut Run<'_>, input: &[u8], at: usize, at_end: bool) -> Result<Step, Stop> {
        let rest = input.get(at..).unwrap_or_default();
        let len = rest.iter().take_while(|byte| token::is_of_literal(**byte)).count();
        let end = at.saturating_add(len);
        if len > run.options.max_hold {
            return Ok(Step::Invalid);
        }
        if end == input.len() && !at_end {
            return Ok(Step::Hold);
        }
        let literal = rest.get(..len).unwrap_or(rest);
        let is_number = token::is_number(literal);
        if !is_number && !matches!(literal, b"true" | b"false" | b"null") {
            return Ok(Step::Invalid);
        }
        if self.frames.is_empty() {
            match token::is_separated(rest.get(len..).unwrap_or_default(), run.options.max_hold, at_end) {
                Some(true) => {}
                Some(false) => return Ok(Step::Invalid),
                None => return Ok(Step::Hold),
            }
        }
        self.begin_value(run, at)?;
        if self.muted.is_none() && literal != b"null" {
            let named = self.aim.field.map_or(Ok(None), |index| run.field(index, literal))?;
            let masked = match named {
                None if is_number && !self.aim.is_excluded => self.number(run, literal)?,
                named => named,
            };
            if let Some(masked) = masked {
                run.splice.replace(at, end, &in_place_of(is_number, run.options.numbers, masked));
            }
        }
        self.ended();
        Ok(Step::To(end))
    }

    /// A number with what is found in it masked: in the whole number that it is, or in how it is written.
    fn number(&self, run: &mut Run<'_>, written: &[u8]) -> Result<Option<Vec<u8>>, Stop> {
        let masked = token::whole_number(written).map_or(Ok(None), |number| run.whole(&self.key, &number))?;
        if masked.is_some() { Ok(masked) } else { run.whole(&self.key, written) }
    }

    pub(super) fn string_end(&self, run: &Run<'_>, input: &[u8], start: usize, at_end: bool) -> StringEnd {
        let longest = start.saturating_add(run.options.max_hold);
        let window = input.get(..longest.saturating_add(1)).unwrap_or(input);
        match token::string_end(window, start, self.ends_lines()) {
            Ok(end) => StringEnd::At(end),
            Err(StringEnd::Unknown) if window.len() > longest => StringEnd::TooLong,
            Err(StringEnd::Unknown) if at_end => StringEnd::Invalid,
            Err(end) => end,
        }
    }
}

/// A JSON string.
pub(super) fn quoted(text: &[u8]) -> Vec<u8> {
    let mut quoted = vec![b'"'];
    Coding::Json.encode(text, &mut quoted);
    quoted.push(b'"');
    quoted
}

/// What stands in the place of a number, `true` or `false`, so that the document is still JSON.
fn in_place_of(is_number: bool, numbers: Numbers, masked: Vec<u8>) -> Vec<u8> {
    match numbers {
        _ if is_number && token::is_number(&masked) => masked,
        Numbers::Zero if is_number => b"0".to_vec(),
        _ => quoted(&masked),
    }
}
