//! JSON Web Tokens (RFC 7519) in their compact form: signed, encrypted, or neither.

use super::byte_set::{ByteSet, WORD};
use super::text::{Found, Text, Unknown};
use super::token::LONGEST;
use super::traits::{DOT, Needs};
use super::{Boundary, Detector, Score, Shape, Words};

pub(super) const JWT: Detector = Detector {
    name: "jwt",
    starts: ByteSet::of(b"e"),
    max_len: LONGEST + 8,
    needs: Needs { len: SHORTEST_HEADER + 2, kinds: DOT, ..Needs::NOTHING },
    leads: u32::MAX,
    before: Boundary::NotToken,
    skip: 0,
    context: Words::NONE,
    shape: Shape::Other(recognise),
};

/// The shortest header, `{"alg":"none"}`, in base64url.
const SHORTEST_HEADER: usize = 19;

/// A header that begins with `{"`, and at least one part more.
fn recognise(text: Text<'_>) -> Result<Option<Found>, Unknown> {
    const BASE64URL: ByteSet = WORD.or(ByteSet::of(b"-"));
    if !text.has(0, b"eyJ")? {
        return Ok(None);
    }
    let len = text.run(0, BASE64URL.or(ByteSet::of(b".")), LONGEST)?;
    let run = text.known(0, len);
    let header = run.iter().position(|byte| *byte == b'.').unwrap_or_default();
    if header < SHORTEST_HEADER {
        return Ok(None);
    }
    if len == LONGEST {
        return Ok(Some(Found::begun(len)));
    }
    // Dots may end a sentence.
    let end = run.iter().rposition(|byte| *byte != b'.').map_or(0, |last| last.saturating_add(1));
    Ok((end > header).then(|| Found::new(end, Score::Shape)))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{assert_finds, assert_finds_nothing, matches};
    use super::*;

    /// RFC 7515, appendix A.1; RFC 7519, section 6.1; RFC 7516, section 3.3, with shortened parts.
    #[test]
    fn tokens_are_found() {
        assert_finds(
            "jwt",
            Score::Shape,
            &[
                "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UifQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
                "eyJhbGciOiJub25lIn0.eyJpc3MiOiJqb2UifQ",
                "eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.OKOa.48V1.5eym.XFBo",
                "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..48V1.5eym.XFBo",
            ],
        );
        assert_eq!(matches(&JWT, b"eyJhbGciOiJub25lIn0.eyJpc3MiOiJqb2UifQ.")[0].1, 38);
    }

    #[test]
    fn look_alikes_are_left_alone() {
        assert_finds_nothing(
            "jwt",
            &["eyJhbGciOiJub25lIn0", "eyJhbGciOiJub25lIn0.", "eyJ.x.y", "xeyJhbGciOiJub25lIn0.a.b", "eyebrow.a.b"],
        );
    }
}
