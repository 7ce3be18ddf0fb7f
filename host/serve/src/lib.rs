//! A reverse proxy for development, which runs Proxy-Wasm filters as Envoy does. In production there it is Envoy.

mod admin;
mod callouts;
mod exchange;
mod fields;
mod frames;
mod grpc;
mod lane;
mod options;
mod outside;
mod path;
mod plugins;
mod prometheus;
mod proxy;
mod receive;
mod refusal;
mod say;
mod server;
mod tls;
mod upstream;
mod usage;

pub use options::{Level, Options, Policy};
pub use server::{Addresses, Server};
