//! The wasm module of the guest witness.

palisade_sdk::filter!(palisade_guest_witness::Witness, phases: [request_headers, end, background, http_call, sleep]);
