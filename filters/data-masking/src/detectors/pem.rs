//! Private keys in PEM (RFC 7468), those of PGP too.

use super::byte_set::{ByteSet, DIGITS, UPPER};
use super::text::{Found, Text, Unknown};
use super::traits::{HYPHEN, Needs};
use super::{Boundary, Detector, Score, Shape, Words};

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
/// The longest label that is looked at.
const LABEL: usize = 40;
const LONGEST: usize = 8 * 1024;
/// What is in no key.
const FOREIGN: ByteSet = ByteSet::of(b"<>{}\"\0");

pub(super) const PEM_PRIVATE_KEY: Detector = Detector {
    name: "pem_private_key",
    starts: ByteSet::of(b"-"),
    max_len: LONGEST + 64,
    needs: Needs { len: BEGIN.len(), kinds: HYPHEN, ..Needs::NOTHING },
    leads: u32::MAX,
    before: Boundary::Any,
    skip: 0,
    context: Words::NONE,
    shape: Shape::Pem,
};

/// What a label says; behind it stand five hyphens.
fn label(text: Text<'_>, at: usize) -> Result<Option<usize>, Unknown> {
    let len = text.run(at, UPPER.or(DIGITS).or(ByteSet::of(b" ")), LABEL)?;
    let behind = at.saturating_add(len);
    Ok(text.has(behind, b"-----")?.then(|| behind.saturating_add(5)))
}

/// From the line that begins a key to the one that ends it, or where none does, to what cannot stand in between.
pub(super) fn recognise(text: Text<'_>) -> Result<Option<Found>, Unknown> {
    if !text.has(0, BEGIN)? {
        return Ok(None);
    }
    let Some(body) = label(text, BEGIN.len())? else { return Ok(None) };
    let is_private = text.known(BEGIN.len(), body).windows(11).any(|words| words == b"PRIVATE KEY");
    if !is_private {
        return Ok(None);
    }
    Ok(Some(match end_within(text, body, LONGEST)? {
        End::At(end) => Found::new(end, Score::Shape),
        // There may be an end further off.
        End::Beyond(foreign) => Found::begun(foreign.unwrap_or(LONGEST)),
    }))
}

/// How much of a text that goes on with a key belongs to it, and whether it ends there.
pub(super) fn rest(text: Text<'_>) -> (usize, bool) {
    let known = text.known(0, text.known_len());
    let mut at = 0usize;
    loop {
        let is_foreign = known.get(at).is_some_and(|byte| FOREIGN.has(*byte));
        let end = if is_foreign {
            end_within(text, at, at.saturating_add(LONGEST)).map(|end| match end {
                End::At(end) => Some(end),
                End::Beyond(_) => Some(at),
            })
        } else {
            end(text, at)
        };
        match end {
            Ok(Some(end)) => return (end, true),
            Ok(None) => at = at.saturating_add(1),
            Err(Unknown) => return (at, false),
        }
    }
}

/// Where a key ends.
enum End {
    At(usize),
    /// Further off, or at this byte, which cannot be in one.
    Beyond(Option<usize>),
}

/// Where a key ends that goes on at `from`: behind its `END`, or where another begins before that, at the first byte that cannot be in one.
fn end_within(text: Text<'_>, from: usize, to: usize) -> Result<End, Unknown> {
    let mut foreign = None;
    for at in from..to {
        match text.byte(at)? {
            None => return Ok(End::At(foreign.unwrap_or(at))),
            Some(byte) if FOREIGN.has(byte) => foreign = foreign.or(Some(at)),
            Some(_) => {
                if let Some(end) = end(text, at)? {
                    return Ok(End::At(end));
                }
                if let Some(foreign) = foreign
                    && text.has(at, BEGIN)?
                {
                    return Ok(End::At(foreign));
                }
            }
        }
    }
    Ok(End::Beyond(foreign))
}

