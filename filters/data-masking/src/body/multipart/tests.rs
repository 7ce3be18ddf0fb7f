use super::*;
use crate::actions::{Action, Mask};
use crate::fake::{OPTIONS, cuts, in_pieces, policy};
use crate::masking::{Policy, Tally};

fn the_policy() -> Policy {
    let mask = || Action::Mask(Mask { keep_last: 4, ..Mask::default() });
    let fields = vec![("$.secret", Action::Remove), ("$.pin", mask()), ("$.a.pin", Action::Replace("-".into()))];
    let detecting = vec![("email", Action::Replace("[mail]".into())), ("us_ssn", mask())];
    policy(fields, detecting)
}

fn masked(pieces: &[&[u8]], passes_unreadable: bool) -> Result<String, Stop> {
    let mut body = Multipart::new(b"B", ContentTypes::default(), passes_unreadable);
    let mut tally = Tally::default();
    let policy = the_policy();
    let out = in_pieces(pieces, |input, at_end| {
        let mut run = Run { policy: &policy, options: &OPTIONS, splice: Splice::new(input), tally: &mut tally };
        let consumed = body.push(&mut run, input, at_end)?;
        Ok::<_, Stop>((consumed, run.splice.finish(consumed).into_owned()))
    })?;
    Ok(String::from_utf8_lossy(&out).into_owned())
}

/// In every chunking the same comes out; lines end with line feeds alone here.
fn check(text: &str, expected: &str) {
    let (text, expected) = (text.replace('\n', "\r\n"), expected.replace('\n', "\r\n"));
    assert_eq!(masked(&[text.as_bytes()], false).as_deref(), Ok(expected.as_str()));
    for pieces in cuts(text.as_bytes()) {
        let pieces_text = pieces.map(String::from_utf8_lossy);
        assert_eq!(masked(&pieces, false).as_deref(), Ok(expected.as_str()), "{pieces_text:?}");
    }
    let bytes: Vec<_> = text.as_bytes().chunks(1).collect();
    assert_eq!(masked(&bytes, false).as_deref(), Ok(expected.as_str()));
}

#[test]
fn parts_are_masked_by_their_types() {
    check(
        "--B\n\nto a@example.com\n--B\nContent-Type: image/png\n\na@example.com\n--B--\n",
        "--B\n\nto [mail]\n--B\nContent-Type: image/png\n\na@example.com\n--B--\n",
    );
    check(
        "pre a@x.org\n--B \nContent-Type: application/json\n\n{\"a\":{\"pin\":1},\"b\":\"a@x.org\"}\n--B--\nepi a@x.org",
        "pre [mail]\n--B \nContent-Type: application/json\n\n{\"a\":{\"pin\":\"-\"},\"b\":\"[mail]\"}\n--B--\nepi [mail]",
    );
    check("--B\ncontent-type: text/plain\n\na@x.org", "--B\ncontent-type: text/plain\n\n[mail]");
    check("", "");
    check("a@x.org", "[mail]");
}

#[test]
fn parts_are_fields_by_their_names_and_say_what_a_number_is() {
    let part = |name: &str, content: &str| format!("--B\nContent-Disposition: form-data; name={name}\n\n{content}\n");
    let parts = [
        part("\"secret\"", "hidden\n\n--"),
        part("pin; x", "12345678"),
        part("\"ssn\"", "536904399"),
        part("x", "536904399"),
        part("\"pi%6e\"", ""),
    ];
    let expected = [
        part("\"secret\"", ""),
        part("pin; x", "****5678"),
        part("\"ssn\"", "*****4399"),
        part("x", "536904399"),
        part("\"pi%6e\"", ""),
    ];
    check(&format!("{}--B--", parts.concat()), &format!("{}--B--", expected.concat()));
}

