//! Global limits: what a rate limit service is asked, and what becomes of its answers.

use std::thread;
use std::time::{Duration, Instant};

use envoy_types::pb::envoy::config::core::v3::HeaderValue;
use envoy_types::pb::envoy::service::ratelimit::v3::RateLimitResponse;
use envoy_types::pb::envoy::service::ratelimit::v3::rate_limit_response::Code;
use palisade_testbed::upstream::Reset;
use palisade_testbed::{Answer, Request, grpc, http1, http2};
use prost::Message;
use serde_json::{Value, json};

use crate::fields::{Left, Policy, left, policies, retry_after};
use crate::limitador::Limitador;
use crate::mesh::{Setup, by};
use crate::scripted::{METHOD, Scripted, descriptors, header, limit, over_limit, response, status};

const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn the_service_is_asked_about_the_values_of_the_request() {
    let value = |key: &str, value: Value| json!({"key": key, "value": value});
    let mut scripted = Scripted::start(
        &json!({"cost": {"header": "x-cost", "default": 1, "max": 50}, "on_missing": "skip"}),
        &json!({"descriptors": [
            [value("user", json!({"header": "x-user"})), value("path", json!({"path": {"segment": 1}}))],
            [value("remote_address", json!({"client_ip": {}}))],
            [value("tenant", json!({"header": "x-tenant"}))],
            [value("generic_key", json!({"literal": "all"}))],
        ]}),
    );
    scripted.answers(&response(Code::Ok));
    let request = Request::get("/orders/7?q=1").header("x-user", "alice \u{e9}|b").header("x-cost", "5");
    assert_eq!(scripted.mesh.get(&request).status, 200);
    assert_eq!(scripted.mesh.get(&Request::get("/").header("x-cost", "500")).status, 200);
    let asked = scripted.asked();
    assert_eq!(
        descriptors(&asked[0]),
        [
            vec![("user", "alice \u{e9}|b"), ("path", "orders")],
            vec![("remote_address", "127.0.0.1")],
            vec![("generic_key", "all")],
        ]
    );
    assert_eq!((asked[0].domain.as_str(), asked[0].hits_addend), ("shop", 5));
    // A descriptor in which a value is missing is not asked for.
    assert_eq!(descriptors(&asked[1]), [[("remote_address", "127.0.0.1")], [("generic_key", "all")]]);
    assert_eq!(asked[1].hits_addend, 50);
    let call = &scripted.service.received()[0];
    assert_eq!(call.headers.text("content-type").as_deref(), Some("application/grpc"));
    assert_eq!(call.headers.text("grpc-timeout").as_deref(), Some("10000m"));
    assert_eq!(scripted.outcome("admitted"), 2);
    scripted.mesh.assert_unharmed();
}

#[test]
fn bytes_that_are_no_text_and_values_without_end_are_asked_about_as_text() {
    let mut scripted = Scripted::start(&json!({}), &json!({}));
    scripted.answers(&response(Code::Ok));
    for user in [&b"a\xFFb"[..], &[b'x'; 20_000]] {
        assert_eq!(scripted.mesh.get(&Request::get("/").header("x-user", user)).status, 200);
    }
    let asked = scripted.asked();
    assert_eq!(descriptors(&asked[0]), [[("user", "a\u{FFFD}b")]]);
    let value = descriptors(&asked[1])[0][0].1;
    assert!(value.starts_with("sha256:") && value.len() == 71, "{value}");
    scripted.mesh.assert_unharmed();
}

