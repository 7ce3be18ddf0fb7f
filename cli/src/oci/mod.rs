//! Images: modules as registries keep them, in the layout that Istio and Envoy Gateway read.
//!
//! ```text
//! manifest  application/vnd.oci.image.manifest.v1+json, by whose digest the proxies find the image; never an index
//! config    application/vnd.oci.image.config.v1+json
//! layers    application/vnd.oci.image.layer.v1.tar+gzip
//!   first   SHA256SUMS, SHA256SUMS.minisig, palisade.lock, sboms/<name>.cdx.json, provenance/<name>.intoto.json: what the
//!           module is held against
//!   last    plugin.wasm, which is all that the proxies look for
//! ```
//!
//! The same dist directory gives the same bytes, and so the same digest. [`pack`] makes images of its modules, [`push`] sends one
//! to a registry, [`pull`] takes one apart into such a directory again, and [`inspect`] says who can read one.

mod archive;
mod blob;
mod command;
mod credentials;
mod directory;
mod image;
mod pull;
mod readers;
mod registry;
mod source;

pub use command::{Inspect, Pack, Pull, Push};
pub use directory::pack;
pub use image::Image;
pub use pull::pull;
pub use readers::{Report, inspect};
pub use registry::push;
