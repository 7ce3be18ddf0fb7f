//! Tokens and keys that their issuers give a prefix of their own.

use super::byte_set::{ALPHANUMERIC, ByteSet, DIGITS, LOWER, UPPER, WORD};
use super::text::{Found, Text, Unknown};
use super::traits::Needs;
use super::{Boundary, Detector, Score, Shape, Words};

/// Where a token is no longer looked at as a whole.
pub(super) const LONGEST: usize = 8 * 1024;

/// What a ciphertext of the action `encrypt` begins with.
pub(crate) const CIPHERTEXT_PREFIX: &str = "enc_";
/// The longest of them.
pub(crate) const LONGEST_CIPHERTEXT: usize = 4096;

const BASE64URL: ByteSet = WORD.or(ByteSet::of(b"-"));
/// What may go on behind [`LONGEST`] bytes of any token or JWT.
const REST: ByteSet = BASE64URL.or(ByteSet::of(b".%/+="));

/// A prefix, and how many characters of which kind follow.
#[derive(Debug)]
pub(super) struct Token {
    prefix: &'static str,
    characters: ByteSet,
    shortest: usize,
    longest: usize,
    score: Score,
}

impl Token {
    const fn new(prefix: &'static str, characters: ByteSet, shortest: usize, longest: usize) -> Self {
        Self { prefix, characters, shortest, longest, score: Score::Shape }
    }
}

const fn detector(name: &'static str, starts: &'static [u8], tokens: &'static [Token]) -> Detector {
    let shape = Shape::Tokens(tokens);
    Detector {
        name,
        starts: ByteSet::of(starts),
        max_len: LONGEST + 64,
        needs: Needs { len: shortest(tokens), ..Needs::NOTHING },
        leads: u32::MAX,
        before: Boundary::NotWord,
        skip: 0,
        context: Words::NONE,
        shape,
    }
}

const fn shortest(tokens: &[Token]) -> usize {
    let mut shortest = usize::MAX;
    let mut rest = tokens;
    while let [token, behind @ ..] = rest {
        let len = token.prefix.len().saturating_add(token.shortest);
        if len < shortest {
            shortest = len;
        }
        rest = behind;
    }
    shortest
}

/// AWS IAM User Guide, "IAM identifiers", unique identifiers: access keys, temporary ones, bearer tokens.
pub(super) const AWS_ACCESS_KEY: Detector = detector(
    "aws_access_key",
    b"A",
    &[
        Token::new("AKIA", UPPER.or(DIGITS), 16, 16),
        Token::new("ASIA", UPPER.or(DIGITS), 16, 16),
        Token::new("ABIA", UPPER.or(DIGITS), 16, 16),
        Token::new("ACCA", UPPER.or(DIGITS), 16, 16),
    ],
);

/// 40 characters of base64 have no mark of their own.
pub(super) const AWS_SECRET_KEY: Detector = Detector {
    name: "aws_secret_key",
    starts: BASE64,
    max_len: 48,
    needs: Needs { len: 40, digits: 1, ..Needs::NOTHING },
    leads: u32::MAX,
    before: Boundary::NotBase64,
    skip: 0,
    context: Words::required(&[
        "aws secret",
        "aws secret key",
        "aws secret access key",
        "secret access key",
        "secret key",
    ]),
    shape: Shape::Other(aws_secret_key),
};

const BASE64: ByteSet = ALPHANUMERIC.or(ByteSet::of(b"/+"));

fn aws_secret_key(text: Text<'_>) -> Result<Option<Found>, Unknown> {
    let len = text.run(0, BASE64, 41)?;
    let key = text.known(0, len);
    let has = |set: ByteSet| key.iter().any(|byte| set.has(*byte));
    let is_key = len == 40 && has(UPPER) && has(LOWER) && has(DIGITS) && text.ends_word(len)?;
    Ok(is_key.then(|| Found::new(len, Score::Bare)))
}

