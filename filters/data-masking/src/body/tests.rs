use super::*;
use crate::actions::{Action, Mask};
use crate::fake::{OPTIONS, cuts, in_pieces, policy};
use crate::masking::{Policy, Tally};
use crate::path::Path;
use crate::splice::Splice;

fn masked(policy: &Policy, body: impl Into<Body>, pieces: &[&[u8]]) -> String {
    let mut body = body.into();
    let mut tally = Tally::default();
    let out = in_pieces(pieces, |input, at_end| {
        let mut run = Run { policy, options: &OPTIONS, splice: Splice::new(input), tally: &mut tally };
        let consumed = body.push(&mut run, input, at_end)?;
        Ok::<_, Stop>((consumed, run.splice.finish(consumed).into_owned()))
    });
    String::from_utf8(out.unwrap()).unwrap()
}

fn the_policy() -> Policy {
    let mask = || Action::Mask(Mask { keep_last: 4, ..Mask::default() });
    let fields = vec![("$.secret", Action::Remove), ("$.name", mask())];
    let detecting = vec![
        ("credit_card", mask()),
        ("email", Action::Replace("[e&mail]".into())),
        ("us_ssn", mask()),
        ("pem_private_key", Action::Replace("[key]".into())),
    ];
    let mut policy = policy(fields, detecting);
    policy.excluded = vec![Path::parse("$.raw").unwrap()];
    policy
}

/// In every chunking the same comes out.
fn check(format: Format, text: &str, expected: &str) {
    let policy = the_policy();
    assert_eq!(masked(&policy, format, &[text.as_bytes()]), expected);
    for pieces in cuts(text.as_bytes()) {
        assert_eq!(masked(&policy, format, &pieces), expected, "{:?}", pieces.map(String::from_utf8_lossy));
    }
    let bytes: Vec<_> = text.as_bytes().chunks(1).collect();
    assert_eq!(masked(&policy, format, &bytes), expected);
}

#[test]
fn text_is_masked() {
    check(Format::Text, "", "");
    check(
        Format::Text,
        "<card n=\"4111 1111 1111 1111\"/> a@example.com",
        "<card n=\"***************1111\"/> [e&mail]",
    );
    check(Format::Text, "x 4111111111111111", "x ************1111");
}

#[test]
fn what_a_body_without_a_type_is_does_not_depend_on_how_much_comes_at_once() {
    let policy = the_policy();
    for (text, expected) in [
        ("{\"secret\": 1}", "{}"),
        ("a@example.com", "[e&mail]"),
        ("\u{feff}{\"secret\": 1}", "\u{feff}{}"),
        ("\u{feff}a@example.com", "\u{feff}[e&mail]"),
        ("\x1e{\"secret\": 1}\n", "\x1e{}\n"),
        ("\u{ff21} a@example.com", "\u{ff21} [e&mail]"),
        ("", ""),
        ("\0a@example.com", "\0a@example.com"),
    ] {
        for blanks in ["", " \r\n"].map(str::to_owned).into_iter().chain([" ".repeat(OPTIONS.max_hold + 1)]) {
            let (text, expected) = (blanks.clone() + text, blanks.clone() + expected);
            for cut in blanks.len()..=text.len() {
                let (first, second) = text.as_bytes().split_at(cut);
                assert_eq!(masked(&policy, Body::Unknown, &[first, second]), expected, "{cut}");
            }
            let bytes: Vec<_> = text.as_bytes().chunks(1).collect();
            assert_eq!(masked(&policy, Body::Unknown, &bytes), expected);
        }
    }
}

#[test]
fn a_form_is_masked() {
    check(
        Format::Form,
        "card=4111+1111%201111+1111&mail=a%40example.com&x=1",
        "card=***************1111&mail=%5Be%26mail%5D&x=1",
    );
    check(Format::Form, "secret=1&name=J%C3%BCrgen&secret=2", "name=**rgen&");
    check(
        Format::Form,
        "a@example.com&raw=a@example.com&=a@example.com",
        "%5Be%26mail%5D&raw=a@example.com&=%5Be%26mail%5D",
    );
    check(Format::Form, "ssn=536904399&x=536904399&&", "ssn=*****4399&x=536904399&&");
}

