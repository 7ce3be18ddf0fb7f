//! The wasm module of the data masking filter.
