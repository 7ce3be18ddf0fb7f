//! The wasm module of the auth filter.