/// Catches a client that goes uncounted because it says nothing, or says it twice.
#[test]
fn a_missing_value_is_what_on_missing_says() {
    for (on_missing, status, asked, asked_of_two) in [
        (None, 200, Some(""), Some("")),
        (Some(json!({"literal": "nobody"})), 200, Some("nobody"), Some("nobody")),
        (Some(json!("skip")), 200, None, Some("")),
        (Some(json!("deny")), 429, None, None),
    ] {
        let mut fields = json!({});
        if let Some(on_missing) = &on_missing {
            fields["on_missing"] = on_missing.clone();
        }
        let mut scripted = Scripted::start(&fields, &json!({}));
        scripted.answers(&response(Code::Ok));
        for (request, asked) in [(Request::get("/"), asked), (by("alice").header("x-user", "bob"), asked_of_two)] {
            assert_eq!(scripted.mesh.get(&request).status, status, "{on_missing:?}");
            let questions = scripted.asked();
            let values: Vec<_> = questions.iter().map(|asked| descriptors(asked)[0][0].1).collect();
            assert_eq!(values, asked.as_slice(), "{on_missing:?}, {request:?}");
            scripted.service.forget();
        }
        assert_eq!(scripted.mesh.status("alice"), 200);
        assert_eq!(descriptors(&scripted.asked()[0]), [[("user", "alice")]]);
        scripted.mesh.assert_unharmed();
    }
}

#[test]
fn the_service_adds_headers_to_the_request_and_to_the_response() {
    let mut scripted = Scripted::start(&json!({}), &json!({}));
    let headers = |code| RateLimitResponse {
        request_headers_to_add: vec![header("X-Quota-Class", "gold"), header("x-quota-class", "extra")],
        response_headers_to_add: vec![
            header("x-quota", "left: 7"),
            HeaderValue { key: "x-raw".to_owned(), value: String::new(), raw_value: b"raw".to_vec() },
        ],
        ..response(code)
    };
    scripted.answers(&headers(Code::Ok));
    let admitted = scripted.mesh.get(&by("alice"));
    assert_eq!(admitted.status, 200);
    assert_eq!(admitted.echo().unwrap().header("x-quota-class"), ["gold", "extra"]);
    assert_eq!(admitted.headers.all("x-quota"), [b"left: 7"]);
    assert_eq!(admitted.headers.all("x-raw"), [b"raw"]);
    scripted.answers(&RateLimitResponse { raw_body: b"slow down".to_vec(), ..headers(Code::OverLimit) });
    let refused = scripted.mesh.get(&by("alice"));
    assert_eq!((refused.status, refused.text().as_str()), (429, "slow down"));
    assert_eq!(refused.headers.all("x-quota"), [b"left: 7"]);
    assert_eq!(scripted.mesh.upstream.count(), 1);
    scripted.mesh.assert_unharmed();
}

/// Catches a service that splits messages, or speaks in Envoy's name.
#[test]
fn a_header_that_no_message_may_have_is_left_out_and_the_others_stay() {
    let mut scripted = Scripted::start(&json!({}), &json!({}));
    let evil = [
        header("x-split", "a\r\nset-cookie: evil=1"),
        header("", "nameless"),
        header(":path", "/admin"),
        header("host", "evil.example"),
        header("content-length", "5"),
        header("transfer-encoding", "chunked"),
        header("x y", "1"),
        header("x-good", "1"),
    ];
    for code in [Code::Ok, Code::OverLimit] {
        scripted.answers(&RateLimitResponse {
            request_headers_to_add: evil.to_vec(),
            response_headers_to_add: evil.to_vec(),
            ..response(code)
        });
        let answer = scripted.mesh.get(&by("alice"));
        assert_eq!(answer.status, if code == Code::Ok { 200 } else { 429 });
        assert_eq!(answer.headers.all("x-good"), [b"1"]);
        for name in ["set-cookie", "x-split", "host"] {
            assert_eq!(answer.headers.get(name), None, "{name}");
        }
        if code == Code::Ok {
            let echo = answer.echo().unwrap();
            assert_eq!((echo.path.as_str(), echo.header("x-good")), ("/", vec!["1"]));
            assert_eq!(echo.authority, "testbed.local");
        }
    }
    assert!(scripted.mesh.envoy.is_running());
    assert!(!scripted.mesh.envoy.log().contains("RuntimeError"));
}

