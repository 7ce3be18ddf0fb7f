//! Parts: values inside of one line, such as the parameters of a query, the segments of a path and cookies.

use std::borrow::Cow;

use palisade_sdk::matching::forms;

use crate::actions::Action;
use crate::coding::Coding;
use crate::config::{Named, Url};
use crate::masking::{Options, Policy, Run, Stop, Tally};
use crate::scan::State;
use crate::splice::Splice;

/// What looks into values one by one.
pub(crate) struct Looker<'a> {
    pub(crate) policy: &'a Policy,
    pub(crate) options: &'a Options,
    pub(crate) tally: &'a mut Tally,
}

/// What becomes of a part.
enum Fate {
    Stays,
    Becomes(Vec<u8>),
    Goes,
}

impl Looker<'_> {
    /// What stands in the place of a value, as it is to be written; `None` when it stays. Without an action, and where it is only counted, the
    /// detectors look for matches.
    pub(crate) fn value(
        &mut self,
        coding: Coding,
        name: &[u8],
        action: Option<(&str, &Action)>,
        written: &[u8],
    ) -> Result<Option<Vec<u8>>, Stop> {
        let mut run =
            Run { policy: self.policy, options: self.options, splice: Splice::new(written), tally: self.tally };
        if let Some((label, action)) = action {
            if let Some(masked) = run.named(action, label, &coding.decode(written, true).text)? {
                let mut out = Vec::new();
                coding.encode(&masked, &mut out);
                return Ok(Some(out));
            }
            run.tally.reported(label, action.name());
        }
        run.value(coding, &mut State::default(), name, written, 0, written.len(), true)?;
        match run.splice.finish(written.len()) {
            Cow::Owned(masked) => Ok(Some(masked)),
            Cow::Borrowed(_) => Ok(None),
        }
    }

    /// The `:path` with what is to be masked masked; `None` when nothing is.
    pub(crate) fn path(&mut self, url: &Url, path: &[u8]) -> Result<Option<Vec<u8>>, Stop> {
        let query = forms::query(path);
        let (before, question) = match path.len().checked_sub(query.len()).and_then(|len| path.split_at_checked(len)) {
            Some((before, _)) => before.strip_suffix(b"?").map_or((before, &b""[..]), |before| (before, b"?")),
            None => (path, &b""[..]),
        };
        let masked_path = self.segments(url, before)?;
        let masked_query = self.parameters(url, query)?;
        if masked_path.is_none() && masked_query.is_none() {
            return Ok(None);
        }
        let before = masked_path.as_deref().unwrap_or(before);
        let query = masked_query.as_deref().unwrap_or(query);
        Ok(Some([before, question, query].concat()))
    }

    fn segments(&mut self, url: &Url, path: &[u8]) -> Result<Option<Vec<u8>>, Stop> {
        let mut places = 0_u64..;
        let mut before = Vec::new();
        parts(path, b'/', &mut |written| {
            let place = places.next();
            let named = url.segments.iter().find(|segment| Some(segment.place) == place);
            let action = named.map(|segment| ("segment", &segment.action)).filter(|_| !written.is_empty());
            let name = std::mem::replace(&mut before, Coding::Percent.decode(written, true).text.into_owned());
            Ok(self.value(Coding::Percent, &name, action, written)?.map_or(Fate::Stays, Fate::Becomes))
        })
    }

    fn parameters(&mut self, url: &Url, query: &[u8]) -> Result<Option<Vec<u8>>, Stop> {
        parts(query, b'&', &mut |pair| {
            let Some(equals) = pair.iter().position(|byte| *byte == b'=') else {
                return Ok(self.value(Coding::Form, &[], None, pair)?.map_or(Fate::Stays, Fate::Becomes));
            };
            let (name, value) = pair.split_at_checked(equals.saturating_add(1)).unwrap_or((pair, &[]));
            let decoded = Coding::Form.decode(name.strip_suffix(b"=").unwrap_or(name), true).text;
            let named = url.parameters.iter().find(|parameter| parameter.name.as_bytes() == decoded.as_ref());
            let action = named.map(|parameter| (parameter.name.as_str(), &parameter.action));
            let masked = self.value(Coding::Form, &decoded, action, value)?;
            Ok(fate(name, masked, action))
        })
    }

    /// A `cookie` header, or a `set-cookie` header, which has one cookie and its attributes, with the cookie of a rule masked;
    /// `None` when nothing is.
    pub(crate) fn cookies(&mut self, rule: &Named, line: &[u8], has_attributes: bool) -> Result<Option<Vec<u8>>, Stop> {
        let mut goes = None;
        parts(line, b';', &mut |pair| {
            // Attributes go with their cookie: alone, the first of them would be one.
            if let Some(goes) = goes.filter(|_| has_attributes) {
                return Ok(if goes { Fate::Goes } else { Fate::Stays });
            }
            let fate = self.cookie(rule, pair)?;
            goes = Some(matches!(fate, Fate::Goes));
            Ok(fate)
        })
    }

    fn cookie(&mut self, rule: &Named, pair: &[u8]) -> Result<Fate, Stop> {
        let Some(equals) = pair.iter().position(|byte| *byte == b'=') else { return Ok(Fate::Stays) };
        let (front, value) = pair.split_at_checked(equals.saturating_add(1)).unwrap_or((pair, &[]));
        let name = front.strip_suffix(b"=").unwrap_or(front).trim_ascii();
        if rule.name.as_bytes() != name {
            return Ok(Fate::Stays);
        }
        let action = rule.action.as_ref().map(|action| (rule.name.as_str(), action));
        let masked = self.value(Coding::Percent, name, action, value)?;
        Ok(fate(front, masked, action))
    }
}

