//! The wasm module of the %name% filter.

palisade_sdk::filter!(%module%_filter::%Filter%, phases: [request_headers]);