#[test]
fn a_refusal_says_when_to_come_back_and_where_the_limit_stands() {
    let mut scripted = Scripted::start(&json!({}), &json!({"remember": "0s"}));
    scripted.answers(&over_limit(30));
    let refused = scripted.mesh.get(&by("alice"));
    assert_eq!((refused.status, retry_after(&refused)), (429, Some(30)));
    assert_eq!(policies(&refused), [Policy { name: "global".to_owned(), quota: 100, window: Some(60) }]);
    assert_eq!(left(&refused), [Left { name: "global".to_owned(), remaining: 0, reset: Some(30) }]);
    // One that does not know when: no promise.
    scripted.answers(&response(Code::OverLimit));
    let refused = scripted.mesh.get(&by("alice"));
    assert_eq!((refused.status, retry_after(&refused)), (429, None));
    assert_eq!(scripted.outcome("refused"), 2);
    assert_eq!(scripted.mesh.upstream.count(), 0);
    scripted.mesh.assert_unharmed();
}

#[test]
fn a_refusal_is_remembered_until_its_end_and_for_its_own_client() {
    let mut scripted = Scripted::start(&json!({"cost": {"header": "x-cost", "default": 3, "max": 50}}), &json!({}));
    scripted.answers(&over_limit(3600));
    assert_eq!([(); 5].map(|()| scripted.mesh.status("alice")), [429; 5]);
    assert_eq!((scripted.asked().len(), scripted.outcome("remembered")), (1, 4));
    let remembered = scripted.mesh.get(&by("alice"));
    assert!((3500..=3600).contains(&retry_after(&remembered).unwrap()), "{remembered:?}");
    assert_eq!(left(&remembered)[0].remaining, 0);
    scripted.answers(&response(Code::Ok));
    assert_eq!([scripted.mesh.status("bob"), scripted.mesh.status("alice")], [200, 429]);
    // Fewer hits than were refused may fit.
    assert_eq!(scripted.mesh.get(&by("alice").header("x-cost", "2")).status, 200);
    assert_eq!(scripted.mesh.get(&by("alice").header("x-cost", "4")).status, 429);
    scripted.mesh.assert_unharmed();
}

#[test]
fn a_refusal_without_an_end_or_of_another_time_is_not_remembered() {
    for (rls, refusal) in [
        (json!({}), response(Code::OverLimit)),
        (json!({}), over_limit(0)),
        (json!({}), over_limit(-5)),
        (json!({"remember": "0s"}), over_limit(60)),
        // Of more or fewer descriptors than were asked for.
        (
            json!({}),
            RateLimitResponse { statuses: vec![status(Code::OverLimit, 1, 0, 60); 2], ..response(Code::OverLimit) },
        ),
    ] {
        let mut scripted = Scripted::start(&json!({}), &rls);
        scripted.answers(&refusal);
        assert_eq!([(); 3].map(|()| scripted.mesh.status("alice")), [429; 3]);
        assert_eq!(scripted.asked().len(), 3, "{refusal:?}");
        // In shadow mode a service says of a descriptor that it is over its limit, and admits the request.
        scripted.answers(&RateLimitResponse { overall_code: Code::Ok.into(), ..over_limit(60) });
        assert_eq!([(); 2].map(|()| scripted.mesh.status("carol")), [200; 2]);
        scripted.mesh.assert_unharmed();
    }
    let scripted = Scripted::start(&json!({}), &json!({}));
    scripted.answers(&over_limit(1));
    assert_eq!(scripted.mesh.status("alice"), 429);
    thread::sleep(Duration::from_millis(1100));
    scripted.answers(&response(Code::Ok));
    assert_eq!(scripted.mesh.status("alice"), 200);
}

