//! Descriptors: what a rate limit service counts by, read from a request.

use super::config::{Entry, RlsConfig};
use super::message::put_entry;
use crate::config::OnMissing;
use crate::limiter::Seen;
use palisade_sdk::digest;
use palisade_sdk::matching::{Attributes, RequestView};
use std::borrow::Cow;

/// The longest value that goes to a service as it is, in bytes.
const LONGEST: usize = 1024;

/// What a service is asked about one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Question {
    /// The serialised descriptors, at least one.
    pub(super) descriptors: Vec<Vec<u8>>,
    /// How much the request takes, at least 1.
    pub(super) hits: u32,
}

/// What a request gives to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// This, of the service.
    Question(Question),
    /// Nothing: no descriptor has all of its values.
    Nothing,
    /// A value is missing without which the request is refused.
    Missing,
}

/// Reads what a service is asked about a request that takes so many hits. `on_missing` is about each value of a
/// descriptor; one that is skipped for a value is left out, as Envoy's own rate limit filter does.
pub(crate) fn question<A: Attributes>(
    config: &RlsConfig,
    on_missing: &OnMissing,
    request: &RequestView<'_, A>,
    hits: u64,
    seen: &mut Seen,
) -> Result<Asked, A::Error> {
    let mut whole = Vec::new();
    'descriptors: for entries in &config.descriptors {
        let mut descriptor = Vec::new();
        for Entry { key, value } in entries {
            let selection = value.select(request)?;
            seen.ambiguous |= selection.ambiguous;
            match &selection.value {
                Some(value) => put_entry(&mut descriptor, key, &text(value)),
                None => {
                    seen.missing_key = true;
                    match on_missing.of(&selection) {
                        OnMissing::Skip => continue 'descriptors,
                        OnMissing::Deny => return Ok(Asked::Missing),
                        OnMissing::Literal(value) => put_entry(&mut descriptor, key, value),
                    }
                }
            }
        }
        whole.push(descriptor);
    }
    let hits = u32::try_from(hits).unwrap_or(u32::MAX).max(1);
    Ok(match whole.is_empty() {
        true => Asked::Nothing,
        false => Asked::Question(Question { descriptors: whole, hits }),
    })
}

/// A value as the protocol can carry it and a service should keep it: text, of a length that the client does not choose.
///
/// A service refuses a message whose texts are not UTF-8, so that a client could choose to go uncounted. What is not
/// comes out as U+FFFD, and clients that differ in it alone are one.
fn text(value: &[u8]) -> Cow<'_, str> {
    match value.len() > LONGEST {
        true => ["sha256:", &digest::sha256(value)].concat().into(),
        false => String::from_utf8_lossy(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_is_no_text_becomes_one() {
        assert_eq!(text(b"\xC3\xA9 a|b"), "\u{E9} a|b");
        assert_eq!(text(b"\xFFa\xC3"), "\u{FFFD}a\u{FFFD}");
        assert_eq!(text(b""), "");
    }

    #[test]
    fn a_long_value_is_told_by_its_digest() {
        let longest = [b'x'; LONGEST];
        assert_eq!(text(&longest).as_bytes(), longest);
        let mebibyte = vec![b'x'; 1 << 20];
        // From `head --bytes 1MiB /dev/zero | tr '\0' x | sha256sum`.
        assert_eq!(text(&mebibyte), "sha256:8f990ba0b577b51cf009ea049368c16bbda1b21e1b93be07a824758bb253c39b");
        assert_ne!(text(&mebibyte), text(&[&mebibyte[..], b"y"].concat()));
    }
}