/// GitHub Docs, "About authentication to GitHub", token formats; lengths as of its blog, 5 April 2021.
pub(super) const GITHUB_TOKEN: Detector = detector(
    "github_token",
    b"g",
    &[
        Token::new("ghp_", GITHUB, 36, LONGEST),
        Token::new("gho_", GITHUB, 36, LONGEST),
        Token::new("ghu_", GITHUB, 36, LONGEST),
        Token::new("ghs_", JWT_WITHIN, 36, LONGEST),
        Token::new("ghr_", GITHUB, 36, LONGEST),
        Token::new("github_pat_", GITHUB, 36, LONGEST),
    ],
);

const GITHUB: ByteSet = WORD;
/// Tokens of installations may hold a JWT.
const JWT_WITHIN: ByteSet = WORD.or(ByteSet::of(b".-"));

/// Slack API, "Token types", and incoming webhooks.
pub(super) const SLACK_TOKEN: Detector = detector(
    "slack_token",
    b"xh",
    &[
        Token::new("xoxa-", SLACK, 10, LONGEST),
        Token::new("xoxb-", SLACK, 10, LONGEST),
        Token::new("xoxc-", SLACK, 10, LONGEST),
        Token::new("xoxd-", SLACK, 10, LONGEST),
        Token::new("xoxe-", SLACK, 10, LONGEST),
        Token::new("xoxe.", SLACK, 10, LONGEST),
        Token::new("xoxp-", SLACK, 10, LONGEST),
        Token::new("xoxr-", SLACK, 10, LONGEST),
        Token::new("xoxs-", SLACK, 10, LONGEST),
        Token::new("xapp-", SLACK, 10, LONGEST),
        Token::new("hooks.slack.com/services/", ALPHANUMERIC.or(ByteSet::of(b"/")), 20, LONGEST),
    ],
);

const SLACK: ByteSet = ALPHANUMERIC.or(ByteSet::of(b"-%"));

/// Stripe Docs, "API keys" and "Check the webhook signatures"; publishable keys are no secrets.
pub(super) const STRIPE_KEY: Detector = detector(
    "stripe_key",
    b"srw",
    &[
        Token::new("sk_live_", ALPHANUMERIC, 16, LONGEST),
        Token::new("sk_test_", ALPHANUMERIC, 16, LONGEST),
        Token::new("rk_live_", ALPHANUMERIC, 16, LONGEST),
        Token::new("rk_test_", ALPHANUMERIC, 16, LONGEST),
        Token::new("whsec_", BASE64, 32, LONGEST),
    ],
);

/// Google Cloud, "API keys overview", and OAuth 2.0: client secrets and access tokens.
pub(super) const GOOGLE_KEY: Detector = detector(
    "google_key",
    b"AGy",
    &[
        Token::new("AIza", BASE64URL, 35, 35),
        Token::new("GOCSPX-", BASE64URL, 28, 28),
        Token::new("ya29.", BASE64URL.or(ByteSet::of(b".")), 20, LONGEST),
    ],
);

/// What the action `encrypt` makes: the key's name, and base32 of at least 16 bytes.
pub(super) const ENCRYPTED: Detector = Detector {
    max_len: LONGEST_CIPHERTEXT + 8,
    ..detector(
        "encrypted",
        b"e",
        &[Token {
            prefix: CIPHERTEXT_PREFIX,
            characters: LOWER.or(DIGITS).or(ByteSet::of(b"_")),
            shortest: 28,
            longest: LONGEST_CIPHERTEXT,
            score: Score::Shape,
        }],
    )
};

pub(super) fn recognise(tokens: &[Token], text: Text<'_>) -> Result<Option<Found>, Unknown> {
    let mut is_unknown = false;
    for token in tokens {
        match text.has(0, token.prefix.as_bytes()) {
            Ok(true) => return token.recognise(text),
            Ok(false) => {}
            Err(Unknown) => is_unknown = true,
        }
    }
    if is_unknown { Err(Unknown) } else { Ok(None) }
}

