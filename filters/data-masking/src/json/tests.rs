use proptest::prelude::*;

use super::*;
use crate::actions::{Action, Mask};
use crate::fake::{OPTIONS, cuts, in_pieces, policy};
use crate::masking::{Numbers, Options, Policy, Tally};
use crate::path::Path;
use crate::splice::Splice;

fn masked(policy: &Policy, lines: Lines, pieces: &[&[u8]]) -> Result<String, Stop> {
    masked_with(OPTIONS, policy, lines, pieces)
}

fn masked_with(options: Options, policy: &Policy, lines: Lines, pieces: &[&[u8]]) -> Result<String, Stop> {
    let mut json = Json::new(lines);
    let mut tally = Tally::default();
    let out = in_pieces(pieces, |input, at_end| {
        let mut run = Run { policy, options: &options, splice: Splice::new(input), tally: &mut tally };
        let consumed = json.push(&mut run, input, 0, at_end)?;
        Ok((consumed, run.splice.finish(consumed).into_owned()))
    })?;
    Ok(String::from_utf8_lossy(&out).into_owned())
}

fn whole(policy: &Policy, text: &str) -> String {
    masked(policy, Lines::Blank, &[text.as_bytes()]).unwrap()
}

fn mask() -> Action {
    Action::Mask(Mask { keep_last: 4, ..Mask::default() })
}

fn policies() -> Vec<Policy> {
    let detecting = || {
        vec![
            ("credit_card", mask()),
            ("email", Action::Replace("[\"email\"]".into())),
            ("us_ssn", mask()),
            ("pem_private_key", Action::Replace("[key]".into())),
        ]
    };
    let fields = || {
        vec![
            ("$..secret", Action::Remove),
            ("$.list[1]", Action::Remove),
            ("$..name", mask()),
            ("$.whole", Action::Replace("gone".into())),
            ("$.part", mask()),
        ]
    };
    let mut with_keys = policy(vec![], detecting());
    with_keys.keys = true;
    with_keys.excluded = vec![Path::parse("$..raw").unwrap()];
    vec![policy(vec![], detecting()), policy(fields(), vec![]), policy(fields(), detecting()), with_keys]
}

const DOCUMENTS: &[&str] = &[
    "",
    "{}",
    " [ ] ",
    r#"{"a": "4111 1111 1111 1111", "b": [4111111111111111, -1.5e3, true, null]}"#,
    r#"{"a": "\u0034111 1111 1111 111\u0031, and \"a@example.com\""}"#,
    r#"{"ssn": "536904399", "x": "536904399", "ssnNumber": 536904399}"#,
    r#"{"secret": 1, "a": 2}"#,
    r#"{"a": 1, "secret": {"b": [1, 2, "}"]}, "c": 2}"#,
    r#"{"a": 1 , "secret": "x\"y" }"#,
    r#"{"secret": 1, "secret": 2}"#,
    r#"{"secret": 1}"#,
    r#"{"list": [1, 2, 3], "name": "Jürgen"}"#,
    r#"{"list":[[1,2],[3,4]],"x":{"name":["abcdef",123456,{"y":false}]}}"#,
    r#"{"whole": {"a": [1, 2, {"b": "a@example.com"}]}, "part": {"a": [1, "abcdef", null]}}"#,
    r#"{"raw": {"x": "a@example.com"}, "a@example.com": 1}"#,
    "{\"a\": 4111111111111111}\n{\"a\": \"a@example.com\"}\n\n{\"name\": \"abcdef\"}",
    "4111111111111111",
    "\"a@example.com\"",
    "\u{feff}{\"a\":\"4111111111111111\"}",
];

