#![allow(clippy::arithmetic_side_effects, reason = "a test may fail by overflow")]

use std::cell::Cell;

use palisade_sdk::config;
use proptest::prelude::*;

use super::*;
use crate::fake::{Memory, Request};

mod amounts;
mod leases;
mod model;
mod refusals;
mod requests;
mod settling;
mod time;

const SECOND: u64 = 1_000_000_000;
const START: u64 = 1_700_000_000 * SECOND;

/// Workers of one process.
struct Process {
    workers: Vec<Limiter>,
    memory: Memory,
}

impl Process {
    fn new(limits: &str) -> Self {
        Self::of(&format!(r#"{{"limits": [{limits}]}}"#), 1)
    }

    fn of(json: &str, workers: usize) -> Self {
        Self::seeded(json, workers, 7)
    }

    fn seeded(json: &str, workers: usize, seed: u8) -> Self {
        let worker = |_| {
            let config = config::parse(json.as_bytes()).unwrap_or_else(|errors| panic!("{json}\n{errors}"));
            Limiter::new(config, Seed::from_bytes(&[seed; 16]).unwrap())
        };
        let memory = Memory::default();
        memory.now.set(START);
        Self { workers: (0..workers).map(worker).collect(), memory }
    }

    fn rule<'s>(&'s self, worker: usize, request: &Request) -> Ruling<'s> {
        let limiter = &self.workers[worker];
        let view = RequestView::new(request, &limiter.config().client_ip);
        limiter.decide(&view, &self.memory).unwrap()
    }

    fn admits(&self, request: &Request) -> bool {
        !self.rule(0, request).is_refused()
    }

    fn wait(&self, seconds: u64) {
        self.memory.now.set(self.memory.now.get() + seconds * SECOND);
    }
}

fn get(path: &str) -> Request {
    Request::default().header(":method", "GET").header(":path", path).header(":authority", "shop.example")
}

fn user(name: &str) -> Request {
    get("/").header("x-user", name)
}