impl Token {
    fn recognise(&self, text: Text<'_>) -> Result<Option<Found>, Unknown> {
        let is_open_ended = self.longest == LONGEST;
        let len = text.run(self.prefix.len(), self.characters, self.longest.saturating_add(1))?;
        let end = self.prefix.len().saturating_add(len);
        if len > self.longest {
            return Ok(is_open_ended.then(|| Found::begun(end)));
        }
        // Dots may end a sentence.
        let dots = text.known(0, end).iter().rev().take_while(|byte| **byte == b'.').count();
        let is_token = len >= self.shortest && (is_open_ended || text.ends_word(end)?);
        Ok(is_token.then(|| Found::new(end.saturating_sub(dots), self.score)))
    }
}

/// How much of a text that goes on with a token belongs to it, and whether it ends there.
pub(super) fn rest(text: Text<'_>) -> (usize, bool) {
    match text.run(0, REST, usize::MAX) {
        Ok(len) => (len, true),
        Err(Unknown) => (text.known_len(), false),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{assert_finds, assert_finds_nothing};
    use super::*;

    /// The example keys of AWS's documentation; for the others the documented form with letters in order.
    #[test]
    fn keys_are_found() {
        const LETTERS: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJ0123456789";
        let keys = |prefixes: &[&str], len: usize| -> Vec<String> {
            prefixes.iter().map(|prefix| [prefix, &LETTERS[..len]].concat()).collect()
        };
        assert_finds("aws_access_key", Score::Shape, &["AKIAIOSFODNN7EXAMPLE", "ASIAIOSFODNN7EXAMPLE"]);
        assert_finds("aws_secret_key", Score::Bare, &["wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"]);
        for (name, keys) in [
            ("github_token", keys(&["ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"], 36)),
            (
                "slack_token",
                keys(&["xoxb-17653672481-", "xoxp-1-2-3-", "xapp-1-A-1-", "hooks.slack.com/services/T0/B0/"], 24),
            ),
            ("stripe_key", keys(&["sk_live_", "sk_test_", "rk_live_"], 24)),
            ("stripe_key", keys(&["whsec_"], 32)),
            ("google_key", keys(&["AIza"], 35)),
            ("google_key", keys(&["GOCSPX-"], 28)),
            ("google_key", keys(&["ya29."], 40)),
            ("encrypted", keys(&["enc_k1_"], 26).iter().map(|key| [key, "2345"].concat()).collect()),
        ] {
            assert_finds(name, Score::Shape, &keys.iter().map(String::as_str).collect::<Vec<_>>());
        }
    }

    #[test]
    fn look_alikes_are_left_alone() {
        for (name, texts) in [
            (
                "aws_access_key",
                ["AKIAIOSFODNN7EXAMPL", "AKIAIOSFODNN7EXAMPLES", "xAKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLe"],
            ),
            ("aws_secret_key", ["a", "da39a3ee5e6b4b0d3255bfef95601890afd80709", &"aA1".repeat(14), &"A".repeat(40)]),
            ("github_token", ["ghp_short", "github.com/a", "ghx_abcdefghijklmnopqrstuvwxyzABCDEFGHIJ", "highp_"]),
            ("slack_token", ["xoxb-1", "xoxo-hugs-and-kisses", "hooks.slack.com/", "xerxes"]),
            (
                "stripe_key",
                ["sk_live_1", "pk_live_abcdefghijklmnopqrstuvwx", "risk_live_abcdefghijklmnopqrstuvwx", "whsec_a"],
            ),
            ("google_key", ["AIzaShort", "Aiza", "GOCSPX-1", "ya29"]),
            ("encrypted", ["enc_k1_", "encoding", "enc_k1_ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG", "enc_k1_abc-def"]),
        ] {
            assert_finds_nothing(name, &texts);
        }
    }
}
