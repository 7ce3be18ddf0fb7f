//! What every detector promises.

use proptest::prelude::*;

use super::traits::{Traits, longest_number};
use super::*;

/// Holds a detector to what it is said to find and what it is said to leave alone.
pub(super) fn assert_finds(name: &str, score: Score, texts: &[&str]) {
    let detector = find(name).unwrap();
    for text in texts {
        let bytes = text.as_bytes();
        assert!(detector.starts_with(bytes), "{name} does not begin with {text}");
        let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
        assert!(detector.leads >> digits & 1 == 1, "{name} does not begin with {digits} digits: {text}");
        let (traits, number) = (Traits::of(bytes), longest_number(bytes));
        let has_needs = detector.needs.may_be_met(bytes.len(), traits);
        assert!(
            has_needs && (!detector.needs.is_number || number >= detector.needs.digits),
            "{name} needs more: {text}"
        );
        assert_eq!(detector.scan(bytes, true), Step::Match { len: bytes.len(), score }, "{name}: {text}");
        for len in 0..bytes.len() {
            assert_eq!(detector.scan(&bytes[..len], false), Step::Open, "{name}: {}", &text[..len]);
        }
        for behind in [", and so on", "\"}, {\"a\": 1}", "\n\n\n", "</td><td>", ". And so on"] {
            let longer = [bytes, behind.as_bytes()].concat();
            assert_eq!(matches(detector, &longer), [(0, bytes.len(), score)], "{name}: {text}{behind}");
        }
    }
}

pub(super) fn assert_finds_nothing(name: &str, texts: &[&str]) {
    let detector = find(name).unwrap();
    for text in texts {
        assert_eq!(matches(detector, text.as_bytes()), [], "{name}: {text}");
    }
}

/// Where a detector's matches begin and end, none of which overlap.
pub(super) fn matches(detector: &Detector, text: &[u8]) -> Vec<(usize, usize, Score)> {
    let mut matches = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let step = match detector.starts_with(rest) && detector.before.permits_behind(&text[..at]) {
            true => detector.scan(rest, true),
            false => Step::No,
        };
        match step {
            Step::Match { len, score } => {
                matches.push((at, at + len, score));
                at += len;
            }
            Step::Begun { len } => {
                let (rest, _) = detector.rest(&rest[len..], true);
                matches.push((at, at + len + rest, Score::Shape));
                at += len + rest;
            }
            Step::No => at += 1,
            Step::Open => panic!("{} is open at the end of the text", detector.name),
        }
    }
    matches
}