/// Each answer that is none, under each failure mode.
#[test]
fn an_answer_that_is_none_is_decided_by_the_failure_mode() {
    let answers = [
        ("unknown", grpc::ok(response(Code::Unknown).encode_to_vec())),
        ("unknown", grpc::ok(b"")),
        ("unknown", grpc::ok(RateLimitResponse { overall_code: 77, ..Default::default() }.encode_to_vec())),
        ("malformed", grpc::ok(b"\xFF\xFF garbage")),
        ("malformed", grpc::ok([0x0A; 50])),
        ("malformed", grpc::ok(vec![b'x'; 300_000])),
        ("error", grpc::status(2, "redis is down")),
        ("error", grpc::status(14, "busy")),
        ("error", Answer::with_status(500).body("oops")),
        ("error", Answer::with_status(200).header("content-type", "text/html").body("<html>")),
        ("unreachable", grpc::ok("").reset(Reset::BeforeHeaders)),
        ("timeout", grpc::ok("").delay(Duration::from_secs(60))),
    ];
    for (mode, statuses) in [("deny", [503, 503]), ("allow", [200, 200]), ("local", [200, 429])] {
        let fields = if mode == "local" { json!({"key": [{"header": "x-user"}], "rate": "1/1d"}) } else { json!({}) };
        let mut scripted = Scripted::start(&fields, &json!({"failure_mode": mode, "timeout": "300ms"}));
        for (case, (outcome, answer)) in answers.iter().enumerate() {
            scripted.service.on(METHOD, answer.clone());
            let before = scripted.outcome(outcome);
            let user = format!("user-{case}");
            assert_eq!([(); 2].map(|()| scripted.mesh.status(&user)), statuses, "{mode}, {case}: {outcome}");
            assert_eq!(scripted.outcome(outcome) - before, 2, "{mode}, {case}: {outcome}");
        }
        scripted.answers(&response(Code::Ok));
        assert_eq!(scripted.mesh.status("user-0"), 200, "{mode}");
        scripted.mesh.assert_unharmed();
    }
}

/// Catches a service that is asked about what was refused already, and a local budget that a refused request takes.
#[test]
fn local_limits_come_first_and_get_back_what_the_service_refuses() {
    let mut configuration = limit(&json!({}), &json!({"remember": "0s"}));
    let local = json!({"name": "local", "key": [{"header": "x-user"}], "rate": "3/1d"});
    configuration["limits"].as_array_mut().unwrap().push(local);
    let mut scripted = Scripted::with(&configuration);
    scripted.answers(&response(Code::OverLimit));
    assert_eq!([(); 5].map(|()| scripted.mesh.status("alice")), [429; 5]);
    assert_eq!(scripted.asked().len(), 5);
    scripted.answers(&response(Code::Ok));
    assert_eq!([(); 4].map(|()| scripted.mesh.status("alice")), [200, 200, 200, 429]);
    assert_eq!(scripted.asked().len(), 8);
    scripted.mesh.assert_unharmed();
}

/// A client that goes away while the service thinks takes its question with it.
#[test]
fn a_client_that_goes_away_leaves_no_question_behind() {
    let mut scripted = Scripted::start(&json!({}), &json!({}));
    scripted.service.on(METHOD, grpc::ok("").delay(Duration::from_secs(60)));
    let mut connections = Vec::new();
    for _ in 0..10 {
        let mut connection = http1::Connection::open(scripted.mesh.addr()).unwrap();
        connection.send(&by("alice").to_http1()).unwrap();
        connections.push(connection);
    }
    scripted.service.wait_for(10, PATIENCE).unwrap();
    drop(connections);
    let deadline = Instant::now() + PATIENCE;
    while scripted.service.received().iter().filter(|call| call.cancelled).count() < 10 {
        assert!(Instant::now() < deadline);
        thread::sleep(Duration::from_millis(10));
    }
    scripted.answers(&response(Code::Ok));
    assert_eq!(scripted.mesh.status("alice"), 200);
    scripted.mesh.assert_unharmed();
}

