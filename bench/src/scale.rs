//! A scale: how a workload is different from point to point.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What is different, and the points.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// The numbers that requests have in turn.
    Distinct(Vec<usize>),
    /// The header lines of a request, with those of its group.
    Headers(Vec<usize>),
    /// The items of the answer.
    Items(Vec<usize>),
    /// The worker threads.
    Workers(Vec<usize>),
}

/// A point.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct Point {
    /// Of what there are more or fewer.
    pub of: Unit,
    /// How many.
    pub at: usize,
}

/// What a point counts.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Keys or tokens that differ.
    Distinct,
    /// Header lines.
    Headers,
    /// Bytes of the answer's body.
    Bytes,
    /// Worker threads.
    Workers,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { of, at } = self;
        match of {
            Unit::Distinct => write!(f, "{at} different"),
            Unit::Headers => write!(f, "{at} headers"),
            Unit::Bytes => write!(f, "{at} bytes"),
            Unit::Workers => write!(f, "{at} {}", if *at == 1 { "worker" } else { "workers" }),
        }
    }
}
