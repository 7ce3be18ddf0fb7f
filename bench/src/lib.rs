//! What a request costs in Envoy's worker thread, chain by chain.
//!
//! A [group] is a file of workloads. A workload is one kind of request and the filter chains that it goes through, each
//! behind a listener of its own of one Envoy ([`mesh`]), beside a reference without filters. It is measured in
//! [instructions], in [CPU time](cpu_time) and in [calls of the host](host_calls), or Envoy itself is: its [start], its
//! [memory]. The [report] has it all, and a [page] with [pictures](picture) is made of it.

// A bench is not guest code: it runs natively, on input of its own.
#![allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::disallowed_types)]

mod bootstrap;
mod callgrind;
pub mod command;
pub mod cpu_time;
pub mod goal;
pub mod group;
pub mod host_calls;
pub mod instructions;
mod load;
pub mod memory;
pub mod mesh;
pub mod page;
pub mod picture;
mod points;
mod process;
mod profile;
pub mod report;
pub mod scale;
pub mod start;
pub mod statistics;
mod table;
mod verdict;
