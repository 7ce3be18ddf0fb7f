//! A compiled module, read and rewritten.

mod interface;
mod labels;
mod strip;

pub use interface::Interface;
pub use labels::labels;
pub use strip::strip;
