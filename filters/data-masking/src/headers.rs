//! Headers and trailers: single values with a name.

use palisade_sdk::HeaderMap;

use crate::coding::Coding;
use crate::config::{Directions, Named};
use crate::masking::Stop;
use crate::parts::Looker;

/// Headers that are true of the exact bytes of a body, and no longer when it is masked; it goes out decoded.
const OF_THE_BYTES: [&str; 6] =
    ["accept-ranges", "content-digest", "content-encoding", "content-md5", "digest", "repr-digest"];

/// What stands in the place of a value; `None` when it stays.
type Masked = Result<Option<Vec<u8>>, Stop>;

/// Headers with other lines than they had.
pub(crate) type Lines = Vec<(String, Vec<Vec<u8>>)>;

/// Headers by their names, and why one cannot be shown.
type Logged<'r> = Vec<(&'r str, Result<Vec<u8>, Stop>)>;

/// The headers that are to be written anew: each rule sees what those before it have made of a header.
pub(crate) fn masked(
    looker: &mut Looker<'_>,
    headers: &HeaderMap,
    rules: &[Named],
    cookies: &[Named],
    applies: fn(&Directions) -> bool,
) -> Result<Lines, Stop> {
    let mut lines = Lines::new();
    for rule in rules.iter().filter(|rule| applies(&rule.directions)) {
        rewrite(&mut lines, headers, &rule.name, &mut |value| header(looker, rule, value))?;
    }
    for rule in cookies.iter().filter(|rule| applies(&rule.directions)) {
        for (name, has_attributes) in [("cookie", false), ("set-cookie", true)] {
            rewrite(&mut lines, headers, name, &mut |value| looker.cookies(rule, value, has_attributes))?;
        }
    }
    Ok(lines)
}

/// The headers for access logs, each with its lines joined: each rule sees what those before it have made of it, and none what was blocked.
pub(crate) fn logged<'r>(looker: &mut Looker<'_>, headers: &HeaderMap, rules: &'r [Named]) -> Logged<'r> {
    let mut logged = Logged::new();
    for rule in rules.iter().filter(|rule| rule.is_logged) {
        if !logged.iter().any(|(name, _)| *name == rule.name) {
            let Some(value) = headers.joined(&rule.name) else { continue };
            logged.push((&rule.name, Ok(value.into_owned())));
        }
        for (_, value) in logged.iter_mut().filter(|(name, _)| *name == rule.name) {
            let Ok(before) = value else { continue };
            if let Some(masked) = header(looker, rule, before).transpose() {
                *value = masked;
            }
        }
    }
    logged
}

/// The value of a header with what is to be masked masked, empty where it is to go; `None` when it stays.
fn header(looker: &mut Looker<'_>, rule: &Named, value: &[u8]) -> Masked {
    let action = rule.action.as_ref().map(|action| (rule.name.as_str(), action));
    looker.value(Coding::Plain, rule.name.as_bytes(), action, value)
}

/// Has these lines stand for a header, whatever was to stand for it.
pub(crate) fn set(lines: &mut Lines, name: &str, values: Vec<Vec<u8>>) {
    lines.retain(|(other, _)| other != name);
    lines.push((name.to_owned(), values));
}

/// Takes away those of these headers that are there.
pub(crate) fn take(headers: &HeaderMap, lines: &mut Lines, names: &[&str]) {
    for name in names {
        if headers.all(name).next().is_some() {
            set(lines, name, Vec::new());
        }
    }
}

/// Takes away what is no longer true when the body is masked; a strong `etag` becomes weak.
pub(crate) fn correct(headers: &HeaderMap, lines: &mut Lines) {
    take(headers, lines, &OF_THE_BYTES);
    let etag = match lines.iter().find(|(name, _)| name == "etag") {
        Some((_, values)) => values.first().map(Vec::as_slice),
        None => headers.all("etag").next(),
    };
    if let Some(etag) = etag.filter(|etag| !etag.starts_with(b"W/")) {
        let weak = [b"W/", etag].concat();
        set(lines, "etag", vec![weak]);
    }
}

