//! Memory: nothing of a stream outlives it, however it ends.

use crate::SHELL;
use crate::mesh::Mesh;
use palisade_testbed::{Answer, Request, grpc, http1, http2};
use std::time::Duration;

const STREAMS: usize = 50;

/// The VM's memory, in pages of 64 KiB.
fn pages(mesh: &Mesh) -> usize {
    http1::exchange(mesh.addr(), &Request::get("/memory")).unwrap().text().parse().unwrap()
}

/// Many streams at once: those that wait for a callout or a timer lose their client, the others come to their end.
/// The two never overlap, so that each round needs as much memory at its height.
fn round(mesh: &Mesh) {
    let called = mesh.callouts.count();
    let mut connection = http2::Connection::open(mesh.addr()).unwrap();
    let mut open = |path| connection.open_stream(&Request::get(path), true).unwrap();
    let cancelled: Vec<_> = (0..STREAMS)
        .flat_map(|_| ["/cancel/call?/late", "/cancel/grpc?Late", "/cancel/sleep"])
        .map(&mut open)
        .collect();
    let active = |count| {
        let name = "http.ingress.downstream_rq_active";
        mesh.envoy.wait_for_stat(name, |active| active == count, Duration::from_secs(10)).unwrap();
    };
    active(3 * STREAMS as u64);
    mesh.callouts.wait_for(called + 2 * STREAMS, Duration::from_secs(10)).unwrap();
    for mut stream in cancelled {
        stream.reset(h2::Reason::CANCEL);
    }
    active(0);
    // In a module of the crate `proxy-wasm` calls go on to their ends.
    if SHELL != "proxy-wasm" {
        let name = "cluster.h2.upstream_rq_active";
        mesh.envoy.wait_for_stat(name, |calls| calls == 0, Duration::from_secs(5)).unwrap();
    }
    for path in ["/cancel/call?/soon", "/cancel/grpc?Soon", "/body/whole", "/"] {
        let finished: Vec<_> = (0..STREAMS / 2).map(|_| open(path)).collect();
        for stream in finished {
            stream.response().unwrap();
        }
    }
}

/// Catches a callout, a timer, a waker or a task that stays behind: each stream holds 16 KiB while it waits.
#[test]
fn a_thousand_cancelled_waits_leave_no_memory_behind() {
    let mesh = Mesh::start(false).unwrap();
    mesh.callouts.on("/late", Answer::with_status(200).delay(Duration::from_millis(300)));
    mesh.callouts.on("/soon", Answer::with_status(200));
    mesh.callouts.on("/probe.Probe/Late", grpc::ok("").delay(Duration::from_secs(60)));
    mesh.callouts.on("/probe.Probe/Soon", grpc::ok(""));
    // Once, what is free may not lie where it is needed; a leak needs more each time.
    let mut seen = Vec::new();
    let is_settled = (0..2).any(|_| {
        round(&mesh);
        let warm = pages(&mesh);
        (0..7).for_each(|_| round(&mesh));
        seen.push((warm, pages(&mesh)));
        pages(&mesh) == warm
    });
    assert!(is_settled, "{seen:?}");
}
