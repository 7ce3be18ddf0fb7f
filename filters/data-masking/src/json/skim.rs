//! Skimming: going over what holds nothing to be found, which is nearly all of most documents, at the cost of a few instructions a
//! byte.
//!
//! It is what the steps of [`Json`] would do, where no path leads anywhere and no number is found: whatever is more than that is left to them.

use super::token;
use super::{DEEPEST, Expect, Frame, Json};
use crate::coding::Coding;
use crate::detectors::traits::Traits;
use crate::masking::{Run, Stop};
use crate::scan::State;

impl Json {
    /// Whether values can be skimmed at all: no path has to be followed, and names are not searched.
    pub(super) fn skims(run: &Run<'_>) -> bool {
        let policy = run.policy;
        policy.fields.is_empty() && policy.excluded.is_empty() && !policy.keys
    }

    /// Goes over what needs no more than a look inside of a document, from `from` on, and says where that ends.
    ///
    /// # Errors
    ///
    /// The message must not go on.
    pub(super) fn skim(&mut self, run: &mut Run<'_>, input: &[u8], from: usize) -> Result<usize, Stop> {
        let longest = run.options.max_hold;
        let scanner = &run.policy.scanner;
        let Some(mut is_object) = self.frames.last().map(|frame| frame.is_object) else { return Ok(from) };
        let mut expect = self.expect;
        let mut at = from;
        let mut name = None;
        while let Some(byte) = input.get(at) {
            let next = at.wrapping_add(1);
            match (*byte, expect) {
                (b' ' | b'\t', Expect::Comma | Expect::Colon | Expect::Key | Expect::KeyOrEnd)
                | (b' ' | b'\t', Expect::Value | Expect::ValueOrEnd) => at = next,
                (b'\n' | b'\r', Expect::Comma | Expect::Colon | Expect::Key | Expect::KeyOrEnd)
                | (b'\n' | b'\r', Expect::Value | Expect::ValueOrEnd)
                    if !self.ends_lines() =>
                {
                    at = next;
                }
                (b',', Expect::Comma) => {
                    expect = if is_object { Expect::Key } else { Expect::Value };
                    at = behind_blank(input, next);
                }
                (b'"', Expect::Key | Expect::KeyOrEnd) => {
                    let Some(end) = plain_end(input, next, longest) else { break };
                    name = Some((next, end));
                    expect = Expect::Colon;
                    at = end.wrapping_add(1);
                    if input.get(at) == Some(&b':') {
                        expect = Expect::Value;
                        at = behind_blank(input, at.wrapping_add(1));
                    }
                }
                (b':', Expect::Colon) => {
                    expect = Expect::Value;
                    at = behind_blank(input, next);
                }
                (b'"', Expect::Value | Expect::ValueOrEnd) => {
                    let Some(Whole { traits, end, has_escapes }) = whole(input, next, longest) else { break };
                    let may_find = match input.get(next..end).filter(|_| !has_escapes) {
                        Some(text) => scanner.may_find_among(text, traits),
                        None => scanner.may_find(end.wrapping_sub(next), traits),
                    };
                    if may_find {
                        self.remember(input, name.take());
                        run.value(Coding::Json, &mut State::default(), &self.key, input, next, end, true)?;
                    }
                    expect = Expect::Comma;
                    at = end.wrapping_add(1);
                }
                (b'-' | b'0'..=b'9', Expect::Value | Expect::ValueOrEnd) => {
                    let rest = input.get(at..).unwrap_or_default();
                    let len = rest.iter().take_while(|byte| matches!(byte, b'-' | b'.' | b'0'..=b'9')).count();
                    let number = rest.get(..len).unwrap_or(rest);
                    // One with an exponent, or whose end has not come, is left to the steps.
                    let is_plain = rest.get(len).is_some_and(|next| !token::is_of_literal(*next));
                    if !is_plain || len > longest || !token::is_number(number) || scanner.may_find_in(number) {
                        break;
                    }
                    expect = Expect::Comma;
                    at = at.wrapping_add(len);
                }
                (b't' | b'f' | b'n', Expect::Value | Expect::ValueOrEnd) => {
                    let rest = input.get(at..).unwrap_or_default();
                    let literals: [&[u8]; 3] = [b"true", b"false", b"null"];
                    let Some(literal) = literals.into_iter().find(|literal| rest.starts_with(literal)) else { break };
                    if rest.get(literal.len()).is_none_or(|next| token::is_of_literal(*next)) {
                        break;
                    }
                    expect = Expect::Comma;
                    at = at.wrapping_add(literal.len());
                }
                (b'{' | b'[', Expect::Value | Expect::ValueOrEnd) if self.frames.len() < DEEPEST => {
                    is_object = *byte == b'{';
                    self.frames.push(Frame { is_object, count: 0, has_kept: false, aim: self.aim });
                    expect = if is_object { Expect::KeyOrEnd } else { Expect::ValueOrEnd };
                    at = next;
                }
                (b'}' | b']', Expect::Comma | Expect::ValueOrEnd | Expect::KeyOrEnd)
                    if is_object == (*byte == b'}') =>
                {
                    // The last one ends the document.
                    let [.., outer, _] = self.frames.as_slice() else { break };
                    is_object = outer.is_object;
                    self.frames.pop();
                    expect = Expect::Comma;
                    at = next;
                }
                _ => break,
            }
        }
        self.expect = expect;
        self.remember(input, name);
        Ok(at)
    }

    /// The name of the last member stands here.
    fn remember(&mut self, input: &[u8], name: Option<(usize, usize)>) {
        if let Some(name) = name.and_then(|(start, end)| input.get(start..end)) {
            self.set_key(name);
        }
    }
}

/// The place behind a blank that may stand here.
fn behind_blank(input: &[u8], at: usize) -> usize {
    at.wrapping_add(usize::from(input.get(at) == Some(&b' ')))
}

/// Where the string ends that goes on at `from`, when it is all there, not too long and without escapes.
fn plain_end(input: &[u8], from: usize, longest: usize) -> Option<usize> {
    let rest = input.get(from..)?;
    let len = rest.iter().position(|byte| matches!(byte, 0..=0x1f | b'"' | b'\\'))?;
    (len <= longest && rest.get(len) == Some(&b'"')).then(|| from.wrapping_add(len))
}

/// A string that is all there.
struct Whole {
    traits: Traits,
    end: usize,
    has_escapes: bool,
}

/// The string that goes on at `from`, when it is all there and not too long. Of escapes only those are known whose meaning no match needs.
fn whole(input: &[u8], from: usize, longest: usize) -> Option<Whole> {
    let rest = input.get(from..)?;
    let rest = rest.get(..=longest).unwrap_or(rest);
    let (mut traits, mut len) = Traits::of_plain(rest);
    let mut has_escapes = false;
    loop {
        match rest.get(len..)? {
            [b'"', ..] => return Some(Whole { traits, end: from.wrapping_add(len), has_escapes }),
            // It may be written for a byte that counts.
            [b'\\', b'u', b'0', b'0', b'0'..=b'7', ..] => return None,
            [b'\\', b'u', digits @ ..] if digits.get(..4)?.iter().all(u8::is_ascii_hexdigit) => {
                len = len.wrapping_add(6)
            }
            [b'\\', b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => len = len.wrapping_add(2),
            _ => return None,
        }
        has_escapes = true;
        let (more, more_len) = Traits::of_plain(rest.get(len..)?);
        traits = traits.and(more);
        len = len.wrapping_add(more_len);
    }
}