/// Texts of pieces that detectors look for.
fn texts() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        "[0-9]{1,20}",
        "[0-9A-Fa-f:.]{1,24}",
        "[A-Za-z0-9]{1,12}",
        "[ -~]{1,6}",
        prop::sample::select(vec![
            "-",
            " ",
            ".",
            "@",
            "+",
            "://",
            "eyJ",
            "eyJhbGciOiJIUzI1NiJ9.",
            "-----BEGIN ",
            "RSA PRIVATE KEY-----",
            "-----END ",
            "AKIA",
            "ghp_",
            "xoxb-",
            "sk_live_",
            "AIza",
            "enc_k1_",
            "bc1q",
            "GB82 WEST 1234 5698 7654 32",
            "4111 1111 1111 1111",
            "a@b.example",
            "1.2.3.4",
            "::1",
            "00:11:22:33:44:55",
            "110105194912310",
            "536-90-4399",
            "943 476 5870",
            "S1234567D",
            "AB123456C",
            "12345678Z",
            "+14155550123",
            "ACUPA7085R",
            "16.727.230/0001-97",
            "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2",
            "\u{e4}",
        ])
        .prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 1..8).prop_map(|pieces| pieces.concat().into_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_is_decided_stays_so_whatever_is_appended(text in texts(), cut in any::<prop::sample::Index>()) {
        for detector in all().iter().filter(|detector| detector.starts_with(&text)) {
            let whole = detector.scan(&text, true);
            prop_assert_ne!(whole, Step::Open);
            let known = &text[..cut.index(text.len())];
            let step = detector.scan(known, false);
            if step != Step::Open {
                prop_assert_eq!(step, detector.scan(&text, false), "{}", detector.name);
                prop_assert_eq!(step, whole, "{}", detector.name);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_is_left_when_matches_are_replaced_has_none(text in texts()) {
        for detector in all() {
            for replacement in ["***", "[type]", "tok_abcdefghijklmnopqrstuvwxyz234567"] {
                let mut masked = Vec::new();
                let mut at = 0;
                for (start, end, _) in matches(detector, &text) {
                    masked.extend_from_slice(&text[at..start + detector.skip]);
                    masked.extend_from_slice(replacement.as_bytes());
                    at = end;
                }
                masked.extend_from_slice(&text[at..]);
                let left = matches(detector, &masked);
                // Credentials of a URL are found wherever they stand, so that others may stand in their place.
                prop_assert!(left.is_empty() || detector.name == "url_userinfo", "{}: {}", detector.name, masked.escape_ascii());
            }
        }
    }
}

#[test]
fn no_text_that_is_long_enough_is_left_open() {
    let fillers: [&[u8]; 12] =
        [b"1", b"a", b"A", b".", b"1 ", b"1-", b"a.", b"a@", b"1.", b"-----END ", b"eyJhbGciOiJub25lIn0.", b"\xff"];
    let starts: [&[u8]; 12] = [
        b"",
        b"+1",
        b"://",
        b"eyJhbGciOiJIUzI1NiJ9.",
        b"-----BEGIN PRIVATE KEY-----",
        b"ghp_",
        b"xoxb-",
        b"enc_k1_",
        b"sk_live_",
        b"ya29.",
        b"bc1",
        b"GB82",
    ];
    for detector in all() {
        for start in starts {
            for filler in fillers {
                let mut text = [start, &filler.repeat(detector.max_len)].concat();
                text.truncate(detector.max_len);
                assert_ne!(detector.scan(&text, false), Step::Open, "{}: {}", detector.name, text.escape_ascii());
            }
        }
    }
}

#[test]
fn no_text_makes_a_detector_look_at_each_byte_more_often_the_longer_it_is() {
    let pieces: [&[u8]; 26] = [
        b"1",
        b"a",
        b"A",
        b"e",
        b"f",
        b".",
        b"-",
        b" ",
        b"@",
        b"'",
        b":",
        b"/",
        b"+",
        b"_",
        b"(",
        b"eyJ",
        b"eyJ-",
        b"eyJ.",
        b"://",
        b"xoxb-",
        b"ghp_",
        b"sk_live_",
        b"whsec_/",
        b"-----BEGIN PRIVATE KEY",
        b"-----END ",
        b"bc1",
    ];
    let steps = |detector: &Detector, text: &[u8]| {
        steps::reset();
        matches(detector, text);
        steps::count()
    };
    for detector in all() {
        for first in pieces {
            for second in pieces {
                let [short, long] = [2_000, 16_000].map(|len: usize| {
                    let mut text = [first, second].concat().repeat(len);
                    text.truncate(len);
                    steps(detector, &text)
                });
                let text = [first, second].concat();
                assert!(long <= short * 12 + 16_000, "{}: {short} and {long}: {}", detector.name, text.escape_ascii());
                assert!(long <= 16_000 * 40, "{}: {long}: {}", detector.name, text.escape_ascii());
            }
        }
    }
}

#[test]
fn what_goes_on_behind_a_long_secret_ends_alike_however_it_comes() {
    for (name, start, filler, end) in [
        ("jwt", "eyJhbGciOiJIUzI1NiJ9.", "abc", ", x"),
        ("github_token", "ghp_", "abc", ", x"),
        ("pem_private_key", "-----BEGIN EC PRIVATE KEY-----\n", "MHcC\n", "-----END EC PRIVATE KEY-----\n, x"),
        ("pem_private_key", "-----BEGIN EC PRIVATE KEY-----\n", "MHcC\n", "\", x"),
    ] {
        let detector = find(name).unwrap();
        let text = [start, &filler.repeat(5_000), end].concat().into_bytes();
        let Step::Begun { len } = detector.scan(&text, true) else { panic!("{name}") };
        let (whole, _) = detector.rest(&text[len..], true);
        for size in [1, 7, 1_000] {
            let (mut at, mut known) = (len, len);
            loop {
                known = (known + size).min(text.len());
                let (more, is_end) = detector.rest(&text[at..known], known == text.len());
                at += more;
                if is_end {
                    break;
                }
                assert!(known - at < detector.max_len);
            }
            assert_eq!(at, len + whole, "{name}");
        }
    }
}

#[test]
fn every_detector_is_found_by_its_name() {
    for detector in all() {
        assert_eq!(find(detector.name).unwrap().name, detector.name);
    }
    assert!(find("credit_cards").is_none());
}