/// Catches a place that nobody gives back, since its client went away before it was known whether it was needed.
#[test]
fn a_client_that_goes_away_while_the_service_thinks_gives_its_place_back() {
    let mut configuration = limit(&json!({}), &json!({}));
    let one = json!({"name": "one", "key": [{"header": "x-user"}], "concurrency": 1, "max_duration": "1h"});
    configuration["limits"].as_array_mut().unwrap().push(one);
    let mut scripted = Scripted::with(&configuration);
    scripted.service.on(METHOD, grpc::ok("").delay(Duration::from_secs(60)));
    let mut connection = http1::Connection::open(scripted.mesh.addr()).unwrap();
    connection.send(&by("alice").to_http1()).unwrap();
    scripted.service.wait_for(1, PATIENCE).unwrap();
    scripted.answers(&response(Code::Ok));
    assert_eq!(scripted.mesh.status("alice"), 429);
    drop(connection);
    let name = "http.ingress.downstream_rq_active";
    scripted.mesh.envoy.wait_for_stat(name, |active| active == 0, PATIENCE).unwrap();
    assert_eq!([(); 3].map(|()| scripted.mesh.status("alice")), [200; 3]);
    scripted.answers(&response(Code::OverLimit));
    assert_eq!(scripted.mesh.status("alice"), 429);
    scripted.answers(&response(Code::Ok));
    assert_eq!(scripted.mesh.status("alice"), 200);
    scripted.mesh.assert_unharmed();
}

/// Catches a body that goes upstream while the service still thinks about its request.
#[test]
fn nothing_goes_upstream_before_the_service_has_answered() {
    let mut scripted = Scripted::start(&json!({}), &json!({"remember": "0s"}));
    let slowly = |code| grpc::ok(response(code).encode_to_vec()).delay(Duration::from_millis(300));
    let requests = [
        Request::post("/", "a body").header("x-user", "alice"),
        Request::post("/", "").chunks(["in", "pieces"]).header("x-user", "alice"),
        Request::post("/", "").chunks(["with"]).trailer("x-trailer", "1").header("x-user", "alice"),
    ];
    for request in &requests {
        for exchange in [http1::exchange, http2::exchange] {
            scripted.service.on(METHOD, slowly(Code::OverLimit));
            assert_eq!(exchange(scripted.mesh.addr(), request).unwrap().status, 429);
            assert_eq!(scripted.mesh.upstream.count(), 0);
            scripted.service.on(METHOD, slowly(Code::Ok));
            let echo = exchange(scripted.mesh.addr(), request).unwrap().echo().unwrap();
            assert_eq!(echo.body.length, request.chunks.iter().map(Vec::len).sum::<usize>());
            scripted.mesh.upstream.forget();
        }
    }
    scripted.mesh.assert_unharmed();
}

/// Limitador's own answers, with its counters in Redis; two Envoys share them.
#[test]
fn two_envoys_share_one_limit_in_limitador_on_redis() {
    let limits = json!([{
        "namespace": "shop", "max_value": 10, "seconds": 86_400, "conditions": [], "variables": ["user"],
    }]);
    let limitador = Limitador::start(&limits);
    let mut meshes =
        [(); 2].map(|()| Setup::new(&limit(&json!({}), &json!({}))).workers(2).rls(limitador.addr()).start());
    let mut admitted = 0;
    for round in 0..20 {
        let answer = meshes[round % 2].get(&by("alice"));
        admitted += usize::from(answer.status == 200);
        assert!([200, 429].contains(&answer.status), "{}", answer.status);
        let remaining = answer.headers.text("x-ratelimit-remaining").unwrap();
        assert_eq!(remaining.parse::<usize>().unwrap(), 10 - admitted, "round {round}");
    }
    assert_eq!(admitted, 10);
    assert_eq!(meshes[1].status("bob"), 200);
    for mesh in &mut meshes {
        mesh.assert_unharmed();
    }
}
