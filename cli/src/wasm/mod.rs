//! A compiled module, read and rewritten.

mod interface;
mod strip;

pub use interface::Interface;
pub use strip::strip;
