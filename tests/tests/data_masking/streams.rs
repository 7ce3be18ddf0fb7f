//! Bodies that come in pieces.

use std::time::Duration;

use palisade_testbed::http1::Connection;
use palisade_testbed::{Answer, Request};
use serde_json::{Value, json};

use crate::mesh::{Mesh, VERSIONS, Version};

const CARD: &str = "4111 1111 1111 1111";

const MAIL: &str = "a.b@example.com";

fn configuration() -> Value {
    json!({
        "rules": [{
            "direction": ["request", "response"],
            "fields": [{"path": "$.secret", "action": "remove"}],
            "detectors": [
                {"type": "credit_card", "action": {"mask": {"keep_last": 4}}},
                {"type": "email", "action": {"replace": "[mail]"}},
                {"type": "pem_private_key", "action": {"replace": "[key]"}},
            ],
        }],
        "headers": [{"name": "x-note", "direction": ["request", "response"]}],
    })
}

fn document() -> (String, String) {
    let document = format!(r#"{{"a": "{CARD}", "secret": [1, {{"b": "}}"}}], "c": ["to {MAIL}", 4111111111111111]}}"#);
    let masked = r#"{"a": "***************1111", "c": ["to [mail]", "************1111"]}"#;
    (document, masked.to_owned())
}

fn answers() -> Vec<(Answer, String)> {
    let (document, masked) = document();
    let key = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----", "QUJD".repeat(300));
    let typed = |kind: &str, body: &str| Answer::default().header("content-type", kind).body(body);
    let events = format!("data: {document}\n\ndata: {CARD}\n\n");
    vec![
        (typed("application/json", &document), masked.clone()),
        (typed("text/plain", &format!("{CARD} {key} {MAIL}")), "***************1111 [key] [mail]".to_owned()),
        (typed("text/plain", MAIL), "[mail]".to_owned()),
        (typed("text/event-stream", &events), format!("data: {masked}\n\ndata: ***************1111\n\n")),
        (typed("application/x-ndjson", &format!("{document}\n{document}")), format!("{masked}\n{masked}")),
        (
            typed("application/x-www-form-urlencoded", "a=4111+1111+1111+1111&secret=1&b=x"),
            "a=***************1111&b=x".to_owned(),
        ),
    ]
}

#[test]
fn a_client_gets_the_same_whatever_the_pieces_with_and_without_trailers() {
    for (client, upstream) in VERSIONS {
        let mesh = Mesh::start(&configuration(), upstream);
        for (answer, expected) in answers() {
            for (size, pause) in [(usize::MAX, 0), (1, 0), (7, 1), (1024, 0)] {
                let answer = match size {
                    usize::MAX => answer.clone(),
                    size => answer.clone().chunks(size, Duration::from_millis(pause)),
                };
                let response = mesh.get(client, answer.clone()).unwrap();
                assert_eq!(response.text(), expected, "{client:?} {upstream:?} {size}");
                let response = mesh.get(client, answer.header("trailer", "x-note").trailer("x-note", MAIL)).unwrap();
                assert_eq!(response.text(), expected, "with trailers {client:?} {upstream:?} {size}");
                assert_eq!(response.trailers.text("x-note").as_deref(), Some("[mail]"));
            }
        }
    }
}

/// All bytes that come to a client: of HTTP/1 as they are, of HTTP/2 as its frames have them.
fn seen(mesh: &Mesh, client: Version, answer: Answer) -> String {
    if client == Version::Http2 {
        let response = mesh.get(client, answer).unwrap();
        let lines = response.headers.iter().chain(response.trailers.iter());
        let lines: Vec<_> = lines.map(|(name, value)| [name, b": ", value].concat()).collect();
        return String::from_utf8_lossy(&[lines.concat(), response.body].concat()).into_owned();
    }
    mesh.upstream.on("/x", answer);
    let mut connection = Connection::open(mesh.addr()).unwrap();
    connection.send(&Request::get("/x").header("connection", "close").to_http1()).unwrap();
    let bytes = connection.raw(Duration::from_secs(2)).unwrap();
    // What is chunked, without its framing: no digit of a size is one of a match that is looked for.
    bytes.split(|byte| *byte == b'\n').map(|line| String::from_utf8_lossy(line).trim().to_owned()).collect()
}

#[test]
fn no_byte_of_a_match_leaves_envoy() {
    for (client, upstream) in VERSIONS {
        let mesh = Mesh::start(&configuration(), upstream);
        for (answer, _) in answers() {
            for (size, pause) in [(1, 0), (5, 2), (100_000, 0)] {
                let answer = answer.clone().chunks(size, Duration::from_millis(pause)).header("x-note", MAIL);
                for answer in [answer.clone(), answer.header("trailer", "x-note").trailer("x-note", MAIL)] {
                    let seen = seen(&mesh, client, answer);
                    assert!(seen.contains("[mail]"), "{client:?} {upstream:?}: {seen}");
                    for raw in [CARD, "1111 1111", "a.b@", "QUJD", "4111111111111111"] {
                        assert!(!seen.contains(raw), "{client:?} {upstream:?}: {raw} in {seen}");
                    }
                }
            }
        }
    }
}

#[test]
fn an_upstream_gets_the_same_whatever_the_pieces_with_and_without_trailers() {
    let (document, masked) = document();
    for (client, upstream) in VERSIONS {
        let mesh = Mesh::start(&configuration(), upstream);
        let whole = Request::post("/x", &document).header("content-type", "application/json");
        let pieces = whole.clone().chunks(document.as_bytes().chunks(1));
        let with_trailers = pieces.clone().header("trailer", "x-note").trailer("x-note", format!("to {MAIL}"));
        let with_trailers = with_trailers.trailer("content-digest", "sha-256=:AAAA:");
        for (request, trailers) in [(whole, None), (pieces, None), (with_trailers, Some("to [mail]"))] {
            client.exchange(mesh.addr(), &request).unwrap();
            let arrived = mesh.upstream.received().pop().unwrap();
            assert_eq!(String::from_utf8_lossy(&arrived.body), masked, "{client:?} {upstream:?}");
            assert_eq!(arrived.trailers.text("x-note").as_deref(), trailers);
            assert_eq!(arrived.trailers.get("content-digest"), None);
        }
    }
}

#[test]
fn a_masked_body_never_becomes_the_front_of_the_next_request() {
    let mesh = Mesh::start(&configuration(), Version::Http1);
    let mut connection = Connection::open(mesh.addr()).unwrap();
    let (document, masked) = document();
    for _ in 0..5 {
        let request = Request::post("/x", &document).header("content-type", "application/json");
        let echo = connection.exchange(&request).unwrap().echo().unwrap();
        assert_eq!(echo.body.sha256, palisade_testbed::sha256(masked.as_bytes()));
        assert_eq!(connection.exchange(&Request::get("/y")).unwrap().echo().unwrap().path, "/y");
    }
}

#[test]
fn a_long_body_streams_by() {
    let mesh = Mesh::start(&configuration(), Version::Http1);
    // Pieces of all lengths end in the middle of words, numbers and strings.
    let line = format!("a word and {MAIL} and {CARD} and abcdefghijklmnopqrstuvwxyz0123456789\n");
    let masked = "a word and [mail] and ***************1111 and abcdefghijklmnopqrstuvwxyz0123456789\n";
    let count = 60_000;
    let answer =
        Answer::default().header("content-type", "text/plain").body(line.repeat(count)).chunks(9_973, Duration::ZERO);
    let response = mesh.get(Version::Http1, answer).unwrap();
    assert!(response.text() == masked.repeat(count), "the long body is not as expected");
    assert_eq!(mesh.counter("hits;type=email;where=response;action=replace"), count as u64);
}

#[test]
fn trailers_that_nobody_announced_let_no_half_decided_end_pass() {
    for (client, upstream) in VERSIONS {
        let mesh = Mesh::start(&configuration(), upstream);
        let text = |body: &str| {
            let answer = Answer::default().header("content-type", "text/plain").body(body);
            answer.chunks(5, Duration::from_millis(1)).trailer("x-note", MAIL)
        };
        let response = mesh.get(client, text(&format!("to {MAIL}. "))).unwrap();
        assert_eq!(response.text(), "to [mail]. ", "{client:?} {upstream:?}");
        if let Ok(response) = mesh.get(client, text(&format!("to {MAIL}"))) {
            panic!("{client:?} {upstream:?}: {:?} looks complete", response.text());
        }
    }
}
