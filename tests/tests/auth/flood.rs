//! Floods of unknown passwords: a worker hashes no more of them than its budget allows, and who is known passes meanwhile.
//!
//! Nothing is compared with the speed of the machine but what a slow machine makes easier: a budget for a second is compared
//! with all the seconds that have passed, and a slower hash is followed by a longer pause.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use palisade_testbed::http1::Connection;
use palisade_testbed::{Request, Response};
use serde_json::{Value, json};

use crate::mesh::Mesh;

const WORKERS: u64 = 2;
const PER_SECOND: u64 = 5;

/// The flood: so many unknown credentials a second, for so long, over so many connections.
const FLOOD: u64 = 200;
const SECONDS: u64 = 20;
const CONNECTIONS: u64 = 40;

/// Of "good", with a cost of 8: some 20 ms in a module.
const ALICE: &str = "alice:$2b$08$abcdefghijklmnopqrstuud7cx1vPCNVSuMlWDzJgc5nY0iiBhDJC";
/// Of "good", with a cost of 10: some 90 ms.
const CAROL: &str = "carol:$2b$10$abcdefghijklmnopqrstuugtFn60tvZgY5pE0P5EhuBMNhtsy82cy";

#[test]
fn a_flood_of_unknown_passwords_stays_within_its_budget_and_a_known_user_passes() {
    let mesh = start(WORKERS as usize, json!({"max_hashes_per_second": PER_SECOND}), ALICE);
    let mut known: Vec<_> = (0..4).map(|_| mesh.connection()).collect();
    let started = Instant::now();
    for connection in &mut known {
        log_in(connection, &basic("alice", "good"));
    }
    let (flooding, unknown, throttled) = (AtomicBool::new(true), AtomicU64::new(0), AtomicU64::new(0));
    let passed = thread::scope(|scope| {
        let alice = scope.spawn(|| {
            let mut passed = 0;
            while flooding.load(Ordering::Relaxed) {
                for connection in &mut known {
                    let response = connection.exchange(&request(&basic("alice", "good"))).unwrap();
                    assert_eq!(response.status, 200, "a known user is refused: {}", response.text());
                    passed += 1;
                }
                thread::sleep(Duration::from_millis(10));
            }
            passed
        });
        let _ends = Ends(&flooding);
        thread::scope(|scope| {
            for place in 0..CONNECTIONS {
                let (mesh, unknown, throttled) = (&mesh, &unknown, &throttled);
                scope.spawn(move || {
                    flood(mesh, place, |response| match response.status {
                        401 => drop(unknown.fetch_add(1, Ordering::Relaxed)),
                        429 => {
                            assert!(response.headers.text("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
                            throttled.fetch_add(1, Ordering::Relaxed);
                        }
                        status => panic!("{status}: {}", response.text()),
                    });
                });
            }
        });
        flooding.store(false, Ordering::Relaxed);
        alice.join().unwrap()
    });
    let seconds = started.elapsed().as_secs() + 1;

    let (unknown, throttled) = (unknown.into_inner(), throttled.into_inner());
    assert_eq!(unknown + throttled, FLOOD * SECONDS);
    assert!(passed > 0);
    let count = |verdict: &str| mesh.counter(&format!("basic_credentials;verdict={verdict}"));
    let hashed = count("wrong_hashed") + count("good_hashed");
    // In no second more than the budget, so that all seconds together, and the one that has begun, have no more either.
    assert!(hashed <= PER_SECOND * WORKERS * seconds, "{hashed} hashes in {seconds} s");
    assert!(count("wrong_hashed") > 0);
    assert_eq!((count("wrong_hashed"), count("throttled") >= throttled), (unknown, true));
}

#[test]
fn of_passwords_that_come_at_once_one_is_hashed_and_the_others_wait_for_its_share_of_the_time() {
    // At one percent, a hash of 30 ms, which is the least that this one takes anywhere, is followed by 3 s without one.
    let mesh = start(1, json!({"max_hashes_per_second": 1000, "max_hash_share": "1%"}), CAROL);
    let mut connections: Vec<_> = (0..50).map(|_| mesh.connection()).collect();
    let started = Instant::now();
    for (place, connection) in connections.iter_mut().enumerate() {
        connection.send(&request(&basic("carol", &format!("unknown-{place}"))).to_http1()).unwrap();
    }
    let answers: Vec<_> = connections.iter_mut().map(|connection| connection.response().unwrap().status).collect();
    let most = 1 + started.elapsed().as_secs() / 3;
    let hashed = answers.iter().filter(|status| **status == 401).count() as u64;
    assert!((1..=most).contains(&hashed), "{hashed} of at most {most}");
    assert!(answers.iter().all(|status| matches!(status, 401 | 429)), "{answers:?}");
    assert_eq!(mesh.counter("basic_credentials;verdict=wrong_hashed"), hashed);
}

#[test]
fn who_repeats_a_wrong_password_costs_no_further_hash() {
    let mesh = start(1, json!({}), ALICE);
    let mut connection = mesh.connection();
    for _ in 0..30 {
        let response = connection.exchange(&request(&basic("alice", "wrong"))).unwrap();
        assert_eq!(response.status, 401);
    }
    assert_eq!(mesh.counter("basic_credentials;verdict=wrong_hashed"), 1);
    assert_eq!(mesh.counter("basic_credentials;verdict=wrong_cached"), 29);
}

/// Ends the known user's requests, also when the flood fails.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

fn start(workers: usize, fields: Value, users: &str) -> Mesh {
    let mut basic = json!({"users": {"htpasswd": {"inline": users}}});
    basic.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let configuration = json!({"basic": basic, "default": {"require": {"basic": {}}}});
    Mesh::start(|builder| builder.concurrency(workers).plugin_configuration(crate::mesh::PLUGIN, &configuration))
        .unwrap()
}

/// Sends a connection's share of the flood, each request when its time has come, however long the one before took.
fn flood(mesh: &Mesh, place: u64, check: impl Fn(&Response)) {
    let mut connection = mesh.connection();
    let started = Instant::now();
    for number in (place..FLOOD * SECONDS).step_by(CONNECTIONS as usize) {
        thread::sleep(Duration::from_millis(number * 1_000 / FLOOD).saturating_sub(started.elapsed()));
        check(&connection.exchange(&request(&basic(&format!("user-{number}"), "unknown"))).unwrap());
    }
}

/// Repeats a request until its credential was hashed by the connection's worker.
fn log_in(connection: &mut Connection, authorization: &str) {
    let started = Instant::now();
    while connection.exchange(&request(authorization)).unwrap().status != 200 {
        assert!(started.elapsed() < Duration::from_secs(30), "a good password is not taken");
        thread::sleep(Duration::from_millis(50));
    }
}

fn request(authorization: &str) -> Request {
    Request::get("/").header("authorization", authorization)
}

fn basic(user: &str, password: &str) -> String {
    use base64ct::{Base64, Encoding};

    format!("Basic {}", Base64::encode_string(format!("{user}:{password}").as_bytes()))
}
