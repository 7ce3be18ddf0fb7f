//! A reverse proxy for development, which runs Proxy-Wasm filters as Envoy does. In production there it is Envoy.

mod admin;
mod callouts;
mod exchange;
mod fields;
mod options;
mod path;
mod plugins;
mod proxy;
mod server;
mod tls;
mod upstream;

pub use options::{Level, Options, Policy};
pub use server::{Addresses, Server};
