//! Many requests over few kept connections, for tests of rates.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use anyhow::{Result, anyhow, ensure};

use crate::http1::Connection;
use crate::message::{Request, Response};

/// The progress of a load, and a way to end it.
#[derive(Debug, Default)]
pub struct Watch {
    /// How many requests were answered.
    pub done: AtomicUsize,
    /// Whether the load is to end; it fails then, unless all was done.
    pub stop: AtomicBool,
}

/// Sends `count` requests over `connections` HTTP/1.1 connections and gives the responses in the order of the
/// requests; `request` makes the request of each place. The first failure ends it all.
pub fn run(
    addr: SocketAddr,
    connections: usize,
    count: usize,
    request: impl Fn(usize) -> Request + Sync,
) -> Result<Vec<Response>> {
    run_watched(addr, connections, count, request, &Watch::default())
}

/// As [`run`], and watched while it works.
pub fn run_watched(
    addr: SocketAddr,
    connections: usize,
    count: usize,
    request: impl Fn(usize) -> Request + Sync,
    watch: &Watch,
) -> Result<Vec<Response>> {
    let connections = connections.clamp(1, count.max(1));
    let failed = AtomicBool::new(false);
    let share = |first: usize| {
        let places = (first..count).step_by(connections);
        let share = send(addr, places, &request, &failed, watch);
        failed.fetch_or(share.is_err(), Ordering::Relaxed);
        share
    };
    let share = &share;
    let shares: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..connections).map(|first| scope.spawn(move || share(first))).collect();
        workers.into_iter().map(|worker| worker.join().map_err(|_| anyhow!("a worker of the load panicked"))).collect()
    });
    let mut responses = Vec::with_capacity(count);
    for share in shares {
        responses.extend(share??);
    }
    responses.sort_by_key(|(place, _)| *place);
    Ok(responses.into_iter().map(|(_, response)| response).collect())
}

fn send(
    addr: SocketAddr,
    places: impl Iterator<Item = usize>,
    request: impl Fn(usize) -> Request,
    failed: &AtomicBool,
    watch: &Watch,
) -> Result<Vec<(usize, Response)>> {
    let mut connection = Connection::open(addr)?;
    let mut responses = Vec::new();
    for place in places {
        if failed.load(Ordering::Relaxed) {
            break;
        }
        ensure!(!watch.stop.load(Ordering::Relaxed), "stopped after {} requests", watch.done.load(Ordering::Relaxed));
        let response = connection.exchange(&request(place))?;
        if response.headers.get("connection").is_some_and(|value| value.eq_ignore_ascii_case(b"close")) {
            connection = Connection::open(addr)?;
        }
        responses.push((place, response));
        watch.done.fetch_add(1, Ordering::Relaxed);
    }
    Ok(responses)
}
