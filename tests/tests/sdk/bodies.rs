//! Bodies and trailers in both directions, framed in every way, over both versions of HTTP.

use crate::mesh::Mesh;
use palisade_testbed::Request;
use palisade_testbed::client::VERSIONS;

/// The same body in each framing.
fn framings(path: &str) -> [(&'static str, Request); 3] {
    [
        ("content-length", Request::post(path, b"hello world")),
        ("chunked", Request::new("POST", path).chunks(["hello", " ", "world"])),
        ("trailers", Request::new("POST", path).chunks(["hello ", "world"]).trailer("x-end", "1")),
    ]
}

#[test]
fn a_body_passes_as_it_is_while_it_is_read() {
    let mesh = Mesh::start(false).unwrap();
    for version in VERSIONS {
        for (framing, request) in framings("/body/read") {
            let response = version.exchange(mesh.addr(), &request).unwrap();
            assert_eq!(response.headers.text("x-probe-bytes").as_deref(), Some("11"), "{version} {framing}");
            assert_eq!(mesh.upstream.received().last().unwrap().body, b"hello world", "{version} {framing}");
        }
    }
}

#[test]
fn a_request_body_is_rewritten_and_framed_anew() {
    let mesh = Mesh::start(false).unwrap();
    for version in VERSIONS {
        for (framing, request) in framings("/body/whole") {
            version.exchange(mesh.addr(), &request).unwrap();
            let received = mesh.upstream.received().pop().unwrap();
            assert_eq!(received.body, b"11:dlrow olleh", "{version} {framing}");
            assert_eq!(received.headers.get("content-length"), None);
            assert_eq!(received.trailers.get("x-end").is_some(), framing == "trailers", "{version}");
        }
        for (framing, request) in framings("/body/rewrite") {
            version.exchange(mesh.addr(), &request).unwrap();
            assert_eq!(mesh.upstream.received().pop().unwrap().body.len(), 22, "{version} {framing}");
        }
        for (framing, request) in framings("/body/keep") {
            version.exchange(mesh.addr(), &request).unwrap();
            assert_eq!(mesh.upstream.received().pop().unwrap().body, b"<hello world>", "{version} {framing}");
        }
    }
}

#[test]
fn a_request_without_a_body_can_be_rewritten_too() {
    let mesh = Mesh::start(false).unwrap();
    for version in VERSIONS {
        for path in ["/body/whole", "/body/rewrite", "/body/keep"] {
            let response = version.exchange(mesh.addr(), &Request::get(path)).unwrap();
            assert_eq!(response.status, 200, "{version} {path}");
        }
        version.exchange(mesh.addr(), &Request::new("POST", "/body/keep").chunks([""; 0])).unwrap();
        assert_eq!(mesh.upstream.received().pop().unwrap().body, b"<>", "{version}");
    }
}

#[test]
fn a_body_over_the_filters_limit_is_refused() {
    let mesh = Mesh::start(false).unwrap();
    for version in VERSIONS {
        for (framing, request) in framings("/body/too-long") {
            assert_eq!(version.exchange(mesh.addr(), &request).unwrap().status, 413, "{version} {framing}");
        }
        assert_eq!(version.exchange(mesh.addr(), &Request::post("/body/too-long", b"short")).unwrap().status, 200);
    }
}

#[test]
fn a_response_body_is_rewritten_and_framed_anew() {
    let mesh = Mesh::start(false).unwrap();
    for version in VERSIONS {
        let plain = version.exchange(mesh.addr(), &Request::get("/")).unwrap().body.len();
        let response = version.exchange(mesh.addr(), &Request::get("/response/rewrite")).unwrap();
        assert!(response.body.len() > 2 * plain && response.body.len() % 2 == 0, "{version} {response:?}");
        assert_eq!(response.headers.get("content-length"), None);
        let response = version.exchange(mesh.addr(), &Request::get("/response/whole")).unwrap();
        assert!(response.text().ends_with(" bytes"), "{version} {response:?}");
        let response = version.exchange(mesh.addr(), &Request::new("HEAD", "/response/rewrite")).unwrap();
        assert_eq!(response.status, 200, "{version}");
    }
}

#[test]
fn trailers_are_read_and_changed() {
    let mesh = Mesh::start(false).unwrap();
    for version in VERSIONS {
        let request = Request::new("POST", "/trailers").chunks(["a"]).trailer("x-removed", "1").trailer("x-kept", "1");
        let request = request.header("te", "trailers").header("x-upstream-trailer", "x-up: 1");
        version.exchange(mesh.addr(), &request).unwrap();
        let received = mesh.upstream.received().pop().unwrap();
        assert_eq!(received.trailers.text("x-probe-request").as_deref(), Some("2"), "{version}");
        assert_eq!(received.trailers.get("x-removed"), None, "{version}");
        assert!(received.trailers.get("x-kept").is_some(), "{version}");
    }
}
