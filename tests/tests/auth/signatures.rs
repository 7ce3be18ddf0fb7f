//! Signed requests (RFC 9421) whose bodies are covered by a digest (RFC 9530), and what is done to them on the way.

use crate::setup::{Setup, VERSIONS};
use crate::signing::{Signer, digest};
use palisade_testbed::{RawUpstream, Request, http1};
use serde_json::{Value, json};
use std::thread;
use std::time::Duration;

/// Each secret of a fixture holds this word, which must be found nowhere.
const SECRET: &str = "c4nary: a secret of this client's and ours";

fn signer() -> Signer {
    Signer::new("partner", SECRET)
}

fn config(fields: &Value) -> Value {
    let mut hmac = json!({"clients": [{"id": "partner", "secret": SECRET}]});
    hmac.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    json!({"hmac": hmac, "default": {"require": {"hmac": {}}}})
}

fn setup(fields: &Value) -> Setup {
    Setup::new(&config(fields))
}

/// The same request in each framing.
fn framings(path: &str) -> Vec<(&'static str, Request)> {
    let post = || Request::new("POST", path);
    vec![
        ("no body", Request::get(path)),
        ("content-length", Request::post(path, b"amount=1")),
        ("chunked", post().chunks(["amount", "=1"])),
        ("empty chunked", post().chunks([""])),
        ("chunked and trailers", post().chunks(["amount", "=1"]).trailer("x-end", "1")),
    ]
}

#[test]
fn a_signed_request_passes_as_it_is() {
    let mesh = setup(&json!({})).start().unwrap();
    for (version, exchange) in VERSIONS {
        for path in ["/pay", "/pay?to=alice&amount=1", "/a%20b?"] {
            for (framing, request) in framings(path) {
                let case = format!("{version} {path} {framing}");
                let signed = signer().nonce(&case).sign(request.clone());
                assert_eq!(exchange(mesh.addr(), &signed).unwrap().status, 200, "{case}");
                let received = mesh.upstream.received();
                assert_eq!(received.len(), 1, "{case}");
                assert_eq!(received[0].path, path, "{case}");
                assert_eq!(received[0].body, request.chunks.concat(), "{case}");
                assert_eq!(received[0].trailers.len(), request.trailers.len(), "{case}");
                mesh.upstream.forget();
            }
        }
    }
    assert!(!mesh.envoy.log().contains("c4nary"), "{}", mesh.envoy.log());
}

/// Catches a part of a request that can be changed on the way, and a byte of such a request that goes upstream.
#[test]
fn of_a_request_that_was_changed_on_the_way_not_a_byte_goes_upstream() {
    let upstream = RawUpstream::start().unwrap();
    let mesh = setup(&json!({})).upstream(upstream.addr()).start().unwrap();
    let addr = mesh.addr();
    let post = || Request::post("/pay?to=alice", b"amount=1");
    let in_chunks = || Request::new("POST", "/pay?to=alice").chunks(["amount", "=1"]).trailer("x-end", "1");
    type Change = fn(Request) -> Request;
    let changes: [(&str, Change); 8] = [
        ("method", |request| Request { method: "PUT".to_owned(), ..request }),
        ("path", |request| Request { path: "/refund?to=alice".to_owned(), ..request }),
        ("query", |request| Request { path: "/pay?to=mallory".to_owned(), ..request }),
        ("authority", |request| request.authority("other.example")),
        ("body", |request| Request { chunks: vec![b"amount=9".to_vec()], ..request }),
        ("longer body", |request| Request {
            chunks: vec![b"amount=1".to_vec(), b"0".to_vec()],
            chunked: true,
            ..request
        }),
        ("no body", |request| Request { chunks: vec![Vec::new()], chunked: true, ..request }),
        ("a second digest", |request| request.header("content-digest", digest(b"amount=9").replace("256", "512"))),
    ];
    for (version, exchange) in VERSIONS {
        for (what, change) in changes {
            for (framing, request) in [("content-length", post()), ("chunked", in_chunks())] {
                let case = format!("{version}, {what}, {framing}");
                let changed = change(signer().nonce(&case).sign(request));
                assert_eq!(exchange(addr, &changed).unwrap().status, 401, "{case}");
                // Envoy writes what it writes in its next turn.
                thread::sleep(Duration::from_millis(10));
                assert_eq!(upstream.connections().concat(), b"", "{case}");
            }
        }
    }
    assert_eq!(http1::exchange(addr, &signer().sign(post())).unwrap().status, 200);
    assert_eq!(upstream.requests(), ["POST /pay?to=alice"]);
    assert!(!mesh.envoy.log().contains("c4nary"), "{}", mesh.envoy.log());
}

