//! The wasm module of the guest census.

palisade_sdk::filter!(palisade_guest_census::Census, phases: [request_headers]);
