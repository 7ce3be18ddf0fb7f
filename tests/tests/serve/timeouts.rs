//! The timeout of a route, on Envoy and on the proxy.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use palisade_testbed::client::VERSIONS;
use palisade_testbed::envoy::bootstrap::{manager, single};
use palisade_testbed::http1::TIMEOUT;
use palisade_testbed::{Answer, Envoy, Request, Upstream};
use serde_json::json;

use crate::setup::{Proxy, guest};

/// What no route waits for.
const NEVER: Duration = Duration::from_secs(60);

/// Envoy and the proxy before one upstream, whose answers may take that long.
struct Hosts {
    envoy: Envoy,
    proxy: Proxy,
}

impl Hosts {
    fn start(timeout: Duration) -> Self {
        let milliseconds = timeout.as_millis().to_string();
        let proxy = Proxy::start(&guest(""), &["--route-timeout", &milliseconds]);
        let mut manager = manager("ingress", []);
        let route = &mut manager["route_config"]["virtual_hosts"][0]["routes"][0]["route"];
        route["timeout"] = json!(format!("{}s", timeout.as_secs_f64()));
        let envoy = Envoy::from_value(single(&manager)).cluster("upstream", proxy.upstream.addr()).unwrap();
        Self { envoy: envoy.concurrency(1).start().unwrap(), proxy }
    }

    fn upstream(&self) -> &Upstream {
        &self.proxy.upstream
    }

    fn addresses(&self) -> [SocketAddr; 2] {
        [self.envoy.addr("ingress").unwrap(), self.proxy.addr()]
    }
}

#[test]
fn a_response_that_takes_longer_than_its_route_may_is_504_and_one_that_has_begun_is_broken_off() {
    let hosts = Hosts::start(Duration::from_millis(300));
    hosts.upstream().on("/late", Answer::default().delay(NEVER));
    hosts.upstream().on("/stalled", Answer::default().body("ab").chunks(1, NEVER));
    for version in VERSIONS {
        for address in hosts.addresses() {
            let late = version.exchange(address, &Request::get("/late")).unwrap();
            assert_eq!((late.status, late.text().as_str()), (504, "upstream request timeout"), "{version}");
            let begun = Instant::now();
            assert!(version.exchange(address, &Request::get("/stalled")).is_err(), "{version}");
            assert!(begun.elapsed() < TIMEOUT, "{version}: the client broke it off");
        }
    }
    for request in hosts.upstream().received() {
        assert_eq!(request.headers.text("x-envoy-expected-rq-timeout-ms").as_deref(), Some("300"));
    }
}

/// Catches a slow client whose time is taken for its upstream's.
#[test]
fn the_time_begins_once_the_request_is_there() {
    let timeout = Duration::from_secs(2);
    let hosts = Hosts::start(timeout);
    for version in VERSIONS {
        let uploads = hosts.addresses().map(|address| version.upload(address, Request::new("POST", "/")).unwrap());
        thread::sleep(timeout + Duration::from_millis(500));
        for mut upload in uploads {
            upload.piece("late").unwrap();
            upload.end().unwrap();
            assert_eq!(upload.response().unwrap().status, 200, "{version}");
        }
    }
}

#[test]
fn a_route_without_a_timeout_says_none_to_its_upstream() {
    let hosts = Hosts::start(Duration::ZERO);
    hosts.upstream().on("/", Answer::default().delay(Duration::from_millis(100)));
    for address in hosts.addresses() {
        assert_eq!(VERSIONS[0].exchange(address, &Request::get("/")).unwrap().status, 200);
    }
    for request in hosts.upstream().received() {
        assert_eq!(request.headers.get("x-envoy-expected-rq-timeout-ms"), None);
    }
}