/// Catches a memory that each worker has for itself.
#[test]
fn a_signature_is_good_once_over_all_workers() {
    let mesh = setup(&json!({})).workers(4).start().unwrap();
    let with_nonce = signer().nonce("once").sign(Request::post("/pay", b"amount=1"));
    let without = signer().sign(Request::get("/pay?without"));
    let other_path = signer().nonce("once").sign(Request::get("/other"));
    for (request, expected) in [(with_nonce, 1), (without, 1), (other_path, 0)] {
        // Each on a connection of its own, and so on any of the workers.
        let clients: Vec<_> = (0..24)
            .map(|_| {
                let (addr, request) = (mesh.addr(), request.clone());
                thread::spawn(move || http1::exchange(addr, &request).unwrap().status)
            })
            .collect();
        let statuses: Vec<_> = clients.into_iter().map(|client| client.join().unwrap()).collect();
        let passed = statuses.iter().filter(|status| **status == 200).count();
        assert_eq!(passed, expected, "{} {statuses:?}", request.path);
        assert!(statuses.iter().all(|status| matches!(status, 200 | 401)), "{statuses:?}");
    }
    assert_eq!(mesh.upstream.count(), 2);
}

/// Catches a request that passes once for each of its signatures.
#[test]
fn a_request_with_two_signatures_by_known_keys_is_refused() {
    let clients = json!([
        {"id": "partner", "secret": SECRET},
        {"id": "partner", "keyid": "partner-2027", "secret": "c4nary: the secret of the year after"},
    ]);
    let mesh = setup(&json!({"clients": clients})).start().unwrap();
    let get = || Request::get("/pay?to=alice");
    let old = signer().sign(get());
    let new = Signer::new("partner-2027", "c4nary: the secret of the year after").sign(get());
    let foreign = Signer::new("a-proxy", "c4nary: the secret of a proxy").sign(get());
    let both = |first: &Request, second: &Request| {
        ["signature-input", "signature"].iter().fold(get(), |request, name| {
            let [first, second] = [first, second].map(|request| request.headers.text(name).unwrap());
            request.header(name, format!("{first}, {}", second.replacen("sig=", "second=", 1)))
        })
    };
    let status = |request: &Request| http1::exchange(mesh.addr(), request).unwrap().status;
    for request in [both(&old, &new), both(&new, &old), both(&old, &old)] {
        assert_eq!(status(&request), 401);
    }
    assert!(mesh.counter("decisions;rule=default;outcome=denied;reason=multiple_signatures;method=hmac") > 0);
    assert_eq!([status(&both(&foreign, &new)), status(&new), status(&old), status(&old)], [200, 401, 200, 401]);
    assert_eq!(mesh.upstream.count(), 2);
}

/// Catches a memory that forgets what still counts, or that grows without a bound.
#[test]
fn where_no_more_can_be_remembered_nothing_more_passes() {
    let mesh = setup(&json!({"replay_cache": 64})).start().unwrap();
    let mut statuses = Vec::new();
    for nonce in 0..130 {
        let signed = signer().nonce(nonce).sign(Request::get("/"));
        statuses.push(http1::exchange(mesh.addr(), &signed).unwrap().status);
    }
    let passed = statuses.iter().filter(|status| **status == 200).count();
    assert!((1..=64).contains(&passed), "{passed}");
    assert!(statuses.iter().all(|status| matches!(status, 200 | 503)), "{statuses:?}");
    assert_eq!(mesh.upstream.count(), passed);
}

/// Catches a memory that one client can use up for all.
#[test]
fn a_client_that_signs_too_much_is_in_nobodys_way() {
    let clients = json!([{"id": "partner", "secret": SECRET}, {"id": "other", "secret": SECRET}]);
    let mesh = setup(&json!({"replay_cache": 1024, "clients": clients})).start().unwrap();
    let count = |signer: &Signer, requests: usize, status: u16| {
        let mut connection = mesh.connection();
        let signed = (0..requests).map(|nonce| signer.nonce(nonce).sign(Request::get("/")));
        signed.filter(|request| connection.exchange(request).unwrap().status == status).count()
    };
    let refused = count(&signer(), 1024, 503);
    assert!((512..1024).contains(&refused), "the half of 1024 that is a client's: {refused} are refused");
    // Eight places in each of 64 shards: 16 requests of the other client find theirs.
    assert_eq!(count(&Signer::new("other", SECRET), 16, 200), 16);
}

/// Catches a share of the memory that refuses an honest client while the memory is empty.
#[test]
fn among_many_clients_one_may_sign_more_than_its_share_while_there_is_room() {
    let clients: Vec<_> =
        (0..1_024).map(|client| json!({"id": format!("client-{client}"), "secret": SECRET})).collect();
    let mesh = setup(&json!({"clients": clients})).start().unwrap();
    let mut connection = mesh.connection();
    for nonce in 0..200 {
        let signed = Signer::new("client-7", SECRET).nonce(nonce).sign(Request::get("/"));
        assert_eq!(connection.exchange(&signed).unwrap().status, 200, "{nonce}");
    }
}