#[test]
fn documents_are_masked() {
    let policies = policies();
    for (policy, document, expected) in [
        (0, DOCUMENTS[3], r#"{"a": "***************1111", "b": ["************1111", -1.5e3, true, null]}"#),
        (
            0,
            DOCUMENTS[4],
            r#"{"a": "***************1111, and \"[\"email\"]\""}"#.replace("[\"email\"]", "[\\\"email\\\"]").leak(),
        ),
        (0, DOCUMENTS[5], r#"{"ssn": "*****4399", "x": "536904399", "ssnNumber": "*****4399"}"#),
        (1, DOCUMENTS[6], r#"{"a": 2}"#),
        (1, DOCUMENTS[7], r#"{"a": 1, "c": 2}"#),
        (1, DOCUMENTS[8], r#"{"a": 1 }"#),
        (1, DOCUMENTS[9], "{}"),
        (1, DOCUMENTS[10], "{}"),
        (1, DOCUMENTS[11], r#"{"list": [1, 3], "name": "**rgen"}"#),
        (1, DOCUMENTS[12], r#"{"list":[[1,2]],"x":{"name":["**cdef","**3456",{"y":"*alse"}]}}"#),
        (1, DOCUMENTS[13], r#"{"whole": "gone", "part": {"a": ["*", "**cdef", null]}}"#),
        (3, DOCUMENTS[14], r#"{"raw": {"x": "a@example.com"}, "[\"email\"]": 1}"#),
        (2, DOCUMENTS[15], "{\"a\": \"************1111\"}\n{\"a\": \"[\\\"email\\\"]\"}\n\n{\"name\": \"**cdef\"}"),
    ] {
        assert_eq!(whole(&policies[policy], document), expected, "{document}");
    }
}

#[test]
fn a_document_in_pieces_is_masked_as_the_whole() {
    for policy in &policies() {
        for document in DOCUMENTS {
            for lines in [Lines::Blank, Lines::End, Lines::Between] {
                let whole = masked(policy, lines, &[document.as_bytes()]).unwrap();
                for pieces in cuts(document.as_bytes()) {
                    assert_eq!(masked(policy, lines, &pieces).unwrap(), whole, "{document} {pieces:?}");
                }
            }
        }
    }
}

/// In flattened documents the end of a name says what its value is.
#[test]
fn the_end_of_a_long_name_says_what_a_number_is() {
    let policy = policy(vec![], vec![("us_ssn", mask())]);
    for name in ["ssn", r"s\u0073n"] {
        let document = format!(r#"{{"customer.{}.{name}": "536904399"}}"#, "details.".repeat(9));
        let expected = document.replace("53690", "*****");
        for pieces in cuts(document.as_bytes()) {
            assert_eq!(masked(&policy, Lines::Blank, &pieces).unwrap(), expected, "{pieces:?}");
        }
    }
}

#[test]
fn a_number_is_found_however_it_is_written() {
    let policy = policy(vec![], vec![("credit_card", mask())]);
    for number in ["4111111111111111.0", "4.111111111111111e15", "4.111111111111111E+15", "411111111111111100e-2"] {
        let document = format!("{{\"a\":[{number},1.5,2e3]}}");
        assert_eq!(whole(&policy, &document), r#"{"a":["************1111",1.5,2e3]}"#);
        for pieces in cuts(document.as_bytes()) {
            let masked = masked(&policy, Lines::Blank, &pieces).unwrap();
            assert_eq!(masked, r#"{"a":["************1111",1.5,2e3]}"#, "{pieces:?}");
        }
    }
}

#[test]
fn a_match_right_behind_an_escape_that_is_written_out_is_found() {
    let policy = policy(vec![], vec![("credit_card", mask())]);
    for (escape, card) in [("n", "4111111111111111"), ("t", "4111 1111 1111 1111"), ("r", "4111-1111-1111-1111")] {
        let document = format!(r#"["a\\{escape}{card}\\n", "a{escape}{card}"]"#);
        let expected = format!(r#"["a\\{escape}{}1111\\n", "a{escape}{card}"]"#, "*".repeat(card.len() - 4));
        for pieces in cuts(document.as_bytes()) {
            assert_eq!(masked(&policy, Lines::Blank, &pieces).unwrap(), expected, "{pieces:?}");
        }
    }
}

#[test]
fn a_line_that_ends_in_the_middle_of_a_document_does_not_hide_the_next() {
    let policy = policy(vec![("$.secret", Action::Remove)], vec![("email", mask())]);
    for broken in ["{\"a\":1,", "{\"a\":[", "[", "{\"a\"", "{\"a\":"] {
        let lines = format!("{broken}\n{{\"secret\":1,\"b\":2}}\n");
        for pieces in cuts(lines.as_bytes()) {
            let masked = masked(&policy, Lines::End, &pieces).unwrap();
            assert_eq!(masked.trim_start_matches(broken), "\n{\"b\":2}\n", "{pieces:?}");
        }
        let options = Options { on_invalid: Some(OnInvalid::Fail), ..OPTIONS };
        let failed = masked_with(options, &policy, Lines::End, &[lines.as_bytes()]);
        assert_eq!(failed, Err(Stop::Failed("invalid_json")));
    }
}

#[test]
fn escapes_hide_nothing_from_one_who_skims() {
    let policy = policy(vec![], vec![("credit_card", mask()), ("email", mask()), ("phone_national", mask())]);
    for (written, expected) in [
        (r"\u0034111111111111111", "************1111"),
        (r"\4222222222222", r"\*********2222"),
        (r"x \u00fc \n 4111111111111111", r"x \u00fc \n ************1111"),
        (r"a\u0040example.com", "*********.com"),
        (r"\u00fc a@example.com", r"\u00fc *********.com"),
        (r"\u@ a@b\u002eexample", r"\u@ *******mple"),
        (r"tel 030\/2312512", "tel *******2512"),
    ] {
        let document = format!(r#"{{"x": ["{written}", {{"y": "{written}"}}]}}"#);
        let expected = format!(r#"{{"x": ["{expected}", {{"y": "{expected}"}}]}}"#);
        assert_eq!(whole(&policy, &document), expected);
    }
}

#[test]
fn what_is_json_stays_json_and_is_masked_once() {
    for policy in &policies() {
        for document in DOCUMENTS {
            let once = whole(policy, document);
            let is_json = |text: &str| {
                text.trim_start_matches('\u{feff}')
                    .lines()
                    .all(|line| line.trim().is_empty() || serde_json::from_str::<serde_json::Value>(line).is_ok())
            };
            assert_eq!(is_json(document), is_json(&once), "{once}");
        }
    }
}

#[test]
fn a_long_string_is_searched_in_pieces() {
    let policy = &policies()[2];
    let filler = "x\\n ".repeat(100);
    let document = format!(
        r#"{{"a": "{filler}4111 1111 1111 111\u0031 {filler}a@example.com", "name": "{filler}", "secret": "{filler}", "whole": "{filler}"}}"#
    );
    let expected =
        format!(r#"{{"a": "{filler}***************1111 {filler}[\"email\"]", "name": "[field]", "whole": "gone"}}"#);
    assert_eq!(whole(policy, &document), expected);
    for size in [1, 2, 3, 5, 7, 100, 1000] {
        let pieces: Vec<_> = document.as_bytes().chunks(size).collect();
        assert_eq!(masked(policy, Lines::Blank, &pieces).unwrap(), expected, "{size}");
    }
}

#[test]
fn what_is_no_json_is_searched_as_text() {
    let policy = &policies()[0];
    for (text, expected) in [
        ("a@example.com", "[\"email\"]"),
        ("{\"a\": a@example.com}", "{\"a\": [\"email\"]}"),
        ("{\"a\": \"a@example.com", "{\"a\": \"[\"email\"]"),
        ("[1, 2}, \"a@example.com\"", "[1, 2}, \"[\"email\"]\""),
        ("{\"a\" \"a@example.com\"}", "{\"a\" \"[\"email\"]\"}"),
    ] {
        assert_eq!(whole(policy, text), expected);
        for pieces in cuts(text.as_bytes()) {
            assert_eq!(masked(policy, Lines::Blank, &pieces).unwrap(), expected, "{pieces:?}");
        }
    }
    let deep = ["[".repeat(200), "a@example.com".to_owned()].concat();
    assert_eq!(whole(policy, &deep), deep.replace("a@example.com", "[\"email\"]"));
}

#[test]
fn a_line_that_is_no_json_ends_with_itself() {
    let policy = &policies()[2];
    let text =
        "{\"name\": \"abcdef\"}\n{\"name\": a@example.com\n{\"name\": \"abcdef\"}\n{\"a\": \"b\n{\"name\": \"abcdef\"}";
    let expected =
        "{\"name\": \"**cdef\"}\n{\"name\": [\"email\"]\n{\"name\": \"**cdef\"}\n{\"a\": \"b\n{\"name\": \"**cdef\"}";
    for pieces in cuts(text.as_bytes()) {
        assert_eq!(masked(policy, Lines::End, &pieces).unwrap(), expected, "{pieces:?}");
    }
}

#[test]
fn what_is_no_json_fails_or_passes_where_it_is_to() {
    let policy = policy(vec![], vec![("email", mask())]);
    let on_invalid = |on_invalid, text: &[u8]| {
        masked_with(Options { on_invalid: Some(on_invalid), ..OPTIONS }, &policy, Lines::Blank, &[text])
    };
    assert_eq!(on_invalid(OnInvalid::Fail, b"{\"a\": x"), Err(Stop::Failed("invalid_json")));
    assert_eq!(on_invalid(OnInvalid::Pass, b"[a@example.com]").unwrap(), "[a@example.com]");
    assert_eq!(on_invalid(OnInvalid::Text, b"\xff\xfe{\0"), Err(Stop::Failed("utf_16")));
}

#[test]
fn without_a_word_about_it_invalid_json_fails_where_fields_are_sought() {
    let options = Options { on_invalid: None, ..OPTIONS };
    let fields = policy(vec![("$.a", mask())], vec![]);
    assert_eq!(masked_with(options, &fields, Lines::Blank, &[b"{\"a\": x"]), Err(Stop::Failed("invalid_json")));
    let detectors = policy(vec![], vec![("email", mask())]);
    assert_eq!(masked_with(options, &detectors, Lines::Blank, &[b"{\"a\": x"]).unwrap(), "{\"a\": x");
}

#[test]
fn a_number_becomes_a_string_or_zero() {
    let options = Options { numbers: Numbers::Zero, ..OPTIONS };
    let policy = policy(vec![("$.a", mask()), ("$.b", Action::Replace("1.5".into()))], vec![("credit_card", mask())]);
    let document: &[u8] = br#"{"a": 123456, "b": 2, "c": [4111111111111111, true]}"#;
    let zero = masked_with(options, &policy, Lines::Blank, &[document]).unwrap();
    assert_eq!(zero, r#"{"a": 0, "b": 1.5, "c": [0, true]}"#);
    assert_eq!(
        masked(&policy, Lines::Blank, &[document]).unwrap(),
        r#"{"a": "**3456", "b": 1.5, "c": ["************1111", true]}"#
    );
}

#[test]
fn a_report_changes_nothing() {
    let options = Options { report_only: true, ..OPTIONS };
    for policy in &policies() {
        for document in DOCUMENTS {
            for pieces in [[document.as_bytes(), b"", b""]].into_iter().chain(cuts(document.as_bytes()).step_by(7)) {
                assert_eq!(masked_with(options, policy, Lines::Blank, &pieces).unwrap(), *document);
            }
        }
    }
}

#[test]
fn what_is_blocked_stops_the_message() {
    let policy = policy(vec![("$.a", Action::Block(403))], vec![("email", Action::Block(422))]);
    assert_eq!(masked(&policy, Lines::Blank, &[b"{\"b\": \"a@example.com\"}"]), Err(Stop::Blocked(422)));
    assert_eq!(masked(&policy, Lines::Blank, &[b"{\"a\": 1}"]), Err(Stop::Blocked(403)));
    assert_eq!(whole(&policy, "{\"b\": 1}"), "{\"b\": 1}");
}

#[test]
fn a_field_that_is_only_reported_is_searched_all_the_same() {
    let policy = policy(vec![("$..a", Action::Report)], vec![("credit_card", mask())]);
    assert_eq!(
        whole(&policy, r#"{"a": ["4111111111111111", 4111111111111111]}"#),
        r#"{"a": ["************1111", "************1111"]}"#
    );
}

#[test]
fn what_nothing_separates_from_a_document_is_no_json() {
    let policy = policy(vec![], vec![("credit_card", mask())]);
    for (text, expected) in [
        ("4111 1111 1111 1111", "***************1111"),
        ("{\"a\":1}4111 1111 1111 1111", "{\"a\":1}***************1111"),
        ("[] 4111 1111 1111 1111\n", "[] ***************1111\n"),
        ("\"x\" 4111 1111 1111 1111\r\n", "\"x\" ***************1111\r\n"),
        ("1\n4111 1111 1111 1111", "1\n***************1111"),
    ] {
        for lines in [Lines::Blank, Lines::End, Lines::Between] {
            for pieces in cuts(text.as_bytes()) {
                assert_eq!(masked(&policy, lines, &pieces).unwrap(), expected, "{pieces:?}");
            }
        }
    }
    let options = Options { on_invalid: Some(OnInvalid::Fail), ..OPTIONS };
    for text in ["1 \n2\r\n{}\n\"x\"\t\n", "\x1e{}\n\x1e1\x1e[]", "4111111111111111  "] {
        for pieces in cuts(text.as_bytes()) {
            assert!(masked_with(options, &policy, Lines::Blank, &pieces).is_ok(), "{pieces:?}");
        }
    }
    for text in ["{} {}", "1 2", "1{}", "[]\"x\"", "{}\u{feff}{}"] {
        for pieces in cuts(text.as_bytes()) {
            assert_eq!(
                masked_with(options, &policy, Lines::Blank, &pieces),
                Err(Stop::Failed("invalid_json")),
                "{pieces:?}"
            );
        }
    }
    let blanks = [b"4111", &[b' '; 300][..], b"1"].concat();
    for size in [1, 7, 1000] {
        let pieces: Vec<_> = blanks.chunks(size).collect();
        assert_eq!(masked(&policy, Lines::Blank, &pieces).unwrap().as_bytes(), blanks);
    }
}

fn value() -> impl Strategy<Value = serde_json::Value> {
    let text = prop_oneof![
        "[a-z \"\\\\\\n\u{e9}]{0,12}",
        Just("4111 1111 1111 1111".to_owned()),
        Just("mail a@example.com".to_owned())
    ];
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i32>().prop_map(Into::into),
        Just(serde_json::Value::from(4_111_111_111_111_111_u64)),
        text.prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            prop::collection::vec(("secret|name|list|whole|part|raw|x", inner), 0..4)
                .prop_map(|members| members.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    })
}

proptest! {
    #[test]
    fn any_document_stays_json_in_every_chunking(value in value(), cut in 0_usize..200, is_pretty in any::<bool>()) {
        let document = if is_pretty { format!("{value:#}") } else { value.to_string() };
        for policy in &policies() {
            let once = whole(policy, &document);
            prop_assert!(serde_json::from_str::<serde_json::Value>(&once).is_ok(), "{document} became {once}");
            prop_assert!(!once.contains("4111 1111") || policy.detectors.is_empty() || !policy.excluded.is_empty());
            let cut = cut.min(document.len());
            let pieces = [&document.as_bytes()[..cut], &document.as_bytes()[cut..]];
            prop_assert_eq!(&masked(policy, Lines::Blank, &pieces).unwrap(), &once);
        }
    }

    #[test]
    fn any_bytes_are_masked_alike_in_every_chunking(text in r#"([\[\]{}",:\\ \n1a]|true|"a@example.com"|\\u00|4111111111111111)*"#, cut in 0_usize..60) {
        for policy in &policies() {
            let once = masked(policy, Lines::Blank, &[text.as_bytes()]);
            prop_assert!(once.is_ok() || text.contains('\0'));
            let cut = cut.min(text.len());
            let pieces = [&text.as_bytes()[..cut], &text.as_bytes()[cut..]];
            prop_assert_eq!(masked(policy, Lines::Blank, &pieces), once);
        }
    }
}

#[test]
fn utf_16_is_no_text_wherever_its_first_wrong_byte_stands() {
    let policy = policy(vec![], vec![("credit_card", mask())]);
    for text in
        ["{\"a\":\"4111111111111111\"}", "[4111111111111111]", "\"4111111111111111\"", "4111111111111111", "x 4111"]
    {
        let little: Vec<_> = text.bytes().flat_map(|byte| [byte, 0]).collect();
        let big: Vec<_> = text.bytes().flat_map(|byte| [0, byte]).collect();
        for encoded in [little, big] {
            let bytes: Vec<_> = encoded.chunks(1).collect();
            for pieces in [&bytes[..], &[&encoded]] {
                for lines in [Lines::Blank, Lines::End] {
                    assert_eq!(masked(&policy, lines, pieces), Err(Stop::Failed("utf_16")), "{text}");
                }
            }
        }
    }
}
