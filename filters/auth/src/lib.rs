//! The auth filter answers who is calling and whether they may, before a request goes upstream.

#![forbid(unsafe_code)]

pub mod api_key;
pub mod basic;
pub mod lru;
pub mod method;
pub mod request;
