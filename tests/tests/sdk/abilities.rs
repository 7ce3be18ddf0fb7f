//! What needs no waiting: headers, replies, shared data, metrics, clock, randomness, properties, log.

use crate::guests::Guest;
use crate::mesh::{Mesh, Setup};
use palisade_testbed::{Request, http1, load};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PublicKeyData, SigningKey};
use std::time::Duration;

#[test]
fn a_filter_uses_the_host_and_nothing_is_refused() {
    let mesh = Mesh::start(false).unwrap();
    let answer = http1::exchange(mesh.addr(), &Request::get("/host")).unwrap().text();
    for line in [
        "shared update: Ok(())",
        "shared length: Ok(Some(8))",
        "random: Ok(()) true",
        "generator: true",
        "seeded map: Some(\"value\")",
        "clock: true",
        "property [\"palisade.probe\"]: Ok(Some(\"state\"))",
        "property [\"filter_state\", \"wasm.palisade.probe\"]: Ok(Some(\"state\"))",
        "property [\"no_such_property\"]: Ok(None)",
        "plugin: \"probe\" 64",
    ] {
        assert!(answer.lines().any(|found| found == line), "{line} is missing in:\n{answer}");
    }
    let stats = mesh.envoy.stats("wasmcustom.palisade.probe").unwrap();
    assert_eq!(stats["wasmcustom.palisade.probe.counter;kind=test"], 3);
    assert_eq!(stats["wasmcustom.palisade.probe.gauge"], 7);
    assert!(stats.keys().any(|name| name.starts_with("wasmcustom.palisade.probe.configured;version=0_1_0;config=")));
    assert!(mesh.envoy.log().contains("probe 0.1.0: plugin \"probe\" takes up configuration sha256:"));
    assert!(mesh.envoy.log().contains("the probe writes a line"));
    assert!(mesh.envoy.log().contains("the probe writes a debug line"), "the module follows the host's level");
}

/// What the probe says of a signature of "what was signed".
fn verified(mesh: &Mesh, hash: &str, key: &[u8], signature: &[u8]) -> String {
    let request = Request::get("/signature").header("x-hash", hash).header("x-text", "what was signed");
    let request = request.header("x-key", hex::encode(key)).header("x-signature", hex::encode(signature));
    http1::exchange(mesh.addr(), &request).unwrap().text()
}

#[test]
fn the_host_verifies_signatures() {
    let mesh = Mesh::start(false).unwrap();
    for (hash, algorithm) in [("sha256", &PKCS_ECDSA_P256_SHA256), ("sha384", &PKCS_ECDSA_P384_SHA384)] {
        let [signer, other] = [(); 2].map(|()| KeyPair::generate_for(algorithm).unwrap());
        let (key, signature) = (signer.subject_public_key_info(), signer.sign(b"what was signed").unwrap());
        assert_eq!(verified(&mesh, hash, &key, &signature), "true", "{hash}");
        let mut bad = signature.clone();
        *bad.last_mut().unwrap() ^= 1;
        assert_eq!(verified(&mesh, hash, &key, &bad), "false", "{hash}");
        assert_eq!(verified(&mesh, hash, &key, b""), "false", "{hash}");
        assert_eq!(verified(&mesh, "sha512", &key, &signature), "false", "{hash}");
        assert_eq!(verified(&mesh, hash, &other.subject_public_key_info(), &signature), "false", "{hash}");
        assert_eq!(verified(&mesh, hash, &key[1..], &signature), "false", "{hash}");
        assert_eq!(verified(&mesh, hash, b"", &signature), "false", "{hash}");
    }
}

#[test]
fn a_signature_that_the_host_may_not_verify_is_an_error() {
    let mesh = Setup::new(Guest::Probe).withhold("proxy_call_foreign_function").start().unwrap();
    let error = "the host answered proxy_call_foreign_function(verify_signature) with InternalFailure";
    assert_eq!(verified(&mesh, "sha256", b"key", b"signature"), error);
}

