//! Forms: pairs of names and values, of a body or a query (WHATWG URL, section 5).

use crate::coding::Coding;
use crate::masking::{Run, Stop};
use crate::path::{Edge, Progress};
use crate::scan::State;

/// A form that comes in pieces.
#[derive(Debug, Default)]
pub struct Form {
    place: Place,
    /// The name of the pair.
    key: Vec<u8>,
    /// What is known of a long value.
    text: State,
}

#[derive(Clone, Copy, Debug, Default)]
enum Place {
    #[default]
    Name,
    Value(Aim),
    /// Inside of a value that is too long to be held.
    Long(Aim),
}

/// What the paths say of a pair.
#[derive(Clone, Copy, Debug)]
enum Aim {
    Searched,
    Passed,
    Cut,
    Field(usize),
}

impl Form {
    /// Masks the input as far as it is decided: up to the place that comes back.
    ///
    /// # Errors
    ///
    /// The message must not go on.
    pub fn push(&mut self, run: &mut Run<'_>, input: &[u8], at_end: bool) -> Result<usize, Stop> {
        let mut at = 0;
        while at < input.len() {
            let next = match self.place {
                Place::Name => self.name(run, input, at, at_end),
                Place::Value(aim) => self.value(run, aim, input, at, at_end)?,
                Place::Long(aim) => self.long(run, aim, input, at, at_end)?,
            };
            match next {
                Some(next) => at = next,
                None => break,
            }
        }
        Ok(at)
    }

    fn name(&mut self, run: &mut Run<'_>, input: &[u8], at: usize, at_end: bool) -> Option<usize> {
        let rest = input.get(at..).unwrap_or_default();
        let end = rest.iter().position(|byte| matches!(byte, b'=' | b'&'));
        if end.is_none() && !at_end && rest.len() <= run.options.max_hold {
            return None;
        }
        // What has no name, or none that could be looked at, is a value.
        let len = end.filter(|len| *len <= run.options.max_hold && rest.get(*len) == Some(&b'='));
        let Some(len) = len else {
            self.key.clear();
            self.place = Place::Value(Aim::Searched);
            return Some(at);
        };
        let name = rest.get(..len).unwrap_or_default();
        self.key = Coding::Form.decode(name, true).text.into_owned();
        let aim = self.aim(run);
        let next = at.saturating_add(len).saturating_add(1);
        if matches!(aim, Aim::Cut) {
            run.splice.cut(at, next);
        }
        self.place = Place::Value(aim);
        Some(next)
    }

    fn aim(&self, run: &Run<'_>) -> Aim {
        let leads = |path: &crate::path::Path| path.leads_to(path.follow(Progress::ROOT, Edge::Name(&self.key)));
        match run.policy.fields.iter().position(|field| leads(&field.path)) {
            Some(index) => {
                let removes = run.policy.fields.get(index).is_some_and(|field| field.entry.action.is_remove());
                if removes && !run.options.report_only { Aim::Cut } else { Aim::Field(index) }
            }
            None if run.policy.excluded.iter().any(leads) => Aim::Passed,
            None => Aim::Searched,
        }
    }

    fn value(
        &mut self,
        run: &mut Run<'_>,
        aim: Aim,
        input: &[u8],
        at: usize,
        at_end: bool,
    ) -> Result<Option<usize>, Stop> {
        let (end, is_whole) = end_of_value(input, at);
        if end.saturating_sub(at) > run.options.max_hold {
            let aim = match aim {
                Aim::Field(index) => match run.long_field(index)? {
                    Some(masked) => {
                        run.splice.replace(at, at, &Coding::Form.encoded(masked));
                        Aim::Field(index)
                    }
                    None => Aim::Searched,
                },
                aim => aim,
            };
            self.text = State::default();
            self.place = Place::Long(aim);
            return Ok(Some(at));
        }
        if !is_whole && !at_end {
            return Ok(None);
        }
        let next = end.saturating_add(1).min(input.len());
        self.place = Place::Name;
        match aim {
            Aim::Cut => run.splice.cut(at, next),
            Aim::Passed => {}
            Aim::Field(index) => {
                let value = Coding::Form.decode(input.get(at..end).unwrap_or_default(), true).text;
                match run.field(index, &value)? {
                    Some(masked) => run.splice.replace(at, end, &Coding::Form.encoded(masked)),
                    None => self.search(run, input, at, end)?,
                }
            }
            Aim::Searched => self.search(run, input, at, end)?,
        }
        Ok(Some(next))
    }

    fn search(&self, run: &mut Run<'_>, input: &[u8], from: usize, to: usize) -> Result<(), Stop> {
        run.value(Coding::Form, &mut State::default(), &self.key, input, from, to, true)?;
        Ok(())
    }

    fn long(
        &mut self,
        run: &mut Run<'_>,
        aim: Aim,
        input: &[u8],
        at: usize,
        at_end: bool,
    ) -> Result<Option<usize>, Stop> {
        let (end, is_whole) = end_of_value(input, at);
        let is_over = is_whole || at_end;
        let next = end.saturating_add(1).min(input.len());
        let consumed = match aim {
            Aim::Passed => end,
            Aim::Cut => {
                run.splice.cut(at, if is_over { next } else { end });
                end
            }
            Aim::Field(_) => {
                run.splice.cut(at, end);
                end
            }
            Aim::Searched => run.value(Coding::Form, &mut self.text, &self.key, input, at, end, is_over)?,
        };
        if is_over {
            self.place = Place::Name;
            return Ok(Some(next));
        }
        Ok((consumed > at).then_some(consumed))
    }
}

/// Where the value that stands at `at` ends as far as it is known, and whether it does end there.
fn end_of_value(input: &[u8], at: usize) -> (usize, bool) {
    let rest = input.get(at..).unwrap_or_default();
    let len = rest.iter().position(|byte| *byte == b'&');
    (at.saturating_add(len.unwrap_or(rest.len())), len.is_some())
}