/// Where a key ends, if it ends here.
fn end(text: Text<'_>, at: usize) -> Result<Option<usize>, Unknown> {
    match text.byte(at)? {
        None => Ok(Some(at)),
        Some(b'-') if text.has(at, END)? => Ok(label(text, at.saturating_add(END.len()))?),
        Some(_) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Step;
    use super::super::tests::{assert_finds, assert_finds_nothing, matches};
    use super::*;

    /// Labels of RFC 7468, RFC 5915, RFC 9580 and OpenSSH; bodies that are no keys.
    #[test]
    fn keys_are_found() {
        assert_finds(
            "pem_private_key",
            Score::Shape,
            &[
                "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA==\n-----END PRIVATE KEY-----",
                "-----BEGIN ENCRYPTED PRIVATE KEY-----\r\nMIIB\r\n-----END ENCRYPTED PRIVATE KEY-----",
                "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,0A\n\nMIIB\n-----END RSA PRIVATE KEY-----",
                "-----BEGIN EC PRIVATE KEY-----\\nMHcC\\n-----END EC PRIVATE KEY-----",
                "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n-----END OPENSSH PRIVATE KEY-----",
                "-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: 1\n\nlQ==\n=abcd\n-----END PGP PRIVATE KEY BLOCK-----",
            ],
        );
    }

    #[test]
    fn what_is_public_is_left_alone() {
        assert_finds_nothing(
            "pem_private_key",
            &[
                "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
                "-----BEGIN PUBLIC KEY-----\nMCow\n-----END PUBLIC KEY-----",
                "-----BEGIN private key-----\n",
                "----BEGIN PRIVATE KEY----",
                "--------",
            ],
        );
    }

    #[test]
    fn a_key_that_nothing_ends_goes_on_to_what_cannot_be_in_one() {
        let text = b"------BEGIN PRIVATE KEY-----\nMC4C\n-----END \n-----\"}";
        assert_eq!(matches(&PEM_PRIVATE_KEY, text), [(1, text.len() - 2, Score::Shape)]);
        assert_eq!(matches(&PEM_PRIVATE_KEY, &text[..20]), []);
        assert_eq!(matches(&PEM_PRIVATE_KEY, &text[..40]), [(1, 40, Score::Shape)]);
    }

    #[test]
    fn what_cannot_be_in_a_key_hides_nothing_of_one_that_ends() {
        for foreign in ["<", ">", "\"", "{", "}", "\0"] {
            let key = format!("-----BEGIN PRIVATE KEY-----\nMC4C{foreign}AQAw\n-----END PRIVATE KEY-----");
            assert_eq!(matches(&PEM_PRIVATE_KEY, key.as_bytes()), [(0, key.len(), Score::Shape)], "{foreign}");
            for end in 28..key.len() {
                assert_eq!(PEM_PRIVATE_KEY.scan(&key.as_bytes()[..end], false), Step::Open, "{foreign} {end}");
            }
            let far = format!("-----BEGIN PRIVATE KEY-----\nMC4C{foreign}{}", "x".repeat(LONGEST + 64));
            assert_eq!(PEM_PRIVATE_KEY.scan(far.as_bytes(), false), Step::Begun { len: 32 });
            assert_eq!(PEM_PRIVATE_KEY.rest(&far.as_bytes()[32..], false), (0, true));
            let end = format!("{}-----END PRIVATE KEY-----", "x".repeat(LONGEST - 100));
            assert_eq!(PEM_PRIVATE_KEY.rest(format!("{foreign}{end}.").as_bytes(), false), (end.len() + 1, true));
            let next = format!("-----BEGIN PRIVATE KEY-----\nMC4C{foreign}-----BEGIN PRIVATE KEY-----\nx");
            assert_eq!(PEM_PRIVATE_KEY.scan(next.as_bytes(), false), Step::Match { len: 32, score: Score::Shape });
            let more = format!("MC4C{foreign}AQAw\n-----END PRIVATE KEY-----");
            assert_eq!(PEM_PRIVATE_KEY.rest(more.as_bytes(), false), (more.len(), true));
            assert_eq!(PEM_PRIVATE_KEY.rest(&more.as_bytes()[..20], false), (4, false));
            assert_eq!(PEM_PRIVATE_KEY.rest(&more.as_bytes()[..20], true), (4, true));
        }
    }
}