#[test]
fn names_of_files_are_masked_and_files_pass() {
    let head = |name: &str, other: &str| {
        format!(
            "--B\nContent-Disposition: form-data; filename=\"{name}\"; name=f; FILENAME*=UTF-8''{other}\nContent-Type: application/pdf\n\n"
        )
    };
    check(
        &format!("{}a@x.org\n--B--", head("of \\\"a@x.org\\\".pdf", "a%40x.org")),
        &format!("{}a@x.org\n--B--", head("of \\\"%5Bmail%5D\\\".pdf", "%5Bmail%5D")),
    );
}

#[test]
fn what_only_looks_like_a_boundary_is_content() {
    check("--B\n\na --B\n\r\n-\n--\n--A a@x.org\n--B--", "--B\n\na --B\n\r\n-\n--\n--A [mail]\n--B--");
}

#[test]
fn a_long_field_is_replaced_as_a_whole_and_a_long_text_is_searched() {
    let long = "x ".repeat(400);
    let text = format!(
        "--B\r\nContent-Disposition: form-data; name=pin\r\n\r\n{long}\r\n--B\r\n\r\n{long}a@x.org {long}\r\n--B--"
    );
    let expected = format!(
        "--B\r\nContent-Disposition: form-data; name=pin\r\n\r\n[field]\r\n--B\r\n\r\n{long}a@x.org {long}\r\n--B--"
    )
    .replace("a@x.org", "[mail]");
    for size in [1, 3, 100, 10_000] {
        let pieces: Vec<_> = text.as_bytes().chunks(size).collect();
        assert_eq!(masked(&pieces, false).as_deref(), Ok(expected.as_str()), "{size}");
    }
}

#[test]
fn what_readers_may_read_differently_fails() {
    for text in [
        "--B\n\n",
        "--B\r\n\r\na\n--B\r\n\r\nb\r\n--B--",
        "--B\r\n\r\n--B\r\n\r\n",
        "--Bx\r\n\r\n",
        "--B\r\nContent-Type: text/plain",
        "--B\r\nContent-Type: text/plain\nX: y\r\n\r\n",
        "--B\r\nContent-Type: image/png\r\n ;x=y\r\n\r\n",
        "--B\r\nno header\r\n\r\n",
        "--B\r\n--B\r\n\r\n",
        "--B--\r\n--B\r\n\r\n",
        "--B",
    ] {
        assert_eq!(masked(&[text.as_bytes()], true), Err(AMBIGUOUS), "{text:?}");
        let bytes: Vec<_> = text.as_bytes().chunks(1).collect();
        assert_eq!(masked(&bytes, true), Err(AMBIGUOUS), "{text:?}");
    }
}

#[test]
fn text_that_cannot_be_read_fails_or_passes_where_it_is_to() {
    for head in [
        "Content-Transfer-Encoding: base64",
        "Content-Type: text/plain; charset=utf-16",
        "Content-Type: text/plain\r\nContent-Type: image/png",
        "Content-Encoding: gzip",
        "Content-Type: multipart/mixed; boundary=C",
    ] {
        let text = format!("--B\r\n{head}\r\n\r\na@x.org\r\n--B--");
        assert_eq!(masked(&[text.as_bytes()], false), Err(Stop::Failed("undecodable")), "{head}");
        assert_eq!(masked(&[text.as_bytes()], true), Ok(text.clone()), "{head}");
    }
}

#[test]
fn a_name_that_readers_may_read_differently_fails() {
    for parameters in [
        "name*0=\"sec\"; name*1=\"ret\"",
        "name*=UTF-8''secret",
        "name=secret; name=x",
        "name=\"sec\\ret\"",
        "name=f; filename*0=\"a@x\"; filename*1=\".org\"",
        "name=f; filename*0*=UTF-8''a%40x.org",
    ] {
        let text = format!("--B\r\nContent-Disposition: form-data; {parameters}\r\n\r\nx\r\n--B--");
        assert_eq!(masked(&[text.as_bytes()], true), Err(AMBIGUOUS), "{parameters}");
    }
}
