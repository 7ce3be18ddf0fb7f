//! The rate limit filter limits how much each caller may ask for, exactly over all workers and in bounded memory.
//!
//! [`RateLimit`] is the filter; with `reading` and `shared` it asks the host for what a request says and for what its workers share.
//! What decides is pure: [`config`] reads the configuration, [`limiter`] finds the limits that apply and takes
//! from all of them or none, [`gcra`] and [`calendar`] say what a limit allows, [`policy`] keeps it in a [`table`], [`store`] changes
//! tables together with other workers, [`lease`] spends what was taken ahead, and [`headers`] tells the client.
//!
//! [`GlobalRateLimit`] is a second filter beside it, which also asks services that count for all Envoys, by `rls`.

#![forbid(unsafe_code)]

pub mod calendar;
pub mod clock;
pub mod config;
mod counts;
pub mod decision;
mod filter;
pub mod gcra;
mod global;
pub mod headers;
pub mod key;
pub mod lease;
pub mod limiter;
pub mod policy;
mod reading;
mod rls;
mod settlement;
mod shared;
pub mod store;
pub mod table;

pub use filter::RateLimit;
pub use global::GlobalRateLimit;

#[cfg(test)]
mod fake;