#[test]
fn a_long_value_of_a_form_is_searched_in_pieces() {
    let policy = the_policy();
    let filler = "x%20".repeat(100);
    let form =
        format!("a={filler}4111+1111+1111+1111+{filler}&name={filler}&secret={filler}&b={filler}a%40example.com");
    let expected = format!("a={filler}***************1111+{filler}&name=%5Bfield%5D&b={filler}%5Be%26mail%5D");
    for size in [1, 2, 3, 7, 100, 10_000] {
        let pieces: Vec<_> = form.as_bytes().chunks(size).collect();
        assert_eq!(masked(&policy, Format::Form, &pieces), expected, "{size}");
    }
}

#[test]
fn events_are_masked() {
    check(
        Format::EventStream,
        "event: a\ndata: {\"name\": \"abcdef\",\ndata:  \"x\": 4111111111111111}\n\ndata: a@example.com\n\n",
        "event: a\ndata: {\"name\": \"**cdef\"\ndata:  ,\"x\": \"************1111\"}\n\ndata: [e&mail]\n\n",
    );
    check(
        Format::EventStream,
        "data:{\"secret\":1}\n\ndata: [DONE]\n\ndata: 4111111111111111",
        "data:{}\n\ndata: [DONE]\n\ndata: ************1111",
    );
    check(Format::EventStream, ": a@example.com\ndat", ": [e&mail]\ndat");
}

#[test]
fn a_secret_over_several_lines_of_events_is_found() {
    let key = "data: -----BEGIN PRIVATE KEY-----\ndata: QUJD\ndata: -----END PRIVATE KEY-----\n\n";
    check(Format::EventStream, &key.repeat(2), "data: [key]\n\ndata: [key]\n\n");
}

#[test]
fn lines_of_json_are_masked() {
    check(
        Format::JsonLines,
        "{\"name\":\"abcdef\"}\n{broken a@example.com\n{\"secret\":1,\"x\":2}\n",
        "{\"name\":\"**cdef\"}\n{broken [e&mail]\n{\"x\":2}\n",
    );
}

#[test]
fn json_of_an_event_goes_on_behind_other_fields_and_ends_with_the_event() {
    check(
        Format::EventStream,
        "data: {\"a\":1,\nid: 5\ndata: \"name\":\"abcdef\"}\n\n",
        "data: {\"a\":1\nid: 5\ndata: ,\"name\":\"**cdef\"}\n\n",
    );
    check(
        Format::EventStream,
        "data: {\"a\":1,\n\ndata: \"name\":\"abcdef\"\n\ndata: {\"name\":\"abcdef\"}\n\n",
        "data: {\"a\":1\n\ndata: \"name\":\"abcdef\"\n\ndata: {\"name\":\"**cdef\"}\n\n",
    );
}

#[test]
fn a_value_over_several_lines_of_an_event_is_removed_and_the_lines_stay() {
    check(
        Format::EventStream,
        "data: {\"secret\": {\ndata: \"x\": 1},\ndata: \"b\": 2}\n\ndata: {\"b\": 1,\ndata: \"secret\":\ndata: 1}\n\n",
        "data: {\ndata: \ndata: \"b\": 2}\n\ndata: {\"b\": 1\ndata: \ndata: }\n\n",
    );
}

#[test]
fn lines_of_events_end_with_any_line_end_and_a_byte_order_mark_is_no_text() {
    for end in ["\n", "\r", "\r\n"] {
        for (text, expected) in [
            (
                "\u{feff}data: {\"x\":1,\ndata: \"name\":\"abcdef\"}\n\n",
                "\u{feff}data: {\"x\":1\ndata: ,\"name\":\"**cdef\"}\n\n",
            ),
            (
                "id: 1\n\ndata: {\"x\": \"y\ndata: {\"name\":\"abcdef\"}\n",
                "id: 1\n\ndata: {\"x\": \"y\ndata: {\"name\":\"**cdef\"}\n",
            ),
        ] {
            check(Format::EventStream, &text.replace('\n', end), &expected.replace('\n', end));
        }
    }
}