#[test]
fn headers_are_bytes_and_duplicates_are_visible() {
    let mesh = Mesh::start(false).unwrap();
    let request = Request::get("/headers").header("X-Twice", "a").header("x-twice", [0xE9, 0xFF]);
    let response = http1::exchange(mesh.addr(), &request).unwrap();
    assert_eq!(response.headers.get("x-probe-lines"), Some(&b"2"[..]));
    assert_eq!(response.headers.get("x-probe-joined"), Some(&b"a,\xE9\xFF"[..]));
    assert_eq!(response.headers.get("x-probe-first"), Some(&b"a"[..]));
    let echo = response.echo().unwrap();
    assert_eq!(echo.header("x-probe-bytes"), ["\u{80}\u{E9}\u{FF}"]);
    assert_eq!(echo.header("x-probe-added"), ["1", "2"]);
    assert!(echo.header("x-twice").is_empty());
}

#[test]
fn a_request_can_be_read_when_it_has_long_gone() {
    let mesh = Mesh::start(false).unwrap();
    let response = http1::exchange(mesh.addr(), &Request::get("/snapshot").header("x-tier", "vip")).unwrap();
    assert_eq!(response.headers.text("x-probe-tier").unwrap(), format!("One({:?})", b"vip"));
    assert_eq!(response.headers.text("x-probe-client").unwrap(), "One(127.0.0.1)");
}

#[test]
fn a_reply_answers_in_place_of_the_upstream() {
    let mesh = Mesh::start(false).unwrap();
    let response = http1::exchange(mesh.addr(), &Request::get("/reply")).unwrap();
    assert_eq!((response.status, response.text().as_str()), (403, "no"));
    assert_eq!(response.headers.text("x-probe").unwrap(), "reply");
    assert_eq!(mesh.upstream.count(), 0);

    let grpc = Request::post("/reply", b"").header("content-type", "application/grpc");
    let response = palisade_testbed::http2::exchange(mesh.addr(), &grpc).unwrap();
    let status = response.headers.text("grpc-status").or_else(|| response.trailers.text("grpc-status"));
    assert_eq!((response.status, status.as_deref()), (200, Some("7")));

    let response = http1::exchange(mesh.addr(), &Request::get("/response/reply")).unwrap();
    assert_eq!((response.status, response.text().as_str()), (418, "replaced"));
    let response = http1::exchange(mesh.addr(), &Request::get("/response/status")).unwrap();
    assert_eq!(response.status, 299);
}

#[test]
fn a_filter_that_never_ends_holds_its_request_until_the_client_goes() {
    // The probe declares callouts, so that nobody can know that this future never ends.
    let mesh = Mesh::start(false).unwrap();
    let mut connection = http1::Connection::open(mesh.addr()).unwrap();
    connection.send(&Request::get("/stall").to_http1()).unwrap();
    std::thread::sleep(Duration::from_millis(100));
    drop(connection);
    let response = http1::exchange(mesh.addr(), &Request::get("/")).unwrap();
    assert_eq!(response.status, 200);
    assert_eq!(mesh.upstream.count(), 1);
}

#[test]
fn background_work_runs_beside_the_exchanges() {
    let mesh = Mesh::start(false).unwrap();
    let name = "wasmcustom.palisade.probe.background_runs;label=first";
    mesh.envoy.wait_for_stat(name, |runs| runs > 5, Duration::from_secs(10)).unwrap();
}

/// Catches an update that overwrites what another worker has written in between.
#[test]
fn updates_of_shared_data_are_counted_exactly_on_two_workers() {
    const COUNT: usize = 600;
    let mesh = Setup::new(Guest::Probe).workers(2).start().unwrap();
    let responses = load::run(mesh.addr(), 32, COUNT, |_| Request::get("/count")).unwrap();
    let mut counted: Vec<usize> = responses.iter().map(|response| response.text().parse().unwrap()).collect();
    counted.sort_unstable();
    assert_eq!(counted, (1..=COUNT).collect::<Vec<_>>());
}
