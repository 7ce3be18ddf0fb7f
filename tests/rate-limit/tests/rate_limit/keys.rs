//! Keys that clients choose: many, long, and made to be mistaken for others.

use std::net::SocketAddr;
use std::{fs, thread};

use palisade_testbed::{Request, effort, http1, http2};
use serde_json::{Value, json};

use crate::mesh::{Mesh, Setup, by};

/// How many keys come between: a million with `PALISADE_LONG=1`.
fn crowd() -> usize {
    if effort::is_long() { 1_000_000 } else { 60_000 }
}

const CONNECTIONS: usize = 4;
const STREAMS: usize = 50;

/// One request of each of so many users, by HTTP/2, many at once. Gives how many were admitted.
fn send(addr: SocketAddr, users: std::ops::Range<usize>) -> usize {
    let share = |first: usize| {
        let mut connection = http2::Connection::open(addr).unwrap();
        let users: Vec<_> = users.clone().skip(first).step_by(CONNECTIONS).collect();
        let mut admitted = 0;
        for users in users.chunks(STREAMS) {
            let open = |user: &usize| connection.open_stream(&by(&format!("user-{user}")), true).unwrap();
            let streams: Vec<_> = users.iter().map(open).collect();
            let statuses = streams.into_iter().map(|stream| stream.response().unwrap().status);
            admitted += statuses.filter(|status| *status == 200).count();
        }
        admitted
    };
    let share = &share;
    thread::scope(|scope| {
        let shares: Vec<_> = (0..CONNECTIONS).map(|first| scope.spawn(move || share(first))).collect();
        shares.into_iter().map(|share| share.join().unwrap()).sum()
    })
}

fn limit(on_full: &str) -> Value {
    json!({
        "storage": {"shards": 64, "slots_per_shard": 32, "on_full": on_full},
        "limits": [{"name": "per-user", "key": [{"header": "x-user"}], "rate": "2/1d"}],
    })
}

/// Catches a budget that comes back because others came.
#[test]
fn who_is_refused_stays_refused_whoever_comes_between_and_no_memory_grows() {
    let mut mesh = Setup::new(&limit("shard_bucket")).workers(2).start();
    assert_eq!([200, 200, 429], [(); 3].map(|()| mesh.status("alice")));
    // What Envoy needs for as many connections and streams is there before it is measured.
    send(mesh.addr(), 0..10_000);
    let (wasm, resident) = (linear_memory(mesh.envoy.pid()), resident(mesh.envoy.pid()));
    let admitted = send(mesh.addr(), 10_000..crowd());
    assert_eq!(mesh.status("alice"), 429);
    assert_eq!(linear_memory(mesh.envoy.pid()), wasm);
    let grown = self::resident(mesh.envoy.pid()).saturating_sub(resident);
    assert!(grown < 5 << 20, "{} KiB", grown >> 10);
    // 64 shards of 32 places hold so many; each full shard lets two more pass.
    assert!(admitted < 64 * 2, "{admitted} of those for whom there was no place");
    assert!(mesh.counters("table_full") > 0);
    mesh.assert_unharmed();
}

#[test]
fn without_a_place_on_full_decides() {
    for (on_full, status) in [("deny", 429), ("allow", 200)] {
        let mut mesh = Setup::new(&limit(on_full)).workers(2).start();
        assert_eq!([200, 200, 429], [(); 3].map(|()| mesh.status("alice")));
        send(mesh.addr(), 0..10_000);
        assert_eq!(mesh.status("alice"), 429, "{on_full}");
        assert_eq!([(); 3].map(|()| mesh.status("late")), [status; 3], "{on_full}");
        mesh.assert_unharmed();
    }
}

/// Catches a key whose end does not count, and one that costs memory.
#[test]
fn a_key_of_a_mebibyte_is_a_key_like_any_other() {
    let configuration = json!({"limits": [{"name": "per-path", "key": [{"query": "q"}], "rate": "1/1d"}]});
    let mut mesh = Setup::new(&configuration).workers(2).wide().start();
    let [long, longer] = ["a", "b"].map(|end| Request::get(&format!("/?q={}{end}", "x".repeat(1 << 20))));
    let mut connection = http1::Connection::open(mesh.addr()).unwrap();
    assert_eq!(
        [&long, &long, &longer, &longer].map(|request| connection.exchange(request).unwrap().status),
        [200, 429, 200, 429]
    );
    mesh.assert_unharmed();
}

/// Catches parts that are joined so that two keys are one.
#[test]
fn parts_cannot_be_shifted_into_each_other() {
    let key = json!([{"header": "x-a"}, {"header": "x-b"}]);
    let mut mesh = Mesh::with(&json!({"limits": [{"name": "pair", "key": key, "rate": "1/1d"}]}));
    for (a, b) in [("a|b", "c"), ("a", "b|c"), ("a|b|c", ""), ("", "a|b|c"), ("ab", "c"), ("a", "bc")] {
        let request = Request::get("/").header("x-a", a).header("x-b", b);
        assert_eq!([(); 2].map(|()| mesh.get(&request).status), [200, 429], "{a:?}, {b:?}");
    }
    mesh.assert_unharmed();
}

/// The resident memory of a process, in bytes.
fn resident(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() << 10
}

/// The linear memory of all modules of a process, in bytes: what can be written at the start of an address range of
/// gigabytes, of which V8 keeps the rest from being touched.
fn linear_memory(pid: u32) -> u64 {
    const RESERVED: u64 = 2 << 30;
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let mut total = 0;
    let mut before = None;
    for line in maps.lines() {
        let mut fields = line.split_whitespace();
        let (range, access) = (fields.next().unwrap(), fields.next().unwrap());
        let (start, end) = range.split_once('-').unwrap();
        let [start, end] = [start, end].map(|address| u64::from_str_radix(address, 16).unwrap());
        if access == "---p" && end - start >= RESERVED {
            total += before.filter(|(_, end)| *end == start).map_or(0, |(length, _)| length);
        }
        before = access.starts_with("rw-").then_some((end - start, end));
    }
    assert!(total > 0, "no linear memory is found in\n{maps}");
    total
}