/// A pair whose value has become another; who removes the value removes the pair.
fn fate(front: &[u8], masked: Option<Vec<u8>>, action: Option<(&str, &Action)>) -> Fate {
    match masked {
        None => Fate::Stays,
        Some(_) if action.is_some_and(|(_, action)| action.is_remove()) => Fate::Goes,
        Some(masked) => Fate::Becomes([front, &masked].concat()),
    }
}

/// The line with the parts between separators as they become; `None` when all stay.
fn parts(
    line: &[u8],
    separator: u8,
    become_of: &mut dyn FnMut(&[u8]) -> Result<Fate, Stop>,
) -> Result<Option<Vec<u8>>, Stop> {
    let mut is_changed = false;
    let mut kept: Vec<Cow<'_, [u8]>> = Vec::new();
    for part in line.split(|byte| *byte == separator) {
        match become_of(part)? {
            Fate::Stays => {
                kept.push(Cow::Borrowed(part));
                continue;
            }
            Fate::Becomes(masked) => kept.push(Cow::Owned(masked)),
            Fate::Goes => {}
        }
        is_changed = true;
    }
    Ok(is_changed.then(|| kept.join(&separator)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actions::Mask;
    use crate::config::{Directions, Part};
    use crate::fake::{OPTIONS, policy};

    fn mask() -> Action {
        Action::Mask(Mask { keep_last: 2, ..Mask::default() })
    }

    fn looked<T>(look: impl FnOnce(&mut Looker<'_>) -> Result<T, Stop>) -> Result<T, Stop> {
        let detecting =
            vec![("email", Action::Replace("[mail]".into())), ("us_ssn", mask()), ("iban", Action::Block(403))];
        let policy = policy(Vec::new(), detecting);
        look(&mut Looker { policy: &policy, options: &OPTIONS, tally: &mut Tally::default() })
    }

    fn path(text: &str) -> Result<String, Stop> {
        let url = Url {
            is_for_upstream: true,
            parameters: vec![
                Part { name: "user id".into(), place: 0, action: mask() },
                Part { name: "token".into(), place: 0, action: Action::Remove },
                Part { name: "seen".into(), place: 0, action: Action::Report },
            ],
            segments: vec![Part { name: String::new(), place: 2, action: mask() }],
        };
        let masked = looked(|looker| looker.path(&url, text.as_bytes()))?;
        Ok(masked.map_or_else(|| "as it was".to_owned(), |masked| String::from_utf8(masked).unwrap()))
    }

    #[test]
    fn a_path_is_masked_by_places_names_and_detectors() {
        for (text, expected) in [
            ("/", "as it was"),
            ("/users/alice", "/users/***ce"),
            ("/users/al%69ce/x", "/users/***ce/x"),
            ("/users//x?", "as it was"),
            ("/a//x/a+b%40example.com%20x", "/a//x/%5Bmail%5D%20x"),
            ("/a//ssn/536904399", "/a//ssn/*******99"),
            ("/a//order/536904399", "as it was"),
            ("/?q=to+a%40example.com+now", "/?q=to+%5Bmail%5D+now"),
            ("/?user+id=1234&user%20id=&userid=1234", "/?user+id=**34&user%20id=&userid=1234"),
            ("/?token=1&a=2&token=3", "/?a=2"),
            ("/?token=1", "/?"),
            ("/?ssn=536904399&x=536904399", "/?ssn=*******99&x=536904399"),
            ("/?seen=a@example.com&seen=x", "/?seen=%5Bmail%5D&seen=x"),
            ("/?a@example.com", "/?%5Bmail%5D"),
            ("/?a=b?c=a@example.com", "/?a=b?c=%5Bmail%5D"),
        ] {
            assert_eq!(path(text).unwrap(), expected, "{text}");
        }
        assert_eq!(path("/?iban=DE89370400440532013000"), Err(Stop::Blocked(403)));
    }

    #[test]
    fn what_is_only_reported_is_counted_by_its_name() {
        let policy = policy(Vec::new(), Vec::new());
        let mut tally = Tally::default();
        let mut looker = Looker { policy: &policy, options: &OPTIONS, tally: &mut tally };
        for _ in 0..2 {
            assert_eq!(looker.value(Coding::Plain, b"x-note", Some(("x-note", &Action::Report)), b"a"), Ok(None));
        }
        assert_eq!(tally.take_reported(), [("x-note".to_owned(), "report", 2)]);
    }

    #[test]
    fn cookies_are_masked_by_their_names_and_no_other_byte_changes() {
        let named = |name: &str, action| Named {
            name: name.to_owned(),
            directions: Directions::default(),
            is_logged: false,
            action,
        };
        let rules = [named("sid", Some(mask())), named("gone", Some(Action::Remove)), named("who", None)];
        let masked = |line: &str, has_attributes| {
            let masked = looked(|looker| {
                rules.iter().try_fold(None, |masked: Option<Vec<u8>>, rule| {
                    let line = masked.as_deref().unwrap_or(line.as_bytes());
                    Ok(looker.cookies(rule, line, has_attributes)?.or(masked))
                })
            })
            .unwrap();
            masked.map_or_else(|| "as it was".to_owned(), |masked| String::from_utf8(masked).unwrap())
        };
        assert_eq!(masked("a=1; sid=abcd; SID=abcd;sid=x%20yz", false), "a=1; sid=**cd; SID=abcd;sid=**yz");
        assert_eq!(masked("gone=1; b=2; gone=3", false), " b=2");
        assert_eq!(masked("gone=1", false), "");
        assert_eq!(masked("who=a%40example.com; a=a@example.com; sid", false), "who=%5Bmail%5D; a=a@example.com; sid");
        assert_eq!(masked("sid=abcd; Path=/; sid=abcd", true), "sid=**cd; Path=/; sid=abcd");
        assert_eq!(masked("a=1; sid=abcd", true), "as it was");
        assert_eq!(masked("gone=1; Path=/; HttpOnly", true), "");
    }
}
