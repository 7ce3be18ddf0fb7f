//! Early answers: a response, the upstream's or Envoy's own, before the request is complete.

use crate::guests::Guest;
use crate::mesh::{Mesh, Setup};
use palisade_testbed::client::{Upload, VERSIONS, Version};
use palisade_testbed::{Answer, Envoy, Request, Upstream};
use serde_json::json;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// An upstream that answers when it is told to, and keeps every byte that comes before and after.
struct EarlyUpstream {
    addr: SocketAddr,
    connection: Arc<Mutex<Option<TcpStream>>>,
    bytes: Arc<Mutex<Vec<u8>>>,
}

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nearly\r\n";
const END: &[u8] = b"0\r\n\r\n";

/// How long the end of the answer comes after its beginning: the rest of the request goes meanwhile.
const BETWEEN: Duration = Duration::from_millis(250);
/// How long the probe waits with a piece in hand.
const PAUSE: Duration = Duration::from_millis(700);

// === impl EarlyUpstream ===

impl EarlyUpstream {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let this = Self { addr, connection: Arc::default(), bytes: Arc::default() };
        let (shared, log) = (Arc::clone(&this.connection), Arc::clone(&this.bytes));
        // It ends with its only connection, which Envoy closes.
        thread::spawn(move || {
            let (mut connection, _) = listener.accept().unwrap();
            *shared.lock().unwrap() = Some(connection.try_clone().unwrap());
            let mut bytes = [0; 4096];
            while let Ok(length @ 1..) = connection.read(&mut bytes) {
                log.lock().unwrap().extend_from_slice(&bytes[..length]);
            }
        });
        this
    }

    /// Begins its answer, which ends somewhat later.
    fn answer(&self) {
        let mut connection = self.connection.lock().unwrap().take().unwrap();
        connection.write_all(ANSWER).unwrap();
        thread::spawn(move || {
            thread::sleep(BETWEEN);
            // Envoy may have given up.
            let _ = connection.write_all(END);
        });
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().unwrap()).into_owned()
    }
}

struct EarlyMesh {
    envoy: Envoy,
    upstream: EarlyUpstream,
    callouts: Upstream,
}

impl EarlyMesh {
    fn start(guest: Guest, hold_headers: bool) -> Self {
        let (upstream, callouts) = (EarlyUpstream::start(), Upstream::start().unwrap());
        callouts.on("/pause", Answer::with_status(200).delay(PAUSE));
        let setup = Setup::new(guest).hold_headers(hold_headers);
        let envoy = setup.envoy(upstream.addr, callouts.addr()).unwrap().start().unwrap();
        Self { envoy, upstream, callouts }
    }

    fn upload(&self, version: Version, path: &str) -> Upload {
        version.upload(self.envoy.addr("ingress").unwrap(), Request::new("POST", path)).unwrap()
    }
}

fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Sends the rest of a request whose answer has begun, and gives the answer's status. The peer may have gone.
fn finish(mut upload: Upload) -> u16 {
    let _ = upload.piece("evil");
    thread::sleep(BETWEEN / 5);
    let _ = upload.piece("evil");
    let _ = upload.end();
    upload.response().unwrap().status
}

/// What is left of a text without its parts in angle brackets, which the probe has written.
fn unbracketed(text: &str) -> String {
    text.split('>').map(|part| part.split('<').next().unwrap_or_default()).collect()
}

/// Catches what a filter that rewrites has not seen and that passes all the same, with the end of the stream at the
/// latest; and a client that is left without an answer.
#[test]
fn what_follows_an_early_response_never_passes_a_rewriting_filter() {
    for hold_headers in [false, true] {
        for version in VERSIONS {
            for (how, status) in [("wrap", 500), ("tolerate", 200)] {
                let mesh = EarlyMesh::start(Guest::Probe, hold_headers);
                let mut upload = mesh.upload(version, &format!("/held/request/never/{how}"));
                upload.piece("one").unwrap();
                wait_until("the first piece arrives", || mesh.upstream.text().contains("<one>"));
                mesh.upstream.answer();
                thread::sleep(BETWEEN / 5);
                let case = format!("{version}, {how}, allow_on_headers_stop_iteration {hold_headers}");
                assert_eq!(finish(upload), status, "{case}");
                thread::sleep(BETWEEN / 5);
                let text = mesh.upstream.text();
                assert!(!text.contains("evil"), "{case}: {text:?}");
                assert!(!text.ends_with("0\r\n\r\n"), "{case}: what is cut short must not look whole: {text:?}");
            }
        }
    }
}

