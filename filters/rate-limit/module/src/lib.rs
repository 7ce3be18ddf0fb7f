//! The wasm module of the rate limit filter.
