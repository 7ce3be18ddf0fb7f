//! `--watch`: files that change while requests come.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use palisade_testbed::client::VERSIONS;
use palisade_testbed::{Request, http1};

use crate::setup::{Proxy, guest};

const PATIENCE: Duration = Duration::from_secs(30);
const SWAPS: usize = 50;

/// A module that says in a response which it is.
fn version(number: usize) -> Vec<u8> {
    let number = format!("{number:02}");
    guest(&format!(
        r#"(data (i32.const 256) "x-version{number}")
        (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
          (drop (call $add (i32.const 2) (i32.const 256) (i32.const 9) (i32.const 265) (i32.const 2))) (i32.const 0))"#
    ))
}

#[test]
fn no_request_fails_while_the_module_is_swapped_fifty_times() {
    let proxy = Proxy::start(&version(0), &["--watch", "--workers", "2"]);
    let (stop, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        let load = |version: palisade_testbed::client::Version| {
            while !stop.load(Ordering::Relaxed) {
                let response =
                    version.exchange(proxy.addr(), &Request::new("POST", "/").chunks(["abc", "def"])).unwrap();
                assert_eq!((response.status, response.headers.get("x-version").is_some()), (200, true));
                answered.fetch_add(1, Ordering::Relaxed);
            }
        };
        let clients = VERSIONS.map(|version| scope.spawn(move || load(version)));
        for swap in 1..=SWAPS {
            proxy.replace_module(&self::version(swap));
            wait_for(&proxy, swap);
        }
        stop.store(true, Ordering::Relaxed);
        clients.into_iter().for_each(|client| client.join().unwrap());
    });
    assert!(answered.load(Ordering::Relaxed) > SWAPS);
}

#[test]
fn a_file_that_is_no_module_leaves_what_was_in_effect() {
    let proxy = Proxy::start(&version(1), &["--watch"]);
    proxy.replace_module(b"half a mod");
    thread::sleep(Duration::from_millis(200));
    assert_eq!(shown(&proxy).as_deref(), Some("01"));
    proxy.replace_module(&version(2));
    wait_for(&proxy, 2);
}

fn shown(proxy: &Proxy) -> Option<String> {
    let response = http1::exchange(proxy.addr(), &Request::get("/")).unwrap();
    response.headers.get("x-version").map(|version| String::from_utf8_lossy(version).into_owned())
}

/// Waits until each of several answers in a row comes from this version, on whatever worker.
fn wait_for(proxy: &Proxy, version: usize) {
    let (began, version) = (Instant::now(), format!("{version:02}"));
    while !(0..4).all(|_| shown(proxy).as_deref() == Some(&version)) {
        assert!(began.elapsed() < PATIENCE, "{version} does not come into effect");
        thread::sleep(Duration::from_millis(5));
    }
}