#[test]
fn a_signature_of_another_time_is_refused() {
    let mesh = setup(&json!({"max_age": "20s", "clock_skew": "20s"})).start().unwrap();
    for (created, status) in [(-60, 401), (60, 401), (0, 200)] {
        let signed = Signer { created, ..signer() }.sign(Request::get("/"));
        assert_eq!(http1::exchange(mesh.addr(), &signed).unwrap().status, status, "{created}");
    }
    let expired = Signer { more: ";expires=1700000000".to_owned(), ..signer() }.sign(Request::get("/?expired"));
    assert_eq!(http1::exchange(mesh.addr(), &expired).unwrap().status, 401);
}

#[test]
fn a_body_over_the_limit_is_413_and_one_that_does_not_end_408() {
    let mesh = setup(&json!({"max_body": "8B", "body_timeout": "400ms"})).start().unwrap();
    for (version, exchange) in VERSIONS {
        for (body, status) in [("12345678", 200), ("123456789", 413)] {
            let request = Request::new("POST", "/").chunks([body]);
            let signed = signer().nonce(format!("{version}{body}")).sign(request);
            assert_eq!(exchange(mesh.addr(), &signed).unwrap().status, status, "{version} {body}");
        }
    }
    let signed = signer().sign(Request::new("POST", "/").chunks(["1234"]));
    let mut connection = http1::Connection::open(mesh.addr()).unwrap();
    let bytes = signed.to_http1();
    connection.send(bytes.strip_suffix(b"0\r\n\r\n").unwrap()).unwrap();
    assert_eq!(connection.response().unwrap().status, 408);
    assert_eq!(mesh.upstream.count(), VERSIONS.len());
}

/// Catches a request that passes with an unread body where Envoy is set up in its default way.
#[test]
fn without_held_headers_a_signed_body_is_refused_and_the_log_says_why() {
    let mesh = setup(&json!({"body_timeout": "400ms"})).hold_headers(false).start().unwrap();
    for (version, exchange) in VERSIONS {
        for (framing, request) in framings("/pay") {
            let signed = signer().nonce(format!("{version}{framing}")).sign(request);
            let expected = if framing == "no body" { 200 } else { 408 };
            assert_eq!(exchange(mesh.addr(), &signed).unwrap().status, expected, "{version} {framing}");
        }
    }
    assert_eq!(mesh.upstream.count(), VERSIONS.len());
    assert!(mesh.envoy.log().contains("allow_on_headers_stop_iteration"), "{}", mesh.envoy.log());
}

#[test]
fn each_refusal_has_its_reason_and_no_secret_shows() {
    let mesh = setup(&json!({})).start().unwrap();
    let get = || Request::get("/pay?to=alice");
    let cases = [
        ("malformed_signature", get().header("signature", "sig=:AAAA:")),
        ("malformed_signature", get().header("signature-input", "sig=(").header("signature", "sig=:AAAA:")),
        ("unknown_key", Signer::new("nobody", SECRET).sign(get())),
        ("wrong_algorithm", Signer { more: ";alg=\"ed25519\"".to_owned(), ..signer() }.sign(get())),
        (
            "component_not_covered",
            Signer { components: vec!["@method", "@authority", "@path"], ..signer() }.sign(get()),
        ),
        ("missing_component", Signer { components: vec!["@method", "@target-uri", "x-none"], ..signer() }.sign(get())),
        (
            "unsupported_component",
            Signer { components: vec!["@method", "@target-uri", "@status"], ..signer() }.sign(get()),
        ),
        ("signature_too_old", Signer { created: -400, ..signer() }.sign(get())),
        ("signature_in_future", Signer { created: 400, ..signer() }.sign(get())),
        ("signature_expired", Signer { more: ";expires=1700000000".to_owned(), ..signer() }.sign(get())),
        ("bad_signature", Signer::new("partner", "c4nary: another secret, not ours").sign(get())),
        (
            "malformed_content_digest",
            Signer { components: vec!["@method", "@target-uri", "content-digest"], ..signer() }
                .sign(get().header("content-digest", "sha-256=:AAAA:")),
        ),
    ];
    for (reason, request) in cases {
        assert_eq!(http1::exchange(mesh.addr(), &request).unwrap().status, 401, "{reason}");
        let counter = format!("decisions;rule=default;outcome=denied;reason={reason};method=hmac");
        assert!(mesh.counter(&counter) > 0, "{reason}");
    }
    assert_eq!(mesh.upstream.count(), 0);
    let log = mesh.envoy.log();
    assert!(!log.contains("c4nary"), "{log}");
}
