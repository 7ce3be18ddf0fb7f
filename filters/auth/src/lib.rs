//! The auth filter answers who is calling and whether they may, before a request goes upstream.
//!
//! [`Auth`] is the filter. What decides is pure: [`config`] reads the configuration; [`path`] says which paths mean one
//! thing only; [`expression`] says which methods a rule needs and what follows from what came of them; [`reply`] and
//! [`identity`] say what the client, the upstream and the other filters learn. Each [`method`] is a file of its own, with
//! the pure parts below it.

#![forbid(unsafe_code)]
// Tests run natively, on numbers that they choose.
#![cfg_attr(test, allow(clippy::arithmetic_side_effects, clippy::string_slice))]

pub mod api_key;
pub mod base64;
pub mod base64url;
pub mod basic;
pub mod condition;
pub mod config;
pub mod expression;
mod filter;
pub mod hand_over;
pub mod hmac;
pub mod identity;
pub mod introspection;
pub mod jose;
mod json;
pub mod jwks;
pub mod jwt;
pub mod lru;
pub mod method;
mod methods;
pub mod path;
pub mod policy;
pub mod reply;
pub mod request;
mod secret;
mod seen;
mod siphash;
mod table;
pub mod tag;

pub use filter::Auth;

#[cfg(test)]
#[cfg(feature = "schema")]
mod agreement;
