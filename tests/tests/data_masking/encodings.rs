//! Content encodings.

use std::io::Write as _;
use std::time::Duration;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use palisade_testbed::Answer;
use serde_json::json;

use crate::mesh::{Mesh, VERSIONS, Version};

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn encoded(encoding: &str, body: &[u8]) -> Answer {
    Answer::default().header("content-type", "text/plain").header("content-encoding", encoding).body(body)
}

fn rules() -> serde_json::Value {
    json!([{"detectors": [{"type": "email", "action": {"replace": "[mail]"}}]}])
}

#[test]
fn gzip_and_deflate_are_decoded_in_every_chunking() {
    let content = "write to a.b@example.com now ".repeat(200);
    let masked = content.replace("a.b@example.com", "[mail]");
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
    zlib.write_all(content.as_bytes()).unwrap();
    let bodies = [("gzip", gzip(content.as_bytes())), ("deflate", zlib.finish().unwrap())];
    for (client, upstream) in VERSIONS {
        let mesh = Mesh::start(&json!({"rules": rules()}), upstream);
        for (encoding, body) in &bodies {
            for size in [1, 10, 100_000] {
                let answer = encoded(encoding, body).chunks(size, Duration::ZERO);
                for answer in [answer.clone(), answer.header("trailer", "x-end").trailer("x-end", "1")] {
                    let response = mesh.get(client, answer).unwrap();
                    assert_eq!(response.text(), masked, "{encoding} {client:?} {upstream:?} {size}");
                    assert_eq!(response.headers.get("content-encoding"), None);
                }
            }
        }
    }
}

#[test]
fn a_bomb_goes_off_nowhere() {
    let mesh = Mesh::start(&json!({"rules": rules()}), Version::Http1);
    let bomb = gzip(&vec![b'a'; 64 << 20]);
    let response = mesh.get(Version::Http1, encoded("gzip", &bomb));
    let len = response.map_or(0, |response| response.body.len());
    assert!(len < 1 << 20, "{len} bytes passed");
    assert!(mesh.counter("failures;where=response;reason=bomb") == 1);
    let response = mesh.get(Version::Http1, encoded("gzip", &gzip(b"a.b@example.com"))).unwrap();
    assert_eq!(response.text(), "[mail]");
}

#[test]
fn what_is_cut_off_garbled_or_unknown_does_not_pass() {
    let mesh = Mesh::start(&json!({"rules": rules()}), Version::Http1);
    let whole = gzip(b"a.b@example.com");
    for answer in [
        encoded("gzip", &whole[..whole.len() - 3]),
        encoded("gzip", b"a.b@example.com"),
        encoded("br", b"a.b@example.com"),
        encoded("zstd", b"a.b@example.com"),
        encoded("gzip, br", b"a.b@example.com"),
    ] {
        // An error: it was broken off, since its headers had gone.
        if let Ok(response) = mesh.get(Version::Http1, answer) {
            assert!(response.status == 502 && !response.text().contains("example"), "{response:?}");
        }
    }
}
