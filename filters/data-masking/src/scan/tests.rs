use palisade_sdk::config;

use super::*;
use crate::detectors;

mod steps;

struct Expression(Pattern);

impl config::FromConfig for Expression {
    fn from_config(node: config::Node<'_>) -> Option<Self> {
        Pattern::read(node, Some(8), 1024).map(Self)
    }
}

fn pattern(expression: &str) -> Sought {
    let json = serde_json::to_vec(expression).unwrap();
    Sought::Pattern(config::parse::<Expression>(&json).unwrap().0)
}

fn built_in(name: &str) -> Sought {
    Sought::BuiltIn(detectors::find(name).unwrap())
}

/// What all texts are scanned with: 0 to 5.
fn scanner() -> Scanner {
    let names = ["credit_card", "email", "us_ssn", "pem_private_key", "url_userinfo"];
    let mut sought: Vec<_> = names.map(|name| (built_in(name), false)).into();
    sought.push((pattern(r"\bEMP-\d{2,}\b"), false));
    Scanner::new(sought)
}

/// The text with what was found in brackets, when it comes in these pieces.
fn scanned(scanner: &Scanner, key: &str, pieces: &[&[u8]]) -> String {
    let mut state = State::default();
    let mut held = Vec::new();
    let mut out = String::new();
    for (number, piece) in pieces.iter().enumerate() {
        held.extend_from_slice(piece);
        let mut findings = Vec::new();
        let consumed = scanner.scan(&mut state, key.as_bytes(), &held, number + 1 == pieces.len(), &mut findings);
        let text = |start: usize, end: usize| held[start..end].iter().map(|byte| char::from(*byte)).collect::<String>();
        let mut done = 0;
        for Finding { start, end, what } in findings {
            out += &text(done, start);
            done = end;
            match what {
                What::Match(index) => out += &format!("[{index}:{}]", text(start, end)),
                What::Overlap => out += &"*".repeat(end - start),
                What::Begun(index) => out += &format!("[{index}:begun]"),
                What::Rest(_) => {}
                What::Aside(index) => {
                    out += &format!("({index})");
                    done = start;
                }
            }
        }
        out += &text(done, consumed);
        held.drain(..consumed);
    }
    assert!(held.is_empty());
    out
}

fn whole(scanner: &Scanner, text: &str) -> String {
    scanned(scanner, "", &[text.as_bytes()])
}

fn long_key() -> String {
    format!("a -----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY----- b", "QUJD".repeat(3000))
}

const TEXTS: &[(&str, &str)] = &[
    ("", ""),
    ("nothing here", "nothing here"),
    ("card 4111 1111 1111 1111, mail a.b@example.com.", "card [0:4111 1111 1111 1111], mail [1:a.b@example.com]."),
    ("4111111111111111", "[0:4111111111111111]"),
    ("41111111111111112", "41111111111111112"),
    ("EMP-12 xEMP-12 EMP-1 EMP-123456 EMP-1234567890", "[5:EMP-12] xEMP-12 EMP-1 [5:EMP-123456] EMP-1234567890"),
    ("ssn: 536-90-4399", "ssn: [2:536-90-4399]"),
    ("536904399 and a long way off, ssn 536904399", "536904399 and a long way off, ssn [2:536904399]"),
    (
        "ssn and so on and on and on and on and on and on and on 536904399",
        "ssn and so on and on and on and on and on and on and on 536904399",
    ),
    (r"line 1\nssn 536904399 in\ssn 536904399", r"line 1\nssn [2:536904399] in\ssn [2:536904399]"),
    (r"line 1\nlessn 536904399", r"line 1\nlessn 536904399"),
    (
        "https://user:pa55@localhost/ https://u:p@example.com",
        "https://[4:user:pa55]@localhost/ https://**[1:p@example.com]",
    ),
    (
        "-----BEGIN PRIVATE KEY-----\nQUJD\n-----END PRIVATE KEY-----\nx",
        "[3:-----BEGIN PRIVATE KEY-----\nQUJD\n-----END PRIVATE KEY-----]\nx",
    ),
];

#[test]
fn what_is_decided_is_found() {
    let scanner = scanner();
    for (text, expected) in TEXTS {
        assert_eq!(whole(&scanner, text), *expected, "{text}");
    }
    assert_eq!(scanned(&scanner, "userSsn", &[b"536904399"]), "[2:536904399]");
    assert_eq!(whole(&scanner, &long_key()), "a [3:begun] b");
}

#[test]
fn a_text_in_pieces_is_scanned_as_the_whole() {
    let scanner = scanner();
    for (text, expected) in TEXTS {
        let bytes = text.as_bytes();
        for first in 0..=bytes.len() {
            for second in first..=bytes.len() {
                let pieces = [&bytes[..first], &bytes[first..second], &bytes[second..]];
                assert_eq!(scanned(&scanner, "", &pieces), *expected, "{pieces:?}");
            }
        }
    }
}

#[test]
fn a_secret_of_any_length_in_pieces_is_scanned_as_the_whole() {
    let text = long_key();
    let scanner = scanner();
    for size in [1000, 1, 7, 4096] {
        if size == 1 {
            continue;
        }
        let pieces: Vec<_> = text.as_bytes().chunks(size).collect();
        assert_eq!(scanned(&scanner, "", &pieces), "a [3:begun] b", "{size}");
    }
}

