//! The ABI: the functions between a guest and its host.

mod arguments;
mod buffers;
mod callbacks;
mod callouts;
mod functions;
mod guest;
mod maps;
mod metrics;
mod plugin;
mod properties;
mod shared;
mod streams;

pub(crate) use arguments::Arguments;
pub(crate) use callbacks::callback;
pub(crate) use functions::{link, signature};
pub(crate) use guest::{Guest, Halt};