fn rewrite(
    lines: &mut Lines,
    headers: &HeaderMap,
    name: &str,
    mask: &mut dyn FnMut(&[u8]) -> Masked,
) -> Result<(), Stop> {
    let before = lines.iter().position(|(other, _)| other == name);
    let values: Vec<_> = match before.and_then(|place| lines.get(place)) {
        Some((_, values)) => values.clone(),
        None => headers.all(name).map(<[u8]>::to_vec).collect(),
    };
    let mut is_changed = false;
    let mut kept = Vec::with_capacity(values.len());
    for value in values {
        let Some(masked) = mask(&value)? else {
            kept.push(value);
            continue;
        };
        is_changed = true;
        // No value begins or ends with a blank, and what nothing is left of goes.
        let masked = masked.trim_ascii();
        if !masked.is_empty() {
            kept.push(masked.to_vec());
        }
    }
    match before.and_then(|place| lines.get_mut(place)) {
        Some((_, values)) => *values = kept,
        None if is_changed => lines.push((name.to_owned(), kept)),
        None => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actions::{Action, Mask};
    use crate::fake::{OPTIONS, policy};
    use crate::masking::Tally;

    fn named(name: &str, action: Option<Action>) -> Named {
        Named { name: name.to_owned(), directions: Directions::default(), is_logged: false, action }
    }

    fn lines(headers: &[(&str, &str)], rules: &[Named], cookies: &[Named]) -> Vec<(String, Vec<String>)> {
        let detecting =
            vec![("email", Action::Remove), ("us_ssn", Action::Mask(Mask { keep_last: 4, ..Mask::default() }))];
        let policy = policy(Vec::new(), detecting);
        let mut tally = Tally::default();
        let mut looker = Looker { policy: &policy, options: &OPTIONS, tally: &mut tally };
        let headers = HeaderMap::from_lines(headers.iter().map(|(name, value)| (*name, value.as_bytes())));
        let lines = masked(&mut looker, &headers, rules, cookies, |directions| directions.response).unwrap();
        let text = |value: Vec<u8>| String::from_utf8(value).unwrap();
        lines.into_iter().map(|(name, values)| (name, values.into_iter().map(text).collect())).collect()
    }

    #[test]
    fn what_is_left_of_a_value_ends_in_no_blank_and_nothing_is_no_value() {
        let headers = [("x-note", "to a@example.com"), ("x-note", "a@example.com"), ("x-note", "b")];
        assert_eq!(
            lines(&headers, &[named("x-note", None)], &[]),
            [("x-note".to_owned(), vec!["to".to_owned(), "b".to_owned()])]
        );
    }

    #[test]
    fn a_second_rule_for_a_header_sees_what_the_first_has_made_of_it() {
        let rules =
            [named("x-note", None), named("x-note", Some(Action::Mask(Mask { keep_last: 1, ..Mask::default() })))];
        assert_eq!(
            lines(&[("x-note", "ab a@example.com")], &rules, &[]),
            [("x-note".to_owned(), vec!["*b".to_owned()])]
        );
        let cookie = [named("a", Some(Action::Replace("x".into())))];
        assert_eq!(
            lines(&[("set-cookie", "a=1; Domain=a@example.com")], &[named("set-cookie", None)], &cookie),
            [("set-cookie".to_owned(), vec!["a=x; Domain=".to_owned()])]
        );
    }

    #[test]
    fn a_second_rule_for_a_cookie_sees_what_the_first_has_made_of_it() {
        let rules = [named("a", None), named("a", Some(Action::Mask(Mask { keep_last: 1, ..Mask::default() })))];
        assert_eq!(
            lines(&[("cookie", "a=xyz; b=1")], &[], &rules),
            [("cookie".to_owned(), vec!["a=**z; b=1".to_owned()])]
        );
    }

    #[test]
    fn what_is_true_of_the_bytes_alone_goes_and_what_is_masked_stays_so() {
        let headers = HeaderMap::from_lines([("digest", &b"x"[..]), ("etag", b"\"secret\""), ("content-type", b"a/b")]);
        let mut lines = vec![("etag".to_owned(), vec![b"\"***\"".to_vec()])];
        correct(&headers, &mut lines);
        assert_eq!(lines, [("digest".to_owned(), vec![]), ("etag".to_owned(), vec![b"W/\"***\"".to_vec()])]);
        let mut lines = Lines::new();
        correct(&HeaderMap::from_lines([("etag", &b"W/\"a\""[..])]), &mut lines);
        assert!(lines.is_empty());
    }

    #[test]
    fn a_second_rule_for_a_logged_header_sees_what_the_first_has_made_of_it() {
        let rule = |name: &str, action| Named { is_logged: true, ..named(name, action) };
        let rules = [
            rule("x-key", Some(Action::Replace("***".into()))),
            rule("x-stop", Some(Action::Block(403))),
            rule("x-gone", None),
            rule("x-key", None),
            rule("x-stop", None),
        ];
        let headers = HeaderMap::from_lines([("x-key", &b"canary"[..]), ("x-key", b"b"), ("x-stop", b"canary")]);
        let policy = policy(Vec::new(), vec![("email", Action::Remove)]);
        let mut looker = Looker { policy: &policy, options: &OPTIONS, tally: &mut Tally::default() };
        let expected = [("x-key", Ok(b"***".to_vec())), ("x-stop", Err(Stop::Blocked(403)))];
        assert_eq!(logged(&mut looker, &headers, &rules), expected);
    }

    #[test]
    fn an_etag_that_was_removed_does_not_come_back() {
        let mut lines = vec![("etag".to_owned(), vec![])];
        correct(&HeaderMap::from_lines([("etag", &b"\"secret\""[..])]), &mut lines);
        assert_eq!(lines, [("etag".to_owned(), Vec::<Vec<u8>>::new())]);
    }

    #[test]
    fn what_holds_nothing_is_not_written_anew() {
        assert!(
            lines(&[("x-note", "nothing"), ("x-other", "a@example.com")], &[named("x-note", None)], &[]).is_empty()
        );
    }
}
