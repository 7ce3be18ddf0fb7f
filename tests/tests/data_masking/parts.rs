//! Bodies of parts and of gRPC messages.

use std::time::Duration;

use palisade_testbed::{Answer, Request, sha256};
use serde_json::{Value, json};

use crate::mesh::{Mesh, VERSIONS};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n4111 1111 1111 1111\n-";

fn configuration() -> Value {
    json!({"rules": [{
        "direction": ["request", "response"],
        "fields": [{"path": "$.pin", "action": {"mask": {}}}],
        "detectors": [{"type": "credit_card", "action": {"mask": {"keep_last": 4}}}],
        "grpc": {"fields": [{"path": [1, 2], "action": {"replace": "a longer text"}}]},
    }]})
}

fn form(card: &str, pin: &str, file: &str) -> Vec<u8> {
    let text = |head: &str, content: &str| {
        format!("--b0\r\nContent-Disposition: form-data; {head}\r\n\r\n{content}\r\n").into_bytes()
    };
    let head = format!("--b0\r\nContent-Disposition: form-data; name=\"f\"; filename=\"{file}\"\r\n");
    [
        text("name=\"note\"", &format!("card {card}")),
        text("name=\"pin\"", pin),
        head.into_bytes(),
        b"Content-Type: image/png\r\n\r\n".to_vec(),
        PNG.to_vec(),
        format!("\r\n--b0\r\nContent-Type: application/json\r\n\r\n{{\"pin\": \"{pin}\"}}\r\n--b0--\r\n").into_bytes(),
    ]
    .concat()
}

fn message(content: &str) -> Vec<u8> {
    let field =
        |number: u8, content: &[u8]| [&[number << 3 | 2, u8::try_from(content.len()).unwrap()], content].concat();
    let inner = [field(1, b"other"), field(2, content.as_bytes())].concat();
    let message = [field(1, &inner), field(2, b"4111111111111111")].concat();
    [&[0, 0, 0, 0, u8::try_from(message.len()).unwrap()][..], &message].concat()
}

/// A content type, what comes with it, and what is left of it.
fn bodies() -> [(&'static str, Vec<u8>, Vec<u8>); 2] {
    let card = "4111 1111 1111 1111";
    let masked = "***************1111";
    [
        (
            "multipart/form-data; boundary=b0",
            form(card, "1234", &format!("{card}.png")),
            form(masked, "****", &format!("{masked}.png")),
        ),
        (
            "application/grpc",
            [message("secret"), message("x")].concat(),
            [message("a longer text"), message("a longer text")].concat(),
        ),
    ]
}

#[test]
fn parts_and_messages_are_masked_on_their_way_to_the_client_in_every_chunking() {
    for (client, upstream) in VERSIONS {
        let mesh = Mesh::start(&configuration(), upstream);
        for (content_type, body, masked) in bodies() {
            let answer = Answer::default().header("content-type", content_type).body(&body);
            let with_trailers = answer.clone().header("trailer", "grpc-status").trailer("grpc-status", "0");
            for answer in [answer.clone(), answer.chunks(1, Duration::ZERO), with_trailers] {
                let response = mesh.get(client, answer).unwrap();
                let text = String::from_utf8_lossy(&response.body);
                assert!(response.body == masked, "{client:?} {upstream:?}: {text}");
            }
        }
    }
}

#[test]
fn parts_and_messages_are_masked_on_their_way_to_the_upstream_in_every_chunking() {
    for (client, upstream) in VERSIONS {
        let mesh = Mesh::start(&configuration(), upstream);
        for (content_type, body, masked) in bodies() {
            let whole = Request::post("/x", &body).header("content-type", content_type);
            let pieces = whole.clone().chunks(body.chunks(1));
            for request in [whole, pieces] {
                client.exchange(mesh.addr(), &request).unwrap();
                let arrived = mesh.upstream.received().pop().unwrap();
                assert_eq!(sha256(&arrived.body), sha256(&masked), "{client:?} {upstream:?} {content_type}");
            }
        }
    }
}
