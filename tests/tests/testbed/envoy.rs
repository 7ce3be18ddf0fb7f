//! Starting, changing and stopping Envoy.

use std::net::TcpStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use palisade_testbed::envoy::Update;
use palisade_testbed::{Envoy, Request, Upstream, http1, load};
use serde_json::json;

use crate::proxy;

#[test]
fn envoy_proxies_to_the_upstream() {
    let upstream = Upstream::start().unwrap();
    let envoy = proxy(&upstream).start().unwrap();
    let request = Request::post("/a?b=c", "abc").header("x-a", "1").header("x-b", b"\xe9").header("x-a", "2");
    let echo = http1::exchange(envoy.addr("ingress").unwrap(), &request).unwrap().echo().unwrap();
    assert_eq!((echo.method.as_str(), echo.path.as_str(), echo.body.length), ("POST", "/a?b=c", 3));
    assert_eq!((echo.header("x-a"), echo.header("x-b")), (vec!["1", "2"], vec!["\u{e9}"]));
    assert_eq!(envoy.stat("http.ingress.downstream_rq_2xx").unwrap(), 1);
    assert!(envoy.config_dump().unwrap().to_string().contains("upstream_http2"));
    assert!(envoy.addr("egress").unwrap_err().to_string().contains("ingress"));
}

#[test]
fn nothing_is_left_behind() {
    let upstream = Upstream::start().unwrap();
    let envoy = proxy(&upstream).start().unwrap();
    let addresses = [envoy.addr("ingress").unwrap(), envoy.admin_addr(), upstream.addr()];
    let (process, folder) = (format!("/proc/{}", envoy.pid()), envoy.folder().to_path_buf());
    http1::exchange(addresses[0], &Request::get("/")).unwrap();
    drop((envoy, upstream));
    for address in addresses {
        assert!(TcpStream::connect(address).is_err(), "something still listens on {address}");
    }
    assert!(!Path::new(&process).exists() && !folder.exists());
}

#[test]
fn a_panic_stops_envoy_and_keeps_its_log() {
    let started = AssertUnwindSafe(std::sync::Mutex::new(None));
    let panicked = catch_unwind(|| {
        let upstream = Upstream::start().unwrap();
        let envoy = proxy(&upstream).start().unwrap();
        *started.lock().unwrap() = Some((format!("/proc/{}", envoy.pid()), envoy.folder().to_path_buf()));
        panic!("a test fails");
    });
    assert!(panicked.is_err());
    let (process, folder) = started.0.into_inner().unwrap().unwrap();
    assert!(!Path::new(&process).exists());
    assert!(folder.join("envoy.log").exists());
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn an_envoy_outlives_the_thread_that_started_it() {
    let upstream = Upstream::start().unwrap();
    let mut envoy = thread::scope(|scope| scope.spawn(|| proxy(&upstream).start()).join()).unwrap().unwrap();
    thread::sleep(Duration::from_millis(200));
    assert!(envoy.is_running());
}

#[test]
fn a_refused_bootstrap_is_an_error_with_envoys_words() {
    let broken = Envoy::from_value(json!({"static_resources": {"listeners": [{"name": "ingress", "colour": "red"}]}}));
    let error = format!("{:#}", broken.start().unwrap_err());
    assert!(error.contains("colour"), "{error}");
}

#[test]
fn a_listener_changes_under_load_without_a_failed_request() {
    let upstream = Upstream::start().unwrap();
    let mut envoy = proxy(&upstream).dynamic_listeners().start().unwrap();
    let ingress = envoy.addr("ingress").unwrap();
    let (watch, stop) = (load::Watch::default(), AtomicBool::new(false));
    let set_header = |value: &'static str| {
        move |listener: &mut serde_json::Value| {
            listener["filter_chains"][0]["filters"][0]["typed_config"]["route_config"]["request_headers_to_add"] =
                json!([{"header": {"key": "x-config", "value": value}}]);
            Ok(())
        }
    };
    let seen = || {
        let response = http1::exchange(ingress, &Request::get("/seen")).unwrap().echo().unwrap();
        response.header("x-config").first().map(ToString::to_string)
    };
    thread::scope(|scope| {
        let _stopped_at_the_end = SetOnDrop(&stop);
        let load = scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let responses = load::run_watched(ingress, 4, 400, |_| Request::get("/load"), &watch).unwrap();
                assert!(responses.iter().all(|response| response.status == 200));
            }
        });
        for round in 0..5 {
            for value in ["one", "two"] {
                assert_eq!(envoy.update_listener("ingress", set_header(value)).unwrap(), Update::Accepted);
                for _ in 0..4 {
                    assert_eq!(seen().as_deref(), Some(value), "round {round}");
                }
            }
        }
        for (field, value) in [("colour", json!("red")), ("http_filters", json!([{"name": "colour"}]))] {
            let refused = envoy.update_listener("ingress", |listener| {
                listener["filter_chains"][0]["filters"][0]["typed_config"][field] = value;
                Ok(())
            });
            let refused = refused.unwrap();
            assert!(matches!(&refused, Update::Rejected(reason) if reason.contains("colour")), "{refused:?}");
        }
        assert_eq!(seen().as_deref(), Some("two"));
        assert_eq!(envoy.update_listener("ingress", set_header("three")).unwrap(), Update::Accepted);
        assert_eq!(seen().as_deref(), Some("three"));
        stop.store(true, Ordering::Relaxed);
        load.join().unwrap();
    });
    assert!(watch.done.load(Ordering::Relaxed) > 0);
}

/// Ends the load after a failed assertion too.
struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
