//! Held messages: the filter waits while its peer goes on sending, and no byte may be lost, doubled or passed by.

use crate::mesh::Mesh;
use palisade_testbed::client::{VERSIONS, Version};
use palisade_testbed::{Answer, Request, Response};
use std::thread;
use std::time::Duration;

/// How long the probe waits with what it holds, so that all the rest comes meanwhile.
const PAUSE: Duration = Duration::from_millis(80);
/// Between two pieces, so that they come in callbacks of their own.
const GAP: Duration = Duration::from_millis(10);
const PIECES: [&str; 3] = ["aaa", "bbb", "ccc"];

fn meshes() -> impl Iterator<Item = (Mesh, String)> {
    [false, true].into_iter().map(|hold_headers| {
        let mesh = Mesh::start(hold_headers).unwrap();
        mesh.callouts.on("/pause", Answer::with_status(200).delay(PAUSE));
        (mesh, format!("allow_on_headers_stop_iteration {hold_headers}"))
    })
}

/// Sends a request piece by piece; the rest of them goes while the probe waits.
fn upload(mesh: &Mesh, version: Version, request: Request) -> Response {
    let waited = mesh.callouts.count();
    let mut upload = version.upload(mesh.addr(), request).unwrap();
    for (place, piece) in PIECES.iter().enumerate() {
        upload.piece(piece).unwrap();
        if place == 0 {
            mesh.callouts.wait_for(waited + 1, Duration::from_secs(5)).unwrap();
        }
        thread::sleep(GAP);
    }
    upload.end().unwrap();
    upload.response().unwrap()
}

/// With trailers at its end and without.
fn requests(path: &str) -> [Request; 2] {
    let request = Request::new("POST", path);
    [request.clone(), request.trailer("x-end", "1")]
}

/// The content of a body of which each piece is in angle brackets of its own.
fn unwrapped(body: &[u8]) -> Option<String> {
    let text = str::from_utf8(body).ok()?;
    let inner = text.strip_prefix('<')?.strip_suffix('>')?;
    let pieces: Vec<_> = inner.split("><").collect();
    (!pieces.iter().any(|piece| piece.is_empty() || piece.contains(['<', '>']))).then(|| pieces.concat())
}

/// Catches a hold that ends with the next piece of the body, and pieces that are reported twice.
#[test]
fn what_arrives_while_a_piece_is_in_hand_is_read_once_and_in_order() {
    for (mesh, mode) in meshes() {
        for version in VERSIONS {
            for when in ["before", "after"] {
                for (place, request) in requests(&format!("/held/request/{when}/read")).into_iter().enumerate() {
                    let path = format!("{}?{version}-{place}", request.path);
                    let response = upload(&mesh, version, Request { path: path.clone(), ..request });
                    assert_eq!(response.status, 200, "{path}, {mode}");
                    let read = mesh.envoy.log();
                    assert!(read.contains(&format!("{path} read \"aaabbbccc\"")), "{path}, {mode}:\n{read}");
                    let received = mesh.upstream.received().pop().unwrap();
                    assert_eq!(received.body, b"aaabbbccc", "{path}, {mode}");
                    assert_eq!(received.trailers.len(), place, "{path}, {mode}");
                }
            }
        }
    }
}

/// Catches a change that takes away or overwrites what came while the filter waited, before it and after it.
#[test]
fn what_arrives_while_a_piece_is_in_hand_is_rewritten_once_and_in_order() {
    for (mesh, mode) in meshes() {
        for version in VERSIONS {
            for when in ["before", "after"] {
                for (place, request) in requests(&format!("/held/request/{when}/wrap")).into_iter().enumerate() {
                    let case = format!("{version}, {when}, trailers {place}, {mode}");
                    assert_eq!(upload(&mesh, version, request).status, 200, "{case}");
                    let received = mesh.upstream.received().pop().unwrap();
                    assert_eq!(unwrapped(&received.body).as_deref(), Some("aaabbbccc"), "{case}: {received:?}");
                    assert_eq!(received.trailers.len(), place, "{case}");
                }
            }
        }
    }
}

/// Catches bytes that are lost to a filter that takes the body only after its wait in the headers, or that holds the
/// whole body for a second wait.
#[test]
fn a_request_that_came_whole_during_a_wait_is_rewritten_as_a_whole() {
    for (mesh, mode) in meshes() {
        for version in VERSIONS {
            for how in ["head/whole", "head/keep", "head/wrap"] {
                for (place, request) in requests(&format!("/held/request/{how}")).into_iter().enumerate() {
                    let case = format!("{version}, {how}, trailers {place}, {mode}");
                    assert_eq!(upload(&mesh, version, request).status, 200, "{case}");
                    let received = mesh.upstream.received().pop().unwrap();
                    let content = unwrapped(&received.body);
                    assert_eq!(content.as_deref(), Some("aaabbbccc"), "{case}: {received:?}");
                    assert!(how == "head/wrap" || received.body.starts_with(b"<aaabbb"), "{case}: {received:?}");
                    assert_eq!(received.trailers.len(), place, "{case}");
                }
            }
        }
    }
}

/// Catches the same for a wait with the whole body in hand, when nothing more can come to wake the stream.
#[test]
fn a_whole_body_can_be_held_for_a_callout_before_its_change_and_after() {
    for (mesh, mode) in meshes() {
        for version in VERSIONS {
            for how in ["before/whole", "after/whole"] {
                for (place, request) in requests(&format!("/held/request/{how}")).into_iter().enumerate() {
                    let case = format!("{version}, {how}, trailers {place}, {mode}");
                    let response = version.exchange(mesh.addr(), &request.chunks(PIECES)).unwrap();
                    assert_eq!(response.status, 200, "{case}");
                    let received = mesh.upstream.received().pop().unwrap();
                    assert_eq!(received.body, b"<aaabbbccc>", "{case}");
                    assert_eq!(received.trailers.len(), place, "{case}");
                }
            }
        }
    }
}

/// Catches the same in the other direction: a response's bytes and trailers that came during a wait.
#[test]
fn a_response_that_came_during_a_wait_is_read_and_rewritten_once() {
    for (mesh, mode) in meshes() {
        for version in VERSIONS {
            for how in
                ["head/whole", "head/keep", "head/wrap", "before/wrap", "after/wrap", "before/whole", "head/read"]
            {
                for trailers in [false, true] {
                    let case = format!("{version}, {how}, trailers {trailers}, {mode}");
                    let answer = Answer::with_status(200).body("aaabbbccc").chunks(3, GAP);
                    let path = format!("/held/response/{how}");
                    mesh.upstream.on(&path, if trailers { answer.trailer("x-end", "1") } else { answer });
                    let request = Request::get(&path).header("te", "trailers");
                    let response = version.exchange(mesh.addr(), &request).unwrap();
                    if how == "head/read" {
                        assert_eq!(response.text(), "aaabbbccc", "{case}");
                    } else {
                        assert_eq!(unwrapped(&response.body).as_deref(), Some("aaabbbccc"), "{case}: {response:?}");
                    }
                    assert!(!how.ends_with("whole") || response.text() == "<aaabbbccc>", "{case}: {response:?}");
                    assert_eq!(response.trailers.len(), usize::from(trailers), "{case}");
                }
            }
        }
    }
}