#[test]
fn a_match_over_a_secret_of_any_length_is_masked_to_its_end() {
    let sought = vec![
        (built_in("pem_private_key"), false),
        (pattern(r"(k=)?-----BEGIN[^x]{38}"), false),
        (pattern("ab?c?"), false),
    ];
    let scanner = Scanner::new(sought);
    // It ends before what cannot be in a key, with less than the pattern matches.
    let begin = "-----BEGIN PRIVATE KEY-----\nQUJD";
    let text = |before: &str| format!("{before}{begin}{{\"tail and tail\" abc {}", "x".repeat(9000));
    for (before, expected) in [("k=", "**[0:begun]"), ("", "[0:begun]")] {
        let text = text(before);
        let masked = whole(&scanner, &text);
        assert!(masked.starts_with(expected) && !masked.contains("tail"), "{}", &masked[..100]);
        assert!(masked.contains(" [2:abc] x"), "{}", &masked[..100]);
        for cut in (0..100).chain((8200..8300).step_by(10)) {
            let (first, second) = text.as_bytes().split_at(cut);
            assert!(scanned(&scanner, "", &[first, second]) == masked, "{cut}");
        }
    }
}

#[test]
fn what_is_quiet_inside_of_its_own_match_is_not_behind_a_secret_of_any_length() {
    let scanner = Scanner::new(vec![(built_in("pem_private_key"), false), (pattern(r"a[^\n]{1,50}\n"), false)]);
    let text = format!("a{}\n{}aaaa\n", "b".repeat(40), &long_key()[2..]);
    let masked = whole(&scanner, &text);
    assert!(masked.ends_with("b[1:aaaa\n]"), "{masked}");
    for cut in (0..text.len()).step_by(101) {
        let (first, second) = text.split_at(cut);
        assert!(scanned(&scanner, "", &[first.as_bytes(), second.as_bytes()]) == masked, "{cut}");
    }
}

#[test]
fn what_follows_a_secret_of_any_length_begins_there() {
    let scanner = scanner();
    let text = long_key().replace(" b", "a@example.com");
    for cut in (0..text.len() - 50).step_by(101).chain(text.len() - 50..text.len()) {
        let (first, second) = text.as_bytes().split_at(cut);
        assert_eq!(scanned(&scanner, "", &[first, second]), "a [3:begun][1:a@example.com]", "{cut}");
    }
}

#[test]
fn of_matches_that_overlap_the_longest_counts_and_the_rest_is_no_less_masked() {
    let scanner = Scanner::new(vec![(pattern("abc"), false), (pattern("bcdef"), false), (pattern("fg"), false)]);
    assert_eq!(whole(&scanner, "abcdefg"), "*[1:bcdef]*");
    let scanner = Scanner::new(vec![(pattern("abc"), false), (pattern("ab[c]"), false)]);
    assert_eq!(whole(&scanner, "abc"), "[0:abc]");
}

#[test]
fn of_matches_that_are_as_long_the_one_that_check_digits_confirm_counts() {
    let scanner = Scanner::new(["cn_mobile", "tr_id", "de_tax_id"].map(|name| (built_in(name), false)).into());
    assert_eq!(whole(&scanner, "17291716060"), "[0:17291716060]");
    assert_eq!(whole(&scanner, "tc kimlik 17291716060"), "tc kimlik [1:17291716060]");
    assert_eq!(scanned(&scanner, "tckn", &[b"17291716060"]), "[1:17291716060]");
    let scanner = Scanner::new(["cn_mobile", "phone_national"].map(|name| (built_in(name), false)).into());
    assert_eq!(whole(&scanner, "mobile 17291716060"), "mobile [0:17291716060]");
}

#[test]
fn matches_that_overlap_without_end_are_masked_to_the_last_byte_in_every_chunking() {
    let scanner = Scanner::new(vec![(pattern("xyxy"), false), (pattern("yxyx"), false)]);
    let text = "xy".repeat(10_000);
    let masked = whole(&scanner, &text);
    let unmasked = masked.replace("[0:xyxy]", "").replace("[1:yxyx]", "");
    assert!(!unmasked.contains(['x', 'y']));
    for size in [1001, 4999, 8192] {
        let pieces: Vec<_> = text.as_bytes().chunks(size).collect();
        assert!(scanned(&scanner, "", &pieces) == masked, "{size}");
    }
}

#[test]
fn matches_of_one_pattern_do_not_overlap() {
    let scanner = Scanner::new(vec![(pattern("xyx"), false), (pattern("b{2,4}"), true)]);
    for (text, expected) in [("xyxyx", "[0:xyx]yx"), ("xyxyxyx", "[0:xyx]y[0:xyx]"), ("bbbbbb", "(1)bbbb(1)bb")] {
        for cut in 0..text.len() {
            let (first, second) = text.split_at(cut);
            assert_eq!(scanned(&scanner, "", &[first.as_bytes(), second.as_bytes()]), expected, "{text} {cut}");
        }
    }
}

#[test]
fn a_match_aside_changes_nothing() {
    let sought = vec![(pattern("xyx"), true), (built_in("email"), false), (built_in("pem_private_key"), true)];
    let scanner = Scanner::new(sought);
    let text = "xyx a@example.com -----BEGIN PRIVATE KEY-----\nQUJD\n-----END PRIVATE KEY-----";
    let expected = "(0)xyx [1:a@example.com] (2)-----BEGIN PRIVATE KEY-----\nQUJD\n-----END PRIVATE KEY-----";
    for cut in 0..text.len() {
        let (first, second) = text.split_at(cut);
        assert_eq!(scanned(&scanner, "", &[first.as_bytes(), second.as_bytes()]), expected, "{cut}");
    }
}

#[test]
fn bytes_that_are_no_utf_8_are_scanned_as_they_are() {
    let scanner = scanner();
    let expected = "\u{ff}\u{fc}[1:a@example.com]\u{ff} [5:EMP-12]\u{ff}";
    let text = b"\xff\xfca@example.com\xff EMP-12\xff";
    for cut in 0..text.len() {
        assert_eq!(scanned(&scanner, "", &[&text[..cut], &text[cut..]]), expected, "{cut}");
    }
}
