//! A body that is longer than all memory it may take.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::{fs, thread};

use anyhow::{Context, Result};
use palisade_testbed::http1::Connection;
use palisade_testbed::{Envoy, ModuleServer, Request, checkout, effort};
use serde_json::{Value, json};

use crate::mesh::envoy;

const MIB: usize = 1 << 20;

const LINE: &str =
    "to a.b@example.com with 4111 1111 1111 1111, and words without anything in them, until the line ends here\n";

const MASKED: &str =
    "to [mail] with ***************1111, and words without anything in them, until the line ends here\n";

/// How long the body is, in MiB: 1 GiB with `PALISADE_LONG=1`.
fn length() -> usize {
    if effort::is_long() { 1024 } else { 64 }
}

/// An upstream that answers one request with so many lines, in pieces that end anywhere.
fn upstream(lines: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let request = BufReader::new(stream.try_clone().unwrap());
        request.lines().take_while(|line| !line.as_ref().unwrap().is_empty()).for_each(drop);
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n").unwrap();
        // No multiple of a line.
        const PIECE: usize = 50_021;
        let text = LINE.repeat(2 * PIECE / LINE.len() + 2);
        let mut left = lines * LINE.len();
        let mut at = 0;
        while left > 0 {
            let size = left.min(PIECE);
            let piece = &text.as_bytes()[at..at + size];
            let chunk = [format!("{size:x}\r\n").as_bytes(), piece, b"\r\n"].concat();
            stream.write_all(&chunk).unwrap();
            left -= size;
            at = (at + size) % LINE.len();
        }
        stream.write_all(b"0\r\n\r\n").unwrap();
    });
    addr
}

/// A long body takes longer than Envoy waits for one without a word about it.
fn without_timeout(bootstrap: &mut Value) -> Result<()> {
    let manager = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";
    let route = bootstrap.pointer_mut(&format!("{manager}/route_config/virtual_hosts/0/routes/0/route"));
    route.context("the bootstrap has no route")?["timeout"] = json!("0s");
    Ok(())
}

/// How much memory Envoy has, in bytes.
fn memory(envoy: &Envoy) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", envoy.pid())).unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    resident.trim().strip_suffix(" kB").unwrap().parse::<usize>().unwrap() * 1024
}

#[test]
fn a_body_without_end_takes_no_more_memory_than_its_first_part() {
    let configuration = json!({"rules": [{"detectors": [
        {"type": "credit_card", "action": {"mask": {"keep_last": 4}}},
        {"type": "email", "action": {"replace": "[mail]"}},
    ]}]});
    let lines = length() * MIB / LINE.len();
    let modules = ModuleServer::start(checkout::root().unwrap().join("dist/modules")).unwrap();
    let envoy = envoy(&configuration, &modules, upstream(lines), without_timeout).unwrap();
    let before = memory(&envoy);
    let mut connection = Connection::open(envoy.addr("ingress").unwrap()).unwrap();
    connection.send(&Request::get("/x").to_http1()).unwrap();
    assert_eq!(connection.response_head().unwrap().0, 200);

    let expected = MASKED.repeat(MIB / MASKED.len());
    let (mut read, mut first, mut most) = (0, 0, 0);
    while let Some(data) = connection.response_data().unwrap() {
        for part in data.chunks(MASKED.len()) {
            let at = read % MASKED.len();
            assert!(expected.as_bytes()[at..].starts_with(part), "something else at {read}");
            if (read + part.len()) / MIB > read / MIB {
                let now = memory(&envoy);
                most = most.max(now);
                first = if read < 16 * MIB { most } else { first };
            }
            read += part.len();
        }
    }
    assert_eq!(read, lines * MASKED.len());
    // Envoy's own buffers are in it.
    assert!(most - before < 16 * MIB, "{} KiB more than before", (most - before) / 1024);
    println!(
        "{} MiB: {} KiB more than before, {} KiB more than after 16 MiB",
        length(),
        (most - before) / 1024,
        (most - first) / 1024
    );
    assert!(most - first < 2 * MIB, "{} KiB more than after 16 MiB", (most - first) / 1024);
}