/// Catches the same where the response comes while the filter waits for something else than its request.
#[test]
fn what_follows_an_early_response_never_passes_a_filter_that_waits_with_a_piece_in_hand() {
    for hold_headers in [false, true] {
        for version in VERSIONS {
            // What comes during the wait the filter still sees; what comes later it does not wait for.
            for (when, rest_comes_during_the_wait, status) in
                [("before", true, 200), ("after", true, 200), ("before", false, 500), ("after", false, 500)]
            {
                let mesh = EarlyMesh::start(Guest::Probe, hold_headers);
                let mut upload = mesh.upload(version, &format!("/held/request/{when}/wrap"));
                upload.piece("one").unwrap();
                wait_until("the filter waits", || mesh.callouts.count() == 1);
                wait_until("the headers arrive", || mesh.upstream.text().contains("\r\n\r\n"));
                mesh.upstream.answer();
                thread::sleep(BETWEEN / 5);
                if !rest_comes_during_the_wait {
                    thread::sleep(PAUSE + BETWEEN);
                }
                let case = format!("{version}, {when}, allow_on_headers_stop_iteration {hold_headers}");
                assert_eq!(finish(upload), status, "{case}");
                thread::sleep(BETWEEN / 5);
                let rest = unbracketed(&mesh.upstream.text());
                assert!(!rest.contains("evil") && !rest.contains("one"), "{case}: {rest:?}");
            }
        }
    }
}

/// Catches a held body that the response lets go, in a module that never hears of the response.
#[test]
fn what_follows_an_early_response_never_passes_a_filter_without_response_phases() {
    for hold_headers in [false, true] {
        for version in VERSIONS {
            let mesh = EarlyMesh::start(Guest::Guard, hold_headers);
            let mut upload = mesh.upload(version, "/");
            upload.piece("held, ").unwrap();
            wait_until("the headers arrive", || mesh.upstream.text().contains("\r\n\r\n"));
            mesh.upstream.answer();
            thread::sleep(BETWEEN / 5);
            let began = Instant::now();
            for piece in ["ev", "il"] {
                let _ = upload.piece(piece);
            }
            let _ = upload.end();
            // The refusal comes too late for an answer of its own: it breaks the one that has begun off.
            let _ = upload.response();
            let case = format!("{version}, allow_on_headers_stop_iteration {hold_headers}");
            assert!(began.elapsed() < Duration::from_secs(5), "{case}: the client is left waiting");
            let text = mesh.upstream.text();
            assert!(!text.contains("held") && !text.contains("il"), "{case}: {text:?}");
        }
    }
}

/// Catches a filter that takes Envoy's own answer for an upstream's, and answers with its failure in its place.
#[test]
fn envoys_own_answer_to_a_body_that_is_too_large_for_it_reaches_the_client() {
    // Of the body of a stream, Envoy holds the connection's limit on HTTP/1.1, and the window on HTTP/2.
    let setup = Setup::new(Guest::Probe).listener(json!({"per_connection_buffer_limit_bytes": 65536}));
    let mesh = setup.manager(json!({"http2_protocol_options": {"initial_stream_window_size": 65536}})).start().unwrap();
    for version in VERSIONS {
        for (path, status) in [("/body/whole", 413), ("/body/keep", 413), ("/trailers", 200)] {
            let mut upload = version.upload(mesh.addr(), Request::new("POST", path)).unwrap();
            for _ in 0..40 {
                // Envoy may have answered and gone.
                let _ = upload.piece(&"x".repeat(8192));
            }
            let _ = upload.end();
            assert_eq!(upload.response().unwrap().status, status, "{version} {path}");
        }
    }
}

/// Catches the same for a client that stops in the middle, while the filter waits for its body or for a callout.
#[test]
fn envoys_own_answer_to_a_request_that_does_not_end_reaches_the_client() {
    for hold_headers in [false, true] {
        let setup = Setup::new(Guest::Probe).hold_headers(hold_headers);
        let mesh = setup.manager(json!({"request_timeout": "0.4s"})).start().unwrap();
        mesh.callouts.on("/never", Answer::with_status(200).delay(Duration::from_secs(4)));
        for version in VERSIONS {
            for path in ["/body/whole", "/body/keep", "/body/rewrite", "/body/read", "/call?/never"] {
                let mut upload = version.upload(mesh.addr(), Request::new("POST", path)).unwrap();
                upload.piece("aaa").unwrap();
                let case = format!("{version} {path}, allow_on_headers_stop_iteration {hold_headers}");
                assert_eq!(upload.response().unwrap().status, 408, "{case}");
            }
        }
        assert!(mesh.upstream.received_at("/call").is_empty());
    }
}

/// Catches a filter that is left waiting when its request's answer has gone by.
#[test]
fn a_mesh_serves_on_after_early_answers() {
    let mesh = Mesh::start(false).unwrap();
    for version in VERSIONS {
        for (path, status) in [("/body/rewrite", 500), ("/held/request/never/tolerate", 200), ("/", 200)] {
            let request = Request::new("POST", path).header("x-upstream-early", "1");
            let mut upload = version.upload(mesh.addr(), request).unwrap();
            wait_until("the headers arrive", || mesh.upstream.count() == 1);
            thread::sleep(Duration::from_millis(50));
            let _ = upload.piece("late");
            let _ = upload.end();
            assert_eq!(upload.response().unwrap().status, status, "{version} {path}");
            mesh.upstream.forget();
            assert_eq!(version.exchange(mesh.addr(), &Request::post("/body/whole", "ok")).unwrap().status, 200);
            mesh.upstream.forget();
        }
    }
}
